package test_test

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"hansard/test/harness"
)

// Values that a careless server would change on their way through it.
const (
	bigNumber = `123456789012345678901234567890`
	// Escapes stay as they were written, too.
	keyOrder = `{"z":1,"a":{"y":[2.50,1e3,-0],"b":"\u00e9"},"":null}`
)

// day is a chat that is made through the API.
type day struct {
	*tongue
	cids    []string
	users   []string
	expires time.Time
}

// TestLiveDay: a day in the life of a chat, once in each dialect. What is
// exported then is the same, and comes back whole from another store.
func TestLiveDay(t *testing.T) {
	t.Parallel()
	expires := time.Now().Add(time.Hour).Truncate(time.Microsecond).UTC()
	var exported [2]map[string][]byte
	t.Run("live", func(t *testing.T) {
		for i, dialect := range []string{"classic", "v2"} {
			t.Run(dialect, func(t *testing.T) {
				t.Parallel()
				s := harness.Start(t, t.TempDir())
				d := &day{tongue: &tongue{t, s.Client, i == 1}, expires: expires}
				d.live()
				d.check()
				exported[i] = d.exports(s)
				if d.v2 {
					d.roundTrip(exported[i]) // of what is the same as the other but for times
				}
			})
		}
	})
	for name, want := range exported[0] {
		equal(t, name+", filled in the v2 dialect", timeless(want), timeless(exported[1][name]))
	}
}

var (
	instants = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	made     = regexp.MustCompile(`deleted-user-[0-9a-f-]+`)
)

// timeless is an export without what no two servers have in common.
func timeless(file []byte) []byte {
	return made.ReplaceAll(instants.ReplaceAll(file, []byte("TIME")), []byte("deleted-user-X"))
}

// live fills the chat.
func (d *day) live() {
	d.meet()
	d.gather()
	d.talk()
	d.settle()
	d.part()
}

func (d *day) meet() {
	d.ok("POST", "/users", `{"users":{
		"ann":{"id":"ann","name":"Ann \u003cof\u003e the \u0026 Quay","image":"https://example.org/ann.png","role":"admin","language":"en","teams":["red","blue"],`+
		d.custom(`"shoe":2.50,"badge":`+bigNumber+`,"order":`+keyOrder)+`},
		"bob":{"id":"bob","name":"Bøb 🌊","invisible":true,`+d.custom(`"a":1,"b":{"c":{"d":[]}}`)+`},
		"cyn":{"id":"cyn"},"dan":{"id":"dan","name":"Dan"},"eve":{"id":"eve","name":"Eve"},"fay":{"id":"fay"}}}`)
	d.ok("PATCH", "/users", `{"users":[{"id":"bob","set":{"b.c.e":0.10,"mood":"fine"},"unset":["a"]},{"id":"cyn","set":{"name":"Cyn","role":"moderator"}}]}`)
	d.users = []string{"ann", "bob", "cyn", "dan", "eve", "fay"}
}

func (d *day) gather() {
	// The channel of two, whatever their order.
	answer := d.ok("POST", "/channels/messaging/query", `{"data":{"created_by_id":"ann","members":[{"user_id":"bob"},{"user_id":"ann"}]}}`)
	again := d.ok("POST", "/channels/messaging/query", `{"data":{"created_by_id":"bob","members":[{"user_id":"ann"},{"user_id":"bob"}]}}`)
	id := string(member(d.t, member(d.t, answer, "channel"), "id"))
	if !strings.HasPrefix(id, `"!members-`) || string(member(d.t, member(d.t, again, "channel"), "id")) != id {
		d.t.Errorf("the channel of ann and bob is %s and %s", answer, again)
	}
	distinct := strings.Trim(id, `"`)
	d.ok("POST", "/channels/team/harbour/query", `{"data":{"created_by_id":"ann","team":"red","members":[
		{"user_id":"ann","channel_role":"channel_moderator"},{"user_id":"bob",`+d.custom(`"seat":`+keyOrder+`,"fee":2.50`)+`},{"user_id":"dan"},{"user_id":"eve"}],
		"invites":[{"user_id":"cyn"},{"user_id":"fay"}],`+d.custom(`"name":"Harbour","depth":12.00,"charts":`+keyOrder)+`},"state":true}`)
	d.ok("PATCH", "/channels/team/harbour", `{"set":{"tide":{"high":3.70},"number":`+bigNumber+`},"unset":["depth"]}`)
	d.ok("POST", "/channels/team/harbour", `{"accept_invite":true,"user_id":"cyn"}`)
	d.ok("POST", "/channels/team/harbour", `{"reject_invite":true,"user_id":"fay"}`)
	d.ok("POST", "/channels/team/harbour", `{"add_moderators":["bob"],"message":{"id":"promotion","text":"Bob keeps order now","user_id":"ann"}}`)
	d.ok("POST", "/channels/team/harbour", `{"assign_roles":[{"user_id":"dan","channel_role":"pilot"}],"cooldown":30}`)
	d.ok("POST", "/channels/livestream/regatta/query", `{"data":{"created_by_id":"eve","members":[{"user_id":"eve"}],`+d.custom(`"name":"Regatta"`)+`}}`)
	d.ok("POST", "/channels/messaging/pier/query", `{"data":{"created_by_id":"dan","members":[{"user_id":"dan"},{"user_id":"ann"}]}}`)
	d.ok("POST", "/channels/messaging/empty/query", `{"data":{"created_by_id":"cyn"}}`)
	d.cids = []string{"team:harbour", "messaging:" + distinct, "livestream:regatta", "messaging:pier", "messaging:empty"}
}

