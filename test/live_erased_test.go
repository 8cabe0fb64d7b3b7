package test_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hansard/test/harness"
)

// database is what the files of the store hold, by name.
func database(t *testing.T, data string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range harness.Files(t, data) {
		if !strings.Contains(filepath.Base(name), ".db") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(data, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b
	}
	if len(files) == 0 {
		t.Fatalf("no database among %v", harness.Files(t, data))
	}
	return files
}

// inDatabase checks that a word is in the store, so that looking for it after
// its removal means something.
func inDatabase(t *testing.T, data string, words ...string) {
	t.Helper()
	files := database(t, data)
words:
	for _, word := range words {
		for _, b := range files {
			if bytes.Contains(b, []byte(word)) {
				continue words
			}
		}
		t.Errorf("%q is not in the store to begin with", word)
	}
}

// secrets are words that are in one place each.
type secrets []string

func (s *secrets) word(what string) string {
	w := fmt.Sprintf("zq%02d-%s-xj", len(*s), what)
	*s = append(*s, w)
	return w
}

// TestLiveHardDeleted: what is deleted for good is in no export, and no byte of
// it in the store.
func TestLiveHardDeleted(t *testing.T) {
	t.Parallel()
	harness.Embedded(t)
	bothTongues(t, func(t *testing.T, s *harness.Server, c *tongue) {
		c.users("ann", "bob")
		cid := c.room("kept", "ann", "bob")
		var gone secrets
		word := gone.word
		quoted := func(what string) string { return `"` + word(what) + `"` }
		// full is a message that says something in every field.
		full := func(room, id, user string, more ...string) {
			t.Helper()
			fields := append([]string{
				fmt.Sprintf(`"id":%q,"user_id":%q,"text":"**%s**","attachments":[{"title":%s}]`, id, user, word("text"), quoted("attachment")),
				c.custom(`"field":`+quoted("custom")) + `,"mml":` + quoted("mml"),
			}, more...)
			c.ok("POST", "/channels/messaging/"+room+"/message", `{"message":{`+strings.Join(fields, ",")+`}}`)
			c.ok("POST", "/messages/"+id+"/reaction", `{"reaction":{"type":"wave","user_id":"bob",`+c.custom(`"why":`+quoted("reaction"))+`}}`)
		}
		edit := func(id string) {
			t.Helper()
			c.ok("PUT", "/messages/"+id, `{"set":{"text":`+quoted("edit")+`},"user_id":"ann"}`)
		}
		hold := func(room string) {
			t.Helper()
			c.ok("POST", "/channels/messaging/"+room+"/message", `{"message":{"id":`+quoted("pending-id")+`,"text":`+quoted("pending")+
				`,"user_id":"ann"},"pending":true,"pending_message_metadata":{"a":`+quoted("metadata")+`}}`)
		}

		// A message with its thread and its history, and one that quotes it.
		c.say("kept", "before", "ann")
		one := word("message-id")
		full("kept", one, "ann")
		edit(one)
		reply := word("reply-id")
		full("kept", reply, "bob", `"parent_id":"`+one+`"`)
		c.ok("DELETE", "/messages/"+reply+"?delete_for_me=true&deleted_by=ann", "")
		c.say("kept", "quote", "bob", `"quoted_message_id":"`+one+`"`)
		// One that was soft-deleted before, and one that is pending.
		soft := word("soft-id")
		full("kept", soft, "bob")
		c.ok("DELETE", "/messages/"+soft, "")
		hold("kept")
		held := gone[len(gone)-3]
		c.ok("PATCH", "/channels/messaging/kept", `{"set":{"topic":"stays"}}`)

		// Channels: truncated, deleted at once, deleted by a task.
		cut := c.room("cut", "ann", "bob")
		full("cut", word("cut-id"), "ann")
		for _, room := range []string{"gone-room", "gone-room-2"} {
			id := word(room)
			c.ok("POST", "/channels/messaging/"+id+"/query", `{"data":{"created_by_id":"ann","members":[{"user_id":"bob",`+c.custom(`"seat":`+quoted("member"))+
				`}],`+c.custom(`"topic":`+quoted("channel"))+`}}`)
			message := word("message-id")
			full(id, message, "ann")
			edit(message)
			hold(id)
		}

		// Users: deleted at once, and all they wrote; and their names alone.
		user := word("user-id")
		c.ok("POST", "/users", fmt.Sprintf(`{"users":{%q:{"id":%q,"name":%s,"image":%s,%s}}}`, user, user, quoted("name"), quoted("image"), c.custom(`"x":`+quoted("user"))))
		full("kept", word("message-id"), user)
		c.ok("POST", "/messages/before/reaction", `{"reaction":{"type":"hm","user_id":"`+user+`",`+c.custom(`"why":`+quoted("reaction"))+`}}`)
		hidden := word("user-id")
		c.ok("POST", "/users", fmt.Sprintf(`{"users":{%q:{"id":%q,"name":%s}}}`, hidden, hidden, quoted("name")))
		c.say("kept", "theirs", hidden)

		// A call.
		c.ok("POST", "/call/default/"+word("call-id"), `{"data":{"created_by_id":"ann",`+c.custom(`"topic":`+quoted("call"))+`}}`)
		call := gone[len(gone)-2]

		inDatabase(t, s.Data, gone...)

		c.ok("DELETE", "/messages/"+one+"?hard=true", "")
		c.ok("DELETE", "/messages/"+soft+"?hard=true", "")
		c.ok("DELETE", "/messages/"+held, "")
		c.ok("POST", "/channels/messaging/cut/truncate", `{"hard_delete":true}`)
		for _, w := range gone {
			switch {
			case strings.HasSuffix(w, "-gone-room-xj"):
				c.ok("DELETE", "/channels/messaging/"+w+"?hard_delete=true", "")
			case strings.HasSuffix(w, "-gone-room-2-xj"):
				c.ok("DELETE", "/channels/messaging/"+w, "")
				c.done(c.ok("POST", "/channels/delete", `{"cids":["messaging:`+w+`"],"hard_delete":true}`), "messaging:"+w)
				c.refused(404, 16, "POST", "/export_channels", `{"include_soft_deleted_channels":true,"channels":[{"cid":"messaging:`+w+`"}]}`)
			}
		}
		c.ok("DELETE", "/users/"+user+"?hard_delete=true&mark_messages_deleted=true", "")
		c.ok("DELETE", "/users/"+hidden+"?hard_delete=true", "")
		c.ok("POST", "/call/default/"+call+"/delete", `{"hard":true}`)

		f := c.all(cid, cut)
		f.messages("before", "quote", "theirs")
		quote := f.object("message", "quote")
		is(t, quote, "quoted_message", "")
		is(t, f.object("channel", cid), "message_count", "3")
		is(t, f.object("channel", cut), "message_count", "0", "last_message_at", "")
		files := f.everywhere()
		files["users"] = c.Users("ann", "bob")
		// That something was quoted here may still be told; nothing else.
		if string(member(t, quote, "quoted_message_id")) == `"`+one+`"` {
			for name := range files {
				files[name] = bytes.ReplaceAll(files[name], []byte(`"`+one+`"`), nil)
				files[name] = bytes.ReplaceAll(files[name], []byte(`,`+one+`,`), nil)
			}
		}
		nowhere(t, files, gone...)

		s.Stop()
		left := database(t, s.Data)
		var words []string
		for _, w := range gone {
			// A task remembers the ids that it was about until it is purged itself.
			if w != one && w != call && !strings.HasSuffix(w, "-gone-room-2-xj") {
				words = append(words, w)
			}
		}
		nowhere(t, left, words...)
		inDatabase(t, s.Data, "text of before", "stays", "Name of ann")
	})
}

// TestLiveHardDeletedAmongMany: the database leaves copies of rows behind when it
// divides its pages, as it does while several channels grow at once. They go
// too.
func TestLiveHardDeletedAmongMany(t *testing.T) {
	t.Parallel()
	harness.Embedded(t)
	s := harness.Start(t, t.TempDir())
	c := &tongue{t, s.Client, false}
	c.users("ann")
	const rooms, each = 8, 40
	for room := range rooms {
		c.room(fmt.Sprint("room-", room), "ann")
	}
	var gone secrets
	var stay []string
	for i := range each {
		for room := range rooms {
			id := fmt.Sprintf("stay-%d-%d", room, i)
			if i%2 == 0 {
				id = gone.word("message")
			} else {
				stay = append(stay, "text of "+id+`"`)
			}
			c.say(fmt.Sprint("room-", room), id, "ann", fmt.Sprintf(`"pad":"%0*d"`, 1+(i*7+room*5)%13*60, 0))
		}
	}
	for _, id := range gone {
		c.ok("DELETE", "/messages/"+id+"?hard=true", "")
	}
	s.Stop()
	nowhere(t, database(t, s.Data), gone...)
	inDatabase(t, s.Data, stay...)
}

// TestLiveHardDeletedUser: of a user who is deleted for good there is another
// id everywhere and nothing else; what the user wrote goes or stays, as asked.
func TestLiveHardDeletedUser(t *testing.T) {
	t.Parallel()
	bothTongues(t, func(t *testing.T, _ *harness.Server, c *tongue) {
		for name, messages := range map[string]string{"kept": "", "hard": "hard"} {
			c.users("ann-"+name, "bob-"+name)
			removeUser(t, c, name, messages)
		}
	})
}

func removeUser(t *testing.T, c *tongue, name, messages string) {
	t.Helper()
	user, ann, bob := "quixote-"+name, "ann-"+name, "bob-"+name
	secret := []string{user, "Alonso Quijano", "rocinante.png", "windmill"}
	c.ok("POST", "/users", fmt.Sprintf(`{"users":{%q:{"id":%q,"name":"Alonso Quijano","image":"https://example.org/rocinante.png","role":"admin","language":"es",%s}}}`,
		user, user, c.custom(`"foe":"windmill"`)))

	// The user creates, is a member, writes, replies, is quoted, reacts, is
	// mentioned, pins, truncates, reads, is invited, calls.
	own, other, direct := c.room("own-"+name, user, ann, bob), c.room("other-"+name, bob, ann), c.room("direct-"+name, ann, user)
	ownID, otherID := strings.TrimPrefix(own, "messaging:"), strings.TrimPrefix(other, "messaging:")
	id := func(what string) string { return what + "-" + name }
	c.ok("PATCH", "/channels/messaging/"+ownID+"/member/"+user, `{"set":{"title":"captain"}}`)
	c.say(ownID, id("m1"), user)
	c.say(ownID, id("question"), ann)
	c.say(ownID, id("reply"), user, `"parent_id":"`+id("question")+`"`)
	c.say(ownID, id("quote"), bob, `"quoted_message_id":"`+id("m1")+`"`, `"mentioned_users":["`+user+`","`+ann+`"]`)
	c.say(ownID, id("only"), ann, `"restricted_visibility":["`+user+`"]`)
	c.say(otherID, id("m2"), user, `"pinned":true`)
	c.say(otherID, id("pinned"), ann)
	c.ok("PUT", "/messages/"+id("pinned"), `{"set":{"pinned":true},"user_id":"`+user+`"}`)
	c.say(otherID, id("edited"), ann)
	c.ok("PUT", "/messages/"+id("edited"), `{"set":{"text":"edited by another"},"user_id":"`+user+`"}`)
	c.react(id("question"), user, "wave")
	c.react(id("m1"), bob, "wave")
	c.say(otherID, id("deleted"), user)
	c.ok("DELETE", "/messages/"+id("deleted"), "")
	c.ok("POST", "/channels/messaging/"+otherID, `{"invites":[{"user_id":"`+user+`"}]}`)
	c.ok("POST", "/channels/messaging/"+ownID+"/read", `{"user_id":"`+user+`"}`)
	c.ok("POST", "/channels/messaging/direct-"+name+"/message", `{"message":{"id":"`+id("m3")+`","text":"hi","user_id":"`+ann+`"}}`)
	c.ok("POST", "/channels/messaging/direct-"+name+"/truncate", `{"user_id":"`+user+`"}`)
	c.ok("POST", "/channels/messaging/"+otherID+"/message", `{"message":{"id":"`+id("held")+`","text":"held","user_id":"`+ann+`","mentioned_users":["`+user+`"]},"pending":true}`)
	c.ok("POST", "/call/default/"+id("call"), fmt.Sprintf(`{"data":{"created_by_id":%q,"members":[{"user_id":%q,"role":"host"},{"user_id":%q}]}}`, user, user, ann))
	c.ok("POST", "/call/default/"+id("call2"), fmt.Sprintf(`{"data":{"created_by_id":%q,"members":[{"user_id":%q}]}}`, ann, user))
	// Who took part in a call is known from where it took place.
	c.Import(fmt.Appendf(nil, `{"type":"call","data":{"type":"default","id":%q,"created_by":{"id":%q},"created_at":"2031-01-01T00:00:00Z","members":[],`+
		`"session":{"participants":[{"user":{"id":%q,"name":"Alonso Quijano"}},{"user_id":%q}]}}}`+"\n", id("call3"), ann, user, user))
	c.ok("POST", "/users/block", fmt.Sprintf(`{"user_id":%q,"blocked_user_id":%q}`, ann, user))
	c.ok("POST", "/moderation/mute/channel", fmt.Sprintf(`{"channel_cids":[%q],"user_id":%q}`, own, user))

	cids := []string{own, other, direct}
	before := c.all(cids...)
	for where, file := range before.everywhere() {
		if !bytes.Contains(file, []byte(user)) || !bytes.Contains(file, []byte("Quijano")) {
			t.Errorf("%s: the user does not appear to begin with", where)
		}
	}
	body := fmt.Sprintf(`{"user_ids":[%q],"user":"hard","messages":%q}`, user, messages)
	c.done(c.ok("POST", "/users/delete", body), user)

	// Nothing of the old id and name, in no export and no answer.
	f := c.all(cids...)
	files := f.everywhere()
	for _, form := range []harness.Request{
		{"format": "csv", "include_fields": []string{
			"id", "user_id", "user_name", "user", "pinned_by", "mentioned_users", "thread_participants", "quoted_message", "latest_reactions", "restricted_visibility",
		}},
		{"format": "parquet"},
	} {
		request := everything("v2", cids...)
		maps.Copy(request, form)
		files[fmt.Sprint(form["format"], " of its own")] = c.Channels(request)
	}
	files["users"] = c.Users(ann, bob)
	files["user at once"] = c.ok("GET", "/users/"+ann+"/export", "")
	files["channels"] = c.ok("POST", "/channels", `{"filter_conditions":{},"state":true,"message_limit":100,"member_limit":100}`)
	files["history"] = c.ok("POST", "/messages/history", `{"filter":{"message_id":"`+id("edited")+`"}}`)
	files["pending"] = c.ok("GET", "/messages/"+id("held"), "")
	files["calls"] = c.ok("POST", "/calls", `{"filter_conditions":{}}`)
	files["blocks"] = c.ok("GET", "/users/block?user_id="+ann, "")
	nowhere(t, files, secret...)

	// In its place there is a made-up one, with nothing but the fact.
	ghost := ""
	for _, u := range f.ids("user") {
		if strings.HasPrefix(u, "deleted-user-") {
			ghost = u
		}
	}
	if ghost == "" {
		t.Fatalf("no deleted-user- among the users %v", f.ids("user"))
	}
	dangling := func(what string, raw json.RawMessage) {
		t.Helper()
		fs, err := fields(raw)
		if err != nil || len(fs) != 2 || fs[0].key != "id" || string(fs[0].value) != `"`+ghost+`"` || fs[1].key != "deleted_at" {
			t.Errorf("%s is %s, want an id and deleted_at of %s", what, raw, ghost)
		}
	}
	dangling("user line", f.object("user", ghost))
	dangling("created_by", member(t, f.object("channel", own), "created_by"))
	dangling("truncated_by", member(t, f.object("channel", direct), "truncated_by"))
	dangling("member", member(t, f.object("member", ghost), "user"))
	dangling("read", member(t, f.object("read", ghost), "user"))
	dangling("pinned_by", member(t, f.object("message", id("pinned")), "pinned_by"))
	mentioned, err := elements(member(t, f.object("message", id("quote")), "mentioned_users"))
	if err != nil || len(mentioned) != 2 {
		t.Fatalf("mentioned users: %s, %v", mentioned, err)
	}
	dangling("mentioned", mentioned[0])
	is(t, f.object("message", id("only")), "restricted_visibility", `["`+ghost+`"]`)
	call := c.people(ann)["call"]
	if len(call) != 3 || slices.ContainsFunc(call, func(call json.RawMessage) bool { return !bytes.Contains(call, []byte(ghost)) }) {
		t.Errorf("calls of ann: %s", call)
	} else {
		dangling("created_by of a call", member(t, call[0], "created_by"))
	}

	hard := messages == "hard"
	want := []string{id("m1"), id("question"), id("reply"), id("quote"), id("only"), id("m2"), id("pinned"), id("edited"), id("deleted"), id("m3")}
	if hard {
		want = []string{id("question"), id("quote"), id("only"), id("pinned"), id("edited"), id("m3")}
	}
	f.messages(want...)
	if !hard {
		for _, m := range []string{id("m1"), id("reply"), id("m2"), id("deleted")} {
			dangling("author", member(t, f.object("message", m), "user"))
			is(t, f.object("message", m), "text", `"text of `+m+`"`)
		}
		dangling("author of what is quoted", member(t, member(t, f.object("message", id("quote")), "quoted_message"), "user"))
		dangling("reactor", member(t, f.object("reaction", "wave of "+ghost+" to "+id("question")), "user"))
		participants, err := elements(member(t, f.object("message", id("question")), "thread_participants"))
		if err != nil || len(participants) != 1 {
			t.Fatalf("thread_participants %s, %v", participants, err)
		}
		dangling("participant", participants[0])
	} else {
		nowhere(t, files, "text of "+id("m1"), "text of "+id("reply"), "text of "+id("m2"), "text of "+id("deleted"))
		is(t, f.object("message", id("question")), "reply_count", "0", "reaction_groups", "null")
		is(t, f.object("message", id("quote")), "quoted_message", "")
	}

	// Whoever takes the id now is somebody else.
	c.users(user)
	if theirs := c.own(user); len(theirs) != 1 {
		t.Errorf("a new user of that id has %v", theirs)
	}
	nowhere(t, c.all(cids...).everywhere(), secret...)
	c.refused(404, 16, "POST", "/export/users", `{"user_ids":["nobody-at-all"]}`)
}

// trace is what an export shows of a user who is gone.
var trace = regexp.MustCompile(`\{"id":"deleted-user-[0-9a-f-]+","deleted_at":"[0-9TZ:.-]+"\}`)

// TestLiveDanglingAuthor: where a user is gone there is an object with id and
// deleted_at, in every place that a user can have; never null.
func TestLiveDanglingAuthor(t *testing.T) {
	t.Parallel()
	bothTongues(t, func(t *testing.T, _ *harness.Server, c *tongue) {
		c.users("ann", "lone")
		// A channel of which nobody is left.
		cid := c.room("ghosts", "lone")
		c.say("ghosts", "m1", "lone", `"pinned":true`, `"mentioned_users":["lone"]`)
		c.say("ghosts", "r1", "lone", `"parent_id":"m1"`)
		c.react("m1", "lone", "wave")
		c.ok("DELETE", "/users/lone?hard_delete=true", "")

		f := c.all(cid)
		f.messages("m1", "r1")
		ghosts := f.ids("user")
		if len(ghosts) != 1 || !strings.HasPrefix(ghosts[0], "deleted-user-") {
			t.Fatalf("users %v", ghosts)
		}
		for where, file := range f.everywhere() {
			if where == "csv" {
				nowhere(t, map[string][]byte{where: file}, "lone,", "Name of lone")
				continue
			}
			nowhere(t, map[string][]byte{where: file}, `"user":null`, `"created_by":null`, `"lone"`, "Name of lone")
			all, whole := bytes.Count(file, []byte(`"id":"`+ghosts[0])), len(trace.FindAll(file, -1))
			if all < 8 || whole != all {
				t.Errorf("%s: %d of %d objects of the user are an id and deleted_at: %s", where, whole, all, file)
			}
		}
		is(t, f.object("message", "m1"), "pinned", "true")
		is(t, member(t, f.object("message", "m1"), "pinned_by"), "id", `"`+ghosts[0]+`"`)
		// Whether their own data can be asked for or not: it is never null.
		resp := c.call("POST", "/export/users", `{"user_ids":["`+ghosts[0]+`"]}`)
		if resp.Status < 400 {
			c.own(ghosts[0], "m1", "r1")
		} else if resp.Status != 404 {
			t.Errorf("export of a trace of a user: %d %s", resp.Status, resp.Body)
		}
	})
}
