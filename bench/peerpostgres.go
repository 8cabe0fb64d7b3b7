package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

var postgresTypes = map[string]string{
	"text": "text NOT NULL", "null": "text", "number": "int NOT NULL", "json": "jsonb", "time": "timestamptz",
}

// postgresCopies fills tables of PostgreSQL by COPY, each over a connection of
// its own.
type postgresCopies struct {
	tables map[*peerTable]*postgresCopy
}

type postgresCopy struct {
	*bufio.Writer
	pipe *io.PipeWriter
	done chan error
}

// loadPostgres makes the peers' tables in an empty database.
func loadPostgres(ctx context.Context, dsn, chat string) (err error) {
	for _, t := range peerTables {
		if err := execute(ctx, dsn, t.create(postgresTypes)); err != nil {
			return err
		}
	}
	c := &postgresCopies{tables: map[*peerTable]*postgresCopy{}}
	for _, t := range peerTables {
		c.begin(ctx, dsn, t)
	}
	err = loadPeer(ctx, chat, c)
	if err = errors.Join(err, c.close(err)); err != nil {
		return err
	}
	for _, t := range peerTables {
		for _, index := range t.indexes() {
			if err := execute(ctx, dsn, index); err != nil {
				return err
			}
		}
	}
	return execute(ctx, dsn, "VACUUM ANALYZE")
}

func (c *postgresCopies) begin(ctx context.Context, dsn string, t *peerTable) {
	out, in := io.Pipe()
	p := &postgresCopy{Writer: bufio.NewWriterSize(in, 1<<20), pipe: in, done: make(chan error, 1)}
	c.tables[t] = p
	go func() {
		conn, err := pgconn.Connect(ctx, dsn)
		if err == nil {
			_, err = conn.CopyFrom(ctx, out, "COPY "+t.name+" FROM STDIN")
			err = errors.Join(err, conn.Close(ctx))
		}
		_ = out.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // a pipe; never fails
		p.done <- err
	}()
}

var copyEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

func (c *postgresCopies) add(t *peerTable, values []sql.NullString) error {
	p := c.tables[t]
	for i, v := range values {
		if i > 0 {
			_ = p.WriteByte('\t') // the last write says if one has failed
		}
		if !v.Valid {
			_, _ = p.WriteString(`\N`)
			continue
		}
		_, _ = copyEscapes.WriteString(p, v.String)
	}
	return p.WriteByte('\n')
}

func (c *postgresCopies) close(failed error) (err error) {
	for t, p := range c.tables {
		ferr := p.Flush()
		_ = p.pipe.CloseWithError(failed) // nil is the end of the data
		if derr := <-p.done; derr != nil {
			err = errors.Join(err, fmt.Errorf("filling %s: %w", t.name, derr))
			continue
		}
		err = errors.Join(err, ferr)
	}
	return err
}

// execute runs one statement on a connection of its own.
func execute(ctx context.Context, dsn, sql string) (err error) {
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err = conn.Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("%.60s: %w", sql, err)
	}
	return nil
}
