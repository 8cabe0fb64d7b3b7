package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/postgres/thin"
	"hansard/internal/store/sqlstore"
)

// withClock is the part of a statement that says what time it is: the first
// parameter, or without one (see fixed) that of the database. It is the same
// throughout the statement.
const (
	withClock = `clock AS MATERIALIZED (SELECT coalesce($1::bigint, ` + clock + `) AS now)`
	atNow     = `(SELECT now FROM clock)`
)

// fixed is the time by a clock that was given; nil without one.
func (s *Store) fixed() any {
	if s.opts.Now == nil {
		return nil
	}
	return chat.TimeOf(s.opts.Now())
}

// surely is write for what has to be known to be done. Where the connection was
// lost during the commit, fn is run again; when that fails, or finds nothing to
// do any more, done tells whether it was done the first time. Without done, fn
// may be run twice.
func (s *Store) surely(ctx context.Context, fn func(*thin.Conn) error, done func(*thin.Conn) (bool, error)) error {
	uncertain := false
	for try := 1; ; try++ {
		err := s.write(ctx, fn)
		lost := errors.Is(err, thin.ErrUncertain)
		uncertain = uncertain || lost
		if err == nil || !uncertain || ctx.Err() != nil || try == maxTries {
			return err
		}
		if done != nil {
			ok := false
			if rerr := s.read(ctx, func(c *thin.Conn) (err error) {
				ok, err = done(c)
				return err
			}); rerr != nil {
				return errors.Join(err, rerr)
			}
			if ok {
				return nil
			}
		}
		if !lost {
			return err
		}
	}
}

// isText reports whether the database can hold s as a text, and so whether it
// can be in there.
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// importKind is the kind of the tasks that run one after the other.
const importKind = "import"

