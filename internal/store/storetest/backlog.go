package storetest

import (
	"testing"
	"time"

	"hansard/internal/store"

	"github.com/google/go-cmp/cmp"
)

// runBacklog holds the counts of the queue to what is in it.
func runBacklog(t *testing.T, open Open) {
	t.Parallel()
	o := open(t)
	s := o.Store
	look := func(want ...store.Backlog) {
		t.Helper()
		got, err := s.Backlog(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error("want (-), got (+):", diff)
		}
	}
	look()
	a, b := newApp(t, s, "a"), newApp(t, s, "b")
	add := func(app store.App, id, kind string) {
		t.Helper()
		if _, err := s.Enqueue(t.Context(), &store.Task{ID: id, App: app.ID, Kind: kind, Request: []byte(`{}`)}, nil); err != nil {
			t.Fatal(err)
		}
		o.Advance(time.Second)
	}
	add(a, "runs", "k")
	add(b, "done", "k")
	add(a, "fails", "k")
	add(a, "waits", "k")
	add(a, "waits too", "k")
	add(b, "another", "l")

	claimOnly(t, s, "w", "runs")
	finish(t, s, claimOnly(t, s, "w", "done"), store.Completed)
	failed := claimOnly(t, s, "w", "fails")
	if err := s.Finish(t.Context(), failed.ID, failed.Epoch, store.Outcome{Status: store.Pending, Delay: time.Hour}); err != nil {
		t.Fatal(err)
	}
	want := []store.Backlog{
		{App: "a", Kind: "k", Status: store.Pending, Tasks: 1, Oldest: 4 * time.Second},
		{App: "a", Kind: "k", Status: store.Running, Tasks: 1, Oldest: 6 * time.Second},
		{App: "a", Kind: "k", Status: store.Waiting, Tasks: 2, Oldest: 3 * time.Second},
		{App: "b", Kind: "l", Status: store.Waiting, Tasks: 1, Oldest: time.Second},
	}
	look(want...)

	if err := s.DeleteApp(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	look(want[:3]...)
}
