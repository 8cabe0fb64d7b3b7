package clock_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"hansard/internal/clock"
)

func TestLinger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		late, done := clock.Linger(ctx, time.Second)
		defer done()
		began := time.Now()
		<-time.After(time.Hour)
		if late.Err() != nil {
			t.Error("it ended before its parent")
		}
		cancel()
		<-late.Done()
		if took := time.Since(began); took != time.Hour+time.Second {
			t.Errorf("it ended after %s", took)
		}
		ctx, cancel = context.WithCancel(t.Context())
		late, done = clock.Linger(ctx, time.Second)
		cancel()
		done()
		if late.Err() == nil {
			t.Error("it did not end when it was done")
		}
	})
}
