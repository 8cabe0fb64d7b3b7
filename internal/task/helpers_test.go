package task_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/sqlite"
	"hansard/internal/task"
)

const kind = "test"

// patience is how long to wait for what must come; far longer than it takes.
const patience = 20 * time.Second

// bundle is a real store with one app, and what makes runners on it.
type bundle struct {
	store *sqlite.Store
	app   int64

	mu   sync.Mutex
	skew time.Duration
}

// now is the store's clock: the real one, plus what advance added.
func (b *bundle) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.skew)
}

func (b *bundle) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.skew += d
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{}
	b.store = openStore(t, t.TempDir(), b.now)
	a := store.App{Key: "app", Secret: "secret"}
	if err := b.store.CreateApp(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	b.app = a.ID
	return b
}

func openStore(t *testing.T, dir string, now func() time.Time) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// runner is a quick runner with one handler.
func (b *bundle) runner(h task.Handler) *task.Runner {
	return &task.Runner{
		Store:    b.store,
		Handlers: map[string]task.Handler{kind: h},
		Beat:     10 * time.Millisecond,
		Poll:     5 * time.Millisecond,
		Pauses:   []time.Duration{time.Millisecond},
		Logger:   slog.New(slog.DiscardHandler),
	}
}

// start runs r until the returned function, or the end of the test, stops it.
func start(t *testing.T, r *task.Runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); r.Run(ctx) }()
	stop = func() { cancel(); receive(t, ended) }
	t.Cleanup(stop)
	return stop
}

func (b *bundle) enqueue(t *testing.T, id string) {
	t.Helper()
	if _, err := b.store.Enqueue(t.Context(), &store.Task{ID: id, App: b.app, Kind: kind}, nil); err != nil {
		t.Fatal(err)
	}
}

func (b *bundle) get(t *testing.T, id string) *store.Task {
	t.Helper()
	got, err := b.store.Task(context.Background(), b.app, id)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// await waits until the task is as asked.
func (b *bundle) await(t *testing.T, id, what string, is func(*store.Task) bool) *store.Task {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		got := b.get(t, id)
		if is(got) {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("task %s is never %s: %+v, error %s", id, what, got, got.Error)
		}
		<-time.After(time.Millisecond)
	}
}

func (b *bundle) awaitStatus(t *testing.T, id string, want store.TaskStatus) *store.Task {
	t.Helper()
	return b.await(t, id, string(want), func(got *store.Task) bool { return got.Status == want })
}

func (b *bundle) cancel(t *testing.T, id string) {
	t.Helper()
	if _, err := b.store.CancelTask(t.Context(), b.app, id, task.Canceled().JSON()); err != nil {
		t.Fatal(err)
	}
}

// receive waits for a value, or for the channel to be closed.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("waited too long")
		panic("unreachable")
	}
}

func failure(t *testing.T, got *store.Task) task.Failure {
	t.Helper()
	var f task.Failure
	if err := json.Unmarshal(got.Error, &f); err != nil {
		t.Fatalf("error %s: %v", got.Error, err)
	}
	return f
}

// block ends with its context, after saying that it has begun and why it ends.
func block(began chan<- struct{}, ends chan<- error) task.Handler {
	return func(ctx context.Context, _ *task.Attempt) ([]byte, error) {
		began <- struct{}{}
		<-ctx.Done()
		ends <- context.Cause(ctx)
		return nil, ctx.Err()
	}
}

// flaky is a store whose workers' writes fail on demand.
type flaky struct {
	store.Tasks
	mu   sync.Mutex
	fail int // how many writes are to fail; -1 = all
}

func (f *flaky) set(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = n
}

func (f *flaky) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == 0 {
		return nil
	}
	if f.fail > 0 {
		f.fail--
	}
	return fmt.Errorf("no route to the database")
}

func (f *flaky) Heartbeat(ctx context.Context, id string, epoch int64, lease time.Duration, p store.Progress) (bool, error) {
	if err := f.err(); err != nil {
		return false, err
	}
	return f.Tasks.Heartbeat(ctx, id, epoch, lease, p)
}

func (f *flaky) Finish(ctx context.Context, id string, epoch int64, o store.Outcome) error {
	if err := f.err(); err != nil {
		return err
	}
	return f.Tasks.Finish(ctx, id, epoch, o)
}

func (f *flaky) Now(ctx context.Context) (chat.Time, error) { return f.Tasks.Now(ctx) }
