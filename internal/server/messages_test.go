package server_test

import (
	"fmt"
	"strings"
	"testing"

	"hansard/internal/auth"
)

const general = "/channels/messaging/general"

func TestMessageRequests(t *testing.T) {
	t.Parallel()
	bad := func(name, method, path, body string, has ...string) scenario {
		return scenario{
			name: name, method: method, path: path, body: body, status: 400,
			has: append(has, `"code":4`, `"exception_fields":{"`), hasNot: []string{`{"message":{`},
		}
	}
	missing := func(method, path, body string) scenario {
		return scenario{name: method + " " + path, method: method, path: path, body: body, status: 404, has: []string{`"code":16`}, hasNot: []string{`{"message":{`}}
	}
	send := func(name, message string, has ...string) scenario {
		return scenario{name: name, method: "POST", path: general + "/message", body: `{"message":` + message + `}`, status: 201, has: has}
	}
	const ann = `"user_id":"ann"`
	scenarios := []scenario{
		send("plain", `{"id":"plain","text":"hello",`+ann+`}`, `{"message":{"id":"plain","text":"hello","html":"\u003cp\u003ehello\u003c/p\u003e\n"`),
		send("empties", `{"id":"","text":"x",`+ann+`,"type":"","parent_id":"","quoted_message_id":"","attachments":null,"mentioned_users":null}`, `"type":"regular"`),
		send("author as object", `{"text":"x","user":{"id":"ann","name":"other"}}`, `"name":"Ann"`),
		send("system", `{"text":"x",`+ann+`,"type":"system","silent":true}`, `"type":"system"`, `"silent":true`),
		send("reply", `{"id":"r1","text":"x",`+ann+`,"parent_id":"m1","show_in_channel":true}`, `"type":"reply"`, `"parent_id":"m1"`, `"show_in_channel":true`),
		send("quote", `{"text":"x",`+ann+`,"quoted_message_id":"m1"}`, `"quoted_message_id":"m1"`, `"quoted_message":{"id":"m1"`),
		send("restricted", `{"text":"x",`+ann+`,"restricted_visibility":["bob"]}`, `"restricted_visibility":["bob"]`),
		send("exact numbers", `{"text":"x",`+ann+`,"custom":{"big":12345678901234567890,"f":2.50}}`, `"big":12345678901234567890`, `"f":2.50`),
		bad("no message", "POST", general+"/message", `{}`, `SendMessage failed with error: \"message is required`),
		bad("null message", "POST", general+"/message", `{"message":null}`),
		bad("nothing said", "POST", general+"/message", `{"message":{`+ann+`}}`),
		bad("id twice", "POST", general+"/message", `{"message":{"id":"plain","text":"again",`+ann+`}}`, "already exists"),
		bad("created_at", "POST", general+"/message", `{"message":{"text":"x",`+ann+`,"created_at":1613549869745857000}}`, `"message.created_at":`),
		bad("unknown author", "POST", general+"/message", `{"message":{"text":"x","user_id":"nobody"}}`, `"message.user_id":`),
		bad("unknown mention", "POST", general+"/message", `{"message":{"text":"x",`+ann+`,"mentioned_users":["nobody"]}}`, `"message.mentioned_users":`),
		bad("unknown viewer", "POST", general+"/message", `{"message":{"text":"x",`+ann+`,"restricted_visibility":["nobody"]}}`, `"message.restricted_visibility":`),
		bad("unknown parent", "POST", general+"/message", `{"message":{"text":"x",`+ann+`,"parent_id":"none"}}`, `"message.parent_id":`),
		bad("unknown quote", "POST", general+"/message", `{"message":{"text":"x",`+ann+`,"quoted_message_id":"none"}}`, `"message.quoted_message_id":`),
		bad("odd type", "POST", general+"/message", `{"message":{"text":"x",`+ann+`,"type":"ephemeral"}}`, `"message.type":`),
		bad("31 attachments", "POST", general+"/message", `{"message":{`+ann+`,"attachments":[`+many(31, `{"n":%d}`)+`]}}`, `"message.attachments":`),
		bad("too much custom data", "POST", general+"/message", `{"message":{"text":"x",`+ann+`,"custom":{"c":"`+strings.Repeat("x", 5<<10)+`"}}}`, "custom"),
		bad("odd flag", "POST", general+"/message", `{"message":{"text":"x",`+ann+`},"keep_channel_hidden":"yes"}`, `"keep_channel_hidden":`),
		{name: "no author", method: "POST", path: general + "/message", body: `{"message":{"text":"x"}}`, status: 400, has: []string{`"code":4`, "either message.user or message.user_id must be provided"}},
		{name: "long text", method: "POST", path: general + "/message", body: `{"message":{"text":"` + strings.Repeat("x", 20<<10+1) + `",` + ann + `}}`, status: 400, has: []string{`"code":20`}, hasNot: []string{"xxx"}},
		{name: "reply to a reply", method: "POST", path: general + "/message", body: `{"message":{"text":"x",` + ann + `,"parent_id":"r1"}}`, status: 400, has: []string{`"code":21`}},
		missing("POST", "/channels/messaging/none/message", `{"message":{"text":"x",`+ann+`}}`),
		missing("POST", "/channels/messaging/old/message", `{"message":{"text":"x",`+ann+`}}`),

		{name: "get", method: "GET", path: "/messages/plain?show_deleted_message=true", status: 200, has: []string{`{"message":{"id":"plain"`, `"channel":{"cid":"messaging:general"`}},
		missing("GET", "/messages/none", ""),
		missing("GET", "/messages/a%2Fb", ""),
		bad("odd flag", "GET", "/messages/plain?show_deleted_message=x", "", `"show_deleted_message":`),
		{name: "many", method: "GET", path: general + "/messages?ids=r1,none,m1", status: 200, has: []string{`{"messages":[{"id":"r1"`, `{"id":"m1"`}, hasNot: []string{"none"}},
		bad("no ids", "GET", general+"/messages", "", `"ids":`),
		missing("GET", "/channels/messaging/none/messages?ids=m1", ""),

		{name: "update", method: "POST", path: "/messages/plain", body: `{"message":{"text":"*now*","user":{"id":"bob"},"custom":{"k":{"z":1,"a":2}}},"skip_push":true}`, status: 200, has: []string{`"text":"*now*","html":"\u003cp\u003e\u003cem\u003enow`, `"message_text_updated_at":`, `"k":{"z":1,"a":2}`, `"user":{"id":"ann"`}},
		bad("empty update", "POST", "/messages/plain", `{}`, `UpdateMessage failed with error: \"message is required`),
		bad("odd update", "POST", "/messages/plain", `{"message":{"text":7}}`, `"message.text":`),
		missing("POST", "/messages/none", `{"message":{"text":"x"}}`),
		{name: "patch", method: "PUT", path: "/messages/plain", body: `{"set":{"k.b":3,"pinned":true},"unset":["k.z"],"user_id":"bob"}`, status: 200, has: []string{`"k":{"a":2,"b":3}`, `"pinned":true`, `"pinned_by":{"id":"bob"`}},
		{name: "unpin", method: "PUT", path: "/messages/plain", body: `{"set":{"pinned":false},"unset":null}`, status: 200, has: []string{`"pinned":false,"pinned_at":null,"pinned_by":null,"pin_expires":null`}},
		bad("patch of the author", "PUT", "/messages/plain", `{"set":{"user":{"id":"bob"}}}`, `UpdateMessagePartial failed with error: \"set.user `),
		bad("empty patch", "PUT", "/messages/plain", `{"set":{}}`, `"set":`),
		missing("PUT", "/messages/none", `{"set":{"a":1}}`),

		{name: "history", method: "POST", path: "/messages/history", body: `{"filter":{"message_id":"plain"}}`, status: 200, has: []string{`{"message_history":[{"message_id":"plain","message_updated_by_id":"bob","message_updated_at":`, `"text":"hello","attachments":[],"is_deleted":false,"custom":{}}]`}},
		bad("history of everything", "POST", "/messages/history", `{"filter":{}}`, `"filter":`),

		{name: "delete for bob", method: "DELETE", path: "/messages/plain?delete_for_me=true&deleted_by=bob", status: 200, has: []string{`"type":"regular"`, `"deleted_for_me":true`}},
		{name: "delete", method: "DELETE", path: "/messages/plain?deleted_by=bob", status: 200, has: []string{`"type":"deleted"`, `"text":"*now*"`, `"deleted_at":`}},
		{name: "deleted", method: "GET", path: "/messages/plain", status: 200, has: []string{`"type":"deleted"`}},
		{name: "delete again", method: "DELETE", path: "/messages/plain", status: 200, has: []string{`"type":"deleted"`}},
		{name: "update of a deleted one", method: "POST", path: "/messages/plain", body: `{"message":{"text":"x"}}`, status: 400, has: []string{`"code":4`, "deleted"}},
		{name: "patch of a deleted one", method: "PUT", path: "/messages/plain", body: `{"set":{"a":1}}`, status: 400, has: []string{`"code":4`, "deleted"}},
		{name: "undelete", method: "POST", path: "/messages/plain/undelete", body: `{"undeleted_by":"bob"}`, status: 200, has: []string{`"type":"regular"`}, hasNot: []string{`"deleted_at":`}},
		{name: "undelete again", method: "POST", path: "/messages/plain/undelete", body: `{"undeleted_by":"bob"}`, status: 400, has: []string{`"code":4`}},
		bad("undelete by nobody", "POST", "/messages/plain/undelete", `{}`, `"undeleted_by":`),
		bad("odd flag", "DELETE", "/messages/plain?hard=x", "", `"hard":`),
		{name: "hard delete", method: "DELETE", path: "/messages/plain?hard=true", status: 200, has: []string{`{"message":{"id":"plain"`, `"type":"regular"`}},
		missing("GET", "/messages/plain", ""),
		missing("DELETE", "/messages/plain", ""),
		missing("POST", "/messages/plain/undelete", `{"undeleted_by":"bob"}`),
		{name: "no history", method: "POST", path: "/messages/history", body: `{"filter":{"message_id":"plain"}}`, status: 200, has: []string{`{"message_history":[],`}},

		{name: "pending", method: "POST", path: general + "/message", body: `{"message":{"id":"p","text":"x",` + ann + `},"pending":true,"pending_message_metadata":{"a":"b"}}`, status: 201, has: []string{`{"message":{"id":"p"`, `"pending_message_metadata":{"a":"b"}`}},
		{name: "get pending", method: "GET", path: "/messages/p", status: 200, has: []string{`{"message":{"id":"p"`, `"pending_message_metadata":{"a":"b"}`}},
		{name: "not listed", method: "GET", path: general + "/messages?ids=p", status: 200, has: []string{`{"messages":[],`}},
		bad("pending id twice", "POST", general+"/message", `{"message":{"id":"p","text":"x",`+ann+`}}`, "already exists"),
		{name: "commit", method: "POST", path: "/messages/p/commit", status: 201, has: []string{`{"message":{"id":"p"`}, hasNot: []string{"metadata"}},
		{name: "commit again", method: "POST", path: "/messages/p/commit", status: 400, has: []string{`"code":4`, "not pending"}},
		{name: "listed", method: "GET", path: general + "/messages?ids=p", status: 200, has: []string{`{"messages":[{"id":"p"`}},
		missing("POST", "/messages/none/commit", ""),
		bad("odd metadata", "POST", general+"/message", `{"message":{"text":"x",`+ann+`},"pending":true,"pending_message_metadata":{"a":1}}`, `"pending_message_metadata.a":`),

		send("second reply", `{"id":"r2","text":"x",`+ann+`,"parent_id":"m1"}`),
		send("third reply", `{"id":"r3","text":"x",`+ann+`,"parent_id":"m1"}`),
		{name: "replies", method: "GET", path: "/messages/m1/replies", status: 200, has: []string{`{"messages":[{"id":"r1"`, `{"id":"r2"`, `{"id":"r3"`}},
		{name: "replies by limit", method: "GET", path: "/messages/m1/replies?limit=1&offset=1", status: 200, has: []string{`{"messages":[{"id":"r2"`}, hasNot: []string{`{"id":"r1"`, `{"id":"r3"`}},
		{name: "replies before", method: "GET", path: "/messages/m1/replies?limit=1&id_lt=r3", status: 200, has: []string{`{"messages":[{"id":"r2"`}, hasNot: []string{`{"id":"r1"`, `{"id":"r3"`}},
		{name: "replies after", method: "GET", path: "/messages/m1/replies?id_gt=r2", status: 200, has: []string{`{"messages":[{"id":"r3"`}, hasNot: []string{`{"id":"r1"`, `{"id":"r2"`}},
		bad("odd limit", "GET", "/messages/m1/replies?limit=x", "", `"limit":`),
		missing("GET", "/messages/none/replies", ""),
		// A thread goes with its first message.
		{name: "hard delete of a thread", method: "DELETE", path: "/messages/m1?hard=true", status: 200, has: []string{`{"message":{"id":"m1"`}},
		missing("GET", "/messages/r2", ""),
	}
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		r.run(scenarios)
	})
}

