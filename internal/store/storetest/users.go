package storetest

import (
	"errors"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

func testUsers(t *testing.T, f *fixture) {
	u := chat.User{
		ID: "dora", Role: "admin", Name: "Dora \u2028 <d>", Teams: []string{"red"}, CreatedAt: 1e15, UpdatedAt: 2e15,
		Custom: chat.Custom{{Name: "big", Value: chat.Raw("12345678901234567890")}, {Name: "price", Value: chat.Raw("2.50")}},
	}
	var first, second int64
	f.update(func(tx store.Tx) (err error) {
		first, err = tx.PutUser(&u)
		return err
	})
	u.Name = "Dora"
	f.update(func(tx store.Tx) (err error) {
		second, err = tx.PutUser(&u)
		return err
	})
	if first != second {
		t.Errorf("the key of a user changed from %d to %d", first, second)
	}
	f.view(func(r store.Reader) error {
		key, err := r.UserKey("dora")
		if err != nil {
			return err
		}
		id, object, err := r.UserByKey(key)
		f.equal(id, "dora")
		f.equal(string(object), string(wire.AppendUser(nil, &u)))
		id, into, ierr := r.UserInto([]byte("before"), key)
		f.equal(id, "dora")
		f.equal(string(into), "before"+string(object))
		if _, into, unknown := r.UserInto([]byte("before"), 1<<40); !errors.Is(unknown, store.ErrNotFound) || string(into) != "before" {
			t.Errorf("a key that nobody has: %q, %v", into, unknown)
		}
		if _, err := r.UserKey("nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown user: %v", err)
		}
		var ids []string
		if err := r.Users(func(_ int64, id string, _ []byte) error {
			ids = append(ids, id)
			return nil
		}); err != nil {
			return err
		}
		f.equal(ids, []string{"alice", "bob", "carol", "dora"})
		return errors.Join(err, ierr)
	})
}

func testUnknownUsers(t *testing.T, f *fixture) {
	m := newMessage("a", "nobody", 1e15)
	mentions := newMessage("a", "bob", 1e15)
	mentions.MentionedUsers = []string{"alice", "nobody"}
	c := newChannel("x")
	c.CreatedBy = "nobody"
	for name, fn := range map[string]func(store.Tx) error{
		"author":  func(tx store.Tx) error { return tx.PutMessage(&m) },
		"mention": func(tx store.Tx) error { return tx.PutMessage(&mentions) },
		"creator": func(tx store.Tx) error { _, err := tx.PutChannel(c); return err },
		"call":    func(tx store.Tx) error { return tx.PutCall(&chat.Call{Type: "a", ID: "b", CreatedBy: "nobody"}) },
	} {
		err := f.store.Update(f.Context(), f.app, fn)
		var unknown *store.UnknownUserError
		if !errors.As(err, &unknown) || unknown.ID != "nobody" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
