package live_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/live"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestSendMessage(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	send := f.send("messaging:general")
	v := f.must(send, `{"message":{"text":"Hi <b> &\u2028","user":{"id":"ann"},"type":"","parent_id":"","quoted_message_id":"",
		"attachments":null,"mentioned_users":["bob"],"mood":{"z":1,"a":12345678901234567890}},"skip_push":true}`)
	f.want(v, "Hi <b> &\u2028", "message", "text")
	f.want(v, "regular", "message", "type")
	f.want(v, "Ann", "message", "user", "name")
	f.want(v, "bob", "message", "mentioned_users", 0, "id")
	f.want(v, "messaging:general", "message", "cid")
	f.want(v, "2026-03-01T12:00:00Z", "message", "created_at")
	first, _ := get(v, "message", "id").(string)
	if len(first) != 36 {
		t.Errorf("made the id %q", first)
	}

	f.want(v, "<p>Hi &lt;b&gt; &amp;\u2028</p>\n", "message", "html")

	// Within one microsecond the order is that of sending.
	v = f.must(send, `{"message":{"id":"m-2","text":"two","user_id":"bob","pinned":true,"quoted_message_id":"`+first+`"}}`)
	f.want(v, "2026-03-01T12:00:00.000001Z", "message", "created_at")
	f.want(v, "bob", "message", "pinned_by", "id")
	f.want(v, first, "message", "quoted_message", "id")
	v = f.must(send, `{"message":{"id":"m-3","text":"three","user_id":"bob","parent_id":"m-2"}}`)
	f.want(v, "reply", "message", "type")
	f.must(send, `{"message":{"id":"m-4","text":"four","user_id":"bob","parent_id":"m-2","show_in_channel":true}}`)
	v = f.must(send, `{"message":{"id":"m-5","type":"system","text":"five","user_id":"ann","silent":true}}`)
	f.want(v, "system", "message", "type")
	v = f.must(send, `{"message":{"id":"m-6","user_id":"ann","attachments":[{"type":"image"}]}}`)
	f.want(v, "image", "message", "attachments", 0, "type")
	f.must(send, `{"message":{"id":"m-7","user_id":"ann","form":1}}`)

	v = f.must(f.query("messaging:general"), `{"state":true}`)
	var ids []string
	for _, m := range get(v, "messages").([]any) {
		ids = append(ids, get(m, "id").(string))
	}
	if diff := cmp.Diff([]string{first, "m-2", "m-4", "m-5", "m-6", "m-7"}, ids); diff != "" {
		t.Error(diff)
	}
	f.want(v, 2.0, "messages", 1, "reply_count")
	// Senders have read up to what they sent.
	f.want(v, "ann", "read", 0, "user", "id")
	f.want(v, "m-7", "read", 0, "last_read_message_id")
	f.want(v, 0.0, "read", 0, "unread_messages")
	f.want(v, "m-4", "read", 1, "last_read_message_id")
	f.want(v, 2.0, "read", 1, "unread_messages") // m-5 is silent
	v = f.must(f.query("messaging:general"), `{"state":true,"messages":{"limit":2}}`)
	f.want(v, "m-6", "messages", 0, "id")
	f.want(v, "m-7", "messages", 1, "id")
	v = f.must(f.query("messaging:general"), `{"state":true,"messages":{"limit":0}}`)
	f.want(v, []any{}, "messages")
}

