package live_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// asked is a fixture with users made one minute after the other.
func asked(t *testing.T) *userFixture {
	f := newUserFixture(t)
	for _, u := range []string{
		`"ann":{"id":"ann","name":"Ann Lee","role":"admin","teams":["red","blue"],"shoe":41.50,"pet":{"kind":"cat"}}`,
		`"bob":{"id":"bob","name":"Bob","teams":["red"],"shoe":9007199254740993}`,
		`"cid":{"id":"cid","name":"Annabel","language":"de","invisible":true,"tags":["a","b"]}`,
		`"dan":{"id":"dan","name":"Dan"}`,
		`"eve":{"id":"eve","name":"Eve"}`,
		`"fay":{"id":"fay"}`,
	} {
		f.must(f.users, `{"users":{`+u+`}}`)
		f.pass(time.Minute)
	}
	f.must(f.onUser(f.live.DeactivateUser, "dan", ""), ``)
	f.pass(time.Minute)
	f.must(f.onUser(f.live.DeleteUser, "eve", ""), ``)
	return f
}

func TestQueryUsers(t *testing.T) {
	t.Parallel()
	f := asked(t)
	for _, tt := range []struct{ payload, want string }{
		{``, "fay cid bob ann"},
		{`{}`, "fay cid bob ann"},
		{`{"filter_conditions":null,"sort":null,"limit":null}`, "fay cid bob ann"},
		{`{"filter_conditions":{}}`, "fay cid bob ann"},
		{`{"filter_conditions":{"id":"bob"}}`, "bob"},
		{`{"filter_conditions":{"id":{"$in":["bob","nobody","ann","dan","eve"]}}}`, "bob ann"},
		{`{"filter_conditions":{"id":{"$in":["bob","dan","eve"]}},"include_deactivated_users":true}`, "dan bob"},
		{`{"filter_conditions":{"$and":[{"id":{"$in":["bob","ann"]}},{"role":"admin"}]}}`, "ann"},
		{`{"filter_conditions":{"id":{"$in":[]}}}`, ""},
		{`{"filter_conditions":{"id":{"$nin":["bob","ann"]}}}`, "fay cid"},
		{`{"filter_conditions":{"id":{"$gt":"ann","$lte":"cid"}}}`, "cid bob"},
		{`{"filter_conditions":{"name":{"$autocomplete":"ann"}}}`, "cid ann"},
		{`{"filter_conditions":{"name":{"$autocomplete":"lee"}}}`, "ann"},
		{`{"filter_conditions":{"name":{"$exists":false}}}`, "fay"},
		{`{"filter_conditions":{"role":{"$ne":"admin"}}}`, "fay cid bob"},
		{`{"filter_conditions":{"teams":{"$contains":"red"}}}`, "bob ann"},
		{`{"filter_conditions":{"teams":{"$in":["blue","green"]}}}`, "ann"},
		{`{"filter_conditions":{"teams":{"$eq":["red"]}}}`, "bob"},
		{`{"filter_conditions":{"banned":true}}`, ""},
		{`{"filter_conditions":{"banned":false,"invisible":true,"online":false,"shadow_banned":false}}`, "cid"},
		{`{"filter_conditions":{"language":"de"}}`, "cid"},
		{`{"filter_conditions":{"created_at":{"$gt":"2026-03-01T12:01:00Z"}}}`, "fay cid"},
		{`{"filter_conditions":{"created_at":{"$lte":1772366460000000000}}}`, "bob ann"},
		{`{"filter_conditions":{"last_active":{"$exists":true}}}`, ""},
		{`{"filter_conditions":{"updated_at":{"$gte":"2026-03-01T12:06:00Z"}},"include_deactivated_users":true}`, "dan"},
		{`{"filter_conditions":{"deactivated_at":{"$exists":true}}}`, ""},
		{`{"filter_conditions":{"deactivated_at":{"$exists":true}},"include_deactivated_users":true}`, "dan"},
		{`{"include_deactivated_users":true}`, "fay dan cid bob ann"},
		{`{"filter_conditions":{"deleted_at":{"$exists":true}}}`, "eve"},
		{`{"filter_conditions":{"$or":[{"deleted_at":{"$gt":"2026-01-01T00:00:00Z"}},{"id":"bob"}]}}`, "eve bob"},
		{`{"filter_conditions":{"shoe":41.5}}`, "ann"},
		{`{"filter_conditions":{"shoe":{"$gt":9007199254740992}}}`, "bob"},
		{`{"filter_conditions":{"custom.shoe":{"$exists":true}}}`, "bob ann"},
		{`{"filter_conditions":{"pet.kind":{"$in":["cat","dog"]}}}`, "ann"},
		{`{"filter_conditions":{"tags":{"$contains":"b"}}}`, "cid"},
		{`{"filter_conditions":{"$nor":[{"name":"Bob"},{"teams":{"$in":["blue"]}}]}}`, "fay cid"},
		{`{"sort":[{"field":"name","direction":1}]}`, "ann cid bob fay"},
		{`{"sort":[{"field":"name","direction":-1}],"offset":1,"limit":2}`, "cid ann"},
		{`{"sort":{"role":1,"id":-1}}`, "ann fay cid bob"},
		{`{"sort":[{"field":"shoe","direction":-1}],"limit":1}`, "bob"},
		{`{"limit":2}`, "fay cid"},
		{`{"limit":2,"offset":3}`, "ann"},
		{`{"limit":0}`, ""},
		{`{"offset":1000}`, ""},
		{`{"id_gt":"ann"}`, "bob cid fay"},
		{`{"id_gte":"bob","limit":2}`, "bob cid"},
		{`{"id_lt":"cid"}`, "bob ann"},
		{`{"id_lte":"cid","id_gt":"ann","sort":[{"field":"id"}]}`, "bob cid"},
		{`{"presence":true,"user_id":"ann","whatever":1}`, "fay cid bob ann"},
	} {
		v := f.must(f.call(f.live.QueryUsers), tt.payload)
		list, ok := v["users"].([]any)
		if !ok {
			t.Fatalf("%s: no list", tt.payload)
		}
		ids := make([]string, len(list))
		for i, u := range list {
			ids[i], _ = get(u, "id").(string)
		}
		if got := strings.Join(ids, " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.payload, got, tt.want)
		}
	}
	v := f.must(f.call(f.live.QueryUsers), `{"filter_conditions":{"id":"ann"}}`)
	if d := cmp.Diff(f.userNow("ann"), get(v, "users", 0)); d != "" {
		t.Error(d)
	}
}

