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

// Among the tasks that are due, the apps with the fewest running tasks come
// first; then those that have waited longest since one of theirs was claimed,
// so that also a single worker serves them in turn; then the order of arrival.
//
// The imports of an app run one after the other, in the order in which they
// were asked for: one that was interrupted must not come back later and run
// over a newer one.
const nextDue = `WITH busy AS (
		SELECT app, count(*) AS n FROM tasks WHERE due_at > $1 AND status = 'running' GROUP BY app)
	SELECT t.seq FROM tasks t JOIN apps a ON a.id = t.app AND a.key IS NOT NULL LEFT JOIN busy b ON b.app = t.app
	WHERE t.due_at <= $1 AND ($2 = '' OR t.id = $2) AND NOT ` + waitsForImport + `
	ORDER BY coalesce(b.n, 0), a.served, t.seq LIMIT 1`

// waitsForImport is whether the task t has to wait for an older import, one
// that is not final: those alone are due some time, and in the index.
const waitsForImport = `(t.kind = 'import' AND EXISTS (SELECT 1 FROM tasks o WHERE o.app = t.app AND o.kind = 'import'
	AND o.seq < t.seq AND o.due_at IS NOT NULL))`

// Claim hands the next task that is due to owner.
func (s *Store) Claim(ctx context.Context, owner string, lease time.Duration, only string) (*store.Task, error) {
	if owner == "" || lease <= 0 {
		return nil, errors.New("claim: needs an owner and a lease")
	}
	t, err := s.claim(ctx, owner, lease, only)
	if err != nil {
		return nil, fmt.Errorf("claim: %w", err)
	}
	return t, nil
}

func (s *Store) claim(ctx context.Context, owner string, lease time.Duration, only string) (*store.Task, error) {
	// Idle workers look several times a second. Looking does not need the
	// writer; what is found here is looked at again there.
	found := false
	err := s.read(ctx, func(c *lite.Conn) error {
		sql, args := `SELECT 1 FROM tasks t WHERE t.due_at <= $1 AND NOT `+waitsForImport+` LIMIT 1`, []any{s.now()}
		if only != "" {
			sql, args = `SELECT 1 FROM tasks t WHERE t.due_at <= $1 AND t.id = $2 AND NOT `+waitsForImport, append(args, only)
		}
		return c.Query(sql, args, func(*lite.Stmt) error {
			found = true
			return nil
		})
	})
	if err != nil || !found {
		return nil, err
	}
	var t *store.Task
	err = s.writeTask(ctx, func(c *lite.Conn) (err error) {
		now := s.now()
		var seq int64
		err = c.Query(nextDue, []any{now, only}, func(st *lite.Stmt) error {
			seq = st.Int(0)
			return nil
		})
		if err != nil || seq == 0 {
			return err
		}
		t, err = sqlstore.OneTask(conn{c}, `UPDATE tasks SET status = 'running', owner = $2, attempt = attempt + 1, epoch = epoch + 1,
			due_at = $3, updated_at = $4 WHERE seq = $1 RETURNING `+sqlstore.TaskColumns, seq, owner, now+sqlstore.Micros(lease), now)
		if err != nil {
			return err
		}
		return c.Exec(`UPDATE apps SET served = (SELECT max(served) FROM apps) + 1 WHERE id = $1`, t.App)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Heartbeat extends the lease and writes progress.
func (s *Store) Heartbeat(ctx context.Context, id string, epoch int64, lease time.Duration, p store.Progress) (cancel bool, err error) {
	err = s.writeTask(ctx, func(c *lite.Conn) error {
		now := s.now()
		current := false
		err := c.Query(`UPDATE tasks SET due_at = $3, updated_at = $4, done = $5, total = $6,
				checkpoint = coalesce($7, checkpoint), detail = coalesce($8, detail)
			WHERE id = $1 AND epoch = $2 AND status = 'running' RETURNING cancel`,
			[]any{id, epoch, now + sqlstore.Micros(lease), now, p.Done, p.Total, p.Checkpoint, p.Detail},
			func(st *lite.Stmt) error {
				current, cancel = true, st.Bool(0)
				return nil
			})
		if err == nil && !current {
			err = store.ErrLeaseLost
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("heartbeat of task %s: %w", id, err)
	}
	return cancel, nil
}

// Finish ends an attempt.
func (s *Store) Finish(ctx context.Context, id string, epoch int64, o store.Outcome) error {
	e, err := sqlstore.EndingOf(&o)
	if err != nil {
		return fmt.Errorf("finish task %s: %w", id, err)
	}
	err = s.writeTask(ctx, func(c *lite.Conn) error {
		now := s.now()
		runAt := now + e.Delay
		var due any = runAt
		if o.Status.Final() {
			due = nil
		}
		err := c.Exec(`UPDATE tasks SET status = $3, due_at = $4, owner = '', updated_at = $5,
				run_at = iif($4 IS NULL, run_at, $4), checkpoint = iif($4 IS NULL, NULL, checkpoint),
				attempt = max(attempt - $6, 0), done = $7, total = $8, detail = coalesce($9, detail), result = $10, error = $11
			WHERE id = $1 AND epoch = $2 AND status = 'running'`,
			id, epoch, string(o.Status), due, now, e.Refund, o.Done, o.Total, o.Detail, e.Result, e.Error)
		if err == nil && c.Changes() == 0 {
			err = store.ErrLeaseLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("finish task %s: %w", id, err)
	}
	return nil
}

// backlog counts what is unfinished, from the front of the queue. Those that are
// due first are mostly the oldest.
const backlog = `SELECT a.key, t.kind, t.status, count(*), $1 - min(t.created_at)
	FROM (SELECT app, kind, status, created_at FROM tasks WHERE due_at IS NOT NULL ORDER BY due_at LIMIT $2) t
	JOIN apps a ON a.id = t.app AND a.key IS NOT NULL
	GROUP BY a.key, t.kind, t.status ORDER BY a.key, t.kind, t.status`

// Backlog counts the unfinished tasks.
func (s *Store) Backlog(ctx context.Context) ([]store.Backlog, error) {
	var list []store.Backlog
	err := s.read(ctx, func(c *lite.Conn) (err error) {
		list, err = sqlstore.Backlog(conn{c}, backlog, s.now(), store.MaxBacklog)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count the tasks: %w", err)
	}
	return list, nil
}

// Owners lists the owners of running tasks.
func (s *Store) Owners(ctx context.Context) ([]string, error) {
	var owners []string
	err := s.read(ctx, func(c *lite.Conn) (err error) {
		owners, err = sqlstore.Texts(conn{c}, `SELECT DISTINCT owner FROM tasks WHERE due_at IS NOT NULL AND status = 'running' ORDER BY owner`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list owners: %w", err)
	}
	return owners, nil
}

// ExpireOwner ends the leases of an owner that is known to be dead.
func (s *Store) ExpireOwner(ctx context.Context, owner string) error {
	err := s.write(ctx, func(c *lite.Conn) error {
		now := s.now()
		return c.Exec(`UPDATE tasks SET due_at = $2 WHERE due_at > $2 AND status = 'running' AND owner = $1`, owner, now)
	})
	if err != nil {
		return fmt.Errorf("expire owner: %w", err)
	}
	return nil
}
