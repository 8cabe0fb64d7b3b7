package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// RunChat checks what a store promises about chat data: store.Reader, store.Tx
// and store.Snapshot.
func RunChat(t *testing.T, open Open) {
	tests := map[string]func(t *testing.T, f *fixture){
		"Users":              testUsers,
		"Channels":           testChannels,
		"ChannelsTruncated":  testTruncation,
		"Members":            testMembers,
		"Reads":              testReads,
		"CountUnread":        testCountUnread,
		"MessagesOrder":      testMessagesOrder,
		"MessagesReplace":    testMessagesReplace,
		"MessagesKeep":       testMessagesKeep,
		"Threads":            testThreads,
		"ThreadsOutOfOrder":  testThreadsOutOfOrder,
		"Reactions":          testReactions,
		"Calls":              testCalls,
		"UnknownUsers":       testUnknownUsers,
		"Tenancy":            testTenancy,
		"Rollback":           testRollback,
		"SnapshotHolds":      testSnapshotHolds,
		"SnapshotInterrupt":  testSnapshotInterrupt,
		"ConcurrentUpdates":  testConcurrentUpdates,
		"ViewCanceled":       testViewCanceled,
		"CountsMatchTheRows": testCounts,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newFixture(t, open(t).Store))
		})
	}
}

// fixture is a store with an app and some users.
type fixture struct {
	*testing.T
	store store.Store
	app   int64
}

func newFixture(t *testing.T, s store.Store) *fixture {
	t.Helper()
	app := store.App{Name: "test", Key: "key1", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, store: s, app: app.ID}
	f.update(func(tx store.Tx) error {
		for _, id := range []string{"alice", "bob", "carol"} {
			if _, err := tx.PutUser(&chat.User{ID: id, Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
				return err
			}
		}
		_, err := tx.PutChannel(newChannel("general"))
		return err
	})
	return f
}

func newChannel(id string) *chat.Channel {
	return &chat.Channel{Type: "messaging", ID: id, CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15}
}

func newMessage(id, user string, at chat.Time) chat.Message {
	return chat.Message{ID: id, CID: "messaging:general", UserID: user, Type: chat.Regular, Text: "text of " + id, CreatedAt: at, UpdatedAt: at}
}

func (f *fixture) update(fn func(store.Tx) error) {
	f.Helper()
	if err := f.store.Update(f.Context(), f.app, fn); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) view(fn func(store.Reader) error) {
	f.Helper()
	if err := f.store.View(f.Context(), f.app, fn); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) channel(cid string) (row store.ChannelRow) {
	f.Helper()
	f.view(func(r store.Reader) (err error) {
		row, err = r.Channel(cid)
		return err
	})
	return row
}

// messages renders all messages of a channel.
func (f *fixture) messages(cid string) (out []string) {
	f.Helper()
	f.view(func(r store.Reader) error {
		row, err := r.Channel(cid)
		if err != nil {
			return err
		}
		rr := render.New(r)
		return r.Messages(store.MessageRange{Channel: row.Key}, func(m *store.MessageRow) error {
			b, err := rr.Message(nil, m)
			out = append(out, string(b))
			return err
		})
	})
	return out
}

func (f *fixture) message(id string) string {
	f.Helper()
	var out []byte
	f.view(func(r store.Reader) error {
		row, err := r.Message(id)
		if err != nil {
			return err
		}
		out, err = render.New(r).Message(nil, &row)
		return err
	})
	return string(out)
}

func (f *fixture) contains(got string, want ...string) {
	f.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			f.Errorf("missing %s in\n%s", w, got)
		}
	}
}

func (f *fixture) equal(got, want any) {
	f.Helper()
	if d := cmp.Diff(want, got); d != "" {
		f.Errorf("got + want -\n%s", d)
	}
}

