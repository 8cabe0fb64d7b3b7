package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"hansard/internal/store"

	"github.com/google/go-cmp/cmp"
)

func runQueue(t *testing.T, open Open) {
	t.Run("ImportsOfAnAppInOrder", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		a, b := newApp(t, o.Store, "a"), newApp(t, o.Store, "b")
		for _, task := range []store.Task{
			{ID: "old", App: a.ID, Kind: "import"}, {ID: "new", App: a.ID, Kind: "import"}, {ID: "other", App: b.ID, Kind: "import"},
		} {
			task.Request = []byte(`{}`)
			if _, err := o.Store.Enqueue(t.Context(), &task, nil); err != nil {
				t.Fatal(err)
			}
			o.Advance(time.Second)
		}
		if got, err := o.Store.Claim(t.Context(), "w", lease, "new"); err != nil || got != nil {
			t.Fatalf("the newer import was claimed first: %v, %v", got, err)
		}
		old := claimOnly(t, o.Store, "w", "old")
		if got := claim(t, o.Store, "w"); got == nil || got.ID != "other" {
			t.Fatalf("another app's import has to wait: %+v", got)
		}
		if got, err := o.Store.Claim(t.Context(), "w", lease, ""); err != nil || got != nil {
			t.Fatalf("the newer import was claimed beside the older: %v, %v", got, err)
		}
		finish(t, o.Store, old, store.Failed)
		claimOnly(t, o.Store, "w", "new")
	})
	t.Run("OldestFirst", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		for _, id := range []string{"z", "y", "x"} { // all at one instant
			enqueue(t, s, a.ID, id, nil)
		}
		for _, want := range []string{"z", "y", "x"} {
			if got := claim(t, s, "w"); got == nil || got.ID != want {
				t.Fatalf("claimed %+v, want %s", got, want)
			}
		}
		if got := claim(t, s, "w"); got != nil {
			t.Errorf("claimed %+v from an empty queue", got)
		}
	})

	t.Run("ClaimedTask", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		enqueue(t, s, a.ID, "t", nil)
		got := claim(t, s, "w")
		if diff := cmp.Diff(get(t, s, a.ID, "t"), got); diff != "" {
			t.Error("Claim returned something else than what is stored:", diff)
		}
		if got.Status != store.Running || got.Owner != "w" || got.Attempt != 1 || got.Epoch != 1 {
			t.Errorf("%+v", got)
		}
	})

	t.Run("Only", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		enqueue(t, s, a.ID, "first", nil)
		enqueue(t, s, a.ID, "second", nil)
		claimOnly(t, s, "w", "second")
		for _, id := range []string{"second", "unknown"} {
			if got, err := s.Claim(t.Context(), "w", lease, id); err != nil || got != nil {
				t.Errorf("claim of %s: %+v, %v; want nothing", id, got, err)
			}
		}
	})

	t.Run("ManyTasksOfOneAppDoNotStarveAnother", func(t *testing.T) {
		t.Parallel()
		for _, workers := range []int{1, 2, 3} {
			s := open(t).Store
			busy, other := newApp(t, s, "busy"), newApp(t, s, "other")
			for i := range 20 {
				enqueue(t, s, busy.ID, fmt.Sprint("busy-", i), nil)
			}
			var running []*store.Task
			for range workers {
				running = append(running, claim(t, s, "w"))
			}
			enqueue(t, s, other.ID, "other-0", nil)
			enqueue(t, s, other.ID, "other-1", nil)
			finish(t, s, running[0], store.Completed)
			if got := claim(t, s, "w"); got.ID != "other-0" {
				t.Errorf("%d workers: claimed %s, want the other app's", workers, got.ID)
			}
		}
	})

	t.Run("AppsInTurn", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		for _, key := range []string{"a", "b"} {
			app := newApp(t, s, key)
			for i := range 3 {
				enqueue(t, s, app.ID, fmt.Sprint(key, i), nil)
			}
		}
		var order []string
		for task := claim(t, s, "w"); task != nil; task = claim(t, s, "w") {
			order = append(order, task.ID)
			finish(t, s, task, store.Completed)
		}
		if want := []string{"a0", "b0", "a1", "b1", "a2", "b2"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
	})

	t.Run("PauseBetweenAttempts", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		a := newApp(t, o.Store, "a")
		enqueue(t, o.Store, a.ID, "t", nil)
		task := claim(t, o.Store, "w")
		if err := o.Store.Finish(t.Context(), "t", task.Epoch, store.Outcome{Status: store.Pending, Delay: 10 * time.Second}); err != nil {
			t.Fatal(err)
		}
		now, err := o.Store.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := get(t, o.Store, a.ID, "t"); got.Status != store.Pending || got.Owner != "" || got.RunAt != now+10e6 {
			t.Errorf("after the attempt: %+v", got)
		}
		o.Advance(10*time.Second - time.Microsecond)
		if got := claim(t, o.Store, "w"); got != nil {
			t.Fatalf("claimed before its pause was over")
		}
		o.Advance(time.Microsecond)
		if got := claim(t, o.Store, "w"); got == nil || got.Attempt != 2 || got.Epoch != 2 {
			t.Fatalf("after the pause: %+v", got)
		}
	})

	t.Run("HandedBack", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		enqueue(t, s, a.ID, "t", nil)
		task := claim(t, s, "w")
		if _, err := s.Heartbeat(t.Context(), "t", task.Epoch, lease, store.Progress{Done: 1, Total: 2, Checkpoint: []byte(`{"c":1}`)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Finish(t.Context(), "t", task.Epoch, store.Outcome{Status: store.Waiting, Refund: true, Done: 1, Total: 2}); err != nil {
			t.Fatal(err)
		}
		if got := get(t, s, a.ID, "t"); got.Status != store.Waiting || got.Attempt != 0 || got.Done != 1 || got.Total != 2 {
			t.Errorf("handed back: %+v", got)
		}
		if got := claim(t, s, "w2"); got == nil || got.Attempt != 1 || got.Epoch != 2 || string(got.Checkpoint) != `{"c":1}` {
			t.Errorf("claimed again: %+v", got)
		}
	})

	t.Run("ExpiredLease", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		a := newApp(t, o.Store, "a")
		enqueue(t, o.Store, a.ID, "t", nil)
		task := claim(t, o.Store, "w1")
		o.Advance(lease / 2)
		if _, err := o.Store.Heartbeat(t.Context(), "t", task.Epoch, lease, store.Progress{}); err != nil {
			t.Fatal(err)
		}
		o.Advance(lease - time.Microsecond)
		if got := claim(t, o.Store, "w2"); got != nil {
			t.Fatal("claimed under a lease that was extended")
		}
		o.Advance(time.Microsecond)
		got := claim(t, o.Store, "w2")
		if got == nil || got.Owner != "w2" || got.Epoch != task.Epoch+1 || got.Attempt != 2 {
			t.Fatalf("after the lease: %+v", got)
		}
	})

	t.Run("Owners", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		for i, owner := range []string{"w1", "w2", "w1", "w3"} {
			enqueue(t, s, a.ID, fmt.Sprint(i), nil)
			task := claim(t, s, owner)
			if owner == "w3" {
				finish(t, s, task, store.Completed)
			}
		}
		if got, err := s.Owners(t.Context()); err != nil || !slices.Equal(slices.Sorted(slices.Values(got)), []string{"w1", "w2"}) {
			t.Errorf("owners %v, %v", got, err)
		}
		if err := s.ExpireOwner(t.Context(), "w1"); err != nil {
			t.Fatal(err)
		}
		var got []string
		for task := claim(t, s, "w4"); task != nil; task = claim(t, s, "w4") {
			got = append(got, task.ID)
		}
		if want := []string{"0", "2"}; !slices.Equal(got, want) {
			t.Errorf("claimed %v after w1 was expired, want its tasks %v", got, want)
		}
		if err := s.ExpireOwner(t.Context(), "nobody"); err != nil {
			t.Error(err)
		}
	})

	t.Run("ConcurrentClaims", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a, b := newApp(t, s, "a"), newApp(t, s, "b")
		const tasks = 60
		for i := range tasks {
			enqueue(t, s, []int64{a.ID, b.ID}[i%2], fmt.Sprint(i), nil)
		}
		var mu sync.Mutex
		claimed := map[string]int{}
		var workers sync.WaitGroup
		for w := range 4 {
			workers.Go(func() {
				for {
					task, err := s.Claim(t.Context(), fmt.Sprint("w", w), lease, "")
					if err != nil {
						t.Error(err)
					}
					if task == nil {
						return
					}
					mu.Lock()
					claimed[fmt.Sprint(task.ID, "/", task.Epoch)]++
					mu.Unlock()
				}
			})
		}
		workers.Wait()
		if len(claimed) != tasks {
			t.Errorf("%d claims of %d tasks", len(claimed), tasks)
		}
		for key, n := range claimed {
			if n != 1 {
				t.Errorf("%s was claimed %d times", key, n)
			}
		}
	})
}

