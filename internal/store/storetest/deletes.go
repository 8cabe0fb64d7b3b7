package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
)

func testDeleteMember(t *testing.T, f *fixture) {
	key := f.channel("messaging:general").Key
	f.update(func(tx store.Tx) error {
		for _, user := range []string{"alice", "bob"} {
			if err := tx.PutMember(key, &chat.Member{UserID: user, CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
				return err
			}
			if err := tx.PutRead(key, &chat.Read{UserID: user, LastRead: 1e15}); err != nil {
				return err
			}
		}
		return tx.PutRead(key, &chat.Read{UserID: "carol", LastRead: 1e15})
	})
	f.update(func(tx store.Tx) error { return tx.DeleteMember(key, "bob") })
	f.equal(f.channel("messaging:general").MemberCount, 1)
	f.equal(f.unread(), map[string]int{"alice": 0, "carol": 0})
	f.update(func(tx store.Tx) error {
		for _, user := range []string{"bob", "carol", "nobody"} {
			if err := tx.DeleteMember(key, user); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s is no member: %v", user, err)
			}
		}
		if err := tx.DeleteMember(key+1000, "alice"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("no such channel: %v", err)
		}
		bob, err := tx.UserKey("bob")
		if err != nil {
			return err
		}
		if _, err := tx.Member(key, bob); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the member is still there: %v", err)
		}
		if _, err := tx.Read(key, bob); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the read state is still there: %v", err)
		}
		return nil
	})
	// Whoever failed to go keeps what is theirs.
	f.equal(f.unread(), map[string]int{"alice": 0, "carol": 0})
	f.update(func(tx store.Tx) error { return tx.DeleteMembers(key) })
	f.equal(f.channel("messaging:general").MemberCount, 0)
	f.equal(f.unread(), map[string]int{})
}

// thread puts a message, replies to it, and what else hangs on messages.
func (f *fixture) thread() {
	f.Helper()
	f.update(func(tx store.Tx) error {
		for _, m := range []chat.Message{
			newMessage("p", "alice", 1e15), reply("r1", "bob", 2e15, "p"), reply("r2", "carol", 3e15, "p"), newMessage("q", "bob", 4e15),
		} {
			if m.ID == "q" {
				m.QuotedMessageID = "p"
			}
			if err := tx.PutMessage(&m); err != nil {
				return err
			}
			if err := tx.PutReaction(&chat.Reaction{MessageID: m.ID, UserID: "carol", Type: "like", Score: 1, CreatedAt: 5e15, UpdatedAt: 5e15}); err != nil {
				return err
			}
			if err := tx.PutHistory(&store.HistoryRow{Message: m.ID, UpdatedAt: 6e15, Object: []byte(`{}`)}); err != nil {
				return err
			}
			bob, err := tx.UserKey("bob")
			if err != nil {
				return err
			}
			if err := tx.PutMark(&store.Mark{Kind: store.DeletedForMe, User: bob, Subject: m.ID, At: 6e15}); err != nil {
				return err
			}
		}
		return nil
	})
}

// nothingOf fails if anything is left of a message.
func (f *fixture) nothingOf(id string) {
	f.Helper()
	f.view(func(r store.Reader) error {
		if _, err := r.Message(id); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("message %s is still there: %v", id, err)
		}
		left := func(what string) error {
			f.Errorf("of message %s there is still a %s", id, what)
			return nil
		}
		bob, err := r.UserKey("bob")
		if err != nil {
			return err
		}
		carol, err := r.UserKey("carol")
		if err != nil {
			return err
		}
		if _, err := r.Mark(store.DeletedForMe, bob, id); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("a mark on message %s is still there: %v", id, err)
		}
		return errors.Join(
			r.Reactions(id, func(*store.ReactionRow) error { return left("reaction") }),
			r.UserReactions(carol, func(row *store.ReactionRow) error {
				if row.MessageID == id {
					return left("reaction of a user")
				}
				return nil
			}),
			r.History(store.HistoryQuery{Message: id}, func(*store.HistoryRow) error { return left("history") }),
		)
	})
}

