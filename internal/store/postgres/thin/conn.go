package thin

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"hansard/internal/chat"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Conn is a connection to a database.
type Conn struct {
	pg    *pgconn.PgConn
	front *pgproto3.Frontend
	stmts map[string]*stmt
	made  int // statements prepared ever, for their names

	ctx    context.Context //nolint:containedctx // of the transaction that runs
	unhook func() bool
	hooked chan struct{} // closed when what ctx has set off is done
	begin  string        // goes ahead of the first statement; "" once it has
	late   []string      // statements that go ahead of the next one
	used   bool          // the database has answered
	open   int           // results that are read in parts just now
	err    error         // why the connection is not to be used any more
	// canceled: a request to cancel is on its way, and may come late.
	canceled bool

	fresh   []string // texts of the statements that are being prepared
	learned int      // how many of them are described

	values  [][]byte
	scratch []byte
	size    int // bytes in values

	lateSize int
	formats  []int16
	batches  []*batch
	row      Row
}

// stmt is a prepared statement.
type stmt struct {
	name   string
	params []uint32 // their types
}

const (
	maxStmts = 512 // kept per connection
	// A result is read in parts of so many rows: few at first, since many who
	// ask are soon content.
	firstRows = 64
	nextRows  = 256
	// A pipeline is sent in parts of so many statements or bytes: what they
	// answer must have room on the way while nobody reads it.
	pipeStatements = 256
	pipeBytes      = 128 << 10
	// How long the server may take to answer once the context has ended.
	cancelGrace = 5 * time.Second
	// How long a commit may take. It cannot be canceled: whether it was done
	// must be known.
	commitGrace = 60 * time.Second
)

// Errors of the connection itself.
var (
	// ErrBroken says that the connection has been lost, or was given up.
	ErrBroken = errors.New("the connection to the database is broken")
	// ErrUncertain says that the connection was lost during a commit.
	ErrUncertain = errors.New("whether the transaction was committed is not known")
)

var errAbandoned = errors.New("a statement was abandoned")

const customKey = "thin"

// Of returns the Conn on a connection of pgx, always the same one.
func Of(pg *pgconn.PgConn) *Conn {
	if c, ok := pg.CustomData()[customKey].(*Conn); ok {
		return c
	}
	c := &Conn{pg: pg, front: pg.Frontend(), stmts: map[string]*stmt{}, formats: []int16{pgproto3.BinaryFormat}}
	pg.CustomData()[customKey] = c
	return c
}

// Begin starts a transaction that lasts until Commit or Rollback. begin is the
// statement for it, which is sent with the first one that follows. When ctx
// ends, the statement that runs is canceled and the connection is done with.
func (c *Conn) Begin(ctx context.Context, begin string) {
	c.ctx, c.begin, c.open, c.used, c.late = ctx, begin, 0, false, c.late[:0]
	hooked := make(chan struct{})
	c.hooked = hooked
	c.unhook = context.AfterFunc(ctx, func() {
		defer close(hooked)
		c.cancel(context.WithoutCancel(ctx))
	})
}

// cancel makes the statement that runs fail soon. It may be called from
// another goroutine.
func (c *Conn) cancel(ctx context.Context) {
	// If nothing else helps, waiting for the answer ends.
	_ = c.pg.Conn().SetDeadline(time.Now().Add(cancelGrace))
	ctx, stop := context.WithTimeout(ctx, cancelGrace)
	defer stop()
	_ = c.pg.CancelRequest(ctx)
}

// release ends the watch over the context. A connection that was canceled is
// not used again: the request may arrive late, and hit somebody else.
func (c *Conn) release() {
	if c.unhook != nil && !c.unhook() {
		<-c.hooked
		c.fail(c.ctx.Err())
	}
	c.unhook = nil
	if c.canceled {
		c.fail(errAbandoned)
	}
}

// fail gives the connection up.
func (c *Conn) fail(err error) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %w", ErrBroken, err)
	}
}

// Open is Begin with a script of several statements, which is sent at once.
func (c *Conn) Open(ctx context.Context, script string) error {
	c.Begin(ctx, "")
	if err := c.ready(); err != nil {
		return err
	}
	c.front.SendQuery(&pgproto3.Query{String: script})
	return c.explain(script, c.roundTrip(nothing))
}

func nothing(pgproto3.BackendMessage) {}

// Used reports whether the database has answered in this transaction.
func (c *Conn) Used() bool { return c.used }

// Rollback ends the transaction, and undoes what it did.
func (c *Conn) Rollback() error {
	c.release()
	if c.begin != "" {
		c.begin = ""
		return c.err
	}
	if c.err == nil && len(c.late) > 0 {
		c.front.SendSync(&pgproto3.Sync{})
		_ = c.roundTrip(nothing) // it is undone anyway
	}
	return c.end("ROLLBACK")
}

