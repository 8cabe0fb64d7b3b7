package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"

	"pgregory.net/rapid"
)

// modelTask is what the model knows of a task.
type modelTask struct {
	app     int64
	status  store.TaskStatus
	epoch   int64
	attempt int
	owner   string
	cancel  bool
	due     time.Duration // on the model's clock
	done    int64
}

func (m *modelTask) running(now time.Duration) bool {
	return m.status == store.Running && m.due > now
}

// queueModel drives a store and a simple picture of it side by side.
type queueModel struct {
	s       store.Store
	advance func(time.Duration)
	apps    []int64
	now     time.Duration
	tasks   map[string]*modelTask
	prefix  string
}

// RunTaskModel checks the queue against a model of it, with random sequences
// of calls.
func RunTaskModel(t *testing.T, open Open) {
	t.Parallel()
	o := open(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		m := &queueModel{s: o.Store, advance: o.Advance, tasks: map[string]*modelTask{}, prefix: fmt.Sprint(round)}
		for i := range 2 {
			a := store.App{Key: fmt.Sprintf("%s-%d", m.prefix, i), Secret: "s"}
			if err := o.Store.CreateApp(t.Context(), &a); err != nil {
				rt.Fatal(err)
			}
			m.apps = append(m.apps, a.ID)
			defer func() {
				if err := o.Store.DeleteApp(t.Context(), a.Key); err != nil {
					rt.Fatal(err)
				}
			}()
		}
		rt.Repeat(map[string]func(*rapid.T){
			"enqueue":   func(rt *rapid.T) { m.enqueue(t, rt) },
			"claim":     func(rt *rapid.T) { m.claim(t, rt) },
			"heartbeat": func(rt *rapid.T) { m.heartbeat(t, rt) },
			"finish":    func(rt *rapid.T) { m.finish(t, rt) },
			"cancel":    func(rt *rapid.T) { m.cancel(t, rt) },
			"expire":    func(rt *rapid.T) { m.expire(t, rt) },
			"advance": func(rt *rapid.T) {
				d := rapid.SampledFrom([]time.Duration{time.Second, lease - time.Second, lease}).Draw(rt, "d")
				m.advance(d)
				m.now += d
			},
			"": func(rt *rapid.T) { m.check(t, rt) },
		})
	})
}

func (m *queueModel) pick(rt *rapid.T) (string, *modelTask) {
	if len(m.tasks) == 0 {
		rt.Skip("no task")
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(m.tasks))).Draw(rt, "task")
	return id, m.tasks[id]
}

var modelOwners = rapid.SampledFrom([]string{"w1", "w2"})

func (m *queueModel) enqueue(t *testing.T, rt *rapid.T) {
	id := fmt.Sprintf("%s-%d", m.prefix, len(m.tasks))
	app := rapid.SampledFrom(m.apps).Draw(rt, "app")
	if _, err := m.s.Enqueue(t.Context(), &store.Task{ID: id, App: app, Kind: "k"}, nil); err != nil {
		rt.Fatal(err)
	}
	m.tasks[id] = &modelTask{app: app, status: store.Waiting, due: m.now}
}

func (m *queueModel) claim(t *testing.T, rt *rapid.T) {
	owner := modelOwners.Draw(rt, "owner")
	got, err := m.s.Claim(t.Context(), owner, lease, "")
	if err != nil {
		rt.Fatal(err)
	}
	running := map[int64]int{}
	fewest := -1
	for _, task := range m.tasks {
		if task.running(m.now) {
			running[task.app]++
		}
	}
	for _, task := range m.tasks {
		if !task.status.Final() && task.due <= m.now && (fewest < 0 || running[task.app] < fewest) {
			fewest = running[task.app]
		}
	}
	switch {
	case got == nil && fewest >= 0:
		rt.Fatal("nothing was claimed though a task is due")
	case got == nil:
		return
	}
	task := m.tasks[got.ID]
	if task == nil || task.status.Final() || task.due > m.now {
		rt.Fatalf("claimed %+v, which is not due", got)
	}
	if running[task.app] > fewest {
		rt.Fatalf("claimed a task of an app with %d running, another app has %d", running[task.app], fewest)
	}
	task.status, task.owner, task.due = store.Running, owner, m.now+lease
	task.epoch++
	task.attempt++
}

