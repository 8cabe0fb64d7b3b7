package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hansard/internal/store"
	"hansard/internal/store/postgres/thin"
	"hansard/internal/store/sqlstore"
)

// unfinished is whether a task is not final. Indexes have it as a condition, in
// these words.
const unfinished = `status IN ('waiting', 'running', 'pending')`

// waitsForImport is whether the task t has to wait for an older import of its
// app: one that was interrupted must not come back later and run over a newer
// one.
const waitsForImport = `(t.kind = 'import' AND EXISTS (SELECT 1 FROM tasks o WHERE o.app = t.app AND o.kind = 'import'
	AND o.seq < t.seq AND o.` + unfinished + `))`

// look is whether a task is due. Tasks that nobody runs are due at run_at; those
// that run are few.
const look = `WITH ` + withClock + ` SELECT 1
	WHERE EXISTS (SELECT 1 FROM tasks t WHERE t.status IN ('waiting', 'pending') AND t.run_at <= ` + atNow + ` AND NOT ` + waitsForImport + `)
	OR EXISTS (SELECT 1 FROM tasks t WHERE t.status = 'running' AND t.due_at <= ` + atNow + ` AND NOT ` + waitsForImport + `)`

const lookAt = `WITH ` + withClock + ` SELECT 1 FROM tasks t
	WHERE t.id = $2 AND t.due_at <= ` + atNow + ` AND NOT ` + waitsForImport

// claimNext claims the next task that is due. Of each app that has unfinished
// tasks it takes the first one that is due; among these, the apps with the
// fewest running tasks come first; then those that have waited longest since one
// of theirs was claimed, so that also a single worker serves them in turn; then
// the order of arrival.
//
// Tasks that somebody else is just now writing to are left out: what they will
// be is not known yet.
const claimNext = `WITH RECURSIVE ` + withClock + `,
	waiting (app) AS (
		(SELECT t.app FROM tasks t WHERE t.` + unfinished + ` ORDER BY t.app LIMIT 1)
		UNION ALL
		SELECT (SELECT t.app FROM tasks t WHERE t.` + unfinished + ` AND t.app > w.app ORDER BY t.app LIMIT 1)
		FROM waiting w WHERE w.app IS NOT NULL),
	busy AS (SELECT app, count(*) AS n FROM tasks WHERE status = 'running' AND due_at > ` + atNow + ` GROUP BY app),
	first AS (
		SELECT f.seq, coalesce(b.n, 0) AS running, r.served
		FROM waiting w JOIN apps a ON a.id = w.app AND a.key IS NOT NULL JOIN turns r ON r.app = w.app LEFT JOIN busy b ON b.app = w.app
		CROSS JOIN LATERAL (
			SELECT t.seq FROM tasks t WHERE t.app = w.app AND t.` + unfinished + ` AND t.due_at <= ` + atNow + ` AND NOT ` + waitsForImport + `
			ORDER BY t.seq LIMIT 1) f),
	next AS (
		SELECT t.seq FROM first f JOIN tasks t ON t.seq = f.seq WHERE t.due_at <= ` + atNow + `
		ORDER BY f.running, f.served, f.seq LIMIT 1 FOR UPDATE OF t SKIP LOCKED),
	` + take

const claimOnly = `WITH ` + withClock + `,
	next AS (
		SELECT t.seq FROM tasks t JOIN apps a ON a.id = t.app AND a.key IS NOT NULL
		WHERE t.id = $4 AND t.due_at <= ` + atNow + ` AND NOT ` + waitsForImport + ` FOR UPDATE OF t SKIP LOCKED),
	` + take

// take claims the task next, and gives its app the last turn. What an earlier
// attempt has left of spans goes.
const take = `claimed AS (
		UPDATE tasks SET status = 'running', owner = $2, attempt = attempt + 1, epoch = epoch + 1,
			due_at = ` + atNow + ` + $3, updated_at = ` + atNow + `
		FROM next WHERE tasks.seq = next.seq RETURNING tasks.*),
	served AS (
		UPDATE turns SET served = nextval('turn')
		WHERE app = (SELECT r.app FROM turns r WHERE r.app = (SELECT app FROM claimed) FOR UPDATE SKIP LOCKED)),
	stale AS (DELETE FROM spans s USING claimed c WHERE s.app = c.app AND s.task = c.id)
	SELECT ` + sqlstore.TaskColumns + ` FROM claimed`

