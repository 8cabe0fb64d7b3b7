package test_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"hansard/test/harness"
)

// The rows of the contract's table of what is in an export, each on a chat that
// is filled through the API.

// TestLiveOrder: messages come by created_at, then id, however they came in.
func TestLiveOrder(t *testing.T) {
	t.Parallel()
	bothTongues(t, func(t *testing.T, _ *harness.Server, c *tongue) {
		c.users("ann", "bob")
		cid := c.room("order", "ann", "bob")
		c.room("other", "ann")
		c.say("order", "z-first", "ann")
		c.ok("POST", "/channels/messaging/order/message", `{"message":{"id":"y-held","text":"sent before, committed after","user_id":"ann"},"pending":true}`)
		c.say("other", "elsewhere", "ann")
		c.say("order", "b-later", "ann")
		c.say("order", "a-last", "bob")
		c.ok("POST", "/messages/y-held/commit", "")
		c.ok("PUT", "/messages/z-first", `{"set":{"text":"changed, which moves nothing"},"user_id":"ann"}`)

		// Two of one instant, and one from before the channel.
		const record = `{"type":"message","data":{"id":%q,"channel_type":"messaging","channel_id":"order","user":"bob","type":"regular","text":"hi","created_at":%q}}` + "\n"
		old, older := "2020-01-01T00:00:00.5Z", "2020-01-01T00:00:00.499999Z"
		c.Import(fmt.Appendf(nil, record+record+record+record, "tie-b", old, "tie-a", old, "tie-B", old, "zz-oldest", older))

		f := c.all(cid)
		f.messages("zz-oldest", "tie-B", "tie-a", "tie-b", "z-first", "y-held", "b-later", "a-last")
		is(t, f.object("channel", cid), "message_count", "8", "last_message_at", string(member(t, f.object("message", "a-last"), "created_at")))
		c.own("ann", "z-first", "y-held", "elsewhere", "b-later")
		c.own("bob", "zz-oldest", "tie-B", "tie-a", "tie-b", "a-last")
	})
}

// TestLiveThreads: replies are among the messages, where their time puts them,
// and their thread is told by parent_id.
func TestLiveThreads(t *testing.T) {
	t.Parallel()
	bothTongues(t, func(t *testing.T, _ *harness.Server, c *tongue) {
		c.users("ann", "bob", "cyn")
		cid := c.room("threads", "ann", "bob", "cyn")
		c.say("threads", "question", "ann")
		c.say("threads", "answer-1", "bob", `"parent_id":"question"`)
		c.say("threads", "between", "ann")
		c.say("threads", "answer-2", "cyn", `"parent_id":"question","show_in_channel":true`)
		c.say("threads", "answer-3", "bob", `"parent_id":"question"`)
		c.ok("DELETE", "/messages/answer-3", "")

		f := c.export(nil, cid)
		f.messages("question", "answer-1", "between", "answer-2", "answer-3")
		question := f.object("message", "question")
		is(t, question, "reply_count", "2", "deleted_reply_count", "1", "parent_id", "", "type", `"regular"`)
		people, err := elements(member(t, question, "thread_participants"))
		if err != nil || len(people) != 2 || look(t, people[0]).ID != "bob" || look(t, people[1]).ID != "cyn" {
			t.Errorf("thread_participants of %s: %v", question, err)
		}
		is(t, f.object("message", "answer-1"), "parent_id", `"question"`, "type", `"reply"`)
		is(t, f.object("message", "answer-2"), "parent_id", `"question"`, "type", `"reply"`, "show_in_channel", "true")
		is(t, f.object("message", "answer-3"), "parent_id", `"question"`, "type", `"deleted"`)
		is(t, c.own("bob", "answer-1", "answer-3")["message"][0], "parent_id", `"question"`)
	})
}

