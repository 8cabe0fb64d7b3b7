package storetest

import (
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
