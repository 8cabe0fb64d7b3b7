package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"
)

// Paging through lists of tasks.
const (
	defaultTasks = 25
	maxTasks     = 100
	maxOffset    = 1 << 30
)

func errNoTask() error { return wire.Errorf(wire.CodeNotFound, "there is no such task") }

// task returns a task of the app. One past its retention is gone, purged or not
// (contract section 10).
func (s *Server) task(r *Request, id string) (*store.Task, error) {
	t, err := s.opts.Store.Task(r.Context(), r.App.ID, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && s.expired(t) {
		return nil, errNoTask()
	}
	return t, err
}

// expires is when a task and its file go: retention after it ended.
func (s *Server) expires(t *store.Task) time.Time { return t.UpdatedAt.Std().Add(s.opts.Retention) }

func (s *Server) expired(t *store.Task) bool {
	return t.Status.Final() && !s.now().Before(s.expires(t))
}

func (s *Server) getTask(r *Request) (Answer, error) {
	t, err := s.task(r, r.Path("id"))
	if err != nil {
		return Answer{}, err
	}
	return s.answerTask(r, t)
}

// cancelTask asks for a task to be stopped. A task that has ended stays as it
// is: the client learns how it ended.
func (s *Server) cancelTask(r *Request) (Answer, error) {
	t, err := s.task(r, r.Path("id"))
	if err != nil {
		return Answer{}, err
	}
	t, err = s.opts.Store.CancelTask(r.Context(), r.App.ID, t.ID, task.Canceled().JSON())
	if errors.Is(err, store.ErrNotFound) {
		return Answer{}, errNoTask()
	}
	if err != nil {
		return Answer{}, err
	}
	if !t.Cancel && !t.Status.Final() {
		return Answer{}, wire.Errorf(wire.CodeBadInput, "the import has begun to load and can no longer be canceled: it never leaves half a file")
	}
	return s.answerTask(r, t)
}

func (s *Server) listTasks(r *Request) (Answer, error) {
	q := store.TaskQuery{App: r.App.ID, Kind: r.Query.Get("type"), Status: store.TaskStatus(r.Query.Get("status"))}
	if q.Kind != "" && !slices.Contains(task.Kinds(), q.Kind) {
		return Answer{}, wire.BadField("type", "must be one of %s", strings.Join(task.Kinds(), ", "))
	}
	states := []store.TaskStatus{store.Waiting, store.Running, store.Pending, store.Completed, store.Failed}
	if q.Status != "" && !slices.Contains(states, q.Status) {
		return Answer{}, wire.BadField("status", "must be one of waiting, running, pending, completed, failed")
	}
	tasks, err := s.tasks(r, q)
	if err != nil {
		return Answer{}, err
	}
	body := []byte(`{"tasks":[`)
	for i := range tasks {
		if i > 0 {
			body = append(body, ',')
		}
		if body, err = s.appendTask(r.Context(), body, &tasks[i]); err != nil {
			return Answer{}, err
		}
	}
	return Answer{Body: append(body, `]}`...)}, nil
}

// tasks lists what a query selects, paged as the request says.
func (s *Server) tasks(r *Request, q store.TaskQuery) ([]store.Task, error) {
	var err error
	if q.Limit, err = intParam(r, "limit", defaultTasks, maxTasks); err != nil {
		return nil, err
	}
	if q.Offset, err = intParam(r, "offset", 0, maxOffset); err != nil || q.Limit == 0 {
		return nil, err
	}
	list, err := s.opts.Store.ListTasks(r.Context(), q)
	return slices.DeleteFunc(list, func(t store.Task) bool { return s.expired(&t) }), err
}

func (s *Server) answerTask(r *Request, t *store.Task) (Answer, error) {
	body, err := s.appendTask(r.Context(), nil, t)
	return Answer{Body: body, Kind: wire.KindTask}, err
}

// appendTask writes a task as contract section 4 shows it.
func (s *Server) appendTask(ctx context.Context, dst []byte, t *store.Task) ([]byte, error) {
	dst = wire.AppendString(append(dst, `{"task_id":`...), t.ID)
	dst = wire.AppendString(append(dst, `,"status":`...), string(t.Status))
	dst = t.CreatedAt.AppendJSON(append(dst, `,"created_at":`...))
	dst = t.UpdatedAt.AppendJSON(append(dst, `,"updated_at":`...))
	dst = append(dst, `,"result":`...)
	var err error
	switch {
	case t.Status != store.Completed || len(t.Result) == 0:
		dst = append(dst, "null"...)
	case t.Kind == task.ExportChannels || t.Kind == task.ExportUsers:
		if dst, err = s.appendFile(ctx, dst, t); err != nil {
			return nil, err
		}
	default:
		dst = append(dst, t.Result...)
	}
	dst = append(dst, `,"error":`...)
	if dst, err = s.appendFailure(dst, t); err != nil {
		return nil, err
	}
	// Ours, so that a list can be told apart; what GET /tasks?type= takes.
	dst = wire.AppendString(append(dst, `,"type":`...), t.Kind)
	return appendProgress(dst, t), nil
}

// appendFile writes where the finished file is, with an address signed now.
func (s *Server) appendFile(ctx context.Context, dst []byte, t *store.Task) ([]byte, error) {
	var result struct {
		Path         string          `json:"path"`
		Size         int64           `json:"size"`
		SHA256       string          `json:"sha256"`
		Counts       json.RawMessage `json:"counts"`
		ManifestPath string          `json:"manifest_path"`
	}
	if err := json.Unmarshal(t.Result, &result); err != nil {
		return nil, fmt.Errorf("stored result of task %s: %w", t.ID, err)
	}
	// An address must not outlive its file.
	now := s.now()
	ttl := min(s.opts.URLTTL, s.expires(t).Sub(now))
	url, err := s.opts.Blob.SignGet(ctx, result.Path, ttl)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	dst = wire.AppendString(append(dst, `{"url":`...), url)
	dst = wire.AppendString(append(dst, `,"path":`...), result.Path)
	dst = strconv.AppendInt(append(dst, `,"size":`...), result.Size, 10)
	dst = wire.AppendString(append(dst, `,"sha256":`...), result.SHA256)
	if len(result.Counts) > 0 {
		dst = wire.AppendCompact(append(dst, `,"counts":`...), result.Counts)
	}
	// Signed URLs count in whole seconds.
	dst = chat.TimeOf(now.Add(ttl).Truncate(time.Second)).AppendJSON(append(dst, `,"expires_at":`...))
	if result.ManifestPath != "" {
		manifest, err := s.opts.Blob.SignGet(ctx, result.ManifestPath, ttl)
		if err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
		dst = wire.AppendString(append(dst, `,"manifest_url":`...), manifest)
	}
	return append(dst, '}'), nil
}

func (s *Server) appendFailure(dst []byte, t *store.Task) ([]byte, error) {
	if t.Status != store.Failed {
		return append(dst, "null"...), nil
	}
	var failure task.Failure
	if err := json.Unmarshal(t.Error, &failure); err != nil {
		return nil, fmt.Errorf("stored error of task %s: %w", t.ID, err)
	}
	dst = wire.AppendString(append(dst, `{"type":`...), failure.Type)
	dst = wire.AppendString(append(dst, `,"description":`...), failure.Description)
	dst = wire.AppendString(append(dst, `,"version":`...), s.opts.Version)
	return append(dst, '}'), nil
}

// appendProgress ends a task's object. Only a completed task is at 100: totals
// may be estimates.
func appendProgress(dst []byte, t *store.Task) []byte {
	done, total := t.Done, max(t.Total, t.Done)
	percent := int64(0)
	switch {
	case t.Status == store.Completed:
		percent = 100
	case total > 0:
		percent = min(99, done*100/total)
	}
	dst = strconv.AppendInt(append(dst, `,"progress":{"done":`...), done, 10)
	dst = strconv.AppendInt(append(dst, `,"total":`...), total, 10)
	dst = strconv.AppendInt(append(dst, `,"percent":`...), percent, 10)
	return append(dst, `}}`...)
}