// send sends a message to the harbour.
func (d *day) send(id, user, text string, more ...string) {
	d.t.Helper()
	d.sendTo("team/harbour", id, user, text, more...)
}

func (d *day) sendTo(channel, id, user, text string, more ...string) {
	d.t.Helper()
	fields := append([]string{fmt.Sprintf(`"id":%q,"user_id":%q,"text":"%s"`, id, user, text)}, more...)
	d.ok("POST", "/channels/"+channel+"/message", `{"message":{`+strings.Join(fields, ",")+`}}`)
}

func (d *day) talk() {
	d.send("question", "ann", `Who has the **tide table**? @bob \u003cscript\u003e`, `"mentioned_users":["bob","fay"]`, d.custom(`"weight":2.50,"serial":`+bigNumber+`,"tree":`+keyOrder))
	d.send("answer", "bob", "I do", `"parent_id":"question"`)
	d.send("answer-all", "dan", `On the wall:\n\n* high\n* low`, `"parent_id":"question","show_in_channel":true`)
	d.send("thanks", "ann", "", `"parent_id":"question","attachments":[{"type":"image","image_url":"https://example.org/t.png","size":1.0,"meta":`+keyOrder+`}]`)
	d.send("quote", "cyn", "this one", `"quoted_message_id":"question"`)
	d.send("quote-of-reply", "eve", "and that one", `"quoted_message_id":"answer-all"`)
	d.send("quiet", "ann", "nobody is woken", `"silent":true`)
	d.send("aside", "ann", "between us", `"restricted_visibility":["bob","ann"]`)
	d.send("system", "ann", "the gate is shut", `"type":"system"`)
	d.send("pin-1", "dan", "channel 16", `"pinned":true,"pin_expires":`+d.at(d.expires))
	d.send("pin-2", "dan", "channel 72")
	d.ok("PUT", "/messages/pin-2", `{"set":{"pinned":true},"user_id":"ann"}`)
	d.send("pin-3", "dan", "channel 9", `"pinned":true`)
	d.ok("PUT", "/messages/pin-3", `{"set":{"pinned":false},"user_id":"ann"}`)
	d.send("mml", "eve", "choose", `"mml":"\u003cmml\u003e\u003cbutton/\u003e\u003c/mml\u003e"`)
	d.send("empty-mentions", "eve", "x", `"mentioned_users":null,"attachments":[],"parent_id":"","quoted_message_id":""`)

	// Edits, in full and in part, that change something or nothing.
	d.send("edited", "bob", "first", d.custom(`"n":1.0,"keep":true`))
	d.ok("POST", "/messages/edited", `{"message":{"text":"second","user_id":"bob",`+d.custom(`"n":2.00,"keep":true`)+`}}`)
	d.ok("PUT", "/messages/edited", `{"set":{"text":"third","deep.er":`+keyOrder+`},"unset":["keep"],"user_id":"bob"}`)
	d.ok("PUT", "/messages/edited", `{"set":{"text":"third"},"user_id":"bob"}`)

	d.ok("POST", "/messages/question/reaction", `{"reaction":{"type":"wave","user_id":"bob","score":5,`+d.custom(`"tone":1.10,"tree":`+keyOrder)+`}}`)
	d.ok("POST", "/messages/question/reaction", `{"reaction":{"type":"wave","user_id":"cyn"}}`)
	d.ok("POST", "/messages/question/reaction", `{"reaction":{"type":"hm","user_id":"cyn","score":-3}}`)
	d.ok("POST", "/messages/question/reaction", `{"reaction":{"type":"wave","user_id":"bob","score":7}}`)
	d.ok("POST", "/messages/quote/reaction", `{"reaction":{"type":"hm","user_id":"ann"}}`)
	d.ok("POST", "/messages/quote/reaction", `{"reaction":{"type":"love","user_id":"ann","score":2},"enforce_unique":true}`)
	d.ok("POST", "/messages/answer/reaction", `{"reaction":{"type":"love","user_id":"ann"}}`)
	d.ok("DELETE", "/messages/answer/reaction/love?user_id=ann", "")

	// Deletions, for good and otherwise.
	for _, id := range []string{"deleted", "wiped", "restored", "for-me"} {
		d.send(id, "dan", "text of "+id)
		d.ok("POST", "/messages/"+id+"/reaction", `{"reaction":{"type":"wave","user_id":"eve"}}`)
	}
	d.send("deleted-reply", "dan", "hush", `"parent_id":"question"`)
	d.ok("DELETE", "/messages/deleted?deleted_by=ann", "")
	d.ok("DELETE", "/messages/deleted-reply", "")
	d.ok("DELETE", "/messages/wiped?hard=true", "")
	d.ok("DELETE", "/messages/restored", "")
	d.ok("POST", "/messages/restored/undelete", `{"undeleted_by":"ann"}`)
	d.ok("DELETE", "/messages/for-me?delete_for_me=true&deleted_by=bob", "")
	d.ok("POST", "/channels/team/harbour/message", `{"message":{"id":"pending","text":"text of pending","user_id":"ann"},"pending":true}`)
	d.ok("POST", "/channels/team/harbour/message", `{"message":{"id":"committed","text":"text of committed","user_id":"ann"},"pending":true}`)
	d.ok("POST", "/messages/committed/commit", "")

	distinct := strings.Replace(d.cids[1], ":", "/", 1)
	d.sendTo(distinct, "hello", "ann", "just us")
	d.sendTo(distinct, "hello-back", "bob", "", d.custom(`"sticker":7.0`))

	// A channel that was truncated, and one that was deleted and is there again.
	d.sendTo("livestream/regatta", "start", "eve", "bang")
	d.sendTo("livestream/regatta", "start-reply", "ann", "ouch", `"parent_id":"start"`)
	d.ok("POST", "/channels/livestream/regatta/truncate", `{"user_id":"ann","message":{"id":"restart","text":"false start","user_id":"ann"}}`)
	d.sendTo("livestream/regatta", "start-2", "eve", "bang again")
	d.sendTo("messaging/pier", "planks", "dan", "three are loose")
	d.ok("DELETE", "/channels/messaging/pier", "")
	d.ok("POST", "/channels/messaging/pier/query", `{"data":{"created_by_id":"ann","members":[{"user_id":"ann"},{"user_id":"eve"}]}}`)
	d.sendTo("messaging/pier", "planks-2", "ann", "mended")
	d.ok("POST", "/channels/messaging/lost/query", `{"data":{"created_by_id":"dan","members":[{"user_id":"dan"}],`+d.custom(`"name":"Lost"`)+`}}`)
	d.sendTo("messaging/lost", "found", "dan", "an oar")
	d.cids = append(d.cids, "messaging:lost")
}