func testDeleteMessage(t *testing.T, f *fixture) {
	f.thread()
	key := f.channel("messaging:general").Key
	f.update(func(tx store.Tx) error {
		return errors.Join(
			tx.PutRead(key, &chat.Read{UserID: "alice", LastRead: 4e15, LastReadMessageID: "q"}),
			tx.PutRead(key, &chat.Read{UserID: "bob", LastRead: 1e15, LastReadMessageID: "p", Unread: -1}),
			tx.PutRead(key, &chat.Read{UserID: "carol", LastRead: 1e15, Unread: -1}),
			tx.CountUnread(key),
		)
	})
	f.equal(f.unread(), map[string]int{"alice": 0, "bob": 1, "carol": 2})

	// The last message: its reader has read the channel up to it all the same.
	f.update(func(tx store.Tx) error { return tx.DeleteMessage("q") })
	f.nothingOf("q")
	row := f.channel("messaging:general")
	f.equal([]int{row.MessageCount, row.TotalMessages}, []int{3, 3})
	f.equal(row.Channel.LastMessageAt, chat.Time(3e15))
	f.equal(f.unread(), map[string]int{"alice": 0, "bob": 1, "carol": 1})
	f.view(func(r store.Reader) error {
		return r.Reads(key, func(r *store.ReadRow) error {
			want := map[string]string{"bob": "p"}[r.UserID]
			if r.LastReadMessageID != want {
				t.Errorf("%s has read %q, want %q", r.UserID, r.LastReadMessageID, want)
			}
			return nil
		})
	})

	// A reply, also in the transaction that put it.
	f.update(func(tx store.Tx) error {
		m := reply("r3", "alice", 5e15, "p")
		return errors.Join(tx.PutMessage(&m), tx.DeleteMessage("r3"), tx.DeleteMessage("r2"))
	})
	f.nothingOf("r2")
	f.contains(f.message("p"), `"thread_participants":[{"id":"bob"`, `"reply_count":1,"deleted_reply_count":0`)
	f.equal(f.channel("messaging:general").Channel.LastMessageAt, chat.Time(2e15))
	f.equal(f.unread(), map[string]int{"alice": 0, "bob": 0, "carol": 1})

	// A parent: replies stay, and are found again when it comes back.
	f.update(func(tx store.Tx) error { return tx.DeleteMessage("p") })
	f.nothingOf("p")
	f.contains(f.message("r1"), `"parent_id":"p"`)
	replies := func() (ids []string) {
		f.view(func(r store.Reader) error {
			return r.Replies("p", store.MessageRange{}, func(m *store.MessageRow) error {
				ids = append(ids, string(m.ID))
				return nil
			})
		})
		return ids
	}
	f.equal(replies(), []string{"r1"})
	f.update(func(tx store.Tx) error {
		_, err := tx.InsertMessages([]chat.Message{newMessage("p", "alice", 1e15)}, false)
		return err
	})
	f.contains(f.message("p"), `"reply_count":1,"deleted_reply_count":0`, `"latest_reactions":[]`)

	// A soft-deleted one, which nobody had unread.
	f.update(func(tx store.Tx) error {
		m := reply("r1", "bob", 2e15, "p")
		m.DeletedAt = 7e15
		return tx.PutMessage(&m)
	})
	f.equal(f.unread(), map[string]int{"alice": 0, "bob": 0, "carol": 0})
	f.update(func(tx store.Tx) error { return tx.DeleteMessage("r1") })
	f.contains(f.message("p"), `"reply_count":0,"deleted_reply_count":0`)
	f.equal(replies(), []string(nil))
	row = f.channel("messaging:general")
	f.equal([]int{row.MessageCount, row.TotalMessages}, []int{1, 1})
	f.update(func(tx store.Tx) error {
		if err := tx.DeleteMessage("r1"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
		return tx.DeleteMessage("p")
	})
	row = f.channel("messaging:general")
	f.equal(row.Channel.LastMessageAt, chat.Time(0))
	f.equal([]int{row.MessageCount, row.TotalMessages}, []int{0, 0})
}

// A message that quotes one which is gone keeps its id and shows nothing of it.
func testDeleteQuoted(t *testing.T, f *fixture) {
	f.thread()
	f.contains(f.message("q"), `"quoted_message_id":"p","quoted_message":{"id":"p"`)
	f.update(func(tx store.Tx) error { return tx.DeleteMessage("p") })
	got := f.message("q")
	f.contains(got, `"quoted_message_id":"p"`)
	if strings.Contains(got, "quoted_message\":") {
		t.Errorf("the quoted message shows in %s", got)
	}
}

func testPurgeMessages(t *testing.T, f *fixture) {
	f.thread()
	key := f.channel("messaging:general").Key
	var big []chat.Message
	for i := range 20 {
		big = append(big, newMessage(fmt.Sprintf("x%02d", i), "alice", chat.Time(7e15+i)))
	}
	f.update(func(tx store.Tx) error {
		if _, err := tx.InsertMessages(big, false); err != nil {
			return err
		}
		return errors.Join(
			tx.PutRead(key, &chat.Read{UserID: "alice", LastRead: 1e15, LastReadMessageID: "p", Unread: -1}),
			tx.PutRead(key, &chat.Read{UserID: "bob", LastRead: 7e15 + 9, LastReadMessageID: "x09", Unread: -1}),
			tx.CountUnread(key),
		)
	})
	f.equal(f.unread(), map[string]int{"alice": 3, "bob": 10})
	purge := func(before chat.Time, limit, want int) {
		t.Helper()
		f.update(func(tx store.Tx) error {
			n, err := tx.PurgeMessages(key, before, limit)
			if n != want {
				t.Errorf("%d went, want %d", n, want)
			}
			return err
		})
	}
	purge(4e15, 0, 0)
	purge(4e15, -1, 0)
	purge(4e15, 2, 2) // p and r1
	f.nothingOf("p")
	f.nothingOf("r1")
	f.contains(f.message("r2"), `"parent_id":"p"`)
	f.equal(f.unread(), map[string]int{"alice": 2, "bob": 10})
	purge(4e15, 100, 1) // an instant is not before itself
	f.nothingOf("r2")
	row := f.channel("messaging:general")
	f.equal([]int{row.MessageCount, row.TotalMessages}, []int{21, 21})
	f.equal(row.Channel.LastMessageAt, chat.Time(7e15+19))
	f.equal(f.unread(), map[string]int{"alice": 1, "bob": 10})
	purge(7e15+15, 1000, 16) // q and x00 to x14
	f.equal(f.unread(), map[string]int{"alice": 0, "bob": 5})
	f.view(func(r store.Reader) error {
		return r.Reads(key, func(r *store.ReadRow) error {
			if r.LastReadMessageID != "" {
				t.Errorf("%s has read %s, which is gone", r.UserID, r.LastReadMessageID)
			}
			return nil
		})
	})
	purge(0, 1000, 5)
	purge(0, 1000, 0)
	row = f.channel("messaging:general")
	f.equal([]int{row.MessageCount, row.TotalMessages}, []int{0, 0})
	f.equal(row.Channel.LastMessageAt, chat.Time(0))
	f.equal(f.unread(), map[string]int{"alice": 0, "bob": 0})
	// What comes next under an old id has nothing of the old one.
	f.update(func(tx store.Tx) error {
		_, err := tx.InsertMessages([]chat.Message{newMessage("p", "bob", 9e15)}, false)
		return err
	})
	f.contains(f.message("p"), `"latest_reactions":[]`, `"reply_count":0`)
	err := f.store.Update(f.Context(), f.app, func(tx store.Tx) error {
		_, err := tx.PurgeMessages(key+1000, 0, 1)
		return err
	})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such channel: %v", err)
	}
}

