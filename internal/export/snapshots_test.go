package export_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"hansard/internal/store"
)

// countingStore counts the snapshots that are open.
type countingStore struct {
	store.Store
	open, most, ever atomic.Int64
}

func (s *countingStore) Snapshot(ctx context.Context, app int64) (store.Snapshot, error) {
	snap, err := s.Store.Snapshot(ctx, app)
	if err == nil {
		s.ever.Add(1)
		s.most.Store(max(s.most.Load(), s.open.Add(1)))
		snap = &countedSnapshot{snap, s}
	}
	return snap, err
}

type countedSnapshot struct {
	store.Snapshot
	store *countingStore
}

func (s *countedSnapshot) Close() error {
	s.store.open.Add(-1)
	return s.Snapshot.Close()
}

// A job has one snapshot open at a time, also while it holds one for a channel
// that comes again: they may be few.
func TestOneSnapshotAtATime(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var entries []string
	for i := range 4 {
		f.channel(fmt.Sprint("c", i), 10)
		entries = append(entries, fmt.Sprintf(`{"cid":"messaging:c%d","messages_until":"2001-09-09T01:46:44Z"}`, i))
	}
	for i := range 3 {
		entries = append(entries, fmt.Sprintf(`{"cid":"messaging:c%d","messages_since":"2001-09-09T01:46:44Z"}`, i))
	}
	for _, extra := range []string{"", `,"export_users":true`} {
		s := &countingStore{Store: f.store}
		f.service.Store = s
		f.service.SpoolAbove = 1
		r, _ := f.run(f.task(`{"channels":[` + strings.Join(entries, ",") + `],"version":"v2"` + extra + `}`))
		if r.Counts.Messages != 34 {
			t.Errorf("%d messages", r.Counts.Messages)
		}
		if s.most.Load() != 1 || s.open.Load() != 0 || s.ever.Load() != 1 {
			t.Errorf("%d snapshots at a time, %d in all, %d are left open", s.most.Load(), s.ever.Load(), s.open.Load())
		}
	}
}