// TestLiveSoftDeletedMessage: it stays, marked as deleted, with all it holds.
func TestLiveSoftDeletedMessage(t *testing.T) {
	t.Parallel()
	bothTongues(t, func(t *testing.T, _ *harness.Server, c *tongue) {
		c.users("ann", "bob")
		cid := c.room("deleted", "ann", "bob")
		const attachments = `[{"type":"image","title":"a gull","size":1.50}]`
		c.say("deleted", "gone", "ann", `"attachments":`+attachments, c.custom(`"mood":2.50`), `"mentioned_users":["bob"]`)
		c.say("deleted", "quote", "bob", `"quoted_message_id":"gone"`)
		c.say("deleted", "back", "ann")
		c.react("gone", "bob", "wave")
		before := c.export(nil, cid)
		c.ok("DELETE", "/messages/gone", "")
		c.ok("DELETE", "/messages/back", "")
		c.ok("POST", "/messages/back/undelete", `{"undeleted_by":"ann"}`)

		f := c.export(nil, cid)
		f.messages("gone", "quote", "back")
		gone := f.object("message", "gone")
		is(t, gone, "type", `"deleted"`, "text", `"text of gone"`, "attachments", attachments, "mood", "2.50", "reaction_counts", `{"wave":1}`)
		has(t, gone, "deleted_at")
		for _, kept := range []string{"html", "latest_reactions", "reaction_groups", "mentioned_users", "created_at", "user"} {
			is(t, gone, kept, string(member(t, before.object("message", "gone"), kept)))
		}
		is(t, f.object("message", "back"), "type", `"regular"`, "deleted_at", "")
		is(t, f.object("channel", cid), "message_count", "2")
		f.object("reaction", "wave of bob to gone")
		is(t, member(t, f.object("message", "quote"), "quoted_message"), "type", `"deleted"`, "text", `"text of gone"`)
		is(t, c.own("ann", "gone", "back")["message"][0], "type", `"deleted"`, "text", `"text of gone"`, "attachments", attachments)

		cleared := c.export(harness.Request{"clear_deleted_message_text": true}, cid)
		is(t, cleared.object("message", "gone"), "text", `""`, "html", `""`, "attachments", attachments, "mood", "2.50")
		nowhere(t, cleared.everywhere(), "text of gone")
	})
}

// TestLiveSoftTruncation: what was said before a truncation is in an export
// that asks for it, and in that of its author.
func TestLiveSoftTruncation(t *testing.T) {
	t.Parallel()
	bothTongues(t, func(t *testing.T, _ *harness.Server, c *tongue) {
		c.users("ann", "bob")
		cid := c.room("cut", "ann", "bob")
		c.say("cut", "m1", "ann")
		c.say("cut", "m2", "bob")
		c.react("m2", "ann", "wave")
		c.say("cut", "edge", "ann")
		c.say("cut", "after", "ann", `"quoted_message_id":"m2"`)
		edge := look(t, c.export(nil, cid).object("message", "edge")).CreatedAt
		const truncate = "/channels/messaging/cut/truncate"

		// The message of the instant itself stays.
		c.ok("POST", truncate, `{"truncated_at":`+c.at(edge)+`,"user_id":"bob"}`)
		f := c.export(nil, cid)
		f.messages("edge", "after")
		is(t, f.object("channel", cid), "truncated_at", string(member(t, f.object("message", "edge"), "created_at")), "message_count", "2")
		is(t, member(t, f.object("channel", cid), "truncated_by"), "id", `"bob"`)
		is(t, f.object("message", "after"), "quoted_message_id", `"m2"`, "quoted_message", "")
		nowhere(t, f.everywhere(), "text of m1", "text of m2", `"wave"`)
		f = c.export(harness.Request{"include_truncated_messages": true}, cid)
		f.messages("m1", "m2", "edge", "after")
		is(t, member(t, f.object("message", "after"), "quoted_message"), "id", `"m2"`)
		f.object("reaction", "wave of ann to m2")

		c.ok("POST", truncate, `{"message":{"id":"notice","text":"swept","user_id":"ann"}}`)
		c.say("cut", "new", "bob")
		f = c.export(nil, cid)
		f.messages("notice", "new")
		is(t, f.object("message", "notice"), "type", `"system"`)
		is(t, f.object("channel", cid), "message_count", "2", "truncated_by", "")
		nowhere(t, f.everywhere(), "text of m1", "text of m2", "text of edge", "text of after")
		c.all(cid).messages("m1", "m2", "edge", "after", "notice", "new")
		if theirs := c.own("ann", "m1", "edge", "after", "notice"); len(theirs["reaction"]) != 1 {
			t.Errorf("reactions of ann: %s", theirs["reaction"])
		}
	})
}

