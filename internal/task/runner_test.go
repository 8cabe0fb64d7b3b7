package task_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hansard/internal/blob"
	"hansard/internal/store"
	"hansard/internal/task"
)

func TestRunnerCompletesATask(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	start(t, b.runner(func(ctx context.Context, a *task.Attempt) ([]byte, error) {
		if a.Task.ID != "t" || a.Task.Epoch != 1 {
			t.Errorf("attempt at %+v", a.Task)
		}
		a.Progress(5, 5)
		a.Detail([]byte(`{"d":1}`))
		return []byte(`{"r":1}`), nil
	}))
	got := b.awaitStatus(t, "t", store.Completed)
	if string(got.Result) != `{"r":1}` || got.Done != 5 || got.Total != 5 || string(got.Detail) != `{"d":1}` || got.Error != nil {
		t.Errorf("%+v", got)
	}
}

func TestRunnerRetries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	r := b.runner(func(_ context.Context, a *task.Attempt) ([]byte, error) {
		if want := fmt.Sprint(a.Task.Attempt - 1); a.Task.Attempt > 1 && string(a.Task.Checkpoint) != want {
			t.Errorf("attempt %d has checkpoint %q, want what the one before left, %q", a.Task.Attempt, a.Task.Checkpoint, want)
		}
		a.Checkpoint(fmt.Append(nil, a.Task.Attempt))
		if a.Task.Attempt < 3 {
			return nil, errors.New("the disk hiccuped")
		}
		return []byte(`{}`), nil
	})
	start(t, r)
	if got := b.awaitStatus(t, "t", store.Completed); got.Attempt != 3 {
		t.Errorf("completed with attempt %d, want 3", got.Attempt)
	}
}

// TestRunnerDatabaseLost: that the database was lost on the way is not counted
// against a task, but a task that loses it each time has an end, too.
func TestRunnerDatabaseLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		losses int64
		status store.TaskStatus
	}{{"some times", 6, store.Completed}, {"each time", 1000, store.Failed}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.enqueue(t, "t")
			start(t, b.runner(func(_ context.Context, a *task.Attempt) ([]byte, error) {
				if a.Task.Epoch <= c.losses {
					return nil, fmt.Errorf("read: %w: secret internals", store.ErrUnavailable)
				}
				return []byte(`{}`), nil
			}))
			got := b.awaitStatus(t, "t", c.status)
			if c.status == store.Failed {
				if f := failure(t, got); f.Type != "DatabaseUnavailable" || strings.Contains(f.Description, "secret") {
					t.Errorf("%+v", f)
				}
				if got.Epoch > 20 {
					t.Errorf("it was begun %d times", got.Epoch)
				}
			} else if got.Attempt != 1 {
				t.Errorf("completed with attempt %d", got.Attempt)
			}
		})
	}
}

func TestRunnerPausesBetweenAttempts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	r := b.runner(func(_ context.Context, a *task.Attempt) ([]byte, error) { return nil, errors.New("no") })
	r.Pauses = []time.Duration{time.Hour, 10 * time.Hour}
	start(t, r)
	for attempt, pause := range r.Pauses {
		got := b.await(t, "t", "pending", func(got *store.Task) bool {
			return got.Status == store.Pending && got.Attempt == attempt+1
		})
		wait := time.Duration(got.RunAt-got.UpdatedAt) * time.Microsecond
		if wait < pause || wait > pause*5/4 {
			t.Errorf("the pause after attempt %d is %v, want about %v", attempt+1, wait, pause)
		}
		if got.Error != nil || got.Owner != "" {
			t.Errorf("pending: %+v", got)
		}
		b.advance(2 * pause)
	}
	b.awaitStatus(t, "t", store.Failed)
}

func TestRunnerGivesUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		handler  task.Handler
		typ      string
		attempts int
	}{
		{"unknown errors", func(context.Context, *task.Attempt) ([]byte, error) {
			return nil, errors.New("secret internals at /var/lib")
		}, "InternalError", 3},
		{"full disk", func(context.Context, *task.Attempt) ([]byte, error) {
			return nil, fmt.Errorf("write: %w", syscall.ENOSPC)
		}, "StorageFull", 3},
		{"full database", func(context.Context, *task.Attempt) ([]byte, error) {
			return nil, fmt.Errorf("commit: %w: secret internals", store.ErrFull)
		}, "DatabaseFull", 3},
		{"no object store", func(context.Context, *task.Attempt) ([]byte, error) {
			return nil, fmt.Errorf("write: %w: secret internals", blob.ErrUnavailable)
		}, "StorageUnavailable", 3},
		{"panics", func(context.Context, *task.Attempt) ([]byte, error) {
			panic("secret internals at /var/lib")
		}, "InternalError", 3},
		{"failures", func(context.Context, *task.Attempt) ([]byte, error) {
			return nil, fmt.Errorf("plan: %w", task.Failf("TooManyMessages", "User alice has %d messages.", 5))
		}, "TooManyMessages", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.enqueue(t, "t")
			start(t, b.runner(c.handler))
			got := b.awaitStatus(t, "t", store.Failed)
			f := failure(t, got)
			if f.Type != c.typ || got.Attempt != c.attempts {
				t.Errorf("type %q after %d attempts, want %q after %d", f.Type, got.Attempt, c.typ, c.attempts)
			}
			if f.Description == "" || strings.Contains(f.Description, "secret") || strings.Contains(f.Description, "goroutine") {
				t.Errorf("description %q", f.Description)
			}
		})
	}
}

func TestRunnerUnknownKind(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	r := b.runner(nil)
	r.Handlers = map[string]task.Handler{"other": func(context.Context, *task.Attempt) ([]byte, error) { return nil, nil }}
	start(t, r)
	b.awaitStatus(t, "t", store.Failed)
}

func TestRunnerLimitsAttemptsThatKillTheirWorkers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	for range 10 {
		if got, err := b.store.Claim(t.Context(), "dead", time.Minute, ""); err != nil || got == nil {
			t.Fatal(got, err)
		}
		if err := b.store.ExpireOwner(t.Context(), "dead"); err != nil {
			t.Fatal(err)
		}
	}
	start(t, b.runner(func(context.Context, *task.Attempt) ([]byte, error) {
		t.Error("the task was run once more")
		return nil, nil
	}))
	if f := failure(t, b.awaitStatus(t, "t", store.Failed)); f.Type != "InternalError" {
		t.Errorf("%+v", f)
	}
}

func TestRunnerConcurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const tasks, slots = 9, 3
	var now atomic.Int64
	var once sync.Once
	all := make(chan struct{})
	r := b.runner(func(context.Context, *task.Attempt) ([]byte, error) {
		n := now.Add(1)
		defer now.Add(-1)
		if n > slots {
			t.Errorf("%d at once", n)
		}
		if n == slots {
			once.Do(func() { close(all) })
		}
		<-all // the first ones wait until every slot is taken
		return nil, nil
	})
	r.Concurrency = slots
	for i := range tasks {
		b.enqueue(t, fmt.Sprint(i))
	}
	start(t, r)
	for i := range tasks {
		b.awaitStatus(t, fmt.Sprint(i), store.Completed)
	}
}

func TestRunnerWake(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.runner(func(context.Context, *task.Attempt) ([]byte, error) { return nil, nil })
	r.Poll = time.Hour
	start(t, r)
	for _, id := range []string{"first", "second"} {
		b.enqueue(t, id)
		r.Wake()
		b.awaitStatus(t, id, store.Completed)
	}
}

// A task that another process enqueues starts at once too.
func TestRunnerLatency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	began := make(chan time.Time, 1)
	r := b.runner(func(context.Context, *task.Attempt) ([]byte, error) {
		began <- time.Now()
		return nil, nil
	})
	r.Poll = 0 // the default
	start(t, r)
	best := time.Hour
	for i := range 5 { // the best of some: other tests share the machine
		enqueued := time.Now()
		b.enqueue(t, fmt.Sprint(i))
		best = min(best, receive(t, began).Sub(enqueued))
	}
	if best > 200*time.Millisecond {
		t.Errorf("a task waits for %v at least", best)
	}
}

