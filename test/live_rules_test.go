package test_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hansard/test/harness"
)

// rule is a request that a rule allows or refuses. ROOM stands for the path of
// a channel, USER for that of its creator.
type rule struct {
	name         string
	method, path string
	body         string
	code         int // 0 = it is taken
}

// filled is a JSON object whose custom fields have this many bytes, all in all,
// as the object that they make.
func filled(c *tongue, bytes int) string {
	return c.custom(`"blob":"` + strings.Repeat("x", bytes-len(`{"blob":""}`)) + `"`)
}

// TestLiveRules: what bites, bites over HTTP, and leaves everything as it was.
func TestLiveRules(t *testing.T) {
	t.Parallel()
	bothTongues(t, func(t *testing.T, _ *harness.Server, c *tongue) {
		c.users("ann", "bob", "gone", "idle")
		room, dead, frozen := c.room("room", "ann", "bob"), c.room("dead", "ann", "bob"), c.room("frozen", "ann", "bob")
		c.say("room", "top", "ann")
		c.say("room", "reply", "bob", `"parent_id":"top"`)
		c.say("room", "deleted", "ann")
		c.say("dead", "in-dead", "ann")
		c.say("frozen", "in-frozen", "ann")
		c.react("deleted", "bob", "wave")
		c.ok("DELETE", "/messages/deleted", "")
		c.ok("DELETE", "/channels/messaging/dead", "")
		c.ok("PATCH", "/channels/messaging/frozen", `{"set":{"frozen":true}}`)
		c.ok("DELETE", "/users/gone", "")
		c.ok("POST", "/users/idle/deactivate", "")
		c.ok("POST", "/call/default/call", `{"data":{"created_by_id":"ann"}}`)
		before := c.all(room, dead, frozen)
		beforeUsers := c.Users("ann", "bob", "gone", "idle")

		for _, r := range slices.Concat(c.messageRules(), c.objectRules(), c.deadRules()) {
			resp := c.call(r.method, r.path, r.body)
			want := map[int]int{4: 400, 16: 404, 17: 403, 20: 400, 21: 400}[r.code]
			if resp.Status != want || !bytes.Contains(resp.Body, fmt.Appendf(nil, `"code":%d,`, r.code)) {
				t.Errorf("%s: %s %s %.200s: %d %.400s, want %d and code %d", r.name, r.method, r.path, r.body, resp.Status, resp.Body, want, r.code)
			}
			if bytes.Contains(resp.Body, []byte("xxxx")) {
				t.Errorf("%s: the answer repeats what was sent: %.300s", r.name, resp.Body)
			}
		}
		after := c.all(room, dead, frozen)
		for form, file := range before.everywhere() {
			equal(t, form+" after what was refused", file, after.everywhere()[form])
		}
		equal(t, "users after what was refused", beforeUsers, c.Users("ann", "bob", "gone", "idle"))

		// Just within the limits.
		c.ok("POST", "/channels/messaging/room/message", `{"message":{"id":"full","user_id":"ann","text":"`+strings.Repeat("é", 10<<10)+`",`+filled(c, 5<<10)+
			`,"attachments":[`+strings.Repeat(`{"type":"x"},`, 29)+`{"type":"x"}]}}`)
		c.ok("POST", "/channels/messaging/room/message", `{"message":{"id":"`+strings.Repeat("m", 255)+`","user_id":"ann","text":"x"}}`)
		c.ok("POST", "/channels/messaging/"+strings.Repeat("c", 64)+"/query", `{"data":{"created_by_id":"ann",`+filled(c, 5<<10)+`}}`)
		long := strings.Repeat("u", 255)
		c.ok("POST", "/users", `{"users":{"`+long+`":{"id":"`+long+`",`+filled(c, 5<<10)+`}}}`)
		c.ok("POST", "/users", `{"users":{"aZ09@_!-":{"id":"aZ09@_!-"}}}`)
		c.ok("POST", "/messages/full/reaction", `{"reaction":{"type":"wave","user_id":"`+long+`",`+filled(c, 5<<10)+`}}`)
		f := c.all(room)
		if text := look(t, f.object("message", "full")).Text; text != strings.Repeat("é", 10<<10) {
			t.Errorf("the longest text came back with %d bytes", len(text))
		}
		f.object("reaction", "wave of "+long+" to full")
	})
}

