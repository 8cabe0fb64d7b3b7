package postgres

import (
	"context"
	"errors"
	"fmt"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/postgres/thin"
)

// CreateApp stores a and sets its ID and, unless given, its CreatedAt.
func (s *Store) CreateApp(ctx context.Context, a *store.App) error {
	if !validAppKey(a.Key) {
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

func validAppKey(key string) bool {
	for _, c := range []byte(key) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return len(key) >= 1 && len(key) <= 64
}

const appColumns = `id, key, secret, name, created_at`

func scanApp(r *thin.Row) store.App {
	return store.App{ID: r.Int(0), Key: r.Text(1), Secret: r.Text(2), Name: r.Text(3), CreatedAt: r.Time(4)}
}

// AppByKey returns the app with that API key.
func (s *Store) AppByKey(ctx context.Context, key string) (store.App, error) {
	var a store.App
	if !validAppKey(key) {
		return a, fmt.Errorf("app by key: %w", store.ErrNotFound)
	}
	err := s.read(ctx, func(c *thin.Conn) error {
		return c.Query(`SELECT `+appColumns+` FROM apps WHERE key = $1`, []any{key}, func(r *thin.Row) error {
			a = scanApp(r)
			return nil
		})
	})
	if err == nil && a.ID == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.App{}, fmt.Errorf("app by key: %w", err)
	}
	return a, nil
}

// Apps lists all apps by ID.
func (s *Store) Apps(ctx context.Context) ([]store.App, error) {
	var apps []store.App
	err := s.read(ctx, func(c *thin.Conn) error {
		return c.Query(`SELECT `+appColumns+` FROM apps WHERE key IS NOT NULL ORDER BY id`, nil, func(r *thin.Row) error {
			apps = append(apps, scanApp(r))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list apps: %w", err)
	}
	return apps, nil
}

// SetAppSecret replaces the secret of the app with that key.
func (s *Store) SetAppSecret(ctx context.Context, key, secret string) error {
	err := store.ErrNotFound
	if validAppKey(key) {
		err = s.surely(ctx, func(c *thin.Conn) error {
			return changeOne(c, `UPDATE apps SET secret = $2 WHERE key = $1`, key, secret)
		}, nil)
	}
	if err != nil {
		return fmt.Errorf("set the secret of app %s: %w", key, err)
	}
	return nil
}

// changeOne runs a statement that must change a row; ErrNotFound if it changes
// none.
func changeOne(c *thin.Conn, sql string, args ...any) error {
	changed, err := c.Exec(sql, args...)
	if err == nil && changed == 0 {
		err = store.ErrNotFound
	}
	return err
}

// DeleteApp removes the app with that key and all its data. The app is gone at
// once; its rows go in batches. If the process dies meanwhile, the next
// DeleteApp or DeleteTasks removes the rest.
func (s *Store) DeleteApp(ctx context.Context, key string) error {
	err := store.ErrNotFound
	if validAppKey(key) {
		err = s.surely(ctx, func(c *thin.Conn) error {
			return changeOne(c, `UPDATE apps SET key = NULL, secret = '' WHERE key = $1`, key)
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
