package live_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hansard/internal/wire"
)

func TestUpdateChannel(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.users, `{"users":{"kim":{"id":"kim"},"eve":{"id":"eve"}}}`)
	update := f.channel("messaging:general", f.live.UpdateChannel)
	f.pass(time.Minute)

	// Data is replaced as a whole; without data, nothing of it changes.
	v := f.must(update, `{"data":{"name":"General","big":12345678901234567890,"custom":{"x":{"b":1,"a":2}},"team":"red","frozen":true,
		"created_by_id":"bob","created_at":"2001-01-01T00:00:00Z","member_count":99,"id":"general","type":"messaging"},"cooldown":7}`)
	f.want(v, nil, "channel", "topic")
	f.want(v, "General", "channel", "name")
	f.want(v, "red", "channel", "team")
	f.want(v, true, "channel", "frozen")
	f.want(v, 7.0, "channel", "cooldown")
	f.want(v, "ann", "channel", "created_by", "id")
	f.want(v, "2026-03-01T12:00:00Z", "channel", "created_at")
	f.want(v, "2026-03-01T12:01:00Z", "channel", "updated_at")
	f.want(v, 2.0, "channel", "member_count")
	f.want(each(get(v, "members"), "user_id"), []any{"ann", "bob"})
	f.want(each(get(v, "channel", "members"), "user_id"), []any{"ann", "bob"})
	f.want(v, nil, "message")
	if out, err := update(`{"add_members":["bob"]}`); err != nil || !strings.Contains(string(out), `"big":12345678901234567890,"name":"General","x":{"b":1,"a":2}`) {
		t.Errorf("%v in %s", err, out)
	}
	v = f.must(update, `{"data":{"topic":"again"}}`)
	for _, key := range []string{"name", "team", "big"} {
		f.want(v, nil, "channel", key)
	}
	f.want(v, false, "channel", "frozen")
	f.want(v, 7.0, "channel", "cooldown")
	v = f.must(update, `{"cooldown":0}`)
	f.want(v, nil, "channel", "cooldown")
	f.want(v, "again", "channel", "topic")

	// Tags come and go one by one.
	f.must(update, `{"add_filter_tags":["a","b","a"]}`)
	v = f.must(update, `{"add_filter_tags":["c"],"remove_filter_tags":["a","z"]}`)
	f.want(v, []any{"b", "c"}, "channel", "filter_tags")
	v = f.must(update, `{"remove_filter_tags":["b","c"]}`)
	f.want(v, nil, "channel", "filter_tags")
}

func TestUpdateMembers(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.users, `{"users":{"kim":{"id":"kim"},"eve":{"id":"eve"}}}`)
	update := f.channel("messaging:general", f.live.UpdateChannel)
	f.must(f.send("messaging:general"), `{"message":{"id":"m1","text":"x","user_id":"bob"}}`)
	f.pass(time.Minute)
	v := f.must(update, `{"add_members":["kim",{"user_id":"bob","mood":"other"},{"user_id":"eve","channel_role":"admin","custom":{"mood":"new"}}],
		"hide_history":true,"message":{"id":"welcome","text":"*Hello*","user_id":"ann"}}`)
	f.want(each(get(v, "members"), "user_id"), []any{"ann", "bob", "eve", "kim"})
	f.want(v, "admin", "members", 2, "channel_role")
	f.want(v, "new", "members", 2, "mood")
	f.want(v, nil, "members", 1, "mood")
	f.want(v, "welcome", "message", "id")
	f.want(v, "system", "message", "type")
	f.want(v, "ann", "message", "user", "id")
	f.want(v, 2.0, "channel", "message_count")
	// Those who were added see what was said since, the others everything.
	state := f.query("messaging:general")
	f.want(each(get(f.must(state, `{"state":true,"user_id":"kim"}`), "messages"), "id"), []any{"welcome"})
	f.want(each(get(f.must(state, `{"state":true,"user_id":"bob"}`), "messages"), "id"), []any{"m1", "welcome"})

	v = f.must(update, `{"remove_members":["kim","kim","eve"],"add_moderators":["bob"]}`)
	f.want(each(get(v, "members"), "user_id"), []any{"ann", "bob"})
	f.want(v, "channel_moderator", "members", 1, "channel_role")
	f.want(v, 2.0, "channel", "member_count")
	// Somebody who is no member is not removed, and made a moderator one.
	v = f.must(update, `{"remove_members":["kim"],"add_moderators":["kim"],"demote_moderators":["bob"]}`)
	f.want(each(get(v, "members"), "user_id"), []any{"ann", "bob", "kim"})
	f.want(each(get(v, "members"), "channel_role"), []any{"channel_member", "channel_member", "channel_moderator"})
	v = f.must(update, `{"assign_roles":[{"user_id":"ann","channel_role":"boss"},{"user_id":"kim","channel_role":"guest"}]}`)
	f.want(each(get(v, "members"), "channel_role"), []any{"boss", "channel_member", "guest"})
	f.want(v, "owner", "members", 0, "role")

	// hide_history_before is the same with an instant. Who is added again begins
	// anew.
	f.must(update, `{"add_members":["eve"],"hide_history_before":"2026-03-01T12:00:30Z"}`)
	f.want(f.must(state, `{"user_id":"eve"}`), "2026-03-01T12:00:30Z", "hide_messages_before")
	f.must(update, `{"remove_members":["eve"]}`)
	f.must(update, `{"add_members":["eve"]}`)
	f.want(f.must(state, `{"user_id":"eve"}`), nil, "hide_messages_before")
}

