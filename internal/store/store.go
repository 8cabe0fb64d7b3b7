package store

import (
	"context"
	"errors"
)

// Errors that every engine returns, wrapped with context.
var (
	// ErrNotFound: no such app, user, channel, message, task …
	ErrNotFound = errors.New("not found")
	// ErrExists: an app, user, message … with that id is already there.
	ErrExists = errors.New("already exists")
	// ErrLeaseLost: another worker has claimed the task since; whatever this
	// one did for it must not be shown.
	ErrLeaseLost = errors.New("the task's lease was lost")
	// ErrKeyReused: the same idempotency key came with another request.
	ErrKeyReused = errors.New("the idempotency key was used with another request body")
	// ErrUnavailable: the database cannot be reached, or was lost on the way.
	// Whether a write was done that failed like this is not always known.
	ErrUnavailable = errors.New("the database cannot be reached")
	// ErrFull: the database has no room left; nothing was written.
	ErrFull = errors.New("the disk of the database is full")
)

// UnknownUserError says that a write names a user that does not exist.
type UnknownUserError struct{ ID string }

func (e *UnknownUserError) Error() string { return "user " + e.ID + " does not exist" }

// Is makes errors.Is(err, ErrNotFound) true.
func (e *UnknownUserError) Is(target error) bool { return target == ErrNotFound }

// Store is everything that an engine provides.
type Store interface {
	Apps
	Tasks

	// View runs fn on a Reader of that app. The Reader is one snapshot, and
	// dies when fn returns.
	View(ctx context.Context, app int64, fn func(Reader) error) error
	// Update runs fn in a transaction. Writers of one channel, user, call or
	// setting run as if one after the other. When Update returns nil the
	// transaction is durable (later, with a context from Load); when fn or the
	// commit fails nothing of it remains.
	// fn may be run again, after what it did to the store was undone: what it
	// builds must come out the same.
	Update(ctx context.Context, app int64, fn func(Tx) error) error
	// Snapshot opens a Reader of that app that holds its instant until Close.
	Snapshot(ctx context.Context, app int64) (Snapshot, error)

	// Secret returns the random bytes kept under that name, making 32 of them
	// at the first call. All processes on one store see the same bytes.
	Secret(ctx context.Context, name string) ([]byte, error)
	// Ping answers whether the database does.
	Ping(ctx context.Context) error
	Close() error
}

// As finds a T in s, or in what s wraps: an engine, or what a store can do beyond
// Store. Who wraps a store and means to be looked through has a method Unwrap.
func As[T any](s Store) (T, bool) {
	for {
		if t, ok := s.(T); ok {
			return t, true
		}
		w, ok := s.(interface{ Unwrap() Store })
		if !ok {
			var none T
			return none, false
		}
		s = w.Unwrap()
	}
}
