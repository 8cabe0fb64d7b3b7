package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"hansard/internal/store"
	"hansard/internal/store/sqlite/lite"
	"hansard/internal/store/sqlstore"
)

// write is one caller's part of a transaction.
type write struct {
	ctx  context.Context
	load bool // it need not be durable before the next one that is not of a load
	task bool // it is about a task alone: no user is touched
	fn   func(*lite.Conn) error
	err  error
	done chan struct{}
}

// maxGroup bounds how many callers share one commit.
const maxGroup = 64

// write runs fn in the writer's transaction. It returns when the transaction
// is durable, or when nothing of fn is left.
func (s *Store) write(ctx context.Context, fn func(*lite.Conn) error) error {
	return s.queue(&write{ctx: ctx, load: store.Loading(ctx), fn: fn})
}

// writeTask is write for what is about a task alone.
func (s *Store) writeTask(ctx context.Context, fn func(*lite.Conn) error) error {
	return s.queue(&write{ctx: ctx, task: true, fn: fn})
}

func (s *Store) queue(w *write) error {
	ctx := w.ctx
	if err := ctx.Err(); err != nil {
		return err
	}
	w.done = make(chan struct{})
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
		loading := store.Loading(ctx)
		if loading {
			if err := s.users.take(c, app, t); err != nil {
				return err
			}
		}
		if err := fn(t); err != nil {
			return err
		}
		s.bulk = s.bulk || t.Bulk()
		if gone = t.Erased(); gone {
			if err := erased(c); err != nil {
				return err
			}
		}
		if err := t.Flush(); err != nil {
			return err
		}
		if loading {
			s.users.give(t)
		}
		return nil
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
		if err := s.log.finish(c); err != nil && !lite.IsBusy(err) {
			s.opts.Logger.Warn("copy the write-ahead log", "error", err)
		}
		s.log.look(s.bulk)
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
	sameUsers := !slices.ContainsFunc(group, func(w *write) bool { return !w.load && !w.task })
	if !sameUsers {
		s.users.forget() // somebody may be renamed, or deleted
	}
	err := s.begin(c, group)
	if err == nil {
		s.bulk = false
		part := s.savepoint
		if len(group) == 1 {
			// Nobody else's changes are in the transaction: it needs no savepoint,
			// which keeps a copy of each page that is written to.
			part = s.alone
		}
		for _, w := range group {
			if w.err = part(c, w); lite.IsFull(w.err) {
				w.err = fmt.Errorf("%w: %w", store.ErrFull, w.err)
			}
		}
		if len(group) == 1 && group[0].err != nil {
			s.users.forget()
			return
		}
		if err = errors.Join(s.log.choose(c, s.bulk), c.Exec(`COMMIT`)); err != nil && c.InTransaction() {
			if rerr := c.Exec(`ROLLBACK`); rerr != nil {
				s.opts.Logger.Error("roll back", "error", rerr)
			}
		}
	}
	if err == nil {
		if sameUsers {
			s.users.committed()
		} else {
			s.users.forget()
		}
		return
	}
	s.users.forget()
	switch {
	case lite.IsBusy(err):
		err = fmt.Errorf("another process holds the database for too long: %w", err)
	case lite.IsFull(err):
		err = fmt.Errorf("%w: %w", store.ErrFull, err)
	case lite.IsDenied(err):
		err = explain(filepath.Dir(s.path), err)
	}
	for _, w := range group {
		if w.err != nil {
			continue
		}
		why := err
		if errors.Is(err, errUnwanted) {
			why = w.ctx.Err()
		}
		w.err = fmt.Errorf("commit: %w", why)
	}
}

// errUnwanted says that nobody wants a transaction any more.
var errUnwanted = errors.New("nobody waits for the transaction any more")

// begin begins the transaction of a group. While another process writes it waits
// for as long as one of the callers does.
func (s *Store) begin(c *lite.Conn, group []*write) error {
	unwanted := func() error {
		if slices.ContainsFunc(group, func(w *write) bool { return w.ctx.Err() == nil }) {
			return nil
		}
		return errUnwanted
	}
	return s.patiently(unwanted, func() error {
		if err := s.syncFor(c, group); err != nil {
			return err
		}
		return c.Exec(`BEGIN IMMEDIATE`)
	})
}

// syncFor chooses whether the commit of a group waits for the disk. It need not
// where all are of bulk loads: the log is synced up to the next commit that does
// wait, and what is lost with the power is the end of the log, never a part of it
// before something that was kept.
func (s *Store) syncFor(c *lite.Conn, group []*write) error {
	loose := !slices.ContainsFunc(group, func(w *write) bool { return !w.load })
	if loose == s.loose {
		return nil
	}
	level := `FULL`
	if loose {
		level = `NORMAL`
	}
	err := c.Exec(`PRAGMA synchronous = ` + level)
	if err == nil {
		s.loose = loose
	}
	return err
}

func (s *Store) savepoint(c *lite.Conn, w *write) error {
	if !c.InTransaction() {
		// A write before this one made SQLite roll everything back.
		return errors.New("the transaction was rolled back")
	}
	if err := c.Exec(`SAVEPOINT caller`); err != nil {
		return err
	}
	if err := s.guarded(c, w, `ROLLBACK TO caller; RELEASE caller`); err != nil {
		return err
	}
	return c.Exec(`RELEASE caller`)
}

func (s *Store) alone(c *lite.Conn, w *write) error { return s.guarded(c, w, `ROLLBACK`) }

// guarded runs a caller's part of the transaction, and undoes it if it fails.
func (s *Store) guarded(c *lite.Conn, w *write, undo string) (err error) {
	ok := false
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a transaction: %v", r)
		}
		if ok || !c.InTransaction() {
			return
		}
		if rerr := c.Script(undo); rerr != nil {
			err = errors.Join(err, rerr)
		}
	}()
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if err := w.fn(c); err != nil {
		return err
	}
	ok = true
	return nil
}
