package sqlite

import (
	"hansard/internal/store"
	"hansard/internal/store/sqlite/lite"
	"hansard/internal/store/sqlstore"
)

// dialect is what is special about SQLite here: one writer, and a planner that
// is told which way to go.
var dialect = sqlstore.Dialect{Hints: true, Runs: true}

// conn is a connection as package sqlstore sees it.
type conn struct{ *lite.Conn }

var (
	_ sqlstore.Conn            = conn{}
	_ sqlstore.MessageReader   = conn{}
	_ sqlstore.MessageGetter   = conn{}
	_ sqlstore.MessageInserter = conn{}
	_ sqlstore.MessageCursors  = conn{}
)

func (c conn) Exec(sql string, args ...any) (int64, error) {
	if err := c.Conn.Exec(sql, args...); err != nil {
		return 0, err
	}
	return int64(c.Changes()), nil
}

func (c conn) Query(sql string, args []any, row func(sqlstore.Row) error) error {
	return c.Conn.Query(sql, args, func(s *lite.Stmt) error { return row(s) })
}

func (c conn) One(sql string, args []any, row func(sqlstore.Row)) (bool, error) {
	s, err := c.Stmt(sql)
	if err != nil {
		return false, err
	}
	defer s.Release()
	s.Bind(args)
	found, err := s.Step()
	if found {
		row(s)
	}
	return found, err
}

// QueryMessages reads messages where SQLite keeps them.
func (c conn) QueryMessages(sql string, args []any, fn func(*store.MessageRow) error) error {
	var row store.MessageRow
	return c.Conn.Query(sql, args, func(s *lite.Stmt) error {
		sqlstore.ScanMessage(s, &row)
		return fn(&row)
	})
}

// OpenMessages begins to read messages where SQLite keeps them.
func (c conn) OpenMessages(sql string, args []any) (sqlstore.MessageCursor, error) {
	s, err := c.Stmt(sql)
	if err != nil {
		return nil, err
	}
	s.Bind(args)
	return messageCursor{s}, nil
}

type messageCursor struct{ *lite.Stmt }

func (m messageCursor) Next(row *store.MessageRow) (bool, error) {
	more, err := m.Step()
	if more {
		sqlstore.ScanMessage(m.Stmt, row)
	}
	return more, err
}

func (m messageCursor) Close() { m.Release() }

// GetMessage reads one message.
func (c conn) GetMessage(sql string, app int64, row *store.MessageRow, buf, id []byte) ([]byte, bool, error) {
	s, err := c.Stmt(sql)
	if err != nil {
		return buf, false, err
	}
	defer s.Release()
	s.BindInt(1, app)
	s.BindTextBytes(2, id)
	found, err := s.Step()
	if found {
		sqlstore.ScanMessage(s, row)
		buf = sqlstore.KeepMessage(row, buf)
	}
	return buf, found, err
}

const insertMessage = `INSERT INTO messages (app, channel, created_at, id, user, kind, deleted_at, parent, quoted, body, pin, run, reactions, thread)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING`

// InsertMessage binds the columns of a message one by one, without boxing them.
func (c conn) InsertMessage(m *sqlstore.MessageRecord) (bool, error) {
	s, err := c.Stmt(insertMessage)
	if err != nil {
		return false, err
	}
	s.BindInt(1, m.App)
	s.BindInt(2, m.Channel)
	s.BindInt(3, int64(m.CreatedAt))
	s.BindText(4, m.ID)
	s.BindInt(5, m.User)
	s.BindInt(6, m.Kind)
	s.BindInt(7, int64(m.DeletedAt))
	bindOptional(s, 8, m.Parent)
	bindOptional(s, 9, m.Quoted)
	s.BindBytes(10, m.Body)
	s.BindBytes(11, m.Pin)
	s.BindInt(12, m.Run)
	s.BindBytes(13, m.Reactions)
	s.BindBytes(14, m.Thread)
	_, err = s.Step()
	s.Release()
	return err == nil && c.Changes() == 1, err
}

func bindOptional(s *lite.Stmt, i int, v string) {
	if v == "" {
		s.BindNull(i)
	} else {
		s.BindText(i, v)
	}
}