// messageRules are about messages and reactions in a channel that is there.
func (c *tongue) messageRules() []rule {
	const send = "/channels/messaging/room/message"
	message := func(fields string) string { return `{"message":{"user_id":"ann","text":"hi",` + fields + `}}` }
	long := strings.Repeat("x", 20<<10+1)
	return []rule{
		{"a reply to a reply", "POST", send, message(`"parent_id":"reply"`), 21},
		{"a long text", "POST", send, `{"message":{"user_id":"ann","text":"` + long + `"}}`, 20},
		{"an update with a long text", "POST", "/messages/top", `{"message":{"user_id":"ann","text":"` + long + `"}}`, 20},
		{"a patch with a long text", "PUT", "/messages/top", `{"set":{"text":"` + long + `"},"user_id":"ann"}`, 20},
		{"a pending message with a long text", "POST", send, `{"message":{"user_id":"ann","text":"` + long + `"},"pending":true}`, 20},
		{"much custom data", "POST", send, message(filled(c, 5<<10+1)), 4},
		{"a patch with much custom data", "PUT", "/messages/top", `{"set":{"blob":"` + strings.Repeat("x", 5<<10) + `"}}`, 4},
		{"31 attachments", "POST", send, message(`"attachments":[` + strings.Repeat("{},", 30) + `{}]`), 4},
		{"an id that is taken", "POST", send, message(`"id":"top"`), 4},
		{"an id that was deleted", "POST", send, message(`"id":"deleted"`), 4},
		{"an id in another channel", "POST", send, message(`"id":"in-frozen"`), 4},
		{"an odd id", "POST", send, message(`"id":"a b"`), 4},
		{"an id that is too long", "POST", send, message(`"id":"` + strings.Repeat("m", 256) + `"`), 4},
		{"no author", "POST", send, `{"message":{"text":"hi"}}`, 4},
		{"an unknown author", "POST", send, `{"message":{"text":"hi","user_id":"nobody"}}`, 4},
		{"a deleted author", "POST", send, `{"message":{"text":"hi","user_id":"gone"}}`, 4},
		{"a deactivated author", "POST", send, `{"message":{"text":"hi","user_id":"idle"}}`, 4},
		{"nothing to say", "POST", send, `{"message":{"user_id":"ann","text":""}}`, 4},
		{"an unknown mentioned user", "POST", send, message(`"mentioned_users":["bob","nobody"]`), 4},
		{"restricted to an unknown user", "POST", send, message(`"restricted_visibility":["nobody"]`), 4},
		{"an unknown parent", "POST", send, message(`"parent_id":"nothing"`), 4},
		{"a parent in another channel", "POST", send, message(`"parent_id":"in-frozen"`), 4},
		{"an unknown quotation", "POST", send, message(`"quoted_message_id":"nothing"`), 4},
		{"a time of its own", "POST", send, message(`"created_at":"2020-01-01T00:00:00Z"`), 4},
		{"a type of its own", "POST", send, message(`"type":"ephemeral"`), 4},
		{"a type of a deleted one", "POST", send, message(`"type":"deleted"`), 4},
		{"half a body", "POST", send, `{"message":{"user_id":"ann","te`, 4},
		{"an array for a text", "POST", send, `{"message":{"user_id":"ann","text":[]}}`, 4},
		{"a patch of what is not for clients", "PUT", "/messages/top", `{"set":{"created_at":"2020-01-01T00:00:00Z"}}`, 4},
		{"a patch by an unknown user", "PUT", "/messages/top", `{"set":{"text":"x"},"user_id":"nobody"}`, 4},
		{"an unknown message", "PUT", "/messages/nothing", `{"set":{"text":"x"}}`, 16},
		{"an unknown message to delete", "DELETE", "/messages/nothing", "", 16},
		{"deleted by an unknown user", "DELETE", "/messages/top?deleted_by=nobody", "", 4},
		{"undeleting what is not deleted", "POST", "/messages/top/undelete", `{"undeleted_by":"ann"}`, 4},
		{"committing what is not pending", "POST", "/messages/top/commit", "", 4},
		{"a reaction of an unknown user", "POST", "/messages/top/reaction", `{"reaction":{"type":"wave","user_id":"nobody"}}`, 4},
		{"a reaction without a type", "POST", "/messages/top/reaction", `{"reaction":{"user_id":"ann"}}`, 4},
		{"a reaction with much custom data", "POST", "/messages/top/reaction", `{"reaction":{"type":"wave","user_id":"ann",` + filled(c, 5<<10+1) + `}}`, 4},
		{"a reaction to nothing", "POST", "/messages/nothing/reaction", `{"reaction":{"type":"wave","user_id":"ann"}}`, 16},
		{"a reaction that is not there", "DELETE", "/messages/top/reaction/wave?user_id=ann", "", 16},
	}
}

