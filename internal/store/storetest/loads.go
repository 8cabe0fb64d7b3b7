package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
)

// testLoads: what was loaded in bulk, in several goes, and what was written one
// by one is read by user as if it had always been one.
func testLoads(t *testing.T, f *fixture) {
	const base = chat.Time(1e15)
	var want []place // bob's
	message := func(i int) chat.Message {
		m := newMessage(fmt.Sprintf("m-%d-%d", i*7919%5000, i), []string{"alice", "bob", "bob"}[i%3], base+chat.Time(i*31%1000))
		if m.UserID == "bob" {
			want = append(want, place{m.CreatedAt, m.ID})
		}
		return m
	}
	reaction := func(i int) chat.Reaction {
		at := base + chat.Time(i*17%500)
		return chat.Reaction{MessageID: fmt.Sprintf("m-%d-%d", i*7919%5000, i), UserID: "bob", Type: "like", Score: 1, CreatedAt: at, UpdatedAt: at}
	}
	const loads, each, single = 3, 900, 150
	n := 0
	take := func(count int) (ms []chat.Message, rs []chat.Reaction) {
		for range count {
			ms, rs = append(ms, message(n)), append(rs, reaction(n))
			n++
		}
		return ms, rs
	}
	for range loads {
		ms, rs := take(each)
		err := f.store.Update(store.Load(f.Context()), f.app, func(tx store.Tx) error {
			if _, err := tx.InsertMessages(ms, false); err != nil {
				return err
			}
			_, err := tx.InsertReactions(rs, false)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		ms, rs = take(single)
		f.update(func(tx store.Tx) error {
			for i := range ms {
				if err := tx.PutMessage(&ms[i]); err != nil {
					return err
				}
				if err := tx.PutReaction(&rs[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	slices.SortFunc(want, comparePlaces)
	f.view(func(r store.Reader) error {
		bob, err := r.UserKey("bob")
		if err != nil {
			return err
		}
		if got, err := r.CountUserMessages(bob); err != nil || got != len(want) {
			t.Errorf("%d messages of bob, %v; want %d", got, err, len(want))
		}
		middle := want[len(want)/2]
		for _, q := range []store.MessageRange{
			{},
			{Newest: true},
			{Since: base + 300, Until: base + 700},
			{AfterTime: middle.at, AfterID: middle.id},
			{BeforeTime: middle.at, BeforeID: middle.id, Newest: true},
		} {
			expect := slices.DeleteFunc(slices.Clone(want), func(p place) bool { return !within(q, p) })
			if q.Newest {
				slices.Reverse(expect)
			}
			var got []place
			err := r.UserMessagesIn(bob, q, func(row *store.MessageRow) error {
				got = append(got, place{row.CreatedAt, string(row.ID)})
				_, err := r.Message(string(row.ID)) // a callback may ask for more
				return err
			})
			if err != nil {
				return err
			}
			if !slices.Equal(got, expect) {
				t.Errorf("range %+v: %d messages in another order than the %d there are", q, len(got), len(expect))
			}
		}
		count, last := 0, place{}
		err = r.UserReactions(bob, func(row *store.ReactionRow) error {
			count++
			here := place{row.CreatedAt, row.MessageID}
			if comparePlaces(last, here) >= 0 {
				t.Errorf("reaction %v comes after %v", here, last)
			}
			if len(row.Body) == 0 {
				t.Errorf("reaction %v has no body", here)
			}
			last = here
			return nil
		})
		if count != n {
			t.Errorf("%d reactions of bob, want %d", count, n)
		}
		return err
	})
}

// testMessagesOf reads the messages of more users than are read side by side,
// from several loads that overlap.
func testMessagesOf(t *testing.T, f *fixture) {
	const users, each = 45, 30
	var ids []string
	want := make([][]place, users)
	for i := range users {
		ids = append(ids, fmt.Sprint("writer-", i))
	}
	f.update(func(tx store.Tx) error {
		for _, id := range ids {
			if _, err := tx.PutUser(&chat.User{ID: id, Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
				return err
			}
		}
		return nil
	})
	var ms []chat.Message
	for i := range users * each {
		user := i * 31 % users
		m := newMessage(fmt.Sprintf("of-%d", i), ids[user], chat.Time(1e15+i*7919%1000))
		want[user] = append(want[user], place{m.CreatedAt, m.ID})
		ms = append(ms, m)
	}
	// One half is loaded, the other one sent.
	err := f.store.Update(store.Load(f.Context()), f.app, func(tx store.Tx) error {
		_, err := tx.InsertMessages(ms[:len(ms)/2], false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.update(func(tx store.Tx) error {
		for i := range ms[len(ms)/2:] {
			if err := tx.PutMessage(&ms[len(ms)/2+i]); err != nil {
				return err
			}
		}
		return nil
	})
	snap, err := f.store.Snapshot(t.Context(), f.app)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := snap.Close(); err != nil {
			t.Error(err)
		}
	}()
	var keys []int64
	for _, id := range append(ids, "alice") { // who has none
		key, err := snap.UserKey(id)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	got := make([][]place, len(keys))
	err = snap.MessagesOf(keys, func(i int, row *store.MessageRow) error {
		if row.User != keys[i] || len(row.Body) == 0 {
			t.Errorf("message %s is given as one of user %d", row.ID, i)
		}
		got[i] = append(got[i], place{row.CreatedAt, string(row.ID)})
		_, err := snap.Message(string(row.ID)) // a callback may ask for more
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		slices.SortFunc(want[i], comparePlaces)
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("user %d: %d messages in another order than the %d there are", i, len(got[i]), len(want[i]))
		}
	}
	if len(got[users]) > 0 {
		t.Errorf("%d messages of one who has none", len(got[users]))
	}
	over := errors.New("enough")
	if err := snap.MessagesOf(keys, func(int, *store.MessageRow) error { return over }); !errors.Is(err, over) {
		t.Errorf("a callback's error comes back as %v", err)
	}
	if err := snap.MessagesOf(nil, func(int, *store.MessageRow) error { return over }); err != nil {
		t.Errorf("nobody's messages: %v", err)
	}
}

// testBatches: messages that come with their reactions and replies show the same of
// them as those that come alone.
func testBatches(_ *testing.T, f *fixture) {
	react := func(to, user, typ string, score int, at chat.Time) chat.Reaction {
		return chat.Reaction{MessageID: to, UserID: user, Type: typ, Score: score, CreatedAt: at, UpdatedAt: at}
	}
	gone := reply("early", "alice", 1e15, "p")
	gone.DeletedAt = 5e15
	ms := []chat.Message{
		gone, newMessage("p", "alice", 2e15), reply("r2", "bob", 4e15, "p"), reply("r1", "carol", 3e15, "p"), newMessage("lonely", "bob", 5e15),
		reply("waits", "carol", 6e15, "absent"),
	}
	rs := []chat.Reaction{
		react("p", "carol", "like", 3, 3e15), react("p", "bob", "love", 2, 3e15), react("lonely", "bob", "like", 1, 7e15),
		react("p", "bob", "like", 1, 3e15), react("p", "alice", "like", 1, 4e15),
	}
	shown := func() (all []string) {
		for _, id := range []string{"early", "p", "r1", "r2", "lonely", "waits"} {
			all = append(all, f.message(id))
		}
		return all
	}
	f.update(func(tx store.Tx) error {
		for i := range ms {
			if err := tx.PutMessage(&ms[i]); err != nil {
				return err
			}
		}
		for i := range rs {
			if err := tx.PutReaction(&rs[i]); err != nil {
				return err
			}
		}
		return nil
	})
	want := shown()
	f.contains(want[1], `"reply_count":2,"deleted_reply_count":1`, `"reaction_scores":{"like":5,"love":2}`)
	again := func(what string, insert func(store.Tx) error) {
		f.update(func(tx store.Tx) error {
			for i := range ms {
				if err := tx.DeleteMessage(ms[i].ID); err != nil {
					return err
				}
			}
			return nil
		})
		f.update(insert)
		for i, got := range shown() {
			if got != want[i] {
				f.Errorf("%s: got\n%s\nwant\n%s", what, got, want[i])
			}
		}
	}
	again("all in one", func(tx store.Tx) error {
		messages, reactions, err := tx.InsertBatch(ms, rs, false)
		f.equal([]int{messages, reactions}, []int{len(ms), len(rs)})
		return err
	})
	again("with what is there", func(tx store.Tx) error {
		if _, err := tx.InsertMessages(ms[2:4], false); err != nil {
			return err
		}
		messages, reactions, err := tx.InsertBatch(ms, rs, true)
		f.equal([]int{messages, reactions}, []int{len(ms) - 2, len(rs)})
		return err
	})
	again("with some twice", func(tx store.Tx) error {
		stale := rs[3]
		stale.Score = 8
		_, _, err := tx.InsertBatch(append([]chat.Message{ms[1], ms[2]}, ms...), append([]chat.Reaction{stale}, rs...), false)
		return err
	})
	again("with a reaction to nothing", func(tx store.Tx) error {
		if _, _, err := tx.InsertBatch(ms, append(rs[:2:2], react("nothing", "bob", "like", 1, 1e15)), false); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("a reaction to nothing: %v", err)
		}
		_, err := tx.InsertReactions(rs, true)
		return err
	})
	again("message by message", func(tx store.Tx) error {
		for i := range ms {
			var to []chat.Reaction
			for _, r := range rs {
				if r.MessageID == ms[i].ID {
					to = append(to, r)
				}
			}
			if _, _, err := tx.InsertBatch(ms[i:i+1], to, false); err != nil {
				return err
			}
		}
		return nil
	})
}
