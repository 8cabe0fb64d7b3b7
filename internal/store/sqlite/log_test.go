package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/sqlite"
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
