package client

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"
)

// Status is where a task stands.
type Status string

// The states of a task.
const (
	Waiting   Status = "waiting"   // queued
	Running   Status = "running"   // being worked on
	Pending   Status = "pending"   // waits for its next attempt
	Completed Status = "completed" // final
	Failed    Status = "failed"    // final
)

// Final reports whether a task with status s will never change again.
func (s Status) Final() bool { return s == Completed || s == Failed }

// Task is an export, an import or another long-running job.
type Task struct {
	ID        string    `json:"task_id"`
	Type      string    `json:"type,omitempty"` // such as "export.channels"
	Status    Status    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// RawResult is the result as the server sent it, null until the task is
	// completed; Result is the same for exports.
	RawResult json.RawMessage `json:"result"`
	Error     *TaskError      `json:"error"`
	Progress  Progress        `json:"progress"`

	Result *Result `json:"-"`
}

// TaskError says why a task failed.
type TaskError struct {
	Type        string `json:"type"`
	Description string `json:"description"`
	Version     string `json:"version"`
}

func (e *TaskError) Error() string { return e.Type + ": " + e.Description }

// Progress counts messages; Total may be an estimate.
type Progress struct {
	Done    int64   `json:"done"`
	Total   int64   `json:"total"`
	Percent float64 `json:"percent"`
}

// Result is the file that an export has made.
type Result struct {
	URL         string           `json:"url"` // signed, good until ExpiresAt
	Path        string           `json:"path"`
	Size        int64            `json:"size"`   // bytes
	SHA256      string           `json:"sha256"` // hex
	Counts      map[string]int64 `json:"counts"`
	ExpiresAt   time.Time        `json:"expires_at"`
	ManifestURL string           `json:"manifest_url"`
}

// UnmarshalJSON reads what the server answers.
func (t *Task) UnmarshalJSON(b []byte) error {
	type plain Task // without this method
	if err := json.Unmarshal(b, (*plain)(t)); err != nil {
		return err
	}
	var r Result
	if json.Unmarshal(t.RawResult, &r) == nil && r.URL != "" {
		t.Result = &r
	}
	return nil
}

// Task returns a task; an unknown id gives an *Error of code 16.
func (c *Client) Task(ctx context.Context, id string) (*Task, error) {
	if err := checkTaskID(id); err != nil {
		return nil, err
	}
	return call[Task](ctx, c, get("tasks", id))
}

// Cancel asks a task to stop and returns it as it is afterwards; a running one
// may take a second or two.
func (c *Client) Cancel(ctx context.Context, id string) (*Task, error) {
	if err := checkTaskID(id); err != nil {
		return nil, err
	}
	return call[Task](ctx, c, repost(nil, "tasks", id, "cancel"))
}

func checkTaskID(id string) error {
	if id == "" || len(id) > 64 {
		return errors.New("the task id must have 1 to 64 characters")
	}
	for _, r := range id {
		if r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return errors.New("the task id must be a UUID")
		}
	}
	return nil
}

// TaskQuery says which tasks to list; the zero value lists the newest ones.
type TaskQuery struct {
	Status Status `json:"status,omitempty"`
	Type   string `json:"type,omitempty"`
	// Limit is how many tasks a page has, up to 100.
	Limit  int `json:"limit,omitempty"`
	Offset int `json:"offset,omitempty"`
}

// ListTasks returns one page of tasks, newest first.
func (c *Client) ListTasks(ctx context.Context, q TaskQuery) ([]Task, error) {
	r, err := get("tasks").with(q)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Tasks []Task `json:"tasks"`
	}
	err = c.do(ctx, r, &answer)
	return answer.Tasks, err
}

// Tasks goes through all tasks from q.Offset on, newest first, page by page. An
// error comes last. Tasks that are made meanwhile are not seen; if tasks cease
// to match q meanwhile, others may be passed over.
func (c *Client) Tasks(ctx context.Context, q TaskQuery) iter.Seq2[*Task, error] {
	return pages(q.Limit, q.Offset, func(limit, offset int) ([]Task, error) {
		q.Limit, q.Offset = limit, offset
		return c.ListTasks(ctx, q)
	}, func(t *Task) string { return t.ID })
}

// maxPage is the largest page of a list.
const maxPage = 100

// pages goes through a list whose first entries may become more meanwhile: what
// comes twice for that reason is passed over.
func pages[T any](limit, offset int, fetch func(limit, offset int) ([]T, error), id func(*T) string) iter.Seq2[*T, error] {
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	return func(yield func(*T, error) bool) {
		var before map[string]bool
		// A page may be short although more follow, since the server leaves
		// out what is past its retention. An empty one is the end.
		for at := offset; ; at += limit {
			page, err := fetch(limit, at)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(page) == 0 {
				return
			}
			seen := make(map[string]bool, len(page))
			for i := range page {
				seen[id(&page[i])] = true
				if !before[id(&page[i])] && !yield(&page[i], nil) {
					return
				}
			}
			before = seen
		}
	}
}

// WaitForTask polls a task until it is final, calling seen, unless nil, with
// every answer. It starts with short pauses, so that a small export is not
// waited for longer than it takes, and bears with a server that is away for a
// while (Options.Patience) and with rate limits.
//
// A task that failed is returned with its TaskError as the error.
func (c *Client) WaitForTask(ctx context.Context, id string, seen func(*Task)) (*Task, error) {
	if err := checkTaskID(id); err != nil {
		return nil, err
	}
	t, err := poll(ctx, c, get("tasks", id), func(t *Task) bool {
		if seen != nil {
			seen(t)
		}
		return t.Status.Final()
	})
	switch {
	case err != nil:
		return nil, err
	case t.Status == Failed && t.Error != nil:
		return t, t.Error
	case t.Status == Failed:
		return t, errors.New("the task failed without saying why")
	}
	return t, nil
}

// poll performs a request again and again until done says that an answer is
// the last.
func poll[T any](ctx context.Context, c *Client, r *request, done func(*T) bool) (*T, error) {
	r.patient = true
	pause := min(20*time.Millisecond, c.poll)
	var trouble time.Time // since when there is no good answer
	for {
		answer, err := call[T](ctx, c, r)
		wait := pause
		switch {
		case err == nil:
			trouble = time.Time{}
			if done(answer) {
				return answer, nil
			}
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		default:
			e, refused := errors.AsType[*Error](err)
			if refused && !passes(err) {
				return nil, err
			}
			if trouble.IsZero() {
				trouble = c.now()
			} else if c.now().Sub(trouble) > c.patience {
				return nil, err
			}
			if refused {
				wait = max(wait, min(e.RetryAfter, time.Minute))
			}
		}
		if err := c.sleep(ctx, wait); err != nil {
			return nil, err
		}
		pause = min(2*pause, c.poll)
	}
}
