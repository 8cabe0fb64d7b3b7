package live_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hansard/internal/store"
	"hansard/internal/wire"
)

// listed makes five channels, created a minute apart in the order of their
// names, which differ in what can be asked for; eve is in none of them.
func listed(t *testing.T) *fixture {
	f := newFixture(t)
	f.must(f.users, `{"users":{"ann":{"id":"ann"},"bob":{"id":"bob"},"kim":{"id":"kim"},"eve":{"id":"eve"}}}`)
	for _, c := range []struct{ cid, data string }{
		{"messaging:a", `"created_by_id":"ann","members":["ann","bob"],"team":"red","rank":3,"filter_tags":["vip","eu"]`},
		{"messaging:b", `"created_by_id":"bob","members":["bob","kim"],"team":"blue","rank":12.50,"deep":{"er":"x"}`},
		{"team:a", `"created_by_id":"ann","members":["ann","bob","kim"],"frozen":true,"rank":3.0,"filter_tags":["us"]`},
		{"team:b", `"created_by_id":"ann","members":["ann"],"disabled":true,"invites":["kim"],"name":"Big Plans"`},
		{"team:gone", `"created_by_id":"ann","members":["ann","bob","kim"]`},
	} {
		f.must(f.query(c.cid), `{"data":{`+c.data+`}}`)
		f.pass(time.Minute)
	}
	f.must(f.channel("team:gone", f.live.DeleteChannel), ``)
	f.must(f.send("messaging:a"), `{"message":{"id":"m1","text":"x","user_id":"ann"}}`)
	return f
}

