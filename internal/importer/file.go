package importer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"
)

// FileOptions say how ImportFile imports.
type FileOptions struct {
	Name        string // of the file, for people; may be empty
	Mode        string // Upsert (the default) or Insert
	MergeCustom bool
	// Instances, if set, lets the import be taken over at once, should this
	// process die.
	Instances *task.Instances
	// Progress, if set, is told now and then how far the import is.
	Progress func(Progress)
	// Notice, if set, is told in a line what happens besides.
	Notice func(string)
}

// Progress is how far an import is: in state Uploaded in bytes copied, Total
// being 0; then in records.
type Progress struct {
	State State
	Done  int64
	Total int64 // an estimate while Analyzing
}

// Report is what an import did.
type Report struct {
	Counts  Counts
	Skipped Skipped
	Seconds float64
}

// FileError says that the file was not imported, or not with success.
type FileError struct {
	Failure  task.Failure
	Problems []Problem // of a bad file (InvalidImport), in its order
	More     bool      // there are more
}

func (e *FileError) Error() string { return e.Failure.Description }

// progressEvery is how often progress is told.
const progressEvery = 200 * time.Millisecond

// ImportFile imports what r holds straight into the store. It is the import
// over HTTP without HTTP: the file is copied to the blob store and a task made
// for it, which this process runs. Should the process die, whoever works on the
// store next finishes the task. When ctx ends first the task is handed back
// for that too, unless nothing was written yet: then it is canceled.
//
// A file that cannot be imported is a *[FileError].
func (s *Service) ImportFile(ctx context.Context, app store.App, r io.Reader, o FileOptions) (*Report, error) {
	o.Mode = cmp.Or(o.Mode, Upsert)
	if o.Mode != Upsert && o.Mode != Insert {
		return nil, wire.BadField("mode", "must be upsert or insert")
	}
	if o.MergeCustom && o.Mode == Insert {
		return nil, wire.BadField("merge_custom", "needs mode upsert")
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	name, err := cleanName(filepath.Base(cmp.Or(o.Name, "import")))
	if err != nil {
		name = "import"
	}
	path := uploadKey(app, name)
	size, err := s.copyIn(ctx, path, r, o.Progress)
	if err != nil {
		return nil, err
	}
	id, err := s.enqueue(ctx, app, request{Path: path, Mode: o.Mode, MergeCustom: o.MergeCustom, Size: size})
	if err != nil {
		return nil, errors.Join(err, s.Blob.Delete(context.WithoutCancel(ctx), path))
	}
	if err := s.finishOlder(ctx, app, id, o); err != nil {
		return nil, s.abandon(context.WithoutCancel(ctx), app, id, err)
	}
	t, err := s.runTask(ctx, app, id, o)
	if err != nil {
		return nil, err
	}
	d := readDetail(t)
	if t.Status != store.Completed {
		fail := &FileError{Problems: d.Errors, More: d.More}
		if err := json.Unmarshal(t.Error, &fail.Failure); err != nil {
			return nil, fmt.Errorf("read the failure of the import: %w", err)
		}
		return nil, fail
	}
	var res result
	if err := json.Unmarshal(t.Result, &res); err != nil {
		return nil, fmt.Errorf("read the result of the import: %w", err)
	}
	return &Report{Counts: res.Counts, Skipped: res.Skipped, Seconds: res.Seconds}, nil
}

// finishOlder runs the imports of the app that were interrupted before this one
// was asked for, oldest first, or waits for whoever runs them: imports happen
// in order.
func (s *Service) finishOlder(ctx context.Context, app store.App, id string, o FileOptions) error {
	const page = 100
	var older []store.Task
	reached := false // newest come first
	for offset := 0; ; offset += page {
		tasks, err := s.Store.ListTasks(ctx, store.TaskQuery{App: app.ID, Kind: task.Import, Limit: page, Offset: offset})
		if err != nil {
			return fmt.Errorf("look for interrupted imports: %w", err)
		}
		for _, t := range tasks {
			if reached && !t.Status.Final() {
				older = append(older, t)
			}
			reached = reached || t.ID == id
		}
		if len(tasks) < page {
			break
		}
	}
	for _, t := range slices.Backward(older) {
		var req request
		if err := json.Unmarshal(t.Request, &req); err == nil && o.Notice != nil {
			o.Notice("finishing the import of " + filepath.Base(req.Path) + ", which comes first")
		}
		if _, err := s.runTask(ctx, app, t.ID, FileOptions{Instances: o.Instances, Progress: func(Progress) {}}); err != nil {
			return err
		}
	}
	return nil
}

// copyIn copies the file into the blob store.
func (s *Service) copyIn(ctx context.Context, path string, r io.Reader, progress func(Progress)) (size int64, err error) {
	w, err := s.Blob.Create(ctx, path)
	if err != nil {
		return 0, fmt.Errorf("copy the file: %w", err)
	}
	defer func() { _ = w.Abort() }()
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return size, err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return size, fmt.Errorf("copy the file: %w", err)
			}
			size += int64(n)
			progress(Progress{State: Uploaded, Done: size})
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return size, fmt.Errorf("read the file: %w", err)
		}
	}
	if err := w.Commit(); err != nil {
		return size, fmt.Errorf("copy the file: %w", err)
	}
	return size, nil
}

// runTask runs the task here, or waits while another worker does.
func (s *Service) runTask(ctx context.Context, app store.App, id string, o FileOptions) (*store.Task, error) {
	runner := &task.Runner{
		Store: s.Store, Handlers: map[string]task.Handler{task.Import: s.Run},
		Instances: o.Instances, Logger: s.logger(),
	}
	watch, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(watch, app, id, o.Progress)
	}()
	t, err := runner.RunOne(ctx, app.ID, id)
	stop()
	<-watched
	if err != nil && ctx.Err() != nil {
		return nil, s.abandon(context.WithoutCancel(ctx), app, id, ctx.Err())
	}
	if err != nil {
		return nil, fmt.Errorf("run the import: %w", err)
	}
	return t, nil
}

// abandon cancels a task that was handed back before anything was written.
func (s *Service) abandon(ctx context.Context, app store.App, id string, cause error) error {
	ctx, done := context.WithTimeout(ctx, 5*time.Second)
	defer done()
	t, err := s.Store.Task(ctx, app.ID, id)
	if err != nil {
		return errors.Join(cause, err)
	}
	if len(t.Checkpoint) > 0 {
		return fmt.Errorf("part of the file is loaded; the import goes on when serve, worker or import opens the store next: %w", cause)
	}
	if _, err := s.Store.CancelTask(ctx, app.ID, id, task.Canceled().JSON()); err != nil {
		return errors.Join(cause, err)
	}
	var req request
	cause = fmt.Errorf("the import was canceled and nothing was changed: %w", cause)
	if err := json.Unmarshal(t.Request, &req); err == nil {
		err = s.Blob.Delete(ctx, req.Path)
		return errors.Join(cause, err)
	}
	return cause
}

// watch tells the progress of a task as those who poll it see it.
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
		if err != nil || t.Total == 0 {
			continue // the next look may tell more
		}
		// The task counts each record half when it is checked and half when it
		// is loaded; here each phase has its own bar.
		p := Progress{State: readDetail(t).State, Done: 2 * t.Done, Total: t.Total}
		if p.State == Importing {
			p.Done = max(p.Done-p.Total, 0)
		}
		tell(p)
	}
}
