package server_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"hansard/internal/live"
	"hansard/internal/task"
)

// custom is the path to a custom field of an entity in the rig's dialect.
func (r *rig) custom(path ...any) []any {
	if !r.v2 {
		return path
	}
	last := len(path) - 1
	return append(append([]any{}, path[:last]...), "custom", path[last])
}

// isTime tells whether a value is a time of the rig's dialect.
func (r *rig) isTime(v any) bool {
	s, ok := v.(string)
	if r.v2 {
		return ok && len(s) == len("1772366400000000000") && strings.Trim(s, "0123456789") == ""
	}
	return ok && strings.HasPrefix(s, "20") && strings.HasSuffix(s, "Z")
}

// query makes the path of a GET with a payload.
func query(path, payload string) string { return path + "?payload=" + url.QueryEscape(payload) }

func TestChannels(t *testing.T) {
	t.Parallel()
	const general = "/channels/messaging/general"
	refused := func(name, method, path, body string, has ...string) scenario {
		return scenario{name: name, method: method, path: path, body: body, status: 400, has: append(has, `"code":4`)}
	}
	unknown := func(name, method, path, body string, has ...string) scenario {
		return scenario{name: name, method: method, path: path, body: body, status: 404, has: append(has, `"code":16`)}
	}
	scenarios := []scenario{
		// Get or create.
		{
			name: "create", method: "POST", path: "/channels/team/a/query", status: 201,
			body: `{"data":{"created_by_id":"ann","members":["ann",{"user_id":"bob","custom":{"mood":"good"}}],"invites":["kim"],"color":"red",
				"custom":{"big":12345678901234567890},"filter_tags":["x"],"team":"t"},"state":true,"messages":{"limit":2},"members":{"limit":5}}`,
			has: []string{`"cid":"team:a"`, `"big":12345678901234567890`, `"mood":"good"`, `"status":"pending"`, `"filter_tags":["x"]`, `"watcher_count":0`},
		},
		refused("create by nobody", "POST", "/channels/team/new/query", `{}`,
			"either data.created_by or data.created_by_id must be provided when using server side auth."),
		refused("create with unknown members", "POST", "/channels/team/new/query", `{"data":{"created_by_id":"ann","members":["x","y"]}}`, "x, y"),
		refused("create with a bad id", "POST", "/channels/team/a%20b/query", `{"data":{"created_by_id":"ann"}}`, "id"),
		refused("unknown page", "POST", general+"/query", `{"state":true,"messages":{"id_lt":"x"}}`, "messages.id_lt"),
		{name: "get as a user", method: "POST", path: general + "/query", body: `{"user_id":"bob","state":true}`, status: 201, has: []string{`"membership":{"user_id":"bob"`}},
		{
			name: "distinct", method: "POST", path: "/channels/messaging/query", body: `{"data":{"created_by_id":"ann","members":[{"user_id":"bob"},{"user_id":"ann"}]}}`,
			status: 201, has: []string{`"cid":"messaging:!members-`},
		},
		refused("distinct without members", "POST", "/channels/messaging/query", `{"data":{"created_by_id":"ann"}}`, "data.members"),
		refused("distinct without a body", "POST", "/channels/messaging/query", ``, "empty"),
		{name: "get", method: "GET", path: general + "?state=true&messages_limit=1&members_limit=1&user_id=ann", status: 200, has: []string{`"messages":[{"id":"m1"`, `"membership":{`}},
		refused("get too much", "GET", general+"?messages_limit=301", ``, "messages_limit"),
		unknown("get none", "GET", "/channels/messaging/none", ``, "messaging:none"),
		unknown("get a deleted one", "GET", "/channels/messaging/old", ``),

		// Query.
		{name: "query all", method: "POST", path: "/channels", status: 200, has: []string{`"channels":[{"channel":{"cid":"`, "messaging:general"}, hasNot: []string{"messaging:old"}},
		{
			name: "query", method: "POST", path: "/channels", status: 200, has: []string{`"cid":"team:a"`, `"messages":[]`}, hasNot: []string{"messaging:general"},
			body: `{"filter_conditions":{"members":{"$in":["bob"]},"color":"red"},"sort":[{"field":"created_at","direction":-1}],"limit":5,"offset":0,"message_limit":1,"member_limit":1,"state":true}`,
		},
		{name: "query none", method: "POST", path: "/channels", body: `{"filter_conditions":{"type":"x"}}`, status: 200, has: []string{`"channels":[]`}},
		refused("query with an unknown operator", "POST", "/channels", `{"filter_conditions":{"cid":{"$like":"x"}}}`, "filter_conditions", "$like"),
		refused("query what is hidden from nobody", "POST", "/channels", `{"filter_conditions":{"hidden":true}}`, "user_id"),
		refused("query 31", "POST", "/channels", `{"limit":31}`, "limit"),
		refused("query far away", "POST", "/channels", `{"offset":1001}`, "offset"),

		// Update.
		{
			name: "update", method: "POST", path: "/channels/team/a", status: 200, has: []string{`"size":7`, `"text":"changed"`, `"type":"system"`}, hasNot: []string{`"big"`, `"color"`},
			body: `{"data":{"custom":{"size":7}},"message":{"text":"changed","user_id":"ann"},"add_filter_tags":["y"],"cooldown":3,"skip_push":true}`,
		},
		{name: "accept", method: "POST", path: "/channels/team/a", body: `{"accept_invite":true,"user_id":"kim"}`, status: 200, has: []string{`"status":"accepted"`, `"invite_accepted_at":`}},
		refused("accept twice", "POST", "/channels/team/a", `{"accept_invite":true,"user_id":"kim"}`, "already"),
		refused("accept without an invite", "POST", "/channels/team/a", `{"accept_invite":true,"user_id":"bob"}`, "not invited"),
		refused("reject for nobody", "POST", "/channels/team/a", `{"reject_invite":true}`, "user_id"),
		{
			name: "members", method: "POST", path: "/channels/team/a", status: 200, has: []string{`"member_count":2`, `"channel_role":"channel_moderator"`, `"channel_role":"guest"`},
			body: `{"remove_members":["kim"],"add_moderators":["ann"],"assign_roles":[{"user_id":"bob","channel_role":"guest"}]}`,
		},
		{name: "demote", method: "POST", path: "/channels/team/a", body: `{"demote_moderators":["ann"],"hide_history":true,"add_members":[{"user_id":"kim"}]}`, status: 200, hasNot: []string{"channel_moderator"}},
		refused("add unknown members", "POST", "/channels/team/a", `{"add_members":["x"]}`, "add_members", "x"),
		refused("remove unknown members", "POST", "/channels/team/a", `{"remove_members":["x"]}`, "remove_members", "x"),
		refused("add 101 members", "POST", "/channels/team/a", `{"add_members":[`+many(101, `"u%d"`)+`]}`, "100"),
		refused("update with too much", "POST", "/channels/team/a", `{"data":{"custom":{"x":"`+strings.Repeat("x", 5<<10)+`"}}}`, "custom data"),
		unknown("update none", "POST", "/channels/messaging/none", `{"cooldown":1}`),
		unknown("update a deleted one", "POST", "/channels/messaging/old", `{"cooldown":1}`),
		{
			name: "partial", method: "PATCH", path: "/channels/team/a", status: 200, has: []string{`"frozen":true`, `"deep":{"er":1.50}`}, hasNot: []string{`"size"`},
			body: `{"set":{"frozen":true,"deep.er":1.50},"unset":["size"]}`,
		},
		{name: "thaw", method: "PATCH", path: "/channels/team/a", body: `{"unset":["frozen"],"set":null}`, status: 200, has: []string{`"frozen":false`}},
		refused("partial of what is not for clients", "PATCH", "/channels/team/a", `{"set":{"member_count":9}}`, "set.member_count"),
		unknown("partial of none", "PATCH", "/channels/messaging/none", `{"set":{"x":1}}`),

		// Members.
		{name: "member", method: "PATCH", path: "/channels/team/a/member/bob", body: `{"set":{"pinned":true,"mood":"bad"}}`, status: 200, has: []string{`"channel_member":{"user_id":"bob"`, `"mood":"bad"`}},
		{name: "member by query", method: "PATCH", path: "/channels/team/a/member?user_id=bob", body: `{"set":{"archived":true},"unset":["mood","pinned"]}`, status: 200, has: []string{`"pinned_at":null`}, hasNot: []string{`"mood"`, `"archived_at":null`}},
		refused("member's user", "PATCH", "/channels/team/a/member/bob", `{"set":{"user_id":"ann"}}`, "set.user_id"),
		unknown("no member", "PATCH", "/channels/team/a/member/eve", `{"set":{"x":1}}`, "member"),
		{name: "members of a channel", method: "GET", path: query("/members", `{"type":"team","id":"a","filter_conditions":{"id":{"$in":["ann","eve"]}},"sort":[{"field":"created_at","direction":-1}],"limit":3}`), status: 200, has: []string{`"members":[{"user_id":"ann"`}, hasNot: []string{`"user_id":"bob"`}},
		{name: "members of a distinct channel", method: "GET", path: query("/members", `{"type":"messaging","members":["ann","bob"],"filter_conditions":{}}`), status: 200, has: []string{`"user_id":"bob"`}},
		refused("members of cid", "GET", query("/members", `{"type":"team","id":"a","filter_conditions":{"cid":"team:a"}}`), ``, "cid"),
		unknown("members of none", "GET", query("/members", `{"type":"team","id":"none","filter_conditions":{}}`), ``),

		// Read states.
		{name: "read", method: "POST", path: general + "/read", body: `{"user_id":"bob"}`, status: 200, has: []string{`"type":"message.read"`, `"cid":"messaging:general"`, `"last_read_message_id":"m1"`}},
		{name: "read a message", method: "POST", path: general + "/read", body: `{"user_id":"bob","message_id":"m1"}`, status: 200, has: []string{`"last_read_message_id":"m1"`}},
		refused("read what is elsewhere", "POST", general+"/read", `{"user_id":"bob","message_id":"x"}`, "message_id"),
		refused("read by a stranger", "POST", general+"/read", `{"user_id":"kim"}`, "not a member"),
		unknown("read none", "POST", "/channels/messaging/none/read", `{"user_id":"bob"}`),
		{name: "unread", method: "POST", path: general + "/unread", body: `{"user_id":"bob","message_id":"m1"}`, status: 200, has: []string{`{"duration":`}},
		{name: "one unread", method: "GET", path: general, status: 200, has: []string{`"unread_messages":1`}},
		refused("unread from nowhere", "POST", general+"/unread", `{"user_id":"bob"}`, "message_id"),
		{name: "read many", method: "POST", path: "/channels/read", body: `{"user_id":"bob","read_by_channel":{"messaging:general":"m1"}}`, status: 200},
		{name: "read all", method: "POST", path: "/channels/read", body: `{"user_id":"bob"}`, status: 200},
		{name: "none unread", method: "GET", path: general, status: 200, hasNot: []string{`"unread_messages":1`}},
		unknown("read many, one of them none", "POST", "/channels/read", `{"user_id":"bob","read_by_channel":{"messaging:none":""}}`, "messaging:none"),

		// Hide, show, mute.
		{name: "hide", method: "POST", path: general + "/hide", body: `{"user_id":"bob","clear_history":true}`, status: 200, has: []string{`{"duration":`}},
		{name: "hidden", method: "POST", path: general + "/query", body: `{"user_id":"bob","state":true}`, status: 201, has: []string{`"hidden":true`, `"hide_messages_before":`, `"messages":[]`}},
		{name: "query without what is hidden", method: "POST", path: "/channels", body: `{"user_id":"bob","filter_conditions":{"type":"messaging"}}`, status: 200, hasNot: []string{`"cid":"messaging:general"`}},
		{name: "query what is hidden", method: "POST", path: "/channels", body: `{"user_id":"bob","filter_conditions":{"hidden":true}}`, status: 200, has: []string{`"cid":"messaging:general"`}},
		{name: "show", method: "POST", path: general + "/show", body: `{"user_id":"bob"}`, status: 200},
		{name: "shown", method: "POST", path: "/channels", body: `{"user_id":"bob","filter_conditions":{"hidden":true}}`, status: 200, has: []string{`"channels":[]`}},
		refused("hide from nobody", "POST", general+"/hide", `{"user_id":"nobody"}`, "nobody"),
		{name: "mute", method: "POST", path: "/moderation/mute/channel", body: `{"channel_cids":["messaging:general"],"user_id":"bob","expiration":60000}`, status: 201, has: []string{`"channel_mute":{"user":{"id":"bob"`, `"expires":`, `"channel_mutes":[{`}},
		{name: "muted", method: "GET", path: general + "?user_id=bob", status: 200, has: []string{`"muted":true`, `"notifications_muted":true`}},
		{name: "unmute", method: "POST", path: "/moderation/unmute/channel", body: `{"channel_cid":"messaging:general","user_id":"bob"}`, status: 200, has: []string{`"channel_mutes":[{`}},
		{name: "no longer muted", method: "GET", path: general + "?user_id=bob", status: 200, hasNot: []string{`"notifications_muted":true`, `"muted":true`}},
		refused("mute nothing", "POST", "/moderation/mute/channel", `{"user_id":"bob"}`, "channel_cids"),
		unknown("mute none", "POST", "/moderation/mute/channel", `{"channel_cids":["messaging:none"],"user_id":"bob"}`, `"messaging:none":"`),

		// Truncate and delete.
		{name: "truncate", method: "POST", path: general + "/truncate", body: `{"message":{"text":"fresh","user_id":"ann"},"user_id":"bob"}`, status: 200, has: []string{`"truncated_at":`, `"truncated_by":{"id":"bob"`, `"text":"fresh"`}},
		{name: "truncated", method: "GET", path: general, status: 200, has: []string{`"text":"fresh"`}, hasNot: []string{`"id":"m1"`}},
		{name: "truncate hard", method: "POST", path: general + "/truncate", body: `{"hard_delete":true}`, status: 200, has: []string{`"message_count":0`}},
		{name: "truncate without a body", method: "POST", path: general + "/truncate", status: 200},
		refused("truncate in the future", "POST", general+"/truncate", `{"truncated_at":"2999-01-01T00:00:00Z"}`, "truncated_at"),
		unknown("truncate none", "POST", "/channels/messaging/none/truncate", `{}`),
		{name: "delete", method: "DELETE", path: "/channels/team/a", status: 200, has: []string{`"deleted_at":`}},
		unknown("delete again", "DELETE", "/channels/team/a", ``),
		unknown("send to a deleted one", "POST", "/channels/team/a/message", `{"message":{"text":"x","user_id":"ann"}}`),
		{name: "delete hard", method: "DELETE", path: general + "?hard_delete=true", status: 200, has: []string{`"deleted_at":`}},
		unknown("delete none", "DELETE", general, ``),
		refused("delete perhaps", "DELETE", "/channels/team/a?hard_delete=perhaps", ``, "hard_delete"),
		refused("delete none of many", "POST", "/channels/delete", `{"cids":[]}`, "cids"),
		refused("delete 101", "POST", "/channels/delete", `{"cids":[`+many(101, `"team:c%d"`)+`]}`, "100"),
		unknown("delete many, some of them none", "POST", "/channels/delete", `{"cids":["messaging:x","team:a","messaging:y"]}`, `"messaging:x":"`, `"team:a":"`, `"messaging:y":"`),
	}
	bothDialects(t, nil, func(_ *testing.T, r *rig) {
		r.people()
		r.must(201, "POST", "/users", `{"users":{"kim":{"id":"kim"},"eve":{"id":"eve"}}}`)
		r.run(scenarios)
	})
}

