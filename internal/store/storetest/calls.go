package storetest

import (
	"bytes"
	"errors"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"
)

func testCalls(_ *testing.T, f *fixture) {
	c := chat.Call{
		Type: "default", ID: "c1", CreatedBy: "alice", CreatedAt: 2e15, UpdatedAt: 2e15,
		Members: []chat.CallMember{{UserID: "bob", Role: "host", CreatedAt: 2e15}},
		Session: chat.Raw(`{"participants":[{"user_id":"carol"},{"user_id":"stranger"}]}`),
	}
	early := chat.Call{Type: "default", ID: "c0", CreatedBy: "carol", CreatedAt: 1e15, UpdatedAt: 1e15}
	f.update(func(tx store.Tx) error { return errors.Join(tx.PutCall(&c), tx.PutCall(&early), tx.PutCall(&c)) })
	calls := func(user string) (out []string) {
		f.view(func(r store.Reader) error {
			key, err := r.UserKey(user)
			if err != nil {
				return err
			}
			return r.UserCalls(key, func(row *store.CallRow) error {
				b, err := render.New(r).Call(nil, row)
				f.contains(string(b), `"cid":"`+row.CID+`"`)
				out = append(out, row.CID)
				return err
			})
		})
		return out
	}
	f.equal(calls("alice"), []string{"default:c1"})
	f.equal(calls("bob"), []string{"default:c1"})
	f.equal(calls("carol"), []string{"default:c0", "default:c1"})
	c.Members = nil
	f.update(func(tx store.Tx) error { return tx.PutCall(&c) })
	f.equal(len(calls("bob")), 0)
}

func testCallDetails(t *testing.T, f *fixture) {
	plain := chat.Call{Type: "default", ID: "b", CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15}
	full := chat.Call{
		Type: "default", ID: "a", CreatedBy: "alice", CreatedAt: 2e15, UpdatedAt: 3e15, StartsAt: 4e15, EndedAt: 5e15, DeletedAt: 6e15,
		Members: []chat.CallMember{
			{UserID: "bob", Role: "host", CreatedAt: 2e15, UpdatedAt: 3e15, Custom: chat.Custom{{Name: "n", Value: chat.Raw("2.50")}}},
			{UserID: "carol", Role: "user", CreatedAt: 2e15},
		},
		Session: chat.Raw(`{"participants":["carol"]}`), Settings: chat.Raw(`{"z":1,"a":2}`), Custom: chat.Custom{{Name: "topic", Value: chat.Raw(`"t"`)}},
	}
	f.update(func(tx store.Tx) error { return errors.Join(tx.PutCall(&plain), tx.PutCall(&full)) })
	check := func(row *store.CallRow, err error, want chat.Call) error {
		if err != nil {
			return err
		}
		f.view(func(r store.Reader) error {
			b, err := render.New(r).CallDetails(nil, row)
			if err != nil {
				return err
			}
			got, err := wire.DecodeCall(b, nil)
			f.equal(got, want)
			exported, err2 := render.New(r).Call(nil, row)
			if bytes.Contains(exported, []byte("settings")) || bytes.Contains(exported, []byte("2.50")) {
				t.Errorf("exports show %s", exported)
			}
			return errors.Join(err, err2)
		})
		return nil
	}
	f.view(func(r store.Reader) error {
		for _, want := range []chat.Call{plain, full} {
			row, err := r.Call(want.CID())
			if (row.Details != nil) != want.Detailed() {
				t.Errorf("%s: details %q", want.CID(), row.Details)
			}
			if err := check(&row, err, want); err != nil {
				return err
			}
		}
		if _, err := r.Call("default:none"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown call: %v", err)
		}
		want := []chat.Call{full, plain}
		err := r.Calls(func(row *store.CallRow) error {
			copied := *row
			copied.Body, copied.Details = bytes.Clone(row.Body), bytes.Clone(row.Details)
			err := check(&copied, nil, want[0])
			want = want[1:]
			return err
		})
		f.equal(len(want), 0)
		return err
	})
	// A user who is renamed is renamed here too, except in the session.
	f.update(func(tx store.Tx) error {
		return errors.Join(tx.RenameUser("bob", "zoe"), tx.RenameUser("carol", "ida"))
	})
	full.Members[0].UserID, full.Members[1].UserID = "zoe", "ida"
	f.view(func(r store.Reader) error {
		row, err := r.Call("default:a")
		return check(&row, err, full)
	})
	// What is put without details has none.
	full.Settings, full.Members = nil, nil
	f.update(func(tx store.Tx) error { return tx.PutCall(&full) })
	f.view(func(r store.Reader) error {
		row, err := r.Call("default:a")
		f.equal(row.Details == nil, true)
		return err
	})
}

func testDeleteCall(t *testing.T, f *fixture) {
	c := chat.Call{
		Type: "default", ID: "a", CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15,
		Members: []chat.CallMember{{UserID: "bob", Role: "host", CreatedAt: 1e15}}, Session: chat.Raw(`{"participants":["carol"]}`),
	}
	kept := chat.Call{Type: "default", ID: "b", CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15}
	f.update(func(tx store.Tx) error { return errors.Join(tx.PutCall(&c), tx.PutCall(&kept)) })
	f.update(func(tx store.Tx) error { return tx.DeleteCall("default:a") })
	f.update(func(tx store.Tx) error {
		if _, err := tx.Call("default:a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("still there: %v", err)
		}
		for _, cid := range []string{"default:a", "default:none"} {
			if err := tx.DeleteCall(cid); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s was deleted: %v", cid, err)
			}
		}
		for user, want := range map[string]int{"alice": 1, "bob": 0, "carol": 0} {
			key, err := tx.UserKey(user)
			if err != nil {
				return err
			}
			n := 0
			if err := tx.UserCalls(key, func(*store.CallRow) error { n++; return nil }); err != nil {
				return err
			}
			if n != want {
				t.Errorf("%s has %d calls, want %d", user, n, want)
			}
		}
		return nil
	})
}
