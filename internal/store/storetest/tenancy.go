package storetest

import (
	"errors"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
)

// testTenancy looks for everything of one app from another, by ids and by the
// keys of rows, and changes it.
func testTenancy(t *testing.T, f *fixture) {
	fill(t, f.store, f.app)
	other := newApp(t, f.store, "key2")
	var alice, channel int64
	f.view(func(r store.Reader) error {
		row, err := r.Channel("messaging:general")
		channel = row.Key
		var err2 error
		alice, err2 = r.UserKey("alice")
		return errors.Join(err, err2)
	})
	missing := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: another app's row is within reach: %v", what, err)
		}
	}
	err := f.store.View(f.Context(), other.ID, func(r store.Reader) error {
		_, err := r.UserKey("alice")
		missing("UserKey", err)
		_, _, err = r.UserByKey(alice)
		missing("UserByKey", err)
		_, err = r.Channel("messaging:general")
		missing("Channel", err)
		_, err = r.Member(channel, alice)
		missing("Member", err)
		_, err = r.Read(channel, alice)
		missing("Read", err)
		_, err = r.Message("m")
		missing("Message", err)
		_, err = r.Call("default:c")
		missing("Call", err)
		_, err = r.Pending("wait")
		missing("Pending", err)
		_, err = r.Mark(store.Hidden, alice, "messaging:general")
		missing("Mark", err)
		_, err = r.Setting("a")
		missing("Setting", err)
		n, err := r.CountUserMessages(alice)
		f.equal(n, 0)
		if threads, err := r.Threads(); err != nil || threads {
			t.Errorf("Threads: another app has them (%v)", err)
		}
		seen := func(what string) { t.Errorf("%s: another app's row is listed", what) }
		return errors.Join(
			err,
			r.Users(func(int64, string, []byte) error { seen("Users"); return nil }),
			r.Channels("", func(*store.ChannelRow) error { seen("Channels"); return nil }),
			r.ChannelsOf(alice, func(*store.ChannelRow) error { seen("ChannelsOf"); return nil }),
			r.Members(channel, func(*store.MemberRow) error { seen("Members"); return nil }),
			r.Reads(channel, func(*store.ReadRow) error { seen("Reads"); return nil }),
			r.Messages(store.MessageRange{Channel: channel}, func(*store.MessageRow) error { seen("Messages"); return nil }),
			r.Replies("m", store.MessageRange{}, func(*store.MessageRow) error { seen("Replies"); return nil }),
			r.Answered([]string{"m"}, func(string) { seen("Answered") }),
			r.Pinned(channel, func(*store.MessageRow) error { seen("Pinned"); return nil }),
			r.UserMessages(alice, func(*store.MessageRow) error { seen("UserMessages"); return nil }),
			r.UserMessagesIn(alice, store.MessageRange{}, func(*store.MessageRow) error { seen("UserMessagesIn"); return nil }),
			r.Reactions("m", func(*store.ReactionRow) error { seen("Reactions"); return nil }),
			r.ReactionsBy([]store.ReactionKey{{MessageID: "m", User: alice, Type: "like"}}, func(int, *store.ReactionRow) error { seen("ReactionsBy"); return nil }),
			r.UserReactions(alice, func(*store.ReactionRow) error { seen("UserReactions"); return nil }),
			r.UserCalls(alice, func(*store.CallRow) error { seen("UserCalls"); return nil }),
			r.Calls(func(*store.CallRow) error { seen("Calls"); return nil }),
			r.History(store.HistoryQuery{Message: "m"}, func(*store.HistoryRow) error { seen("History"); return nil }),
			r.History(store.HistoryQuery{User: alice}, func(*store.HistoryRow) error { seen("History"); return nil }),
			r.Marks(store.Hidden, alice, func(*store.Mark) error { seen("Marks"); return nil }),
			r.Settings("", func(string, []byte) error { seen("Settings"); return nil }),
		)
	})
	if err != nil {
		t.Fatal(err)
	}

	// What another app does to the same ids and keys it does to nothing of ours.
	before := f.everything()
	err = f.store.Update(f.Context(), other.ID, func(tx store.Tx) error {
		missing("DeleteMessage", tx.DeleteMessage("m"))
		missing("DeleteChannel", tx.DeleteChannel(channel))
		missing("DeleteMember", tx.DeleteMember(channel, "alice"))
		missing("DeleteMembers", tx.DeleteMembers(channel))
		missing("DeleteReaction", tx.DeleteReaction("m", "alice", "like"))
		missing("DeleteCall", tx.DeleteCall("default:c"))
		missing("DeletePending", tx.DeletePending("wait"))
		missing("RenameUser", tx.RenameUser("alice", "zoe"))
		_, err := tx.PurgeMessages(channel, 0, 10)
		missing("PurgeMessages", err)
		missing("RecountUnread", tx.RecountUnread(channel))
		missing("PutMember", tx.PutMember(channel, &chat.Member{UserID: "alice"}))
		return errors.Join(
			tx.DeletePendingOf(alice), tx.DeletePendingIn(channel, 1<<62), tx.DeleteHistory("m"), tx.DeleteReactions("m"), tx.DeleteMark(store.Hidden, alice, "messaging:general"),
			tx.DeleteMarksOn(store.Hidden, "messaging:general"), tx.PutSetting("a", nil), tx.CountUnread(channel),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	f.equal(f.everything(), before)
	err = f.store.Update(f.Context(), other.ID, func(tx store.Tx) error {
		key, err := tx.PutUser(&chat.User{ID: "alice", Role: "user", Name: "Another", CreatedAt: 1e15, UpdatedAt: 1e15})
		if key == alice {
			t.Error("two apps share a user")
		}
		if err != nil {
			return err
		}
		missing("PutRead", tx.PutRead(channel, &chat.Read{UserID: "alice", LastRead: 9e15}))
		missing("PutMember", tx.PutMember(channel, &chat.Member{UserID: "alice"}))
		missing("DeleteMember", tx.DeleteMember(channel, "alice"))
		if _, err := tx.PutChannel(newChannel("general")); err != nil {
			return err
		}
		m := newMessage("m", "alice", 5e15)
		return errors.Join(tx.PutMessage(&m), tx.DeleteMessage("m"), tx.RenameUser("alice", "zoe"))
	})
	if err != nil {
		t.Fatal(err)
	}
	f.equal(f.everything(), before)
}

// everything is what there is of the things that fill puts into an app.
func (f *fixture) everything() (all []string) {
	f.Helper()
	f.view(func(r store.Reader) error {
		row, err := r.Channel("messaging:general")
		if err != nil {
			return err
		}
		alice, err := r.UserKey("alice")
		if err != nil {
			return err
		}
		add := func(what string, raw []byte) error {
			all = append(all, what+" "+string(raw))
			return nil
		}
		all = append(all, row.Channel.CID()+" "+row.Channel.UpdatedAt.String())
		pending, err := r.Pending("wait")
		all = append(all, pending.ID)
		_, markErr := r.Mark(store.Hidden, alice, "messaging:general")
		return errors.Join(
			err, markErr,
			r.Users(func(_ int64, id string, object []byte) error { return add(id, object) }),
			r.Members(row.Key, func(m *store.MemberRow) error { return add("member", m.Body) }),
			r.Reads(row.Key, func(r *store.ReadRow) error { return add("read", []byte(r.LastRead.String())) }),
			r.Messages(store.MessageRange{Channel: row.Key}, func(m *store.MessageRow) error { return add(string(m.Body), m.Reactions) }),
			r.Calls(func(c *store.CallRow) error { return add(c.CID, c.Body) }),
			r.History(store.HistoryQuery{Message: "m"}, func(h *store.HistoryRow) error { return add(h.Message, h.Object) }),
			r.Settings("", func(name string, value []byte) error { return add(name, value) }),
		)
	})
	return all
}