// Claims are made one at a time, so that each knows what the others have taken
// and the apps are served fairly. That is all that the lock is for: if its holder
// was frozen, others do without it after a while. The number is "hansard" and
// says nothing.
const (
	queueLock = 0x68616e73617264
	lockQueue = `SELECT pg_advisory_xact_lock($1) FROM (SELECT set_config('lock_timeout', '500ms', true) OFFSET 0) patience`
)

// Claim hands the next task that is due to owner.
func (s *Store) Claim(ctx context.Context, owner string, lease time.Duration, only string) (*store.Task, error) {
	if owner == "" || lease <= 0 {
		return nil, errors.New("claim: needs an owner and a lease")
	}
	if !isText(only) {
		return nil, nil // there is no such task
	}
	t, err := s.claim(ctx, owner, lease, only)
	if err != nil {
		return nil, fmt.Errorf("claim: %w", err)
	}
	return t, nil
}

func (s *Store) claim(ctx context.Context, owner string, lease time.Duration, only string) (*store.Task, error) {
	// Idle workers look several times a second.
	found := false
	err := s.read(ctx, func(c *thin.Conn) error {
		sql, args := look, []any{s.fixed()}
		if only != "" {
			sql, args = lookAt, append(args, only)
		}
		return c.Query(sql, args, func(*thin.Row) error {
			found = true
			return nil
		})
	})
	if err != nil || !found {
		return nil, err
	}
	var t *store.Task
	take := func(locked bool) error {
		return s.write(ctx, func(c *thin.Conn) (err error) {
			t = nil
			if only != "" {
				t, err = sqlstore.OneTask(conn{c}, claimOnly, s.fixed(), owner, sqlstore.Micros(lease), only)
				return err
			}
			if locked {
				if _, err := c.Exec(lockQueue, int64(queueLock)); err != nil {
					return err
				}
			}
			t, err = sqlstore.OneTask(conn{c}, claimNext, s.fixed(), owner, sqlstore.Micros(lease))
			return err
		})
	}
	err = take(true)
	if codeOf(err) == lockNotAvailable {
		err = take(false)
	}
	if errors.Is(err, thin.ErrUncertain) && t != nil {
		t, err = s.claimedAfterAll(ctx, t)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// lockNotAvailable is the code of the error when a lock was waited for in vain.
const lockNotAvailable = "55P03"

// claimedAfterAll is t if it was claimed, though the connection was lost when
// that was committed; nil if not. The epoch tells.
func (s *Store) claimedAfterAll(ctx context.Context, t *store.Task) (*store.Task, error) {
	var is *store.Task
	err := s.write(ctx, func(c *thin.Conn) (err error) {
		// The lock waits for the commit, should it be under way.
		is, err = sqlstore.OneTask(conn{c}, `SELECT `+sqlstore.TaskColumns+` FROM tasks WHERE id = $1 FOR UPDATE`, t.ID)
		return err
	})
	if err != nil || is == nil || is.Epoch != t.Epoch || is.Owner != t.Owner {
		return nil, err
	}
	return is, nil
}

// Heartbeat extends the lease and writes progress.
func (s *Store) Heartbeat(ctx context.Context, id string, epoch int64, lease time.Duration, p store.Progress) (cancel bool, err error) {
	err = s.surely(ctx, func(c *thin.Conn) error {
		current := false
		err := c.Query(`WITH `+withClock+` UPDATE tasks SET due_at = `+atNow+` + $4, updated_at = `+atNow+`, done = $5, total = $6,
				checkpoint = coalesce($7, checkpoint), detail = coalesce($8, detail)
			WHERE id = $2 AND epoch = $3 AND status = 'running' RETURNING cancel`,
			[]any{s.fixed(), id, epoch, sqlstore.Micros(lease), p.Done, p.Total, p.Checkpoint, p.Detail}, func(r *thin.Row) error {
				current, cancel = true, r.Bool(0)
				return nil
			})
		if err == nil && !current {
			err = store.ErrLeaseLost
		}
		return err
	}, nil)
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
	err = s.surely(ctx, func(c *thin.Conn) error {
		changed, err := c.Exec(`WITH `+withClock+` UPDATE tasks SET status = $4, owner = '', updated_at = `+atNow+`,
				due_at = CASE WHEN NOT $5 THEN `+atNow+` + $6 END, run_at = CASE WHEN $5 THEN run_at ELSE `+atNow+` + $6 END,
				checkpoint = CASE WHEN NOT $5 THEN checkpoint END,
				attempt = greatest(attempt - $7, 0), done = $8, total = $9, detail = coalesce($10, detail), result = $11, error = $12
			WHERE id = $2 AND epoch = $3 AND status = 'running'`,
			s.fixed(), id, epoch, string(o.Status), o.Status.Final(), e.Delay, e.Refund, o.Done, o.Total, o.Detail, e.Result, e.Error)
		if err == nil && changed == 0 {
			err = store.ErrLeaseLost
		}
		if err != nil {
			return err
		}
		return c.Later(`DELETE FROM spans s USING tasks t WHERE t.id = $1 AND s.app = t.app AND s.task = t.id`, id)
	}, func(c *thin.Conn) (ended bool, err error) {
		// Nobody else ends an attempt without raising the epoch.
		err = c.Query(`SELECT 1 FROM tasks WHERE id = $1 AND epoch = $2 AND status = $3`, []any{id, epoch, string(o.Status)},
			func(*thin.Row) error {
				ended = true
				return nil
			})
		return ended, err
	})
	if err != nil {
		return fmt.Errorf("finish task %s: %w", id, err)
	}
	return nil
}

// backlog counts what is unfinished, from the front of the queue. Those that are
// due first are mostly the oldest.
const backlog = `WITH ` + withClock + `, counted AS (
		(SELECT app, kind, status, created_at FROM tasks WHERE status IN ('waiting', 'pending') ORDER BY run_at LIMIT $2)
		UNION ALL
		(SELECT app, kind, status, created_at FROM tasks WHERE status = 'running' LIMIT $2))
	SELECT a.key, t.kind, t.status, count(*), ` + atNow + ` - min(t.created_at)
	FROM counted t JOIN apps a ON a.id = t.app AND a.key IS NOT NULL
	GROUP BY a.key, t.kind, t.status ORDER BY a.key, t.kind, t.status`

// Backlog counts the unfinished tasks.
func (s *Store) Backlog(ctx context.Context) ([]store.Backlog, error) {
	var list []store.Backlog
	err := s.read(ctx, func(c *thin.Conn) (err error) {
		list, err = sqlstore.Backlog(conn{c}, backlog, s.fixed(), store.MaxBacklog)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count the tasks: %w", err)
	}
	return list, nil
}

// Owners lists the owners of running tasks, and of spans.
func (s *Store) Owners(ctx context.Context) ([]string, error) {
	var owners []string
	err := s.read(ctx, func(c *thin.Conn) (err error) {
		owners, err = sqlstore.Texts(conn{c}, `SELECT owner FROM tasks WHERE status = 'running'
			UNION SELECT owner FROM spans WHERE NOT done AND owner != '' ORDER BY owner`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list owners: %w", err)
	}
	return owners, nil
}

// ExpireOwner ends the leases of an owner that is known to be dead.
func (s *Store) ExpireOwner(ctx context.Context, owner string) error {
	err := s.surely(ctx, func(c *thin.Conn) error {
		_, err := c.Exec(`WITH `+withClock+` UPDATE tasks SET due_at = `+atNow+`
			WHERE due_at > `+atNow+` AND status = 'running' AND owner = $2`, s.fixed(), owner)
		if err != nil {
			return err
		}
		_, err = c.Exec(`WITH `+withClock+` UPDATE spans SET due_at = `+atNow+`
			WHERE due_at > `+atNow+` AND NOT done AND owner = $2`, s.fixed(), owner)
		return err
	}, nil)
	if err != nil {
		return fmt.Errorf("expire owner: %w", err)
	}
	return nil
}