func (d *day) settle() {
	d.ok("POST", "/channels/team/harbour/read", `{"user_id":"eve","message_id":"quote"}`)
	d.ok("POST", "/channels/team/harbour/read", `{"user_id":"dan"}`)
	d.ok("POST", "/channels/team/harbour/unread", `{"user_id":"dan","message_id":"pin-2"}`)
	d.ok("POST", "/channels/read", `{"user_id":"ann","read_by_channel":{"team:harbour":"","`+d.cids[1]+`":""}}`)
	d.ok("PATCH", "/channels/team/harbour/member/eve", `{"set":{"pinned":true,"watch":`+keyOrder+`,"fee":2.50}}`)
	d.ok("PATCH", "/channels/team/harbour/member?user_id=dan", `{"set":{"archived":true}}`)
	d.ok("POST", "/moderation/mute/channel", `{"channel_cids":["team:harbour"],"user_id":"eve"}`)
	d.ok("POST", "/moderation/mute/channel", `{"channel_cids":["team:harbour"],"user_id":"dan"}`)
	d.ok("POST", "/moderation/unmute/channel", `{"channel_cids":["team:harbour"],"user_id":"dan"}`)
	d.ok("POST", "/channels/livestream/regatta/hide", `{"user_id":"eve"}`)
	d.ok("POST", "/channels/team/harbour/hide", `{"user_id":"bob","clear_history":true}`)
	d.ok("POST", "/channels/team/harbour/show", `{"user_id":"bob"}`)
	d.ok("POST", "/users/block", `{"user_id":"ann","blocked_user_id":"dan"}`)
	d.send("late", "cyn", "good night")

	starts := d.at(time.Date(2031, 2, 17, 8, 17, 49, 745857123, time.UTC))
	d.ok("POST", "/call/default/standup", `{"data":{"created_by_id":"ann","members":[{"user_id":"ann","role":"host"},{"user_id":"bob"}],"starts_at":`+starts+`,"custom":{"topic":"tides","cost":2.50,"tree":`+keyOrder+`}}}`)
	d.ok("POST", "/call/default/standup/members", `{"update_members":[{"user_id":"cyn","role":"guest"}],"remove_members":["bob"]}`)
	d.ok("PATCH", "/call/default/standup", `{"custom":{"topic":"storms","serial":`+bigNumber+`,"tree":`+keyOrder+`}}`)
	d.ok("POST", "/call/default/standup/mark_ended", "")
	d.ok("POST", "/call/audio_room/watch", `{"data":{"created_by_id":"dan"}}`)
}

