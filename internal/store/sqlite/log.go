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
// moment is made by letting the next snapshot wait for it. Where there is always
// another export before one has ended, it does not come by itself: once the log
// is full, snapshots wait until those that are open are closed.
//
// A bulk load writes the same pages again and again, and the more rarely they
// are copied the better. While there is one the writer never copies the log; it
// is done beside it, once there is much of it.
type writeAhead struct {
	store *Store
	conn  *lite.Conn
	path  string

	mode checkpointMode // of the writer's connection; of the writer's goroutine alone

	long   chan struct{} // wakes the goroutine that copies
	loaded chan struct{} // and has it copy what a bulk load has written
	erased chan struct{} // and has it empty the log, too
	quit   chan struct{}
	done   chan struct{}

	mu                sync.Mutex
	maxSize, fullSize int64         // maxLog and fullLog; tests have shorter ones
	pins              int           // open snapshots
	ready             chan struct{} // nil, or closed once a long log has started over
	load              time.Time     // of the last batch of a bulk load; zero once all of it is copied
	copied            bool          // what a bulk load had written when it was looked at last
}

// checkpointMode is after how many pages in the log the writer copies it into
// the database; 0 is never.
type checkpointMode int

const (
	checkpointLive checkpointMode = 200
	checkpointNot  checkpointMode = 0
)

func (m checkpointMode) pragma() string { return fmt.Sprintf(`PRAGMA wal_autocheckpoint = %d`, int(m)) }

const (
	maxLog      = 160 << 20   // bytes from which on a log is long; more than a bulk load lets it become
	fullLog     = 1 << 30     // bytes from which on snapshots wait for it to start over, even while others are open
	loadLog     = 40 << 20    // bytes from which on what a bulk load has written is copied; more than journal_size_limit
	almost      = 500         // pages that may be left to copy when the log is made to start over
	loadOver    = time.Second // after the last batch, a bulk load is taken to be over
	copyEvery   = 50 * time.Millisecond
	maxLoadWait = 200 * time.Millisecond // for a long log, after each batch of a bulk load
	maxLogWait  = 5 * time.Second        // for a log to start over, before a snapshot is opened all the same
	maxFullWait = 10 * time.Minute       // the same for a full log
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
		store: s, conn: conn, path: s.path + "-wal", mode: checkpointLive, maxSize: maxLog, fullSize: fullLog,
		long: make(chan struct{}, 1), loaded: make(chan struct{}, 1), erased: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
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
	if l.mustNotCopy(bulk) {
		mode = checkpointNot
	}
	if mode == l.mode {
		return nil
	}
	l.mode = mode
	return c.Exec(mode.pragma())
}

// mustNotCopy reports whether copying the log is not for the writer to do.
func (l *writeAhead) mustNotCopy(bulk bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bulk {
		l.load = time.Now()
	}
	return l.ready != nil || !l.load.IsZero()
}

// look sees after a commit whether there is much to copy. A bulk load then has
// to wait for the log, so that it cannot outgrow the disk.
func (l *writeAhead) look(bulk bool) {
	size := l.size()
	l.mu.Lock()
	if !l.load.IsZero() && (size > loadLog || time.Since(l.load) > loadOver) {
		signal(l.loaded)
	}
	if size > l.maxSize && l.ready == nil {
		l.ready = make(chan struct{})
		signal(l.long)
	}
	ready := l.ready
	if l.pins > 0 { // nothing can be copied, and waiting would not help
		ready = nil
	}
	l.mu.Unlock()
	if !bulk || ready == nil {
		return
	}
	timer := time.NewTimer(maxLoadWait)
	defer timer.Stop()
	select {
	case <-ready:
	case <-timer.C:
	case <-l.quit:
	}
}

// signal wakes the goroutine that copies, unless it is to be woken already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
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
// others are open it cannot, and there is nothing to wait for, unless the log is
// full: then they have to end first.
func (l *writeAhead) wait(ctx context.Context) error {
	size := l.size()
	l.mu.Lock()
	ready, full := l.ready, size > l.fullSize
	if l.pins > 0 && !full {
		ready = nil
	}
	l.mu.Unlock()
	if ready == nil {
		return nil
	}
	patience := maxLogWait
	if full {
		patience = maxFullWait
		l.store.opts.Logger.Info("a full write-ahead log holds a snapshot back until it has started over", "bytes", size)
	}
	timer := time.NewTimer(patience)
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
		case <-l.loaded:
			l.copyLoad()
			continue
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
func (l *writeAhead) empty() { signal(l.erased) }

// copyLoad copies what a bulk load has written, beside the writer. What is written
// meanwhile is left to the writer: between two transactions it can copy the log up
// to its end, so that it starts over.
func (l *writeAhead) copyLoad() {
	_, _, err := l.checkpoint(l.conn, `PRAGMA wal_checkpoint(PASSIVE)`)
	if err != nil && !lite.IsBusy(err) {
		l.store.opts.Logger.Warn("copy the write-ahead log", "error", err)
	}
	l.mu.Lock()
	l.copied = true
	l.mu.Unlock()
}

// finish copies the rest of what a bulk load has written, on the writer's
// connection and its goroutine.
func (l *writeAhead) finish(c *lite.Conn) error {
	l.mu.Lock()
	due := l.copied && l.pins == 0
	if due {
		l.copied = false
	}
	l.mu.Unlock()
	if !due {
		return nil
	}
	left, busy, err := l.checkpoint(c, `PRAGMA wal_checkpoint(PASSIVE)`)
	if err != nil || busy || left > 0 {
		return err
	}
	l.mu.Lock()
	if time.Since(l.load) > loadOver {
		l.load = time.Time{}
	}
	l.mu.Unlock()
	return nil
}

// shorten copies what can be copied, and makes the log start over when that is
// nearly all. It reports whether it did; failures are tried again.
func (l *writeAhead) shorten(again string) bool {
	left, _, err := l.checkpoint(l.conn, `PRAGMA wal_checkpoint(PASSIVE)`)
	if err == nil && left <= almost && !l.pinned() {
		var busy bool
		if _, busy, err = l.checkpoint(l.conn, again); err == nil && !busy {
			return true
		}
	}
	if err != nil && !lite.IsBusy(err) {
		l.store.opts.Logger.Warn("copy the write-ahead log", "error", err)
	}
	return false
}

// checkpoint runs one and says how many pages are left to copy.
func (l *writeAhead) checkpoint(c *lite.Conn, pragma string) (left int64, busy bool, err error) {
	err = c.Query(pragma, nil, func(s *lite.Stmt) error {
		busy, left = s.Bool(0), s.Int(1)-s.Int(2)
		return nil
	})
	return left, busy, err
}
