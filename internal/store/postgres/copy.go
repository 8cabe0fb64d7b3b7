package postgres

import (
	"bytes"
	"fmt"

	"hansard/internal/store"
	"hansard/internal/store/postgres/thin"
	"hansard/internal/store/sqlstore"
)

// snapConn reads for a snapshot.
type snapConn struct {
	conn
	snap *snapshot
}

// What goes wrong here has no transaction around it that would name it.

func (c snapConn) Query(sql string, args []any, row func(sqlstore.Row) error) error {
	return named(c.conn.Query(sql, args, row))
}

func (c snapConn) One(sql string, args []any, row func(sqlstore.Row)) (bool, error) {
	found, err := c.conn.One(sql, args, row)
	return found, named(err)
}

func (c snapConn) Many(sql string, n int, args func(int) []any, row func(int, sqlstore.Row), done func(int, int64)) error {
	return named(c.conn.Many(sql, n, args, row, done))
}

// QueryMessages copies messages over the second connection.
func (c snapConn) QueryMessages(sql string, args []any, fn func(*store.MessageRow) error) error {
	return named(c.copyMessages(sql, args, fn))
}

func (c snapConn) copyMessages(sql string, args []any, fn func(*store.MessageRow) error) error {
	s := c.snap
	if s.id == "" || s.copying {
		return c.conn.QueryMessages(sql, args, fn)
	}
	text, err := inline(sql, args)
	if err != nil {
		return err
	}
	if err := s.openStream(); err != nil {
		return err
	}
	s.copying = true
	s.ahead.reset()
	defer func() {
		s.copying = false
		s.ahead.forget()
	}()
	var row store.MessageRow
	err = s.stream.Copy(text, func(r *thin.Row) error {
		sqlstore.ScanMessage(r, &row)
		if s.ahead.full() {
			if err := s.deliver(fn); err != nil {
				return err
			}
		}
		s.ahead.add(&row)
		return nil
	})
	if err != nil {
		// The transaction has failed: the next one is begun on the same snapshot.
		s.closeStream()
		return err
	}
	return s.deliver(fn)
}

// ahead holds messages that have been copied, and what they refer to: it is
// read in one go before they are handed out, and not one by one.
type ahead struct {
	rows []store.MessageRow
	buf  []byte
	want wanted

	messages map[string]store.MessageRow
	users    map[int64]user
	// known are users that were read before: the reader keeps them. Of a key the
	// low bits say where, and what stands there are the next ones, plus 1. Keys are
	// dense, so few share a place; who is not found is read again.
	known []uint16
	noted int // since it was cleared
}

type user struct {
	id     string
	object []byte
}

// wanted is what the rows refer to.
type wanted struct {
	messages []string
	users    []int64
}

const (
	aheadRows  = 256
	aheadBytes = 512 << 10
	maxKnown   = 1 << 16 // users, before they are read again
)

func (a *ahead) reset() {
	a.rows, a.buf = a.rows[:0], a.buf[:0]
}

func (a *ahead) full() bool { return len(a.rows) == aheadRows || len(a.buf) >= aheadBytes }

// add copies a row, whose bytes go with the next one.
func (a *ahead) add(row *store.MessageRow) {
	kept := *row
	a.buf = sqlstore.KeepMessage(&kept, a.buf) // where it has to grow, earlier rows stay in the old one
	a.rows = append(a.rows, kept)
}

// forget forgets what was read for the rows before.
func (a *ahead) forget() {
	clear(a.messages)
	clear(a.users)
	a.want.messages, a.want.users = a.want.messages[:0], a.want.users[:0]
}

// begin makes ready to list what the next rows refer to.
func (a *ahead) begin() {
	if a.known == nil {
		a.messages, a.users, a.known = map[string]store.MessageRow{}, map[int64]user{}, make([]uint16, maxKnown)
	}
	if a.noted > maxKnown {
		clear(a.known)
		a.noted = 0
	}
	a.forget()
}

// find lists what the rows refer to.
func (a *ahead) find() {
	a.begin()
	for i := range a.rows {
		row := &a.rows[i]
		if len(row.QuotedID) > 0 {
			a.want.messages = append(a.want.messages, string(row.QuotedID))
		}
		a.wantUser(row.User)
	}
}

func (a *ahead) wantUser(key int64) {
	if at, high := key&(maxKnown-1), uint16(key/maxKnown+1); a.known[at] != high {
		a.known[at] = high
		a.noted++
		a.want.users = append(a.want.users, key)
	}
}

