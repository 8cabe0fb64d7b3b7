package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hansard/internal/blob/disk"
	"hansard/internal/chat"
	"hansard/internal/clock/clocktest"
	"hansard/internal/export"
	"hansard/internal/store"
	"hansard/internal/store/sqlite"
	"hansard/internal/task"
)

const mib = 1 << 20

// writing is a store whose log grows, and how long it is.
type writing struct {
	*testing.T
	store *sqlite.Store
	app   int64
	path  string
	n     int
}

func startWriting(t *testing.T, long, full int64) *writing {
	t.Helper()
	dir := t.TempDir()
	s, app := openChat(t, dir)
	sqlite.ShortLog(s, long, full)
	return &writing{T: t, store: s, app: app, path: filepath.Join(dir, "hansard.db-wal")}
}

func (w *writing) size() int64 {
	w.Helper()
	info, err := os.Stat(w.path)
	if err != nil {
		w.Fatal(err)
	}
	return info.Size()
}

// send writes some messages in one transaction.
func (w *writing) send(messages int) {
	w.Helper()
	ms := make([]chat.Message, messages)
	for i := range ms {
		w.n++
		at := chat.Time(1e15 + w.n)
		ms[i] = chat.Message{
			ID: fmt.Sprint("m", w.n), CID: "messaging:general", UserID: "al", Type: chat.Regular, Text: strings.Repeat("x", 16<<10), CreatedAt: at, UpdatedAt: at,
		}
	}
	err := w.store.Update(w.Context(), w.app, func(tx store.Tx) error {
		_, err := tx.InsertMessages(ms, false)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
}

// grow writes until the log is longer than that.
func (w *writing) grow(size int64) {
	w.Helper()
	for w.size() <= size {
		w.send(100)
	}
}

func (w *writing) snapshot() store.Snapshot {
	w.Helper()
	snap, err := w.store.Snapshot(w.Context(), w.app)
	if err != nil {
		w.Fatal(err)
	}
	return snap
}

// TestLogStartsOver: the write-ahead log grows for as long as a snapshot is open.
// Once it is closed the log is copied, starts over, and gives its room back.
func TestLogStartsOver(t *testing.T) {
	t.Parallel()
	const kept = 32 * mib // journal_size_limit
	w := startWriting(t, 8*mib, 1<<40)
	snap := w.snapshot()
	w.grow(kept + 16*mib)
	if err := snap.Close(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for w.size() > kept {
		select {
		case <-tick.C:
			w.send(1)
		case <-late:
			t.Fatalf("the log still has %d bytes", w.size())
		}
	}
}

// TestFullLogHoldsSnapshots: snapshots that overlap for ever would let the log
// grow for ever. Once it is full the next one waits until none is open.
func TestFullLogHoldsSnapshots(t *testing.T) {
	t.Parallel()
	w := startWriting(t, mib, 4*mib)
	first := w.snapshot()
	w.grow(2 * mib)
	second := w.snapshot() // long, but not full
	w.grow(4 * mib)
	hasty, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if snap, err := w.store.Snapshot(hasty, w.app); !errors.Is(err, context.DeadlineExceeded) {
		if err == nil {
			_ = snap.Close()
		}
		t.Errorf("a snapshot beside others, with a full log: %v", err)
	}
	if err := errors.Join(first.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
	third := w.snapshot()
	row, err := third.Channel("messaging:general")
	if err := errors.Join(err, third.Close()); err != nil {
		t.Fatal(err)
	}
	if row.TotalMessages != w.n {
		t.Errorf("the snapshot has %d messages of %d", row.TotalMessages, w.n)
	}
	// The log starts over with the next commit.
	before := w.size()
	w.send(100)
	if after := w.size(); after > before {
		t.Errorf("the log grew from %d to %d bytes", before, after)
	}
}

// TestHeldExportLives: an export that a full log holds back has nothing new to
// tell, and yet whoever polls its task sees that it lives: updated_at goes on
// (contract section 4). The log says what it waits for.
func TestHeldExportLives(t *testing.T) {
	t.Parallel()
	dir, said := t.TempDir(), &lines{}
	s, app := openChat(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	clock := clocktest.New(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{Now: clock.Now, Logger: slog.New(slog.NewTextHandler(said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	files, err := disk.Open(t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	sqlite.ShortLog(s, mib, 4*mib)
	w := &writing{T: t, store: s, app: app, path: filepath.Join(dir, "hansard.db-wal")}
	reading := w.snapshot()
	w.grow(4 * mib)

	quiet := slog.New(slog.DiscardHandler)
	exports := &export.Service{Store: s, Blob: files, Scratch: t.TempDir(), Logger: quiet, Limits: export.Limits{Channels: 1}}
	id, err := exports.RequestChannels(t.Context(), store.App{ID: app, Key: "key"}, []byte(`{"channels":[{"cid":"messaging:general"}]}`), "")
	if err != nil {
		t.Fatal(err)
	}
	r := &task.Runner{
		Store: s, Handlers: map[string]task.Handler{task.ExportChannels: exports.RunChannels},
		Lease: time.Hour, Beat: 10 * time.Millisecond, Logger: quiet,
	}
	ended := make(chan error, 1)
	go func() {
		_, err := r.RunOne(t.Context(), app, id)
		ended <- err
	}()
	await := func(what string, is func(*store.Task) bool) {
		t.Helper()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		late := time.After(30 * time.Second)
		for {
			got, err := s.Task(t.Context(), app, id)
			if err != nil {
				t.Fatal(err)
			}
			if is(got) {
				return
			}
			select {
			case <-tick.C:
			case <-late:
				t.Fatalf("never %s: %s, %d of %d, updated %s", what, got.Status, got.Done, got.Total, got.UpdatedAt.Std())
			}
		}
	}
	await("held back", func(*store.Task) bool { return said.has("holds a snapshot back") })
	for second := range 3 {
		clock.Advance(time.Second)
		now := chat.TimeOf(clock.Now())
		await(fmt.Sprintf("updated in second %d", second), func(got *store.Task) bool {
			return got.UpdatedAt == now && got.Status == store.Running && got.Done == 0 && got.Total == int64(w.n)
		})
	}
	if err := reading.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	await("completed", func(got *store.Task) bool { return got.Status == store.Completed && got.Done == int64(w.n) })
}

// lines is what a logger has said.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}