// objectRules are about users, channels, members and calls.
func (c *tongue) objectRules() []rule {
	const room = "/channels/messaging/room"
	return []rule{
		{"a user with much custom data", "POST", "/users", `{"users":{"ann":{"id":"ann",` + filled(c, 5<<10+1) + `}}}`, 4},
		{"a patch of a user with much custom data", "PATCH", "/users", `{"users":[{"id":"ann","set":{"blob":"` + strings.Repeat("x", 5<<10) + `"}}]}`, 4},
		{"a user with an odd id", "POST", "/users", `{"users":{"a b":{"id":"a b"}}}`, 4},
		{"a user with a long id", "POST", "/users", `{"users":{"u":{"id":"` + strings.Repeat("u", 256) + `"}}}`, 4},
		{"a user under another id", "POST", "/users", `{"users":{"ann":{"id":"bob"}}}`, 4},
		{"one bad user of two", "POST", "/users", `{"users":{"ann":{"id":"ann","name":"Changed"},"bob":{"id":"bob","name":[]}}}`, 4},
		{"one unknown user of two", "PATCH", "/users", `{"users":[{"id":"ann","set":{"name":"Changed"}},{"id":"nobody","set":{"name":"x"}}]}`, 16},
		{"a reserved field of a user", "PATCH", "/users", `{"users":[{"id":"ann","set":{"created_at":"2020-01-01T00:00:00Z"}}]}`, 4},
		{"an unknown user to deactivate", "POST", "/users/nobody/deactivate", "", 16},
		{"an unknown user to delete", "DELETE", "/users/nobody", "", 16},
		{"unknown users to delete", "POST", "/users/delete", `{"user_ids":["ann","nobody"],"user":"hard"}`, 16},
		{"unknown users to restore", "POST", "/users/restore", `{"user_ids":["nobody"]}`, 16},
		{"an odd way to delete users", "POST", "/users/delete", `{"user_ids":["ann"],"user":"softly"}`, 4},
		{"a user who is deactivated already", "POST", "/users/idle/deactivate", "", 4},

		{"a channel without a creator", "POST", "/channels/messaging/new/query", `{"data":{}}`, 4},
		{"a channel with an odd id", "POST", "/channels/messaging/a%20b/query", `{"data":{"created_by_id":"ann"}}`, 4},
		{"a channel with a long id", "POST", "/channels/messaging/" + strings.Repeat("c", 65) + "/query", `{"data":{"created_by_id":"ann"}}`, 4},
		{"a channel of an unknown creator", "POST", "/channels/messaging/new/query", `{"data":{"created_by_id":"nobody"}}`, 4},
		{"a channel with unknown members", "POST", "/channels/messaging/new/query", `{"data":{"created_by_id":"ann","members":[{"user_id":"nobody"}]}}`, 4},
		{"a channel with much custom data", "POST", "/channels/messaging/new/query", `{"data":{"created_by_id":"ann",` + filled(c, 5<<10+1) + `}}`, 4},
		{"a distinct channel of nobody", "POST", "/channels/messaging/query", `{"data":{"created_by_id":"ann","members":[]}}`, 4},
		{"a patch with much custom data", "PATCH", room, `{"set":{"blob":"` + strings.Repeat("x", 5<<10) + `"}}`, 4},
		{"a reserved field of a channel", "PATCH", room, `{"set":{"member_count":7}}`, 4},
		{"unknown members to add", "POST", room, `{"add_members":[{"user_id":"bob"},{"user_id":"nobody"}]}`, 4},
		{"a truncation in the future", "POST", room + "/truncate", `{"truncated_at":"2999-01-01T00:00:00Z"}`, 4},
		{"a truncation by an unknown user", "POST", room + "/truncate", `{"user_id":"nobody"}`, 4},
		{"read by nobody", "POST", room + "/read", `{}`, 4},
		{"read by an unknown user", "POST", room + "/read", `{"user_id":"nobody"}`, 4},
		{"read up to nothing", "POST", room + "/read", `{"user_id":"ann","message_id":"nothing"}`, 4},
		{"a member who is none", "PATCH", room + "/member/nobody", `{"set":{"a":1}}`, 16},
		{"a member with much custom data", "PATCH", room + "/member/bob", `{"set":{"blob":"` + strings.Repeat("x", 5<<10) + `"}}`, 4},
		{"an unknown channel", "PATCH", "/channels/messaging/nowhere", `{"set":{"a":1}}`, 16},
		{"an unknown channel to send to", "POST", "/channels/messaging/nowhere/message", `{"message":{"user_id":"ann","text":"hi"}}`, 16},
		{"an unknown channel to delete", "DELETE", "/channels/messaging/nowhere", "", 16},
		{"unknown channels to delete", "POST", "/channels/delete", `{"cids":["messaging:room","messaging:nowhere"],"hard_delete":true}`, 16},
		{"odd cids to delete", "POST", "/channels/delete", `{"cids":["room"]}`, 4},

		{"a call with unknown members", "POST", "/call/default/new", `{"data":{"created_by_id":"ann","members":[{"user_id":"nobody"}]}}`, 4},
		{"a call with much custom data", "PATCH", "/call/default/call", `{"custom":{"blob":"` + strings.Repeat("x", 5<<10) + `"}}`, 4},
		{"an unknown call", "POST", "/call/default/nothing/mark_ended", "", 16},
	}
}