func TestReactionRequests(t *testing.T) {
	t.Parallel()
	const like = "/messages/m1/reaction"
	bad := func(name, method, path, body string, has ...string) scenario {
		return scenario{name: name, method: method, path: path, body: body, status: 400, has: append(has, `"code":4`), hasNot: []string{`"reaction":{`}}
	}
	missing := func(method, path, body string) scenario {
		return scenario{name: method + " " + path, method: method, path: path, body: body, status: 404, has: []string{`"code":16`}, hasNot: []string{`"reaction":{`}}
	}
	scenarios := []scenario{
		{name: "like", method: "POST", path: like, body: `{"reaction":{"type":"like","user_id":"bob","custom":{"tone":2.50}},"skip_push":true}`, status: 201, has: []string{`"reaction_counts":{"like":1}`, `"reaction":{"message_id":"m1","user_id":"bob"`, `2.50`, `"score":1`}},
		{name: "like more", method: "POST", path: like, body: `{"reaction":{"type":"like","user":{"id":"bob"},"score":5}}`, status: 201, has: []string{`"reaction_counts":{"like":1}`, `"reaction_scores":{"like":5}`}, hasNot: []string{"tone"}},
		{name: "emoji", method: "POST", path: like, body: `{"reaction":{"type":"👍 +1","user_id":"bob"}}`, status: 201, has: []string{`"reaction_counts":{"like":1,"👍 +1":1}`}},
		{name: "another", method: "POST", path: like, body: `{"reaction":{"type":"like","user_id":"ann"}}`, status: 201, has: []string{`"like":2`}},
		bad("no type", "POST", like, `{"reaction":{"user_id":"bob"}}`, `"reaction.type":`),
		bad("nobody", "POST", like, `{"reaction":{"type":"like","user_id":"nobody"}}`, `"reaction.user_id":`),
		bad("half a point", "POST", like, `{"reaction":{"type":"like","user_id":"bob","score":0.5}}`, `"reaction.score":`),
		missing("POST", "/messages/none/reaction", `{"reaction":{"type":"like","user_id":"bob"}}`),
		{name: "list", method: "GET", path: "/messages/m1/reactions?limit=2", status: 200, has: []string{`{"reactions":[{"message_id":"m1","user_id":"ann"`, `"user_id":"bob"`}},
		{name: "the rest", method: "GET", path: "/messages/m1/reactions?limit=2&offset=2", status: 200, has: []string{`{"reactions":[{"message_id":"m1","user_id":"bob"`}, hasNot: []string{`"user_id":"ann"`}},
		bad("odd limit", "GET", "/messages/m1/reactions?limit=x", "", `"limit":`),
		missing("GET", "/messages/none/reactions", ""),
		{name: "query", method: "POST", path: "/messages/m1/reactions", body: `{"filter":{"user_id":"bob"},"sort":[{"field":"created_at","direction":1}],"limit":1}`, status: 200, has: []string{`{"reactions":[{"message_id":"m1","user_id":"bob"`, `"type":"like"`, `"next":"`}, hasNot: []string{"👍", `"prev":`}},
		{name: "all", method: "POST", path: "/messages/m1/reactions", status: 200, has: []string{`"type":"like"`, "👍 +1"}, hasNot: []string{`"next":`}},
		bad("odd filter", "POST", "/messages/m1/reactions", `{"filter":{"score":"x"}}`, `"filter":`),
		missing("POST", "/messages/none/reactions", `{}`),
		bad("whose", "DELETE", like+"/like", "", `"user_id":`),
		bad("nobody's", "DELETE", like+"/like?user_id=nobody", "", `"user_id":`),
		missing("DELETE", like+"/love?user_id=bob", ""),
		missing("DELETE", "/messages/none/reaction/like?user_id=bob", ""),
		{name: "take back", method: "DELETE", path: like + "/%F0%9F%91%8D%20%2B1?user_id=bob", status: 200, has: []string{`"reaction_counts":{"like":2}`, `"type":"👍 +1"`}},
		{name: "only one", method: "POST", path: like, body: `{"reaction":{"type":"wow","user_id":"bob"},"enforce_unique":true}`, status: 201, has: []string{`"reaction_counts":{"like":1,"wow":1}`}},
		{name: "take back too", method: "DELETE", path: like + "/like?user_id=ann", status: 200, has: []string{`"reaction_counts":{"wow":1}`, `"reaction":{"message_id":"m1","user_id":"ann"`}},
	}
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		r.run(scenarios)
		if r.v2 {
			r.must(201, "POST", like, `{"reaction":{"type":"a b","user_id":"ann"}}`)
			r.must(200, "DELETE", like+"/a+b?user_id=ann", "")
		}
	})
}