func testUsers(t *testing.T, f *fixture) {
	u := chat.User{
		ID: "dora", Role: "admin", Name: "Dora \u2028 <d>", Teams: []string{"red"}, CreatedAt: 1e15, UpdatedAt: 2e15,
		Custom: chat.Custom{{Name: "big", Value: chat.Raw("12345678901234567890")}, {Name: "price", Value: chat.Raw("2.50")}},
	}
	var first, second int64
	f.update(func(tx store.Tx) (err error) {
		first, err = tx.PutUser(&u)
		return err
	})
	u.Name = "Dora"
	f.update(func(tx store.Tx) (err error) {
		second, err = tx.PutUser(&u)
		return err
	})
	if first != second {
		t.Errorf("the key of a user changed from %d to %d", first, second)
	}
	f.view(func(r store.Reader) error {
		key, err := r.UserKey("dora")
		if err != nil {
			return err
		}
		id, object, err := r.UserByKey(key)
		f.equal(id, "dora")
		f.equal(string(object), string(wire.AppendUser(nil, &u)))
		if _, err := r.UserKey("nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown user: %v", err)
		}
		var ids []string
		if err := r.Users(func(_ int64, id string, _ []byte) error {
			ids = append(ids, id)
			return nil
		}); err != nil {
			return err
		}
		f.equal(ids, []string{"alice", "bob", "carol", "dora"})
		return err
	})
}

func testChannels(t *testing.T, f *fixture) {
	c := &chat.Channel{
		Type: "team", ID: "red", CreatedBy: "bob", CreatedAt: 1e15, UpdatedAt: 2e15, DeletedAt: 3e15, Frozen: true,
		Disabled: true, Team: "red", Cooldown: 7, LastMessageAt: 4e15,
		Custom: chat.Custom{{Name: "a", Value: chat.Raw(`{"z":1,"a":[2.50]}`)}, {Name: "<b>", Value: chat.Raw(`"\u003c"`)}},
	}
	f.update(func(tx store.Tx) error {
		_, err := tx.PutChannel(c)
		return err
	})
	f.equal(f.channel("team:red").Channel, *c)
	f.view(func(r store.Reader) error {
		var cids []string
		err := r.Channels("", func(row *store.ChannelRow) error {
			cids = append(cids, row.Channel.CID())
			return nil
		})
		f.equal(cids, []string{"messaging:general", "team:red"})
		if err != nil {
			return err
		}
		cids = nil
		err = r.Channels("messaging:general", func(row *store.ChannelRow) error {
			cids = append(cids, row.Channel.CID())
			return nil
		})
		f.equal(cids, []string{"team:red"})
		if _, err := r.Channel("team:blue"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown channel: %v", err)
		}
		return err
	})
}

func testTruncation(_ *testing.T, f *fixture) {
	f.update(func(tx store.Tx) error {
		deleted := newMessage("d", "bob", 4e15)
		deleted.DeletedAt = 5e15
		_, err := tx.InsertMessages([]chat.Message{newMessage("a", "bob", 1e15), newMessage("b", "bob", 2e15), newMessage("c", "bob", 3e15), deleted}, false)
		return err
	})
	row := f.channel("messaging:general")
	f.equal([]int{row.MessageCount, row.TotalMessages}, []int{3, 4})
	f.equal(row.Channel.LastMessageAt, chat.Time(4e15))
	c := newChannel("general")
	c.TruncatedAt, c.TruncatedBy = 2e15, "carol"
	f.update(func(tx store.Tx) error {
		_, err := tx.PutChannel(c)
		return err
	})
	row = f.channel("messaging:general")
	f.equal([]int{row.MessageCount, row.TotalMessages}, []int{2, 4})
	f.equal(row.Channel.TruncatedBy, "carol")
	// A message from before the truncation counts in neither way.
	f.update(func(tx store.Tx) error {
		_, err := tx.InsertMessages([]chat.Message{newMessage("e", "bob", 1e15+1)}, false)
		return err
	})
	row = f.channel("messaging:general")
	f.equal([]int{row.MessageCount, row.TotalMessages}, []int{2, 5})
	c.TruncatedAt = 6e15
	f.update(func(tx store.Tx) error {
		_, err := tx.PutChannel(c)
		return err
	})
	row = f.channel("messaging:general")
	f.equal([]int{row.MessageCount, row.TotalMessages}, []int{0, 5})
	f.equal(row.Channel.LastMessageAt, chat.Time(0))
}