func TestChannelAnswers(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		want := func(a reply, want any, path ...any) {
			t.Helper()
			if got := a.get(path...); got != want {
				t.Errorf("%v: %v, want %v in %s", path, got, want, a.body)
			}
		}
		when := func(a reply, path ...any) {
			t.Helper()
			if got := a.get(path...); !r.isTime(got) {
				t.Errorf("%v: %v is no time in %s", path, got, a.body)
			}
		}
		a := r.must(200, "POST", "/channels/messaging/general", `{"data":{"n":2.50,"filter_tags":["x"]},"message":{"text":"x","user_id":"ann"}}`)
		want(a, "2.50", r.custom("channel", "n")...)
		want(a, "x", "channel", "filter_tags", 0)
		want(a, "bob", "members", 1, "user_id")
		want(a, "bob", "channel", "members", 1, "user_id")
		want(a, "system", "message", "type")
		when(a, "channel", "updated_at")
		when(a, "channel", "members", 0, "created_at")
		r.must(200, "PATCH", "/channels/messaging/general/member/bob", `{"set":{"pinned":true,"mood":"good"}}`)
		r.must(200, "POST", "/channels/messaging/general/hide", `{"user_id":"bob","clear_history":true}`)
		a = r.must(201, "POST", "/moderation/mute/channel", `{"channel_cids":["messaging:general"],"user_id":"bob","expiration":60000}`)
		for _, key := range []string{"created_at", "updated_at", "expires"} {
			when(a, "channel_mute", key)
			when(a, "channel_mutes", 0, key)
		}
		when(a, "channel_mute", "channel", "created_at")
		when(a, "channel_mute", "user", "created_at")
		for _, a := range []reply{
			r.must(200, "GET", "/channels/messaging/general?user_id=bob", ``),
			r.must(201, "POST", "/channels/messaging/general/query", `{"user_id":"bob"}`),
		} {
			when(a, "hide_messages_before")
			when(a, "channel", "hide_messages_before")
			when(a, "channel", "mute_expires_at")
			when(a, "membership", "pinned_at")
			want(a, "good", r.custom("membership", "mood")...)
			want(a, true, "hidden")
		}
		a = r.must(200, "POST", "/channels", `{"user_id":"bob","filter_conditions":{"hidden":true}}`)
		when(a, "channels", 0, "hide_messages_before")
		when(a, "channels", 0, "membership", "created_at")
		want(a, "2.50", r.custom("channels", 0, "channel", "n")...)
		when(a, "channels", 0, "read", 0, "last_read")
		a = r.must(200, "POST", "/channels/messaging/general/read", `{"user_id":"bob"}`)
		when(a, "event", "created_at")
		when(a, "event", "user", "created_at")
		a = r.must(200, "GET", query("/members", `{"type":"messaging","id":"general","filter_conditions":{"mood":"good"}}`), ``)
		when(a, "members", 0, "pinned_at")
		want(a, "good", r.custom("members", 0, "mood")...)
		a = r.must(200, "POST", "/channels/messaging/general/truncate", `{"user_id":"ann"}`)
		when(a, "channel", "truncated_at")
		when(a, "channel", "truncated_by", "created_at")
		a = r.must(200, "DELETE", "/channels/messaging/general", ``)
		when(a, "channel", "deleted_at")
	})
}

