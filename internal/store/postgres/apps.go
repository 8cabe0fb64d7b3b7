package postgres

import (
	"context"
	"errors"
	"fmt"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/postgres/thin"
	"hansard/internal/store/sqlstore"
)

// CreateApp stores a and sets its ID and, unless given, its CreatedAt.
func (s *Store) CreateApp(ctx context.Context, a *store.App) error {
	if !sqlstore.ValidAppKey(a.Key) {
		return errors.New("create app: the API key must be 1 to 64 letters, digits, - or _")
	}
	var given any // nil: the time at which it is stored
	if a.CreatedAt != 0 {
		given = a.CreatedAt
	}
	var id int64
	var created chat.Time
	find := func(c *thin.Conn, sql string, args ...any) error {
		id = 0
		return c.Query(sql, args, func(r *thin.Row) error {
			id, created = r.Int(0), r.Time(1)
			return nil
		})
	}
	err := s.surely(ctx, func(c *thin.Conn) error {
		err := find(c, `WITH `+withClock+`, fresh AS (
				INSERT INTO apps (key, secret, name, created_at) SELECT $2, $3, $4, coalesce($5::bigint, now) FROM clock
				ON CONFLICT (key) DO NOTHING RETURNING id, created_at),
			turn AS (INSERT INTO turns (app) SELECT id FROM fresh)
			SELECT id, created_at FROM fresh`, s.fixed(), a.Key, a.Secret, a.Name, given)
		if err == nil && id == 0 {
			err = store.ErrExists
		}
		return err
	}, func(c *thin.Conn) (bool, error) {
		err := find(c, `SELECT id, created_at FROM apps WHERE key = $1 AND secret = $2 AND name = $3`, a.Key, a.Secret, a.Name)
		return id != 0, err
	})
	if err != nil {
		return fmt.Errorf("create app %s: %w", a.Key, err)
	}
	a.ID, a.CreatedAt = id, created
	return nil
}

// AppByKey returns the app with that API key.
func (s *Store) AppByKey(ctx context.Context, key string) (store.App, error) {
	var a store.App
	err := store.ErrNotFound
	if sqlstore.ValidAppKey(key) {
		err = s.read(ctx, func(c *thin.Conn) (err error) {
			a, err = sqlstore.AppByKey(conn{c}, key)
			return err
		})
	}
	if err != nil {
		return store.App{}, fmt.Errorf("app by key: %w", err)
	}
	return a, nil
}

// Apps lists all apps by ID.
func (s *Store) Apps(ctx context.Context) ([]store.App, error) {
	var apps []store.App
	err := s.read(ctx, func(c *thin.Conn) (err error) {
		apps, err = sqlstore.Apps(conn{c})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list apps: %w", err)
	}
	return apps, nil
}

// SetAppSecret replaces the secret of the app with that key.
func (s *Store) SetAppSecret(ctx context.Context, key, secret string) error {
	err := store.ErrNotFound
	if sqlstore.ValidAppKey(key) {
		err = s.surely(ctx, func(c *thin.Conn) error {
			return sqlstore.ChangeOne(conn{c}, `UPDATE apps SET secret = $2 WHERE key = $1`, key, secret)
		}, nil)
	}
	if err != nil {
		return fmt.Errorf("set the secret of app %s: %w", key, err)
	}
	return nil
}

// DeleteApp removes the app with that key and all its data. The app is gone at
// once; its rows go in batches. If the process dies meanwhile, the next
// DeleteApp or DeleteTasks removes the rest.
func (s *Store) DeleteApp(ctx context.Context, key string) error {
	err := store.ErrNotFound
	if sqlstore.ValidAppKey(key) {
		err = s.surely(ctx, func(c *thin.Conn) error {
			return sqlstore.ChangeOne(conn{c}, `UPDATE apps SET key = NULL, secret = '' WHERE key = $1`, key)
		}, func(c *thin.Conn) (gone bool, err error) {
			gone = true
			err = c.Query(`SELECT 1 FROM apps WHERE key = $1`, []any{key}, func(*thin.Row) error {
				gone = false
				return nil
			})
			return gone, err
		})
	}
	if err == nil {
		err = s.purgeApps(ctx)
	}
	if err != nil {
		return fmt.Errorf("delete app %s: %w", key, err)
	}
	return nil
}
