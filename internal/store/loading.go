package store

import "context"

type loadingKey struct{}

// Load returns a context for the Updates of a bulk load. They are as atomic as
// others, but need not be durable when they return: they are once a later Update,
// or a write to a task, is that was made without such a context. Who loads notes
// how far it is in that way.
func Load(ctx context.Context) context.Context { return context.WithValue(ctx, loadingKey{}, true) }

// Loading reports whether ctx comes from Load.
func Loading(ctx context.Context) bool {
	loading, _ := ctx.Value(loadingKey{}).(bool)
	return loading
}