func TestSendMessageRefuses(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.query("messaging:other"), `{"data":{"created_by_id":"ann"}}`)
	f.must(f.query("messaging:ice"), `{"data":{"created_by_id":"ann","frozen":true}}`)
	f.must(f.send("messaging:general"), `{"message":{"id":"top","text":"x","user_id":"ann"}}`)
	f.must(f.send("messaging:general"), `{"message":{"id":"reply","text":"x","user_id":"ann","parent_id":"top"}}`)
	f.put(func(tx store.Tx) error {
		_, err := tx.PutUser(&chat.User{ID: "gone", CreatedAt: 5, UpdatedAt: 5, DeletedAt: 9})
		if err == nil {
			_, err = tx.PutUser(&chat.User{ID: "asleep", CreatedAt: 5, UpdatedAt: 5, DeactivatedAt: 9})
		}
		return err
	})
	m := func(fields string) string { return `{"message":{"text":"x","user_id":"ann",` + fields + `}}` }
	for _, tt := range []struct {
		body  string
		code  wire.Code
		words []string
	}{
		{``, 4, []string{"empty"}},
		{`{"message"`, 4, []string{"JSON"}},
		{`{}`, 4, []string{"message", "required"}},
		{`{"message":null}`, 4, []string{"message", "required"}},
		{`{"message":"hi"}`, 4, []string{"message", "object"}},
		{`{"message":{"text":"x"}}`, 4, []string{"either message.user or message.user_id"}},
		{`{"message":{"text":"x","user_id":""}}`, 4, []string{"message.user_id"}},
		{`{"message":{"text":"x","user_id":"nobody"}}`, 4, []string{"message.user_id", "nobody"}},
		{`{"message":{"text":"x","user_id":"gone"}}`, 4, []string{"gone", "deleted"}},
		{`{"message":{"text":"x","user_id":"asleep"}}`, 4, []string{"asleep", "deactivated"}},
		{`{"message":{"user_id":"ann"}}`, 4, []string{"text, attachments or custom"}},
		{`{"message":{"user_id":"ann","text":7}}`, 4, []string{"message.text", "string"}},
		{m(`"id":"top"`), 4, []string{"message.id", "top", "exists"}},
		{m(`"id":"a b"`), 4, []string{"message.id"}},
		{m(`"type":"deleted"`), 4, []string{"message.type"}},
		{m(`"type":"ephemeral"`), 4, []string{"message.type"}},
		{m(`"type":3`), 4, []string{"type", "string"}},
		{m(`"created_at":"2020-01-01T00:00:00Z"`), 4, []string{"message.created_at"}},
		{m(`"deleted_at":"2020-01-01T00:00:00Z"`), 4, []string{"message.deleted_at"}},
		{m(`"cid":"messaging:other"`), 4, []string{"message.cid"}},
		{m(`"mentioned_users":["ann","p","q"]`), 4, []string{"message.mentioned_users", "p, q"}},
		{m(`"mentioned_users":[` + mentions(live.MaxMentioned+1) + `]`), 4, []string{"message.mentioned_users", "1000"}},
		{m(`"parent_id":"none"`), 4, []string{"message.parent_id", "none"}},
		{m(`"parent_id":"reply"`), 21, []string{"message.parent_id", "one level"}},
		{m(`"quoted_message_id":"none"`), 4, []string{"message.quoted_message_id", "none"}},
		{m(`"x":"` + strings.Repeat("x", 5<<10) + `"`), 4, []string{"message", "custom"}},
		{m(`"attachments":[` + strings.Repeat(`{},`, 30) + `{}]`), 4, []string{"message.attachments", "30"}},
		{m(`"attachments":[7]`), 4, []string{"message.attachments[0]"}},
		{m(`"attachments":[{"x":` + tooDeep + `}]`), 4, []string{"message.attachments must be nested", "5000"}},
		{`{"message":{"user_id":"ann","text":"` + strings.Repeat("x", 20<<10+1) + `"}}`, 20, []string{"message.text"}},
		{`{"message":{"user_id":"ann","text":"x"},"pending":"yes"}`, 4, []string{"pending"}},
		{`{"message":{"user_id":"ann","text":"x"},"keep_channel_hidden":1}`, 4, []string{"keep_channel_hidden"}},
		{`{"message":{"user_id":"ann","text":"x"},"pending_message_metadata":{"a":1}}`, 4, []string{"pending_message_metadata.a"}},
		{m(`"restricted_visibility":["ann","p"]`), 4, []string{"message.restricted_visibility", "p"}},
		{m(`"restricted_visibility":[` + mentions(live.MaxMentioned+1) + `]`), 4, []string{"message.restricted_visibility", "1000"}},
		{`{"message":{"user_id":"ann","text":"` + "\xff" + `"}}`, 4, []string{"UTF-8"}},
	} {
		f.refused(f.send("messaging:general"), tt.body, tt.code, tt.words...)
	}
	f.put(func(tx store.Tx) error {
		return tx.PutSetting(store.ChannelTypePrefix+"livestream", []byte(`{"name":"livestream","max_message_length":10}`))
	})
	f.must(f.query("livestream:short"), `{"data":{"created_by_id":"ann"}}`)
	f.must(f.send("livestream:short"), `{"message":{"user_id":"ann","text":"1234567890"}}`)
	f.refused(f.send("livestream:short"), `{"message":{"user_id":"ann","text":"1234567890x"}}`, 20, "message.text", "10 bytes")
	f.refused(f.send("messaging:other"), m(`"parent_id":"top"`), 4, "message.parent_id", "another channel")
	f.refused(f.send("messaging:none"), m(`"id":"y"`), 16, "messaging:none")
	f.refused(f.send("messaging:ice"), m(`"id":"y"`), 17, "frozen")
	v := f.must(f.query("messaging:general"), `{"state":true}`)
	f.want(v, 2.0, "channel", "message_count")
	f.must(f.send("messaging:general"), `{"message":{"user_id":"ann","text":"`+strings.Repeat("x", 20<<10)+`"}}`)
}

