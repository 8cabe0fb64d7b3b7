package sqlite_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/store/sqlite"

	"github.com/google/go-cmp/cmp"
)

// openChat opens a store in dir with an app and a channel in it.
func openChat(t *testing.T, dir string) (*sqlite.Store, int64) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if a, err := s.AppByKey(t.Context(), "key"); err == nil {
		return s, a.ID
	}
	app := store.App{Name: "test", Key: "key", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), app.ID, func(tx store.Tx) error {
		if _, err := tx.PutUser(&chat.User{ID: "al", Role: "user", CreatedAt: 1, UpdatedAt: 1}); err != nil {
			return err
		}
		_, err := tx.PutChannel(&chat.Channel{Type: "messaging", ID: "general", CreatedBy: "al", CreatedAt: 1, UpdatedAt: 1})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, app.ID
}

// message makes the n-th message; every third is to be deleted, every ninth
// needs pages of its own. They come in no order, so that pages are divided.
func message(n int) chat.Message {
	word := "kept"
	if n%3 == 0 {
		word = "doomed"
	}
	text := strings.Repeat(fmt.Sprintf("%s %d ", word, n), 1+n*n%300)
	if n%9 == 0 {
		text = strings.Repeat(text, 20)
	}
	at := chat.Time(1 + n*7919%100003)
	return chat.Message{
		ID: fmt.Sprintf("%s-%d", word, n), CID: "messaging:general", UserID: "al", Type: chat.Regular, Text: text, CreatedAt: at, UpdatedAt: at,
	}
}

func everyMessage(t *testing.T, s *sqlite.Store, app int64) (all []string) {
	t.Helper()
	err := s.View(t.Context(), app, func(r store.Reader) error {
		row, err := r.Channel("messaging:general")
		if err != nil {
			return err
		}
		rr := render.New(r)
		return r.Messages(store.MessageRange{Channel: row.Key}, func(m *store.MessageRow) error {
			out, err := rr.Message(nil, m)
			all = append(all, string(out))
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// inFiles counts a word in all files of a folder.
func inFiles(t *testing.T, dir, word string) (n int) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(b, []byte(word))
	}
	return n
}

// raw opens the database file as anybody could.
func raw(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, sqlite.FileName)+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func pragma(t *testing.T, db *sql.DB, name string) (value string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestScrub writes and deletes on several goroutines and in two processes, as
// it were. Nothing of what was deleted stays in the files; all else does.
func TestScrub(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, app := openChat(t, dir)
	s2, _ := openChat(t, dir)
	const n, writers = 1200, 4
	var running sync.WaitGroup
	for w := range writers {
		on := []*sqlite.Store{s, s2}[w%2]
		running.Go(func() {
			for i := w; i < n; i += writers {
				m := message(i)
				err := on.Update(t.Context(), app, func(tx store.Tx) error { return tx.PutMessage(&m) })
				if err == nil && i%3 == 0 && i >= 30 {
					// One that another goroutine may not have written yet.
					gone := message(i - 30).ID
					err = on.Update(t.Context(), app, func(tx store.Tx) error { return tx.DeleteMessage(gone) })
					if errors.Is(err, store.ErrNotFound) {
						err = nil
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	err := s.Update(t.Context(), app, func(tx store.Tx) error {
		for i := 0; i < n; i += 3 {
			if err := tx.DeleteMessage(message(i).ID); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := everyMessage(t, s2, app)
	if len(want) != n*2/3 {
		t.Errorf("%d messages are left", len(want))
	}
	if err := errors.Join(s2.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if n := inFiles(t, dir, "doomed"); n != 0 {
		t.Errorf("what was deleted is %d times in the files", n)
	}
	if inFiles(t, dir, "kept 1000") == 0 {
		t.Error("what was kept is not where it was looked for")
	}
	db := raw(t, dir)
	if got := pragma(t, db, "integrity_check"); got != "ok" {
		t.Error(got)
	}
	if got := pragma(t, db, "user_version"); got != "0" {
		t.Errorf("user_version is %s", got)
	}
	s, _ = openChat(t, dir)
	if d := cmp.Diff(want, everyMessage(t, s, app)); d != "" {
		t.Error(d)
	}
}

// TestScrubGoesOn opens a database whose scrubbing another process was not done
// with.
func TestScrubGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, app := openChat(t, dir)
	for i := range 300 {
		m := message(i)
		if err := s.Update(t.Context(), app, func(tx store.Tx) error { return tx.PutMessage(&m) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db := raw(t, dir)
	for _, sql := range []string{`PRAGMA secure_delete = ON`, `DELETE FROM messages WHERE id LIKE 'doomed%'`, `PRAGMA user_version = 7`} {
		if _, err := db.ExecContext(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if inFiles(t, dir, "doomed") == 0 {
		t.Fatal("there is nothing to be written over")
	}
	s, app = openChat(t, dir)
	deadline := time.Now().Add(20 * time.Second)
	for pragma(t, db, "user_version") != "0" {
		if time.Now().After(deadline) {
			t.Fatal("the scrubbing does not begin")
		}
	}
	if n := len(everyMessage(t, s, app)); n != 200 {
		t.Errorf("%d messages are left", n)
	}
	if err := errors.Join(s.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	if n := inFiles(t, dir, "doomed "); n != 0 {
		t.Errorf("what was deleted is %d times in the files", n)
	}
}

// TestDeletedAppLeavesNothing deletes a tenant.
func TestDeletedAppLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, app := openChat(t, dir)
	for i := range 200 {
		m := message(i)
		if err := s.Update(t.Context(), app, func(tx store.Tx) error { return tx.PutMessage(&m) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteApp(t.Context(), "key"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"doomed", "kept", "general"} {
		if n := inFiles(t, dir, word); n != 0 {
			t.Errorf("%s is %d times in the files", word, n)
		}
	}
}

// TestLogIsEmptied: what was deleted for good leaves the write-ahead log while
// the store is open, and nobody writes any more.
func TestLogIsEmptied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, app := openChat(t, dir)
	m := message(3)
	if err := s.Update(t.Context(), app, func(tx store.Tx) error { return tx.PutMessage(&m) }); err != nil {
		t.Fatal(err)
	}
	if inFiles(t, dir, "doomed") == 0 {
		t.Fatal("the message is in no file")
	}
	if err := s.Update(t.Context(), app, func(tx store.Tx) error { return tx.DeleteMessage(m.ID) }); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for inFiles(t, dir, "doomed") != 0 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("what was deleted is still in the files")
		}
	}
}