// TestLiveSoftDeletedChannel: it is as if it did not exist, unless one asks for
// such channels too.
func TestLiveSoftDeletedChannel(t *testing.T) {
	t.Parallel()
	bothTongues(t, func(t *testing.T, _ *harness.Server, c *tongue) {
		c.users("ann", "bob")
		c.room("one", "ann", "bob")
		c.room("many", "ann")
		c.room("kept", "ann")
		c.say("one", "m1", "bob")
		c.say("many", "m2", "ann")
		c.say("kept", "m3", "ann")
		c.ok("DELETE", "/channels/messaging/one", "")
		c.done(c.ok("POST", "/channels/delete", `{"cids":["messaging:many"]}`), "messaging:many")

		resp := c.call("POST", "/export_channels", `{"channels":[{"cid":"messaging:one"},{"cid":"messaging:kept"},{"cid":"messaging:many"}]}`)
		for _, want := range []string{`"code":16`, `"messaging:one"`, `"messaging:many"`} {
			if !bytes.Contains(resp.Body, []byte(want)) || resp.Status != 404 {
				t.Errorf("%d %s does not hold %s", resp.Status, resp.Body, want)
			}
		}
		c.refused(404, 16, "GET", "/channels/messaging/one", "")

		f := c.export(harness.Request{"include_soft_deleted_channels": true}, "messaging:one", "messaging:kept", "messaging:many")
		f.messages("m1", "m3", "m2")
		has(t, f.object("channel", "messaging:one"), "deleted_at")
		has(t, f.object("channel", "messaging:many"), "deleted_at")
		is(t, f.object("channel", "messaging:kept"), "deleted_at", "")
		is(t, f.object("message", "m1"), "text", `"text of m1"`, "type", `"regular"`, "deleted_at", "")
		c.own("ann", "m2", "m3")
		c.own("bob", "m1")

		// A filter finds what is not deleted.
		file := c.Channels(harness.Request{"filter": harness.Request{}, "version": "v2"})
		if bytes.Contains(file, []byte("messaging:one")) || !bytes.Contains(file, []byte("messaging:kept")) {
			t.Errorf("every channel: %s", file)
		}
	})
}

// TestLiveChannelCreatedAgain: a channel that takes the cid of a deleted one
// starts empty; what was said before counts as truncated.
func TestLiveChannelCreatedAgain(t *testing.T) {
	t.Parallel()
	bothTongues(t, func(t *testing.T, _ *harness.Server, c *tongue) {
		c.users("ann", "bob", "cyn")
		cid := c.room("again", "ann", "bob")
		c.ok("PATCH", "/channels/messaging/again", `{"set":{"topic":"the first"}}`)
		c.say("again", "m1", "bob")
		c.ok("POST", "/channels/messaging/again/read", `{"user_id":"ann"}`)
		c.ok("DELETE", "/channels/messaging/again", "")
		c.room("again", "cyn")

		f := c.export(nil, cid)
		f.messages()
		channel := f.object("channel", cid)
		is(t, channel, "message_count", "0", "member_count", "1", "deleted_at", "", "topic", "", "last_message_at", "")
		is(t, member(t, channel, "created_by"), "id", `"cyn"`)
		has(t, channel, "truncated_at")
		if got := strings.Join(append(f.ids("member"), f.ids("read")...), " "); strings.Contains(got, "ann") || strings.Contains(got, "bob") {
			t.Errorf("members and reads %s", got)
		}
		nowhere(t, f.everywhere(), "text of m1", "the first")

		c.say("again", "m2", "cyn")
		c.export(nil, cid).messages("m2")
		c.export(harness.Request{"include_truncated_messages": true}, cid).messages("m1", "m2")
		c.own("bob", "m1")

		// What was deleted for good never comes back.
		c.ok("DELETE", "/channels/messaging/again?hard_delete=true", "")
		c.room("again", "ann")
		f = c.all(cid)
		f.messages()
		is(t, f.object("channel", cid), "truncated_at", "")
		c.own("bob")
	})
}

// TestLiveNotStored: pending, ephemeral and error messages and events are in no
// export.
func TestLiveNotStored(t *testing.T) {
	t.Parallel()
	bothTongues(t, func(t *testing.T, _ *harness.Server, c *tongue) {
		c.users("ann", "bob")
		cid := c.room("unsaid", "ann", "bob")
		const send = "/channels/messaging/unsaid/message"
		c.ok("POST", send, `{"message":{"id":"held","text":"text of held","user_id":"ann"},"pending":true,"pending_message_metadata":{"why":"review"}}`)
		c.ok("POST", send, `{"message":{"id":"dropped","text":"text of dropped","user_id":"ann"},"pending":true}`)
		c.refused(400, 4, "POST", send, `{"message":{"id":"e1","text":"text of e1","type":"ephemeral","user_id":"ann"}}`)
		c.refused(400, 4, "POST", send, `{"message":{"id":"e2","text":"text of e2","type":"error","user_id":"ann"}}`)
		c.ok("POST", "/channels/messaging/unsaid/event", `{"event":{"type":"typing.start","user_id":"ann"}}`)
		c.ok("POST", "/channels/messaging/unsaid/event", `{"event":{"type":"boat.seen","user_id":"ann",`+c.custom(`"note":"text of event"`)+`}}`)

		f := c.all(cid)
		f.messages()
		is(t, f.object("channel", cid), "message_count", "0", "last_message_at", "")
		nowhere(t, f.everywhere(), "text of", "review", "typing.start", "boat.seen")
		c.own("ann")

		c.ok("DELETE", "/messages/dropped", "")
		c.ok("POST", "/messages/held/commit", "")
		f = c.all(cid)
		f.messages("held")
		is(t, f.object("channel", cid), "message_count", "1")
		nowhere(t, f.everywhere(), "text of dropped", "review")
		c.own("ann", "held")
	})
}