// A frozen channel takes no new messages and leaves reactions as they are.
func TestFrozenChannel(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		r.must(201, "POST", "/messages/m1/reaction", `{"reaction":{"type":"like","user_id":"bob"}}`)
		r.must(201, "POST", general+"/message", `{"message":{"id":"p","text":"x","user_id":"ann"},"pending":true}`)
		r.must(200, "PATCH", general, `{"set":{"frozen":true}}`)
		for _, s := range []scenario{
			{method: "POST", path: general + "/message", body: `{"message":{"text":"x","user_id":"ann"}}`},
			{method: "POST", path: "/messages/p/commit"},
			{method: "POST", path: "/messages/m1/reaction", body: `{"reaction":{"type":"wow","user_id":"ann"}}`},
			{method: "DELETE", path: "/messages/m1/reaction/like?user_id=bob"},
		} {
			if a := r.must(403, s.method, s.path, s.body); a.text("code") != "17" {
				t.Errorf("%s: %s", s.path, a.body)
			}
		}
		r.must(200, "POST", "/messages/m1", `{"message":{"text":"changed"}}`)
		r.must(200, "PUT", "/messages/m1", `{"set":{"a":1}}`)
		r.must(200, "DELETE", "/messages/m1", "")
		r.must(200, "POST", "/messages/m1/undelete", `{"undeleted_by":"ann"}`)
	})
}