// Enqueue stores t as waiting, or finds the earlier task of the same key.
func (s *Store) Enqueue(ctx context.Context, t *store.Task, idem *store.Idempotency) (*store.Task, error) {
	var stored *store.Task
	err := s.surely(ctx, func(c *thin.Conn) (err error) {
		if idem == nil && t.Kind != importKind {
			stored, err = s.insertTask(c, t)
			return err
		}
		// One after the other: of two requests with one key the second finds
		// the task of the first, and imports are seen in the order in which they
		// are numbered.
		found := false
		err = c.Query(`SELECT 1 FROM apps WHERE id = $1 AND key IS NOT NULL FOR NO KEY UPDATE`, []any{t.App}, func(*thin.Row) error {
			found = true
			return nil
		})
		if err == nil && !found {
			err = store.ErrNotFound
		}
		if err == nil && idem != nil {
			stored, err = s.earlier(c, t.App, idem)
		}
		if err != nil || idem != nil && stored != nil {
			return err
		}
		if stored, err = s.insertTask(c, t); err != nil || idem == nil {
			return err
		}
		return sqlstore.RememberKey(conn{c}, stored, []byte(idem.Key), idem)
	}, func(c *thin.Conn) (bool, error) {
		there, err := sqlstore.FindTask(conn{c}, t.App, t.ID)
		if there != nil {
			stored = there
		}
		return there != nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("enqueue task %s: %w", t.ID, err)
	}
	return stored, nil
}

// earlier finds the task that was enqueued with the same idempotency key.
func (s *Store) earlier(c *thin.Conn, app int64, idem *store.Idempotency) (*store.Task, error) {
	return sqlstore.EarlierTask(conn{c}, app, idem,
		`WITH `+withClock+` SELECT task, hash FROM idempotency WHERE app = $2 AND key = $3 AND expires_at > `+atNow,
		s.fixed(), app, []byte(idem.Key))
}

// insertTask stores a task. Its app cannot be deleted meanwhile.
func (s *Store) insertTask(c *thin.Conn, t *store.Task) (*store.Task, error) {
	stored, err := sqlstore.OneTask(conn{c}, `WITH `+withClock+`, there AS (SELECT id FROM apps WHERE id = $3 AND key IS NOT NULL FOR KEY SHARE)
		INSERT INTO tasks (id, app, kind, status, request, created_at, updated_at, run_at, due_at, done, total, checkpoint, detail)
		SELECT $2, there.id, $4, 'waiting', $5, now, now, now, now, $6, $7, $8, $9 FROM there, clock
		ON CONFLICT (id) DO NOTHING RETURNING `+sqlstore.TaskColumns,
		s.fixed(), t.ID, t.App, t.Kind, t.Request, t.Done, t.Total, t.Checkpoint, t.Detail)
	if err != nil || stored != nil {
		return stored, err
	}
	return nil, sqlstore.NotEnqueued(conn{c}, t.ID)
}

// Task returns a task of that app.
func (s *Store) Task(ctx context.Context, app int64, id string) (*store.Task, error) {
	var t *store.Task
	err := store.ErrNotFound
	if isText(id) {
		err = s.read(ctx, func(c *thin.Conn) (err error) {
			t, err = sqlstore.TaskOf(conn{c}, app, id)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("task: %w", err)
	}
	return t, nil
}

// ListTasks lists tasks, newest first; 100 at most if q has no limit.
func (s *Store) ListTasks(ctx context.Context, q store.TaskQuery) ([]store.Task, error) {
	if !isText(q.Kind) || !isText(string(q.Status)) {
		return nil, nil
	}
	var tasks []store.Task
	err := s.read(ctx, func(c *thin.Conn) (err error) {
		tasks, err = sqlstore.ListTasks(conn{c}, q)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	return tasks, nil
}

// CancelTask asks a running task to stop and fails one that is not running. A
// task whose lease has run out counts as not running: its worker, should it
// still be there, finds its epoch gone. An import that has a checkpoint has
// begun to write and stays as it is: it must be gone through with.
func (s *Store) CancelTask(ctx context.Context, app int64, id string, errJSON []byte) (*store.Task, error) {
	const runs = `status = 'running' AND due_at > ` + atNow
	var t *store.Task
	err := store.ErrNotFound
	if isText(id) {
		err = s.surely(ctx, func(c *thin.Conn) error {
			_, err := c.Exec(`WITH `+withClock+` UPDATE tasks SET cancel = true,
					status = CASE WHEN `+runs+` THEN status ELSE 'failed' END,
					error = CASE WHEN `+runs+` THEN error ELSE $4 END,
					epoch = CASE WHEN `+runs+` THEN epoch ELSE epoch + 1 END,
					owner = CASE WHEN `+runs+` THEN owner ELSE '' END,
					due_at = CASE WHEN `+runs+` THEN due_at END,
					checkpoint = CASE WHEN `+runs+` THEN checkpoint END,
					updated_at = CASE WHEN `+runs+` THEN updated_at ELSE `+atNow+` END
				WHERE id = $2 AND app = $3 AND status NOT IN ('completed', 'failed')
				AND NOT (kind = 'import' AND checkpoint IS NOT NULL)`, s.fixed(), id, app, errJSON)
			if err == nil {
				t, err = sqlstore.TaskOf(conn{c}, app, id)
			}
			return err
		}, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("cancel task: %w", err)
	}
	return t, nil
}

// DeleteTasks removes final tasks by id, idempotency keys past their life, spans
// of attempts that are over, and what is left of deleted apps.
func (s *Store) DeleteTasks(ctx context.Context, ids []string) error {
	err := s.surely(ctx, func(c *thin.Conn) error {
		for _, id := range ids {
			if _, err := c.Exec(`DELETE FROM tasks WHERE id = $1 AND status IN ('completed', 'failed')`, id); err != nil {
				return err
			}
		}
		_, err := c.Exec(`WITH `+withClock+` DELETE FROM idempotency WHERE expires_at <= `+atNow, s.fixed())
		if err != nil {
			return err
		}
		// An attempt that was lost may have added spans until it noticed.
		_, err = c.Exec(`DELETE FROM spans s WHERE NOT EXISTS (SELECT 1 FROM tasks t
			WHERE t.app = s.app AND t.id = s.task AND t.epoch = s.epoch AND t.status = 'running')`)
		return err
	}, nil)
	if err == nil {
		err = s.purgeApps(ctx)
	}
	if err != nil {
		return fmt.Errorf("delete tasks: %w", err)
	}
	return nil
}
