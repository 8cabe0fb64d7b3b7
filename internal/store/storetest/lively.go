package storetest

import (
	"fmt"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
)

// LivelyChannel is the channel that Lively makes.
const LivelyChannel = "messaging:one"

// Lively fills an empty store with an app and a channel of n messages a second
// apart from 2001-09-09 on, most of a kilobyte when they are written out, by many
// authors: replies, quotes, mentions and reactions among them. It returns the
// app.
func Lively(tb testing.TB, s store.Store, n int) (app int64) {
	tb.Helper()
	a := store.App{Name: "test", Key: "key", Secret: "secret"}
	if err := s.CreateApp(tb.Context(), &a); err != nil {
		tb.Fatal(err)
	}
	const users = 200
	err := s.Update(tb.Context(), a.ID, func(tx store.Tx) error {
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
		ms, rs := livelyMessages(n, users)
		if _, err := tx.InsertMessages(ms, false); err != nil {
			return err
		}
		_, err := tx.InsertReactions(rs, false)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return a.ID
}

func livelyMessages(n, users int) ([]chat.Message, []chat.Reaction) {
	ms := make([]chat.Message, n)
	for i := range ms {
		at := chat.Time(1e15 + int64(i)*1e6)
		ms[i] = chat.Message{
			ID: fmt.Sprintf("message-%06d", i), CID: LivelyChannel, UserID: fmt.Sprint("user-", i*7%users), Type: chat.Regular,
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
	var rs []chat.Reaction
	for i := 0; i < n; i += 4 {
		for u := range 1 + i%3 {
			rs = append(rs, chat.Reaction{MessageID: ms[i].ID, UserID: fmt.Sprint("user-", u), Type: "like", Score: 1, CreatedAt: ms[i].CreatedAt, UpdatedAt: ms[i].CreatedAt})
		}
	}
	return ms, rs
}

// LivelySnapshot opens a snapshot, which is closed with the test, and finds the
// channel that Lively has made.
func LivelySnapshot(tb testing.TB, s store.Store, app int64) (store.Snapshot, store.ChannelRow) {
	tb.Helper()
	snap, err := s.Snapshot(tb.Context(), app)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := snap.Close(); err != nil {
			tb.Error(err)
		}
	})
	row, err := snap.Channel(LivelyChannel)
	if err != nil {
		tb.Fatal(err)
	}
	return snap, row
}

// BenchmarkMessages reads the messages of a channel into rows, and does nothing
// with them.
func BenchmarkMessages(b *testing.B, s store.Store) {
	const n = 20_000
	snap, channel := LivelySnapshot(b, s, Lively(b, s, n))
	b.ReportAllocs()
	rows, bytes := 0, 0
	for b.Loop() {
		err := snap.Messages(store.MessageRange{Channel: channel.Key}, func(row *store.MessageRow) error {
			rows++
			bytes += len(row.Body) + len(row.Reactions) + len(row.Thread) + len(row.Pin)
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(bytes / (rows / n)))
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "messages/s")
}
