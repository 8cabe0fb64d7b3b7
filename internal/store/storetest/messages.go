package storetest

import (
	"errors"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
)

func testMessagesOrder(_ *testing.T, f *fixture) {
	f.update(func(tx store.Tx) error {
		_, err := tx.InsertMessages([]chat.Message{
			newMessage("z", "bob", 1e15), newMessage("b", "bob", 2e15), newMessage("a", "alice", 2e15), newMessage("y", "carol", 3e15),
		}, false)
		return err
	})
	key := f.channel("messaging:general").Key
	ids := func(r store.MessageRange) (out []string) {
		r.Channel = key
		f.view(func(rd store.Reader) error {
			return rd.Messages(r, func(m *store.MessageRow) error {
				out = append(out, string(m.ID))
				return nil
			})
		})
		return out
	}
	f.equal(ids(store.MessageRange{}), []string{"z", "a", "b", "y"})
	f.equal(ids(store.MessageRange{Since: 2e15, Until: 3e15}), []string{"a", "b"})
	f.equal(ids(store.MessageRange{Until: 2e15}), []string{"z"})
	f.equal(ids(store.MessageRange{AfterTime: 2e15, AfterID: "a"}), []string{"b", "y"})
	f.equal(ids(store.MessageRange{Since: 3e15, AfterTime: 2e15, AfterID: "a"}), []string{"y"})
	f.view(func(r store.Reader) error {
		bob, err := r.UserKey("bob")
		if err != nil {
			return err
		}
		var got []string
		err = r.UserMessages(bob, func(m *store.MessageRow) error {
			got = append(got, string(m.ID))
			return nil
		})
		f.equal(got, []string{"z", "b"})
		n, cerr := r.CountUserMessages(bob)
		f.equal(n, 2)
		return errors.Join(err, cerr)
	})
}

func testMessagesReplace(_ *testing.T, f *fixture) {
	f.update(func(tx store.Tx) error {
		if _, err := tx.PutChannel(newChannel("other")); err != nil {
			return err
		}
		if _, err := tx.InsertMessages([]chat.Message{newMessage("a", "bob", 1e15), newMessage("b", "bob", 2e15)}, false); err != nil {
			return err
		}
		return tx.PutReaction(&chat.Reaction{MessageID: "a", UserID: "carol", Type: "like", Score: 1, CreatedAt: 1e15, UpdatedAt: 1e15})
	})
	// Another time, author and channel: the row moves, its reactions stay.
	m := newMessage("a", "alice", 3e15)
	m.CID, m.Pinned, m.PinnedAt, m.PinnedBy = "messaging:other", true, 3e15, "carol"
	f.update(func(tx store.Tx) error { return tx.PutMessage(&m) })
	f.equal(len(f.messages("messaging:general")), 1)
	f.contains(f.message("a"), `"cid":"messaging:other"`, `"reaction_counts":{"like":1}`, `"pinned":true`, `"pinned_by":{"id":"carol"`)
	a, b := f.channel("messaging:general"), f.channel("messaging:other")
	f.equal([]int{a.MessageCount, a.TotalMessages, b.MessageCount, b.TotalMessages}, []int{1, 1, 1, 1})
	m.DeletedAt = 4e15
	f.update(func(tx store.Tx) error { return tx.PutMessage(&m) })
	b = f.channel("messaging:other")
	f.equal([]int{b.MessageCount, b.TotalMessages}, []int{0, 1})
	f.contains(f.message("a"), `"type":"deleted"`, `"text":"text of a"`)
}

func testMessagesKeep(t *testing.T, f *fixture) {
	first := newMessage("a", "bob", 1e15)
	second := first
	second.Text = "changed"
	f.update(func(tx store.Tx) error {
		n, err := tx.InsertMessages([]chat.Message{first, second}, true)
		if n != 1 {
			t.Errorf("inserted %d, want 1", n)
		}
		return err
	})
	f.contains(f.message("a"), `"text":"text of a"`)
	f.equal(f.channel("messaging:general").TotalMessages, 1)
}
