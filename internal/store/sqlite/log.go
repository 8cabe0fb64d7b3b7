package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"hansard/internal/store/sqlite/lite"
)

// writeAhead looks after the write-ahead log.
//
// As a rule the writer copies the log into the database itself, every few
// commits: a short log is overwritten again and again instead of growing, and
// a commit need not wait for the file system's journal, which may be busy with
// an export's file. That halves the slowest answers.
//
// While a snapshot is open nothing that was written since can be copied, and
// the log grows. To copy a long log takes seconds, and no commit may wait for
// that: it is done on a connection of its own, beside the writer. The log
// starts over when all of it has been copied and nobody reads from it; that
// moment is made by letting the next snapshot wait for it.
type writeAhead struct {
	store *Store
	conn  *lite.Conn
	path  string

	mode checkpointMode // of the writer's connection; of the writer's goroutine alone

	long   chan struct{} // wakes the goroutine that copies
	erased chan struct{} // and has it empty the log, too
	quit   chan struct{}
	done   chan struct{}

	mu    sync.Mutex
	pins  int           // open snapshots
	ready chan struct{} // nil, or closed once a long log has started over
}

// checkpointMode is after how many pages in the log the writer copies it into
// the database; 0 is never.
type checkpointMode int

const (
	checkpointLive checkpointMode = 200
	// A bulk load writes the same pages of the indexes in every batch, and goes
	// faster the more rarely they are copied.
	checkpointBulk checkpointMode = 2000
	checkpointNot  checkpointMode = 0
)

func (m checkpointMode) pragma() string { return fmt.Sprintf(`PRAGMA wal_autocheckpoint = %d`, int(m)) }

const (
	maxLog     = 96 << 20 // bytes from which on a log is long; more than a bulk load lets it become
	almost     = 500      // pages that may be left to copy when the log is made to start over
	copyEvery  = 50 * time.Millisecond
	maxLogWait = 5 * time.Second // for a log to start over, before a snapshot is opened all the same
)

func (s *Store) startLog() (*writeAhead, error) {
	conn, err := s.connect()
	if err != nil {
		return nil, err
	}
	// How long the log may wait for readers to move on before it starts over.
	if err := conn.Script(`PRAGMA synchronous = FULL; PRAGMA busy_timeout = 100`); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	l := &writeAhead{
		store: s, conn: conn, path: s.path + "-wal", mode: checkpointLive,
		long: make(chan struct{}, 1), erased: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go l.run()
	return l, nil
}

func (l *writeAhead) stop() error {
	close(l.quit)
	<-l.done
	return l.conn.Close()
}

// size is how many bytes the log's file has.
func (l *writeAhead) size() int64 {
	info, err := os.Stat(l.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// choose sets how the writer's connection c copies the log at the commit that
// is about to come.
func (l *writeAhead) choose(c *lite.Conn, bulk bool) error {
	mode := checkpointLive
	if bulk {
		mode = checkpointBulk
	}
	if l.isLong() {
		mode = checkpointNot
	}
	if mode == l.mode {
		return nil
	}
	l.mode = mode
	return c.Exec(mode.pragma())
}

func (l *writeAhead) isLong() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ready != nil
}

// look sees after a commit whether the log has become long.
func (l *writeAhead) look() {
	if l.size() <= maxLog {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ready == nil {
		l.ready = make(chan struct{})
		select {
		case l.long <- struct{}{}:
		default: // it is to be copied already
		}
	}
}

// pin counts the snapshots that are open.
func (l *writeAhead) pin(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pins += n
}

func (l *writeAhead) pinned() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pins > 0
}

// wait holds a new snapshot back while a long log is about to start over. While
// others are open it cannot, and there is nothing to wait for.
func (l *writeAhead) wait(ctx context.Context) error {
	l.mu.Lock()
	ready := l.ready
	if l.pins > 0 {
		ready = nil
	}
	l.mu.Unlock()
	if ready == nil {
		return nil
	}
	timer := time.NewTimer(maxLogWait)
	defer timer.Stop()
	select {
	case <-ready:
	case <-timer.C:
	case <-l.quit:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (l *writeAhead) run() {
	defer close(l.done)
	for {
		again := `PRAGMA wal_checkpoint(RESTART)`
		select {
		case <-l.quit:
			return
		case <-l.long:
		case <-l.erased:
			again = `PRAGMA wal_checkpoint(TRUNCATE)`
		}
		for !l.shorten(again) {
			timer := time.NewTimer(copyEvery)
			select {
			case <-l.quit:
				timer.Stop()
				return
			case <-timer.C:
			}
		}
		l.mu.Lock()
		if l.ready != nil {
			close(l.ready)
			l.ready = nil
		}
		l.mu.Unlock()
	}
}

// empty has the log emptied as soon as nobody reads from it: what it has of
// rows that were deleted for good must not stay.
func (l *writeAhead) empty() {
	select {
	case l.erased <- struct{}{}:
	default: // it is to be emptied already
	}
}

// shorten copies what can be copied, and makes the log start over when that is
// nearly all. It reports whether it did; failures are tried again.
func (l *writeAhead) shorten(again string) bool {
	left, _, err := l.checkpoint(`PRAGMA wal_checkpoint(PASSIVE)`)
	if err == nil && left <= almost && !l.pinned() {
		var busy bool
		if _, busy, err = l.checkpoint(again); err == nil && !busy {
			return true
		}
	}
	if err != nil && !lite.IsBusy(err) {
		l.store.opts.Logger.Warn("copy the write-ahead log", "error", err)
	}
	return false
}

// checkpoint runs one and says how many pages are left to copy.
func (l *writeAhead) checkpoint(pragma string) (left int64, busy bool, err error) {
	err = l.conn.Query(pragma, nil, func(s *lite.Stmt) error {
		busy, left = s.Bool(0), s.Int(1)-s.Int(2)
		return nil
	})
	return left, busy, err
}
