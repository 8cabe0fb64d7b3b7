package clocktest

import (
	"context"
	"sync"
	"time"
)

// Fake is a clock.Clock for tests. Make one with [New].
type Fake struct {
	mu      sync.Mutex
	now     time.Time
	waits   []wait
	changed chan struct{} // closed, and made anew, when waits grows
}

type wait struct {
	until time.Time
	c     chan time.Time
}

// New returns a clock that stands at now.
func New(now time.Time) *Fake {
	return &Fake{now: now, changed: make(chan struct{})}
}

// Now is the instant at which the clock stands.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// After returns a channel that receives the time when Advance has moved the
// clock by d.
func (f *Fake) After(d time.Duration) <-chan time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan time.Time, 1)
	if d <= 0 {
		c <- f.now
		return c
	}
	f.waits = append(f.waits, wait{f.now.Add(d), c})
	close(f.changed)
	f.changed = make(chan struct{})
	return c
}

// Advance moves the clock by d and wakes everyone whose time has come.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
	left := f.waits[:0]
	for _, w := range f.waits {
		if w.until.After(f.now) {
			left = append(left, w)
			continue
		}
		w.c <- f.now
	}
	f.waits = left
}

// AwaitWaiters returns once at least n channels of After are waiting, or with
// ctx's error when that ends first. It is how a test knows that the code under
// test sleeps and that Advance will reach it.
func (f *Fake) AwaitWaiters(ctx context.Context, n int) error {
	for {
		f.mu.Lock()
		enough, changed := len(f.waits) >= n, f.changed
		f.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
