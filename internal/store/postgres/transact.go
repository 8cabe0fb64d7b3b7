package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"hansard/internal/store"
	"hansard/internal/store/postgres/thin"
	"hansard/internal/store/sqlstore"

	"github.com/jackc/pgx/v5/pgconn"
)

// How transactions begin.
const (
	beginRead  = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
	beginWrite = `BEGIN ISOLATION LEVEL READ COMMITTED`
)

// maxTries is how often a transaction is run that runs into others, and maxPause
// how long it waits in between: some two seconds in all.
const (
	maxTries = 40
	maxPause = 100 * time.Millisecond
)

// read runs fn in a transaction that only reads, as of one instant. It may run
// fn again, if the database has not answered anything.
func (s *Store) read(ctx context.Context, fn func(*thin.Conn) error) error {
	used := false
	return s.transact(ctx, beginRead, func(c *thin.Conn) error {
		if used {
			return errCutShort
		}
		err := fn(c)
		used = c.Used()
		return err
	})
}

// errCutShort ends the reading that was cut short by a broken connection: what
// was read may have been handed on.
var errCutShort = errors.New("the connection to the database broke while it was read from")

// write runs fn in a transaction, in which each statement sees what was
// committed before it. When write returns nil, the transaction is durable. It
// may run fn again, after undoing what fn did to the database.
func (s *Store) write(ctx context.Context, fn func(*thin.Conn) error) error {
	return s.transact(ctx, beginWrite, fn)
}

func (s *Store) transact(ctx context.Context, begin string, fn func(*thin.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.open.Done()
	collisions := 0
	return s.patiently(ctx, func() error {
		for {
			err := s.try(ctx, begin, fn)
			if !collided(err) || errors.Is(err, thin.ErrUncertain) {
				return err
			}
			if collisions++; collisions == maxTries {
				return fmt.Errorf("given up after %d tries: %w", collisions, err)
			}
			// Those who have run into each other must not do it again.
			if err := wait(ctx, rand.N(min(maxPause, 2*time.Millisecond<<min(collisions, 10)))); err != nil {
				return err
			}
		}
	})
}

// patiently calls fn again while it says that the database cannot be reached.
func (s *Store) patiently(ctx context.Context, fn func() error) error {
	var since time.Time // of the first failure
	for try := 1; ; try++ {
		err := fn()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !unreachable(err) || errors.Is(err, thin.ErrUncertain):
			return named(err)
		}
		if since.IsZero() {
			since = time.Now()
		} else if time.Since(since) > s.opts.Patience {
			return named(err)
		}
		// At first the pool may have more connections that are as dead.
		if err := wait(ctx, min(time.Duration(try)*10*time.Millisecond, time.Second)); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) try(ctx context.Context, begin string, fn func(*thin.Conn) error) error {
	pc, err := s.pool.Acquire(ctx)
	if err != nil {
		return explain(s.dsn, &connectError{err})
	}
	defer pc.Release()
	c := thin.Of(pc.Conn().PgConn())
	defer c.Close(ctx)
	c.Begin(ctx, begin)
	if err := guarded(c, fn); err != nil {
		if rerr := c.Rollback(); rerr != nil && !errors.Is(rerr, thin.ErrBroken) {
			err = errors.Join(err, rerr)
		}
		return err
	}
	if err := c.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// connectError says that there is no connection to be had. A server that goes
// down may cut one off at any point of its making.
type connectError struct{ err error }

func (e *connectError) Error() string { return "connect to the database: " + e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// guarded makes a panic of fn an error.
func guarded(c *thin.Conn, fn func(*thin.Conn) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a transaction: %v", r)
		}
	}()
	return fn(c)
}

// collided reports whether a transaction failed because of another one, and
// will do if it is run again.
func collided(err error) bool {
	if errors.Is(err, sqlstore.ErrAgain) {
		return true
	}
	switch codeOf(err) {
	case "40001", // serialization_failure
		"40P01", // deadlock_detected
		"23505": // unique_violation: somebody else inserted it first
		return true
	}
	return false
}

// unreachable reports whether a transaction failed because the database cannot
// be reached, or goes down, or comes up just now. Nothing of it was committed.
func unreachable(err error) bool {
	var connect *pgconn.ConnectError
	if errors.Is(err, thin.ErrBroken) || errors.As(err, &connect) {
		return true
	}
	code := codeOf(err)
	if _, ok := errors.AsType[*connectError](err); ok && code == "" {
		return true
	}
	switch code {
	case "57P01", "57P02", "57P03", // shutting down, crashed, starting up
		"25006", // read-only: a standby that has not been promoted yet
		"53300": // too many connections
		return true
	default:
		return len(code) == 5 && code[:2] == "08" // connection exceptions
	}
}

// named makes an error one of those that all engines have, if it is.
func named(err error) error {
	switch {
	case err == nil:
		return nil
	case unreachable(err), errors.Is(err, errCutShort):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	case codeOf(err) == "53100": // disk_full
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}