func TestInvites(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.users, `{"users":{"kim":{"id":"kim"},"eve":{"id":"eve"}}}`)
	update := f.channel("messaging:general", f.live.UpdateChannel)
	v := f.must(update, `{"invites":["kim",{"user_id":"eve"},"bob"]}`)
	f.want(each(get(v, "members"), "status"), []any{nil, nil, "pending", "pending"})
	f.want(each(get(v, "members"), "invited"), []any{nil, nil, true, true})
	f.pass(time.Minute)
	v = f.must(update, `{"accept_invite":true,"user_id":"kim","message":{"text":"Kim is here"}}`)
	f.want(v, "kim", "message", "user", "id")
	f.want(v, "kim", "members", 3, "user_id")
	f.want(v, "accepted", "members", 3, "status")
	f.want(v, "2026-03-01T12:01:00Z", "members", 3, "invite_accepted_at")
	f.want(v, "2026-03-01T12:01:00Z", "members", 3, "updated_at")
	v = f.must(update, `{"reject_invite":true,"user_id":"eve"}`)
	f.want(v, "rejected", "members", 2, "status")
	f.want(v, "2026-03-01T12:01:00Z", "members", 2, "invite_rejected_at")
	for _, tt := range []struct{ body, word string }{
		{`{"accept_invite":true,"user_id":"kim"}`, "accepted the invite already"},
		{`{"reject_invite":true,"user_id":"kim"}`, "accepted the invite already"},
		{`{"accept_invite":true,"user_id":"eve"}`, "rejected the invite already"},
		{`{"reject_invite":true,"user_id":"eve"}`, "rejected the invite already"},
		{`{"accept_invite":true,"user_id":"bob"}`, "not invited"},
		{`{"accept_invite":true,"user_id":"nobody"}`, "nobody"},
		{`{"accept_invite":true}`, "user_id"},
		{`{"reject_invite":true}`, "user_id"},
		{`{"accept_invite":true,"reject_invite":true,"user_id":"kim"}`, "reject_invite"},
	} {
		f.refused(update, tt.body, wire.CodeBadInput, tt.word)
	}
	f.must(f.users, `{"users":{"zoe":{"id":"zoe"}}}`)
	f.refused(update, `{"accept_invite":true,"user_id":"zoe"}`, wire.CodeBadInput, "not a member", "zoe")
	// Who rejected can be invited again; who accepted is a member for good.
	v = f.must(update, `{"invites":["kim","eve"]}`)
	f.want(each(get(v, "members"), "status"), []any{nil, nil, "pending", "accepted"})
	v = f.must(update, `{"accept_invite":true,"user_id":"eve"}`)
	f.want(v, nil, "members", 2, "invite_rejected_at")
}

