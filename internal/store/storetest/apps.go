package storetest

import (
	"errors"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"

	"github.com/google/go-cmp/cmp"
)

// RunApps tests the Apps interface.
func RunApps(t *testing.T, open Open) {
	t.Run("CreateAndFind", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := store.App{Name: "Acme", Key: "acme-1", Secret: "s3cret"}
		if err := s.CreateApp(t.Context(), &a); err != nil {
			t.Fatal(err)
		}
		if a.ID == 0 || !a.CreatedAt.Valid() {
			t.Errorf("CreateApp left ID %d and CreatedAt %v", a.ID, a.CreatedAt)
		}
		got, err := s.AppByKey(t.Context(), "acme-1")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, got); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("KeysAreUnique", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		newApp(t, s, "acme")
		err := s.CreateApp(t.Context(), &store.App{Key: "acme", Secret: "other"})
		if !errors.Is(err, store.ErrExists) {
			t.Errorf("second app with the same key: %v, want ErrExists", err)
		}
		if got, err := s.AppByKey(t.Context(), "acme"); err != nil || got.Secret == "other" {
			t.Errorf("the first app is %+v, %v", got, err)
		}
		newApp(t, s, "ACME") // keys are case-sensitive
	})

	t.Run("MalformedKeys", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		for _, key := range []string{"", "a b", "a/b", "ä", string(make([]byte, 65))} {
			if err := s.CreateApp(t.Context(), &store.App{Key: key, Secret: "x"}); err == nil {
				t.Errorf("key %q was taken", key)
			}
		}
	})

	t.Run("List", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		if apps, err := s.Apps(t.Context()); err != nil || len(apps) != 0 {
			t.Errorf("empty store: %v, %v", apps, err)
		}
		want := []store.App{newApp(t, s, "b"), newApp(t, s, "a"), newApp(t, s, "c")}
		got, err := s.Apps(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("SetSecret", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		newApp(t, s, "a")
		newApp(t, s, "b")
		if err := s.SetAppSecret(t.Context(), "a", "fresh"); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{"a": "fresh", "b": "secret of b"} {
			if got, err := s.AppByKey(t.Context(), key); err != nil || got.Secret != want {
				t.Errorf("secret of %s is %q, %v, want %q", key, got.Secret, err, want)
			}
		}
		if err := s.SetAppSecret(t.Context(), "nobody", "x"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("unknown key: %v, want ErrNotFound", err)
		}
	})

	t.Run("Unknown", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		if _, err := s.AppByKey(t.Context(), "nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("AppByKey: %v, want ErrNotFound", err)
		}
		if err := s.DeleteApp(t.Context(), "nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("DeleteApp: %v, want ErrNotFound", err)
		}
	})

	t.Run("Delete", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		gone, kept := newApp(t, s, "gone"), newApp(t, s, "kept")
		for _, a := range []store.App{gone, kept} {
			fill(t, s, a.ID)
			enqueue(t, s, a.ID, "task of "+a.Key, &store.Idempotency{Key: "k", Hash: []byte("h"), Life: day})
		}
		if err := s.DeleteApp(t.Context(), "gone"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.AppByKey(t.Context(), "gone"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("AppByKey: %v, want ErrNotFound", err)
		}
		if apps, err := s.Apps(t.Context()); err != nil || len(apps) != 1 {
			t.Errorf("apps: %v, %v", apps, err)
		}
		for _, a := range []store.App{gone, kept} {
			want := 0
			if a.ID == kept.ID {
				want = 1
			}
			if got := count(t, s, a.ID); got != (content{want, want, want, want, want, 3 * want}) {
				t.Errorf("app %s holds %+v, want %d of each", a.Key, got, want)
			}
		}
		// The key is free again, and what comes is another app.
		again := newApp(t, s, "gone")
		if again.ID == gone.ID {
			t.Error("the ID was given twice")
		}
	})

	t.Run("NothingForAnAppThatIsGone", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		a := newApp(t, s, "a")
		if err := s.DeleteApp(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		_, err := s.Enqueue(t.Context(), &store.Task{ID: "t", App: a.ID, Kind: "k"}, nil)
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Enqueue: %v, want ErrNotFound", err)
		}
	})
}

