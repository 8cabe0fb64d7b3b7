package sqlite_test

import (
	"errors"
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

// A load sees who was renamed between two of its batches, by this process or by
// another, and what a batch that failed would have made.
func TestUsersBetweenBatches(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() *sqlite.Store {
		s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	s, other := open(), open()
	app := store.App{Name: "test", Key: "test", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	put := func(tx store.Tx, id string) error {
		_, err := tx.PutUser(&chat.User{ID: id, Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15})
		return err
	}
	n := 0
	load := func(user string) error {
		n++
		return s.Update(store.Load(t.Context()), app.ID, func(tx store.Tx) error {
			_, err := tx.InsertMessages([]chat.Message{{
				ID: fmt.Sprintf("m%d", n), CID: "messaging:general", UserID: user, Type: chat.Regular, CreatedAt: 1e15, UpdatedAt: 1e15,
			}}, false)
			return err
		})
	}
	err := s.Update(store.Load(t.Context()), app.ID, func(tx store.Tx) error {
		if err := put(tx, "ann"); err != nil {
			return err
		}
		_, err := tx.PutChannel(&chat.Channel{Type: "messaging", ID: "general", CreatedBy: "ann", CreatedAt: 1e15, UpdatedAt: 1e15})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	known := func(user string) {
		t.Helper()
		if err := load(user); err != nil {
			t.Errorf("a message of %s: %v", user, err)
		}
	}
	unknown := func(user string) {
		t.Helper()
		var missing *store.UnknownUserError
		if err := load(user); !errors.As(err, &missing) {
			t.Errorf("a message of %s gave %v", user, err)
		}
	}
	rename := func(s *sqlite.Store, old, id string) {
		t.Helper()
		if err := s.Update(t.Context(), app.ID, func(tx store.Tx) error { return tx.RenameUser(old, id) }); err != nil {
			t.Fatal(err)
		}
	}
	known("ann")
	known("ann")
	rename(s, "ann", "bob")
	unknown("ann")
	known("bob")
	rename(other, "bob", "cid")
	unknown("bob")
	known("cid")
	failed := errors.New("not after all")
	err = s.Update(store.Load(t.Context()), app.ID, func(tx store.Tx) error {
		if err := put(tx, "dan"); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("the batch that fails gave %v", err)
	}
	unknown("dan")
	known("cid")
}