func runFencing(t *testing.T, open Open) {
	t.Run("Progress", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		s := o.Store
		a := newApp(t, s, "a")
		enqueue(t, s, a.ID, "t", nil)
		task := claim(t, s, "w")
		beat := func(p store.Progress) {
			t.Helper()
			if cancel, err := s.Heartbeat(t.Context(), "t", task.Epoch, lease, p); err != nil || cancel {
				t.Fatalf("Heartbeat: %v, %v", cancel, err)
			}
		}
		beat(store.Progress{Done: 1, Total: 9, Checkpoint: []byte(`{"c":1}`), Detail: []byte(`{"d":1}`)})
		beat(store.Progress{Done: 2, Total: 10})
		got := get(t, s, a.ID, "t")
		if got.Done != 2 || got.Total != 10 || string(got.Checkpoint) != `{"c":1}` || string(got.Detail) != `{"d":1}` {
			t.Errorf("%+v: nil slices must leave what is there", got)
		}
		beat(store.Progress{Checkpoint: []byte(`{"c":2}`)})
		if got := get(t, s, a.ID, "t"); string(got.Checkpoint) != `{"c":2}` {
			t.Errorf("checkpoint %s", got.Checkpoint)
		}
	})

	t.Run("Ends", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		for _, o := range []store.Outcome{
			{Status: store.Completed, Result: []byte(`{"r":1}`), Done: 3, Total: 3},
			{Status: store.Failed, Error: []byte(`{"e":1}`), Detail: []byte(`{"d":1}`), Done: 1, Total: 3},
		} {
			id := string(o.Status)
			enqueue(t, s, a.ID, id, nil)
			task := claim(t, s, "w")
			if err := s.Finish(t.Context(), id, task.Epoch, o); err != nil {
				t.Fatal(err)
			}
			got := get(t, s, a.ID, id)
			if got.Status != o.Status || string(got.Result) != string(o.Result) || string(got.Error) != string(o.Error) ||
				string(got.Detail) != string(o.Detail) || got.Done != o.Done || got.Total != o.Total || got.Owner != "" {
				t.Errorf("%s: %+v", id, got)
			}
			// Final is final, for its own worker too.
			if err := s.Finish(t.Context(), id, task.Epoch, store.Outcome{Status: store.Pending}); !errors.Is(err, store.ErrLeaseLost) {
				t.Errorf("%s: Finish again: %v, want ErrLeaseLost", id, err)
			}
			if _, err := s.Heartbeat(t.Context(), id, task.Epoch, lease, store.Progress{Done: 9}); !errors.Is(err, store.ErrLeaseLost) {
				t.Errorf("%s: Heartbeat afterwards: %v, want ErrLeaseLost", id, err)
			}
			if diff := cmp.Diff(got, get(t, s, a.ID, id)); diff != "" {
				t.Errorf("%s changed: %s", id, diff)
			}
			if again := claim(t, s, "w"); again != nil {
				t.Errorf("%s was claimed again", id)
			}
		}
		enqueue(t, s, a.ID, "t", nil)
		task := claim(t, s, "w")
		if err := s.Finish(t.Context(), "t", task.Epoch, store.Outcome{Status: store.Running}); err == nil {
			t.Error("an attempt cannot end as running")
		}
	})

	t.Run("StaleWorkerChangesNothing", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		s := o.Store
		a := newApp(t, s, "a")
		enqueue(t, s, a.ID, "t", nil)
		stale := claim(t, s, "w1")
		o.Advance(lease)
		current := claim(t, s, "w2")
		before := get(t, s, a.ID, "t")
		o.Advance(time.Second)
		if _, err := s.Heartbeat(t.Context(), "t", stale.Epoch, time.Hour, store.Progress{Done: 9, Checkpoint: []byte(`{}`)}); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("stale Heartbeat: %v, want ErrLeaseLost", err)
		}
		for _, status := range []store.TaskStatus{store.Completed, store.Failed, store.Pending, store.Waiting} {
			if err := s.Finish(t.Context(), "t", stale.Epoch, store.Outcome{Status: status}); !errors.Is(err, store.ErrLeaseLost) {
				t.Errorf("stale Finish as %s: %v, want ErrLeaseLost", status, err)
			}
		}
		if diff := cmp.Diff(before, get(t, s, a.ID, "t")); diff != "" {
			t.Error("the stale worker changed the task:", diff)
		}
		finish(t, s, current, store.Completed)
	})

	t.Run("LateButFirst", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		a := newApp(t, o.Store, "a")
		enqueue(t, o.Store, a.ID, "t", nil)
		task := claim(t, o.Store, "w")
		o.Advance(2 * lease)
		// Nobody claimed it meanwhile: the work need not be done again.
		if _, err := o.Store.Heartbeat(t.Context(), "t", task.Epoch, lease, store.Progress{}); err != nil {
			t.Fatal(err)
		}
		if got := claim(t, o.Store, "w2"); got != nil {
			t.Error("claimed under a lease that was extended")
		}
	})

	t.Run("UnknownTask", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		if _, err := s.Heartbeat(t.Context(), "none", 1, lease, store.Progress{}); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("Heartbeat: %v, want ErrLeaseLost", err)
		}
		if err := s.Finish(t.Context(), "none", 1, store.Outcome{Status: store.Completed}); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("Finish: %v, want ErrLeaseLost", err)
		}
	})
}