func TestDeleteChannelsTask(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		a := r.must(201, "POST", "/channels/delete", `{"cids":["messaging:general"],"hard_delete":true}`)
		<-r.wakes
		stored, err := r.store.Claim(t.Context(), "test", r.opts.RequestTimeout+1, a.text("task_id"))
		if err != nil || stored == nil {
			t.Fatal(stored, err)
		}
		handler := (&live.Service{Store: r.store, Now: r.clock.Now}).Handlers()[task.DeleteChannels]
		result, err := handler(t.Context(), &task.Attempt{Task: *stored})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]struct{ Status string }
		if err := json.Unmarshal(result, &got); err != nil || len(got) != 1 || got["messaging:general"].Status != "ok" {
			t.Errorf("%s, %v", result, err)
		}
		r.must(404, "GET", "/channels/messaging/general", ``)
		r.must(404, "GET", "/messages/m1", ``)
	})
}

// TestChannelsOfOthers has two apps with the same ids: neither sees or changes
// anything of the other.
func TestChannelsOfOthers(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		before := r.must(200, "GET", "/channels/messaging/general?user_id=bob", ``)
		if a := r.as(r.other, "POST", "/users", `{"users":{"ann":{"id":"ann"},"bob":{"id":"bob"}}}`); a.status != 201 {
			t.Fatal(a.body)
		}
		for _, s := range []struct{ method, path, body string }{
			{"GET", "/channels/messaging/general", ``},
			{"POST", "/channels/messaging/general", `{"add_members":["ann"]}`},
			{"PATCH", "/channels/messaging/general", `{"set":{"x":1}}`},
			{"DELETE", "/channels/messaging/general", ``},
			{"DELETE", "/channels/messaging/general?hard_delete=true", ``},
			{"POST", "/channels/delete", `{"cids":["messaging:general"]}`},
			{"POST", "/channels/messaging/general/truncate", `{}`},
			{"POST", "/channels/messaging/general/read", `{"user_id":"bob"}`},
			{"POST", "/channels/messaging/general/unread", `{"user_id":"bob","message_id":"m1"}`},
			{"POST", "/channels/read", `{"user_id":"bob","read_by_channel":{"messaging:general":""}}`},
			{"POST", "/channels/messaging/general/hide", `{"user_id":"bob"}`},
			{"POST", "/channels/messaging/general/show", `{"user_id":"bob"}`},
			{"PATCH", "/channels/messaging/general/member/bob", `{"set":{"x":1}}`},
			{"GET", query("/members", `{"type":"messaging","id":"general","filter_conditions":{}}`), ``},
			{"POST", "/moderation/mute/channel", `{"channel_cid":"messaging:general","user_id":"bob"}`},
		} {
			foreign, none := r.as(r.other, s.method, s.path, s.body), r.as(r.other, s.method, strings.ReplaceAll(s.path, "general", "nothing"), strings.ReplaceAll(s.body, "general", "nothing"))
			if foreign.status != 404 || none.status != 404 || withoutDuration(foreign.body) != strings.ReplaceAll(withoutDuration(none.body), "nothing", "general") {
				t.Errorf("%s %s: %d %s, of none %d %s", s.method, s.path, foreign.status, foreign.body, none.status, none.body)
			}
		}
		if a := r.as(r.other, "POST", "/channels", ``); a.status != 200 || !strings.HasPrefix(a.body, `{"channels":[],`) {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := r.as(r.other, "POST", "/channels/read", `{"user_id":"bob"}`); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
		after := r.must(200, "GET", "/channels/messaging/general?user_id=bob", ``)
		if withoutDuration(before.body) != withoutDuration(after.body) {
			t.Errorf("%s became %s", before.body, after.body)
		}
	})
}

func withoutDuration(body string) string {
	var o map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		return err.Error()
	}
	delete(o, "duration")
	return fmt.Sprintf("%s", o)
}
