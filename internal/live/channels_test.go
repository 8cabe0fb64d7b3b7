package live_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// channel calls a method that is about a channel; pairs are the query.
func (f *fixture) channel(cid string, method func(context.Context, int64, string, string, url.Values, []byte) ([]byte, error),
	pairs ...string,
) call {
	typ, id, _ := strings.Cut(cid, ":")
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return func(body string) ([]byte, error) { return method(f.t.Context(), f.app, typ, id, q, []byte(body)) }
}

// plain calls a method that takes only a body.
func (f *fixture) plain(method func(context.Context, int64, []byte) ([]byte, error)) call {
	return func(body string) ([]byte, error) { return method(f.t.Context(), f.app, []byte(body)) }
}

// userList makes a list of n user ids.
func userList(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%q", fmt.Sprint("u", i))
	}
	return strings.Join(list, ",")
}

// each lists what stands at a path in every entry of a list.
func each(list any, path ...any) []any {
	entries, _ := list.([]any)
	found := []any{}
	for _, e := range entries {
		found = append(found, get(e, path...))
	}
	return found
}

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
	f.want(v, "pending", "members", 2, "status")
	f.want(v, nil, "members", 0, "status")
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
		{`{"data":{"created_by_id":"ann","filter_tags":"vip"}}`, []string{"data.filter_tags", "array"}},
		{`{"data":{"created_by_id":"ann","filter_tags":[""]}}`, []string{"data.filter_tags", "strings"}},
		{`{"data":{"created_by_id":"ann","custom":{"cid":"x"}}}`, []string{"data.custom.cid", "built-in"}},
		{`{"data":{"created_by_id":"ann","members":[` + userList(101) + `]}}`, []string{"data.members", "100"}},
		{`{"data":{"created_by_id":"ann","members":["ann"],"invites":["x","ann","y"]}}`, []string{"data.invites", "x, y"}},
		{`{"messages":7}`, []string{"messages", "object"}},
		{`{"messages":{"limit":301}}`, []string{"messages.limit", "300"}},
		{`{"messages":{"id_lt":7}}`, []string{"messages.id_lt", "string"}},
		{`{"messages":{"id_near":"x"}}`, []string{"messages.id_near", "not available"}},
		{`{"messages":{"created_at_after":"soon"}}`, []string{"messages.created_at_after", "time"}},
		{`{"messages":{"id_around":"x","id_lt":"y"}}`, []string{"messages.id_lt", "messages.id_around"}},
		{`{"messages":{"id_around":"x","created_at_around":1}}`, []string{"around"}},
		{`{"messages":{"id_around":"x","offset":1}}`, []string{"messages.id_around", "offset"}},
		{`{"messages":{"offset":1001}}`, []string{"messages.offset", "1000"}},
		{`{"members":{"limit":-1}}`, []string{"members.limit"}},
		{`{"members":{"id_gt":"x"}}`, []string{"members.id_gt", "not available"}},
		{`{"state":"yes"}`, []string{"state"}},
		{`{"hide_for_creator":1,"data":{"created_by_id":"ann"}}`, []string{"hide_for_creator"}},
		{`{"user_id":"nobody","data":{"created_by_id":"ann"}}`, []string{"user_id", "nobody"}},
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

func TestStartingAnewForgetsMarks(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.send("messaging:general"), `{"message":{"text":"x","user_id":"bob"}}`)
	f.must(f.channel("messaging:general", f.live.HideChannel), `{"user_id":"bob","clear_history":true}`)
	f.must(f.plain(f.live.MuteChannels), `{"user_id":"bob","channel_cids":["messaging:general"]}`)
	f.must(f.channel("messaging:general", f.live.DeleteChannel), ``)
	f.pass(time.Minute)
	v := f.must(f.query("messaging:general"), `{"user_id":"bob","data":{"created_by_id":"ann","members":["bob"]}}`)
	for _, key := range []string{"hidden", "hide_messages_before", "muted"} {
		f.want(v, nil, "channel", key)
	}
	f.want(v, false, "membership", "notifications_muted")
}