func TestUpdateChannelRefuses(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.send("messaging:general"), `{"message":{"id":"m1","text":"x","user_id":"bob"}}`)
	update := f.channel("messaging:general", f.live.UpdateChannel)
	for _, tt := range []struct {
		body  string
		words []string
	}{
		{`[]`, []string{"object"}},
		{`{"data":7}`, []string{"data", "object"}},
		{`{"data":{"id":"other"}}`, []string{"data.id", "path"}},
		{`{"data":{"cid":"team:general"}}`, []string{"data.type", "path"}},
		{`{"data":{"x":"` + strings.Repeat("x", 5<<10) + `"}}`, []string{"data", "custom"}},
		{`{"data":{"filter_tags":[7]}}`, []string{"data.filter_tags"}},
		{`{"cooldown":-1}`, []string{"cooldown"}},
		{`{"add_members":"bob"}`, []string{"add_members", "array"}},
		{`{"add_members":["x","bob","y"]}`, []string{"add_members", "x, y"}},
		{`{"add_members":["a b"]}`, []string{"add_members[0]"}},
		{`{"add_members":[{"mood":"good"}]}`, []string{"add_members[0].user_id"}},
		{`{"add_members":[` + userList(101) + `]}`, []string{"add_members", "100"}},
		{`{"remove_members":["bob","x"]}`, []string{"remove_members", "x"}},
		{`{"remove_members":[7]}`, []string{"remove_members[0]"}},
		{`{"remove_members":[""]}`, []string{"remove_members[0]"}},
		{`{"remove_members":[` + userList(101) + `]}`, []string{"remove_members", "100"}},
		{`{"invites":["x"]}`, []string{"invites", "x"}},
		{`{"add_moderators":["x"]}`, []string{"add_moderators", "x"}},
		{`{"demote_moderators":["x"]}`, []string{"demote_moderators", "x"}},
		{`{"assign_roles":[{"user_id":"x","channel_role":"boss"}]}`, []string{"assign_roles", "x"}},
		{`{"assign_roles":[{"user_id":"bob"}]}`, []string{"assign_roles[0].channel_role", "required"}},
		{`{"assign_roles":[{"user_id":"bob","channel_role":"the boss"}]}`, []string{"assign_roles[0].channel_role"}},
		{`{"add_filter_tags":[""]}`, []string{"add_filter_tags"}},
		{`{"user_id":"x","add_members":["bob"]}`, []string{"user_id", "x"}},
		{`{"message":{"text":"x"}}`, []string{"either message.user or message.user_id must be provided when using server side auth."}},
		{`{"message":{"text":"x","user_id":"nobody"}}`, []string{"message.user_id", "nobody"}},
		{`{"message":{"user_id":"ann"}}`, []string{"message", "text"}},
		{`{"message":{"id":"m1","text":"x","user_id":"ann"}}`, []string{"message.id", "m1"}},
		{`{"message":{"text":"x","user_id":"ann","parent_id":"m1"}}`, []string{"message.parent_id"}},
		{`{"message":{"text":"x","user_id":"ann","quoted_message_id":"m1"}}`, []string{"message.quoted_message_id"}},
		{`{"message":{"text":"x","user_id":"ann","created_at":"2001-01-01T00:00:00Z"}}`, []string{"message.created_at"}},
		{`{"message":{"text":"x","user_id":"ann","mentioned_users":["nobody"]}}`, []string{"message.mentioned_users", "nobody"}},
		{`{"message":{"text":"x","user_id":"ann","cid":"messaging:other"}}`, []string{"message.cid"}},
	} {
		f.refused(update, tt.body, wire.CodeBadInput, tt.words...)
	}
	f.must(f.users, `{"users":{"kim":{"id":"kim"}}}`)
	f.refused(update, `{"demote_moderators":["kim"]}`, wire.CodeBadInput, "demote_moderators", "not a member")
	f.refused(f.channel("messaging:none", f.live.UpdateChannel), `{"cooldown":1}`, wire.CodeNotFound, "messaging:none")
	// What is refused leaves nothing behind.
	f.refused(update, `{"data":{"topic":"new"},"add_members":["kim"],"message":{"text":"x","user_id":"nobody"}}`, wire.CodeBadInput)
	v := f.must(f.query("messaging:general"), `{}`)
	f.want(v, "all", "channel", "topic")
	f.want(v, 2.0, "channel", "member_count")
	f.must(f.channel("messaging:general", f.live.DeleteChannel), ``)
	f.refused(update, `{"cooldown":1}`, wire.CodeNotFound)
}

