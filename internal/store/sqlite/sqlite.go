package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/sqlite/lite"
	"hansard/internal/store/sqlstore"

	driver "modernc.org/sqlite" // also what migrates
)

// FileName is the database's name in the data folder.
const FileName = "hansard.db"

// Options are the settings of a store. The zero value is ready to use.
type Options struct {
	Logger *slog.Logger
	// NoMigrate opens the database only if its schema is current.
	NoMigrate bool
	// Now is the store's clock; nil means time.Now.
	Now func() time.Time
	// Busy is how long a write waits for another process; 0 means 30 s.
	Busy time.Duration
}

// Store is a store.Store on a SQLite database.
type Store struct {
	path string
	opts Options

	writes chan *write
	done   chan struct{} // closed when the writer has ended

	bulk bool         // the transaction that runs is a bulk load; of the writer's goroutine alone
	busy atomic.Int64 // see Writers, in ns
	log  *writeAhead
	// loose: commits do not wait for the disk; of the writer's goroutine alone.
	loose bool
	users knownUsers // of the writer's goroutine alone

	scrubber *scrubber
	closing  sync.Once
	watch    watch

	mu     sync.Mutex
	closed bool
	idle   []*lite.Conn
	open   sync.WaitGroup // Views and Snapshots
}

var _ store.Store = (*Store)(nil)

// Open opens, and makes if needed, the store in the folder dir. It fails with
// a clear error if the schema is newer than this program, or older and
// NoMigrate is set.
func Open(ctx context.Context, dir string, opts Options) (*Store, error) {
	s, _, err := open(ctx, dir, opts)
	return s, err
}

// Migrate brings the schema of the store in dir up to date and returns its
// version.
func Migrate(ctx context.Context, dir string) (int64, error) {
	s, version, err := open(ctx, dir, Options{})
	if err != nil {
		return 0, err
	}
	return version, s.Close()
}

// open is Open, and says which version the schema has.
func open(ctx context.Context, dir string, opts Options) (_ *Store, version int64, err error) {
	defer func() { err = explain(dir, err) }()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Busy == 0 {
		opts.Busy = 30 * time.Second
	}
	// A commit must not wait for the journal of the file system to note the
	// time of a file's last change. Where there is no fdatasync, fsync it is.
	if _, err := driver.Fdatasync(true); err != nil && !errors.Is(err, driver.ErrFdatasyncUnavailable) {
		return nil, 0, fmt.Errorf("choose how to sync: %w", err)
	}
	if err := private(dir); err != nil {
		return nil, 0, err
	}
	s := &Store{
		path:   filepath.Join(dir, FileName),
		opts:   opts,
		writes: make(chan *write, 256),
		done:   make(chan struct{}),
	}
	conn, err := lite.Open(s.path, min(lookEvery, s.opts.Busy))
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, conn.Close())
		}
	}()
	if err := s.layOut(ctx, conn); err != nil {
		return nil, 0, err
	}
	if version, err = s.migrate(ctx); err != nil {
		return nil, 0, err
	}
	// FULL makes each commit durable, also when the power fails. The cache is
	// what random inserts into the indexes live from. What is deleted is written
	// over: a hard delete must leave nothing in the file. What a savepoint may
	// have to undo is kept in memory: it is a few pages, and files are slow.
	err = s.patiently(ctx.Err, func() error {
		return conn.Script(`PRAGMA synchronous = FULL; PRAGMA cache_size = -24576;
			PRAGMA journal_size_limit = 33554432; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;` + checkpointLive.pragma())
	})
	if err != nil {
		return nil, 0, err
	}
	if s.log, err = s.startLog(); err != nil {
		return nil, 0, err
	}
	if s.watch.conn, err = s.connect(); err != nil {
		return nil, 0, errors.Join(err, s.log.stop())
	}
	go s.writer(conn)
	s.startScrubber(ctx)
	return s, version, nil
}

// layOut makes the database what it is to be before the first table is made: the
// page size must be set by then, and WAL is a property of the file. 16 KiB pages
// hold the bodies of nearly all messages.
func (s *Store) layOut(ctx context.Context, c *lite.Conn) error {
	return s.patiently(ctx.Err, func() error {
		return c.Script(`PRAGMA page_size = 16384; PRAGMA journal_mode = WAL`)
	})
}

// lookEvery is how long SQLite waits for a lock at a time, on the connection that
// writes.
const lookEvery = 50 * time.Millisecond

