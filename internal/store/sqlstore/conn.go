package sqlstore

import (
	"errors"

	"hansard/internal/chat"
	"hansard/internal/store"
)

// Conn runs statements in a transaction. Parameters are int64, int, bool,
// string, []byte (nil = NULL), nil, or a time of package chat.
type Conn interface {
	// Exec runs a statement and returns how many rows it changed.
	Exec(sql string, args ...any) (changed int64, err error)
	// Query runs a statement and calls row for each row. An error from row ends
	// the reading and is returned as it is. row may run other statements.
	Query(sql string, args []any, row func(Row) error) error
	// One runs a statement that only reads, and calls row for the first row if
	// there is one. row must not run other statements.
	One(sql string, args []any, row func(Row)) (found bool, err error)
}

// Row is a row of a result; columns are counted from 0.
type Row interface {
	// Int is a column as an integer; NULL is 0.
	Int(i int) int64
	// Time is a column as a time; NULL is "not set".
	Time(i int) chat.Time
	// Bool is a column as a truth value.
	Bool(i int) bool
	// Null reports whether a column is NULL.
	Null(i int) bool
	// Text is a column as a string of the caller's own.
	Text(i int) string
	// Bytes is a column as it was read: valid until the callback returns, never
	// to be changed. NULL and the empty value are nil.
	Bytes(i int) []byte
	// Copy is a column as bytes of the caller's own.
	Copy(i int) []byte
}

// Dialect is what is special about an engine.
type Dialect struct {
	// Hints: statements name the index to go by (INDEXED BY) and the order of
	// their tables (CROSS JOIN).
	Hints bool
	// Runs: the rows of messages and reactions have a run, by which the indexes
	// by user are divided.
	Runs bool
	// Shared: other transactions write at the same time, and each statement
	// sees what they have committed before it.
	Shared bool
}

// ErrAgain says that something has changed which the transaction had read: it
// must be undone, and run again.
var ErrAgain = errors.New("the transaction ran into another one")

// MessageReader is a Conn that reads messages in a way of its own, faster than
// by Query. The statement yields what ScanMessage reads.
type MessageReader interface {
	QueryMessages(sql string, args []any, fn func(*store.MessageRow) error) error
}

// MessageGetter is a Conn that reads a single message without allocating. The
// statement has the parameters app and id, and yields what ScanMessage reads; the
// row's bytes are appended to buf, as by KeepMessage.
type MessageGetter interface {
	GetMessage(sql string, app int64, row *store.MessageRow, buf, id []byte) (grown []byte, found bool, err error)
}

// MessageInserter is a Conn that inserts messages with a statement of its own.
// It reports whether there was none with that id, or in that place.
type MessageInserter interface {
	InsertMessage(m *MessageRecord) (isNew bool, err error)
}

// MessageRecord is a row of the table of messages that is to be inserted, with
// the parameters of the statement in their order.
type MessageRecord struct {
	App       int64
	Channel   int64
	CreatedAt chat.Time
	ID        string
	User      int64
	Kind      int64
	DeletedAt chat.Time
	Parent    string // "" = NULL
	Quoted    string // "" = NULL
	Body      []byte
	Pin       []byte // nil = NULL
	Reactions []byte // nil = NULL
	Thread    []byte // nil = NULL
	Run       int64  // with Dialect.Runs alone

	reactions []*reactionRecord // of which Reactions is made
}

// Later is a Conn that sends a statement along with the next one. Its error is
// that of the next one, or of the commit.
type Later interface {
	Later(sql string, args ...any) error
}

// Pipeline is a Conn that runs a statement many times without waiting for the
// answer to each.
type Pipeline interface {
	// Many runs a statement for each of n sets of parameters, and calls row with
	// each row that it yields, and done with how many rows it changed; either
	// may be nil, and neither may run other statements. args may return the same
	// slice again.
	Many(sql string, n int, args func(i int) []any, row func(i int, r Row), done func(i int, changed int64)) error
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}
