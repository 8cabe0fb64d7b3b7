package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"hansard/internal/blob"
	"hansard/internal/store"
	"hansard/internal/task"
)

// DefaultUploadGrace is for how long an upload waits for its import unless the
// options say otherwise. Its URL is good for less.
const DefaultUploadGrace = 24 * time.Hour

// Options are the settings of a worker.
type Options struct {
	Store    store.Store
	Blob     blob.Store
	Handlers map[string]task.Handler // by kind of task
	// Data is the data folder. Workers on the same folder see at once when
	// one of them dies; empty = they wait for its leases to run out.
	Data string
	// Scratch holds a folder for each running task that needs one, named by
	// its id; empty = none.
	Scratch string

	Concurrency int           // tasks at once; 1 by default
	Retention   time.Duration // life of a finished task and its file; 0 = for ever
	// Grace is for how long a file that no task refers to is kept; 1 h by
	// default.
	Grace time.Duration
	// UploadGrace is for how long an upload waits for its import;
	// DefaultUploadGrace by default. It must not be less than the life of an
	// upload URL.
	UploadGrace time.Duration
	// PurgeEvery is the time between purges; by default an hour, or a tenth
	// of Retention if that is shorter.
	PurgeEvery time.Duration

	// Idle is called in slots that find no task, see task.Runner.
	Idle     func(ctx context.Context, enough func() bool) (worked bool)
	Observer task.Observer // is told of attempts; nil = nobody
	Logger   *slog.Logger  // slog.Default() by default
	// Adjust may change the runner before it is used, for settings that only
	// tests need.
	Adjust func(*task.Runner)
}

// Worker runs tasks.
type Worker struct {
	opts      Options
	log       *slog.Logger
	runner    *task.Runner
	instances *task.Instances // nil without a data folder
}

// New makes a worker and registers it among those of its data folder. Close
// must be called when Run has returned, or will never be called.
func New(opts Options) (*Worker, error) {
	if opts.Store == nil || opts.Blob == nil || len(opts.Handlers) == 0 {
		return nil, errors.New("worker: needs a store, a blob store and handlers")
	}
	if opts.Grace == 0 {
		opts.Grace = time.Hour
	}
	if opts.UploadGrace == 0 {
		opts.UploadGrace = DefaultUploadGrace
	}
	if opts.PurgeEvery == 0 {
		opts.PurgeEvery = time.Hour
		if opts.Retention > 0 {
			opts.PurgeEvery = max(min(time.Hour, opts.Retention/10), 10*time.Millisecond)
		}
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	w := &Worker{opts: opts, log: opts.Logger}
	if opts.Data != "" {
		instances, err := task.JoinInstances(filepath.Join(opts.Data, "instances"))
		if err != nil {
			return nil, fmt.Errorf("worker: %w", err)
		}
		w.instances = instances
	}
	w.runner = &task.Runner{
		Store:       opts.Store,
		Handlers:    opts.Handlers,
		Instances:   w.instances,
		Concurrency: opts.Concurrency,
		Finished:    w.finished,
		Idle:        opts.Idle,
		Observer:    opts.Observer,
		Logger:      opts.Logger,
	}
	if opts.Adjust != nil {
		opts.Adjust(w.runner)
	}
	return w, nil
}

// Run runs tasks and purges until ctx ends. Tasks that are not done by then
// are handed back; that takes a few seconds at most.
func (w *Worker) Run(ctx context.Context) {
	var purging sync.WaitGroup
	purging.Go(func() { w.PurgeLoop(ctx) })
	w.runner.Run(ctx)
	purging.Wait()
}

// Owner names this worker in leases; "" is a random name.
func (w *Worker) Owner() string {
	if w.instances == nil {
		return ""
	}
	return w.instances.Owner()
}

// Wake tells the worker that a task was enqueued.
func (w *Worker) Wake() { w.runner.Wake() }

// RunOne runs one task, or waits for whoever runs it, until it is final.
func (w *Worker) RunOne(ctx context.Context, app int64, id string) (*store.Task, error) {
	return w.runner.RunOne(ctx, app, id)
}

// Close takes the worker off the list of its data folder.
func (w *Worker) Close() error {
	if w.instances == nil {
		return nil
	}
	return w.instances.Leave()
}

// cleanupTimeout bounds the tidying after one task, which holds up its slot.
const cleanupTimeout = 5 * time.Second

// finished tidies up after a task's last attempt: what earlier attempts left
// is of no use now. The purge makes good what fails here.
func (w *Worker) finished(ctx context.Context, t *store.Task, o store.Outcome) {
	if !o.Status.Final() {
		return
	}
	ctx, done := context.WithTimeout(ctx, cleanupTimeout)
	defer done()
	over := *t
	over.Status, over.Result = o.Status, o.Result
	err := w.removeScratch(t.ID)
	if key, kerr := w.appKey(ctx, t.App); kerr != nil {
		err = errors.Join(err, kerr)
	} else if key != "" {
		err = errors.Join(err, w.removeFiles(ctx, key, &over, false))
	}
	if err != nil {
		w.log.Warn("tidying up after a task failed, the purge will do it", "task", t.ID, "error", err)
	}
}

func (w *Worker) appKey(ctx context.Context, id int64) (string, error) {
	apps, err := w.opts.Store.Apps(ctx)
	if err != nil {
		return "", err
	}
	for _, a := range apps {
		if a.ID == id {
			return a.Key, nil
		}
	}
	return "", nil
}
