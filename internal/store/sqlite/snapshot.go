package sqlite

import (
	"context"
	"errors"
	"sync"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/sqlite/lite"
	"hansard/internal/store/sqlstore"
)

// snapshot is a reader that keeps its connection.
type snapshot struct {
	sqlstore.Reader
	conn  *lite.Conn
	store *Store
	app   int64
	asOf  chat.Time
	// version is a state of the database that was there before the instant, and
	// no other was between them.
	version int64

	mu     sync.Mutex
	closed bool
}

// Snapshot opens a Reader of that app that holds its instant until Close: all
// that was acknowledged before it is in it.
func (s *Store) Snapshot(ctx context.Context, app int64) (store.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.log.wait(ctx); err != nil {
		return nil, err
	}
	asOf := s.now()
	version, err := s.watch.version()
	if err != nil {
		return nil, err
	}
	c, err := s.acquire()
	if err != nil {
		return nil, err
	}
	return s.newSnapshot(c, app, asOf, version), nil
}

func (s *Store) newSnapshot(c *lite.Conn, app int64, asOf chat.Time, version int64) *snapshot {
	s.log.pin(1)
	return &snapshot{Reader: sqlstore.NewReader(conn{c}, dialect, app), conn: c, store: s, app: app, asOf: asOf, version: version}
}

// Twin opens another snapshot, which is of the same instant if nobody has
// written since before the first.
func (s *snapshot) Twin(ctx context.Context) (store.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := s.store.acquire()
	if err != nil {
		return nil, err
	}
	version, err := s.store.watch.version()
	if err != nil || version != s.version {
		return nil, errors.Join(err, s.store.release(c))
	}
	return s.store.newSnapshot(c, s.app, s.asOf, version), nil
}

// watch is a connection that sees whether others write.
type watch struct {
	mu   sync.Mutex
	conn *lite.Conn
}

// version is a number that is another one after each commit of anybody.
func (w *watch) version() (v int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err = w.conn.Query(`PRAGMA data_version`, nil, func(s *lite.Stmt) error {
		v = s.Int(0)
		return nil
	})
	return v, err
}

func (s *snapshot) AsOf() chat.Time { return s.asOf }

func (s *snapshot) Interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.conn.Interrupt()
	}
}

func (s *snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("the snapshot is closed already")
	}
	s.closed = true
	defer s.store.log.pin(-1)
	return s.store.release(s.conn)
}
