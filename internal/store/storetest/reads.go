package storetest

import (
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
)

func (f *fixture) unread() (out map[string]int) {
	f.Helper()
	out = map[string]int{}
	f.view(func(r store.Reader) error {
		row, err := r.Channel("messaging:general")
		if err != nil {
			return err
		}
		return r.Reads(row.Key, func(r *store.ReadRow) error {
			out[r.UserID] = r.Unread
			return nil
		})
	})
	return out
}

func testReads(_ *testing.T, f *fixture) {
	key := f.channel("messaging:general").Key
	f.update(func(tx store.Tx) error {
		if err := tx.PutRead(key, &chat.Read{UserID: "bob", LastRead: 1e15, Unread: 2, LastReadMessageID: "x"}); err != nil {
			return err
		}
		_, err := tx.InsertMessages([]chat.Message{newMessage("a", "alice", 1e15)}, false)
		return err
	})
	f.equal(f.unread(), map[string]int{"bob": 2}) // a bulk load makes nothing unread
	m := newMessage("b", "alice", 2e15)
	f.update(func(tx store.Tx) error { return tx.PutMessage(&m) })
	f.update(func(tx store.Tx) error { return tx.PutMessage(&m) }) // the same again
	f.equal(f.unread(), map[string]int{"bob": 3})
	f.update(func(tx store.Tx) error {
		return tx.PutRead(key, &chat.Read{UserID: "bob", LastRead: 2e15})
	})
	f.equal(f.unread(), map[string]int{"bob": 0})
}

func testCountUnread(_ *testing.T, f *fixture) {
	key := f.channel("messaging:general").Key
	f.update(func(tx store.Tx) error {
		for user, at := range map[string]chat.Time{"alice": 1e15, "bob": 2e15, "carol": 9e15} {
			if err := tx.PutRead(key, &chat.Read{UserID: user, LastRead: at, Unread: -1}); err != nil {
				return err
			}
		}
		deleted := newMessage("d", "carol", 4e15)
		deleted.DeletedAt = 5e15
		_, err := tx.InsertMessages([]chat.Message{
			newMessage("a", "carol", 1e15), newMessage("b", "carol", 2e15), newMessage("c", "alice", 3e15), deleted, newMessage("e", "bob", 5e15),
		}, false)
		if err != nil {
			return err
		}
		return tx.CountUnread(key)
	})
	// alice: b and e (c is her own); bob: c (e is his own).
	f.equal(f.unread(), map[string]int{"alice": 2, "bob": 1, "carol": 0})
}