func TestQueryUsersRefuses(t *testing.T) {
	t.Parallel()
	f := newUsers(t)
	for body, words := range map[string][]string{
		`{`:                                    {"payload", "JSON"},
		`[]`:                                   {"payload", "object"},
		`{"limit":101}`:                        {"limit", "100"},
		`{"limit":-1}`:                         {"limit"},
		`{"offset":1001}`:                      {"offset", "1000"},
		`{"filter_conditions":[]}`:             {"filter_conditions", "object"},
		`{"filter_conditions":{"id":7}}`:       {"filter_conditions", "id", "string"},
		`{"filter_conditions":{"$x":[]}}`:      {"filter_conditions", "$x"},
		`{"filter_conditions":{"teams":7}}`:    {"filter_conditions", "teams"},
		`{"sort":7}`:                           {"sort"},
		`{"sort":[{"field":"teams"}]}`:         {"sort", "teams"},
		`{"sort":[{"direction":1}]}`:           {"sort", "field"},
		`{"id_gt":7}`:                          {"id_gt"},
		`{"include_deactivated_users":"true"}`: {"include_deactivated_users"},
	} {
		f.refused(f.call(f.live.QueryUsers), body, wire.CodeBadInput, words...)
	}
}

// TestQueryManyUsers finds a page among many, with the same page whatever order
// they pass by in.
func TestQueryManyUsers(t *testing.T) {
	t.Parallel()
	f := newUserFixture(t)
	for i := range 12 {
		var b strings.Builder
		for j := range 100 {
			n := i*100 + j
			fmt.Fprintf(&b, `,"u%04d":{"id":"u%04d","n":%d}`, n, n, (n*7)%1200)
		}
		f.must(f.users, `{"users":{`+b.String()[1:]+`}}`)
	}
	v := f.must(f.call(f.live.QueryUsers), `{"sort":[{"field":"n","direction":-1}],"limit":100,"offset":1000}`)
	list, _ := v["users"].([]any)
	if len(list) != 100 {
		t.Fatalf("%d users", len(list))
	}
	for i, u := range list {
		if n, _ := get(u, "n").(float64); int(n) != 199-i {
			t.Fatalf("user %d has %v", i, n)
		}
	}
}
