package sqlstore

import (
	"crypto/rand"

	"hansard/internal/store"
)

// ValidAppKey reports whether an app may have that API key.
func ValidAppKey(key string) bool {
	for _, c := range []byte(key) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return len(key) >= 1 && len(key) <= 64
}

const selectApps = `SELECT id, key, secret, name, created_at FROM apps WHERE `

func scanApp(r Row) store.App {
	return store.App{ID: r.Int(0), Key: r.Text(1), Secret: r.Text(2), Name: r.Text(3), CreatedAt: r.Time(4)}
}

// AppByKey is the app with that API key.
func AppByKey(c Conn, key string) (a store.App, err error) {
	found, err := c.One(selectApps+`key = $1`, []any{key}, func(r Row) { a = scanApp(r) })
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return a, err
}

// Apps are all apps by ID, without those that are being deleted.
func Apps(c Conn) (apps []store.App, err error) {
	err = c.Query(selectApps+`key IS NOT NULL ORDER BY id`, nil, func(r Row) error {
		apps = append(apps, scanApp(r))
		return nil
	})
	return apps, err
}

// ChangeOne runs a statement that must change a row; ErrNotFound if it changes
// none.
func ChangeOne(c Conn, sql string, args ...any) error {
	changed, err := c.Exec(sql, args...)
	if err == nil && changed == 0 {
		err = store.ErrNotFound
	}
	return err
}

// Transact runs fn in a transaction.
type Transact func(fn func(Conn) error) error

// Secret is the value kept under a name. The first who asks makes it.
func Secret(read, write Transact, name string) (value []byte, err error) {
	get := func(c Conn) error {
		return c.Query(`SELECT value FROM secrets WHERE name = $1`, []any{name}, func(r Row) error {
			value = r.Copy(0)
			return nil
		})
	}
	if err := read(get); err != nil || value != nil {
		return value, err
	}
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, err
	}
	err = write(func(c Conn) error {
		if _, err := c.Exec(`INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, fresh); err != nil {
			return err
		}
		return get(c)
	})
	return value, err
}
