package sqlite

import (
	"context"
	"fmt"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/sqlite/lite"
	"hansard/internal/store/sqlstore"
)

// Enqueue stores t as waiting, or finds the earlier task of the same key.
func (s *Store) Enqueue(ctx context.Context, t *store.Task, idem *store.Idempotency) (*store.Task, error) {
	var stored *store.Task
	err := s.write(ctx, func(c *lite.Conn) (err error) {
		now := s.now()
		if idem != nil {
			if stored, err = earlier(c, t.App, idem, now); err != nil || stored != nil {
				return err
			}
		}
		if stored, err = enqueue(c, t, now); err != nil || idem == nil {
			return err
		}
		return sqlstore.RememberKey(conn{c}, stored, idem.Key, idem)
	})
	if err != nil {
		return nil, fmt.Errorf("enqueue task %s: %w", t.ID, err)
	}
	return stored, nil
}

// earlier finds the task that was enqueued with the same idempotency key.
func earlier(c *lite.Conn, app int64, idem *store.Idempotency, now chat.Time) (*store.Task, error) {
	return sqlstore.EarlierTask(conn{c}, app, idem,
		`SELECT task, hash FROM idempotency WHERE app = $1 AND key = $2 AND expires_at > $3`, app, idem.Key, now)
}

func enqueue(c *lite.Conn, t *store.Task, now chat.Time) (*store.Task, error) {
	stored, err := sqlstore.OneTask(conn{c}, `INSERT INTO tasks (id, app, kind, status, request, created_at, updated_at, run_at, due_at,
			done, total, checkpoint, detail)
		SELECT $1, $2, $3, 'waiting', $4, $5, $5, $5, $5, $6, $7, $8, $9
		WHERE EXISTS (SELECT 1 FROM apps WHERE id = $2 AND key IS NOT NULL)
		ON CONFLICT (id) DO NOTHING RETURNING `+sqlstore.TaskColumns,
		t.ID, t.App, t.Kind, t.Request, now, t.Done, t.Total, t.Checkpoint, t.Detail)
	if err != nil || stored != nil {
		return stored, err
	}
	return nil, sqlstore.NotEnqueued(conn{c}, t.ID)
}

// Task returns a task of that app.
func (s *Store) Task(ctx context.Context, app int64, id string) (*store.Task, error) {
	var t *store.Task
	err := s.read(ctx, func(c *lite.Conn) (err error) {
		t, err = sqlstore.TaskOf(conn{c}, app, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("task: %w", err)
	}
	return t, nil
}

// ListTasks lists tasks, newest first; 100 at most if q has no limit.
func (s *Store) ListTasks(ctx context.Context, q store.TaskQuery) ([]store.Task, error) {
	var tasks []store.Task
	err := s.read(ctx, func(c *lite.Conn) (err error) {
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
	var t *store.Task
	err := s.write(ctx, func(c *lite.Conn) (err error) {
		now := s.now()
		err = c.Exec(`UPDATE tasks SET cancel = 1 WHERE id = $1 AND app = $2 AND status = 'running' AND due_at > $3
			AND NOT (kind = 'import' AND checkpoint IS NOT NULL)`, id, app, now)
		if err == nil && c.Changes() == 0 {
			err = c.Exec(`UPDATE tasks SET status = 'failed', error = $3, cancel = 1, epoch = epoch + 1, owner = '',
				due_at = NULL, checkpoint = NULL, updated_at = $4
				WHERE id = $1 AND app = $2 AND status NOT IN ('completed', 'failed')
				AND NOT (kind = 'import' AND checkpoint IS NOT NULL)`, id, app, errJSON, now)
		}
		if err == nil {
			t, err = sqlstore.TaskOf(conn{c}, app, id)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cancel task: %w", err)
	}
	return t, nil
}

// DeleteTasks removes final tasks by id, idempotency keys past their life, and
// what is left of deleted apps.
func (s *Store) DeleteTasks(ctx context.Context, ids []string) error {
	err := s.write(ctx, func(c *lite.Conn) error {
		for _, id := range ids {
			err := c.Exec(`DELETE FROM tasks WHERE id = $1 AND status IN ('completed', 'failed')`, id)
			if err != nil {
				return err
			}
		}
		return c.Exec(`DELETE FROM idempotency WHERE expires_at <= $1`, s.now())
	})
	if err == nil {
		err = s.purgeApps(ctx)
	}
	if err != nil {
		return fmt.Errorf("delete tasks: %w", err)
	}
	return nil
}
