package task_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/store"
	"hansard/internal/task"
)

// untilEnough is something to do without an end.
func untilEnough(ctx context.Context, enough func() bool) {
	for !enough() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// Slots without a task do something else, no more of them than there are, and
// are there at once for a task.
func TestIdleSlots(t *testing.T) {
	t.Parallel()
	b := setup(t)
	began, ends := make(chan struct{}, 1), make(chan error, 1)
	r := b.runner(block(began, ends))
	r.Concurrency = 2
	var now, most, left atomic.Int64
	r.Idle = func(ctx context.Context, enough func() bool) bool {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		untilEnough(ctx, enough)
		if ctx.Err() == nil {
			left.Add(1)
		}
		return true
	}
	stop := start(t, r)
	until(t, func() bool { return now.Load() == 2 })
	b.enqueue(t, "t")
	receive(t, began)
	until(t, func() bool { return left.Load() == 1 && now.Load() == 1 })
	b.cancel(t, "t")
	receive(t, ends)
	b.awaitStatus(t, "t", store.Failed)
	until(t, func() bool { return now.Load() == 2 })
	stop()
	if now.Load() != 0 || most.Load() != 2 {
		t.Errorf("%d idle slots still work, %d did at a time", now.Load(), most.Load())
	}
}

// One who has nothing to do is asked again, also after a panic.
func TestIdleSlotsWithNothingToDo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.runner(func(context.Context, *task.Attempt) ([]byte, error) { return []byte(`{}`), nil })
	var asked atomic.Int64
	r.Idle = func(context.Context, func() bool) bool {
		if asked.Add(1) == 1 {
			panic("secret")
		}
		return false
	}
	start(t, r)
	until(t, func() bool { return asked.Load() > 2 })
	b.enqueue(t, "t")
	b.awaitStatus(t, "t", store.Completed)
}

func until(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited too long")
		}
	}
}
