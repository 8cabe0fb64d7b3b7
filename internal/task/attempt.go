package task

import (
	"context"
	"sync"

	"hansard/internal/store"
)

// Attempt is one run of a task. Its methods may be called from several
// goroutines. Outside of a Runner, &Attempt{Task: t} works too and keeps what
// it is told.
type Attempt struct {
	// Task is the task as it was claimed: Epoch tells this attempt from all
	// others, Checkpoint is what an earlier one left.
	Task store.Task

	life  context.Context
	write func(context.Context) error

	mu         sync.Mutex
	done       int64
	total      int64
	checkpoint noted
	detail     noted
}

// noted is a value on its way to the store: gen counts how often it was set,
// written is the gen that the store has.
type noted struct {
	value        []byte
	gen, written int
}

func (n *noted) set(b []byte) {
	n.value = b
	n.gen++
}

// pending is the value if the store does not have it yet, else nil.
func (n *noted) pending() []byte {
	if n.gen == n.written {
		return nil
	}
	return n.value
}

// Progress says how far the attempt is, in messages. It costs next to nothing:
// the next heartbeat writes it.
func (a *Attempt) Progress(done, total int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done, a.total = done, total
}

// Checkpoint notes, as JSON, what a later attempt can go on from. The next
// heartbeat writes it, within half a second; Flush does so at once.
func (a *Attempt) Checkpoint(b []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checkpoint.set(b)
}

// Detail notes, as JSON, what pollers see beyond the progress. It is written
// with the next heartbeat or the end of the attempt.
func (a *Attempt) Detail(b []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.detail.set(b)
}

// Flush writes progress, checkpoint and detail now. An error that is
// store.ErrLeaseLost says that the task belongs to somebody else.
func (a *Attempt) Flush(ctx context.Context) error {
	if a.write == nil {
		return nil
	}
	return a.write(ctx)
}

// Life is a context that ends with the lease or the worker but not with a
// cancel, for work that must not be stopped halfway.
func (a *Attempt) Life() context.Context {
	if a.life == nil {
		return context.Background() //nolint:forbidigo // outside of a Runner there is no lease to end it
	}
	return a.life
}

// Current is what the attempt was told last.
func (a *Attempt) Current() store.Progress {
	a.mu.Lock()
	defer a.mu.Unlock()
	return store.Progress{Done: a.done, Total: a.total, Checkpoint: a.checkpoint.value, Detail: a.detail.value}
}

// news is what the store has to be told, and a function that takes note of
// its having been told.
func (a *Attempt) news() (store.Progress, func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := store.Progress{
		Done: a.done, Total: a.total,
		Checkpoint: a.checkpoint.pending(), Detail: a.detail.pending(),
	}
	checkpoint, detail := a.checkpoint.gen, a.detail.gen
	return p, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.checkpoint.written, a.detail.written = checkpoint, detail
	}
}

// unwritten reports whether there is a checkpoint that the store has not.
func (a *Attempt) unwritten() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.checkpoint.pending() != nil
}
