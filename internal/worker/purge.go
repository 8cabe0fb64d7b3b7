package worker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"

	"github.com/google/uuid"
)

// PurgeLoop purges shortly after the start and then every so often, until ctx
// ends. Run does this too; alone it is for a process that runs no tasks.
func (w *Worker) PurgeLoop(ctx context.Context) {
	timer := time.NewTimer(min(w.opts.PurgeEvery, 2*time.Second))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := w.Purge(ctx); err != nil && ctx.Err() == nil {
			w.log.Warn("purge", "error", err)
		}
		timer.Reset(w.opts.PurgeEvery)
	}
}

// Purge removes all that is past its time. A step that fails does not keep
// the others from being done.
func (w *Worker) Purge(ctx context.Context) error {
	var errs []error
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"tasks", w.retire},
		{"export files", w.sweepExports},
		{"uploads", w.sweepUploads},
		{"scratch folders", w.sweepScratch},
		{"unfinished files", func(ctx context.Context) error { return w.opts.Blob.Sweep(ctx, w.opts.Grace) }},
	} {
		if ctx.Err() != nil {
			break
		}
		if err := step.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", step.name, err))
		}
	}
	return errors.Join(errs...)
}

// page is how many tasks are looked at in one go.
const page = 100

// retire removes finished tasks past the retention: files first, so that no
// file is left without its task if this is cut short.
func (w *Worker) retire(ctx context.Context) error {
	now, err := w.opts.Store.Now(ctx)
	if err != nil {
		return err
	}
	var errs []error
	if w.opts.Retention > 0 {
		cutoff := now - chat.Time(w.opts.Retention.Microseconds())
		apps, err := w.apps(ctx)
		if err != nil {
			return err
		}
		for _, status := range []store.TaskStatus{store.Completed, store.Failed} {
			errs = append(errs, w.retireStatus(ctx, status, cutoff, apps))
		}
	}
	// Without tasks too: this is where the store drops old idempotency keys.
	return errors.Join(append(errs, w.opts.Store.DeleteTasks(ctx, nil))...)
}

func (w *Worker) retireStatus(ctx context.Context, status store.TaskStatus, cutoff chat.Time, apps map[int64]string) error {
	var errs []error
	kept := 0
	for {
		tasks, err := w.opts.Store.ListTasks(ctx, store.TaskQuery{Status: status, Before: cutoff, Limit: page, Offset: kept})
		if err != nil || len(tasks) == 0 {
			return errors.Join(append(errs, err)...)
		}
		var ids []string
		for i := range tasks {
			t := &tasks[i]
			// The retention counts from the end of a task, not from its
			// arrival.
			if t.UpdatedAt > cutoff {
				kept++
				continue
			}
			if err := w.removeFiles(ctx, apps[t.App], t, true); err != nil {
				errs = append(errs, err)
				kept++
				continue
			}
			ids = append(ids, t.ID)
		}
		if err := w.opts.Store.DeleteTasks(ctx, ids); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
}

// apps gives the API keys of all apps by ID.
func (w *Worker) apps(ctx context.Context) (map[int64]string, error) {
	apps, err := w.opts.Store.Apps(ctx)
	if err != nil {
		return nil, err
	}
	keys := make(map[int64]string, len(apps))
	for _, a := range apps {
		keys[a.ID] = a.Key
	}
	return keys, nil
}

// sweepScratch removes the folders of tasks that are over.
func (w *Worker) sweepScratch(ctx context.Context) error {
	if w.opts.Scratch == "" {
		return nil
	}
	// The folders are listed before the tasks are looked up: a task is stored
	// before it gets its folder, so one that is not found is gone.
	entries, err := os.ReadDir(w.opts.Scratch)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	apps, err := w.apps(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if uuid.Validate(e.Name()) != nil {
			continue
		}
		over, err := w.over(ctx, e.Name(), apps)
		if err == nil && over {
			err = w.removeScratch(e.Name())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// over reports whether the task with that id, of whichever app, is final or
// gone.
func (w *Worker) over(ctx context.Context, id string, apps map[int64]string) (bool, error) {
	for app := range apps {
		t, err := w.opts.Store.Task(ctx, app, id)
		switch {
		case err == nil:
			return t.Status.Final(), nil
		case !errors.Is(err, store.ErrNotFound):
			return false, err
		}
	}
	return true, nil
}

func (w *Worker) removeScratch(id string) error {
	if w.opts.Scratch == "" || uuid.Validate(id) != nil {
		return nil
	}
	return os.RemoveAll(filepath.Join(w.opts.Scratch, id))
}
