package store

import (
	"context"

	"hansard/internal/chat"
)

// App is a tenant.
type App struct {
	ID        int64
	Name      string
	Key       string // public, [A-Za-z0-9_-]{1,64}, unique
	Secret    string
	CreatedAt chat.Time
}

// Apps keeps tenants.
type Apps interface {
	// CreateApp stores a and sets its ID. ErrExists if the key is taken.
	CreateApp(ctx context.Context, a *App) error
	// AppByKey returns the app with that API key, or ErrNotFound.
	AppByKey(ctx context.Context, key string) (App, error)
	// Apps lists all apps by ID.
	Apps(ctx context.Context) ([]App, error)
	// SetAppSecret replaces the secret of the app with that key, or ErrNotFound.
	SetAppSecret(ctx context.Context, key, secret string) error
	// DeleteApp removes the app with that key and all its data, or ErrNotFound.
	DeleteApp(ctx context.Context, key string) error
}