func TestQueryChannels(t *testing.T) {
	t.Parallel()
	f := listed(t)
	f.must(f.channel("messaging:b", f.live.HideChannel), `{"user_id":"bob"}`)
	f.must(f.channel("messaging:a", f.live.MarkRead), `{"user_id":"bob"}`)
	f.must(f.send("messaging:a"), `{"message":{"id":"m2","text":"x","user_id":"ann"}}`)
	f.must(f.plain(f.live.MuteChannels), `{"user_id":"bob","channel_cid":"team:a","expiration":60000}`)
	f.patchMember("messaging:a", "bob", `{"set":{"pinned":true}}`)
	f.patchMember("team:a", "bob", `{"set":{"archived":true}}`)
	all := "messaging:a team:b team:a messaging:b" // by when something happened last
	for _, tt := range []struct{ body, want string }{
		{``, all},
		{`{}`, all},
		{`{"filter_conditions":{},"sort":[]}`, all},
		{`{"filter_conditions":null,"sort":null,"limit":null}`, all},
		{`{"filter_conditions":{"cid":"team:a"}}`, "team:a"},
		{`{"filter_conditions":{"cid":{"$in":["team:b","team:gone","team:none","messaging:a"]}}}`, "messaging:a team:b"},
		{`{"filter_conditions":{"cid":{"$in":[]}}}`, ""},
		{`{"filter_conditions":{"type":"team"}}`, "team:b team:a"},
		{`{"filter_conditions":{"type":"team","id":"a"}}`, "team:a"},
		{`{"filter_conditions":{"type":{"$in":["team","messaging"]},"id":{"$in":["a","c"]}}}`, "messaging:a team:a"},
		{`{"filter_conditions":{"id":"b"}}`, "team:b messaging:b"},
		{`{"filter_conditions":{"team":"red"}}`, "messaging:a"},
		{`{"filter_conditions":{"team":{"$exists":false}}}`, "team:b team:a"},
		{`{"filter_conditions":{"created_by_id":{"$ne":"ann"}}}`, "messaging:b"},
		{`{"filter_conditions":{"frozen":true}}`, "team:a"},
		{`{"filter_conditions":{"disabled":true}}`, "team:b"},
		{`{"filter_conditions":{"member_count":{"$gte":3}}}`, "team:a"},
		{`{"filter_conditions":{"message_count":{"$gt":0}}}`, "messaging:a"},
		{`{"filter_conditions":{"created_at":{"$lte":"2026-03-01T12:01:00Z"}}}`, "messaging:a messaging:b"},
		{`{"filter_conditions":{"created_at":{"$gt":1772366460000000000}}}`, "team:b team:a"},
		{`{"filter_conditions":{"last_message_at":{"$exists":true}}}`, "messaging:a"},
		{`{"filter_conditions":{"updated_at":{"$lt":"2026-03-01T12:00:01Z"}}}`, "messaging:a"},
		{`{"filter_conditions":{"last_updated":{"$gt":"2026-03-01T12:03:30Z"}}}`, "messaging:a"},
		{`{"filter_conditions":{"rank":3}}`, "messaging:a team:a"},
		{`{"filter_conditions":{"rank":{"$gt":3}}}`, "messaging:b"},
		{`{"filter_conditions":{"custom.rank":{"$gt":3}}}`, "messaging:b"},
		{`{"filter_conditions":{"deep.er":"x"}}`, "messaging:b"},
		{`{"filter_conditions":{"name":{"$autocomplete":"pla"}}}`, "team:b"},
		{`{"filter_conditions":{"filter_tags":{"$in":["us","vip"]}}}`, "messaging:a team:a"},
		{`{"filter_conditions":{"filter_tags":{"$eq":["eu","vip"]}}}`, "messaging:a"},
		{`{"filter_conditions":{"members":{"$in":["kim"]}}}`, "team:b team:a messaging:b"},
		{`{"filter_conditions":{"members":{"$in":["bob","kim","nobody"]}}}`, "messaging:a team:b team:a messaging:b"},
		{`{"filter_conditions":{"members":["bob","kim"]}}`, "messaging:b"},
		{`{"filter_conditions":{"members":{"$eq":["kim","bob"]}}}`, "messaging:b"},
		{`{"filter_conditions":{"members":{"$in":["eve"]}}}`, ""},
		{`{"filter_conditions":{"members":{"$in":["bob"]},"type":"team"}}`, "team:a"},
		{`{"filter_conditions":{"$or":[{"team":"blue"},{"frozen":true}]}}`, "team:a messaging:b"},
		{`{"filter_conditions":{"$nor":[{"team":"blue"},{"frozen":true}]}}`, "messaging:a team:b"},
		// What one user sees.
		{`{"user_id":"bob","filter_conditions":{"members":{"$in":["bob"]}}}`, "messaging:a team:a"},
		{`{"user":{"id":"bob"},"filter_conditions":{"hidden":true}}`, "messaging:b"},
		{`{"user_id":"bob","filter_conditions":{"hidden":false,"members":{"$in":["bob"]}}}`, "messaging:a team:a"},
		{`{"user_id":"bob","filter_conditions":{"$or":[{"type":"team"},{"hidden":true}]}}`, "team:b team:a messaging:b"},
		{`{"user_id":"kim","filter_conditions":{"members":{"$in":["bob"]}}}`, "messaging:a team:a messaging:b"},
		{`{"user_id":"bob","filter_conditions":{"muted":true}}`, "team:a"},
		{`{"user_id":"bob","filter_conditions":{"pinned":true}}`, "messaging:a"},
		{`{"user_id":"bob","filter_conditions":{"archived":true}}`, "team:a"},
		{`{"user_id":"bob","filter_conditions":{"archived":false,"joined":true}}`, "messaging:a"},
		{`{"user_id":"kim","filter_conditions":{"joined":true}}`, "team:a messaging:b"},
		{`{"user_id":"kim","filter_conditions":{"invite":"pending"}}`, "team:b"},
		{`{"user_id":"kim","filter_conditions":{"invite":"accepted"}}`, ""},
		{`{"user_id":"bob","filter_conditions":{"has_unread":true}}`, "messaging:a"},
		{`{"user_id":"bob","filter_conditions":{"unread_count":1}}`, "messaging:a"},
		// Order and pages.
		{`{"sort":[{"field":"created_at","direction":1}]}`, "messaging:a messaging:b team:a team:b"},
		{`{"sort":[{"field":"cid","direction":-1}]}`, "team:b team:a messaging:b messaging:a"},
		{`{"sort":[{"field":"rank"},{"field":"created_at","direction":-1}]}`, "team:a messaging:a messaging:b team:b"},
		{`{"sort":[{"field":"member_count","direction":-1},{"field":"cid"}]}`, "team:a messaging:a messaging:b team:b"},
		{`{"sort":{"last_message_at":-1},"limit":1}`, "messaging:a"},
		{`{"user_id":"bob","sort":[{"field":"pinned_at","direction":-1},{"field":"cid","direction":1}]}`, "messaging:a team:a team:b"},
		{`{"user_id":"bob","sort":[{"field":"unread_count","direction":-1},{"field":"cid","direction":1}],"limit":2}`, "messaging:a team:a"},
		{`{"limit":2}`, "messaging:a team:b"},
		{`{"limit":2,"offset":1}`, "team:b team:a"},
		{`{"limit":2,"offset":4}`, ""},
		{`{"limit":0}`, ""},
	} {
		v := f.must(f.plain(f.live.QueryChannels), tt.body)
		got := []string{}
		for _, cid := range each(get(v, "channels"), "channel", "cid") {
			got = append(got, fmt.Sprint(cid))
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%s: %s, want %s", tt.body, g, tt.want)
		}
	}
}