// TestLiveSpecialMessages: system, silent, shadowed and restricted messages are
// messages like others.
func TestLiveSpecialMessages(t *testing.T) {
	t.Parallel()
	bothTongues(t, func(t *testing.T, _ *harness.Server, c *tongue) {
		c.users("ann", "bob")
		cid := c.room("special", "ann", "bob")
		c.say("special", "system", "ann", `"type":"system"`)
		c.say("special", "silent", "ann", `"silent":true`)
		c.say("special", "restricted", "ann", `"restricted_visibility":["bob"]`)
		c.ok("POST", "/channels/messaging/special", `{"message":{"id":"update","text":"ann has changed the topic","user_id":"ann"}}`)
		// Shadowed is what the service that it comes from made of it.
		c.Import([]byte(`{"type":"message","data":{"id":"shadowed","channel_type":"messaging","channel_id":"special","user":"bob","type":"regular",` +
			`"text":"text of shadowed","shadowed":true,"created_at":"2020-01-01T00:00:00Z"}}` + "\n"))

		f := c.export(nil, cid)
		f.messages("shadowed", "system", "silent", "restricted", "update")
		is(t, f.object("message", "system"), "type", `"system"`, "silent", "false", "shadowed", "false", "restricted_visibility", "")
		is(t, f.object("message", "silent"), "type", `"regular"`, "silent", "true")
		is(t, f.object("message", "restricted"), "type", `"regular"`, "restricted_visibility", `["bob"]`)
		is(t, f.object("message", "update"), "type", `"system"`)
		is(t, f.object("message", "shadowed"), "shadowed", "true")
		is(t, f.object("channel", cid), "message_count", "5")
		c.own("ann", "system", "silent", "restricted", "update")
		c.own("bob", "shadowed")
	})
}

// TestLiveSoftDeletedUser: the user object says so, whatever the user wrote
// stays.
func TestLiveSoftDeletedUser(t *testing.T) {
	t.Parallel()
	bothTongues(t, func(t *testing.T, _ *harness.Server, c *tongue) {
		c.users("ann", "bob", "cyn", "dan")
		cid := c.room("left", "ann", "bob", "cyn", "dan")
		for _, id := range []string{"bob", "cyn", "dan"} {
			c.say("left", "m-"+id, id)
			c.react("m-"+id, id, "wave")
		}
		c.ok("DELETE", "/users/bob", "")
		c.done(c.ok("POST", "/users/delete", `{"user_ids":["cyn"],"user":"soft","messages":"soft"}`), "cyn")
		c.ok("DELETE", "/users/dan", "")
		c.ok("POST", "/users/restore", `{"user_ids":["dan"]}`)

		f := c.export(nil, cid)
		f.messages("m-bob", "m-cyn", "m-dan")
		is(t, f.object("message", "m-bob"), "type", `"regular"`, "text", `"text of m-bob"`, "deleted_at", "")
		is(t, f.object("message", "m-cyn"), "type", `"deleted"`, "text", `"text of m-cyn"`)
		for _, id := range []string{"bob", "cyn"} {
			for _, user := range [][]byte{
				f.object("user", id), member(t, f.object("message", "m-"+id), "user"), member(t, f.object("member", id), "user"),
				member(t, f.object("reaction", "wave of "+id+" to m-"+id), "user"), c.own(id, "m-"+id)["user"][0],
			} {
				is(t, user, "id", `"`+id+`"`, "name", `"Name of `+id+`"`)
				has(t, user, "deleted_at", "created_at")
			}
		}
		is(t, f.object("user", "dan"), "deleted_at", "")
		is(t, f.object("user", "ann"), "deleted_at", "")
		is(t, f.object("channel", cid), "member_count", "4", "message_count", "2")
	})
}
