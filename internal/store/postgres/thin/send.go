package thin

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// stmt is a prepared statement.
type stmt struct {
	name   string
	params []uint32 // their types
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
