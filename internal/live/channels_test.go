package live_test

import (
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

func TestGetOrCreateChannel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.users, `{"users":{"ann":{"id":"ann"},"bob":{"id":"bob"},"eve":{"id":"eve"}}}`)
	general := f.query("messaging:general")
	v := f.must(general, `{"data":{"created_by":{"id":"ann"},"members":["ann",{"user_id":"bob","channel_role":"channel_moderator","shift":"late"}],
		"invites":["eve"],"topic":"all","team":"red","frozen":false,"created_at":"2001-01-01T00:00:00Z"}}`)
	f.want(v, "ann", "channel", "created_by", "id")
	f.want(v, "all", "channel", "topic")
	f.want(v, "red", "channel", "team")
	f.want(v, 3.0, "channel", "member_count")
	f.want(v, "2026-03-01T12:00:00Z", "channel", "created_at")
	f.want(v, "owner", "members", 0, "role")
	f.want(v, "channel_moderator", "members", 1, "channel_role")
	f.want(v, "late", "members", 1, "shift")
	f.want(v, true, "members", 2, "invited")
	for _, key := range []string{"messages", "read", "pinned_messages", "threads"} {
		f.want(v, []any{}, key)
	}
	f.want(v, 0.0, "watcher_count")
	f.want(v, nil, "membership")

	// What exists is not changed, apart from members who are missing.
	f.pass(time.Minute)
	f.must(f.users, `{"users":{"kim":{"id":"kim"}}}`)
	v = f.must(general, `{"data":{"created_by_id":"bob","topic":"other","members":["kim","bob"]}}`)
	f.want(v, "ann", "channel", "created_by", "id")
	f.want(v, "all", "channel", "topic")
	f.want(v, 4.0, "channel", "member_count")
	f.want(v, "channel_moderator", "members", 1, "channel_role")
	f.want(v, "kim", "members", 3, "user_id")
	v = f.must(general, ``)
	f.want(v, "all", "channel", "topic")
	v = f.must(general, `{"members":{"limit":1,"offset":1},"data":null,"state":null}`)
	f.want(v, "bob", "members", 0, "user_id")
	f.want(v, nil, "members", 1)
}

func TestGetOrCreateChannelRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.users, `{"users":{"ann":{"id":"ann"}}}`)
	c := f.query("messaging:new")
	for _, tt := range []struct {
		body  string
		words []string
	}{
		{``, []string{"either data.created_by or data.created_by_id must be provided when using server side auth."}},
		{`{"data":{}}`, []string{"created_by_id"}},
		{`{"data":{"created_by_id":null}}`, []string{"created_by_id"}},
		{`{"data":7}`, []string{"data", "object"}},
		{`{"data":{"created_by_id":7}}`, []string{"data.created_by_id", "user id"}},
		{`{"data":{"created_by_id":"nobody"}}`, []string{"data.created_by_id", "nobody"}},
		{`{"data":{"created_by_id":"ann","created_by":{"id":"bob"}}}`, []string{"data.created_by"}},
		{`{"data":{"created_by_id":"ann","members":["ann","x","y"]}}`, []string{"data.members", "x, y"}},
		{`{"data":{"created_by_id":"ann","members":[{}]}}`, []string{"data.members[0].user_id", "required"}},
		{`{"data":{"created_by_id":"ann","members":"ann"}}`, []string{"data.members", "array"}},
		{`{"data":{"created_by_id":"ann","invites":[7]}}`, []string{"data.invites[0]"}},
		{`{"data":{"created_by_id":"ann","id":"other"}}`, []string{"data.id", "path"}},
		{`{"data":{"created_by_id":"ann","type":"team"}}`, []string{"data.type", "path"}},
		{`{"data":{"created_by_id":"ann","member_ids":["ann"]}}`, []string{"data.member_ids"}},
		{`{"data":{"created_by_id":"ann","frozen":"yes"}}`, []string{"data.frozen", "true or false"}},
		{`{"data":{"created_by_id":"ann","x":"` + strings.Repeat("x", 5<<10) + `"}}`, []string{"data", "custom"}},
		{`{"messages":{"limit":301}}`, []string{"messages.limit", "300"}},
		{`{"messages":{"id_lt":"x"}}`, []string{"messages.id_lt", "not available"}},
		{`{"messages":{"offset":3}}`, []string{"messages.offset", "not available"}},
		{`{"members":{"limit":-1}}`, []string{"members.limit"}},
		{`{"state":"yes"}`, []string{"state"}},
	} {
		f.refused(c, tt.body, wire.CodeBadInput, tt.words...)
	}
	for _, cid := range []string{"messaging:a/b", "messaging:..", "messaging:", "mess aging:x", "..:x", "messaging:" + strings.Repeat("x", 65)} {
		f.refused(f.query(cid), `{"data":{"created_by_id":"ann"}}`, wire.CodeBadInput)
		f.refused(f.send(cid), `{"message":{"user_id":"ann","text":"x"}}`, wire.CodeBadInput)
	}
	n := 0
	err := f.store.View(t.Context(), f.app, func(r store.Reader) error {
		return r.Channels("", func(*store.ChannelRow) error { n++; return nil })
	})
	if err != nil || n != 0 {
		t.Errorf("refused requests left %d channels, %v", n, err)
	}
}

func TestChannelStartsAnew(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	general := f.query("messaging:general")
	f.must(f.send("messaging:general"), `{"message":{"id":"old","text":"before","user_id":"bob"}}`)
	f.pass(time.Minute)
	f.put(func(tx store.Tx) error {
		row, err := tx.Channel("messaging:general")
		if err == nil {
			row.Channel.DeletedAt = chat.TimeOf(f.time())
			_, err = tx.PutChannel(&row.Channel)
		}
		return err
	})
	f.refused(f.send("messaging:general"), `{"message":{"text":"x","user_id":"bob"}}`, wire.CodeNotFound, "messaging:general")
	f.refused(f.react("old"), `{"reaction":{"type":"like","user_id":"bob"}}`, wire.CodeNotFound)
	f.refused(general, `{}`, wire.CodeBadInput, "created_by_id")
	f.pass(time.Minute)
	v := f.must(general, `{"state":true,"data":{"created_by_id":"bob","members":["bob"]}}`)
	f.want(v, "bob", "channel", "created_by", "id")
	f.want(v, nil, "channel", "deleted_at")
	f.want(v, nil, "channel", "topic")
	f.want(v, nil, "channel", "last_message_at")
	f.want(v, "2026-03-01T12:02:00Z", "channel", "created_at")
	f.want(v, "2026-03-01T12:02:00Z", "channel", "truncated_at")
	f.want(v, 1.0, "channel", "member_count")
	f.want(v, 0.0, "channel", "message_count")
	f.want(v, []any{}, "messages")
	f.want(v, []any{}, "read")
	f.want(v, nil, "members", 1)
	// What was said before is out of reach.
	f.refused(f.react("old"), `{"reaction":{"type":"like","user_id":"bob"}}`, wire.CodeNotFound)
	f.refused(f.send("messaging:general"), `{"message":{"text":"x","user_id":"bob","parent_id":"old"}}`, wire.CodeBadInput, "parent_id")
	f.must(f.send("messaging:general"), `{"message":{"text":"after","user_id":"bob"}}`)
	v = f.must(general, `{"state":true}`)
	f.want(v, "after", "messages", 0, "text")
	f.want(v, nil, "messages", 1)
	f.want(v, 1.0, "channel", "message_count")
}