// deliver hands out the rows that are held.
func (s *snapshot) deliver(fn func(*store.MessageRow) error) error {
	a := &s.ahead
	a.find()
	if err := s.readMessages(); err != nil {
		return err
	}
	if err := s.readUsers(); err != nil {
		return err
	}
	for i := range a.rows {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if err := fn(&a.rows[i]); err != nil {
			return err
		}
	}
	a.reset()
	return nil
}

// readMessages reads the messages that are wanted, all at once.
func (s *snapshot) readMessages() error {
	a := &s.ahead
	if len(a.want.messages) == 0 {
		return nil
	}
	err := s.base.Each(sqlstore.MessagesByID, []any{s.app, a.want.messages}, func(r *thin.Row) {
		var row store.MessageRow
		sqlstore.ScanMessage(r, &row)
		sqlstore.KeepMessage(&row, nil)
		a.messages[string(row.ID)] = row
	})
	if err != nil {
		return fmt.Errorf("read quoted messages: %w", named(err))
	}
	return nil
}

// readUsers reads the users that are wanted, all at once.
func (s *snapshot) readUsers() error {
	a := &s.ahead
	if len(a.want.users) == 0 {
		return nil
	}
	err := s.base.Each(sqlstore.UsersByKey, []any{s.app, a.want.users}, func(r *thin.Row) {
		a.users[r.Int(0)] = user{r.Text(1), r.Copy(2)}
	})
	if err != nil {
		return fmt.Errorf("read users: %w", named(err))
	}
	return nil
}

// Members reads the users of members ahead, some at a time.
func (s *snapshot) Members(channel int64, fn func(*store.MemberRow) error) error {
	c := crowd[store.MemberRow]{snap: s, user: func(row *store.MemberRow) int64 { return row.User }, fn: fn}
	return c.read(func(add func(*store.MemberRow) error) error {
		return s.Reader.Members(channel, func(row *store.MemberRow) error {
			return add(&store.MemberRow{User: row.User, Body: bytes.Clone(row.Body)})
		})
	})
}

// Reads is Members for read states.
func (s *snapshot) Reads(channel int64, fn func(*store.ReadRow) error) error {
	c := crowd[store.ReadRow]{snap: s, user: func(row *store.ReadRow) int64 { return row.User }, fn: fn}
	return c.read(func(add func(*store.ReadRow) error) error { return s.Reader.Reads(channel, add) })
}

// crowd holds rows until their users have been read, in one go.
type crowd[T any] struct {
	snap *snapshot
	user func(*T) int64
	fn   func(*T) error
	rows []T
}

// read hands out the rows that all gives.
func (c *crowd[T]) read(all func(add func(*T) error) error) error {
	err := all(func(row *T) error {
		if len(c.rows) == aheadRows {
			if err := c.deliver(); err != nil {
				return err
			}
		}
		c.rows = append(c.rows, *row)
		return nil
	})
	if err != nil {
		return err
	}
	return c.deliver()
}

func (c *crowd[T]) deliver() error {
	a := &c.snap.ahead
	a.begin()
	for i := range c.rows {
		a.wantUser(c.user(&c.rows[i]))
	}
	if err := c.snap.readUsers(); err != nil {
		return err
	}
	for i := range c.rows {
		if err := c.fn(&c.rows[i]); err != nil {
			return err
		}
	}
	c.rows = c.rows[:0]
	return nil
}

// Message returns a message, which may have been read ahead.
func (s *snapshot) Message(id string) (store.MessageRow, error) {
	if row, ok := s.ahead.messages[id]; ok {
		return row, nil
	}
	return s.Reader.Message(id)
}

// MessageInto is Message, without a copy of what was read ahead.
func (s *snapshot) MessageInto(row *store.MessageRow, buf, id []byte) ([]byte, bool, error) {
	if ahead, ok := s.ahead.messages[string(id)]; ok {
		*row = ahead
		return buf, true, nil
	}
	return s.Reader.MessageInto(row, buf, id)
}

// UserByKey returns a user, which may have been read ahead.
func (s *snapshot) UserByKey(key int64) (id string, object []byte, err error) {
	if u, ok := s.ahead.users[key]; ok {
		return u.id, u.object, nil
	}
	return s.Reader.UserByKey(key)
}

// UserInto is UserByKey into buf.
func (s *snapshot) UserInto(buf []byte, key int64) (id string, grown []byte, err error) {
	if u, ok := s.ahead.users[key]; ok {
		return u.id, append(buf, u.object...), nil
	}
	return s.Reader.UserInto(buf, key)
}
