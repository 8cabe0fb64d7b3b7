package thin

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"
)

func nothing(pgproto3.BackendMessage) {}

// Exec runs one statement and returns how many rows it changed. Parameters are
// $1, $2 …: int64, int, bool, string, []byte (nil = NULL), nil, a time of package
// chat, or a list: []int64, []string.
func (c *Conn) Exec(sql string, args ...any) (changed int64, err error) {
	if err := c.run("", sql, args, 0); err != nil {
		return 0, err
	}
	err = c.roundTrip(func(m pgproto3.BackendMessage) {
		if m, ok := m.(*pgproto3.CommandComplete); ok {
			changed = rowsOf(m.CommandTag)
		}
	})
	return changed, c.explain(sql, err)
}

// Later is Exec for a statement whose outcome is not needed now: it is sent with
// the next one, and its error is that of the next one.
func (c *Conn) Later(sql string, args ...any) error {
	if err := c.prepared(c.portal(), sql, args, 0); err != nil {
		return err
	}
	c.late = append(c.late, sql)
	c.lateSize += c.size
	if len(c.late) < pipeStatements && c.lateSize < pipeBytes {
		return nil
	}
	return c.Flush()
}

// Flush sends the late statements, and waits for what comes of them.
func (c *Conn) Flush() error {
	if err := c.ready(); err != nil || len(c.late) == 0 {
		return err
	}
	c.front.SendSync(&pgproto3.Sync{})
	return c.roundTrip(nothing)
}

// rowsOf is the number at the end of a command tag such as UPDATE 5.
func rowsOf(tag []byte) int64 {
	n, err := strconv.ParseInt(string(tag[bytes.LastIndexByte(tag, ' ')+1:]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Query runs one statement and calls row for each row. An error from row ends
// the reading and is returned as it is. row may run other statements.
func (c *Conn) Query(sql string, args []any, row func(*Row) error) error {
	portal := c.portal()
	if err := c.run(portal, sql, args, firstRows); err != nil {
		return err
	}
	b := c.batch()
	defer func() { c.batches = append(c.batches, b) }()
	for {
		more := false
		err := c.roundTrip(func(m pgproto3.BackendMessage) {
			switch m := m.(type) {
			case *pgproto3.DataRow:
				b.add(m.Values)
			case *pgproto3.PortalSuspended:
				more = true
			}
		})
		if err != nil {
			return c.explain(sql, err)
		}
		if err := c.rows(b, more, row); err != nil || !more {
			return err
		}
		b.reset()
		if err := c.ready(); err != nil {
			return err
		}
		c.front.SendExecute(&pgproto3.Execute{Portal: portal, MaxRows: nextRows})
		c.front.SendSync(&pgproto3.Sync{})
	}
}

// One runs one statement and calls row for the first row if there is one. row
// must not use the connection.
func (c *Conn) One(sql string, args []any, row func(*Row)) (found bool, err error) {
	if err := c.run(c.portal(), sql, args, 0); err != nil {
		return false, err
	}
	err = c.roundTrip(func(m pgproto3.BackendMessage) {
		if m, ok := m.(*pgproto3.DataRow); ok && !found {
			found = true
			c.row.values = m.Values
			row(&c.row)
		}
	})
	return found, c.explain(sql, err)
}

// Each runs one statement and calls row with each row as it comes. row must not
// use the connection.
func (c *Conn) Each(sql string, args []any, row func(*Row)) error {
	if err := c.run(c.portal(), sql, args, 0); err != nil {
		return err
	}
	var r Row
	err := c.roundTrip(func(m pgproto3.BackendMessage) {
		if m, ok := m.(*pgproto3.DataRow); ok {
			r.values = m.Values
			row(&r)
		}
	})
	return c.explain(sql, err)
}

func (c *Conn) rows(b *batch, more bool, row func(*Row) error) error {
	if more {
		c.open++
		defer func() { c.open-- }()
	}
	for i := range b.rows() {
		if err := row(b.at(i)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) batch() *batch {
	n := len(c.batches)
	if n == 0 {
		return &batch{}
	}
	b := c.batches[n-1]
	c.batches = c.batches[:n-1]
	b.reset()
	return b
}

// portal is a name for a result that no result has which is being read.
func (c *Conn) portal() string {
	if c.open == 0 {
		return ""
	}
	return "p" + strconv.Itoa(c.open)
}

// Many runs a statement once for each of n sets of parameters, and calls row
// with each row that it yields, and done with how many rows it changed. Either
// may be nil, and neither may use the connection. args may return the same
// slice again.
func (c *Conn) Many(sql string, n int, args func(i int) []any, row func(i int, r *Row), done func(i int, changed int64)) error {
	at := 0
	var r Row
	portal := c.portal()
	for next := 0; next < n; {
		size := 0
		for first := next; next < n && next-first < pipeStatements && size < pipeBytes; next++ {
			if err := c.prepared(portal, sql, args(next), 0); err != nil {
				return err
			}
			size += c.size
		}
		c.front.SendSync(&pgproto3.Sync{})
		err := c.roundTrip(func(m pgproto3.BackendMessage) {
			switch m := m.(type) {
			case *pgproto3.DataRow:
				if row != nil {
					r.values = m.Values
					row(at, &r)
				}
			case *pgproto3.CommandComplete:
				if done != nil {
					done(at, rowsOf(m.CommandTag))
				}
				at++
			}
		})
		if err != nil {
			return c.explain(sql, err)
		}
	}
	return nil
}

// explain says which statement an error of the server is about.
func (c *Conn) explain(sql string, err error) error {
	if err == nil || c.err != nil {
		return err
	}
	if len(sql) > 60 {
		sql = sql[:60] + "…"
	}
	return fmt.Errorf("%q: %w", sql, err)
}