// TestSystemMessageInFrozenChannel tells of the freezing itself.
func TestSystemMessageInFrozenChannel(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	update := f.channel("messaging:general", f.live.UpdateChannel)
	v := f.must(update, `{"data":{"frozen":true},"user":{"id":"ann"},"message":{"text":"closed","user":null}}`)
	f.want(v, "closed", "message", "text")
	f.want(v, true, "channel", "frozen")
	f.refused(f.send("messaging:general"), `{"message":{"text":"x","user_id":"bob"}}`, wire.CodeForbidden)
}

func TestUpdateChannelPartial(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	patch := f.channel("messaging:general", f.live.UpdateChannelPartial)
	f.pass(time.Minute)
	v := f.must(patch, `{"set":{"frozen":true,"team":"red","cooldown":3,"disabled":true,"a.b":{"z":1.50,"y":2},"custom":{"size":1e3}},"user_id":"ann"}`)
	f.want(v, true, "channel", "frozen")
	f.want(v, true, "channel", "disabled")
	f.want(v, "red", "channel", "team")
	f.want(v, 3.0, "channel", "cooldown")
	f.want(v, "all", "channel", "topic")
	f.want(v, "2026-03-01T12:01:00Z", "channel", "updated_at")
	f.want(each(get(v, "members"), "user_id"), []any{"ann", "bob"})
	f.want(each(get(v, "channel", "members"), "user_id"), []any{"ann", "bob"})
	out, err := patch(`{"set":{"a.c":[]},"unset":["topic","a.b.y","nothing"]}`)
	if err != nil || !strings.Contains(string(out), `"a":{"b":{"z":1.50},"c":[]},"size":1e3`) {
		t.Errorf("%v in %s", err, out)
	}
	v = f.must(patch, `{"set":{"filter_tags":["x"]},"unset":["frozen","team","cooldown","disabled","custom.a"]}`)
	f.want(v, false, "channel", "frozen")
	f.want(v, false, "channel", "disabled")
	f.want(v, []any{"x"}, "channel", "filter_tags")
	for _, key := range []string{"team", "cooldown", "a", "topic"} {
		f.want(v, nil, "channel", key)
	}
	f.want(v, 1000.0, "channel", "size")
	for _, tt := range []struct{ body, word string }{
		{`{}`, "set"},
		{`{"set":7}`, "set"},
		{`{"set":{"frozen":"yes"}}`, "set.frozen"},
		{`{"set":{"frozen.x":true}}`, "set.frozen.x"},
		{`{"set":{"cid":"x"}}`, "set.cid"},
		{`{"set":{"created_at":"2001-01-01T00:00:00Z"}}`, "set.created_at"},
		{`{"set":{"member_count":7}}`, "set.member_count"},
		{`{"set":{"size.of":7}}`, "set.size"},
		{`{"set":{"a..b":7}}`, "joined by dots"},
		{`{"set":{"filter_tags":"x"}}`, "set.filter_tags"},
		{`{"set":{"x":"` + strings.Repeat("x", 5<<10) + `"}}`, "custom data"},
		{`{"unset":["created_by"]}`, "unset[0]"},
		{`{"unset":"x"}`, "unset"},
		{`{"set":{"x":1},"user_id":"nobody"}`, "nobody"},
	} {
		f.refused(patch, tt.body, wire.CodeBadInput, tt.word)
	}
	f.refused(f.channel("messaging:none", f.live.UpdateChannelPartial), `{"set":{"x":1}}`, wire.CodeNotFound)
	v = f.must(patch, `{"unset":["custom"]}`)
	f.want(v, nil, "channel", "size")
}

