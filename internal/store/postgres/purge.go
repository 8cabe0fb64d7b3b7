package postgres

import (
	"context"
	"fmt"
	"strings"

	"hansard/internal/store/postgres/thin"
)

// appTable is a table with rows of apps, and what tells the rows of one app
// apart: the columns of an index that come after the app.
type appTable struct {
	name string
	key  []keyColumn
}

type keyColumn struct{ name, typ string }

func ints(name string) keyColumn  { return keyColumn{name, "bigint"} }
func texts(name string) keyColumn { return keyColumn{name, "text"} }

// appTables are all tables with rows of apps but the apps themselves.
func appTables() []appTable {
	user := ints(`"user"`)
	return []appTable{
		{"spans", []keyColumn{texts("task"), ints("epoch"), ints("number")}},
		{"tasks", []keyColumn{ints("created_at"), ints("seq")}},
		{"idempotency", []keyColumn{{"key", "bytea"}}},
		{"turns", nil},
		{"settings", []keyColumn{texts("name")}},
		{"marks", []keyColumn{ints("kind"), user, texts("subject")}},
		{"pending", []keyColumn{texts("id")}},
		{"history", []keyColumn{texts("message"), ints("updated_at")}},
		{"call_users", []keyColumn{user, ints("call")}},
		{"calls", []keyColumn{ints("key")}},
		{"reactions", []keyColumn{texts("message"), user, texts("type")}},
		{"orphans", []keyColumn{texts("parent")}},
		{"replies", []keyColumn{texts("parent"), ints("created_at"), texts("id")}},
		{"messages", []keyColumn{ints("channel"), ints("created_at"), texts("id")}},
		{"reads", []keyColumn{ints("channel"), user}},
		{"members", []keyColumn{ints("channel"), user}},
		{"channels", []keyColumn{ints("key")}},
		{"users", []keyColumn{ints("key")}},
	}
}

// purgeBatch is how many rows of a table are removed in one go.
const purgeBatch = 2000

// statement removes a batch of an app's rows, the first ones after a key if
// there is one, and returns the key of the last.
func (t *appTable) statement(after bool) string {
	var names, params, same, last []string
	for i, k := range t.key {
		names = append(names, k.name)
		params = append(params, fmt.Sprintf("$%d::%s", i+2, k.typ))
		same = append(same, fmt.Sprintf("t.%[1]s = b.%[1]s", k.name))
		last = append(last, k.name+" DESC")
	}
	key := strings.Join(names, ", ")
	from := ""
	if after {
		from = fmt.Sprintf(" AND (%s) > (%s)", key, strings.Join(params, ", "))
	}
	return fmt.Sprintf(`WITH batch AS (SELECT %[2]s FROM %[1]s WHERE app = $1%[3]s ORDER BY app, %[2]s LIMIT %[4]d),
		gone AS (DELETE FROM %[1]s t USING batch b WHERE t.app = $1 AND %[5]s)
		SELECT %[2]s FROM batch ORDER BY %[6]s LIMIT 1`,
		t.name, key, from, purgeBatch, strings.Join(same, " AND "), strings.Join(last, ", "))
}

// purgeApps removes what is left of deleted apps.
func (s *Store) purgeApps(ctx context.Context) error {
	for {
		var app int64
		err := s.read(ctx, func(c *thin.Conn) error {
			return c.Query(`SELECT id FROM apps WHERE key IS NULL ORDER BY id LIMIT 1`, nil, func(r *thin.Row) error {
				app = r.Int(0)
				return nil
			})
		})
		if err != nil || app == 0 {
			return err
		}
		// Whoever was writing when the app went may have written to a table
		// that was empty by then.
		for left := true; left; {
			if left, err = s.purgeApp(ctx, app); err != nil {
				return err
			}
		}
		err = s.write(ctx, func(c *thin.Conn) error {
			_, err := c.Exec(`DELETE FROM apps WHERE id = $1 AND key IS NULL`, app)
			return err
		})
		if err != nil {
			return err
		}
	}
}

// purgeApp removes the rows of an app, batch by batch; it reports whether there
// were any.
func (s *Store) purgeApp(ctx context.Context, app int64) (some bool, err error) {
	for _, t := range appTables() {
		if t.key == nil {
			err := s.write(ctx, func(c *thin.Conn) error {
				_, err := c.Exec(`DELETE FROM `+t.name+` WHERE app = $1`, app)
				return err
			})
			if err != nil {
				return false, err
			}
			continue
		}
		// Each batch goes on after the one before. To begin anew would be to
		// step over all that was deleted, as long as somebody may still see it.
		var last []any
		for more := true; more; {
			var next []any
			err := s.write(ctx, func(c *thin.Conn) error {
				next = nil
				return c.Query(t.statement(last != nil), append([]any{app}, last...), func(r *thin.Row) error {
					for i, k := range t.key {
						switch k.typ {
						case "bigint":
							next = append(next, r.Int(i))
						case "text":
							next = append(next, r.Text(i))
						default:
							next = append(next, r.Copy(i))
						}
					}
					return nil
				})
			})
			if err != nil {
				return false, err
			}
			last, more = next, next != nil
			some = some || more
		}
	}
	return some, nil
}
