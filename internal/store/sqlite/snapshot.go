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
	asOf  chat.Time

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
	c, err := s.acquire()
	if err != nil {
		return nil, err
	}
	s.log.pin(1)
	return &snapshot{Reader: sqlstore.NewReader(conn{c}, dialect, app), conn: c, store: s, asOf: asOf}, nil
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