// Commit ends the transaction. Without an error it is durable; with an
// ErrUncertain it may be.
func (c *Conn) Commit() error {
	if err := c.ctx.Err(); err != nil {
		return errors.Join(err, c.Rollback())
	}
	c.release()
	if c.begin != "" {
		c.begin = ""
		return c.err
	}
	sent := c.err == nil
	err := c.end("COMMIT")
	switch {
	case sent && errors.Is(err, ErrBroken):
		err = fmt.Errorf("%w: %w", ErrUncertain, err)
	case err != nil && c.err == nil && c.pg.TxStatus() != 'I':
		// A statement that was sent along with it has failed.
		err = errors.Join(err, c.end("ROLLBACK"))
	}
	return err
}

func (c *Conn) end(sql string) error {
	if c.err != nil {
		return c.err
	}
	if err := c.pg.Conn().SetDeadline(time.Now().Add(commitGrace)); err != nil {
		c.fail(err)
		return c.err
	}
	c.front.SendParse(&pgproto3.Parse{Query: sql})
	c.front.SendBind(&pgproto3.Bind{})
	c.front.SendExecute(&pgproto3.Execute{})
	c.front.SendSync(&pgproto3.Sync{})
	tag := ""
	err := c.roundTrip(func(m pgproto3.BackendMessage) {
		if m, ok := m.(*pgproto3.CommandComplete); ok {
			tag = string(m.CommandTag)
		}
	})
	if derr := c.pg.Conn().SetDeadline(time.Time{}); derr != nil {
		c.fail(derr)
	}
	if err == nil && tag != sql {
		err = fmt.Errorf("the transaction was ended by %s", tag)
	}
	return err
}

// Close closes the connection if it is broken. It is to be called before the
// connection goes back to its pool.
func (c *Conn) Close(ctx context.Context) {
	if c.err == nil {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	_ = c.pg.Close(ctx)
}

// roundTrip sends what was gathered, which must end with a Sync or be a simple
// query, and reads up to the ReadyForQuery. It returns the server's error, or
// gives the connection up. each does not see the answers to late statements.
func (c *Conn) roundTrip(each func(pgproto3.BackendMessage)) error {
	if c.err != nil {
		return c.err
	}
	if err := c.front.Flush(); err != nil {
		c.fail(err)
		return c.err
	}
	late := c.late
	c.late, c.lateSize = c.late[:0], 0
	// The context is watched for the whole transaction, not here.
	ctx := context.WithoutCancel(c.ctx)
	var failure error
	for {
		m, err := c.pg.ReceiveMessage(ctx)
		if err != nil {
			c.fail(err)
			return c.err
		}
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			c.settle(failure)
			c.used = true
			return failure
		case *pgproto3.ParameterDescription:
			c.learn(m)
		case *pgproto3.ErrorResponse:
			if failure == nil {
				failure = pgconn.ErrorResponseToPgError(m)
				if len(late) > 0 {
					failure = c.explain(late[0], failure)
				}
			}
		case *pgproto3.CommandComplete:
			if len(late) > 0 {
				late = late[1:]
				continue
			}
			each(m)
		default:
			each(m)
		}
	}
}

// Exec runs one statement and returns how many rows it changed. Parameters are
// $1, $2 …: int64, int, bool, string, []byte (nil = NULL), nil, or a time of
// package chat.
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

func (c *Conn) ready() error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	return c.err
}

// run gathers the messages that run a statement.
func (c *Conn) run(portal, sql string, args []any, most uint32) error {
	if err := c.prepared(portal, sql, args, most); err != nil {
		return err
	}
	c.front.SendSync(&pgproto3.Sync{})
	return nil
}

