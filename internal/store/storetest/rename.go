package storetest

import (
	"errors"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

func testUserMessagesIn(_ *testing.T, f *fixture) {
	f.update(func(tx store.Tx) error {
		if _, err := tx.PutChannel(newChannel("other")); err != nil {
			return err
		}
		for id, at := range map[string]chat.Time{"a": 1e15, "b": 2e15, "c": 2e15, "d": 3e15, "e": 4e15} {
			m := newMessage(id, "alice", at)
			if id == "c" {
				m.CID = "messaging:other"
			}
			if err := tx.PutMessage(&m); err != nil {
				return err
			}
		}
		m := newMessage("x", "bob", 2e15)
		return tx.PutMessage(&m)
	})
	list := func(q store.MessageRange) (ids []string) {
		f.view(func(r store.Reader) error {
			key, err := r.UserKey("alice")
			if err != nil {
				return err
			}
			return r.UserMessagesIn(key, q, func(m *store.MessageRow) error {
				ids = append(ids, string(m.ID))
				return nil
			})
		})
		return ids
	}
	f.equal(list(store.MessageRange{}), []string{"a", "b", "c", "d", "e"})
	f.equal(list(store.MessageRange{AfterTime: 2e15, AfterID: "b"}), []string{"c", "d", "e"})
	f.equal(list(store.MessageRange{Since: 2e15, Until: 4e15, Newest: true}), []string{"d", "c", "b"})
	f.equal(list(store.MessageRange{AfterTime: 4e15, AfterID: "e"}), []string(nil))
}

// testRenameUser gives a user another id: whatever refers to the user has it,
// and reactions of one instant stand in the order of the new ids.
func testRenameUser(t *testing.T, f *fixture) {
	f.update(func(tx store.Tx) error {
		for _, id := range []string{"a", "b"} {
			m := newMessage(id, "alice", 1e15)
			m.MentionedUsers, m.RestrictedVisibility = []string{"bob"}, []string{"bob"}
			m.Pinned, m.PinnedBy, m.PinnedAt = true, "bob", 2e15
			if err := tx.PutMessage(&m); err != nil {
				return err
			}
		}
		for _, r := range []chat.Reaction{
			{MessageID: "a", UserID: "bob", Type: "like", Score: 1, CreatedAt: 3e15, UpdatedAt: 3e15},
			{MessageID: "a", UserID: "carol", Type: "like", Score: 1, CreatedAt: 3e15, UpdatedAt: 3e15},
			{MessageID: "b", UserID: "bob", Type: "like", Score: 1, CreatedAt: 3e15, UpdatedAt: 3e15},
			{MessageID: "b", UserID: "bob", Type: "wow", Score: 1, CreatedAt: 3e15, UpdatedAt: 3e15},
		} {
			if err := tx.PutReaction(&r); err != nil {
				return err
			}
		}
		c := newChannel("of-bob")
		c.CreatedBy, c.TruncatedBy = "bob", "bob"
		key, err := tx.PutChannel(c)
		if err != nil {
			return err
		}
		if err := tx.PutMember(key, &chat.Member{UserID: "bob", ChannelRole: "channel_member", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
			return err
		}
		alice, err := tx.UserKey("alice")
		if err != nil {
			return err
		}
		return tx.PutMark(&store.Mark{Kind: store.Blocked, User: alice, Subject: "bob", At: 5})
	})
	before := strings.Index(f.message("a"), `"user_id":"bob"`) < strings.Index(f.message("a"), `"user_id":"carol"`)
	f.equal(before, true)
	f.update(func(tx store.Tx) error {
		if err := tx.RenameUser("nobody", "x"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("nobody was renamed: %v", err)
		}
		if err := tx.RenameUser("bob", "carol"); !errors.Is(err, store.ErrExists) {
			t.Errorf("two users with one id: %v", err)
		}
		return tx.RenameUser("bob", "zoe")
	})
	for _, id := range []string{"a", "b"} {
		got := f.message(id)
		if strings.Contains(got, `"bob"`) {
			t.Errorf("the old id is still in %s", got)
		}
		f.contains(got, `"pinned_by":{"id":"zoe"`, `"mentioned_users":[{"id":"zoe"`, `"restricted_visibility":["zoe"]`, `"user_id":"zoe"`)
	}
	after := strings.Index(f.message("a"), `"user_id":"zoe"`) > strings.Index(f.message("a"), `"user_id":"carol"`)
	f.equal(after, true)
	row := f.channel("messaging:of-bob")
	f.equal([]string{row.Channel.CreatedBy, row.Channel.TruncatedBy}, []string{"zoe", "zoe"})
	f.view(func(r store.Reader) error {
		if _, err := r.UserKey("bob"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the old id is still somebody's: %v", err)
		}
		key, err := r.UserKey("zoe")
		if err != nil {
			return err
		}
		if _, err := r.Member(row.Key, key); err != nil {
			return err
		}
		alice, err := r.UserKey("alice")
		if err != nil {
			return err
		}
		_, err = r.Mark(store.Blocked, alice, "zoe")
		return err
	})
}

func testDeleteNotes(t *testing.T, f *fixture) {
	f.update(func(tx store.Tx) error {
		for _, id := range []string{"a", "b"} {
			m := newMessage(id, "alice", 1e15)
			if err := tx.PutMessage(&m); err != nil {
				return err
			}
			for at := chat.Time(2e15); at < 5e15; at += 1e15 {
				if err := tx.PutHistory(&store.HistoryRow{Message: id, UpdatedAt: at, Object: []byte(`{}`)}); err != nil {
					return err
				}
			}
		}
		for _, r := range []chat.Reaction{
			{MessageID: "a", UserID: "bob", Type: "like", Score: 1, CreatedAt: 3e15, UpdatedAt: 3e15},
			{MessageID: "a", UserID: "bob", Type: "wow", Score: 1, CreatedAt: 3e15, UpdatedAt: 3e15},
			{MessageID: "b", UserID: "bob", Type: "wow", Score: 1, CreatedAt: 3e15, UpdatedAt: 3e15},
		} {
			if err := tx.PutReaction(&r); err != nil {
				return err
			}
		}
		return nil
	})
	f.update(func(tx store.Tx) error {
		return errors.Join(tx.DeleteHistory("a"), tx.DeleteReactions("a"), tx.DeleteReactions("none"))
	})
	count := func(id string) (n int) {
		f.view(func(r store.Reader) error {
			return r.History(store.HistoryQuery{Message: id}, func(*store.HistoryRow) error {
				n++
				return nil
			})
		})
		return n
	}
	f.equal([]int{count("a"), count("b")}, []int{0, 3})
	f.contains(f.message("a"), wire.NoReactions)
	f.contains(f.message("b"), `"reaction_counts":{"wow":1}`)
	f.view(func(r store.Reader) error {
		return r.Reactions("a", func(*store.ReactionRow) error {
			t.Error("a reaction is left")
			return nil
		})
	})
}
