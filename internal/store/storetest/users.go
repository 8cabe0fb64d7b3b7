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
		return err
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

func testTenancy(t *testing.T, f *fixture) {
	other := store.App{Name: "other", Key: "key2", Secret: "s"}
	if err := f.store.CreateApp(f.Context(), &other); err != nil {
		t.Fatal(err)
	}
	m := newMessage("a", "alice", 1e15)
	f.update(func(tx store.Tx) error { return tx.PutMessage(&m) })
	var alice int64
	f.view(func(r store.Reader) (err error) {
		alice, err = r.UserKey("alice")
		return err
	})
	err := f.store.View(f.Context(), other.ID, func(r store.Reader) error {
		_, userErr := r.UserKey("alice")
		_, _, keyErr := r.UserByKey(alice)
		_, channelErr := r.Channel("messaging:general")
		_, messageErr := r.Message("a")
		for i, err := range []error{userErr, keyErr, channelErr, messageErr} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("lookup %d: another app's row is visible: %v", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// The same ids in another app are other things.
	err = f.store.Update(f.Context(), other.ID, func(tx store.Tx) error {
		key, err := tx.PutUser(&chat.User{ID: "alice", Role: "user", Name: "Another", CreatedAt: 1e15, UpdatedAt: 1e15})
		if key == alice {
			t.Error("two apps share a user")
		}
		if err != nil {
			return err
		}
		if _, err := tx.PutChannel(newChannel("general")); err != nil {
			return err
		}
		other := newMessage("a", "alice", 5e15)
		return tx.PutMessage(&other)
	})
	if err != nil {
		t.Fatal(err)
	}
	f.contains(f.message("a"), `"created_at":"2001-09-09T01:46:40Z"`)
}
