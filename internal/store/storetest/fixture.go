package storetest

import (
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"

	"github.com/google/go-cmp/cmp"
)

// fixture is a store with an app and some users.
type fixture struct {
	*testing.T
	store store.Store
	app   int64
}

func newFixture(t *testing.T, s store.Store) *fixture {
	t.Helper()
	app := store.App{Name: "test", Key: "key1", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, store: s, app: app.ID}
	f.update(func(tx store.Tx) error {
		for _, id := range []string{"alice", "bob", "carol"} {
			if _, err := tx.PutUser(&chat.User{ID: id, Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
				return err
			}
		}
		_, err := tx.PutChannel(newChannel("general"))
		return err
	})
	return f
}

func newChannel(id string) *chat.Channel {
	return &chat.Channel{Type: "messaging", ID: id, CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15}
}

func newMessage(id, user string, at chat.Time) chat.Message {
	return chat.Message{ID: id, CID: "messaging:general", UserID: user, Type: chat.Regular, Text: "text of " + id, CreatedAt: at, UpdatedAt: at}
}

func (f *fixture) update(fn func(store.Tx) error) {
	f.Helper()
	if err := f.store.Update(f.Context(), f.app, fn); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) view(fn func(store.Reader) error) {
	f.Helper()
	if err := f.store.View(f.Context(), f.app, fn); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) channel(cid string) (row store.ChannelRow) {
	f.Helper()
	f.view(func(r store.Reader) (err error) {
		row, err = r.Channel(cid)
		return err
	})
	return row
}

// messages renders all messages of a channel.
func (f *fixture) messages(cid string) (out []string) {
	f.Helper()
	f.view(func(r store.Reader) error {
		row, err := r.Channel(cid)
		if err != nil {
			return err
		}
		rr := render.New(r)
		return r.Messages(store.MessageRange{Channel: row.Key}, func(m *store.MessageRow) error {
			b, err := rr.Message(nil, m)
			out = append(out, string(b))
			return err
		})
	})
	return out
}

func (f *fixture) message(id string) string {
	f.Helper()
	var out []byte
	f.view(func(r store.Reader) error {
		row, err := r.Message(id)
		if err != nil {
			return err
		}
		if out, err = render.New(r).Message(nil, &row); err != nil {
			return err
		}
		var into store.MessageRow
		buf, found, err := r.MessageInto(&into, []byte("before"), []byte(id))
		if d := cmp.Diff(row, into); err != nil || !found || d != "" || !strings.HasPrefix(string(buf), "before") {
			f.Errorf("MessageInto(%s): %t, %v (-Message +MessageInto)\n%s", id, found, err, d)
		}
		_, found, err = r.MessageInto(&into, nil, []byte("no-"+id))
		if found || err != nil {
			f.Errorf("MessageInto of a message that is not there: %t, %v", found, err)
		}
		return nil
	})
	return string(out)
}

func (f *fixture) contains(got string, want ...string) {
	f.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			f.Errorf("missing %s in\n%s", w, got)
		}
	}
}

func (f *fixture) equal(got, want any) {
	f.Helper()
	if d := cmp.Diff(want, got); d != "" {
		f.Errorf("got + want -\n%s", d)
	}
}
