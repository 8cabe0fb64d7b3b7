package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"hansard/internal/store"

	"github.com/google/go-cmp/cmp"
)

const (
	day   = 24 * time.Hour
	lease = 15 * time.Second
)

// RunTasks tests the Tasks interface.
func RunTasks(t *testing.T, open Open) {
	t.Run("Queue", func(t *testing.T) { t.Parallel(); runQueue(t, open) })
	t.Run("Backlog", func(t *testing.T) { runBacklog(t, open) })
	t.Run("Fencing", func(t *testing.T) { t.Parallel(); runFencing(t, open) })
	t.Run("Cancel", func(t *testing.T) { t.Parallel(); runCancel(t, open) })
	t.Run("Idempotency", func(t *testing.T) { t.Parallel(); runIdempotency(t, open) })
	t.Run("Lists", func(t *testing.T) { t.Parallel(); runLists(t, open) })
}

func runLists(t *testing.T, open Open) {
	t.Run("EnqueueAndGet", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		a := newApp(t, o.Store, "a")
		now, err := o.Store.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := &store.Task{
			ID: "t", App: a.ID, Kind: "export.users", Status: store.Waiting, Request: []byte(`{"x":1}`),
			CreatedAt: now, UpdatedAt: now, RunAt: now, Detail: []byte(`{"d":1}`), Total: 7,
		}
		stored, err := o.Store.Enqueue(t.Context(), &store.Task{
			ID: "t", App: a.ID, Kind: "export.users", Request: []byte(`{"x":1}`), Detail: []byte(`{"d":1}`), Total: 7,
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, stored); diff != "" {
			t.Error("Enqueue:", diff)
		}
		if diff := cmp.Diff(want, get(t, o.Store, a.ID, "t")); diff != "" {
			t.Error("Task:", diff)
		}
		if _, err := o.Store.Enqueue(t.Context(), &store.Task{ID: "t", App: a.ID, Kind: "k"}, nil); !errors.Is(err, store.ErrExists) {
			t.Errorf("the same id again: %v, want ErrExists", err)
		}
	})

	t.Run("Tenancy", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a, b := newApp(t, s, "a"), newApp(t, s, "b")
		enqueue(t, s, a.ID, "ta", nil)
		enqueue(t, s, b.ID, "tb", nil)
		if _, err := s.Task(t.Context(), b.ID, "ta"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("task of another app: %v, want ErrNotFound", err)
		}
		if _, err := s.Task(t.Context(), b.ID, "none"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("unknown task: %v, want ErrNotFound", err)
		}
		if _, err := s.CancelTask(t.Context(), b.ID, "ta", []byte(`{}`)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("cancel of another app's task: %v, want ErrNotFound", err)
		}
		if got := get(t, s, a.ID, "ta"); got.Status != store.Waiting {
			t.Errorf("it is %s now", got.Status)
		}
		for app, want := range map[int64]string{a.ID: "ta", b.ID: "tb"} {
			if got := ids(list(t, s, store.TaskQuery{App: app})); !slices.Equal(got, []string{want}) {
				t.Errorf("tasks of app %d: %v, want %s", app, got, want)
			}
		}
	})

	t.Run("OrderFiltersAndPages", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		s := o.Store
		a, b := newApp(t, s, "a"), newApp(t, s, "b")
		var before store.TaskQuery
		for i := range 6 {
			app, kind := a.ID, "x"
			if i == 4 {
				app = b.ID
			}
			if i%2 == 1 {
				kind = "y"
			}
			if i == 3 {
				now, err := s.Now(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				before.Before = now
			}
			if _, err := s.Enqueue(t.Context(), &store.Task{ID: fmt.Sprint(i), App: app, Kind: kind}, nil); err != nil {
				t.Fatal(err)
			}
			if i != 0 { // 0 and 1 arrive at the same instant
				o.Advance(time.Second)
			}
		}
		claimOnly(t, s, "w", "2")
		for _, c := range []struct {
			name string
			q    store.TaskQuery
			want []string
		}{
			{"all apps", store.TaskQuery{}, []string{"5", "4", "3", "2", "1", "0"}},
			{"one app", store.TaskQuery{App: a.ID}, []string{"5", "3", "2", "1", "0"}},
			{"kind", store.TaskQuery{App: a.ID, Kind: "y"}, []string{"5", "3", "1"}},
			{"status", store.TaskQuery{Status: store.Running}, []string{"2"}},
			{"kind and status", store.TaskQuery{App: a.ID, Kind: "x", Status: store.Waiting}, []string{"0"}},
			{"first page", store.TaskQuery{App: a.ID, Limit: 2}, []string{"5", "3"}},
			{"second page", store.TaskQuery{App: a.ID, Limit: 2, Offset: 2}, []string{"2", "1"}},
			{"last page", store.TaskQuery{App: a.ID, Limit: 2, Offset: 4}, []string{"0"}},
			{"past the end", store.TaskQuery{App: a.ID, Limit: 2, Offset: 5}, nil},
			{"before", before, []string{"2", "1", "0"}},
			{"nothing", store.TaskQuery{App: a.ID, Kind: "z"}, nil},
		} {
			if got := ids(list(t, s, c.q)); !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	})

	t.Run("Delete", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		for i, status := range []store.TaskStatus{store.Completed, store.Failed, store.Pending, store.Waiting} {
			id := string(status)
			enqueue(t, s, a.ID, id, nil)
			task := claimOnly(t, s, "w", id)
			if err := s.Finish(t.Context(), id, task.Epoch, store.Outcome{Status: status, Delay: time.Hour}); err != nil {
				t.Fatal(i, err)
			}
		}
		enqueue(t, s, a.ID, "running", nil)
		claimOnly(t, s, "w", "running")
		if err := s.DeleteTasks(t.Context(), []string{"completed", "failed", "pending", "waiting", "running", "unknown"}); err != nil {
			t.Fatal(err)
		}
		if got, want := ids(list(t, s, store.TaskQuery{App: a.ID})), []string{"running", "waiting", "pending"}; !slices.Equal(got, want) {
			t.Errorf("left: %v, want %v: only final tasks may go", got, want)
		}
	})
}