func newApp(t *testing.T, s store.Apps, key string) store.App {
	t.Helper()
	a := store.App{Name: "app " + key, Key: key, Secret: "secret of " + key}
	if err := s.CreateApp(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// fill puts one of everything into an app.
func fill(t *testing.T, s store.Store, app int64) {
	t.Helper()
	const at = chat.Time(1613549869745857)
	err := s.Update(t.Context(), app, func(tx store.Tx) error {
		if _, err := tx.PutUser(&chat.User{ID: "alice", Role: "user", CreatedAt: at, UpdatedAt: at}); err != nil {
			return err
		}
		ch, err := tx.PutChannel(&chat.Channel{Type: "messaging", ID: "general", CreatedBy: "alice", CreatedAt: at, UpdatedAt: at})
		if err != nil {
			return err
		}
		if err := tx.PutMember(ch, &chat.Member{UserID: "alice", CreatedAt: at, UpdatedAt: at}); err != nil {
			return err
		}
		if err := tx.PutRead(ch, &chat.Read{UserID: "alice", LastRead: at}); err != nil {
			return err
		}
		if err := tx.PutMessage(&chat.Message{
			ID: "m", CID: "messaging:general", UserID: "alice", Type: chat.Regular,
			CreatedAt: at, UpdatedAt: at,
		}); err != nil {
			return err
		}
		if err := tx.PutReaction(&chat.Reaction{
			MessageID: "m", UserID: "alice", Type: "like", Score: 1,
			CreatedAt: at, UpdatedAt: at,
		}); err != nil {
			return err
		}
		answer := chat.Message{
			ID: "answer", CID: "messaging:general", UserID: "alice", Type: chat.Reply, ParentID: "m", CreatedAt: at + 1, UpdatedAt: at + 1,
			Pinned: true, PinnedAt: at + 1, PinnedBy: "alice",
		}
		orphan := answer
		orphan.ID, orphan.ParentID = "orphan", "none"
		alice, err := tx.UserKey("alice")
		return errors.Join(
			err,
			tx.PutMessage(&answer), tx.PutMessage(&orphan),
			tx.PutCall(&chat.Call{Type: "default", ID: "c", CreatedBy: "alice", CreatedAt: at, UpdatedAt: at}),
			tx.PutHistory(&store.HistoryRow{Message: "m", UpdatedAt: at, UpdatedBy: alice, Object: []byte(`{}`)}),
			tx.PutPending(&store.PendingRow{ID: "wait", Channel: ch, User: alice, CreatedAt: at, Message: []byte(`{}`)}),
			tx.PutMark(&store.Mark{Kind: store.Hidden, User: alice, Subject: "messaging:general", At: at}),
			tx.PutSetting("a", []byte("1")),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
}

type content struct{ users, channels, messages, calls, tasks, notes int }

// count counts what fill put in and what was enqueued.
func count(t *testing.T, s store.Store, app int64) content {
	t.Helper()
	var n content
	err := s.View(t.Context(), app, func(r store.Reader) error {
		if _, err := r.Message("m"); err == nil {
			n.messages++
		}
		if _, err := r.Call("default:c"); err == nil {
			n.calls++
		}
		if _, err := r.Pending("wait"); err == nil {
			n.notes++
		}
		if _, err := r.Setting("a"); err == nil {
			n.notes++
		}
		if err := r.History(store.HistoryQuery{Message: "m"}, func(*store.HistoryRow) error { n.notes++; return nil }); err != nil {
			return err
		}
		if err := r.Users(func(int64, string, []byte) error { n.users++; return nil }); err != nil {
			return err
		}
		return r.Channels("", func(*store.ChannelRow) error { n.channels++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	n.tasks = len(list(t, s, store.TaskQuery{App: app}))
	return n
}
