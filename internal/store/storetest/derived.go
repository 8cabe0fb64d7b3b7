package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"pgregory.net/rapid"
)

// testCounts plays random writes and compares every derived number with what
// the rows say.
func testCounts(t *testing.T, f *fixture) {
	key := f.channel("messaging:general").Key
	rapid.Check(t, func(r *rapid.T) {
		id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
		user := rapid.SampledFrom([]string{"alice", "bob", "carol"})
		at := rapid.Int64Range(1, 6)
		message := func() chat.Message {
			m := newMessage(id.Draw(r, "id"), user.Draw(r, "user"), chat.Time(at.Draw(r, "at"))*1e15)
			if p := id.Draw(r, "parent"); rapid.Bool().Draw(r, "reply") && p != m.ID {
				m.ParentID, m.Type = p, chat.Reply
			}
			if rapid.Bool().Draw(r, "deleted") {
				m.DeletedAt = 9e15
			}
			return m
		}
		// What is not there need not be removed.
		unlessGone := func(err error) error {
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		}
		var steps []func(store.Tx) error
		for range rapid.IntRange(1, 12).Draw(r, "ops") {
			var step func(tx store.Tx) error
			switch rapid.IntRange(0, 9).Draw(r, "op") {
			case 0, 1:
				var ms []chat.Message
				for range rapid.IntRange(0, 4).Draw(r, "messages") {
					ms = append(ms, message())
				}
				var rs []chat.Reaction
				for range rapid.IntRange(0, 4).Draw(r, "reactions") {
					rs = append(rs, chat.Reaction{MessageID: id.Draw(r, "to"), UserID: user.Draw(r, "by"), Type: "like", CreatedAt: 1e15, UpdatedAt: 1e15})
				}
				keep := rapid.Bool().Draw(r, "keep")
				step = func(tx store.Tx) error {
					_, _, err := tx.InsertBatch(ms, rs, keep)
					return unlessGone(err)
				}
			case 2, 3:
				m := message()
				step = func(tx store.Tx) error { return tx.PutMessage(&m) }
			case 4:
				c := newChannel("general")
				c.TruncatedAt = chat.Time(rapid.Int64Range(0, 6).Draw(r, "truncated")) * 1e15
				step = func(tx store.Tx) error {
					_, err := tx.PutChannel(c)
					return err
				}
			case 5:
				re := chat.Reaction{MessageID: id.Draw(r, "to"), UserID: user.Draw(r, "by"), Type: "like", CreatedAt: 1e15, UpdatedAt: 1e15}
				step = func(tx store.Tx) error { return unlessGone(tx.PutReaction(&re)) }
			case 6:
				to, by := id.Draw(r, "to"), user.Draw(r, "by")
				step = func(tx store.Tx) error { return unlessGone(tx.DeleteReaction(to, by, "like")) }
			case 7:
				gone := id.Draw(r, "gone")
				step = func(tx store.Tx) error { return unlessGone(tx.DeleteMessage(gone)) }
			case 8:
				before := chat.Time(at.Draw(r, "before")) * 1e15
				limit := rapid.IntRange(0, 3).Draw(r, "limit")
				step = func(tx store.Tx) error {
					_, err := tx.PurgeMessages(key, before, limit)
					return err
				}
			default:
				m := chat.Member{UserID: user.Draw(r, "member"), CreatedAt: 1e15, UpdatedAt: 1e15}
				if rapid.Bool().Draw(r, "goes") {
					step = func(tx store.Tx) error { return unlessGone(tx.DeleteMember(key, m.UserID)) }
				} else {
					step = func(tx store.Tx) error { return tx.PutMember(key, &m) }
				}
			}
			steps = append(steps, step)
		}
		f.perform(r, steps)
		f.checkDerived(r, "messaging:general")
	})
}

// fataler is a test of either kind.
type fataler interface {
	Fatalf(format string, args ...any)
}

// checkDerived compares every derived number of a channel with what the rows
// say.
func (f *fixture) checkDerived(r fataler, cid string) {
	f.Helper()
	row := f.channel(cid)
	live, total, members := 0, 0, 0
	var last chat.Time
	type thread struct {
		replies, deleted int
		users            []string
	}
	threads := map[string]*thread{}
	reactions := map[string]int{}
	var ids []string
	f.view(func(rd store.Reader) error {
		rr := render.New(rd)
		return errors.Join(
			rd.Messages(store.MessageRange{Channel: row.Key}, func(m *store.MessageRow) error {
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
				if msg.CreatedAt >= row.Channel.TruncatedAt {
					last = max(last, msg.CreatedAt)
					if msg.DeletedAt == 0 {
						live++
					}
				}
				if msg.ParentID != "" {
					th := threads[msg.ParentID]
					if th == nil {
						th = &thread{}
						threads[msg.ParentID] = th
					}
					if msg.DeletedAt != 0 {
						th.deleted++
					} else {
						th.replies++
						if !slices.Contains(th.users, msg.UserID) {
							th.users = append(th.users, msg.UserID)
						}
					}
				}
				return rd.Reactions(msg.ID, func(*store.ReactionRow) error {
					reactions[msg.ID]++
					return nil
				})
			}),
			rd.Members(row.Key, func(*store.MemberRow) error {
				members++
				return nil
			}),
		)
	})
	if live != row.MessageCount || total != row.TotalMessages || members != row.MemberCount {
		r.Fatalf("the channel counts %d live of %d, and %d members; its rows are %d of %d, and %d",
			row.MessageCount, row.TotalMessages, row.MemberCount, live, total, members)
	}
	if last != row.Channel.LastMessageAt {
		r.Fatalf("the last message is of %d, the channel says %d", last, row.Channel.LastMessageAt)
	}
	for _, id := range ids {
		want := `"reply_count":0,"deleted_reply_count":0`
		if th := threads[id]; th != nil {
			want = ""
			for i, user := range th.users {
				want += fmt.Sprintf(`%s{"id":%q,"role":"user","created_at":"2001-09-09T01:46:40Z","updated_at":"2001-09-09T01:46:40Z","banned":false,"online":false}`,
					[]string{`"thread_participants":[`, `,`}[min(i, 1)], user)
			}
			if want != "" {
				want += "],"
			}
			want += fmt.Sprintf(`"reply_count":%d,"deleted_reply_count":%d`, th.replies, th.deleted)
		}
		got := f.message(id)
		if !strings.Contains(got, want) {
			r.Fatalf("want %s in %s", want, got)
		}
		want = `"reaction_counts":{}`
		if n := reactions[id]; n > 0 {
			want = fmt.Sprintf(`"reaction_counts":{"like":%d}`, n)
		}
		if !strings.Contains(got, want) {
			r.Fatalf("want %s in %s", want, got)
		}
	}
}
