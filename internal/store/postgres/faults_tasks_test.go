package postgres_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/pgtest"
	"hansard/internal/store"
	"hansard/internal/store/postgres"
)

// The faults of a line.
const (
	none         = iota
	beforeCommit // the line is cut before the commit has arrived
	afterCommit  // the line is cut before the answer to it has
)

// line leads to a database, and is cut when a transaction that writes is
// committed.
type line struct {
	server string // its socket
	next   atomic.Int32
	cuts   atomic.Int32
}

// newLine returns a line to a database, and the URL at its near end.
func newLine(t *testing.T, dsn string) (*line, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if u.Query().Get("host") == "" {
		t.Skip("the server that was given is not reached by a socket")
	}
	l := &line{server: filepath.Join(u.Query().Get("host"), ".s.PGSQL."+u.Query().Get("port"))}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { l.carry(t.Context(), near) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		open.Wait()
	})
	u.Host, u.RawQuery = listener.Addr().String(), "sslmode=disable"
	return l, u.String()
}

func (l *line) carry(ctx context.Context, near net.Conn) {
	defer near.Close()
	far, err := (&net.Dialer{}).DialContext(ctx, "unix", l.server)
	if err != nil {
		return
	}
	defer far.Close()
	defer context.AfterFunc(ctx, func() { _ = near.Close() })()
	var mute atomic.Bool
	var back sync.WaitGroup
	defer back.Wait()
	back.Go(func() {
		defer near.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := far.Read(buf)
			if err != nil || mute.Load() {
				return
			}
			if _, err := near.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	defer far.Close()
	writes := false
	for first := true; ; first = false {
		message, err := readMessage(near, first)
		if err != nil {
			return
		}
		writes = writes || bytes.Contains(message, []byte("LEVEL READ COMMITTED"))
		if writes && bytes.Contains(message, []byte("COMMIT\x00")) {
			writes = false
			switch l.next.Swap(none) {
			case beforeCommit:
				l.cuts.Add(1)
				return
			case afterCommit:
				l.cuts.Add(1)
				mute.Store(true)
			}
		}
		if _, err := far.Write(message); err != nil {
			return
		}
	}
}

// readMessage reads a message of a client. The first one has no type.
func readMessage(r io.Reader, first bool) ([]byte, error) {
	head := make([]byte, 5)
	if first {
		head = head[:4]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	message := bytes.NewBuffer(head)
	_, err := io.CopyN(message, r, int64(binary.BigEndian.Uint32(head[len(head)-4:]))-4)
	return message.Bytes(), err
}

// A line that is cut while something is committed leaves open whether it was.
// The store finds out.
func TestCutWhileCommitting(t *testing.T) {
	t.Parallel()
	l, dsn := newLine(t, databases.Database(t))
	s := openStore(t, dsn, postgres.Options{})
	app := newApp(t, s, "a")
	ctx := t.Context()
	get := func(id string) *store.Task {
		t.Helper()
		got, err := s.Task(ctx, app, id)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	claimed := func(id string) *store.Task {
		t.Helper()
		enqueue(t, s, app, id, "k")
		got, err := s.Claim(ctx, "w", time.Minute, id)
		if err != nil || got == nil {
			t.Fatal(got, err)
		}
		return got
	}
	for _, fault := range []int32{beforeCommit, afterCommit} {
		id := func(what string) string { return fmt.Sprintf("%s-%d", what, fault) }
		// cut runs fn on a line that is cut once.
		cut := func(what string, fn func() error) {
			t.Helper()
			had := l.cuts.Load()
			l.next.Store(fault)
			if err := fn(); err != nil {
				t.Errorf("%s, fault %d: %v", what, fault, err)
			}
			if l.cuts.Load() != had+1 {
				t.Fatalf("%s, fault %d: the line was not cut", what, fault)
			}
		}

		a := store.App{Key: id("app"), Secret: "secret"}
		cut("CreateApp", func() error { return s.CreateApp(ctx, &a) })
		if got, err := s.AppByKey(ctx, a.Key); err != nil || got != a || a.ID == 0 {
			t.Errorf("the app is %+v, %v; want %+v", got, err, a)
		}
		cut("SetAppSecret", func() error { return s.SetAppSecret(ctx, a.Key, "other") })
		cut("DeleteApp", func() error { return s.DeleteApp(ctx, a.Key) })
		if apps, err := s.Apps(ctx); err != nil || len(apps) != 1 {
			t.Errorf("apps: %v, %v", apps, err)
		}

		for _, idem := range []*store.Idempotency{nil, {Key: id("key"), Hash: []byte("h"), Life: time.Hour}} {
			task := &store.Task{ID: id(fmt.Sprint("task ", idem != nil)), App: app, Kind: "k"}
			cut("Enqueue", func() error {
				got, err := s.Enqueue(ctx, task, idem)
				if err == nil && got.ID != task.ID {
					t.Errorf("enqueued %+v", got)
				}
				return err
			})
			get(task.ID)
		}

		enqueue(t, s, app, id("claim"), "k")
		var got *store.Task
		claim := func() (err error) {
			got, err = s.Claim(ctx, "w", time.Minute, id("claim"))
			return err
		}
		cut("Claim", claim)
		if fault == beforeCommit {
			if got != nil {
				t.Errorf("claimed %+v, which nobody was told of", got)
			}
			if err := claim(); err != nil {
				t.Error(err)
			}
		}
		if got == nil || got.Epoch != 1 || got.Owner != "w" || get(id("claim")).Epoch != 1 {
			t.Errorf("fault %d: claimed %+v", fault, got)
		}

		task := claimed(id("beat"))
		cut("Heartbeat", func() error {
			_, err := s.Heartbeat(ctx, task.ID, task.Epoch, time.Minute, store.Progress{Done: 7})
			return err
		})
		if got := get(task.ID); got.Done != 7 {
			t.Errorf("after the heartbeat: %+v", got)
		}
		for _, o := range []store.Outcome{
			{Status: store.Completed, Result: []byte(`{}`)},
			{Status: store.Failed, Error: []byte(`{}`)},
			{Status: store.Pending, Delay: time.Minute},
			{Status: store.Waiting, Refund: true},
		} {
			task := claimed(id(string(o.Status)))
			cut("Finish", func() error { return s.Finish(ctx, task.ID, task.Epoch, o) })
			want := 1
			if o.Refund {
				want = 0
			}
			if got := get(task.ID); got.Status != o.Status || string(got.Result) != string(o.Result) || got.Attempt != want {
				t.Errorf("%s, fault %d: %+v", o.Status, fault, got)
			}
		}
		task = claimed(id("cancel"))
		enqueue(t, s, app, id("cancel waiting"), "k")
		for _, name := range []string{task.ID, id("cancel waiting")} {
			cut("CancelTask", func() error {
				_, err := s.CancelTask(ctx, app, name, []byte(`{}`))
				return err
			})
			if got := get(name); !got.Cancel {
				t.Errorf("%s: %+v", name, got)
			}
		}
		cut("ExpireOwner", func() error { return s.ExpireOwner(ctx, "w") })
		cut("DeleteTasks", func() error { return s.DeleteTasks(ctx, []string{id("completed")}) })
		if _, err := s.Task(ctx, app, id("completed")); err == nil {
			t.Error("the task is still there")
		}
	}
}

// The server goes down and comes back while all are at work. What was
// acknowledged is there, and every task ends once.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t)
	dsn := c.Database(t)
	var stores []*postgres.Store
	for range 2 {
		stores = append(stores, openStore(t, dsn, postgres.Options{}))
	}
	app := newApp(t, stores[0], "a")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var mu sync.Mutex
	enqueued, ended := map[string]bool{}, map[string]int{}
	all := func() bool {
		mu.Lock()
		defer mu.Unlock()
		for id := range enqueued {
			if ended[id] == 0 {
				return false
			}
		}
		return len(enqueued) > 0
	}
	var down atomic.Bool
	var makers, workers sync.WaitGroup
	for i, s := range stores {
		makers.Go(func() {
			for n := 0; !down.Load() && ctx.Err() == nil; n++ {
				id := fmt.Sprintf("%d-%d", i, n)
				if _, err := s.Enqueue(ctx, &store.Task{ID: id, App: app, Kind: "k"}, nil); err == nil {
					mu.Lock()
					enqueued[id] = true
					mu.Unlock()
				}
				<-time.After(2 * time.Millisecond)
			}
		})
		for range 2 {
			workers.Go(func() {
				for ctx.Err() == nil {
					got, err := s.Claim(ctx, "w", 2*time.Second, "")
					if got == nil || err != nil {
						if down.Load() && all() {
							return
						}
						<-time.After(5 * time.Millisecond)
						continue
					}
					if s.Finish(ctx, got.ID, got.Epoch, store.Outcome{Status: store.Completed}) == nil {
						mu.Lock()
						ended[got.ID]++
						mu.Unlock()
					}
				}
			})
		}
	}
	for _, restart := range []func(testing.TB){c.Restart, func(t testing.TB) { c.Crash(t); c.Start(t) }, c.Restart} {
		<-time.After(300 * time.Millisecond)
		restart(t)
	}
	<-time.After(300 * time.Millisecond)
	down.Store(true)
	makers.Wait()
	workers.Wait()
	for id, n := range ended {
		if n != 1 {
			t.Errorf("%s ended %d times", id, n)
		}
	}
	if !all() {
		t.Errorf("%d of %d tasks ended in time", len(ended), len(enqueued))
	}
}
