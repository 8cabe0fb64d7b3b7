package sqlite_test

import (
	"fmt"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/sqlite"
)

// BenchmarkLoad loads batches of messages by twenty thousand users into a store
// that has some already: what one more message costs.
func BenchmarkLoad(b *testing.B) {
	const users, batch = 20_000, 5000
	for _, before := range []int{0, 400_000} {
		b.Run(fmt.Sprintf("after=%d", before), func(b *testing.B) {
			s, err := sqlite.Open(b.Context(), b.TempDir(), sqlite.Options{})
			if err != nil {
				b.Fatal(err)
			}
			app := store.App{Name: "bench", Key: "bench", Secret: "secret"}
			if err := s.CreateApp(b.Context(), &app); err != nil {
				b.Fatal(err)
			}
			load := func(fn func(store.Tx) error) {
				if err := s.Update(store.Load(b.Context()), app.ID, fn); err != nil {
					b.Fatal(err)
				}
			}
			load(func(tx store.Tx) error {
				for i := range users {
					if _, err := tx.PutUser(&chat.User{ID: fmt.Sprintf("user-%d", i), Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
						return err
					}
				}
				_, err := tx.PutChannel(&chat.Channel{Type: "messaging", ID: "general", CreatedBy: "user-0", CreatedAt: 1e15, UpdatedAt: 1e15})
				return err
			})
			n := 0
			text := strings.Repeat("some words of a message ", 10)
			next := func() {
				ms := make([]chat.Message, batch)
				for i := range ms {
					at := chat.Time(1e15) + chat.Time(n)*1e6
					ms[i] = chat.Message{
						ID: fmt.Sprintf("message-%09d", n), CID: "messaging:general", UserID: fmt.Sprintf("user-%d", n*7919%users),
						Type: chat.Regular, Text: text, CreatedAt: at, UpdatedAt: at,
					}
					n++
				}
				load(func(tx store.Tx) error {
					_, err := tx.InsertMessages(ms, false)
					return err
				})
			}
			for n < before {
				next()
			}
			begun := n
			for b.Loop() {
				next()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n-begun), "µs/message")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
