package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/pgtest"
	"hansard/internal/store"
	"hansard/internal/store/postgres"
	"hansard/internal/store/postgres/thin"
)

// writers send messages to one channel until they are told to stop.
type writers struct {
	acknowledged, uncertain atomic.Int64
	stop                    chan struct{}
	wg                      sync.WaitGroup
}

func startWriters(t *testing.T, s *postgres.Store, app int64) *writers {
	t.Helper()
	w := &writers{stop: make(chan struct{})}
	for i := range 4 {
		w.wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-w.stop:
					return
				default:
				}
				err := s.Update(t.Context(), app, func(tx store.Tx) error {
					row, err := tx.Channel("messaging:c")
					if err != nil {
						return err
					}
					at := max(row.Channel.LastMessageAt, 1e15) + 1
					return tx.PutMessage(&chat.Message{
						ID: fmt.Sprintf("w%d-%d", i, n), CID: "messaging:c", UserID: "u0", Type: chat.Regular, Text: "x", CreatedAt: at, UpdatedAt: at,
					})
				})
				switch {
				case err == nil:
					w.acknowledged.Add(1)
				case errors.Is(err, thin.ErrUncertain):
					w.uncertain.Add(1)
				default:
					t.Errorf("writer %d: %v", i, err)
					return
				}
			}
		})
	}
	return w
}

// reach waits until so many more writes were acknowledged.
func (w *writers) reach(t *testing.T, more int64) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for want := w.acknowledged.Load() + more; w.acknowledged.Load() < want && !t.Failed(); {
		<-tick.C
	}
}

// check ends the writing and counts what is there.
func (w *writers) check(t *testing.T, s *postgres.Store, app int64) {
	t.Helper()
	close(w.stop)
	w.wg.Wait()
	n := int64(0)
	var row store.ChannelRow
	err := s.View(t.Context(), app, func(r store.Reader) (err error) {
		if row, err = r.Channel("messaging:c"); err != nil {
			return err
		}
		return r.Messages(store.MessageRange{Channel: row.Key}, func(*store.MessageRow) error {
			n++
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if least, most := w.acknowledged.Load(), w.acknowledged.Load()+w.uncertain.Load(); n < least || n > most || int64(row.MessageCount) != n {
		t.Errorf("%d messages, the channel says %d; %d were acknowledged, and %d may be there", n, row.MessageCount, least, most-least)
	}
	t.Logf("%d acknowledged, %d uncertain", w.acknowledged.Load(), w.uncertain.Load())
}

// Connections that break undo what was not committed, and nothing else; it is
// done again.
func TestUpdatesSurviveLostConnections(t *testing.T) {
	t.Parallel()
	s, app, _ := filled(t, postgres.Options{Patience: time.Minute}, 0)
	dsn := postgres.DSN(s)
	w := startWriters(t, s, app)
	for range 15 {
		w.reach(t, 5)
		ask(t, dsn, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'hansard' AND datname = current_database()`)
	}
	w.reach(t, 5)
	w.check(t, s, app)
}

// A database that is restarted, or crashes, is waited for.
func TestUpdatesSurviveRestarts(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Start(t)
	s := openStore(t, cluster.Database(t), postgres.Options{Patience: time.Minute})
	a := store.App{Name: "test", Key: "test", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	err := s.Update(t.Context(), a.ID, func(tx store.Tx) error {
		if _, err := tx.PutUser(&chat.User{ID: "u0", Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
			return err
		}
		_, err := tx.PutChannel(&chat.Channel{Type: "messaging", ID: "c", CreatedBy: "u0", CreatedAt: 1e15, UpdatedAt: 1e15})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w := startWriters(t, s, a.ID)
	w.reach(t, 50)
	cluster.Restart(t)
	w.reach(t, 50)
	cluster.Crash(t)
	cluster.Start(t)
	w.reach(t, 50)
	w.check(t, s, a.ID)
}

// What a view has handed on is not read a second time.
func TestViewIsCutShort(t *testing.T) {
	t.Parallel()
	s, app, channel := filled(t, postgres.Options{}, 1000)
	dsn := postgres.DSN(s)
	seen, views := 0, 0
	err := s.View(t.Context(), app, func(r store.Reader) error {
		views++
		return r.Messages(store.MessageRange{Channel: channel}, func(*store.MessageRow) error {
			if seen++; seen == 10 {
				ask(t, dsn, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'hansard' AND datname = current_database()`)
			}
			return nil
		})
	})
	if err == nil || views != 1 || seen >= 1000 {
		t.Errorf("%d views saw %d messages: %v", views, seen, err)
	}
	// The next one finds another connection, though those in the pool are dead.
	for range 3 {
		if err := s.View(t.Context(), app, func(r store.Reader) error {
			_, err := r.Channel("messaging:c")
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}

// Who is frozen in a transaction does not keep others from a channel for good.
func TestFrozenWriter(t *testing.T) {
	t.Parallel()
	s, app, _ := filled(t, postgres.Options{}, 0)
	locked, thaw := make(chan struct{}), make(chan struct{})
	frozen := make(chan error)
	put := func(id string, wait func()) error {
		return s.Update(t.Context(), app, func(tx store.Tx) error {
			if _, err := tx.Channel("messaging:c"); err != nil {
				return err
			}
			wait()
			m := chat.Message{ID: id, CID: "messaging:c", UserID: "u0", Type: chat.Regular, Text: "x", CreatedAt: 1e15, UpdatedAt: 1e15}
			return tx.PutMessage(&m)
		})
	}
	go func() {
		var once sync.Once
		frozen <- put("frozen", func() {
			once.Do(func() {
				close(locked)
				<-thaw
			})
		})
	}()
	<-locked
	began := time.Now()
	if err := put("other", func() {}); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("waited for %s", took)
	}
	close(thaw)
	if err := <-frozen; err != nil {
		t.Errorf("it was not run again: %v", err)
	}
}