// patiently calls fn until no other process is in its way, or until that has
// taken too long. SQLite itself would wait whatever happens; here the wait ends
// with an error of ended.
func (s *Store) patiently(ended, fn func() error) error {
	for began := time.Now(); ; {
		err := fn()
		if !lite.IsBusy(err) || time.Since(began) > s.opts.Busy {
			return err
		}
		if err := ended(); err != nil {
			return err
		}
		<-time.After(time.Millisecond) // some locks SQLite does not wait for at all
	}
}

// private makes the folder and the database file if they are missing, both for
// this user alone: chats and secrets are in there. SQLite gives the files that
// it puts beside the database the same mode.
func private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	// Only a file that is not there yet may be opened here: closing one that
	// SQLite has open in this process would take its locks away.
	f, err := os.OpenFile(filepath.Join(dir, FileName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	return f.Close()
}

func (s *Store) connect() (*lite.Conn, error) { return lite.Open(s.path, s.opts.Busy) }

func (s *Store) now() chat.Time { return chat.TimeOf(s.opts.Now()) }

// Now is the store's clock.
func (s *Store) Now(context.Context) (chat.Time, error) { return s.now(), nil }

// Ping reads from the database.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, func(c *lite.Conn) error {
		return c.Exec(`SELECT 1 FROM apps LIMIT 1`)
	})
}

// Secret returns the random bytes kept under that name.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	in := func(transact func(context.Context, func(*lite.Conn) error) error) sqlstore.Transact {
		return func(fn func(sqlstore.Conn) error) error {
			return transact(ctx, func(c *lite.Conn) error { return fn(conn{c}) })
		}
	}
	return sqlstore.Secret(in(s.read), in(s.write), name)
}

// errClosed is returned by calls on a store that was closed.
var errClosed = errors.New("the store is closed")

// maxIdle bounds the reading connections that are kept for later.
const maxIdle = 8

// acquire returns a reading connection inside a transaction that holds one
// instant.
func (s *Store) acquire() (*lite.Conn, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errClosed
	}
	s.open.Add(1)
	var c *lite.Conn
	if n := len(s.idle); n > 0 {
		c, s.idle = s.idle[n-1], s.idle[:n-1]
	}
	s.mu.Unlock()
	var err error
	if c == nil {
		if c, err = s.connect(); err == nil {
			err = c.Script(`PRAGMA query_only = 1; PRAGMA cache_size = -2048`)
			c.Bound(9 << 18)
		}
	}
	if err == nil {
		// BEGIN alone takes no snapshot; the first read does.
		if err = c.Exec(`BEGIN`); err == nil {
			err = c.Exec(`SELECT 1 FROM secrets LIMIT 1`)
		}
	}
	if err != nil {
		if c != nil {
			_ = c.Close()
		}
		s.open.Done()
		return nil, err
	}
	return c, nil
}

func (s *Store) release(c *lite.Conn) error {
	defer s.open.Done()
	err := c.Exec(`ROLLBACK`)
	s.mu.Lock()
	keep := err == nil && !s.closed && len(s.idle) < maxIdle
	if keep {
		s.idle = append(s.idle, c)
	}
	s.mu.Unlock()
	if keep {
		return nil
	}
	return errors.Join(err, c.Close())
}

// read runs fn on a reading connection that holds one instant. When ctx ends,
// the statement that runs is interrupted.
func (s *Store) read(ctx context.Context, fn func(*lite.Conn) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := s.acquire()
	if err != nil {
		return err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.Interrupt()
		close(interrupted)
	})
	defer func() {
		if !stop() {
			<-interrupted // c must not be closed or used again before
			err = cmpErr(err, ctx.Err())
		}
		if rerr := s.release(c); err == nil {
			err = rerr
		}
	}()
	return fn(c)
}

func cmpErr(err, cause error) error {
	if err == nil || lite.IsInterrupted(err) {
		return cause
	}
	return err
}

// View runs fn on a Reader of that app.
func (s *Store) View(ctx context.Context, app int64, fn func(store.Reader) error) error {
	return s.read(ctx, func(c *lite.Conn) error {
		return fn(sqlstore.NewReader(conn{c}, dialect, app))
	})
}

// Close waits for the writes that are queued and for readers to end, and
// closes the database.
func (s *Store) Close() error {
	s.closing.Do(s.scrubber.stop)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	idle := s.idle
	s.idle = nil
	s.mu.Unlock()
	var errs []error
	for _, c := range idle {
		errs = append(errs, c.Close())
	}
	s.open.Wait()
	errs = append(errs, s.log.stop(), s.watch.conn.Close())
	close(s.writes)
	<-s.done
	return errors.Join(errs...)
}