func runIdempotency(t *testing.T, open Open) {
	t.Run("SameRequest", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		idem := &store.Idempotency{Key: "k", Hash: []byte("h"), Life: day}
		enqueue(t, s, a.ID, "first", idem)
		got, err := s.Enqueue(t.Context(), &store.Task{ID: "second", App: a.ID, Kind: "k"}, idem)
		if err != nil || got.ID != "first" {
			t.Errorf("second request got %+v, %v; want the first task", got, err)
		}
		finish(t, s, claimOnly(t, s, "w", "first"), store.Completed)
		got, err = s.Enqueue(t.Context(), &store.Task{ID: "third", App: a.ID, Kind: "k"}, idem)
		if err != nil || got.ID != "first" || got.Status != store.Completed {
			t.Errorf("third request got %+v, %v; want the first task as it is now", got, err)
		}
		if n := len(list(t, s, store.TaskQuery{App: a.ID})); n != 1 {
			t.Errorf("%d tasks, want 1", n)
		}
	})

	t.Run("AnotherRequest", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		enqueue(t, s, a.ID, "first", &store.Idempotency{Key: "k", Hash: []byte("h"), Life: day})
		_, err := s.Enqueue(t.Context(), &store.Task{ID: "second", App: a.ID, Kind: "k"},
			&store.Idempotency{Key: "k", Hash: []byte("other"), Life: day})
		if !errors.Is(err, store.ErrKeyReused) {
			t.Errorf("got %v, want ErrKeyReused", err)
		}
		if n := len(list(t, s, store.TaskQuery{App: a.ID})); n != 1 {
			t.Errorf("%d tasks, want 1", n)
		}
	})

	t.Run("PerApp", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a, b := newApp(t, s, "a"), newApp(t, s, "b")
		enqueue(t, s, a.ID, "of a", &store.Idempotency{Key: "k", Hash: []byte("h"), Life: day})
		enqueue(t, s, b.ID, "of b", &store.Idempotency{Key: "k", Hash: []byte("other"), Life: day})
	})

	t.Run("Expiry", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		a := newApp(t, o.Store, "a")
		enqueue(t, o.Store, a.ID, "first", &store.Idempotency{Key: "k", Hash: []byte("h"), Life: day})
		o.Advance(day)
		enqueue(t, o.Store, a.ID, "second", &store.Idempotency{Key: "k", Hash: []byte("other"), Life: day})
		got, err := o.Store.Enqueue(t.Context(), &store.Task{ID: "third", App: a.ID, Kind: "k"},
			&store.Idempotency{Key: "k", Hash: []byte("other"), Life: day})
		if err != nil || got.ID != "second" {
			t.Errorf("got %+v, %v; want the second task", got, err)
		}
	})

	t.Run("DeletedTask", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		idem := &store.Idempotency{Key: "k", Hash: []byte("h"), Life: day}
		enqueue(t, s, a.ID, "first", idem)
		finish(t, s, claimOnly(t, s, "w", "first"), store.Completed)
		if err := s.DeleteTasks(t.Context(), []string{"first"}); err != nil {
			t.Fatal(err)
		}
		enqueue(t, s, a.ID, "second", idem)
	})
}

// enqueue stores a task, which must be new.
func enqueue(t *testing.T, s store.Tasks, app int64, id string, idem *store.Idempotency) {
	t.Helper()
	got, err := s.Enqueue(t.Context(), &store.Task{ID: id, App: app, Kind: "k", Request: []byte(`{}`)}, idem)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != id {
		t.Fatalf("enqueued %s, got the earlier task %s", id, got.ID)
	}
}

func get(t *testing.T, s store.Tasks, app int64, id string) *store.Task {
	t.Helper()
	task, err := s.Task(t.Context(), app, id)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func list(t *testing.T, s store.Tasks, q store.TaskQuery) []store.Task {
	t.Helper()
	tasks, err := s.ListTasks(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

func ids(tasks []store.Task) []string {
	var ids []string
	for _, t := range tasks {
		ids = append(ids, t.ID)
	}
	return ids
}

// claim claims whatever is next; nil if nothing is due.
func claim(t *testing.T, s store.Tasks, owner string) *store.Task {
	t.Helper()
	task, err := s.Claim(t.Context(), owner, lease, "")
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// claimOnly claims the task with that id, which must be due.
func claimOnly(t *testing.T, s store.Tasks, owner, id string) *store.Task {
	t.Helper()
	task, err := s.Claim(t.Context(), owner, lease, id)
	if err != nil {
		t.Fatal(err)
	}
	if task == nil || task.ID != id {
		t.Fatalf("claimed %+v, want task %s", task, id)
	}
	return task
}

func finish(t *testing.T, s store.Tasks, task *store.Task, status store.TaskStatus) {
	t.Helper()
	if err := s.Finish(t.Context(), task.ID, task.Epoch, store.Outcome{Status: status}); err != nil {
		t.Fatal(err)
	}
}