// part takes leave of users, and of a channel.
func (d *day) part() {
	d.ok("DELETE", "/channels/messaging/lost", "")
	d.ok("POST", "/channels/team/harbour", `{"remove_members":["fay"]}`)
	d.ok("POST", "/users/cyn/deactivate", `{"created_by_id":"ann"}`)
	d.done(d.ok("POST", "/users/deactivate", `{"user_ids":["bob"]}`), "bob")
	d.done(d.ok("POST", "/users/reactivate", `{"user_ids":["bob"]}`), "bob")
	d.ok("DELETE", "/users/fay", "")
	d.done(d.ok("POST", "/users/delete", `{"user_ids":["eve"],"user":"hard"}`), "eve")
	d.users = []string{"ann", "bob", "cyn", "dan", "fay"}
}

// check looks at what must be in an export of this day, value by value.
func (d *day) check() {
	t := d.t
	f := d.all(d.cids...)
	f.messages(
		"promotion", "question", "answer", "answer-all", "thanks", "quote", "quote-of-reply", "quiet", "aside", "system", "pin-1", "pin-2", "pin-3", "mml",
		"empty-mentions", "edited", "deleted", "restored", "for-me", "deleted-reply", "committed", "late",
		"hello", "hello-back", "start", "start-reply", "restart", "start-2", "planks", "planks-2", "found",
	)
	question := f.object("message", "question")
	is(t, question, "weight", "2.50", "serial", bigNumber, "tree", keyOrder, "reply_count", "3", "deleted_reply_count", "1",
		"reaction_counts", `{"hm":1,"wave":2}`, "reaction_scores", `{"hm":-3,"wave":8}`)
	is(t, f.object("reaction", "wave of bob to question"), "score", "7", "tone", "", "tree", "")
	is(t, f.object("reaction", "hm of cyn to question"), "score", "-3")
	is(t, f.object("message", "quote"), "reaction_counts", `{"love":1}`, "reaction_scores", `{"love":2}`)
	is(t, f.object("message", "answer"), "reaction_groups", "null")
	is(t, f.object("message", "quiet"), "silent", "true")
	is(t, f.object("message", "aside"), "restricted_visibility", `["bob","ann"]`)
	is(t, f.object("message", "pin-1"), "pinned", "true", "pin_expires", `"`+d.expires.Format(time.RFC3339Nano)+`"`)
	is(t, member(t, f.object("message", "pin-2"), "pinned_by"), "id", `"ann"`)
	is(t, f.object("message", "pin-3"), "pinned", "false", "pinned_at", "null", "pinned_by", "null", "pin_expires", "null")
	is(t, f.object("message", "edited"), "text", `"third"`, "n", "2.00", "keep", "", "deep", `{"er":`+keyOrder+`}`)
	has(t, f.object("message", "edited"), "message_text_updated_at")
	is(t, f.object("message", "deleted"), "type", `"deleted"`, "text", `"text of deleted"`)
	is(t, f.object("message", "restored"), "type", `"regular"`, "deleted_at", "")
	is(t, f.object("user", "ann"), "shoe", "2.50", "badge", bigNumber, "order", keyOrder, "teams", `["red","blue"]`)
	is(t, f.object("user", "bob"), "b", `{"c":{"d":[],"e":0.10}}`, "a", "", "mood", `"fine"`, "invisible", "true", "deactivated_at", "")
	has(t, f.object("user", "cyn"), "deactivated_at")
	has(t, f.object("user", "fay"), "deleted_at") // mentioned
	is(t, f.object("channel", "team:harbour"), "team", `"red"`, "cooldown", "30", "charts", keyOrder, "tide", `{"high":3.70}`, "number", bigNumber, "depth", "")
	has(t, f.object("channel", "livestream:regatta"), "truncated_at", "truncated_by")
	has(t, f.object("channel", "messaging:pier"), "truncated_at")
	has(t, f.object("channel", "messaging:lost"), "deleted_at")
	is(t, f.object("member", "bob"), "seat", keyOrder, "fee", "2.50", "channel_role", `"channel_moderator"`)
	has(t, f.object("member", "cyn"), "invite_accepted_at")
	has(t, f.object("member", "dan"), "archived_at")
	is(t, f.object("member", "dan"), "channel_role", `"pilot"`, "notifications_muted", "false")
	eve := f.ids("user")[4]
	if !strings.HasPrefix(eve, "deleted-user-") {
		t.Fatalf("users %v", f.ids("user"))
	}
	is(t, f.object("member", eve), "watch", "", "fee", "", "notifications_muted", "true") // what was said of it is gone
	has(t, f.object("member", eve), "pinned_at")
	nowhere(t, f.everywhere(), "text of pending", "text of wiped", `"Eve"`, `"eve"`, ",eve,")
	calls := d.people("ann")["call"]
	if len(calls) != 1 {
		t.Fatalf("calls of ann: %s", calls)
	}
	is(t, calls[0], "cid", `"default:standup"`, "starts_at", `"2031-02-17T08:17:49.745857Z"`, "topic", `"storms"`, "serial", bigNumber, "tree", keyOrder)
	has(t, calls[0], "ended_at")

	// The API says of it what the export says, and more.
	history := d.ok("POST", "/messages/history", `{"filter":{"message_id":"edited"}}`)
	entries, err := elements(member(t, history, "message_history"))
	if err != nil || len(entries) != 2 || look(t, entries[0]).Text != "second" || look(t, entries[1]).Text != "first" {
		t.Errorf("history %s: %v", history, err)
	}
	hidden := d.ok("POST", "/channels", `{"filter_conditions":{"members":{"$in":["ann"]}},"sort":[{"field":"created_at","direction":1}],"user_id":"ann"}`)
	if n := bytes.Count(hidden, []byte(`"cid":"team:harbour"`)); n == 0 {
		t.Errorf("channels of ann: %.500s", hidden)
	}
	found := d.ok("GET", "/users?payload="+url.QueryEscape(`{"filter_conditions":{"badge":`+bigNumber+`}}`), "")
	if !bytes.Contains(found, []byte(`"badge":`+bigNumber)) {
		t.Errorf("found by a large number: %.300s", found)
	}
}

