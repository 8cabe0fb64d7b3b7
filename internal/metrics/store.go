package metrics

import (
	"context"
	"errors"
	"sync"
	"time"

	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"
)

// storeCall is a call of a store that is watched.
type storeCall string

const (
	view      storeCall = "view"
	update    storeCall = "update"
	snapshot  storeCall = "snapshot"
	enqueue   storeCall = "enqueue"
	claim     storeCall = "claim"
	heartbeat storeCall = "heartbeat"
	finish    storeCall = "finish"
	apps      storeCall = "apps"  // whose key it is
	tasks     storeCall = "tasks" // what people poll
)

// Store watches the calls of s. What s can do beyond the interface is found
// with store.As.
func (m *Metrics) Store(s store.Store) store.Store {
	if m == nil {
		return s
	}
	w := &watchedStore{Store: s, m: m, calls: operations(m.storeTime, m.storeErrors, view, update, snapshot, enqueue, claim, heartbeat, finish, apps, tasks)}
	if sharer, ok := s.(store.Sharer); ok {
		return &watchedSharer{watchedStore: w, Spans: sharer, sharer: sharer}
	}
	return w
}

type watchedStore struct {
	store.Store
	m     *Metrics
	calls map[storeCall]operation
}

// Unwrap is for store.As.
func (s *watchedStore) Unwrap() store.Store { return s.Store }

func (s *watchedStore) ended(call storeCall, start time.Time, err error) {
	s.calls[call].ended(start, faulty(err))
}

// faulty reports whether an error is a fault, and not an answer: what is not
// there, what must not be, what nobody waits for any more.
func faulty(err error) bool {
	if err == nil {
		return false
	}
	for _, answer := range []error{
		store.ErrNotFound, store.ErrExists, store.ErrLeaseLost, store.ErrKeyReused, context.Canceled,
		task.ErrCanceled, task.ErrShutdown, task.ErrUnreachable,
	} {
		if errors.Is(err, answer) {
			return false
		}
	}
	var refusal *wire.Error
	var field *wire.FieldError
	var failure *task.Failure
	return !errors.As(err, &refusal) && !errors.As(err, &field) && !errors.As(err, &failure)
}

func (s *watchedStore) AppByKey(ctx context.Context, key string) (store.App, error) {
	start := time.Now()
	app, err := s.Store.AppByKey(ctx, key)
	s.ended(apps, start, err)
	return app, err
}

func (s *watchedStore) Task(ctx context.Context, app int64, id string) (*store.Task, error) {
	start := time.Now()
	t, err := s.Store.Task(ctx, app, id)
	s.ended(tasks, start, err)
	return t, err
}

func (s *watchedStore) ListTasks(ctx context.Context, q store.TaskQuery) ([]store.Task, error) {
	start := time.Now()
	list, err := s.Store.ListTasks(ctx, q)
	s.ended(tasks, start, err)
	return list, err
}

func (s *watchedStore) View(ctx context.Context, app int64, fn func(store.Reader) error) error {
	start := time.Now()
	err := s.Store.View(ctx, app, fn)
	s.ended(view, start, err)
	return err
}

func (s *watchedStore) Update(ctx context.Context, app int64, fn func(store.Tx) error) error {
	start := time.Now()
	err := s.Store.Update(ctx, app, fn)
	s.ended(update, start, err)
	return err
}

func (s *watchedStore) Snapshot(ctx context.Context, app int64) (store.Snapshot, error) {
	start := time.Now()
	snap, err := s.Store.Snapshot(ctx, app)
	s.ended(snapshot, start, err)
	if err != nil {
		return nil, err
	}
	return &watchedSnapshot{snap, s, s.opened()}, nil
}

// opened counts a snapshot that is open, until closed is called.
func (s *watchedStore) opened() (closed func()) {
	s.m.snapshots.Inc()
	return sync.OnceFunc(s.m.snapshots.Dec)
}

type watchedSnapshot struct {
	store.Snapshot
	store  *watchedStore
	closed func()
}

func (s *watchedSnapshot) Twin(ctx context.Context) (store.Snapshot, error) {
	return s.store.twin(ctx, s.Snapshot)
}

func (s *watchedStore) twin(ctx context.Context, of store.Snapshot) (store.Snapshot, error) {
	start := time.Now()
	snap, err := of.Twin(ctx)
	s.ended(snapshot, start, err)
	if snap == nil || err != nil {
		return nil, err
	}
	return &watchedSnapshot{snap, s, s.opened()}, nil
}

func (s *watchedSnapshot) Close() error {
	s.closed()
	return s.Snapshot.Close()
}

// watchedSharer is a store whose snapshots can be shared.
type watchedSharer struct {
	*watchedStore
	store.Spans
	sharer store.Sharer
}

func (s *watchedSharer) Shares() bool { return s.sharer.Shares() }

func (s *watchedSharer) ShareSnapshot(ctx context.Context, app int64) (store.SharedSnapshot, error) {
	start := time.Now()
	snap, err := s.sharer.ShareSnapshot(ctx, app)
	s.ended(snapshot, start, err)
	if err != nil {
		return nil, err
	}
	return &watchedShared{snap, s.watchedStore, s.opened()}, nil
}

func (s *watchedSharer) JoinSnapshot(ctx context.Context, app int64, id string) (store.Snapshot, error) {
	start := time.Now()
	snap, err := s.sharer.JoinSnapshot(ctx, app, id)
	s.ended(snapshot, start, err)
	if err != nil {
		return nil, err
	}
	return &watchedSnapshot{snap, s.watchedStore, s.opened()}, nil
}

type watchedShared struct {
	store.SharedSnapshot
	store  *watchedStore
	closed func()
}

func (s *watchedShared) Twin(ctx context.Context) (store.Snapshot, error) {
	return s.store.twin(ctx, s.SharedSnapshot)
}

func (s *watchedShared) Close() error {
	s.closed()
	return s.SharedSnapshot.Close()
}

func (s *watchedStore) Enqueue(ctx context.Context, t *store.Task, idem *store.Idempotency) (*store.Task, error) {
	start := time.Now()
	stored, err := s.Store.Enqueue(ctx, t, idem)
	s.ended(enqueue, start, err)
	return stored, err
}

func (s *watchedStore) Claim(ctx context.Context, owner string, lease time.Duration, only string) (*store.Task, error) {
	start := time.Now()
	t, err := s.Store.Claim(ctx, owner, lease, only)
	s.ended(claim, start, err)
	return t, err
}

func (s *watchedStore) Heartbeat(ctx context.Context, id string, epoch int64, lease time.Duration, p store.Progress) (cancel bool, err error) {
	start := time.Now()
	cancel, err = s.Store.Heartbeat(ctx, id, epoch, lease, p)
	s.ended(heartbeat, start, err)
	return cancel, err
}

func (s *watchedStore) Finish(ctx context.Context, id string, epoch int64, o store.Outcome) error {
	start := time.Now()
	err := s.Store.Finish(ctx, id, epoch, o)
	s.ended(finish, start, err)
	return err
}
