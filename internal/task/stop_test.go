package task_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/store"
	"hansard/internal/task"
)

func TestCancelRunning(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	began, ends := make(chan struct{}, 1), make(chan error, 1)
	start(t, b.runner(block(began, ends)))
	receive(t, began)
	b.cancel(t, "t")
	if cause := receive(t, ends); !errors.Is(cause, task.ErrCanceled) {
		t.Errorf("the context ended with %v, want ErrCanceled", cause)
	}
	if f := failure(t, b.awaitStatus(t, "t", store.Failed)); f.Type != "Canceled" {
		t.Errorf("%+v", f)
	}
}

func TestCancelOfAnOrphan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	if _, err := b.store.Claim(t.Context(), "dead", time.Minute, ""); err != nil {
		t.Fatal(err)
	}
	b.cancel(t, "t")
	if err := b.store.ExpireOwner(t.Context(), "dead"); err != nil {
		t.Fatal(err)
	}
	start(t, b.runner(func(context.Context, *task.Attempt) ([]byte, error) {
		t.Error("a canceled task was run")
		return nil, nil
	}))
	if f := failure(t, b.awaitStatus(t, "t", store.Failed)); f.Type != "Canceled" {
		t.Errorf("%+v", f)
	}
}

func TestHandlerMayFinishInSpiteOfACancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	began := make(chan struct{})
	start(t, b.runner(func(ctx context.Context, a *task.Attempt) ([]byte, error) {
		close(began)
		<-ctx.Done()
		if err := a.Life().Err(); err != nil {
			t.Errorf("a cancel ended the life of the attempt: %v", err)
		}
		return []byte(`{}`), nil
	}))
	receive(t, began)
	b.cancel(t, "t")
	b.awaitStatus(t, "t", store.Completed)
}

func TestShutdownHandsBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	began := make(chan struct{}, 1)
	stop := start(t, b.runner(func(ctx context.Context, a *task.Attempt) ([]byte, error) {
		began <- struct{}{}
		<-ctx.Done()
		if cause := context.Cause(ctx); !errors.Is(cause, task.ErrShutdown) {
			t.Errorf("the context ended with %v, want ErrShutdown", cause)
		}
		a.Checkpoint([]byte(`{"c":1}`))
		a.Progress(1, 2)
		return nil, ctx.Err()
	}))
	receive(t, began)
	stop()
	got := b.get(t, "t")
	if got.Status != store.Waiting || got.Attempt != 0 || got.Owner != "" || got.Done != 1 || string(got.Checkpoint) != `{"c":1}` {
		t.Errorf("handed back as %+v", got)
	}
	start(t, b.runner(func(_ context.Context, a *task.Attempt) ([]byte, error) {
		return a.Task.Checkpoint, nil
	}))
	if got := b.awaitStatus(t, "t", store.Completed); string(got.Result) != `{"c":1}` || got.Attempt != 1 {
		t.Errorf("%+v", got)
	}
}

func TestShutdownDoesNotWaitForStubbornHandlers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	began, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	r := b.runner(func(context.Context, *task.Attempt) ([]byte, error) {
		close(began)
		<-release
		return []byte(`"too late"`), nil
	})
	r.Grace = 10 * time.Millisecond
	stop := start(t, r)
	receive(t, began)
	stop()
	if got := b.get(t, "t"); got.Status != store.Waiting || got.Attempt != 0 {
		t.Errorf("handed back as %+v", got)
	}
}

func TestLostLease(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	began, ends := make(chan struct{}, 1), make(chan error, 1)
	r := b.runner(block(began, ends))
	r.Beat = 100 * time.Millisecond
	finished := false
	r.Finished = func(context.Context, *store.Task, store.Outcome) { finished = true }
	stop := start(t, r)
	receive(t, began)
	// The worker freezes, as far as the store can tell, and another claims.
	var other *store.Task
	for other == nil {
		b.advance(time.Minute)
		var err error
		if other, err = b.store.Claim(t.Context(), "other", time.Hour, "t"); err != nil {
			t.Fatal(err)
		}
	}
	before := b.get(t, "t")
	if cause := receive(t, ends); !errors.Is(cause, store.ErrLeaseLost) {
		t.Errorf("the context ended with %v, want ErrLeaseLost", cause)
	}
	stop()
	if got := b.get(t, "t"); got.Status != store.Running || got.Owner != "other" || got.Epoch != other.Epoch || got.UpdatedAt != before.UpdatedAt {
		t.Errorf("the loser wrote: %+v", got)
	}
	if finished {
		t.Error("the loser was told that it had finished")
	}
}