// exports are all exports of the day, by name.
func (d *day) exports(s *harness.Server) map[string][]byte {
	withUsers := everything("v2", d.cids...)
	withUsers["export_users"] = true
	return map[string][]byte{
		"v1": s.Channels(everything("v1", d.cids...)), "v2": s.Channels(everything("v2", d.cids...)), "v2 with users": s.Channels(withUsers),
		"users": s.Users(d.users...),
	}
}

// roundTrip imports the exports into other stores, which then have the same.
func (d *day) roundTrip(want map[string][]byte) {
	for name, file := range want {
		if name == "users" {
			continue
		}
		second := store(d.t, write(d.t, "export", file))
		got := d.exports(second)
		for _, form := range []string{"v1", "v2", "v2 with users"} {
			equal(d.t, name+", imported, as "+form, want[form], got[form])
		}
		equal(d.t, name+", imported, users", withoutCalls(d.t, want["users"]), got["users"])

		// Calls come along by the lines of the users export.
		var calls []byte
		for l := range bytes.Lines(want["users"]) {
			if bytes.HasPrefix(l, []byte(`{"type":"call",`)) && !bytes.Contains(calls, l) {
				calls = append(calls, l...)
			}
		}
		second.Import(calls)
		equal(d.t, name+" and calls, imported, users", want["users"], second.Users(d.users...))
		second.Stop()
	}
}
