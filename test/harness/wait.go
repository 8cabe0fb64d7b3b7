package harness

import (
	"testing"
	"time"
)

// Patience is for how long a test waits for what must happen before it fails.
const Patience = 60 * time.Second

// Until waits until cond holds, looking every few milliseconds, and fails the
// test with what if that takes longer than limit. It returns how long it took.
func Until(t testing.TB, limit time.Duration, what string, cond func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Since(start) > limit {
			t.Fatalf("after %s: still not %s", limit, what)
		}
		<-tick.C
	}
	return time.Since(start)
}
