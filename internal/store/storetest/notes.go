package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"

	"pgregory.net/rapid"
)

// testHistory compares every query of the history with a sorted list.
func testHistory(t *testing.T, f *fixture) {
	type entry struct {
		message string
		at      chat.Time
		by      string
	}
	var entries []entry
	keys := map[string]int64{}
	f.update(func(tx store.Tx) error {
		for i, user := range []string{"alice", "bob"} {
			key, err := tx.UserKey(user)
			if err != nil {
				return err
			}
			keys[user] = key
			for j := range 5 {
				e := entry{fmt.Sprintf("m%d", j%3), chat.Time(1e15 + (i+j)%4), user}
				if i := slices.IndexFunc(entries, func(o entry) bool { return o.message == e.message && o.at == e.at }); i >= 0 {
					entries[i] = e // the later one stays
				} else {
					entries = append(entries, e)
				}
				err := tx.PutHistory(&store.HistoryRow{
					Message: e.message, UpdatedAt: e.at, UpdatedBy: key, Object: fmt.Appendf(nil, `{"by":%q}`, user),
				})
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	slices.SortFunc(entries, func(a, b entry) int {
		if a.at != b.at {
			return int(b.at - a.at)
		}
		return strings.Compare(a.message, b.message)
	})
	rapid.Check(t, func(r *rapid.T) {
		at := func(name string) chat.Time {
			if !rapid.Bool().Draw(r, name+"?") {
				return 0
			}
			return chat.Time(1e15 + rapid.IntRange(-1, 5).Draw(r, name))
		}
		q := store.HistoryQuery{Since: at("since"), Until: at("until")}
		by := rapid.SampledFrom([]string{"", "alice", "bob"}).Draw(r, "by")
		q.User = keys[by]
		if by == "" || rapid.Bool().Draw(r, "message?") {
			q.Message = rapid.SampledFrom([]string{"m0", "m1", "m2", "none"}).Draw(r, "message")
		}
		if q.BeforeTime = at("before"); q.BeforeTime != 0 {
			q.BeforeMessage = rapid.SampledFrom([]string{"", "m0", "m1", "m2"}).Draw(r, "before message")
		}
		var want []string
		for _, e := range entries {
			switch {
			case q.Message != "" && e.message != q.Message, by != "" && e.by != by:
			case e.at < q.Since, q.Until != 0 && e.at >= q.Until:
			case q.BeforeTime != 0 && (e.at > q.BeforeTime || e.at == q.BeforeTime && e.message <= q.BeforeMessage):
			default:
				want = append(want, fmt.Sprintf("%s %d {\"by\":%q}", e.message, e.at, e.by))
			}
		}
		var got []string
		f.view(func(rd store.Reader) error {
			return rd.History(q, func(h *store.HistoryRow) error {
				if id, _, err := rd.UserByKey(h.UpdatedBy); err != nil || !strings.Contains(string(h.Object), id) {
					r.Errorf("%s was updated by %s, %v", h.Object, id, err)
				}
				got = append(got, fmt.Sprintf("%s %d %s", h.Message, h.UpdatedAt, h.Object))
				return nil
			})
		})
		if !slices.Equal(got, want) {
			r.Fatalf("%+v: %v, want %v", q, got, want)
		}
	})
	err := f.store.View(f.Context(), f.app, func(r store.Reader) error {
		return r.History(store.HistoryQuery{}, func(*store.HistoryRow) error { return nil })
	})
	if err == nil {
		t.Error("a query of everything was answered")
	}
}

func testPending(t *testing.T, f *fixture) {
	var alice, bob int64
	f.view(func(r store.Reader) (err error) {
		var err2 error
		alice, err = r.UserKey("alice")
		bob, err2 = r.UserKey("bob")
		return errors.Join(err, err2)
	})
	channel := f.channel("messaging:general").Key
	row := store.PendingRow{ID: "a", Channel: channel, User: alice, CreatedAt: 1e15, Message: []byte(`{"id":"a"}`)}
	full := store.PendingRow{ID: "b", Channel: channel, User: bob, CreatedAt: 2e15, Message: []byte(`{"id":"b"}`), Metadata: []byte(`{"k":2.50}`)}
	f.update(func(tx store.Tx) error { return errors.Join(tx.PutPending(&row), tx.PutPending(&full)) })
	get := func(id string) (got store.PendingRow, err error) {
		f.view(func(r store.Reader) error {
			got, err = r.Pending(id)
			return nil
		})
		return got, err
	}
	for _, want := range []store.PendingRow{row, full} {
		got, err := get(want.ID)
		if err != nil {
			t.Error(err)
		}
		f.equal(got, want)
	}
	row.Message, row.Metadata = []byte(`{"id":"a","x":1}`), []byte(`{}`)
	f.update(func(tx store.Tx) error { return tx.PutPending(&row) })
	got, err := get("a")
	f.equal(got, row)
	// It is no message.
	f.equal(f.channel("messaging:general").TotalMessages, 0)
	f.update(func(tx store.Tx) error {
		if _, err := tx.Message("a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("it is a message: %v", err)
		}
		return errors.Join(err, tx.DeletePending("a"))
	})
	if _, err := get("a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
	f.update(func(tx store.Tx) error {
		if err := tx.DeletePending("a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
		return errors.Join(tx.PutPending(&row), tx.DeletePendingOf(bob), tx.DeletePendingOf(bob))
	})
	if _, err := get("b"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("bob's is still there: %v", err)
	}
	if _, err := get("a"); err != nil {
		t.Errorf("alice's is gone: %v", err)
	}
	for _, step := range []struct {
		before chat.Time
		gone   bool
	}{{row.CreatedAt, false}, {row.CreatedAt + 1, true}} {
		f.update(func(tx store.Tx) error { return tx.DeletePendingIn(row.Channel, step.before) })
		if _, err := get("a"); errors.Is(err, store.ErrNotFound) != step.gone {
			t.Errorf("what was sent before %v is removed: %v", step.before, err)
		}
	}
}

func testMarks(t *testing.T, f *fixture) {
	var alice, bob int64
	f.view(func(r store.Reader) (err error) {
		var err2 error
		alice, err = r.UserKey("alice")
		bob, err2 = r.UserKey("bob")
		return errors.Join(err, err2)
	})
	marks := []store.Mark{
		{Kind: store.Hidden, User: alice, Subject: "messaging:a", At: 1e15},
		{Kind: store.Hidden, User: alice, Subject: "messaging:b", At: 2e15, Until: 9e15},
		{Kind: store.Hidden, User: bob, Subject: "messaging:a", At: 3e15},
		{Kind: store.Muted, User: alice, Subject: "messaging:a", At: 4e15},
		{Kind: store.Blocked, User: alice, Subject: "bob", At: 5e15},
	}
	f.update(func(tx store.Tx) error {
		for _, m := range slices.Backward(marks) {
			if err := tx.PutMark(&m); err != nil {
				return err
			}
		}
		return nil
	})
	list := func(kind store.MarkKind, user int64) (got []store.Mark) {
		f.view(func(r store.Reader) error {
			return r.Marks(kind, user, func(m *store.Mark) error {
				got = append(got, *m)
				return nil
			})
		})
		return got
	}
	f.equal(list(store.Hidden, alice), marks[:2])
	f.equal(list(store.Hidden, bob), marks[2:3])
	f.equal(list(store.Cleared, alice), []store.Mark(nil))
	f.view(func(r store.Reader) error {
		got, err := r.Mark(store.Hidden, alice, "messaging:b")
		f.equal(got, marks[1])
		if _, err := r.Mark(store.Muted, bob, "messaging:a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a mark that nobody made: %v", err)
		}
		return err
	})
	again := store.Mark{Kind: store.Hidden, User: alice, Subject: "messaging:b", At: 7e15}
	f.update(func(tx store.Tx) error {
		return errors.Join(tx.PutMark(&again), tx.DeleteMark(store.Muted, bob, "messaging:a"), tx.DeleteMark(store.Muted, alice, "messaging:a"))
	})
	f.equal(list(store.Hidden, alice), []store.Mark{marks[0], again})
	f.equal(list(store.Muted, alice), []store.Mark(nil))
	f.update(func(tx store.Tx) error { return tx.DeleteMarksOn(store.Hidden, "messaging:a") })
	f.equal(list(store.Hidden, alice), []store.Mark{again})
	f.equal(list(store.Hidden, bob), []store.Mark(nil))
	f.equal(list(store.Blocked, alice), marks[4:])
}

func testSettings(t *testing.T, f *fixture) {
	f.update(func(tx store.Tx) error {
		for name, value := range map[string]string{"a/b": "1", "a/c": "2", "a": "3", "b/a": "4", "a%": "5", "a_": "6", "A/b": "7"} {
			if err := tx.PutSetting(name, []byte(value)); err != nil {
				return err
			}
		}
		return nil
	})
	list := func(prefix string) (got []string) {
		f.view(func(r store.Reader) error {
			return r.Settings(prefix, func(name string, value []byte) error {
				got = append(got, name+"="+string(value))
				return nil
			})
		})
		return got
	}
	f.equal(list("a/"), []string{"a/b=1", "a/c=2"})
	f.equal(list("a%"), []string{"a%=5"})
	f.equal(list("a_"), []string{"a_=6"})
	f.equal(list("c"), []string(nil))
	f.equal(len(list("")), 7)
	get := func(name string) (string, error) {
		var value []byte
		err := f.store.View(f.Context(), f.app, func(r store.Reader) (err error) {
			value, err = r.Setting(name)
			return err
		})
		return string(value), err
	}
	if got, err := get("a"); got != "3" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	f.update(func(tx store.Tx) error {
		return errors.Join(tx.PutSetting("a", []byte(`{"x":2.50}`)), tx.PutSetting("a/b", nil), tx.PutSetting("none", nil))
	})
	if got, err := get("a"); got != `{"x":2.50}` || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, name := range []string{"a/b", "none", ""} {
		if got, err := get(name); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