// What the v2 dialect must hold, and in which form.
func TestMessageDialects(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		a := r.must(201, "POST", general+"/message", `{"message":{"id":"m","text":"x","user_id":"ann","custom":{"k":1},"pinned":true,
			"pin_expires":"2031-02-17T08:17:49.745857123Z"}}`)
		r.must(201, "POST", "/messages/m/reaction", `{"reaction":{"type":"like","user_id":"bob","custom":{"tone":1}}}`)
		r.must(200, "POST", "/messages/m", `{"message":{"text":"y","custom":{"k":2}}}`)
		history := r.must(200, "POST", "/messages/history", `{"filter":{"message_id":"m"}}`)
		if history.text("message_history", 0, "custom", "k") != "1" {
			t.Error(history.body)
		}
		if !r.v2 {
			if a.text("message", "pin_expires") != "2031-02-17T08:17:49.745857Z" || a.text("message", "k") != "1" {
				t.Error(a.body)
			}
			if at := history.text("message_history", 0, "message_updated_at"); !strings.HasSuffix(at, "Z") {
				t.Error(history.body)
			}
			return
		}
		if a.text("message", "pin_expires") != "1929082669745857000" || a.text("message", "custom", "k") != "1" {
			t.Error(a.body)
		}
		at := history.text("message_history", 0, "message_updated_at")
		if !strings.HasSuffix(at, "000") || strings.Contains(at, "-") {
			t.Error(history.body)
		}
		for _, op := range []string{"$gte", "$eq"} {
			h := r.must(200, "POST", "/messages/history", `{"filter":{"message_id":"m","message_updated_at":{"`+op+`":`+at+`}}}`)
			if h.text("message_history", 0, "text") != "x" {
				t.Error(h.body)
			}
		}
		a = r.must(200, "GET", "/messages/m", "")
		for _, key := range []string{
			"id", "cid", "text", "html", "type", "user", "created_at", "updated_at", "attachments", "latest_reactions", "own_reactions",
			"mentioned_users", "restricted_visibility", "reaction_counts", "reaction_scores", "reply_count", "deleted_reply_count", "pinned",
			"shadowed", "silent", "mentioned_channel", "mentioned_here", "custom", "channel",
		} {
			if a.get("message", key) == nil {
				t.Errorf("no %s in %s", key, a.body)
			}
		}
		for _, key := range []string{"cid", "id", "type", "created_at", "updated_at", "frozen", "disabled", "custom", "config", "created_by", "member_count", "own_capabilities"} {
			if a.get("message", "channel", key) == nil {
				t.Errorf("no channel.%s in %s", key, a.body)
			}
		}
		a = r.must(200, "GET", "/messages/m/reactions", "")
		for _, key := range []string{"message_id", "user_id", "user", "type", "score", "created_at", "updated_at", "custom"} {
			if a.get("reactions", 0, key) == nil {
				t.Errorf("no %s in %s", key, a.body)
			}
		}
		if a.text("reactions", 0, "custom", "tone") != "1" {
			t.Error(a.body)
		}
	})
}