func testDeleteChannel(t *testing.T, f *fixture) {
	f.thread()
	other := f.channel("messaging:general").Key
	f.update(func(tx store.Tx) error {
		key, err := tx.PutChannel(newChannel("gone"))
		if err != nil {
			return err
		}
		alice, err := tx.UserKey("alice")
		if err != nil {
			return err
		}
		m := newMessage("m", "alice", 1e15)
		m.CID = "messaging:gone"
		answer := reply("answer", "bob", 2e15, "m")
		answer.CID = "messaging:gone"
		err = errors.Join(
			tx.PutMessage(&m), tx.PutMessage(&answer), tx.PutMember(key, &chat.Member{UserID: "alice", CreatedAt: 1e15, UpdatedAt: 1e15}),
			tx.PutRead(key, &chat.Read{UserID: "alice", LastRead: 1e15}),
			tx.PutPending(&store.PendingRow{ID: "wait", Channel: key, User: alice, CreatedAt: 1e15, Message: []byte(`{}`)}),
			tx.PutPending(&store.PendingRow{ID: "stay", Channel: other, User: alice, CreatedAt: 1e15, Message: []byte(`{}`)}),
		)
		for _, kind := range []store.MarkKind{store.Hidden, store.Cleared, store.Muted} {
			err = errors.Join(err,
				tx.PutMark(&store.Mark{Kind: kind, User: alice, Subject: "messaging:gone", At: 1e15}),
				tx.PutMark(&store.Mark{Kind: kind, User: alice, Subject: "messaging:general", At: 1e15}))
		}
		return err
	})
	gone := f.channel("messaging:gone").Key
	f.update(func(tx store.Tx) error {
		if err := tx.DeleteChannel(gone); err != nil {
			return err
		}
		if _, err := tx.Channel("messaging:gone"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the channel is still there: %v", err)
		}
		if err := tx.DeleteChannel(gone); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
		return nil
	})
	f.nothingOf("m")
	f.nothingOf("answer")
	f.view(func(r store.Reader) error {
		alice, err := r.UserKey("alice")
		if err != nil {
			return err
		}
		left := func(what string) func() error {
			return func() error {
				t.Errorf("there is still a %s", what)
				return nil
			}
		}
		if _, err := r.Pending("wait"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a pending message is still there: %v", err)
		}
		if _, err := r.Pending("stay"); err != nil {
			return err
		}
		var marks []string
		for _, kind := range []store.MarkKind{store.Hidden, store.Cleared, store.Muted} {
			err = errors.Join(err, r.Marks(kind, alice, func(m *store.Mark) error {
				marks = append(marks, m.Subject)
				return nil
			}))
		}
		f.equal(marks, slices.Repeat([]string{"messaging:general"}, 3))
		return errors.Join(
			err,
			r.ChannelsOf(alice, func(*store.ChannelRow) error { return left("membership")() }),
			r.Members(gone, func(*store.MemberRow) error { return left("member")() }),
			r.Reads(gone, func(*store.ReadRow) error { return left("read state")() }),
			r.Messages(store.MessageRange{Channel: gone}, func(*store.MessageRow) error { return left("message")() }),
		)
	})
	f.equal(len(f.messages("messaging:general")), 4)
	// The next channel of that cid is another one.
	f.update(func(tx store.Tx) error {
		key, err := tx.PutChannel(newChannel("gone"))
		m := newMessage("m", "bob", 3e15)
		m.CID = "messaging:gone"
		return errors.Join(err, tx.PutRead(key, &chat.Read{UserID: "alice", LastRead: 1e15}), tx.PutMessage(&m))
	})
	row := f.channel("messaging:gone")
	f.equal([]int{row.MemberCount, row.MessageCount, row.TotalMessages}, []int{0, 1, 1})
	f.contains(f.message("m"), `"reply_count":0`)
}

// A channel with more messages than one step removes.
func testDeleteLargeChannel(_ *testing.T, f *fixture) {
	f.update(func(tx store.Tx) error {
		ms := make([]chat.Message, 5000)
		for i := range ms {
			ms[i] = newMessage(fmt.Sprintf("m%d", i), "alice", chat.Time(1e15+i))
			if i%10 == 9 {
				ms[i].ParentID, ms[i].Type = fmt.Sprintf("m%d", i-9), chat.Reply
			}
		}
		_, err := tx.InsertMessages(ms, false)
		return err
	})
	key := f.channel("messaging:general").Key
	f.update(func(tx store.Tx) error { return tx.DeleteChannel(key) })
	f.view(func(r store.Reader) error {
		alice, err := r.UserKey("alice")
		if err != nil {
			return err
		}
		n, err := r.CountUserMessages(alice)
		f.equal(n, 0)
		return err
	})
}