func runCancel(t *testing.T, open Open) {
	t.Run("ImportThatHasBegunToWrite", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		a := newApp(t, o.Store, "a")
		if _, err := o.Store.Enqueue(t.Context(), &store.Task{ID: "t", App: a.ID, Kind: "import", Request: []byte(`{}`)}, nil); err != nil {
			t.Fatal(err)
		}
		claimed := claim(t, o.Store, "w")
		p := store.Progress{Checkpoint: []byte(`{"phase":"load"}`)}
		if _, err := o.Store.Heartbeat(t.Context(), "t", claimed.Epoch, lease, p); err != nil {
			t.Fatal(err)
		}
		for range 2 { // running, and after its worker died
			got, err := o.Store.CancelTask(t.Context(), a.ID, "t", []byte(`{}`))
			if err != nil || got.Cancel || got.Status.Final() {
				t.Fatalf("was canceled: %+v, %v", got, err)
			}
			o.Advance(2 * lease)
		}
	})
	canceled := []byte(`{"type":"Canceled","description":"…"}`)
	cancel := func(t *testing.T, s store.Tasks, app int64, id string) *store.Task {
		t.Helper()
		got, err := s.CancelTask(t.Context(), app, id, canceled)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}

	t.Run("NotRunning", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		s := o.Store
		a := newApp(t, s, "a")
		enqueue(t, s, a.ID, "waiting", nil)
		enqueue(t, s, a.ID, "pending", nil)
		if err := s.Finish(t.Context(), "pending", claimOnly(t, s, "w", "pending").Epoch,
			store.Outcome{Status: store.Pending, Delay: time.Second}); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"waiting", "pending"} {
			if got := cancel(t, s, a.ID, id); got.Status != store.Failed || string(got.Error) != string(canceled) {
				t.Errorf("%s: %+v", id, got)
			}
		}
		o.Advance(time.Hour)
		if got := claim(t, s, "w"); got != nil {
			t.Errorf("claimed the canceled task %s", got.ID)
		}
	})

	t.Run("Running", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		enqueue(t, s, a.ID, "t", nil)
		task := claim(t, s, "w")
		if got := cancel(t, s, a.ID, "t"); got.Status != store.Running || !got.Cancel {
			t.Errorf("%+v", got)
		}
		if asked, err := s.Heartbeat(t.Context(), "t", task.Epoch, lease, store.Progress{}); err != nil || !asked {
			t.Errorf("Heartbeat: %v, %v; want the wish to cancel", asked, err)
		}
		if err := s.Finish(t.Context(), "t", task.Epoch, store.Outcome{Status: store.Failed, Error: canceled}); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("WorkerGone", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		s := o.Store
		a := newApp(t, s, "a")
		enqueue(t, s, a.ID, "t", nil)
		task := claim(t, s, "w")
		o.Advance(lease)
		if got := cancel(t, s, a.ID, "t"); got.Status != store.Failed || string(got.Error) != string(canceled) {
			t.Errorf("%+v", got)
		}
		if err := s.Finish(t.Context(), "t", task.Epoch, store.Outcome{Status: store.Completed}); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("the worker came back: %v, want ErrLeaseLost", err)
		}
	})

	t.Run("WishOutlivesTheWorker", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		s := o.Store
		a := newApp(t, s, "a")
		enqueue(t, s, a.ID, "t", nil)
		claim(t, s, "w")
		cancel(t, s, a.ID, "t")
		o.Advance(lease)
		if got := claim(t, s, "w2"); got == nil || !got.Cancel {
			t.Errorf("the next worker sees %+v, want the wish to cancel", got)
		}
	})

	t.Run("Final", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		enqueue(t, s, a.ID, "t", nil)
		finish(t, s, claim(t, s, "w"), store.Completed)
		before := get(t, s, a.ID, "t")
		if diff := cmp.Diff(before, cancel(t, s, a.ID, "t")); diff != "" {
			t.Error("a final task changed:", diff)
		}
		if _, err := s.CancelTask(t.Context(), a.ID, "unknown", canceled); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("unknown task: %v, want ErrNotFound", err)
		}
	})
}