func TestDistinctChannel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.users, `{"users":{"ann":{"id":"ann"},"bob":{"id":"bob"},"eve":{"id":"eve"}}}`)
	distinct := func(typ string) call {
		return func(body string) ([]byte, error) {
			return f.live.GetOrCreateDistinctChannel(t.Context(), f.app, typ, []byte(body))
		}
	}
	c := distinct("messaging")
	v := f.must(c, `{"data":{"created_by_id":"ann","members":["bob",{"user_id":"ann"},"bob"],"invites":["eve"],"topic":"two"}}`)
	id, _ := get(v, "channel", "id").(string)
	if !strings.HasPrefix(id, "!members-") {
		t.Errorf("id %q", id)
	}
	f.want(v, "messaging:"+id, "channel", "cid")
	f.want(v, 3.0, "channel", "member_count")
	for _, body := range []string{
		`{"data":{"members":["ann","bob"]}}`, `{"data":{"created_by_id":"eve","members":[{"user":{"id":"bob"}},"ann"],"topic":"other"}}`,
	} {
		v = f.must(c, body)
		f.want(v, id, "channel", "id")
		f.want(v, "two", "channel", "topic")
		f.want(v, "ann", "channel", "created_by", "id")
	}
	// Another type, or other members, make another channel.
	v = f.must(distinct("team"), `{"data":{"created_by_id":"ann","members":["ann","bob"]}}`)
	f.want(v, id, "channel", "id")
	f.want(v, nil, "channel", "topic")
	v = f.must(c, `{"data":{"created_by_id":"ann","members":["ann","bob","eve"]}}`)
	if get(v, "channel", "id") == id {
		t.Error("more members, and the same channel")
	}
	f.refused(c, `{"data":{"created_by_id":"ann"}}`, wire.CodeBadInput, "data.members", "required")
	f.refused(c, `{"data":{"created_by_id":"ann","members":[]}}`, wire.CodeBadInput, "data.members", "required")
	f.refused(c, `{"data":{"created_by_id":"ann","invites":["bob"]}}`, wire.CodeBadInput, "data.members", "required")
	f.refused(c, `{"data":{"created_by_id":"ann","members":["bob"],"id":"x"}}`, wire.CodeBadInput, "data.id")
	f.refused(c, `{"data":{"members":["bob"]}}`, wire.CodeBadInput, "created_by_id")
	f.refused(c, `{"data":{"created_by_id":"ann","members":["bob","x"]}}`, wire.CodeBadInput, "data.members", "x")
	f.refused(distinct("a b"), `{"data":{"created_by_id":"ann","members":["bob"]}}`, wire.CodeBadInput, "type")
}

func TestHideForCreator(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	v := f.must(f.query("messaging:x"), `{"user_id":"ann","hide_for_creator":true,"data":{"created_by_id":"ann","members":["ann","bob"]}}`)
	f.want(v, true, "channel", "hidden")
	f.want(v, true, "hidden")
	v = f.must(f.query("messaging:x"), `{"user_id":"bob"}`)
	f.want(v, nil, "hidden")
	// It is for who creates the channel, then and there.
	v = f.must(f.query("messaging:general"), `{"user_id":"ann","hide_for_creator":true}`)
	f.want(v, nil, "hidden")
}

func TestGetChannel(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	for i := range 4 {
		f.must(f.send("messaging:general"), fmt.Sprintf(`{"message":{"id":"m%d","text":"x","user_id":"bob"}}`, i))
	}
	at := func(pairs ...string) call { return f.channel("messaging:general", f.live.GetChannel, pairs...) }
	v := f.must(at("api_key", "k"), ``)
	f.want(each(get(v, "messages"), "id"), []any{"m0", "m1", "m2", "m3"})
	f.want(v, nil, "membership")
	v = f.must(at("state", "false", "members_limit", "1", "members_offset", "1", "user_id", "bob"), ``)
	f.want(v, []any{}, "messages")
	f.want(each(get(v, "members"), "user_id"), []any{"bob"})
	f.want(v, "bob", "membership", "user_id")
	v = f.must(at("messages_limit", "2", "messages_id_lt", "m3", "state", "true"), ``)
	f.want(each(get(v, "messages"), "id"), []any{"m1", "m2"})
	v = f.must(at("messages_created_at_after", "2026-03-01T12:00:00.000001Z"), ``)
	f.want(each(get(v, "messages"), "id"), []any{"m2", "m3"})
	for _, pairs := range [][]string{
		{"messages_limit", "many"},
		{"messages_limit", "1000"},
		{"members_limit", "-1"},
		{"state", "maybe"},
		{"user_id", "nobody"},
		{"messages_id_lt", "nothing"},
		{"messages_color", "red"},
	} {
		f.refused(at(pairs...), ``, wire.CodeBadInput, pairs[0])
	}
	f.refused(f.channel("messaging:none", f.live.GetChannel), ``, wire.CodeNotFound, "messaging:none")
	f.refused(f.channel("messaging:a/b", f.live.GetChannel), ``, wire.CodeBadInput, "id")
	f.must(f.channel("messaging:general", f.live.DeleteChannel), ``)
	f.refused(at(), ``, wire.CodeNotFound, "messaging:general")
}
