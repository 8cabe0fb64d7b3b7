package task

import (
	"context"
	"time"
)

// lingerFor is for how long a claim that is under way is waited for.
const lingerFor = 2 * time.Second

// Linger is ctx for a claim: it ends two seconds later, so that the answer to
// what was asked before is heard, and what was claimed can be handed back. Else
// it would wait for the end of its lease.
func Linger(ctx context.Context) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(lingerFor, cancel) })
	return late, func() {
		stop()
		cancel()
	}
}
