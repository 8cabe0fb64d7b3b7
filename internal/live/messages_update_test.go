package live_test

import (
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestUpdateMessage(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "top", "quoted")
	f.must(f.send("messaging:general"), `{"message":{"id":"m","text":"one","user_id":"ann","parent_id":"top","show_in_channel":true,
		"quoted_message_id":"quoted","attachments":[{"a":1}],"mentioned_users":["bob"],"mml":"<m/>","i18n":{"en_text":"one"},
		"restricted_visibility":["bob"],"pinned":true,"silent":true,"x":1,"y":{"z":2}}}`)
	f.must(f.react("m"), `{"reaction":{"type":"like","user_id":"bob"}}`)
	f.pass(time.Minute)
	v := f.must(f.update("m"), `{"message":{"id":"m","text":"*two*","html":"<p>no</p>","user_id":"bob","y":{"a":1.50},"created_at":"2001-01-01T00:00:00Z",
		"cid":"messaging:general","parent_id":"quoted","type":"system","reply_count":7,"attachments":null},"skip_push":true}`)
	f.want(v, "m", "message", "id")
	f.want(v, "*two*", "message", "text")
	f.want(v, "<p><em>two</em></p>\n", "message", "html")
	f.want(v, "ann", "message", "user", "id")
	f.want(v, "top", "message", "parent_id")
	f.want(v, "reply", "message", "type")
	f.want(v, "2026-03-01T12:00:00.000002Z", "message", "created_at")
	f.want(v, "2026-03-01T12:01:00Z", "message", "updated_at")
	f.want(v, "2026-03-01T12:01:00Z", "message", "message_text_updated_at")
	f.want(v, 1.0, "message", "reaction_counts", "like")
	// Replaced, so what is not given is gone …
	f.want(v, []any{}, "message", "attachments")
	f.want(v, []any{}, "message", "mentioned_users")
	f.want(v, map[string]any{"a": 1.5}, "message", "y")
	for _, key := range []string{"x", "mml", "i18n", "pinned_at", "pinned_by"} {
		f.want(v, nil, "message", key)
	}
	f.want(v, false, "message", "pinned")
	f.want(v, false, "message", "silent")
	// … apart from these.
	f.want(v, "quoted", "message", "quoted_message_id")
	f.want(v, true, "message", "show_in_channel")
	f.want(v, []any{"bob"}, "message", "restricted_visibility")
	v = f.must(f.update("m"), `{"message":{"text":"*two*","quoted_message_id":"top","show_in_channel":false,"restricted_visibility":["ann"],"command":"giphy"}}`)
	f.want(v, "top", "message", "quoted_message_id")
	f.want(v, nil, "message", "show_in_channel")
	f.want(v, []any{"ann"}, "message", "restricted_visibility")
	f.want(v, "giphy", "message", "command")
	// The clock stood still, and yet this came later. The text is the same.
	f.want(v, "2026-03-01T12:01:00.000001Z", "message", "updated_at")
	f.want(v, "2026-03-01T12:01:00Z", "message", "message_text_updated_at")
}

