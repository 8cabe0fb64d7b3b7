package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
)

func testSnapshotHolds(t *testing.T, f *fixture) {
	m := newMessage("a", "alice", 1e15)
	f.update(func(tx store.Tx) error { return tx.PutMessage(&m) })
	snap, err := f.store.Snapshot(f.Context(), f.app)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	if !snap.AsOf().Valid() {
		t.Errorf("as of %v", snap.AsOf())
	}
	m.Text = "changed"
	n := newMessage("b", "alice", 2e15)
	f.update(func(tx store.Tx) error { return errors.Join(tx.PutMessage(&m), tx.PutMessage(&n)) })
	if _, err := snap.Message("b"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a later message is in the snapshot: %v", err)
	}
	row, err := snap.Message("a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := render.New(snap).Message(nil, &row)
	if err != nil {
		t.Fatal(err)
	}
	f.contains(string(b), `"text":"text of a"`)
	c, err := snap.Channel("messaging:general")
	if err != nil {
		t.Fatal(err)
	}
	f.equal(c.TotalMessages, 1)
}

func testSnapshotInterrupt(t *testing.T, f *fixture) {
	f.update(func(tx store.Tx) error {
		for i := range 2000 {
			m := newMessage(fmt.Sprintf("m%d", i), "alice", chat.Time(1e15+i))
			if err := tx.PutMessage(&m); err != nil {
				return err
			}
		}
		return nil
	})
	snap, err := f.store.Snapshot(f.Context(), f.app)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	row, err := snap.Channel("messaging:general")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = snap.Messages(store.MessageRange{Channel: row.Key}, func(*store.MessageRow) error {
		if n++; n == 10 {
			snap.Interrupt()
		}
		return nil
	})
	if err == nil || n == 2000 {
		t.Errorf("read %d messages after an interrupt, error %v", n, err)
	}
}

// twins reports whether snapshots of a store have twins at all.
func twins(s store.Store) bool {
	sharer, ok := s.(store.Sharer)
	return !ok || sharer.Shares()
}

// testTwins: readers of one instant see the same, whoever writes meanwhile.
func testTwins(t *testing.T, f *fixture) {
	put := func(id string) {
		f.update(func(tx store.Tx) error {
			m := newMessage(id, "alice", 2e15)
			return tx.PutMessage(&m)
		})
	}
	put("before")
	sees := func(snap store.Snapshot, id string) bool {
		t.Helper()
		_, err := snap.Message(id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	snaps, err := store.Snapshots(t.Context(), f.store, f.app, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, snap := range snaps {
			if err := snap.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	if len(snaps) != 2 && twins(f.store) {
		t.Fatalf("%d snapshots", len(snaps))
	}
	put("after")
	late, err := snaps[0].Twin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if late != nil { // not every engine has one then
		snaps = append(snaps, late)
	}
	for i, snap := range snaps {
		if !sees(snap, "before") || sees(snap, "after") || snap.AsOf() != snaps[0].AsOf() {
			t.Errorf("snapshot %d is of another instant", i)
		}
	}
}

// testTwinsUnderWrites: two readers that were opened while others write see the
// same number of messages.
func testTwinsUnderWrites(t *testing.T, f *fixture) {
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			err := f.store.Update(t.Context(), f.app, func(tx store.Tx) error {
				m := newMessage(fmt.Sprint("m", i), "alice", chat.Time(2e15+i))
				return tx.PutMessage(&m)
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	paired := 0
	for range 30 {
		snaps, err := store.Snapshots(t.Context(), f.store, f.app, 2)
		if err != nil {
			t.Fatal(err)
		}
		var counts []int
		for _, snap := range snaps {
			key, err := snap.UserKey("alice")
			if err != nil {
				t.Fatal(err)
			}
			n, err := snap.CountUserMessages(key)
			if err != nil {
				t.Fatal(err)
			}
			counts = append(counts, n)
		}
		if len(counts) > 1 {
			paired++
			if counts[0] != counts[1] {
				t.Errorf("twins see %d and %d messages", counts[0], counts[1])
			}
		}
		for _, snap := range snaps {
			if err := snap.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	close(stop)
	writing.Wait()
	if paired == 0 && twins(f.store) {
		t.Error("there were no twins at all")
	}
}
