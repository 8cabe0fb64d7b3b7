package sqlite_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/sqlite"
)

// What is hard-deleted is gone from all tables, and from the file.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	app := store.App{Name: "a", Key: "a", Secret: "s"}
	if err := s.CreateApp(t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	const needle = "needle in the hay"
	custom := chat.Custom{{Name: "secret", Value: chat.Raw(`"` + needle + `"`)}}
	message := func(id, parent string, at chat.Time) chat.Message {
		m := chat.Message{ID: id, CID: "messaging:c", UserID: "ann", Type: chat.Regular, Text: needle, CreatedAt: at, UpdatedAt: at, Custom: custom}
		if m.ParentID = parent; parent != "" {
			m.Type = chat.Reply
		}
		return m
	}
	update := func(fn func(store.Tx) error) {
		t.Helper()
		if err := s.Update(t.Context(), app.ID, fn); err != nil {
			t.Fatal(err)
		}
	}
	var channel, ann int64
	update(func(tx store.Tx) error {
		if ann, err = tx.PutUser(&chat.User{ID: "ann", Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
			return err
		}
		channel, err = tx.PutChannel(&chat.Channel{Type: "messaging", ID: "c", CreatedBy: "ann", CreatedAt: 1e15, UpdatedAt: 1e15, Custom: custom})
		if err != nil {
			return err
		}
		if _, err := tx.InsertMessages([]chat.Message{message("p", "", 1e15), message("r", "p", 2e15), message("o", "none", 3e15), message("q", "", 4e15)}, false); err != nil {
			return err
		}
		return errors.Join(
			tx.PutMember(channel, &chat.Member{UserID: "ann", CreatedAt: 1e15, UpdatedAt: 1e15, Custom: custom}),
			tx.PutRead(channel, &chat.Read{UserID: "ann", LastRead: 1e15, LastReadMessageID: "p"}),
			tx.PutReaction(&chat.Reaction{MessageID: "p", UserID: "ann", Type: "like", CreatedAt: 1e15, UpdatedAt: 1e15, Custom: custom}),
			tx.PutHistory(&store.HistoryRow{Message: "p", UpdatedAt: 1e15, UpdatedBy: ann, Object: custom[0].Value}),
			tx.PutHistory(&store.HistoryRow{Message: "q", UpdatedAt: 1e15, UpdatedBy: ann, Object: custom[0].Value}),
			tx.PutPending(&store.PendingRow{ID: "w", Channel: channel, User: ann, CreatedAt: 1e15, Message: custom[0].Value}),
			tx.PutMark(&store.Mark{Kind: store.Muted, User: ann, Subject: "messaging:c", At: 1}),
			tx.PutMark(&store.Mark{Kind: store.DeletedForMe, User: ann, Subject: "p", At: 1}),
			tx.PutCall(&chat.Call{
				Type: "default", ID: "x", CreatedBy: "ann", CreatedAt: 1e15, UpdatedAt: 1e15, Custom: custom,
				Members: []chat.CallMember{{UserID: "ann", Role: "user", CreatedAt: 1e15, Custom: custom}},
			}),
		)
	})
	// In steps, as a long channel goes: parents before their replies.
	for range 2 {
		update(func(tx store.Tx) error {
			_, err := tx.PurgeMessages(channel, 0, 1)
			return err
		})
	}
	update(func(tx store.Tx) error { return errors.Join(tx.DeleteMessage("q"), tx.DeleteCall("default:x")) })
	update(func(tx store.Tx) error { return tx.DeleteChannel(channel) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(dir, sqlite.FileName)
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(needle)) {
			t.Errorf("%s holds what was deleted", filepath.Base(file))
		}
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for table, want := range map[string]int{
		"apps": 1, "users": 1, "channels": 0, "members": 0, "reads": 0, "messages": 0, "replies": 0, "orphans": 0, "reactions": 0,
		"calls": 0, "call_users": 0, "history": 0, "pending": 0, "marks": 0, "settings": 0,
	} {
		var n int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil || n != want {
			t.Errorf("%s has %d rows, want %d: %v", table, n, want, err)
		}
	}
}
