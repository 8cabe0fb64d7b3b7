package storetest

import (
	"errors"
	"fmt"
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