func TestUpdateMember(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	bob := f.member("messaging:general", "bob")
	f.pass(time.Minute)
	v := f.must(bob, `{"set":{"pinned":true,"archived":true,"mood.today":"good","channel_role":"guest","big":9007199254740993}}`)
	f.want(v, "2026-03-01T12:01:00Z", "channel_member", "pinned_at")
	f.want(v, "2026-03-01T12:01:00Z", "channel_member", "archived_at")
	f.want(v, "2026-03-01T12:01:00Z", "channel_member", "updated_at")
	f.want(v, "2026-03-01T12:00:00Z", "channel_member", "created_at")
	f.want(v, "good", "channel_member", "mood", "today")
	f.want(v, "guest", "channel_member", "channel_role")
	f.pass(time.Minute)
	out, err := bob(`{"set":{"pinned":true,"archived":false,"custom":{"mood":{"b":1,"a":2}}}}`)
	if err != nil || !strings.Contains(string(out), `"big":9007199254740993,"mood":{"b":1,"a":2}`) {
		t.Errorf("%v in %s", err, out)
	}
	v = f.must(bob, `{"unset":["mood","channel_role"],"user_id":"ann"}`)
	f.want(v, "2026-03-01T12:01:00Z", "channel_member", "pinned_at") // since when it is
	f.want(v, nil, "channel_member", "archived_at")
	f.want(v, nil, "channel_member", "mood")
	f.want(v, "channel_member", "channel_member", "channel_role")
	v = f.must(bob, `{"unset":["pinned","custom"]}`)
	f.want(v, nil, "channel_member", "pinned_at")
	f.want(v, nil, "channel_member", "big")
	for _, tt := range []struct{ body, word string }{
		{`{}`, "set"},
		{`{"set":{"pinned":"yes"}}`, "set.pinned"},
		{`{"set":{"user_id":"x"}}`, "set.user_id"},
		{`{"set":{"pinned_at":"2001-01-01T00:00:00Z"}}`, "set.pinned_at"},
		{`{"set":{"channel_role":"the boss"}}`, "set.channel_role"},
		{`{"set":{"x":"` + strings.Repeat("x", 5<<10) + `"}}`, "custom data"},
		{`{"unset":["role"]}`, "unset[0]"},
	} {
		f.refused(bob, tt.body, wire.CodeBadInput, tt.word)
	}
	f.must(f.users, `{"users":{"kim":{"id":"kim"}}}`)
	for _, who := range []string{"kim", "nobody"} {
		f.refused(f.member("messaging:general", who), `{"set":{"x":1}}`, wire.CodeNotFound, "member")
	}
	f.refused(f.member("messaging:none", "bob"), `{"set":{"x":1}}`, wire.CodeNotFound)
	f.refused(f.member("messaging:general", ""), `{"set":{"x":1}}`, wire.CodeBadInput, "user_id")
}

