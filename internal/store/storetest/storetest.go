package storetest

import (
	"sync"
	"testing"
	"time"

	"hansard/internal/store"
)

// Opened is an empty store under test.
type Opened struct {
	Store store.Store
	// Advance moves the store's clock forward. The clock must stand still
	// otherwise.
	Advance func(time.Duration)
}

// Open opens an empty store, to be closed by t's cleanup.
type Open func(t *testing.T) Opened

// Clock is a clock that stands still between calls of Advance.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a Clock that stands somewhere in 2021.
func NewClock() *Clock {
	return &Clock{now: time.Date(2021, 2, 17, 8, 17, 49, 745857000, time.UTC)}
}

// Now is what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
