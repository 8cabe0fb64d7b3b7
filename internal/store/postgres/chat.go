package postgres

import (
	"context"
	"math"
	"slices"
	"strconv"

	"hansard/internal/store"
	"hansard/internal/store/postgres/thin"
	"hansard/internal/store/sqlstore"
)

var dialect = sqlstore.Dialect{Shared: true}

// conn is a connection as package sqlstore sees it.
type conn struct{ *thin.Conn }

var (
	_ sqlstore.Conn          = conn{}
	_ sqlstore.MessageReader = conn{}
	_ sqlstore.Pipeline      = conn{}
)

func (c conn) Query(sql string, args []any, row func(sqlstore.Row) error) error {
	return c.Conn.Query(sql, args, func(r *thin.Row) error { return row(r) })
}

func (c conn) One(sql string, args []any, row func(sqlstore.Row)) (bool, error) {
	return c.Conn.One(sql, args, func(r *thin.Row) { row(r) })
}

// QueryMessages reads messages in parts. That there is a limit tells the
// planner that the first of them are wanted soon, and not all of them sorted.
func (c conn) QueryMessages(sql string, args []any, fn func(*store.MessageRow) error) error {
	var row store.MessageRow
	sql += ` LIMIT $` + strconv.Itoa(len(args)+1)
	args = append(slices.Clip(args), int64(math.MaxInt64))
	return c.Conn.Query(sql, args, func(r *thin.Row) error {
		sqlstore.ScanMessage(r, &row)
		return fn(&row)
	})
}

func (c conn) Many(sql string, n int, args func(int) []any, row func(int, sqlstore.Row), done func(int, int64)) error {
	var each func(int, *thin.Row)
	if row != nil {
		each = func(i int, r *thin.Row) { row(i, r) }
	}
	return c.Conn.Many(sql, n, args, each, done)
}

// View runs fn on a Reader of that app.
func (s *Store) View(ctx context.Context, app int64, fn func(store.Reader) error) error {
	return s.read(ctx, func(c *thin.Conn) error {
		return fn(sqlstore.NewReader(conn{c}, dialect, app))
	})
}

// Update runs fn in a transaction on that app. It runs fn again when it ran
// into another transaction, or when the connection broke before the commit.
func (s *Store) Update(ctx context.Context, app int64, fn func(store.Tx) error) error {
	return s.write(ctx, func(c *thin.Conn) error {
		if store.Loading(ctx) {
			// The next commit that waits for the disk waits for this one, too.
			if err := c.Later(`SET LOCAL synchronous_commit = off`); err != nil {
				return err
			}
		}
		t := sqlstore.NewTx(conn{c}, dialect, app)
		if err := fn(t); err != nil {
			return err
		}
		return t.Flush()
	})
}
