package task

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// idlers are the slots that have no task and do something else meanwhile. A
// task that comes does not wait for them: for as long as they take to end what
// they have begun, there is one more at work than there are slots.
type idlers struct {
	runner *Runner

	mu      sync.Mutex
	working []*idler
	group   sync.WaitGroup
}

// idler is one such slot.
type idler struct{ enough atomic.Bool }

// join begins to do something else in one more slot, if that leaves no more at
// work than there are slots without a task.
func (i *idlers) join(ctx context.Context, free int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.runner.Idle == nil || len(i.working) >= free {
		return
	}
	one := &idler{}
	i.working = append(i.working, one)
	i.group.Go(func() {
		worked := i.work(ctx, one)
		i.mu.Lock()
		defer i.mu.Unlock()
		for at, o := range i.working {
			if o == one {
				i.working = append(i.working[:at:at], i.working[at+1:]...)
				break
			}
		}
		if worked {
			i.runner.Wake()
		}
	})
}

func (i *idlers) work(ctx context.Context, one *idler) (worked bool) {
	defer func() {
		if p := recover(); p != nil {
			i.runner.Logger.Error("panic in an idle slot", "error", panicked(p), "stack", string(debug.Stack()))
		}
	}()
	return i.runner.Idle(ctx, one.enough.Load)
}

// leave has so many end soon that no more are left than there are slots without
// a task.
func (i *idlers) leave(free int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for at, one := range i.working {
		one.enough.Store(at >= free)
	}
}

func (i *idlers) wait() { i.group.Wait() }
