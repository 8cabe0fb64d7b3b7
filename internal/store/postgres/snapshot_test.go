package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/store/postgres"

	"github.com/google/go-cmp/cmp"
)

// filled is a store with an app, a user for every tenth message, and a channel
// in which every third message quotes the one before it.
func filled(t *testing.T, opts postgres.Options, messages int) (s *postgres.Store, app, channel int64) {
	t.Helper()
	s = openStore(t, databases.Database(t), opts)
	a := store.App{Name: "test", Key: "test", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	err := s.Update(t.Context(), a.ID, func(tx store.Tx) (err error) {
		for i := range messages/10 + 1 {
			u := &chat.User{ID: fmt.Sprint("u", i), Name: fmt.Sprint("User ", i), Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15}
			if _, err := tx.PutUser(u); err != nil {
				return err
			}
		}
		if channel, err = tx.PutChannel(&chat.Channel{Type: "messaging", ID: "c", CreatedBy: "u0", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
			return err
		}
		ms := make([]chat.Message, messages)
		for i := range ms {
			at := chat.Time(1e15 + i)
			ms[i] = chat.Message{
				ID: fmt.Sprintf("m'%d", i), CID: "messaging:c", UserID: fmt.Sprint("u", i/10), Type: chat.Regular,
				Text: fmt.Sprint("text ", i), CreatedAt: at, UpdatedAt: at,
			}
			if i%3 == 2 {
				ms[i].QuotedMessageID = ms[i-1].ID
			}
		}
		_, err = tx.InsertMessages(ms, false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, a.ID, channel
}

func snapshotOf(t *testing.T, s *postgres.Store, app int64) store.Snapshot {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// What a snapshot copies out, with what it refers to, is what a view reads.
func TestSnapshotCopies(t *testing.T) {
	t.Parallel()
	const n = 1000
	s, app, channel := filled(t, postgres.Options{}, n)
	all := func(r store.Reader) (out []string) {
		rr := render.New(r)
		err := r.Messages(store.MessageRange{Channel: channel}, func(m *store.MessageRow) error {
			b, err := rr.Message(nil, m)
			out = append(out, string(b))
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return out
	}
	snap := snapshotOf(t, s, app)
	copied := all(snap)
	var read []string
	if err := s.View(t.Context(), app, func(r store.Reader) error {
		read = all(r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(copied) != n || strings.Join(copied, "\n") != strings.Join(read, "\n") {
		t.Errorf("copied %d messages, read %d", len(copied), len(read))
	}
	if !strings.Contains(copied[2], `"quoted_message":{"id":"m'1"`) && !strings.Contains(copied[2], `"quoted_message":`) {
		t.Errorf("nothing is quoted in %s", copied[2])
	}

	// Callbacks end it early, read other messages meanwhile, and go on later.
	enough := errors.New("enough")
	for round := range 3 {
		seen := 0
		err := snap.Messages(store.MessageRange{Channel: channel, AfterTime: 1e15, AfterID: "m'0"}, func(m *store.MessageRow) error {
			if want := fmt.Sprint("m'", seen+1); string(m.ID) != want {
				return fmt.Errorf("got %s, want %s", m.ID, want)
			}
			if seen++; seen == 500 {
				return enough
			}
			if seen%100 != 0 {
				return nil
			}
			newest := 0
			err := snap.Messages(store.MessageRange{Channel: channel, Newest: true}, func(m *store.MessageRow) error {
				if want := fmt.Sprint("m'", n-1-newest); string(m.ID) != want {
					return fmt.Errorf("got %s, want %s", m.ID, want)
				}
				if newest++; newest == 100 {
					return enough
				}
				return nil
			})
			if !errors.Is(err, enough) {
				return fmt.Errorf("inside: %w", err)
			}
			return nil
		})
		if !errors.Is(err, enough) || seen != 500 {
			t.Errorf("round %d: %d messages, %v", round, seen, err)
		}
	}
	if again := all(snap); len(again) != n {
		t.Errorf("after all that: %d messages", len(again))
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
	if err := snap.Close(); err == nil {
		t.Error("closed twice")
	}
}

// Members and read states come with their users, whose number is not that of
// what is read in one go, and end when the caller has had enough.
func TestSnapshotCrowd(t *testing.T) {
	t.Parallel()
	const n = 600
	s, app, channel := filled(t, postgres.Options{}, 10*n)
	err := s.Update(t.Context(), app, func(tx store.Tx) error {
		for i := range n {
			id := fmt.Sprint("u", i*7%n)
			if err := tx.PutMember(channel, &chat.Member{UserID: id, CreatedAt: chat.Time(1e15 + i), UpdatedAt: 1e15}); err != nil {
				return err
			}
			if err := tx.PutRead(channel, &chat.Read{UserID: id, LastRead: chat.Time(1e15 + i)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all := func(r store.Reader, most int) (out []string) {
		enough := errors.New("enough")
		name := func(key int64, what string) error {
			id, object, err := r.UserInto(nil, key)
			if out = append(out, id+what+string(object)); len(out)%most == 0 && err == nil {
				return enough
			}
			return err
		}
		err := r.Members(channel, func(m *store.MemberRow) error { return name(m.User, string(m.Body)) })
		if err != nil && !errors.Is(err, enough) {
			t.Error(err)
		}
		err = r.Reads(channel, func(row *store.ReadRow) error { return name(row.User, fmt.Sprint(row.Read)) })
		if err != nil && !errors.Is(err, enough) {
			t.Error(err)
		}
		return out
	}
	for _, most := range []int{1 << 20, 300} {
		var want []string
		if err := s.View(t.Context(), app, func(r store.Reader) error {
			want = all(r, most)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(want) < min(2*n, 2*most) {
			t.Fatalf("%d rows", len(want))
		}
		snap := snapshotOf(t, s, app)
		for range 2 { // the second time the users are known
			if diff := cmp.Diff(want, all(snap, most)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		}
		if err := snap.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSnapshotInterrupted(t *testing.T) {
	t.Parallel()
	s, app, channel := filled(t, postgres.Options{}, 2000)
	snap := snapshotOf(t, s, app)
	seen := 0
	err := snap.Messages(store.MessageRange{Channel: channel}, func(*store.MessageRow) error {
		if seen++; seen == 300 {
			snap.Interrupt()
		}
		return nil
	})
	if err == nil || seen != 300 {
		t.Errorf("read %d messages, %v", seen, err)
	}
	if _, err := snap.Channel("messaging:c"); err == nil {
		t.Error("an interrupted snapshot is read from")
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
	// Others are not hit by it.
	for range 5 {
		snap := snapshotOf(t, s, app)
		if _, err := snap.Channel("messaging:c"); err != nil {
			t.Error(err)
		}
		if err := snap.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Snapshots that are waited for do not keep those that are open from what they
// need.
func TestSnapshotsAreFew(t *testing.T) {
	t.Parallel()
	s, app, channel := filled(t, postgres.Options{SnapshotConns: 4}, 100)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			snap, err := s.Snapshot(t.Context(), app)
			if err != nil {
				t.Error(err)
				return
			}
			seen := 0
			err = snap.Messages(store.MessageRange{Channel: channel}, func(*store.MessageRow) error {
				seen++
				return nil
			})
			if err != nil || seen != 100 {
				t.Errorf("%d messages, %v", seen, err)
			}
			if err := snap.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	held := []store.Snapshot{snapshotOf(t, s, app), snapshotOf(t, s, app)}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Snapshot(ctx, app); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third one: %v", err)
	}
	for _, snap := range held {
		if err := snap.Close(); err != nil {
			t.Error(err)
		}
	}
}

// AsOf is the database's time, whatever the clocks here say; what was
// acknowledged before is in the snapshot.
func TestSnapshotAsOf(t *testing.T) {
	t.Parallel()
	s, app, _ := filled(t, postgres.Options{}, 1)
	for range 3 {
		before, err := s.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		snap := snapshotOf(t, s, app)
		after, err := s.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if snap.AsOf() < before || snap.AsOf() > after {
			t.Errorf("as of %s, between %s and %s", snap.AsOf(), before, after)
		}
		if err := snap.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A snapshot outlives the context that it was opened with.
func TestSnapshotOutlives(t *testing.T) {
	t.Parallel()
	s, app, _ := filled(t, postgres.Options{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	snap, err := s.Snapshot(ctx, app)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := snap.Channel("messaging:c"); err != nil {
		t.Error(err)
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
}

// A store that is closed waits for its snapshots.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	dsn := databases.Database(t)
	s, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	snap := snapshotOf(t, s, 1)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	for s.Ping(t.Context()) == nil {
		if t.Context().Err() != nil {
			t.Fatal("the store does not close")
		}
	}
	if _, err := snap.Channel("messaging:c"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the snapshot is of no use any more: %v", err)
	}
	select {
	case <-closed:
		t.Error("did not wait")
	default:
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := s.Snapshot(t.Context(), 1); err == nil {
		t.Error("a snapshot of a closed store")
	}
}
