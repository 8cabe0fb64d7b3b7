package sqlstore

import (
	"fmt"
	"strings"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
)

// TaskColumns are what OneTask reads.
const TaskColumns = `id, app, kind, status, request, created_at, updated_at, run_at, attempt, epoch,
	owner, cancel, done, total, checkpoint, detail, result, error`

func scanTask(r Row) *store.Task {
	return &store.Task{
		ID: r.Text(0), App: r.Int(1), Kind: r.Text(2), Status: store.TaskStatus(r.Text(3)), Request: r.Copy(4),
		CreatedAt: r.Time(5), UpdatedAt: r.Time(6), RunAt: r.Time(7),
		Attempt: int(r.Int(8)), Epoch: r.Int(9), Owner: r.Text(10), Cancel: r.Bool(11),
		Done: r.Int(12), Total: r.Int(13),
		Checkpoint: r.Copy(14), Detail: r.Copy(15), Result: r.Copy(16), Error: r.Copy(17),
	}
}

// OneTask runs a statement that yields at most one task; nil if it yields none.
func OneTask(c Conn, sql string, args ...any) (*store.Task, error) {
	var t *store.Task
	err := c.Query(sql, args, func(r Row) error {
		t = scanTask(r)
		return nil
	})
	return t, err
}

// FindTask is the task of that app; nil if there is none.
func FindTask(c Conn, app int64, id string) (*store.Task, error) {
	return OneTask(c, `SELECT `+TaskColumns+` FROM tasks WHERE id = $1 AND app = $2`, id, app)
}

// TaskOf is FindTask where a task must be: ErrNotFound if there is none.
func TaskOf(c Conn, app int64, id string) (*store.Task, error) {
	t, err := FindTask(c, app, id)
	if err == nil && t == nil {
		err = store.ErrNotFound
	}
	return t, err
}

// EarlierTask is the task that was enqueued with the same idempotency key; nil
// if there is none, or if it is gone by now. The statement yields task and hash
// of the key while it is alive.
func EarlierTask(c Conn, app int64, idem *store.Idempotency, sql string, args ...any) (*store.Task, error) {
	var id, hash string
	err := c.Query(sql, args, func(r Row) error {
		id, hash = r.Text(0), string(r.Bytes(1))
		return nil
	})
	if err != nil || id == "" {
		return nil, err
	}
	if hash != string(idem.Hash) {
		return nil, store.ErrKeyReused
	}
	return FindTask(c, app, id)
}

// RememberKey ties a task to an idempotency key. The key comes as the engine
// keeps it.
func RememberKey(c Conn, t *store.Task, key any, idem *store.Idempotency) error {
	_, err := c.Exec(`INSERT INTO idempotency (app, key, hash, task, expires_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (app, key) DO UPDATE SET hash = excluded.hash, task = excluded.task, expires_at = excluded.expires_at`,
		t.App, key, idem.Hash, t.ID, t.CreatedAt+Micros(idem.Life))
	return err
}

// NotEnqueued says why no task with that id was inserted: there is one, or the
// app is gone.
func NotEnqueued(c Conn, id string) error {
	err := store.ErrNotFound
	if qerr := c.Query(`SELECT 1 FROM tasks WHERE id = $1`, []any{id}, func(Row) error {
		err = store.ErrExists
		return nil
	}); qerr != nil {
		return qerr
	}
	return err
}

// defaultTaskLimit bounds a list that was asked for without a limit.
const defaultTaskLimit = 100

// ListTasks lists tasks, newest first; 100 at most if q has no limit.
func ListTasks(c Conn, q store.TaskQuery) ([]store.Task, error) {
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
	sql := `SELECT ` + TaskColumns + ` FROM tasks`
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
	err := c.Query(sql, args, func(r Row) error {
		tasks = append(tasks, *scanTask(r))
		return nil
	})
	return tasks, err
}

// Ending is what the end of an attempt writes.
type Ending struct {
	Result, Error []byte
	Delay         chat.Time // until the next attempt
	Refund        int       // attempts that do not count
}

// EndingOf is the Ending of an outcome, or says that there is no such outcome.
func EndingOf(o *store.Outcome) (e Ending, err error) {
	if o.Refund {
		e.Refund = 1
	}
	switch o.Status {
	case store.Completed:
		e.Result = o.Result
	case store.Failed:
		e.Error = o.Error
	case store.Pending:
		e.Delay = Micros(max(o.Delay, 0))
	case store.Waiting:
	default:
		err = fmt.Errorf("an attempt cannot end as %q", o.Status)
	}
	return e, err
}

// Backlog reads what a statement counts: key of the app, kind, status, tasks, and
// the age of the oldest in µs.
func Backlog(c Conn, sql string, args ...any) (list []store.Backlog, err error) {
	err = c.Query(sql, args, func(r Row) error {
		list = append(list, store.Backlog{
			App: r.Text(0), Kind: r.Text(1), Status: store.TaskStatus(r.Text(2)), Tasks: int(r.Int(3)),
			Oldest: time.Duration(max(r.Int(4), 0)) * time.Microsecond,
		})
		return nil
	})
	return list, err
}

// Texts reads a statement of one column.
func Texts(c Conn, sql string, args ...any) (list []string, err error) {
	err = c.Query(sql, args, func(r Row) error {
		list = append(list, r.Text(0))
		return nil
	})
	return list, err
}

// Micros is a length of time in the unit of times.
func Micros(d time.Duration) chat.Time { return chat.Time(d.Microseconds()) }