func TestUpdateMessageRefuses(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "m", "dead", "n")
	f.must(f.about(f.live.DeleteMessage, "dead", ""), ``)
	for _, tt := range []struct {
		body  string
		code  wire.Code
		words []string
	}{
		{`{`, 4, []string{"JSON"}},
		{`{}`, 4, []string{"message", "required"}},
		{`{"message":null}`, 4, []string{"message", "required"}},
		{`{"message":[]}`, 4, []string{"message", "object"}},
		{`{"message":{}}`, 4, []string{"text, attachments or custom"}},
		{`{"message":{"text":7}}`, 4, []string{"message.text"}},
		{`{"message":{"text":"x","id":"n"}}`, 4, []string{"message.id", "path"}},
		{`{"message":{"text":"x","cid":"messaging:other"}}`, 4, []string{"message.cid"}},
		{`{"message":{"text":"x","user_id":"nobody"}}`, 4, []string{"user_id", "nobody"}},
		{`{"message":{"text":"x","mentioned_users":["p","q"]}}`, 4, []string{"message.mentioned_users", "p, q"}},
		{`{"message":{"text":"x","restricted_visibility":["p"]}}`, 4, []string{"message.restricted_visibility", "p"}},
		{`{"message":{"text":"x","quoted_message_id":"none"}}`, 4, []string{"message.quoted_message_id", "none"}},
		{`{"message":{"text":"x","quoted_message_id":"m"}}`, 4, []string{"message.quoted_message_id", "itself"}},
		{`{"message":{"text":"x","custom":{"text":1}}}`, 4, []string{"message.custom.text", "built-in"}},
		{`{"message":{"text":"x","attachments":[` + strings.Repeat(`{},`, 30) + `{}]}}`, 4, []string{"message.attachments", "30"}},
		{`{"message":{"text":"x","c":"` + strings.Repeat("x", 5<<10) + `"}}`, 4, []string{"message", "custom"}},
		{`{"message":{"text":"` + strings.Repeat("x", 20<<10+1) + `"}}`, 20, []string{"message.text"}},
	} {
		f.refused(f.update("m"), tt.body, tt.code, tt.words...)
	}
	f.refused(f.update("none"), `{"message":{"text":"x"}}`, wire.CodeNotFound)
	f.refused(f.update("dead"), `{"message":{"text":"x"}}`, wire.CodeBadInput, "deleted")
	v := f.must(f.message("m"), ``)
	f.want(v, "text of m", "message", "text")
	f.want(v, get(v, "message", "created_at"), "message", "updated_at")
	// A frozen channel takes no new messages, but changes.
	f.change("messaging:general", func(c *chat.Channel) { c.Frozen = true })
	f.must(f.update("m"), `{"message":{"text":"x"}}`)
	f.change("messaging:general", func(c *chat.Channel) { c.Frozen, c.DeletedAt = false, 5 })
	f.refused(f.update("m"), `{"message":{"text":"x"}}`, wire.CodeNotFound)
}

func TestPatchMessage(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "top")
	f.must(f.send("messaging:general"), `{"message":{"id":"m","text":"one","user_id":"ann","parent_id":"top","attachments":[{"a":1}],
		"mentioned_users":["bob"],"x":1,"y":{"z":2,"a":{"b":2.50}}}}`)
	f.pass(time.Minute)
	out := f.raw(f.patch("m"), `{"set":{"y.a.c":12345678901234567890,"n.m":{"k":"<"},"custom":{"o":[1.0]}},"unset":["x","none","y.z"]}`)
	for _, part := range []string{`"y":{"a":{"b":2.50,"c":12345678901234567890}}`, `"n":{"m":{"k":"\u003c"}}`, `"o":[1.0]`, `"text":"one"`} {
		if !strings.Contains(out, part) {
			t.Errorf("no %s in %s", part, out)
		}
	}
	v := f.must(f.message("m"), ``)
	f.want(v, nil, "message", "x")
	f.want(v, nil, "message", "message_text_updated_at")
	f.want(v, "2026-03-01T12:01:00Z", "message", "updated_at")
	v = f.must(f.patch("m"), `{"set":{"text":"**two**","html":"<p>no</p>","attachments":[{"b":2}],"mentioned_users":["ann"],"silent":true,
		"i18n":{"en_text":"two"},"mml":"<m/>","quoted_message_id":"top","show_in_channel":true,"restricted_visibility":["bob"]},"user_id":"bob"}`)
	f.want(v, "**two**", "message", "text")
	f.want(v, "<p><strong>two</strong></p>\n", "message", "html")
	f.want(v, 2.0, "message", "attachments", 0, "b")
	f.wantIDs(get(v, "message"), "mentioned_users", "ann")
	f.want(v, true, "message", "silent")
	f.want(v, "two", "message", "i18n", "en_text")
	f.want(v, "<m/>", "message", "mml")
	f.want(v, "text of top", "message", "quoted_message", "text")
	f.want(v, true, "message", "show_in_channel")
	f.want(v, "2026-03-01T12:01:00.000001Z", "message", "message_text_updated_at")
	v = f.must(f.patch("m"), `{"set":null,"unset":["attachments","mentioned_users","silent","i18n","mml","quoted_message_id","show_in_channel","restricted_visibility","custom"]}`)
	f.want(v, "**two**", "message", "text")
	for _, key := range []string{"i18n", "mml", "quoted_message_id", "show_in_channel", "restricted_visibility", "y", "n", "o"} {
		f.want(v, nil, "message", key)
	}
	f.want(v, []any{}, "message", "attachments")
	f.want(v, false, "message", "silent")
}

