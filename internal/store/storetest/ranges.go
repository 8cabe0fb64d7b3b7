package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"

	"pgregory.net/rapid"
)

// errStop ends a reading early.
var errStop = errors.New("stop")

// place is where a message stands.
type place struct {
	at chat.Time
	id string
}

func comparePlaces(a, b place) int {
	if a.at != b.at {
		return int(a.at - b.at)
	}
	return strings.Compare(a.id, b.id)
}

// within reports whether a range holds what stands at p.
func within(q store.MessageRange, p place) bool {
	switch {
	case p.at < q.Since, q.Until != 0 && p.at >= q.Until:
	case q.AfterID != "" && comparePlaces(p, place{q.AfterTime, q.AfterID}) <= 0:
	case q.BeforeID != "" && comparePlaces(p, place{q.BeforeTime, q.BeforeID}) >= 0:
	default:
		return true
	}
	return false
}

// testRanges compares every way to read a stretch of messages, in a channel, in
// a thread and of a user, with a sorted list.
func testRanges(t *testing.T, f *fixture) {
	const base = chat.Time(1e15)
	var places []place
	f.update(func(tx store.Tx) error {
		parent := newMessage("parent", "alice", 5e14)
		parent.CID = "messaging:general"
		ms := []chat.Message{parent}
		for at := range chat.Time(6) {
			for i := range int(at%3) + 1 {
				p := place{base + at, fmt.Sprintf("m%d-%d", i, at)}
				places = append(places, p)
				ms = append(ms, reply(p.id, "bob", p.at, "parent"))
			}
		}
		slices.Reverse(ms)
		_, err := tx.InsertMessages(ms, false)
		return err
	})
	channel := f.channel("messaging:general").Key
	rapid.Check(t, func(r *rapid.T) {
		at := func(name string) chat.Time { return base + chat.Time(rapid.IntRange(-1, 7).Draw(r, name)) }
		q := store.MessageRange{Newest: rapid.Bool().Draw(r, "newest")}
		if rapid.Bool().Draw(r, "since?") {
			q.Since = at("since")
		}
		if rapid.Bool().Draw(r, "until?") {
			q.Until = at("until")
		}
		cursor := rapid.SampledFrom(append(slices.Clone(places), place{base + 2, "a"}, place{base + 2, "z"}, place{base + 9, "m"}))
		if rapid.Bool().Draw(r, "after?") {
			p := cursor.Draw(r, "after")
			q.AfterTime, q.AfterID = p.at, p.id
		}
		if rapid.Bool().Draw(r, "before?") {
			p := cursor.Draw(r, "before")
			q.BeforeTime, q.BeforeID = p.at, p.id
		}
		var want []string
		for _, p := range slices.SortedFunc(slices.Values(places), comparePlaces) {
			if within(q, p) {
				want = append(want, p.id)
			}
		}
		if q.Newest {
			slices.Reverse(want)
		}
		f.view(func(rd store.Reader) error {
			bob, err := rd.UserKey("bob")
			if err != nil {
				return err
			}
			inChannel := q
			inChannel.Channel = channel
			for name, read := range map[string]func(fn func(*store.MessageRow) error) error{
				"Messages":       func(fn func(*store.MessageRow) error) error { return rd.Messages(inChannel, fn) },
				"Replies":        func(fn func(*store.MessageRow) error) error { return rd.Replies("parent", q, fn) },
				"UserMessagesIn": func(fn func(*store.MessageRow) error) error { return rd.UserMessagesIn(bob, q, fn) },
			} {
				var got []string
				err := read(func(m *store.MessageRow) error {
					if string(m.ID) != "parent" {
						got = append(got, string(m.ID))
					}
					return nil
				})
				if err != nil {
					return err
				}
				if !slices.Equal(got, want) {
					r.Fatalf("%s of %+v: %v, want %v", name, q, got, want)
				}
			}
			return nil
		})
	})
	f.view(func(r store.Reader) error {
		n := 0
		err := r.Replies("parent", store.MessageRange{}, func(*store.MessageRow) error {
			if n++; n == 2 {
				return errStop
			}
			return nil
		})
		if !errors.Is(err, errStop) || n != 2 {
			t.Errorf("read %d, error %v", n, err)
		}
		return r.Replies("none", store.MessageRange{}, func(*store.MessageRow) error { return errStop })
	})
}

