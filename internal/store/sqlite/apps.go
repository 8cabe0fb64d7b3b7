package sqlite

import (
	"context"
	"errors"
	"fmt"

	"hansard/internal/store"
	"hansard/internal/store/sqlite/lite"
	"hansard/internal/store/sqlstore"
)

// CreateApp stores a and sets its ID and, unless given, its CreatedAt.
func (s *Store) CreateApp(ctx context.Context, a *store.App) error {
	if !sqlstore.ValidAppKey(a.Key) {
		return errors.New("create app: the API key must be 1 to 64 letters, digits, - or _")
	}
	created := a.CreatedAt
	if created == 0 {
		created = s.now()
	}
	var id int64
	err := s.write(ctx, func(c *lite.Conn) error {
		return c.Query(`INSERT INTO apps (key, secret, name, created_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (key) DO NOTHING RETURNING id`, []any{a.Key, a.Secret, a.Name, created},
			func(st *lite.Stmt) error {
				id = st.Int(0)
				return nil
			})
	})
	switch {
	case err != nil:
		return fmt.Errorf("create app %s: %w", a.Key, err)
	case id == 0:
		return fmt.Errorf("app %s: %w", a.Key, store.ErrExists)
	}
	a.ID, a.CreatedAt = id, created
	return nil
}

// AppByKey returns the app with that API key.
func (s *Store) AppByKey(ctx context.Context, key string) (store.App, error) {
	var a store.App
	err := s.read(ctx, func(c *lite.Conn) (err error) {
		a, err = sqlstore.AppByKey(conn{c}, key)
		return err
	})
	if err != nil {
		return store.App{}, fmt.Errorf("app by key: %w", err)
	}
	return a, nil
}

// Apps lists all apps by ID.
func (s *Store) Apps(ctx context.Context) ([]store.App, error) {
	var apps []store.App
	err := s.read(ctx, func(c *lite.Conn) (err error) {
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
	err := s.write(ctx, func(c *lite.Conn) error {
		return sqlstore.ChangeOne(conn{c}, `UPDATE apps SET secret = $2 WHERE key = $1`, key, secret)
	})
	if err != nil {
		return fmt.Errorf("set the secret of app %s: %w", key, err)
	}
	return nil
}

// DeleteApp removes the app with that key and all its data. The app is gone at
// once; its rows go in batches, so that other writers need not wait. If the
// process dies meanwhile, the next DeleteApp or DeleteTasks removes the rest.
func (s *Store) DeleteApp(ctx context.Context, key string) error {
	err := s.write(ctx, func(c *lite.Conn) error {
		return sqlstore.ChangeOne(conn{c}, `UPDATE apps SET key = NULL, secret = '' WHERE key = $1`, key)
	})
	if err == nil {
		err = s.purgeApps(ctx)
	}
	if err != nil {
		return fmt.Errorf("delete app %s: %w", key, err)
	}
	return nil
}

// The tables with an app's rows, and what tells their rows apart.
var appTables = []struct{ name, key string }{
	{"tasks", "seq"},
	{"idempotency", "app, key"},
	{"settings", "app, name"},
	{"marks", "app, kind, user, subject"},
	{"pending", "app, id"},
	{"history", "app, message, updated_at"},
	{"call_users", "app, user, call"},
	{"calls", "key"},
	{"reactions", "app, message, user, type"},
	{"orphans", "app, parent"},
	{"replies", "app, parent, created_at, id"},
	{"messages", "app, channel, created_at, id"},
	{"runs", "app, kind, run"},
	{"reads", "app, channel, user"},
	{"members", "app, channel, user"},
	{"channels", "key"},
	{"users", "key"},
}

// purgeBatch is how many rows of a table are removed in one go.
const purgeBatch = 2000

// purgeApps removes what is left of deleted apps.
func (s *Store) purgeApps(ctx context.Context) error {
	for {
		var app int64
		err := s.read(ctx, func(c *lite.Conn) error {
			app = 0
			return c.Query(`SELECT id FROM apps WHERE key IS NULL LIMIT 1`, nil, func(st *lite.Stmt) error {
				app = st.Int(0)
				return nil
			})
		})
		if err != nil || app == 0 {
			return err
		}
		for more := true; more; {
			err := s.write(ctx, func(c *lite.Conn) error {
				var err error
				more, err = purgeApp(c, app)
				return errors.Join(err, erased(c))
			})
			if err != nil {
				return err
			}
		}
		s.scrubber.begin()
	}
}

// purgeApp removes one batch of a deleted app's rows, or the app itself once
// it has none; more reports whether there was anything to remove.
func purgeApp(c *lite.Conn, app int64) (more bool, err error) {
	for _, t := range appTables {
		sql := fmt.Sprintf(`DELETE FROM %[1]s WHERE (%[2]s) IN (SELECT %[2]s FROM %[1]s WHERE app = $1 LIMIT %[3]d)`,
			t.name, t.key, purgeBatch)
		if err := c.Exec(sql, app); err != nil {
			return false, err
		}
		if c.Changes() > 0 {
			return true, nil
		}
	}
	return false, c.Exec(`DELETE FROM apps WHERE id = $1 AND key IS NULL`, app)
}
