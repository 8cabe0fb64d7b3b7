package clock

import (
	"context"
	"time"
)

// Linger returns a context that ends d after ctx does, for a request that
// creates or claims something: whoever is told to stop meanwhile hears the answer
// still, and can give back what nobody else knows of.
func Linger(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(d, cancel)
		context.AfterFunc(late, func() { timer.Stop() })
	})
	return late, func() {
		stop()
		cancel()
	}
}