// Another app's messages are as good as none, and its ids are free.
func TestMessagesOfAnotherApp(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		r.must(201, "POST", general+"/message", `{"message":{"id":"p","text":"x","user_id":"ann"},"pending":true}`)
		r.must(200, "POST", "/messages/m1", `{"message":{"text":"changed"}}`)
		r.must(201, "POST", "/messages/m1/reaction", `{"reaction":{"type":"like","user_id":"bob"}}`)
		for _, s := range []scenario{
			{method: "GET", path: "/messages/m1"},
			{method: "GET", path: "/messages/p"},
			{method: "GET", path: general + "/messages?ids=m1"},
			{method: "POST", path: "/messages/m1", body: `{"message":{"text":"x"}}`},
			{method: "PUT", path: "/messages/m1", body: `{"set":{"a":1}}`},
			{method: "DELETE", path: "/messages/m1?hard=true"},
			{method: "POST", path: "/messages/m1/undelete", body: `{"undeleted_by":"ann"}`},
			{method: "POST", path: "/messages/p/commit"},
			{method: "GET", path: "/messages/m1/replies"},
			{method: "GET", path: "/messages/m1/reactions"},
			{method: "POST", path: "/messages/m1/reactions"},
			{method: "POST", path: "/messages/m1/reaction", body: `{"reaction":{"type":"like","user_id":"bob"}}`},
			{method: "DELETE", path: "/messages/m1/reaction/like?user_id=bob"},
		} {
			a := r.as(r.other, s.method, s.path, s.body)
			if a.status != 404 || a.text("code") != "16" {
				t.Errorf("%s %s: %d %s", s.method, s.path, a.status, a.body)
			}
		}
		if a := r.as(r.other, "POST", "/messages/history", `{"filter":{"message_id":"m1"}}`); a.status != 200 || len(a.get("message_history").([]any)) != 0 {
			t.Errorf("%d %s", a.status, a.body)
		}
		for _, s := range []scenario{
			{path: "/users", body: `{"users":{"eve":{"id":"eve"}}}`},
			{path: general + "/query", body: `{"data":{"created_by_id":"eve"}}`},
			{path: general + "/message", body: `{"message":{"id":"m1","text":"x","user_id":"eve"}}`},
			{path: general + "/message", body: `{"message":{"id":"p","text":"x","user_id":"eve"},"pending":true}`},
		} {
			if a := r.as(r.other, "POST", s.path, s.body); a.status != 201 {
				t.Errorf("%s: %d %s", s.path, a.status, a.body)
			}
		}
		if a := r.must(200, "GET", "/messages/m1", ""); a.text("message", "text") != "changed" {
			t.Error(a.body)
		}
	})
}