func testMembers(_ *testing.T, f *fixture) {
	key := f.channel("messaging:general").Key
	f.update(func(tx store.Tx) error {
		for _, m := range []chat.Member{
			{UserID: "carol", ChannelRole: "channel_member", CreatedAt: 2e15, UpdatedAt: 2e15},
			{UserID: "bob", ChannelRole: "channel_moderator", CreatedAt: 1e15, UpdatedAt: 1e15, Banned: true},
			{UserID: "alice", ChannelRole: "channel_member", CreatedAt: 1e15, UpdatedAt: 1e15},
			{UserID: "carol", ChannelRole: "channel_member", CreatedAt: 3e15, UpdatedAt: 3e15},
		} {
			if err := tx.PutMember(key, &m); err != nil {
				return err
			}
		}
		return nil
	})
	row := f.channel("messaging:general")
	f.equal(row.MemberCount, 3)
	var got []string
	f.view(func(r store.Reader) error {
		rr := render.New(r)
		err := r.Members(key, func(m *store.MemberRow) error {
			b, err := rr.Member(nil, m, row.CreatedBy)
			got = append(got, string(b))
			return err
		})
		if err != nil {
			return err
		}
		user, err := r.UserKey("bob")
		if err != nil {
			return err
		}
		m, err := r.Member(key, user)
		if err != nil {
			return err
		}
		b, err := rr.Member(nil, &m, row.CreatedBy)
		f.equal(string(b), got[1])
		return err
	})
	f.equal(len(got), 3)
	f.contains(got[0], `"user_id":"alice"`, `"role":"owner"`)
	f.contains(got[1], `"user_id":"bob"`, `"role":"member"`, `"channel_role":"channel_moderator"`, `"banned":true`)
	f.contains(got[2], `"user_id":"carol"`, `2065-01-24T05:20:00Z`)
}

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

func reply(id, user string, at chat.Time, parent string) chat.Message {
	m := newMessage(id, user, at)
	m.ParentID, m.Type = parent, chat.Reply
	return m
}

func testThreads(_ *testing.T, f *fixture) {
	deleted := reply("r3", "alice", 4e15, "p")
	deleted.DeletedAt = 5e15
	f.update(func(tx store.Tx) error {
		_, err := tx.InsertMessages([]chat.Message{
			newMessage("p", "alice", 1e15), reply("r1", "carol", 2e15, "p"), reply("r2", "bob", 3e15, "p"), deleted, reply("r4", "carol", 5e15, "p"),
		}, false)
		return err
	})
	got := f.message("p")
	f.contains(got, `"reply_count":3,"deleted_reply_count":1`, `"thread_participants":[{"id":"carol"`)
	if strings.Index(got, `"id":"carol"`) > strings.Index(got, `"id":"bob"`) {
		f.Errorf("thread participants are out of order: %s", got)
	}
	f.contains(f.message("r1"), `"parent_id":"p"`, `"type":"reply"`, `"reply_count":0`)
	moved := reply("r4", "carol", 5e15, "r-none")
	moved.ParentID = ""
	f.update(func(tx store.Tx) error { return tx.PutMessage(&moved) })
	f.contains(f.message("p"), `"reply_count":2,"deleted_reply_count":1`)
}

func testThreadsOutOfOrder(_ *testing.T, f *fixture) {
	f.update(func(tx store.Tx) error {
		_, err := tx.InsertMessages([]chat.Message{reply("r1", "carol", 2e15, "p")}, false)
		return err
	})
	f.update(func(tx store.Tx) error {
		_, err := tx.InsertMessages([]chat.Message{newMessage("p", "alice", 3e15)}, false)
		return err
	})
	f.contains(f.message("p"), `"reply_count":1,"deleted_reply_count":0`)
}