func TestQueryMembers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.users, `{"users":{"ann":{"id":"ann","name":"Ann Lee","shoe":41},"bob":{"id":"bob","name":"Bob Lee","role":"admin"},"kim":{"id":"kim","name":"Kim"},"zoe":{"id":"zoe"}}}`)
	f.must(f.query("messaging:general"), `{"data":{"created_by_id":"ann","members":["ann"]}}`)
	update := f.channel("messaging:general", f.live.UpdateChannel)
	f.pass(time.Minute)
	f.must(update, `{"add_members":[{"user_id":"zoe","rank":2}],"invites":["kim"]}`)
	f.pass(time.Minute)
	f.must(update, `{"add_members":[{"user_id":"bob","rank":1.5}],"add_moderators":["bob"]}`)
	f.must(update, `{"reject_invite":true,"user_id":"kim"}`)
	f.patchMember("messaging:general", "zoe", `{"set":{"pinned":true}}`)
	for _, tt := range []struct{ rest, want string }{
		{``, "ann kim zoe bob"},
		{`"filter_conditions":{"id":"ann"}`, "ann"},
		{`"filter_conditions":{"user_id":{"$in":["bob","ann","x"]}}`, "ann bob"},
		{`"filter_conditions":{"name":"Kim"}`, "kim"},
		{`"filter_conditions":{"name":{"$autocomplete":"le"}}`, "ann bob"},
		{`"filter_conditions":{"name":{"$exists":false}}`, "zoe"},
		{`"filter_conditions":{"channel_role":"channel_moderator"}`, "bob"},
		{`"filter_conditions":{"is_moderator":true}`, "bob"},
		{`"filter_conditions":{"banned":true}`, ""},
		{`"filter_conditions":{"invite":"rejected"}`, "kim"},
		{`"filter_conditions":{"joined":false}`, "kim"},
		{`"filter_conditions":{"joined":true,"pinned":false}`, "ann bob"},
		{`"filter_conditions":{"notifications_muted":false,"pinned":true}`, "zoe"},
		{`"filter_conditions":{"created_at":{"$gt":"2026-03-01T12:01:00Z"}}`, "bob"},
		{`"filter_conditions":{"updated_at":{"$lt":"2026-03-01T12:01:00Z"}}`, "ann"},
		{`"filter_conditions":{"last_active":{"$exists":true}}`, ""},
		{`"filter_conditions":{"rank":{"$lt":2}}`, "bob"},
		{`"filter_conditions":{"user.role":"admin"}`, "bob"},
		{`"filter_conditions":{"user.shoe":41}`, "ann"},
		{`"sort":[{"field":"user_id","direction":-1}]`, "zoe kim bob ann"},
		{`"sort":[{"field":"created_at","direction":-1}],"limit":2`, "bob kim"},
		{`"sort":[{"field":"name"}]`, "ann bob kim zoe"},
		{`"limit":2,"offset":1`, "kim zoe"},
		{`"limit":2,"offset":4`, ""},
	} {
		payload := strings.TrimSuffix(`{"type":"messaging","id":"general",`+tt.rest, ",") + `}`
		v := f.must(f.plain(f.live.QueryMembers), payload)
		got := []string{}
		for _, id := range each(get(v, "members"), "user_id") {
			got = append(got, fmt.Sprint(id))
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%s: %s, want %s", tt.rest, g, tt.want)
		}
	}
	distinct, err := f.live.GetOrCreateDistinctChannel(t.Context(), f.app, "messaging", []byte(`{"data":{"created_by_id":"ann","members":["ann","zoe"]}}`))
	if err != nil || len(distinct) == 0 {
		t.Fatal(err)
	}
	v := f.must(f.plain(f.live.QueryMembers), `{"type":"messaging","members":[{"user_id":"zoe"},"ann"]}`)
	f.want(each(get(v, "members"), "user_id"), []any{"ann", "zoe"})
	for _, tt := range []struct{ body, word string }{
		{`{}`, "type"},
		{`{"type":"messaging"}`, "id"},
		{`{"type":"messaging","id":"general","limit":101}`, "limit"},
		{`{"type":"messaging","id":"general","offset":1001}`, "offset"},
		{`{"type":"messaging","id":"general","filter_conditions":{"cid":"messaging:general"}}`, "cid"},
		{`{"type":"messaging","id":"general","filter_conditions":{"banned":"no"}}`, "banned"},
		{`{"type":"messaging","id":"general","sort":7}`, "sort"},
		{`{"type":"messaging","id":"a/b"}`, "id"},
		{`{"type":"messaging","members":7}`, "members"},
	} {
		f.refused(f.plain(f.live.QueryMembers), tt.body, wire.CodeBadInput, tt.word)
	}
	f.refused(f.plain(f.live.QueryMembers), `{"type":"messaging","id":"none"}`, wire.CodeNotFound)
	f.refused(f.plain(f.live.QueryMembers), `{"type":"messaging","members":["ann","kim"]}`, wire.CodeNotFound)
}
