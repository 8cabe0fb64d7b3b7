package thin

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/jackc/pgx/v5/pgproto3"
)

var errCopy = errors.New("the database sent a binary copy that cannot be read")

// The header of a binary copy: a signature, flags, the length of an extension.
const (
	copySignature = "PGCOPY\n\xff\r\n\x00"
	copyHeader    = len(copySignature) + 8
)

// Copy runs COPY (sql) TO STDOUT in binary form and calls row for each row as
// it comes. sql cannot have parameters. row must not use the connection. An
// error from row ends the copying and is returned as it is; the transaction
// has failed then.
func (c *Conn) Copy(sql string, row func(*Row) error) error {
	if err := c.ready(); err != nil {
		return err
	}
	if c.begin != "" {
		if err := c.Later(`SELECT`); err != nil {
			return err
		}
	}
	if err := c.Flush(); err != nil {
		return err
	}
	c.front.SendQuery(&pgproto3.Query{String: `COPY (` + sql + `) TO STDOUT (FORMAT binary)`})
	r := copyReader{}
	var failure error
	canceled := false
	err := c.roundTrip(func(m pgproto3.BackendMessage) {
		data, ok := m.(*pgproto3.CopyData)
		if !ok || failure != nil {
			return
		}
		if failure = r.take(data.Data, row); failure == nil {
			failure = c.ctx.Err()
		}
		if failure != nil && !canceled {
			// What is on its way is read and dropped.
			canceled = true
			c.abandon()
		}
	})
	if failure != nil {
		return failure
	}
	return c.explain(sql, err)
}

// abandon cancels the statement that runs. The connection is not used again:
// the request may come late.
func (c *Conn) abandon() {
	c.canceled = true
	c.cancel(context.WithoutCancel(c.ctx))
}

// copyReader takes a binary copy apart. A message is never cut within a row.
type copyReader struct {
	row   Row
	begun bool
	ended bool
}

func (r *copyReader) take(b []byte, row func(*Row) error) error {
	if !r.begun {
		if len(b) < copyHeader || string(b[:len(copySignature)]) != copySignature {
			return errCopy
		}
		more := int(binary.BigEndian.Uint32(b[copyHeader-4:]))
		if len(b) < copyHeader+more {
			return errCopy
		}
		b, r.begun = b[copyHeader+more:], true
	}
	for len(b) > 0 && !r.ended {
		var err error
		if b, err = r.tuple(b); err != nil {
			return err
		}
		if r.ended {
			return nil
		}
		if err := row(&r.row); err != nil {
			return err
		}
	}
	return nil
}

// tuple reads one row and returns what comes after it.
func (r *copyReader) tuple(b []byte) ([]byte, error) {
	if len(b) < 2 {
		return nil, errCopy
	}
	n := int(binary.BigEndian.Uint16(b))
	b = b[2:]
	if n == 0xffff {
		r.ended = true
		return b, nil
	}
	r.row.values = r.row.values[:0]
	for range n {
		if len(b) < 4 {
			return nil, errCopy
		}
		size := binary.BigEndian.Uint32(b)
		b = b[4:]
		if size == 0xffffffff {
			r.row.values = append(r.row.values, nil)
			continue
		}
		if uint64(len(b)) < uint64(size) {
			return nil, errCopy
		}
		r.row.values = append(r.row.values, b[:size:size])
		b = b[size:]
	}
	return b, nil
}
