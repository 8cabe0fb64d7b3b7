package task

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"hansard/internal/store"
)

// lease keeps one claimed task claimed. Its rule: the attempt has ended, as far
// as it listens to its context, before the store gives the task to anyone else.
type lease struct {
	r       *Runner
	attempt *Attempt
	log     *slog.Logger
	cancel  func() // somebody asked for the task to stop
	lose    func(error)

	writing  sync.Mutex // one write at a time, so that values arrive in order
	mu       sync.Mutex
	until    time.Time // by this process's clock; never later than the store's
	watchdog *time.Timer
	lost     bool
}

// start begins to watch over the lease. claimed is an instant before the claim
// was sent: the lease ends no earlier than that plus its length.
func (l *lease) start(claimed time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = claimed.Add(l.r.lease())
	l.watchdog = time.AfterFunc(time.Until(l.giveUp()), func() { l.fail(ErrUnreachable) })
}

// giveUp is when to stop without having heard from the store. The rest of the
// lease is for the handler to end in.
func (l *lease) giveUp() time.Time { return l.until.Add(-l.r.lease() / 5) }

func (l *lease) deadline() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.giveUp()
}

func (l *lease) fail(cause error) {
	l.mu.Lock()
	first := !l.lost
	l.lost = true
	l.mu.Unlock()
	if first {
		l.log.Warn("task lost", "reason", cause)
		l.lose(cause)
	}
}

func (l *lease) isLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// write sends one heartbeat.
func (l *lease) write(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.isLost() {
		return store.ErrLeaseLost
	}
	ctx, done := context.WithDeadline(ctx, l.deadline())
	defer done()
	p, told := l.attempt.news()
	sent := time.Now()
	stop, err := l.r.Store.Heartbeat(ctx, l.attempt.Task.ID, l.attempt.Task.Epoch, l.r.lease(), p)
	switch {
	case errors.Is(err, store.ErrLeaseLost):
		l.fail(err)
		return err
	case err != nil:
		return err
	}
	told()
	l.extend(sent.Add(l.r.lease()))
	if stop {
		l.cancel()
	}
	return nil
}

func (l *lease) extend(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost {
		return
	}
	l.until = until
	l.watchdog.Reset(time.Until(l.giveUp()))
}

// beat sends heartbeats until ctx ends or the lease is lost. The store may be
// out of reach for a while.
func (l *lease) beat(ctx context.Context) {
	ticker := time.NewTicker(l.r.beat())
	defer ticker.Stop()
	down := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := l.write(ctx)
		switch {
		case l.isLost(), ctx.Err() != nil:
			return
		case err != nil && !down:
			down = true
			l.log.Warn("heartbeat failed, trying on", "error", err)
		case err == nil && down:
			down = false
			l.log.Info("heartbeat works again")
		}
	}
}

// finish writes how the attempt ended. It tries on while the lease and ctx
// last, and reports whether the store has it.
func (l *lease) finish(ctx context.Context, o store.Outcome) bool {
	l.watchdog.Stop()
	ctx, done := context.WithDeadline(ctx, l.deadline())
	defer done()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		if l.isLost() {
			return false
		}
		err := l.r.Store.Finish(ctx, l.attempt.Task.ID, l.attempt.Task.Epoch, o)
		switch {
		case err == nil:
			return true
		case errors.Is(err, store.ErrLeaseLost):
			l.fail(err)
			return false
		}
		select {
		case <-ctx.Done():
			l.log.Warn("the end of the attempt could not be written", "status", o.Status, "error", err)
			l.fail(ErrUnreachable)
			return false
		case <-time.After(pause):
		}
	}
}
