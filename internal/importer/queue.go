package importer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"hansard/internal/blob"
	"hansard/internal/store"
	"hansard/internal/task"
)

// imports calls fn with the imports of the app, newest first, until fn has seen
// enough.
func (s *Service) imports(ctx context.Context, app store.App, fn func(*store.Task) (more bool)) error {
	const page = 100
	for offset := 0; ; offset += page {
		tasks, err := s.Store.ListTasks(ctx, store.TaskQuery{App: app.ID, Kind: task.Import, Limit: page, Offset: offset})
		if err != nil {
			return fmt.Errorf("look for unfinished imports: %w", err)
		}
		for i := range tasks {
			if !fn(&tasks[i]) {
				return nil
			}
		}
		if len(tasks) < page {
			return nil
		}
	}
}

// takeUp finds the import that asks for the same, if it is not finished and none
// was made after it; "" if there is none. The copy that was made for another one
// is deleted then.
func (s *Service) takeUp(ctx context.Context, app store.App, req *request, o FileOptions) (id string, err error) {
	var last request
	err = s.imports(ctx, app, func(t *store.Task) bool {
		if t.Status.Final() {
			return true
		}
		// It was written by this package; what cannot be read is not the same.
		if json.Unmarshal(t.Request, &last) == nil && !t.Cancel {
			id = t.ID
		}
		return false
	})
	like := last
	like.Path = req.Path
	if err != nil || id == "" || like != *req {
		return "", err
	}
	same, err := s.sameFile(ctx, last.Path, req.Path)
	if err != nil || !same {
		return "", err
	}
	o.Notice("the import of " + filepath.Base(last.Path) + " was asked for before and is not finished: going on with that")
	if err := s.Blob.Delete(ctx, req.Path); err != nil {
		s.logger().Warn("delete a file that is being imported already", "task", id, "error", err)
	}
	return id, nil
}

// sameFile reports whether two uploaded files of one size hold the same. The first
// is nobody's any more once its import has ended.
func (s *Service) sameFile(ctx context.Context, one, other string) (bool, error) {
	a, _, err := s.Blob.Open(ctx, one)
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the file of the import before: %w", err)
	}
	defer func() { _ = a.Close() }()
	b, _, err := s.Blob.Open(ctx, other)
	if err != nil {
		return false, fmt.Errorf("read the copy: %w", err)
	}
	defer func() { _ = b.Close() }()
	const piece = 1 << 20
	bufA, bufB := make([]byte, piece), make([]byte, piece)
	for {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		if !bytes.Equal(bufA[:n], bufB[:m]) {
			return false, nil
		}
		for _, err := range []error{errA, errB} {
			if err != nil && !ended(err) {
				return false, fmt.Errorf("compare with the import before: %w", err)
			}
		}
		if ended(errA) || ended(errB) {
			return ended(errA) && ended(errB), nil
		}
	}
}

// ended reports whether an error of io.ReadFull says only that there is no more.
func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// finishOlder runs the imports of the app that are not finished and were made
// before that one, oldest first, or waits for whoever runs them.
func (s *Service) finishOlder(ctx context.Context, app store.App, id string, o FileOptions) error {
	var older []store.Task
	reached := false
	err := s.imports(ctx, app, func(t *store.Task) bool {
		if reached && !t.Status.Final() {
			older = append(older, *t)
		}
		reached = reached || t.ID == id
		return true
	})
	if err != nil {
		return err
	}
	for _, t := range slices.Backward(older) {
		o.Notice(s.whatComesFirst(&t, o.Instances))
		// However it ends, what comes next may run then.
		if _, err := s.runTask(ctx, app, t.ID, o); err != nil {
			return err
		}
	}
	return nil
}

// whatComesFirst says which import comes before another.
func (s *Service) whatComesFirst(t *store.Task, instances *task.Instances) string {
	var req request
	// It was written by this package; the name is only told.
	_ = json.Unmarshal(t.Request, &req)
	name := filepath.Base(req.Path)
	switch {
	case t.Status == store.Running && (instances == nil || !isDead(instances, t.Owner)):
		return "waiting for the import of " + name + ", which is running"
	case t.Attempt == 0 && len(t.Checkpoint) == 0:
		return "doing the import of " + name + " first, which was asked for before"
	}
	return "finishing the import of " + name + " that was interrupted"
}

func isDead(instances *task.Instances, owner string) bool {
	dead, err := instances.Dead(owner)
	return dead && err == nil
}

// watched is runTask, and tells the progress.
func (s *Service) watched(ctx context.Context, app store.App, id string, o FileOptions) (*store.Task, error) {
	watch, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.watch(watch, app, id, o.Progress)
	}()
	defer func() {
		stop()
		<-ended
	}()
	return s.runTask(ctx, app, id, o)
}

// runTask runs the task here until it is final, or waits while another worker
// does. If ctx ends first it is handed back.
func (s *Service) runTask(ctx context.Context, app store.App, id string, o FileOptions) (*store.Task, error) {
	var last error
	runner := &task.Runner{
		Store: s.Store, Instances: o.Instances, Logger: s.logger(),
		Handlers: map[string]task.Handler{task.Import: func(ctx context.Context, a *task.Attempt) (result []byte, err error) {
			result, err = s.Run(ctx, a)
			last = err
			return result, err
		}},
		Finished: func(_ context.Context, _ *store.Task, out store.Outcome) {
			if out.Status == store.Pending {
				o.Notice(fmt.Sprintf("trying again in %s: %v", out.Delay.Round(time.Second), last))
			}
		},
	}
	return runner.RunOne(ctx, app.ID, id)
}

// abandon cancels a task that was handed back before anything was written. The
// error is an Interrupted; none if the task had come to its end.
func (s *Service) abandon(ctx context.Context, app store.App, id string, cause error) (*store.Task, error) {
	ctx, done := context.WithTimeout(ctx, 5*time.Second)
	defer done()
	t, err := s.Store.CancelTask(ctx, app.ID, id, task.Canceled().JSON())
	if err != nil {
		return nil, errors.Join(cause, err)
	}
	switch {
	case t.Status.Final() && !t.Cancel:
		return t, nil
	case len(t.Checkpoint) > 0:
		return nil, &Interrupted{Task: id, Running: t.Status == store.Running, cause: cause}
	case t.Status == store.Running:
		// Another worker has it by now, and is asked to stop and tidy up.
		return nil, &Interrupted{cause: cause}
	}
	var req request
	if err := json.Unmarshal(t.Request, &req); err == nil {
		if err := s.Blob.Delete(ctx, req.Path); err != nil {
			s.logger().Warn("delete a file that was not imported", "task", id, "error", err)
		}
	}
	return nil, &Interrupted{cause: cause}
}

// watch tells the progress of a task as those who poll it see it, whoever runs
// it.
func (s *Service) watch(ctx context.Context, app store.App, id string, tell func(Progress)) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		t, err := s.Store.Task(ctx, app.ID, id)
		if err != nil {
			continue // the next look may tell more
		}
		if d := readDetail(t); d.Of > 0 {
			tell(Progress{State: d.State, Done: d.Records, Total: d.Of})
		}
	}
}
