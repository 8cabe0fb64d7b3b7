package live_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestUpsertUsers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	v := f.must(f.users, `{"users":{"ann":{"id":"ann","name":"Ann","pet":{"kind":"cat","age":2.50}},"bob":{"id":"bob","role":"admin"}}}`)
	f.want(v, "", "membership_deletion_task_id")
	f.want(v, "user", "users", "ann", "role")
	f.want(v, "2026-03-01T12:00:00Z", "users", "ann", "created_at")
	f.pass(time.Minute)
	// Replacing: what is not named goes, the age of the user stays.
	v = f.must(f.users, `{"users":{"ann":{"id":"ann","created_at":"2001-01-01T00:00:00Z","banned":true,"custom":{"pet":null}}}}`)
	ann := get(v, "users", "ann").(map[string]any)
	want := map[string]any{
		"id": "ann", "role": "user", "created_at": "2026-03-01T12:00:00Z",
		"updated_at": "2026-03-01T12:01:00Z", "banned": false, "online": false, "pet": nil,
	}
	if diff := cmp.Diff(want, ann); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct {
		body  string
		words []string
	}{
		{``, []string{"empty"}},
		{`{`, []string{"JSON"}},
		{`[]`, []string{"object"}},
		{`{}`, []string{"users", "required"}},
		{`{"users":null}`, []string{"users", "required"}},
		{`{"users":{}}`, []string{"users", "at least one"}},
		{`{"users":[]}`, []string{"users", "object"}},
		{`{"users":{"ann":null}}`, []string{"users.ann", "object"}},
		{`{"users":{"ann":{}}}`, []string{"users.ann.id", "required"}},
		{`{"users":{"ann":{"id":"eve"}}}`, []string{"users.ann.id", "key"}},
		{`{"users":{"a b":{"id":"a b"}}}`, []string{"users", "ids as keys"}},
		{`{"users":{"ann":{"id":"ann","name":7}}}`, []string{"users.ann.name", "string"}},
		{`{"users":{"ann":{"id":"ann"},"ann":{"id":"ann"}}}`, []string{"twice"}},
		{`{"users":{"ann":{"id":"ann","x":"` + strings.Repeat("x", 5<<10) + `"}}}`, []string{"users.ann", "custom"}},
		{`{"users":{` + manyUsers(101) + `}}`, []string{"users", "100"}},
		// One bad user spoils the lot.
		{`{"users":{"new":{"id":"new"},"ann":{"id":"ann","teams":"red"}}}`, []string{"users.ann.teams", "array"}},
	} {
		f.refused(f.users, tt.body, wire.CodeBadInput, tt.words...)
	}
	err := f.store.View(t.Context(), f.app, func(r store.Reader) error {
		_, err := r.UserKey("new")
		return err
	})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a refused request left a user: %v", err)
	}
	f.must(f.users, `{"users":{`+manyUsers(100)+`}}`)
}

func manyUsers(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"u%d":{"id":"u%d"}`, i, i)
	}
	return b.String()
}

func TestUpsertOfGoneUsers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(func(tx store.Tx) error {
		_, err := tx.PutUser(&chat.User{ID: "gone", Role: "user", CreatedAt: 5, UpdatedAt: 5, DeletedAt: 9})
		if err == nil {
			_, err = tx.PutUser(&chat.User{ID: "trace", DeletedAt: 9})
		}
		return err
	})
	f.refused(f.users, `{"users":{"gone":{"id":"gone"}}}`, wire.CodeBadInput, "users.gone", "deleted")
	v := f.must(f.users, `{"users":{"trace":{"id":"trace"}}}`)
	f.want(v, "2026-03-01T12:00:00Z", "users", "trace", "created_at")
	f.want(v, nil, "users", "trace", "deleted_at")
}