func TestUnreachableStore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	began, ends := make(chan struct{}, 1), make(chan error, 1)
	r := b.runner(block(began, ends))
	f := &flaky{Tasks: b.store}
	r.Store = f
	r.Lease = time.Second
	start(t, r)
	receive(t, began)
	f.set(-1)
	cause := receive(t, ends)
	if !errors.Is(cause, task.ErrUnreachable) {
		t.Errorf("the context ended with %v, want ErrUnreachable", cause)
	}
	if got := b.get(t, "t"); got.Status != store.Running {
		t.Errorf("%+v", got)
	}
	f.set(0)
	receive(t, began) // claimed again once the lease is over
	if got := b.get(t, "t"); got.Epoch != 2 {
		t.Errorf("epoch %d, want 2", got.Epoch)
	}
}

func TestStoreHiccups(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	began, goOn := make(chan struct{}), make(chan struct{})
	f := &flaky{Tasks: b.store}
	r := b.runner(func(ctx context.Context, a *task.Attempt) ([]byte, error) {
		close(began)
		select {
		case <-goOn:
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	})
	r.Store = f
	start(t, r)
	receive(t, began)
	f.set(5) // some heartbeats, and perhaps the end
	close(goOn)
	if got := b.awaitStatus(t, "t", store.Completed); got.Attempt != 1 {
		t.Errorf("%+v", got)
	}
}

// Workers come and go all the time; no task is lost or done twice.
func TestStartStopStress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const tasks = 40
	for i := range tasks {
		b.enqueue(t, fmt.Sprint(i))
	}
	var finished [tasks]atomic.Int64
	handler := func(ctx context.Context, a *task.Attempt) ([]byte, error) {
		for i := range 3 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(2 * time.Millisecond):
				a.Progress(int64(i), 3)
			}
		}
		return nil, nil
	}
	done := make(chan struct{})
	for w := range 3 {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range 15 {
				r := b.runner(handler)
				r.Concurrency = 2
				r.Finished = func(_ context.Context, got *store.Task, o store.Outcome) {
					var n int
					if _, err := fmt.Sscan(got.ID, &n); err != nil {
						t.Error(err)
					}
					if o.Status == store.Completed {
						finished[n].Add(1)
					}
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(5+(w*7+i*3)%20)*time.Millisecond)
				r.Run(ctx)
				cancel()
			}
		}()
	}
	for range 3 {
		receive(t, done)
	}
	var rest atomic.Int64
	r := b.runner(handler)
	r.Concurrency = 4
	r.Finished = func(context.Context, *store.Task, store.Outcome) { rest.Add(1) }
	start(t, r)
	var before int64
	for i := range tasks {
		b.awaitStatus(t, fmt.Sprint(i), store.Completed)
		n := finished[i].Load()
		if n > 1 {
			t.Errorf("task %d was completed %d times", i, n)
		}
		before += n
	}
	t.Logf("%d of %d tasks were completed between stops", before, tasks)
}

func TestRunOneEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	ctx, cancel := context.WithCancel(t.Context())
	r := b.runner(func(work context.Context, _ *task.Attempt) ([]byte, error) {
		cancel()
		<-work.Done()
		return nil, work.Err()
	})
	if got, err := r.RunOne(ctx, b.app, "t"); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v; want the context's error", got, err)
	}
	if got := b.get(t, "t"); got.Status != store.Waiting {
		t.Errorf("it is %s, want it handed back", got.Status)
	}
}

// slowClaim is a store whose answer to a claim comes after done is called.
type slowClaim struct {
	store.Tasks
	done func()
}

func (s *slowClaim) Claim(ctx context.Context, owner string, lease time.Duration, only string) (*store.Task, error) {
	t, err := s.Tasks.Claim(ctx, owner, lease, only)
	s.done()
	return t, errors.Join(err, ctx.Err())
}

// A runner that is told to stop while it claims a task hears the answer, and
// hands the task back.
func TestShutdownWhileClaiming(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, "t")
	ctx, cancel := context.WithCancel(t.Context())
	r := b.runner(func(work context.Context, _ *task.Attempt) ([]byte, error) {
		<-work.Done()
		return nil, work.Err()
	})
	r.Store = &slowClaim{b.store, cancel}
	r.Run(ctx)
	if got := b.get(t, "t"); got.Status != store.Waiting || got.Attempt != 0 || got.Owner != "" {
		t.Errorf("handed back as %+v", got)
	}
}