// deadRules are about channels and messages that are deleted or frozen.
func (c *tongue) deadRules() []rule {
	rules := []rule{
		{"a channel deleted twice", "DELETE", "/channels/messaging/dead", "", 16},
		{"changing a deleted message", "POST", "/messages/deleted", `{"message":{"user_id":"ann","text":"hi"}}`, 4},
		{"patching a deleted message", "PUT", "/messages/deleted", `{"set":{"text":"hi"}}`, 4},
		{"reacting to a deleted message", "POST", "/messages/deleted/reaction", `{"reaction":{"type":"hm","user_id":"ann"}}`, 4},
		{"taking back a reaction to a deleted message", "DELETE", "/messages/deleted/reaction/wave?user_id=bob", "", 4},
		{"sending to a frozen channel", "POST", "/channels/messaging/frozen/message", `{"message":{"user_id":"ann","text":"hi"}}`, 17},
		{"reacting in a frozen channel", "POST", "/messages/in-frozen/reaction", `{"reaction":{"type":"hm","user_id":"ann"}}`, 17},
		{"restoring who is not deleted", "POST", "/users/restore", `{"user_ids":["ann"]}`, 4},
		{"reactivating who is active", "POST", "/users/ann/reactivate", "", 4},
		{"changing a deleted user", "PATCH", "/users", `{"users":[{"id":"gone","set":{"name":"x"}}]}`, 4},
	}
	const dead = "/channels/messaging/dead"
	for _, write := range []struct{ method, path, body string }{
		{"POST", dead + "/message", `{"message":{"user_id":"ann","text":"hi"}}`},
		{"POST", dead, `{"data":{"created_by_id":"ann"},"add_members":[{"user_id":"bob"}]}`},
		{"PATCH", dead, `{"set":{"a":1}}`},
		{"POST", dead + "/truncate", `{}`},
		{"POST", dead + "/read", `{"user_id":"ann"}`},
		{"POST", dead + "/unread", `{"user_id":"ann","message_id":"in-dead"}`},
		{"POST", dead + "/hide", `{"user_id":"ann"}`},
		{"POST", dead + "/show", `{"user_id":"ann"}`},
		{"POST", dead + "/event", `{"event":{"type":"x","user_id":"ann"}}`},
		{"PATCH", dead + "/member/bob", `{"set":{"a":1}}`},
		{"PATCH", dead + "/member?user_id=bob", `{"set":{"a":1}}`},
		{"POST", "/messages/in-dead", `{"message":{"user_id":"ann","text":"hi"}}`},
		{"PUT", "/messages/in-dead", `{"set":{"text":"hi"}}`},
		{"DELETE", "/messages/in-dead", ""},
		{"DELETE", "/messages/in-dead?hard=true", ""},
		{"POST", "/messages/in-dead/reaction", `{"reaction":{"type":"hm","user_id":"ann"}}`},
		{"GET", "/messages/in-dead", ""},
		{"GET", dead, ""},
	} {
		rules = append(rules, rule{"in a deleted channel", write.method, write.path, write.body, 16})
	}
	return rules
}