func TestSendMessageFields(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	send := f.send("messaging:general")
	// What C clients send for what there is not.
	v := f.must(send, `{"message":{"id":"","text":"x","user_id":"ann","type":"","parent_id":"","quoted_message_id":"","html":"","mml":"",
		"attachments":[],"mentioned_users":[],"restricted_visibility":null,"show_in_channel":true,"silent":false,"pinned":false,
		"pin_expires":null,"pinned_at":null,"pinned_by":null,"created_at":null,"updated_at":"0001-01-01T00:00:00Z","i18n":{},"custom":null},
		"pending":false,"skip_push":true,"skip_enrich_url":true,"force_moderation":false}`)
	for _, key := range []string{"parent_id", "show_in_channel", "quoted_message_id", "restricted_visibility", "i18n", "mml", "pinned_at"} {
		f.want(v, nil, "message", key)
	}
	f.want(v, []any{}, "message", "attachments")
	f.want(v, nil, "pending_message_metadata")

	// HTML follows from the text, whatever a client says.
	v = f.must(send, `{"message":{"text":"**x**","html":"<script>","user_id":"ann"}}`)
	f.want(v, "<p><strong>x</strong></p>\n", "message", "html")
	v = f.must(send, `{"message":{"user_id":"ann","html":"<b>x</b>","attachments":[{"a":2.50}]}}`)
	f.want(v, "", "message", "html")
	f.want(v, "", "message", "text")

	v = f.must(send, `{"message":{"id":"all","text":"x","user_id":"ann","pinned":true,"pin_expires":"2026-03-02T00:00:00.5+01:00",
		"pinned_at":"2001-01-01T00:00:00Z","pinned_by":{"id":"bob"},"shadowed":true,"silent":true,"restricted_visibility":["bob"],
		"mentioned_users":[{"id":"bob"},"ann","bob"],"mml":"<mml/>","i18n":{"en_text":"x"}}}`)
	f.want(v, "2026-03-01T23:00:00.5Z", "message", "pin_expires")
	f.want(v, "ann", "message", "pinned_by", "id")
	f.want(v, get(v, "message", "created_at"), "message", "pinned_at")
	f.want(v, false, "message", "shadowed")
	f.want(v, true, "message", "silent")
	f.want(v, []any{"bob"}, "message", "restricted_visibility")
	f.wantIDs(get(v, "message"), "mentioned_users", "bob", "ann")
	f.want(v, "<mml/>", "message", "mml")
	out := f.raw(send, `{"message":{"text":"x","user_id":"ann","custom":{"big":12345678901234567890,"f":2.50,"o":{"z":1,"a":[]}}}}`)
	for _, part := range []string{`"big":12345678901234567890`, `"f":2.50`, `"o":{"z":1,"a":[]}`} {
		if !strings.Contains(out, part) {
			t.Errorf("no %s in %s", part, out)
		}
	}
}

// A message makes a hidden channel seen again, unless it is asked not to.
func TestSendMessageShowsChannel(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	hidden := func() bool {
		is := false
		err := f.store.View(t.Context(), f.app, func(r store.Reader) error {
			key, err := r.UserKey("bob")
			if err != nil {
				return err
			}
			_, err = r.Mark(store.Hidden, key, "messaging:general")
			is = err == nil
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	f.put(func(tx store.Tx) error {
		key, err := tx.UserKey("bob")
		if err == nil {
			err = tx.PutMark(&store.Mark{Kind: store.Hidden, User: key, Subject: "messaging:general", At: 5})
		}
		return err
	})
	f.must(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann"},"keep_channel_hidden":true}`)
	if !hidden() {
		t.Error("the channel did not stay hidden")
	}
	f.must(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann"}}`)
	if hidden() {
		t.Error("the channel stayed hidden")
	}
}

// mentions lists n users.
func mentions(n int) string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf(`"u%d"`, i)
	}
	return strings.Join(ids, ",")
}

// Every message that is sent at once with others gets its own place.
func TestConcurrentSends(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				_, err := f.live.SendMessage(context.Background(), f.app, "messaging", "general", nil,
					fmt.Appendf(nil, `{"message":{"id":"m-%d-%d","text":"x","user_id":"ann"}}`, i, j))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	v := f.must(f.query("messaging:general"), `{"state":true,"messages":{"limit":300}}`)
	f.want(v, 80.0, "channel", "message_count")
	seen := map[any]bool{}
	for _, m := range get(v, "messages").([]any) {
		seen[get(m, "created_at")] = true
	}
	if len(seen) != 80 {
		t.Errorf("80 messages have %d times", len(seen))
	}
}

// The latest messages are found wherever they lie in time.
func TestLatestMessages(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	for i := range 40 {
		f.pass(time.Duration(1<<i) * time.Microsecond)
		f.must(f.send("messaging:general"), fmt.Sprintf(`{"message":{"id":"m%02d","text":"x","user_id":"ann"}}`, i))
	}
	for _, limit := range []int{1, 7, 25, 40, 100} {
		v := f.must(f.query("messaging:general"), fmt.Sprintf(`{"state":true,"messages":{"limit":%d}}`, limit))
		list := get(v, "messages").([]any)
		if want := min(limit, 40); len(list) != want {
			t.Fatalf("limit %d gave %d messages", limit, len(list))
		}
		for i, m := range list {
			if want := fmt.Sprintf("m%02d", 40-len(list)+i); get(m, "id") != want {
				t.Errorf("limit %d: message %d is %v, want %s", limit, i, get(m, "id"), want)
			}
		}
	}
}
