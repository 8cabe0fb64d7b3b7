package task_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"hansard/internal/store"
	"hansard/internal/task"
)

// observer notes what it is told, in order.
type observer chan string

func (o observer) Started(t *store.Task) { o <- "started " + t.ID }

func (o observer) Ended(t *store.Task, out store.Outcome, took time.Duration) {
	if took <= 0 {
		out.Status = "before it began"
	}
	o <- "ended " + t.ID + " " + string(out.Status)
}

func (o observer) Lost(t *store.Task) { o <- "lost " + t.ID }

// Each attempt that was started either ended or is lost.
func TestObserver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	told := make(observer, 100)
	began := make(chan struct{}, 1)
	r := b.runner(func(ctx context.Context, a *task.Attempt) ([]byte, error) {
		switch {
		case a.Task.ID == "lost" && a.Task.Attempt == 1:
			began <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		case a.Task.ID == "twice" && a.Task.Attempt == 1:
			return nil, errors.New("not yet")
		case a.Task.ID == "never":
			return nil, task.Failf("Never", "No.")
		}
		return []byte(`{}`), nil
	})
	r.Observer = told
	expect := func(lines ...string) {
		t.Helper()
		for _, want := range lines {
			if got := receive(t, told); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
	}
	start(t, r)
	b.enqueue(t, "twice")
	expect("started twice", "ended twice pending", "started twice", "ended twice completed")
	b.enqueue(t, "never")
	expect("started never", "ended never failed")
	b.enqueue(t, "lost")
	receive(t, began)
	for other := (*store.Task)(nil); other == nil; { // its lease runs out, and another worker claims it
		b.advance(time.Minute)
		var err error
		if other, err = b.store.Claim(t.Context(), "other", time.Hour, "lost"); err != nil {
			t.Fatal(err)
		}
	}
	expect("started lost", "lost lost")
}
