package storetest

import (
	"errors"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
)

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
	c.Team = "r\x00ot \u00e4\U0001f534"
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