// prepared is run without the Sync.
func (c *Conn) prepared(portal, sql string, args []any, most uint32) error {
	if err := c.ready(); err != nil {
		return err
	}
	if portal != "" {
		c.front.SendClose(&pgproto3.Close{ObjectType: 'P', Name: portal})
	}
	return c.enqueue(portal, sql, args, most)
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

// enqueue gathers what runs a statement, up to the Sync.
func (c *Conn) enqueue(portal, sql string, args []any, most uint32) error {
	s := c.stmts[sql]
	isNew := s == nil
	if isNew {
		c.made++
		s = &stmt{name: "s" + strconv.Itoa(c.made), params: typesOf(args)}
	}
	if err := c.encode(s, args); err != nil {
		return fmt.Errorf("%q: %w", sql, err)
	}
	if c.begin != "" {
		c.front.SendParse(&pgproto3.Parse{Query: c.begin})
		c.front.SendBind(&pgproto3.Bind{})
		c.front.SendExecute(&pgproto3.Execute{})
		c.late, c.begin = append(c.late, c.begin), ""
	}
	if isNew {
		c.makeRoom()
		c.stmts[sql] = s
		c.fresh = append(c.fresh, sql)
		c.front.SendParse(&pgproto3.Parse{Name: s.name, Query: sql, ParameterOIDs: s.params})
		c.front.SendDescribe(&pgproto3.Describe{ObjectType: 'S', Name: s.name})
	}
	c.front.SendBind(&pgproto3.Bind{
		DestinationPortal: portal, PreparedStatement: s.name,
		ParameterFormatCodes: c.formats, Parameters: c.values, ResultFormatCodes: c.formats,
	})
	c.front.SendExecute(&pgproto3.Execute{Portal: portal, MaxRows: most})
	return nil
}

// makeRoom forgets all statements when there are too many. The texts are
// constants, except for those built from filters.
func (c *Conn) makeRoom() {
	if len(c.stmts) < maxStmts {
		return
	}
	for text, s := range c.stmts {
		c.front.SendClose(&pgproto3.Close{ObjectType: 'S', Name: s.name})
		delete(c.stmts, text)
	}
}

// learn takes in the types of a new statement's parameters.
func (c *Conn) learn(m *pgproto3.ParameterDescription) {
	if c.learned < len(c.fresh) {
		if s := c.stmts[c.fresh[c.learned]]; s != nil {
			s.params = append([]uint32(nil), m.ParameterOIDs...)
		}
		c.learned++
	}
}

// settle forgets the new statements if there was an error: whether they were
// prepared is not known.
func (c *Conn) settle(failure error) {
	if failure != nil {
		for _, text := range c.fresh {
			if s := c.stmts[text]; s != nil {
				c.front.SendClose(&pgproto3.Close{ObjectType: 'S', Name: s.name})
				delete(c.stmts, text)
			}
		}
	}
	c.fresh, c.learned = c.fresh[:0], 0
}

// The types of parameters, by their numbers in PostgreSQL's catalog.
const (
	typeBool  = 16
	typeBytes = 17
	typeInt8  = 20
	typeInt2  = 21
	typeInt4  = 23
	typeText  = 25
)

// typesOf are the types that parameters have by themselves; 0 = the server
// finds out.
func typesOf(args []any) []uint32 {
	types := make([]uint32, len(args))
	for i, a := range args {
		switch a.(type) {
		case int64, int, chat.Time:
			types[i] = typeInt8
		case bool:
			types[i] = typeBool
		case string:
			types[i] = typeText
		case []byte:
			types[i] = typeBytes
		}
	}
	return types
}

func (c *Conn) encode(s *stmt, args []any) error {
	c.values, c.scratch, c.size = c.values[:0], c.scratch[:0], 0
	if len(args) != len(s.params) {
		return fmt.Errorf("%d parameters, %d given", len(s.params), len(args))
	}
	for i, a := range args {
		from := len(c.scratch)
		var err error
		switch a := a.(type) {
		case nil:
			c.values = append(c.values, nil)
			continue
		case []byte:
			c.values = append(c.values, a)
			c.size += len(a)
			continue
		case string:
			c.scratch = append(c.scratch, a...)
		case bool:
			err = c.encodeInt(s.params[i], int64(btoi(a)))
		case int:
			err = c.encodeInt(s.params[i], int64(a))
		case int64:
			err = c.encodeInt(s.params[i], a)
		case chat.Time:
			err = c.encodeInt(s.params[i], int64(a))
		default:
			err = errors.New("cannot be bound")
		}
		if err != nil {
			return fmt.Errorf("parameter $%d, a %T: %w", i+1, a, err)
		}
		c.values = append(c.values, c.scratch[from:len(c.scratch):len(c.scratch)])
	}
	c.size += len(c.scratch)
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c *Conn) encodeInt(typ uint32, v int64) error {
	switch {
	case typ == typeInt8:
		c.scratch = binary.BigEndian.AppendUint64(c.scratch, uint64(v)) //nolint:gosec // the bits as they are
	case typ == typeInt4 && v == int64(int32(v)): //nolint:gosec // that is the question
		c.scratch = binary.BigEndian.AppendUint32(c.scratch, uint32(v)) //nolint:gosec // the bits as they are
	case typ == typeInt2 && v == int64(int16(v)): //nolint:gosec // that is the question
		c.scratch = binary.BigEndian.AppendUint16(c.scratch, uint16(v)) //nolint:gosec // the bits as they are
	case typ == typeBool && (v == 0 || v == 1):
		c.scratch = append(c.scratch, byte(v))
	default:
		return fmt.Errorf("does not fit the type %d", typ)
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
