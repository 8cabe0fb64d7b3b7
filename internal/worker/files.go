package worker

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"hansard/internal/blob"
	"hansard/internal/store"
	"hansard/internal/task"

	"github.com/google/uuid"
)

// Where the files of tasks are kept:
//
//	exports/<channels or users>/<api key>/<task id>….<endings>
//	imports/<api key>/<uuid>/<file name>
const (
	exports = "exports/"
	uploads = "imports/"
)

// folders of export files by kind of task.
var folders = map[string]string{
	task.ExportChannels: exports + "channels/",
	task.ExportUsers:    exports + "users/",
}

// referred gives the keys that a completed task's result refers to.
func referred(t *store.Task) []string {
	if t.Status != store.Completed {
		return nil
	}
	var result struct {
		Path         string `json:"path"`
		ManifestPath string `json:"manifest_path"`
	}
	if json.Unmarshal(t.Result, &result) != nil {
		return nil
	}
	return []string{result.Path, result.ManifestPath}
}

func refersTo(t *store.Task, key string) bool {
	return slices.Contains(referred(t), key)
}

// exportKey takes the key of an export file apart.
func exportKey(key string) (apiKey, taskID string, ok bool) {
	rest, ok := strings.CutPrefix(key, exports)
	if !ok {
		return "", "", false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return "", "", false
	}
	name := parts[2]
	if len(name) < 37 || name[36] != '.' || uuid.Validate(name[:36]) != nil {
		return "", "", false
	}
	return parts[1], name[:36], true
}

// removeFiles removes the files of a finished task: those that its result does
// not refer to, or all of them.
func (w *Worker) removeFiles(ctx context.Context, apiKey string, t *store.Task, all bool) error {
	folder, ok := folders[t.Kind]
	if !ok || apiKey == "" {
		return nil
	}
	var keys []string
	err := w.opts.Blob.List(ctx, folder+apiKey+"/"+t.ID+".", func(f blob.Info) error {
		if all || !refersTo(t, f.Key) {
			keys = append(keys, f.Key)
		}
		return nil
	})
	errs := []error{err}
	for _, key := range keys {
		errs = append(errs, w.opts.Blob.Delete(ctx, key))
	}
	return errors.Join(errs...)
}

// sweepLimit bounds how many files one purge removes, and remembers. The next
// one goes on.
const sweepLimit = 10_000

var errEnough = errors.New("enough for now")

// sweepExports removes export files that no task refers to: those of failed
// tasks, those that an attempt published without getting to say so, and, after
// a grace, those whose task is gone.
func (w *Worker) sweepExports(ctx context.Context) error {
	old, err := w.before(ctx, w.opts.Grace)
	if err != nil {
		return err
	}
	apps, err := w.opts.Store.Apps(ctx)
	if err != nil {
		return err
	}
	ids := make(map[string]int64, len(apps))
	for _, a := range apps {
		ids[a.Key] = a.ID
	}
	var keys []string
	err = w.opts.Blob.List(ctx, exports, func(f blob.Info) error {
		if len(keys) == sweepLimit {
			return errEnough
		}
		apiKey, id, ok := exportKey(f.Key)
		if !ok {
			return nil // not ours
		}
		t, err := w.opts.Store.Task(ctx, ids[apiKey], id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			if f.ModTime.Before(old) {
				keys = append(keys, f.Key)
			}
		case err != nil:
			return err
		case t.Status.Final() && !refersTo(t, f.Key):
			keys = append(keys, f.Key)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return w.remove(ctx, "export files", keys)
}

// sweepUploads removes uploads that have waited long enough and that no
// unfinished import wants.
func (w *Worker) sweepUploads(ctx context.Context) error {
	old, err := w.before(ctx, w.opts.UploadGrace)
	if err != nil {
		return err
	}
	var found []string
	err = w.opts.Blob.List(ctx, uploads, func(f blob.Info) error {
		if len(found) == sweepLimit {
			return errEnough
		}
		if f.ModTime.Before(old) {
			found = append(found, f.Key)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if len(found) == 0 {
		return nil
	}
	wanted, err := w.wantedUploads(ctx)
	if err != nil {
		return err
	}
	var keys []string
	for _, key := range found {
		if !wanted[key] {
			keys = append(keys, key)
		}
	}
	return w.remove(ctx, "uploads", keys)
}

// wantedUploads gives the uploads that unfinished imports refer to. It goes
// through all imports: their order never changes, while a list of those in one
// state would shift under its pages.
func (w *Worker) wantedUploads(ctx context.Context) (map[string]bool, error) {
	wanted := map[string]bool{}
	for offset := 0; ; offset += page {
		tasks, err := w.opts.Store.ListTasks(ctx, store.TaskQuery{Kind: task.Import, Limit: page, Offset: offset})
		if err != nil {
			return nil, err
		}
		for i := range tasks {
			var request struct {
				Path string `json:"path"`
			}
			if !tasks[i].Status.Final() && json.Unmarshal(tasks[i].Request, &request) == nil {
				wanted[request.Path] = true
			}
		}
		if len(tasks) < page {
			return wanted, nil
		}
	}
}

// before is the instant that lies d back on the store's clock.
func (w *Worker) before(ctx context.Context, d time.Duration) (time.Time, error) {
	now, err := w.opts.Store.Now(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return now.Std().Add(-d), nil
}

func (w *Worker) remove(ctx context.Context, what string, keys []string) error {
	var errs []error
	removed := 0
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := w.opts.Blob.Delete(ctx, key)
		if err == nil {
			removed++
			continue
		}
		errs = append(errs, err)
		if errors.Is(err, blob.ErrUnavailable) {
			break // nor will it be for the others, and each takes its time
		}
	}
	if removed > 0 {
		w.log.Info("purged", "what", what, "count", removed)
	}
	return errors.Join(errs...)
}
