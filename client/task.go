package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
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
	return c.task(ctx, http.MethodGet, id, "")
}

// Cancel asks a task to stop and returns it as it is afterwards; a running one
// may take a second or two.
func (c *Client) Cancel(ctx context.Context, id string) (*Task, error) {
	return c.task(ctx, http.MethodPost, id, "/cancel")
}

func (c *Client) task(ctx context.Context, method, id, action string) (*Task, error) {
	if id == "" || len(id) > 64 {
		return nil, errors.New("the task id must have 1 to 64 characters")
	}
	for _, r := range id { // it becomes part of a path
		if r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return nil, errors.New("the task id must be a UUID")
		}
	}
	var t Task
	if err := c.do(ctx, method, "/tasks/"+id+action, nil, nil, nil, &t); err != nil {
		return nil, err
	}
	return &t, nil
}

// TaskQuery says which tasks to list; the zero value lists the newest ones.
type TaskQuery struct {
	Status Status
	Type   string
	Limit  int
	Offset int
}

// Tasks lists tasks, newest first.
func (c *Client) Tasks(ctx context.Context, q TaskQuery) ([]Task, error) {
	query := url.Values{}
	if q.Status != "" {
		query.Set("status", string(q.Status))
	}
	if q.Type != "" {
		query.Set("type", q.Type)
	}
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Offset > 0 {
		query.Set("offset", strconv.Itoa(q.Offset))
	}
	var answer struct {
		Tasks []Task `json:"tasks"`
	}
	err := c.do(ctx, http.MethodGet, "/tasks", query, nil, nil, &answer)
	return answer.Tasks, err
}

// Wait polls a task until it is final, calling seen, unless nil, with every
// answer. It starts with short pauses, so that a small export is not waited
// for longer than it takes, and bears with a server that is away for a while
// (Options.Patience) and with rate limits.
//
// A task that failed is returned with its TaskError as the error.
func (c *Client) Wait(ctx context.Context, id string, seen func(*Task)) (*Task, error) {
	pause := min(20*time.Millisecond, c.poll)
	var trouble time.Time // since when there is no good answer
	for {
		t, err := c.Task(ctx, id)
		wait := pause
		switch {
		case err == nil:
			trouble = time.Time{}
			if seen != nil {
				seen(t)
			}
			if t.Status == Failed && t.Error != nil {
				return t, t.Error
			}
			if t.Status == Failed {
				return t, errors.New("the task failed without saying why")
			}
			if t.Status == Completed {
				return t, nil
			}
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		default:
			if final(err) {
				return nil, err
			}
			if trouble.IsZero() {
				trouble = time.Now()
			} else if time.Since(trouble) > c.patience {
				return nil, err
			}
			if e, ok := errors.AsType[*Error](err); ok {
				wait = max(wait, min(e.RetryAfter, time.Minute))
			}
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
		pause = min(2*pause, c.poll)
	}
}

// final reports whether the server has said no, as opposed to saying nothing
// or asking to come back later.
func final(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status < http.StatusInternalServerError &&
		e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout
}
