package storetest

import (
	"errors"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
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
