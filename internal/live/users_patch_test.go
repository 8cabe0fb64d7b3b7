package live_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestPatchUsers(t *testing.T) {
	t.Parallel()
	f := newUserFixture(t)
	f.must(f.users, `{"users":{
		"ann":{"id":"ann","name":"Ann","image":"i","role":"admin","teams":["red"],"language":"de","invisible":true,
			"pet":{"z":12345678901234567890,"kind":"cat","age":2.50,"a":null},"shoe":41.50},
		"bob":{"id":"bob","name":"Bob"}}}`)
	f.pass(time.Minute)
	patch := f.call(f.live.PatchUsers)
	out, err := patch(`{"users":[
		{"id":"ann","set":{"name":"Anna","pet.age":3.10,"pet.toy.ball":true,"teams":["blue","red"],"custom":{"hat":"green"},"privacy_settings":{"x":1}},
			"unset":["image","pet.a","nothing","no.thing","language","invisible"]},
		{"id":"bob","set":{"role":"moderator","name":null},"unset":null}]}`)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"users":{"ann":{"id":"ann","role":"admin","created_at":"2026-03-01T12:00:00Z","updated_at":"2026-03-01T12:01:00Z","banned":false,"online":false,` +
		`"name":"Anna","teams":["blue","red"],"hat":"green","pet":{"z":12345678901234567890,"kind":"cat","age":3.10,"toy":{"ball":true}},"shoe":41.50},` +
		`"bob":{"id":"bob","role":"moderator","created_at":"2026-03-01T12:00:00Z","updated_at":"2026-03-01T12:01:00Z","banned":false,"online":false}},` +
		`"membership_deletion_task_id":""}`
	if d := cmp.Diff(want, string(out)); d != "" {
		t.Error(d)
	}
	f.want(f.userNow("ann"), "Anna", "name")
	// All that is custom at once, and back to the role that everybody has.
	v := f.must(patch, `{"users":[{"id":"ann","unset":["custom","role","teams"]}]}`)
	if d := cmp.Diff([]string{"banned", "created_at", "id", "name", "online", "role", "updated_at"}, membersOf(get(v, "users", "ann"))); d != "" {
		t.Error(d)
	}
	f.want(v, "user", "users", "ann", "role")
}

func TestPatchUsersRefuses(t *testing.T) {
	t.Parallel()
	f := newUsers(t)
	f.must(f.onUser(f.live.DeleteUser, "eve", ""), ``)
	f.put(func(tx store.Tx) error {
		_, err := tx.PutUser(&chat.User{ID: "trace", DeletedAt: 9})
		return err
	})
	patch := f.call(f.live.PatchUsers)
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"id":"u%d"}`, i)
		}
		return b.String()[1:]
	}
	for _, tt := range []struct {
		body  string
		code  wire.Code
		words []string
	}{
		{``, 4, []string{"empty"}},
		{`{}`, 4, []string{"users", "required"}},
		{`{"users":[]}`, 4, []string{"users", "at least one"}},
		{`{"users":{}}`, 4, []string{"users", "array"}},
		{`{"users":[7]}`, 4, []string{"users[0]", "object"}},
		{`{"users":[{}]}`, 4, []string{"users[0].id", "required"}},
		{`{"users":[{"id":"a b"}]}`, 4, []string{"users[0].id"}},
		{`{"users":[{"id":"ann"},{"id":"ann"}]}`, 4, []string{"users[1].id", "ann"}},
		{`{"users":[` + many(101) + `]}`, 4, []string{"users", "100"}},
		{`{"users":[{"id":"ann","set":7}]}`, 4, []string{"users[0].set", "object"}},
		{`{"users":[{"id":"ann","unset":"x"}]}`, 4, []string{"users[0].unset", "array"}},
		{`{"users":[{"id":"ann","set":{"id":"x"}}]}`, 4, []string{"users[0].set.id", "cannot be changed"}},
		{`{"users":[{"id":"ann","set":{"created_at":1}}]}`, 4, []string{"users[0].set.created_at", "cannot be changed"}},
		{`{"users":[{"id":"ann","set":{"banned":true}}]}`, 4, []string{"users[0].set.banned"}},
		{`{"users":[{"id":"ann","set":{"deactivated_at.x":1}}]}`, 4, []string{"deactivated_at"}},
		{`{"users":[{"id":"ann","unset":["x","updated_at"]}]}`, 4, []string{"users[0].unset[1]", "updated_at"}},
		{`{"users":[{"id":"ann","set":{"name":7}}]}`, 4, []string{"users[0].set.name", "string"}},
		{`{"users":[{"id":"ann","set":{"name.x":7}}]}`, 4, []string{"users[0].set.name.x", "in part"}},
		{`{"users":[{"id":"ann","set":{"teams":"red"}}]}`, 4, []string{"users[0].set.teams", "array"}},
		{`{"users":[{"id":"ann","set":{"role":"a b"}}]}`, 4, []string{"users[0].set.role"}},
		{`{"users":[{"id":"ann","set":{"invisible":1}}]}`, 4, []string{"users[0].set.invisible"}},
		{`{"users":[{"id":"ann","set":{"a..b":1}}]}`, 4, []string{"users[0].set", "names"}},
		{`{"users":[{"id":"ann","set":{"a":1,"a.b":1}}]}`, 4, []string{"users[0].set.a", "number"}},
		{`{"users":[{"id":"ann","set":{"a":"` + strings.Repeat("x", 5<<10) + `"}}]}`, 4, []string{"users[0].set.a", "5120"}},
		{`{"users":[{"id":"eve","set":{"a":1}}]}`, 4, []string{"users[0].id", "deleted", "eve"}},
		{`{"users":[{"id":"ann","set":{"a":1}},{"id":"x"},{"id":"trace"}]}`, 16, []string{"x, trace"}},
		// One bad user spoils the lot.
		{`{"users":[{"id":"ann","set":{"a":1}},{"id":"bob","set":{"id":1}}]}`, 4, []string{"users[1].set.id"}},
	} {
		f.refused(patch, tt.body, tt.code, tt.words...)
	}
	f.want(f.userNow("ann"), nil, "a")
}

// membersOf lists the names of an object's members.
func membersOf(v any) []string {
	m, _ := v.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}
