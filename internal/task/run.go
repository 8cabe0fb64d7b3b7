package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"hansard/internal/store"
)

// finishAtShutdown bounds how long a worker that shuts down tries to hand a
// task back. If the store is away for longer the lease runs out instead.
const finishAtShutdown = 3 * time.Second

// attempt runs one claimed task to its end. claimed is an instant before the
// claim; ctx ends when the worker shuts down.
func (r *Runner) attempt(ctx context.Context, t *store.Task, claimed time.Time) {
	log := r.Logger.With("task", t.ID, "kind", t.Kind, "attempt", t.Attempt, "epoch", t.Epoch)
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	work, cancel := context.WithCancelCause(life)
	defer cancel(nil)

	a := &Attempt{Task: *t, life: life, done: t.Done, total: t.Total}
	l := &lease{
		r: r, attempt: a, log: log,
		cancel: func() { cancel(ErrCanceled) },
		lose:   func(cause error) { end(cause) },
	}
	a.write = l.write
	l.start(claimed)
	defer context.AfterFunc(ctx, func() { end(ErrShutdown) })()

	outlive := context.WithoutCancel(ctx)
	beats, stop := context.WithCancel(outlive)
	beating := make(chan struct{})
	go func() { defer close(beating); l.beat(beats) }()
	log.Info("task started")
	if r.Observer != nil {
		r.Observer.Started(t)
	}
	result, ended, err := r.handle(ctx, work, a, log)
	stop()
	<-beating
	if l.isLost() {
		r.lost(t)
		return
	}

	o := store.Outcome{Status: store.Waiting, Refund: true}
	if ended {
		if c := a.Current().Checkpoint; c != nil {
			t.Checkpoint = c
		}
		o = r.outcome(t, result, err, context.Cause(work))
	}
	finish, done := outlive, func() {}
	if ctx.Err() != nil {
		finish, done = context.WithTimeout(outlive, finishAtShutdown)
	}
	defer done()
	if !o.Status.Final() && a.unwritten() {
		// The next attempt goes on from the last checkpoint. Without it, it
		// goes on from an earlier one.
		if err := l.write(finish); err != nil {
			log.Warn("the last checkpoint could not be written", "error", err)
		}
	}
	p, _ := a.news()
	o.Done, o.Total, o.Detail = p.Done, p.Total, p.Detail
	if !l.finish(finish, o) {
		r.lost(t)
		return
	}
	took := time.Since(claimed)
	report(log, o, err, took)
	if r.Observer != nil {
		r.Observer.Ended(t, o, took)
	}
	if r.Finished != nil {
		r.Finished(outlive, t, o)
	}
}

func (r *Runner) lost(t *store.Task) {
	if r.Observer != nil {
		r.Observer.Lost(t)
	}
}

func report(log *slog.Logger, o store.Outcome, err error, took time.Duration) {
	log = log.With("status", o.Status, "took_ms", took.Milliseconds())
	switch o.Status {
	case store.Completed:
		log.Info("task completed")
	case store.Waiting:
		log.Info("task handed back")
	case store.Pending:
		log.Warn("attempt failed, the task will be tried again", "error", err, "pause_ms", o.Delay.Milliseconds())
	default:
		if errors.Is(err, ErrCanceled) {
			log.Info("task canceled")
			return
		}
		log.Warn("task failed", "error", err)
	}
}

// handle calls the handler. When the worker shuts down and the handler does
// not end within the grace, handle returns without it: what it still does is
// fenced off by the epoch.
func (r *Runner) handle(ctx, work context.Context, a *Attempt, log *slog.Logger) (result []byte, ended bool, err error) {
	switch t := &a.Task; {
	case t.Cancel && !committed(t): // asked for while nobody ran it
		return nil, true, Canceled()
	case t.Attempt > r.begun() && !committed(t):
		return nil, true, Failf("InternalError", "The workers that ran this task stopped unexpectedly, %d times in all.", t.Attempt-1)
	case r.Handlers[t.Kind] == nil:
		return nil, true, fmt.Errorf("no handler for tasks of kind %q", t.Kind)
	}
	type answer struct {
		result []byte
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		ans := answer{err: errors.New("the handler ended without an answer")}
		defer func() {
			if p := recover(); p != nil {
				ans = answer{err: panicked(p)}
				log.Error("panic in a task", "error", ans.err, "stack", string(debug.Stack()))
			}
			answers <- ans
		}()
		result, err := r.Handlers[a.Task.Kind](work, a)
		ans = answer{result, err}
	}()
	select {
	case ans := <-answers:
		return ans.result, true, ans.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(r.grace())
	defer timer.Stop()
	select {
	case ans := <-answers:
		return ans.result, true, ans.err
	case <-timer.C:
		return nil, false, ErrShutdown
	}
}

// panicked describes a panic. A value that is no error may hold anything, so
// only its type is told.
func panicked(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic with a %T", p)
}
