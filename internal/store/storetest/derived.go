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
