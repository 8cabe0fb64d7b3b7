package sqlite

import (
	"context"
	"fmt"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/sqlite/lite"
)

const taskColumns = `id, app, kind, status, request, created_at, updated_at, run_at, attempt, epoch,
	owner, cancel, done, total, checkpoint, detail, result, error`

func scanTask(st *lite.Stmt) *store.Task {
	return &store.Task{
		ID: st.Text(0), App: st.Int(1), Kind: st.Text(2), Status: store.TaskStatus(st.Text(3)), Request: st.Copy(4),
		CreatedAt: st.Time(5), UpdatedAt: st.Time(6), RunAt: st.Time(7),
		Attempt: int(st.Int(8)), Epoch: st.Int(9), Owner: st.Text(10), Cancel: st.Bool(11),
		Done: st.Int(12), Total: st.Int(13),
		Checkpoint: st.Copy(14), Detail: st.Copy(15), Result: st.Copy(16), Error: st.Copy(17),
	}
}

// oneTask runs a query that yields at most one task; nil if it yields none.
func oneTask(c *lite.Conn, sql string, args ...any) (*store.Task, error) {
	var t *store.Task
	err := c.Query(sql, args, func(st *lite.Stmt) error {
		t = scanTask(st)
		return nil
	})
	return t, err
}

func taskOf(c *lite.Conn, app int64, id string) (*store.Task, error) {
	t, err := oneTask(c, `SELECT `+taskColumns+` FROM tasks WHERE id = $1 AND app = $2`, id, app)
	if err == nil && t == nil {
		err = store.ErrNotFound
	}
	return t, err
}

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
		return c.Exec(`INSERT INTO idempotency (app, key, hash, task, expires_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (app, key) DO UPDATE SET hash = excluded.hash, task = excluded.task, expires_at = excluded.expires_at`,
			t.App, idem.Key, idem.Hash, t.ID, now+micros(idem.Life))
	})
	if err != nil {
		return nil, fmt.Errorf("enqueue task %s: %w", t.ID, err)
	}
	return stored, nil
}

// earlier finds the task that was enqueued with the same idempotency key; nil
// if there is none, or if it is gone by now.
func earlier(c *lite.Conn, app int64, idem *store.Idempotency, now chat.Time) (*store.Task, error) {
	var id, hash string
	err := c.Query(`SELECT task, hash FROM idempotency WHERE app = $1 AND key = $2 AND expires_at > $3`,
		[]any{app, idem.Key, now}, func(st *lite.Stmt) error {
			id, hash = st.Text(0), st.Text(1)
			return nil
		})
	if err != nil || id == "" {
		return nil, err
	}
	if hash != string(idem.Hash) {
		return nil, store.ErrKeyReused
	}
	return oneTask(c, `SELECT `+taskColumns+` FROM tasks WHERE id = $1 AND app = $2`, id, app)
}

func enqueue(c *lite.Conn, t *store.Task, now chat.Time) (*store.Task, error) {
	stored, err := oneTask(c, `INSERT INTO tasks (id, app, kind, status, request, created_at, updated_at, run_at, due_at,
			done, total, checkpoint, detail)
		SELECT $1, $2, $3, 'waiting', $4, $5, $5, $5, $5, $6, $7, $8, $9
		WHERE EXISTS (SELECT 1 FROM apps WHERE id = $2 AND key IS NOT NULL)
		ON CONFLICT (id) DO NOTHING RETURNING `+taskColumns,
		t.ID, t.App, t.Kind, t.Request, now, t.Done, t.Total, t.Checkpoint, t.Detail)
	if err != nil || stored != nil {
		return stored, err
	}
	err = store.ErrNotFound // the app, unless the id is what is wrong
	if qerr := c.Query(`SELECT 1 FROM tasks WHERE id = $1`, []any{t.ID}, func(*lite.Stmt) error {
		err = store.ErrExists
		return nil
	}); qerr != nil {
		return nil, qerr
	}
	return nil, err
}

// Task returns a task of that app.
func (s *Store) Task(ctx context.Context, app int64, id string) (*store.Task, error) {
	var t *store.Task
	err := s.read(ctx, func(c *lite.Conn) (err error) {
		t, err = taskOf(c, app, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("task: %w", err)
	}
	return t, nil
}

// defaultTaskLimit bounds a list that was asked for without a limit.
const defaultTaskLimit = 100

// ListTasks lists tasks, newest first; 100 at most if q has no limit.
func (s *Store) ListTasks(ctx context.Context, q store.TaskQuery) ([]store.Task, error) {
	var where []string
	var args []any
	cond := func(column, op string, v any) {
		args = append(args, v)
		where = append(where, fmt.Sprintf("%s %s $%d", column, op, len(args)))
	}
	if q.App != 0 {
		cond("app", "=", q.App)
	}
	if q.Kind != "" {
		cond("kind", "=", q.Kind)
	}
	if q.Status != "" {
		cond("status", "=", string(q.Status))
	}
	if q.Before != 0 {
		cond("created_at", "<", q.Before)
	}
	sql := `SELECT ` + taskColumns + ` FROM tasks`
	if len(where) > 0 {
		sql += ` WHERE ` + strings.Join(where, ` AND `)
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultTaskLimit
	}
	args = append(args, limit, max(q.Offset, 0))
	sql += fmt.Sprintf(` ORDER BY created_at DESC, seq DESC LIMIT $%d OFFSET $%d`, len(args)-1, len(args))

	var tasks []store.Task
	err := s.read(ctx, func(c *lite.Conn) error {
		return c.Query(sql, args, func(st *lite.Stmt) error {
			tasks = append(tasks, *scanTask(st))
			return nil
		})
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
			t, err = taskOf(c, app, id)
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
