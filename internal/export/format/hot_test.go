package format_test

import (
	"fmt"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/export/format"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/store/storetest/engine"
)

// lively opens a channel with n messages of all kinds, about a kilobyte a line,
// by many authors: with reactions, threads, quotes, mentions, pins, attachments
// and custom fields.
func lively(tb testing.TB, n int) *format.Source {
	tb.Helper()
	s := engine.Open(tb, nil)
	app := store.App{Name: "test", Key: "key", Secret: "secret"}
	if err := s.CreateApp(tb.Context(), &app); err != nil {
		tb.Fatal(err)
	}
	const users = 200
	err := s.Update(tb.Context(), app.ID, func(tx store.Tx) error {
		for i := range users {
			u := chat.User{ID: fmt.Sprint("user-", i), Role: "user", Name: fmt.Sprint("User ", i), CreatedAt: 1e15, UpdatedAt: 1e15}
			u.Image = "https://images.example.com/" + strings.Repeat("a", 60)
			if _, err := tx.PutUser(&u); err != nil {
				return err
			}
		}
		if _, err := tx.PutChannel(&chat.Channel{Type: "messaging", ID: "one", CreatedBy: "user-0", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
			return err
		}
		ms := make([]chat.Message, n)
		for i := range ms {
			at := chat.Time(1e15 + int64(i)*1e6)
			ms[i] = chat.Message{
				ID: fmt.Sprintf("message-%06d", i), CID: "messaging:one", UserID: fmt.Sprint("user-", i*7%users), Type: chat.Regular,
				CreatedAt: at, UpdatedAt: at, Text: fmt.Sprintf("message %d %s", i, strings.Repeat("word \"quoted\" ", i%30)),
			}
			m := &ms[i]
			switch i % 10 {
			case 1:
				m.Type, m.ParentID = chat.Reply, ms[i-1].ID
			case 3:
				m.QuotedMessageID = ms[i-2].ID
			case 5:
				m.MentionedUsers = []string{fmt.Sprint("user-", i%users), fmt.Sprint("user-", i*3%users)}
			}
		}
		if _, err := tx.InsertMessages(ms, false); err != nil {
			return err
		}
		var rs []chat.Reaction
		for i := 0; i < n; i += 4 {
			for u := range 1 + i%3 {
				rs = append(rs, chat.Reaction{MessageID: ms[i].ID, UserID: fmt.Sprint("user-", u), Type: "like", Score: 1, CreatedAt: ms[i].CreatedAt, UpdatedAt: ms[i].CreatedAt})
			}
		}
		_, err := tx.InsertReactions(rs, false)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	snap, err := s.Snapshot(tb.Context(), app.ID)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := snap.Close(); err != nil {
			tb.Error(err)
		}
	})
	row, err := snap.Channel("messaging:one")
	if err != nil {
		tb.Fatal(err)
	}
	r := render.NewBulk(snap)
	tb.Cleanup(r.Close)
	return &format.Source{Reader: snap, Render: r, Row: row, Counts: &format.Counts{}, Progress: func() error { return nil }}
}

// layouts are the formats whose hot path is our own.
var layouts = map[string]func() format.Format{
	"v1": func() format.Format { return &format.V1{} },
	"v2": func() format.Format { return format.V2{} },
}

// What an export allocates does not depend on how many messages it has. On
// PostgreSQL quoted messages are asked for some hundred at a time, which takes a
// handful of allocations for each.
func TestNothingIsAllocatedPerMessage(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts for the whole process
	const n = 4000
	limit := 0.01
	if engine.Postgres() {
		limit = 1
	}
	src := lively(t, n)
	for name, layout := range layouts {
		allocs := func(messages int) float64 {
			src.Until = chat.Time(1e15 + int64(messages)*1e6)
			return testing.AllocsPerRun(5, func() {
				if err := export(layout(), src, func([]byte) error { return nil }); err != nil {
					t.Fatal(err)
				}
			})
		}
		few, many := allocs(n/2), allocs(n)
		if per := (many - few) / (n / 2); per >= limit {
			t.Errorf("%s: %.2f allocations per message (%.0f for %d messages, %.0f for %d)", name, per, few, n/2, many, n)
		}
	}
}

func BenchmarkLines(b *testing.B) {
	const n = 20000
	src := lively(b, n)
	for name, layout := range layouts {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			done, bytes := 0, 0
			for b.Loop() {
				err := export(layout(), src, func(piece []byte) error {
					bytes += len(piece)
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
				done += n
			}
			b.SetBytes(int64(bytes / (done / n)))
			b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