func TestPatchMessageRefuses(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "m", "dead")
	f.must(f.patch("m"), `{"set":{"x":1}}`)
	f.must(f.about(f.live.DeleteMessage, "dead", ""), ``)
	for _, tt := range []struct {
		body  string
		code  wire.Code
		words []string
	}{
		{`[]`, 4, []string{"object"}},
		{`{}`, 4, []string{"set", "required"}},
		{`{"set":{}}`, 4, []string{"set", "required"}},
		{`{"set":7}`, 4, []string{"set", "object"}},
		{`{"unset":{}}`, 4, []string{"unset", "array"}},
		{`{"unset":[7]}`, 4, []string{"unset[0]"}},
		{`{"set":{"x":2},"user_id":"nobody"}`, 4, []string{"user_id", "nobody"}},
		{`{"set":{"id":"n"}}`, 4, []string{"set.id"}},
		{`{"set":{"user_id":"bob"}}`, 4, []string{"set.user_id"}},
		{`{"set":{"type":"system"}}`, 4, []string{"set.type"}},
		{`{"set":{"created_at":1}}`, 4, []string{"set.created_at"}},
		{`{"set":{"parent_id":"dead"}}`, 4, []string{"set.parent_id"}},
		{`{"set":{"text.x":1}}`, 4, []string{"set.text.x"}},
		{`{"set":{"x.y":1}}`, 4, []string{"set.x", "number"}},
		{`{"set":{"a..b":1}}`, 4, []string{"set"}},
		{`{"unset":["user"]}`, 4, []string{"unset[0]", "user"}},
		{`{"unset":["text","x"]}`, 4, []string{"text, attachments or custom"}},
		{`{"set":{"text":7}}`, 4, []string{"set.text"}},
		{`{"set":{"attachments":[1]}}`, 4, []string{"set.attachments[0]"}},
		{`{"set":{"attachments":[` + strings.Repeat(`{},`, 30) + `{}]}}`, 4, []string{"attachments", "30"}},
		{`{"set":{"mentioned_users":["p"]}}`, 4, []string{"mentioned_users", "p"}},
		{`{"set":{"mentioned_users":[` + mentions(1001) + `]}}`, 4, []string{"mentioned_users", "1000"}},
		{`{"set":{"quoted_message_id":"none"}}`, 4, []string{"quoted_message_id", "none"}},
		{`{"set":{"pinned":"yes"}}`, 4, []string{"set.pinned"}},
		{`{"set":{"pin_expires":"2026-03-05T00:00:00Z"}}`, 4, []string{"set.pin_expires", "pinned"}},
		{`{"set":{"text":"x","custom":{"text":"y"}}}`, 4, []string{"set.text", "twice"}},
		{`{"set":{"y":"` + strings.Repeat("x", 5<<10) + `"}}`, 4, []string{"set.y", "custom"}},
		{`{"set":{"text":"` + strings.Repeat("x", 20<<10+1) + `"}}`, 20, []string{"text"}},
	} {
		f.refused(f.patch("m"), tt.body, tt.code, tt.words...)
	}
	f.refused(f.patch("none"), `{"set":{"x":1}}`, wire.CodeNotFound)
	f.refused(f.patch("dead"), `{"set":{"x":1}}`, wire.CodeBadInput, "deleted")
	v := f.must(f.message("m"), ``)
	f.want(v, "text of m", "message", "text")
	f.want(v, 1.0, "message", "x")
}

