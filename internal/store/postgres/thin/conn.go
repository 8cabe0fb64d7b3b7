package thin

import (
	"context"
	"errors"
	"fmt"
	"time"

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