func (f *fixture) patchMember(cid, user, body string) map[string]any {
	f.t.Helper()
	return f.must(f.member(cid, user), body)
}

// member changes a member.
func (f *fixture) member(cid, user string) call {
	typ, id, _ := strings.Cut(cid, ":")
	return func(body string) ([]byte, error) {
		return f.live.UpdateMember(f.t.Context(), f.app, typ, id, user, []byte(body))
	}
}

func TestQueryChannelsState(t *testing.T) {
	t.Parallel()
	f := listed(t)
	f.must(f.send("messaging:a"), `{"message":{"id":"m2","text":"x","user_id":"ann","pinned":true}}`)
	f.must(f.channel("messaging:a", f.live.MarkRead), `{"user_id":"bob"}`)
	c := f.plain(f.live.QueryChannels)
	v := f.must(c, `{"filter_conditions":{"cid":"messaging:a"},"user_id":"bob"}`)
	state := get(v, "channels", 0)
	f.want(each(get(state, "messages"), "id"), []any{"m1", "m2"})
	f.want(each(get(state, "pinned_messages"), "id"), []any{"m2"})
	f.want(each(get(state, "members"), "user_id"), []any{"ann", "bob"})
	f.want(each(get(state, "read"), "user", "id"), []any{"ann", "bob"})
	f.want(state, "bob", "membership", "user_id")
	f.want(state, 0.0, "watcher_count")
	f.want(state, []any{}, "threads")
	v = f.must(c, `{"filter_conditions":{"cid":"messaging:a"},"message_limit":1,"member_limit":1}`)
	f.want(each(get(v, "channels", 0, "messages"), "id"), []any{"m2"})
	f.want(each(get(v, "channels", 0, "members"), "user_id"), []any{"ann"})
	v = f.must(c, `{"filter_conditions":{"cid":"messaging:a"},"state":false}`)
	f.want(v, []any{}, "channels", 0, "messages")
	f.want(v, []any{}, "channels", 0, "pinned_messages")
}

func TestQueryChannelsRefuses(t *testing.T) {
	t.Parallel()
	f := listed(t)
	for _, tt := range []struct{ body, word string }{
		{`[]`, "object"},
		{`{"filter_conditions":7}`, "filter_conditions"},
		{`{"filter_conditions":{"cid":{"$like":"x"}}}`, "$like"},
		{`{"filter_conditions":{"frozen":"yes"}}`, "frozen"},
		{`{"filter_conditions":{"hidden":true}}`, "user_id"},
		{`{"filter_conditions":{"$or":[{"muted":true}]}}`, "user_id"},
		{`{"filter_conditions":{"member.user.name":"Bob"}}`, "member.user.name"},
		{`{"sort":[{"field":"unread_count"}]}`, "user_id"},
		{`{"sort":[{"field":"members"}]}`, "members"},
		{`{"sort":[{"field":"cid","direction":7}]}`, "direction"},
		{`{"limit":31}`, "limit"},
		{`{"limit":-1}`, "limit"},
		{`{"offset":1001}`, "offset"},
		{`{"message_limit":301}`, "message_limit"},
		{`{"member_limit":101}`, "member_limit"},
		{`{"state":1}`, "state"},
		{`{"user_id":"nobody"}`, "nobody"},
		{`{"user_id":"ann","user":{"id":"bob"}}`, "user"},
	} {
		f.refused(f.plain(f.live.QueryChannels), tt.body, wire.CodeBadInput, tt.word)
	}
}

// TestQueryManyChannels has more channels than a query remembers.
func TestQueryManyChannels(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.users, `{"users":{"ann":{"id":"ann"},"bob":{"id":"bob"}}}`)
	f.must(f.query("messaging:first"), `{"data":{"created_by_id":"ann","members":["ann","bob"],"rank":-1}}`)
	f.put(func(tx store.Tx) error {
		row, err := tx.Channel("messaging:first")
		if err != nil {
			return err
		}
		for i := range 500 {
			ch := row.Channel
			ch.ID = fmt.Sprintf("c%03d", i)
			ch.Custom, err = wire.PatchCustom(ch.Custom, "rank", fmt.Appendf(nil, "%d", (i*7)%500))
			if err != nil {
				return err
			}
			if _, err := tx.PutChannel(&ch); err != nil {
				return err
			}
		}
		return nil
	})
	c := f.plain(f.live.QueryChannels)
	v := f.must(c, `{"sort":[{"field":"rank","direction":1}],"limit":30,"offset":100,"filter_conditions":{"type":"messaging"}}`)
	ranks := each(get(v, "channels"), "channel", "rank")
	for i, rank := range ranks {
		f.want(rank, float64(99+i))
	}
	f.want(len(ranks), 30)
}