// Users have no business here.
func TestMessagesNeedServerToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.people()
	for _, s := range []scenario{
		{method: "GET", path: "/messages/m1"},
		{method: "POST", path: "/messages/m1", body: `{"message":{"text":"x"}}`},
		{method: "DELETE", path: "/messages/m1"},
		{method: "POST", path: "/messages/history", body: `{"filter":{"message_id":"m1"}}`},
		{method: "GET", path: "/messages/m1/replies"},
		{method: "POST", path: "/messages/m1/commit"},
	} {
		req := r.request(r.app, s.method, s.path, strings.NewReader(s.body))
		req.Header.Set("Authorization", r.token(r.app, auth.Claims{UserID: "ann"}))
		if a := r.send(req); a.status != 403 {
			t.Errorf("%s %s: %d %s", s.method, s.path, a.status, a.body)
		}
	}
}

// An answer with many messages is whole, whatever it takes.
func TestManyMessages(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		var ids []string
		for i := range 100 {
			id := fmt.Sprintf("x%d", i)
			ids = append(ids, id)
			r.must(201, "POST", general+"/message", `{"message":{"id":"`+id+`","text":"`+strings.Repeat("<", 1000)+`","user_id":"ann"}}`)
		}
		a := r.must(200, "GET", general+"/messages?ids="+strings.Join(ids, ","), "")
		if list, _ := a.get("messages").([]any); len(list) != 100 {
			t.Errorf("%d messages", len(list))
		}
		if a := r.must(400, "GET", general+"/messages?ids=m1,"+strings.Join(ids, ","), ""); a.text("code") != "4" {
			t.Error(a.body)
		}
	})
}
