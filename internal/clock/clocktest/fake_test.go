package clocktest_test

import (
	"testing"
	"time"

	"hansard/internal/clock"
	"hansard/internal/clock/clocktest"
)

var _ clock.Clock = (*clocktest.Fake)(nil)

func TestSystemClockRuns(t *testing.T) {
	t.Parallel()
	before := time.Now()
	at := <-clock.System.After(0)
	if at.Before(before) || clock.System.Now().Before(before) {
		t.Errorf("the system clock is behind")
	}
}

func TestFakeWakesWhenItsTimeHasCome(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := clocktest.New(start)
	select {
	case <-f.After(0):
	default:
		t.Error("After(0) waits")
	}
	soon, late := f.After(time.Second), f.After(time.Minute)
	f.Advance(999 * time.Millisecond)
	select {
	case <-soon:
		t.Error("woken too early")
	default:
	}
	f.Advance(time.Millisecond)
	select {
	case at := <-soon:
		if want := start.Add(time.Second); !at.Equal(want) {
			t.Errorf("woken at %v, want %v", at, want)
		}
	default:
		t.Error("not woken in time")
	}
	select {
	case <-late:
		t.Error("the other one was woken too")
	default:
	}
	if got, want := f.Now(), start.Add(time.Second); !got.Equal(want) {
		t.Errorf("Now() = %v, want %v", got, want)
	}
}

func TestFakeTellsWhenSomeoneWaits(t *testing.T) {
	t.Parallel()
	f := clocktest.New(time.Unix(0, 0))
	woken := make(chan time.Time)
	go func() { woken <- <-f.After(time.Hour) }()
	if err := f.AwaitWaiters(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	f.Advance(time.Hour)
	<-woken
}