// The limit of the channel's type holds for new texts, not for what is there.
func TestTextLimitOfChanges(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.query("livestream:short"), `{"data":{"created_by_id":"ann"}}`)
	f.must(f.send("livestream:short"), `{"message":{"id":"m","user_id":"ann","text":"1234567890"}}`)
	f.put(func(tx store.Tx) error {
		return tx.PutSetting(store.ChannelTypePrefix+"livestream", []byte(`{"max_message_length":5}`))
	})
	f.must(f.patch("m"), `{"set":{"x":1}}`)
	f.refused(f.patch("m"), `{"set":{"text":"123456"}}`, wire.CodeTextTooLong, "5 bytes")
	f.refused(f.update("m"), `{"message":{"text":"123456"}}`, wire.CodeTextTooLong, "5 bytes")
	f.must(f.update("m"), `{"message":{"text":"12345"}}`)
	// Imports may have brought longer ones still, and HTML of their own.
	f.put(func(tx store.Tx) error {
		return tx.PutMessage(&chat.Message{
			ID: "i", CID: "messaging:general", UserID: "ann", Type: chat.Regular, Text: strings.Repeat("x", 30<<10), HTML: "<b>own</b>",
			RestrictedVisibility: []string{"somebody"}, CreatedAt: 5, UpdatedAt: 5,
		})
	})
	v := f.must(f.patch("i"), `{"set":{"x":1}}`)
	f.want(v, "<b>own</b>", "message", "html")
	f.want(v, []any{"somebody"}, "message", "restricted_visibility")
}

func TestPin(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "m")
	f.pass(time.Minute)
	v := f.must(f.patch("m"), `{"set":{"pinned":true,"pin_expires":"2026-03-05T00:00:00.123456789Z"},"user_id":"bob"}`)
	f.want(v, true, "message", "pinned")
	f.want(v, "2026-03-01T12:01:00Z", "message", "pinned_at")
	f.want(v, "bob", "message", "pinned_by", "id")
	f.want(v, "2026-03-05T00:00:00.123456Z", "message", "pin_expires")
	f.want(v, "2026-03-01T12:01:00Z", "message", "updated_at")
	f.pass(time.Minute)
	// Pinned again it stays pinned by whom it was, only until another time.
	v = f.must(f.patch("m"), `{"set":{"pinned":true,"pin_expires":1772800000000000000},"user":{"id":"ann"}}`)
	f.want(v, "bob", "message", "pinned_by", "id")
	f.want(v, "2026-03-01T12:01:00Z", "message", "pinned_at")
	f.want(v, "2026-03-06T12:26:40Z", "message", "pin_expires")
	v = f.must(f.patch("m"), `{"set":{"pin_expires":null}}`)
	f.want(v, nil, "message", "pin_expires")
	f.want(v, true, "message", "pinned")
	v = f.must(f.update("m"), `{"message":{"text":"x","pinned":true,"pin_expires":"2026-03-05T00:00:00Z"}}`)
	f.want(v, "bob", "message", "pinned_by", "id")
	f.want(v, "2026-03-05T00:00:00Z", "message", "pin_expires")
	for _, body := range []string{`{"set":{"pinned":false}}`, `{"unset":["pinned"]}`, `{"set":{"pinned":null}}`} {
		f.must(f.patch("m"), `{"set":{"pinned":true}}`)
		v = f.must(f.patch("m"), body)
		for key, want := range map[string]any{"pinned": false, "pinned_at": nil, "pinned_by": nil, "pin_expires": nil} {
			f.want(v, want, "message", key)
		}
	}
	// Without a word who pins it, it is the author.
	v = f.must(f.patch("m"), `{"set":{"pinned":true}}`)
	f.want(v, "ann", "message", "pinned_by", "id")
}

// A message that becomes silent, or is no longer, counts accordingly.
func TestSilenceCounts(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("bob", "first")
	f.say("ann", "m", "n")
	want := func(n int) {
		t.Helper()
		if diff := cmp.Diff(map[string]int{"ann": 0, "bob": n}, f.unreadCounts()); diff != "" {
			t.Error(diff)
		}
	}
	want(2)
	f.must(f.patch("m"), `{"set":{"silent":true}}`)
	want(1)
	f.must(f.update("n"), `{"message":{"text":"x","silent":true}}`)
	want(0)
	f.must(f.update("m"), `{"message":{"text":"x"}}`)
	want(1)
	f.must(f.patch("n"), `{"unset":["silent"]}`)
	want(2)
}
