package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"

	"pgregory.net/rapid"
)

// unreadModel counts unread messages by looking at all of them.
type unreadModel struct {
	messages  []chat.Message
	reads     map[string]chat.Time
	truncated chat.Time
}

func (m *unreadModel) unread() map[string]int {
	n := map[string]int{}
	for user, at := range m.reads {
		n[user] = 0
		for i := range m.messages {
			msg := &m.messages[i]
			if msg.CreatedAt > at && msg.CreatedAt >= m.truncated && msg.UserID != user && msg.DeletedAt == 0 && !msg.Silent {
				n[user]++
			}
		}
	}
	return n
}

// testUnread plays what happens in a channel, in the order of its clock, and
// compares the unread counts with those of a model after every step.
func testUnread(t *testing.T, f *fixture) {
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		cid := fmt.Sprintf("unread%d", round)
		ch := newChannel(cid)
		cid = ch.CID()
		var key int64
		f.update(func(tx store.Tx) (err error) {
			key, err = tx.PutChannel(ch)
			return err
		})
		model := unreadModel{reads: map[string]chat.Time{}}
		now := chat.Time(2e15)
		users := rapid.SampledFrom([]string{"alice", "bob", "carol"})
		pick := func() *chat.Message {
			return &model.messages[rapid.IntRange(0, len(model.messages)-1).Draw(r, "message")]
		}
		send := func() func(store.Tx) error {
			m := newMessage(fmt.Sprintf("u%d-%d", round, now), users.Draw(r, "author"), now)
			m.CID, m.Silent = cid, rapid.IntRange(0, 4).Draw(r, "silent") == 0
			model.messages = append(model.messages, m)
			return func(tx store.Tx) error { return tx.PutMessage(&m) }
		}
		// step changes the model, and gives what does the same to the store.
		step := func() func(store.Tx) error {
			now += 10
			op := rapid.IntRange(0, 9).Draw(r, "op")
			if op <= 2 || len(model.messages) == 0 && op > 4 {
				return send()
			}
			switch op {
			case 3, 4:
				read := chat.Read{UserID: users.Draw(r, "reader"), LastRead: now - chat.Time(rapid.IntRange(0, 40).Draw(r, "ago")), Unread: -1}
				model.reads[read.UserID] = read.LastRead
				return func(tx store.Tx) error { return errors.Join(tx.PutRead(key, &read), tx.CountUnread(key)) }
			case 5, 6: // deleted, or back again; silent, or not any more; by another author
				m := pick()
				m.UserID = users.Draw(r, "author now")
				switch {
				case rapid.Bool().Draw(r, "silence"):
					m.Silent = !m.Silent
				case m.DeletedAt == 0:
					m.DeletedAt = now
				default:
					m.DeletedAt = 0
				}
				put := *m
				return func(tx store.Tx) error { return tx.PutMessage(&put) }
			case 7:
				id := pick().ID
				model.messages = slices.DeleteFunc(model.messages, func(o chat.Message) bool { return o.ID == id })
				return func(tx store.Tx) error { return tx.DeleteMessage(id) }
			case 8:
				before := now - chat.Time(rapid.IntRange(0, 100).Draw(r, "before"))
				limit := rapid.IntRange(0, 5).Draw(r, "limit")
				want := 0
				for want < limit && want < len(model.messages) && model.messages[want].CreatedAt < before {
					want++
				}
				model.messages = model.messages[want:]
				return func(tx store.Tx) error {
					n, err := tx.PurgeMessages(key, before, limit)
					if n != want {
						err = errors.Join(err, fmt.Errorf("%d messages went, want %d", n, want))
					}
					return err
				}
			default:
				ch.TruncatedAt = now - chat.Time(rapid.IntRange(0, 60).Draw(r, "truncated"))
				model.truncated = ch.TruncatedAt
				put := *ch
				return func(tx store.Tx) error {
					_, err := tx.PutChannel(&put)
					return errors.Join(err, tx.RecountUnread(key))
				}
			}
		}
		for range rapid.IntRange(1, 25).Draw(r, "transactions") {
			var steps []func(store.Tx) error
			for range rapid.IntRange(1, 3).Draw(r, "steps") {
				steps = append(steps, step())
			}
			f.perform(r, steps)
			got := map[string]int{}
			f.view(func(rd store.Reader) error {
				return rd.Reads(key, func(row *store.ReadRow) error {
					one, err := rd.Read(key, row.User)
					if one != *row {
						t.Errorf("one by one %+v, in the list %+v", one, *row)
					}
					got[row.UserID] = row.Unread
					return err
				})
			})
			if want := model.unread(); fmt.Sprint(got) != fmt.Sprint(want) {
				r.Fatalf("unread %v, want %v", got, want)
			}
		}
	})
}

// perform does some steps in one transaction.
func (f *fixture) perform(r *rapid.T, steps []func(store.Tx) error) {
	err := f.store.Update(f.Context(), f.app, func(tx store.Tx) error {
		for _, step := range steps {
			if err := step(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
}