func testReactions(t *testing.T, f *fixture) {
	react := func(user, typ string, score int, at chat.Time) chat.Reaction {
		return chat.Reaction{MessageID: "a", UserID: user, Type: typ, Score: score, CreatedAt: at, UpdatedAt: at}
	}
	f.update(func(tx store.Tx) error {
		if _, err := tx.InsertMessages([]chat.Message{newMessage("a", "alice", 1e15)}, false); err != nil {
			return err
		}
		_, err := tx.InsertReactions([]chat.Reaction{
			react("bob", "love", 1, 2e15), react("carol", "like", 3, 3e15), react("bob", "like", 2, 3e15), react("bob", "like", 9, 9e15),
		}, true)
		return err
	})
	got := f.message("a")
	f.contains(got, `"reaction_counts":{"like":2,"love":1}`, `"reaction_scores":{"like":5,"love":1}`, `"own_reactions":[]`,
		`"like":{"count":2,"sum_scores":5,"first_reaction_at":"2065-01-24T05:20:00Z","last_reaction_at":"2065-01-24T05:20:00Z"}`)
	var order []string
	f.view(func(r store.Reader) error {
		return r.Reactions("a", func(row *store.ReactionRow) error {
			b, err := render.New(r).Reaction(nil, row)
			if !strings.Contains(got, string(b)) {
				t.Errorf("%s is not among the message's reactions", b)
			}
			id, _, uerr := r.UserByKey(row.User)
			order = append(order, id+" "+row.Type)
			return errors.Join(err, uerr)
		})
	})
	f.equal(order, []string{"bob like", "carol like", "bob love"})
	f.update(func(tx store.Tx) error {
		if err := tx.DeleteReaction("a", "bob", "like"); err != nil {
			return err
		}
		if err := tx.DeleteReaction("a", "bob", "wow"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleting an unknown reaction: %v", err)
		}
		return nil
	})
	f.contains(f.message("a"), `"reaction_counts":{"like":1,"love":1}`)
	f.view(func(r store.Reader) error {
		bob, err := r.UserKey("bob")
		if err != nil {
			return err
		}
		n := 0
		err = r.UserReactions(bob, func(row *store.ReactionRow) error {
			n++
			f.equal(row.Type, "love")
			return nil
		})
		f.equal(n, 1)
		return err
	})
	err := f.store.Update(f.Context(), f.app, func(tx store.Tx) error {
		r := react("bob", "like", 1, 1e15)
		r.MessageID = "none"
		return tx.PutReaction(&r)
	})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a reaction to an unknown message: %v", err)
	}
}

func testCalls(_ *testing.T, f *fixture) {
	c := chat.Call{
		Type: "default", ID: "c1", CreatedBy: "alice", CreatedAt: 2e15, UpdatedAt: 2e15,
		Members: []chat.CallMember{{UserID: "bob", Role: "host", CreatedAt: 2e15}},
		Session: chat.Raw(`{"participants":[{"user_id":"carol"},{"user_id":"stranger"}]}`),
	}
	early := chat.Call{Type: "default", ID: "c0", CreatedBy: "carol", CreatedAt: 1e15, UpdatedAt: 1e15}
	f.update(func(tx store.Tx) error { return errors.Join(tx.PutCall(&c), tx.PutCall(&early), tx.PutCall(&c)) })
	calls := func(user string) (out []string) {
		f.view(func(r store.Reader) error {
			key, err := r.UserKey(user)
			if err != nil {
				return err
			}
			return r.UserCalls(key, func(row *store.CallRow) error {
				b, err := render.New(r).Call(nil, row)
				f.contains(string(b), `"cid":"`+row.CID+`"`)
				out = append(out, row.CID)
				return err
			})
		})
		return out
	}
	f.equal(calls("alice"), []string{"default:c1"})
	f.equal(calls("bob"), []string{"default:c1"})
	f.equal(calls("carol"), []string{"default:c0", "default:c1"})
	c.Members = nil
	f.update(func(tx store.Tx) error { return tx.PutCall(&c) })
	f.equal(len(calls("bob")), 0)
}