// testFlags checks what a row says of a message beside its body.
func testFlags(t *testing.T, f *fixture) {
	silent := newMessage("silent", "alice", 1e15)
	silent.Silent = true
	shown := reply("shown", "bob", 2e15, "silent")
	shown.ShowInChannel = true
	system := newMessage("system", "alice", 3e15)
	system.Type = chat.System
	gone := reply("gone", "bob", 4e15, "silent")
	gone.DeletedAt = 5e15
	f.update(func(tx store.Tx) error {
		_, err := tx.InsertMessages([]chat.Message{silent, shown, system, gone, reply("kept", "bob", 5e15, "silent")}, false)
		return err
	})
	for id, want := range map[string]store.MessageRow{
		"silent": {Type: chat.Regular, Silent: true}, "shown": {Type: chat.Reply}, "system": {Type: chat.System},
		"gone": {Type: chat.Reply, InThread: true, DeletedAt: 5e15}, "kept": {Type: chat.Reply, InThread: true},
	} {
		f.view(func(r store.Reader) error {
			row, err := r.Message(id)
			if row.Type != want.Type || row.Silent != want.Silent || row.InThread != want.InThread || row.DeletedAt != want.DeletedAt {
				t.Errorf("%s: type %s, silent %v, in thread %v, deleted %v", id, row.Type, row.Silent, row.InThread, row.DeletedAt)
			}
			return err
		})
	}
}

func testPinned(_ *testing.T, f *fixture) {
	pinned := func() (ids []string) {
		key := f.channel("messaging:general").Key
		f.view(func(r store.Reader) error {
			return r.Pinned(key, func(m *store.MessageRow) error {
				ids = append(ids, string(m.ID))
				return nil
			})
		})
		return ids
	}
	put := func(id string, at chat.Time, pin bool) {
		m := newMessage(id, "alice", at)
		if pin {
			m.Pinned, m.PinnedAt, m.PinnedBy = true, at, "bob"
		}
		f.update(func(tx store.Tx) error { return tx.PutMessage(&m) })
	}
	f.equal(pinned(), []string(nil))
	put("a", 1e15, true)
	put("b", 2e15, false)
	put("c", 3e15, true)
	put("d", 3e15, true)
	f.equal(pinned(), []string{"d", "c", "a"})
	put("d", 3e15, false)
	put("b", 2e15, true)
	f.equal(pinned(), []string{"c", "b", "a"})
	f.update(func(tx store.Tx) error { return tx.DeleteMessage("c") })
	f.equal(pinned(), []string{"b", "a"})
}

func testChannelsOf(t *testing.T, f *fixture) {
	f.update(func(tx store.Tx) error {
		for _, id := range []string{"z", "a", "m", "none"} {
			c := newChannel(id)
			if id == "m" {
				c.DeletedAt = 2e15
			}
			key, err := tx.PutChannel(c)
			if err != nil {
				return err
			}
			if id == "none" {
				continue
			}
			if err := tx.PutMember(key, &chat.Member{UserID: "bob", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
				return err
			}
		}
		return nil
	})
	of := func(user string) (cids []string) {
		f.view(func(r store.Reader) error {
			key, err := r.UserKey(user)
			if err != nil {
				return err
			}
			return r.ChannelsOf(key, func(row *store.ChannelRow) error {
				cids = append(cids, row.Channel.CID())
				if row.MemberCount != 1 {
					t.Errorf("%s has %d members", row.Channel.CID(), row.MemberCount)
				}
				return nil
			})
		})
		return cids
	}
	f.equal(of("bob"), []string{"messaging:a", "messaging:m", "messaging:z"})
	f.equal(of("alice"), []string(nil))
}