func TestProgressMovesWhileRunning(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	steps := make(chan int64)
	r := b.runner(func(_ context.Context, a *task.Attempt) ([]byte, error) {
		for n := range steps {
			a.Progress(n, 3)
		}
		return nil, nil
	})
	r.Beat = 0 // the default
	start(t, r)
	for n := range int64(3) {
		steps <- n + 1
		told := time.Now()
		b.await(t, "t", "further", func(got *store.Task) bool { return got.Done == n+1 && got.Total == 3 })
		if took := time.Since(told); took > 2*time.Second {
			t.Errorf("progress shows after %v", took)
		}
	}
	close(steps)
	b.awaitStatus(t, "t", store.Completed)
}

func TestAttemptFlush(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	r := b.runner(func(ctx context.Context, a *task.Attempt) ([]byte, error) {
		a.Progress(1, 2)
		a.Checkpoint([]byte(`{"c":1}`))
		if err := a.Flush(ctx); err != nil {
			return nil, err
		}
		if got := b.get(t, "t"); got.Done != 1 || string(got.Checkpoint) != `{"c":1}` {
			t.Errorf("after Flush: %+v", got)
		}
		return nil, nil
	})
	r.Beat = time.Hour
	start(t, r)
	b.awaitStatus(t, "t", store.Completed)
}

func TestAttemptWithoutRunner(t *testing.T) {
	t.Parallel()
	a := &task.Attempt{Task: store.Task{ID: "t"}}
	a.Progress(1, 2)
	a.Checkpoint([]byte("c"))
	a.Detail([]byte("d"))
	if err := a.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := a.Current(); p.Done != 1 || p.Total != 2 || string(p.Checkpoint) != "c" || string(p.Detail) != "d" {
		t.Errorf("%+v", p)
	}
	if a.Life().Err() != nil {
		t.Error("it has no life")
	}
}

func TestRunOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "other")
	b.enqueue(t, "t")
	r := b.runner(func(_ context.Context, a *task.Attempt) ([]byte, error) {
		if a.Task.Attempt < 3 {
			return nil, errors.New("no")
		}
		return []byte(`{}`), nil
	})
	got, err := r.RunOne(t.Context(), b.app, "t")
	if err != nil || got.Status != store.Completed || got.Attempt != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	if got := b.get(t, "other"); got.Status != store.Waiting {
		t.Errorf("the other task is %s", got.Status)
	}
	if _, err := r.RunOne(t.Context(), b.app, "unknown"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown task: %v, want ErrNotFound", err)
	}
}

func TestRunOneWaitsForAnotherWorker(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	began, goOn := make(chan struct{}), make(chan struct{})
	start(t, b.runner(func(context.Context, *task.Attempt) ([]byte, error) {
		close(began)
		<-goOn
		return []byte(`"theirs"`), nil
	}))
	receive(t, began)
	answers := make(chan *store.Task)
	go func() {
		got, err := b.runner(func(context.Context, *task.Attempt) ([]byte, error) { return []byte(`"mine"`), nil }).
			RunOne(context.Background(), b.app, "t")
		if err != nil {
			t.Error(err)
		}
		answers <- got
	}()
	close(goOn)
	if got := receive(t, answers); string(got.Result) != `"theirs"` {
		t.Errorf("%+v", got)
	}
}

func TestFinished(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	r := b.runner(func(_ context.Context, a *task.Attempt) ([]byte, error) {
		if a.Task.Attempt == 1 {
			return nil, errors.New("no")
		}
		return nil, nil
	})
	ends := make(chan store.TaskStatus, 2)
	r.Finished = func(_ context.Context, got *store.Task, o store.Outcome) {
		if stored := b.get(t, got.ID); o.Status.Final() && stored.Status != o.Status {
			t.Errorf("told of %s while %s is stored", o.Status, stored.Status)
		}
		ends <- o.Status
	}
	start(t, r)
	if first, second := receive(t, ends), receive(t, ends); first != store.Pending || second != store.Completed {
		t.Errorf("told of %s and %s", first, second)
	}
}
