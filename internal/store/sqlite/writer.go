package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hansard/internal/store"
	"hansard/internal/store/sqlite/lite"
	"hansard/internal/store/sqlstore"
)

// write is one caller's part of a transaction.
type write struct {
	ctx  context.Context
	fn   func(*lite.Conn) error
	err  error
	done chan struct{}
}

// maxGroup bounds how many callers share one commit.
const maxGroup = 64

// write runs fn in the writer's transaction. It returns when the transaction
// is durable, or when nothing of fn is left.
func (s *Store) write(ctx context.Context, fn func(*lite.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &write{ctx: ctx, fn: fn, done: make(chan struct{})}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	s.open.Add(1) // Close waits before it closes the channel
	s.mu.Unlock()
	select {
	case s.writes <- w:
		s.open.Done()
	case <-ctx.Done():
		s.open.Done()
		return ctx.Err()
	}
	<-w.done
	return w.err
}

// Update runs fn in a transaction on that app.
func (s *Store) Update(ctx context.Context, app int64, fn func(store.Tx) error) error {
	gone := false
	err := s.write(ctx, func(c *lite.Conn) error {
		t := sqlstore.NewTx(conn{c}, dialect, app)
		if err := fn(t); err != nil {
			return err
		}
		s.bulk = s.bulk || t.Bulk()
		if gone = t.Erased(); gone {
			if err := erased(c); err != nil {
				return err
			}
		}
		return t.Flush()
	})
	if err == nil && gone {
		s.scrubber.begin()
	}
	return err
}

// writer owns the writing connection. It is the only goroutine that writes.
func (s *Store) writer(c *lite.Conn) {
	defer close(s.done)
	defer func() {
		if err := c.Close(); err != nil {
			s.opts.Logger.Error("close the database", "error", err)
		}
	}()
	for w := range s.writes {
		group := []*write{w}
	more:
		for len(group) < maxGroup {
			select {
			case next, ok := <-s.writes:
				if !ok {
					break more
				}
				group = append(group, next)
			default:
				break more
			}
		}
		began := time.Now()
		s.commit(c, group)
		if !s.bulk {
			s.busy.Add(int64(time.Since(began)))
		}
		for _, w := range group {
			close(w.done)
		}
		s.log.look()
	}
}

// Writers says for how long, in all, this process has written to the database,
// bulk loads aside, and how many bytes the write-ahead log has.
func (s *Store) Writers() (wrote time.Duration, log int64) {
	return time.Duration(s.busy.Load()), s.log.size()
}

// commit runs a group in one transaction. The failure of one undoes only its
// own changes; the failure of the commit undoes all.
func (s *Store) commit(c *lite.Conn, group []*write) {
	err := c.Exec(`BEGIN IMMEDIATE`)
	if err == nil {
		s.bulk = false
		for _, w := range group {
			if w.err = s.savepoint(c, w); lite.IsFull(w.err) {
				w.err = fmt.Errorf("%w: %w", store.ErrFull, w.err)
			}
		}
		if err = errors.Join(s.log.choose(c, s.bulk), c.Exec(`COMMIT`)); err != nil && c.InTransaction() {
			if rerr := c.Exec(`ROLLBACK`); rerr != nil {
				s.opts.Logger.Error("roll back", "error", rerr)
			}
		}
	}
	if err == nil {
		return
	}
	switch {
	case lite.IsBusy(err):
		err = fmt.Errorf("another process holds the database for too long: %w", err)
	case lite.IsFull(err):
		err = fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	for _, w := range group {
		if w.err == nil {
			w.err = fmt.Errorf("commit: %w", err)
		}
	}
}

func (s *Store) savepoint(c *lite.Conn, w *write) (err error) {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if !c.InTransaction() {
		// A write before this one made SQLite roll everything back.
		return errors.New("the transaction was rolled back")
	}
	if err := c.Exec(`SAVEPOINT caller`); err != nil {
		return err
	}
	ok := false
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a transaction: %v", r)
		}
		if ok || !c.InTransaction() {
			return
		}
		if rerr := c.Script(`ROLLBACK TO caller; RELEASE caller`); rerr != nil {
			err = errors.Join(err, rerr)
		}
	}()
	if err := w.fn(c); err != nil {
		return err
	}
	if err := c.Exec(`RELEASE caller`); err != nil {
		return err
	}
	ok = true
	return nil
}