// epochOf is the current epoch or an earlier one.
func (m *queueModel) epochOf(rt *rapid.T, task *modelTask) (epoch int64, current bool) {
	epoch = task.epoch - int64(rapid.IntRange(0, 1).Draw(rt, "staleness"))
	return epoch, epoch == task.epoch && task.status == store.Running
}

func (m *queueModel) heartbeat(t *testing.T, rt *rapid.T) {
	id, task := m.pick(rt)
	epoch, current := m.epochOf(rt, task)
	done := rapid.Int64Range(0, 9).Draw(rt, "done")
	cancel, err := m.s.Heartbeat(t.Context(), id, epoch, lease, store.Progress{Done: done})
	if current != (err == nil) || (err != nil && !errors.Is(err, store.ErrLeaseLost)) {
		rt.Fatalf("heartbeat at epoch %d of %+v: %v", epoch, task, err)
	}
	if !current {
		return
	}
	if cancel != task.cancel {
		rt.Fatalf("heartbeat says cancel %v, want %v", cancel, task.cancel)
	}
	task.due, task.done = m.now+lease, done
}

func (m *queueModel) finish(t *testing.T, rt *rapid.T) {
	id, task := m.pick(rt)
	epoch, current := m.epochOf(rt, task)
	o := store.Outcome{
		Status: rapid.SampledFrom([]store.TaskStatus{store.Completed, store.Failed, store.Pending, store.Waiting}).Draw(rt, "status"),
		Delay:  3 * time.Second,
	}
	o.Refund = o.Status == store.Waiting
	err := m.s.Finish(t.Context(), id, epoch, o)
	if current != (err == nil) || (err != nil && !errors.Is(err, store.ErrLeaseLost)) {
		rt.Fatalf("finish at epoch %d of %+v: %v", epoch, task, err)
	}
	if !current {
		return
	}
	task.status, task.owner, task.due, task.done = o.Status, "", m.now, 0
	switch o.Status {
	case store.Pending:
		task.due += o.Delay
	case store.Waiting:
		task.attempt--
	}
}

func (m *queueModel) cancel(t *testing.T, rt *rapid.T) {
	id, task := m.pick(rt)
	if _, err := m.s.CancelTask(t.Context(), task.app, id, []byte(`{}`)); err != nil {
		rt.Fatal(err)
	}
	switch {
	case task.status.Final():
	case task.running(m.now):
		task.cancel = true
	default:
		task.status, task.owner, task.cancel = store.Failed, "", true
		task.epoch++
	}
}

func (m *queueModel) expire(t *testing.T, rt *rapid.T) {
	owner := modelOwners.Draw(rt, "owner")
	if err := m.s.ExpireOwner(t.Context(), owner); err != nil {
		rt.Fatal(err)
	}
	for _, task := range m.tasks {
		if task.owner == owner {
			task.due = min(task.due, m.now)
		}
	}
}

// check compares all tasks, and the owners, with the model.
func (m *queueModel) check(t *testing.T, rt *rapid.T) {
	owners := map[string]bool{}
	for id, want := range m.tasks {
		got, err := m.s.Task(t.Context(), want.app, id)
		if err != nil {
			rt.Fatal(err)
		}
		is := modelTask{
			app: got.App, status: got.Status, epoch: got.Epoch, attempt: got.Attempt,
			owner: got.Owner, cancel: got.Cancel, due: want.due, done: got.Done,
		}
		if is != *want {
			rt.Fatalf("task %s is %+v, the model says %+v", id, is, *want)
		}
		if want.owner != "" {
			owners[want.owner] = true
		}
		if got.CreatedAt == chat.Time(0) || got.UpdatedAt < got.CreatedAt {
			rt.Fatalf("task %s: created %v, updated %v", id, got.CreatedAt, got.UpdatedAt)
		}
	}
	got, err := m.s.Owners(t.Context())
	if err != nil {
		rt.Fatal(err)
	}
	if want := slices.Sorted(maps.Keys(owners)); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		rt.Fatalf("owners %v, the model says %v", got, want)
	}
}
