package live_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"hansard/internal/store"
	"hansard/internal/wire"
)

func TestBlocks(t *testing.T) {
	t.Parallel()
	f := newUsers(t)
	block, unblock := f.call(f.live.BlockUser), f.call(f.live.UnblockUser)
	list := func(query string) call {
		return func(string) ([]byte, error) {
			q, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			return f.live.BlockedUsers(context.WithoutCancel(t.Context()), f.app, q)
		}
	}
	f.equal(map[string]any{"blocks": []any{}}, f.must(list("user_id=ann"), ``))
	want := map[string]any{"blocked_by_user_id": "ann", "blocked_user_id": "eve", "created_at": "2026-03-01T12:00:00Z"}
	f.equal(want, f.must(block, `{"blocked_user_id":"eve","user_id":"ann"}`))
	f.pass(time.Minute)
	// Once more changes nothing.
	f.equal(want, f.must(block, `{"blocked_user_id":"eve","user":{"id":"ann"}}`))
	f.must(block, `{"blocked_user_id":"bob","user_id":"ann"}`)
	v := f.must(list("user_id=ann"), ``)
	f.want(v, "bob", "blocks", 0, "blocked_user_id")
	f.want(v, "2026-03-01T12:01:00Z", "blocks", 0, "created_at")
	f.want(v, "eve", "blocks", 1, "blocked_user", "id")
	f.want(v, "ann", "blocks", 1, "user_id")
	f.want(v, "Ann", "blocks", 1, "user", "name")
	f.want(v, nil, "blocks", 2)
	f.equal(map[string]any{"blocks": []any{}}, f.must(list("user_id=eve"), ``))
	f.equal(map[string]any{}, f.must(unblock, `{"blocked_user_id":"bob","user_id":"ann"}`))
	f.must(unblock, `{"blocked_user_id":"bob","user_id":"ann"}`)
	v = f.must(list("user_id=ann"), ``)
	f.want(v, "eve", "blocks", 0, "blocked_user_id")
	f.want(v, nil, "blocks", 1)
	// Who is gone for good is on nobody's list.
	f.must(f.onUser(f.live.DeleteUser, "eve", "hard_delete=true"), ``)
	f.equal(map[string]any{"blocks": []any{}}, f.must(list("user_id=ann"), ``))

	for _, c := range []call{block, unblock} {
		f.refused(c, ``, wire.CodeBadInput, "empty")
		f.refused(c, `{"user_id":"ann"}`, wire.CodeBadInput, "blocked_user_id", "required")
		f.refused(c, `{"blocked_user_id":"bob"}`, wire.CodeBadInput, "user_id", "required")
		f.refused(c, `{"blocked_user_id":7,"user_id":"ann"}`, wire.CodeBadInput, "blocked_user_id")
		f.refused(c, `{"blocked_user_id":"ann","user_id":"ann"}`, wire.CodeBadInput, "blocked_user_id", "another")
		f.refused(c, `{"blocked_user_id":"nobody","user_id":"ann"}`, wire.CodeNotFound, "nobody")
		f.refused(c, `{"blocked_user_id":"ann","user_id":"nobody"}`, wire.CodeNotFound, "nobody")
	}
	f.refused(list(""), ``, wire.CodeBadInput, "user_id")
	f.refused(list("user_id=a/b"), ``, wire.CodeBadInput, "user_id")
	f.refused(list("user_id=nobody"), ``, wire.CodeNotFound, "nobody")
}

func TestBlocksAreBounded(t *testing.T) {
	t.Parallel()
	f := newUsers(t)
	ann := f.key("ann")
	f.put(func(tx store.Tx) error {
		for i := range 1000 {
			if err := tx.PutMark(&store.Mark{Kind: store.Blocked, User: ann, Subject: fmt.Sprintf("u%d", i), At: 5}); err != nil {
				return err
			}
		}
		return nil
	})
	f.refused(f.call(f.live.BlockUser), `{"blocked_user_id":"bob","user_id":"ann"}`, wire.CodeBadInput, "blocked_user_id", "1000")
}