func testUnknownUsers(t *testing.T, f *fixture) {
	m := newMessage("a", "nobody", 1e15)
	mentions := newMessage("a", "bob", 1e15)
	mentions.MentionedUsers = []string{"alice", "nobody"}
	c := newChannel("x")
	c.CreatedBy = "nobody"
	for name, fn := range map[string]func(store.Tx) error{
		"author":  func(tx store.Tx) error { return tx.PutMessage(&m) },
		"mention": func(tx store.Tx) error { return tx.PutMessage(&mentions) },
		"creator": func(tx store.Tx) error { _, err := tx.PutChannel(c); return err },
		"call":    func(tx store.Tx) error { return tx.PutCall(&chat.Call{Type: "a", ID: "b", CreatedBy: "nobody"}) },
	} {
		err := f.store.Update(f.Context(), f.app, fn)
		var unknown *store.UnknownUserError
		if !errors.As(err, &unknown) || unknown.ID != "nobody" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testTenancy(t *testing.T, f *fixture) {
	other := store.App{Name: "other", Key: "key2", Secret: "s"}
	if err := f.store.CreateApp(f.Context(), &other); err != nil {
		t.Fatal(err)
	}
	m := newMessage("a", "alice", 1e15)
	f.update(func(tx store.Tx) error { return tx.PutMessage(&m) })
	var alice int64
	f.view(func(r store.Reader) (err error) {
		alice, err = r.UserKey("alice")
		return err
	})
	err := f.store.View(f.Context(), other.ID, func(r store.Reader) error {
		_, userErr := r.UserKey("alice")
		_, _, keyErr := r.UserByKey(alice)
		_, channelErr := r.Channel("messaging:general")
		_, messageErr := r.Message("a")
		for i, err := range []error{userErr, keyErr, channelErr, messageErr} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("lookup %d: another app's row is visible: %v", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// The same ids in another app are other things.
	err = f.store.Update(f.Context(), other.ID, func(tx store.Tx) error {
		key, err := tx.PutUser(&chat.User{ID: "alice", Role: "user", Name: "Another", CreatedAt: 1e15, UpdatedAt: 1e15})
		if key == alice {
			t.Error("two apps share a user")
		}
		if err != nil {
			return err
		}
		if _, err := tx.PutChannel(newChannel("general")); err != nil {
			return err
		}
		other := newMessage("a", "alice", 5e15)
		return tx.PutMessage(&other)
	})
	if err != nil {
		t.Fatal(err)
	}
	f.contains(f.message("a"), `"created_at":"2001-09-09T01:46:40Z"`)
}

func testRollback(t *testing.T, f *fixture) {
	boom := errors.New("boom")
	err := f.store.Update(f.Context(), f.app, func(tx store.Tx) error {
		m := newMessage("a", "alice", 1e15)
		if err := tx.PutMessage(&m); err != nil {
			return err
		}
		if _, err := tx.Message("a"); err != nil {
			t.Errorf("a transaction does not see its own write: %v", err)
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	f.equal(len(f.messages("messaging:general")), 0)
	f.equal(f.channel("messaging:general").TotalMessages, 0)
	err = f.store.Update(f.Context(), f.app, func(store.Tx) error { panic("on purpose") })
	if err == nil {
		t.Error("a panic was lost")
	}
	f.update(func(store.Tx) error { return nil })
}

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

func testConcurrentUpdates(t *testing.T, f *fixture) {
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 25 {
				m := newMessage(fmt.Sprintf("w%d-%d", w, i), "bob", chat.Time(1e15+i))
				err := f.store.Update(f.Context(), f.app, func(tx store.Tx) error {
					if i%5 == 4 { // one in five fails, and takes nobody with it
						return errors.Join(tx.PutMessage(&m), context.Canceled)
					}
					return tx.PutMessage(&m)
				})
				if (err != nil) != (i%5 == 4) {
					t.Errorf("update %d of %d: %v", i, w, err)
				}
			}
		})
	}
	wg.Wait()
	f.equal(len(f.messages("messaging:general")), 160)
	f.equal(f.channel("messaging:general").MessageCount, 160)
}

func testViewCanceled(t *testing.T, f *fixture) {
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	if err := f.store.View(ctx, f.app, func(store.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("View with a canceled context: %v", err)
	}
	if err := f.store.Update(ctx, f.app, func(store.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Update with a canceled context: %v", err)
	}
}

// testCounts plays random writes and compares every derived number with what
// the rows say.
func testCounts(t *testing.T, f *fixture) {
	rapid.Check(t, func(r *rapid.T) {
		id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
		at := rapid.Int64Range(1, 6)
		ops := rapid.IntRange(1, 12).Draw(r, "ops")
		f.update(func(tx store.Tx) error {
			for range ops {
				switch rapid.IntRange(0, 3).Draw(r, "op") {
				case 0, 1:
					m := newMessage(id.Draw(r, "id"), "bob", chat.Time(at.Draw(r, "at"))*1e15)
					if p := id.Draw(r, "parent"); rapid.Bool().Draw(r, "reply") && p != m.ID {
						m.ParentID, m.Type = p, chat.Reply
					}
					if rapid.Bool().Draw(r, "deleted") {
						m.DeletedAt = 9e15
					}
					if _, err := tx.InsertMessages([]chat.Message{m}, false); err != nil {
						return err
					}
				case 2:
					c := newChannel("general")
					c.TruncatedAt = chat.Time(rapid.Int64Range(0, 6).Draw(r, "truncated")) * 1e15
					if _, err := tx.PutChannel(c); err != nil {
						return err
					}
				case 3:
					re := chat.Reaction{MessageID: id.Draw(r, "to"), UserID: "carol", Type: "like", CreatedAt: 1e15, UpdatedAt: 1e15}
					if err := tx.PutReaction(&re); err != nil && !errors.Is(err, store.ErrNotFound) {
						return err
					}
				}
			}
			return nil
		})
		f.checkDerived(r)
	})
}

func (f *fixture) checkDerived(r *rapid.T) {
	row := f.channel("messaging:general")
	live, total := 0, 0
	type thread struct{ replies, deleted int }
	threads := map[string]*thread{}
	var ids []string
	f.view(func(rd store.Reader) error {
		rr := render.New(rd)
		return rd.Messages(store.MessageRange{Channel: row.Key}, func(m *store.MessageRow) error {
			b, err := rr.Message(nil, m)
			if err != nil {
				return err
			}
			msg, err := wire.DecodeMessage(b, nil)
			if err != nil {
				return err
			}
			total++
			ids = append(ids, msg.ID)
			if msg.DeletedAt == 0 && msg.CreatedAt >= row.Channel.TruncatedAt {
				live++
			}
			if msg.ParentID != "" {
				if threads[msg.ParentID] == nil {
					threads[msg.ParentID] = &thread{}
				}
				if msg.DeletedAt != 0 {
					threads[msg.ParentID].deleted++
				} else {
					threads[msg.ParentID].replies++
				}
			}
			return nil
		})
	})
	if live != row.MessageCount || total != row.TotalMessages {
		r.Fatalf("the channel counts %d live of %d, its rows are %d of %d", row.MessageCount, row.TotalMessages, live, total)
	}
	slices.Sort(ids)
	for _, id := range ids {
		want := `"reply_count":0,"deleted_reply_count":0`
		if th := threads[id]; th != nil {
			want = fmt.Sprintf(`"reply_count":%d,"deleted_reply_count":%d`, th.replies, th.deleted)
		}
		if got := f.message(id); !strings.Contains(got, want) {
			r.Fatalf("want %s in %s", want, got)
		}
	}
}
