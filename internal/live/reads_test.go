package live_test

import (
	"testing"
	"time"

	"hansard/internal/wire"
)

func (f *fixture) read(cid, user string) any {
	f.t.Helper()
	reads, _ := get(f.must(f.query(cid), `{}`), "read").([]any)
	for _, r := range reads {
		if get(r, "user", "id") == user {
			return r
		}
	}
	return nil
}

func TestMarkRead(t *testing.T) {
	t.Parallel()
	f := talk(t) // until 12:10
	mark := f.channel("messaging:general", f.live.MarkRead)
	v := f.must(mark, `{"user_id":"ann"}`)
	f.want(v, map[string]any{
		"type": "message.read", "cid": "messaging:general", "channel_id": "general", "channel_type": "messaging",
		"created_at": "2026-03-01T12:10:00Z", "last_read_message_id": "m9", "user": get(v, "event", "user"),
	}, "event")
	f.want(v, "ann", "event", "user", "id")
	r := f.read("messaging:general", "ann")
	f.want(r, "2026-03-01T12:10:00Z", "last_read")
	f.want(r, "m9", "last_read_message_id")
	f.want(r, 0.0, "unread_messages")

	// Up to a message, which may be one that was read before.
	v = f.must(mark, `{"user":{"id":"ann"},"message_id":"m6"}`)
	f.want(v, "m6", "event", "last_read_message_id")
	r = f.read("messaging:general", "ann")
	f.want(r, "2026-03-01T12:06:00Z", "last_read")
	f.want(r, 3.0, "unread_messages")
	f.must(f.send("messaging:general"), `{"message":{"id":"m10","text":"x","user_id":"bob"}}`)
	f.want(f.read("messaging:general", "ann"), 4.0, "unread_messages")

	// Threads have no read state of their own.
	v = f.must(mark, `{"user_id":"ann","thread_id":"m4"}`)
	f.want(v, "m4", "event", "thread_id")
	f.want(v, nil, "event", "last_read_message_id")
	f.want(f.read("messaging:general", "ann"), 4.0, "unread_messages")

	f.must(f.users, `{"users":{"kim":{"id":"kim"}}}`)
	f.must(f.query("messaging:other"), `{"data":{"created_by_id":"ann","members":["ann"]}}`)
	f.must(f.send("messaging:other"), `{"message":{"id":"elsewhere","text":"x","user_id":"bob"}}`)
	for _, tt := range []struct{ body, word string }{
		{`{}`, "user_id"},
		{`{"user_id":""}`, "user_id"},
		{`{"user_id":7}`, "user_id"},
		{`{"user_id":"nobody"}`, "nobody"},
		{`{"user_id":"kim"}`, "not a member"},
		{`{"user_id":"ann","message_id":"nothing"}`, "message_id"},
		{`{"user_id":"ann","message_id":"elsewhere"}`, "message_id"},
		{`{"user_id":"ann","thread_id":"elsewhere"}`, "thread_id"},
	} {
		f.refused(mark, tt.body, wire.CodeBadInput, tt.word)
	}
	f.refused(f.channel("messaging:none", f.live.MarkRead), `{"user_id":"ann"}`, wire.CodeNotFound)
	f.must(f.channel("messaging:general", f.live.TruncateChannel), ``)
	f.refused(mark, `{"user_id":"ann","message_id":"m6"}`, wire.CodeBadInput, "message_id")
	v = f.must(mark, `{"user_id":"ann"}`)
	f.want(v, nil, "event", "last_read_message_id")
}

func TestMarkUnread(t *testing.T) {
	t.Parallel()
	f := talk(t)
	mark := f.channel("messaging:general", f.live.MarkUnread)
	f.must(f.channel("messaging:general", f.live.MarkRead), `{"user_id":"ann"}`)
	f.want(f.must(mark, `{"user_id":"ann","message_id":"m7"}`), map[string]any{})
	r := f.read("messaging:general", "ann")
	f.want(r, 3.0, "unread_messages")
	f.want(r, "r1", "last_read_message_id")
	f.want(r, "2026-03-01T12:06:59.999999Z", "last_read")
	// One's own messages are never unread.
	f.must(mark, `{"user_id":"bob","message_id":"m0"}`)
	r = f.read("messaging:general", "bob")
	f.want(r, 2.0, "unread_messages")
	f.want(r, nil, "last_read_message_id")
	f.must(mark, `{"user_id":"ann","message_timestamp":"2026-03-01T12:08:30Z"}`)
	r = f.read("messaging:general", "ann")
	f.want(r, 1.0, "unread_messages")
	f.want(r, "m8", "last_read_message_id")
	f.must(mark, `{"user_id":"ann","message_timestamp":"2001-01-01T00:00:00Z"}`)
	f.want(f.read("messaging:general", "ann"), 10.0, "unread_messages")
	f.want(f.must(mark, `{"user_id":"ann","thread_id":"m4"}`), map[string]any{})
	for _, tt := range []struct{ body, word string }{
		{`{"message_id":"m7"}`, "user_id"},
		{`{"user_id":"ann"}`, "message_id"},
		{`{"user_id":"ann","message_id":"nothing"}`, "message_id"},
		{`{"user_id":"ann","message_id":"m7","thread_id":"m4"}`, "message_id"},
		{`{"user_id":"ann","thread_id":"nothing"}`, "thread_id"},
		{`{"user_id":"ann","message_timestamp":"soon"}`, "message_timestamp"},
		{`{"user_id":"nobody","message_id":"m7"}`, "nobody"},
	} {
		f.refused(mark, tt.body, wire.CodeBadInput, tt.word)
	}
	f.refused(f.channel("messaging:none", f.live.MarkUnread), `{"user_id":"ann","message_id":"m7"}`, wire.CodeNotFound)
}

func TestMarkChannelsRead(t *testing.T) {
	t.Parallel()
	f := talk(t)
	f.must(f.query("team:a"), `{"data":{"created_by_id":"ann","members":["ann","bob"]}}`)
	f.must(f.query("team:b"), `{"data":{"created_by_id":"bob","members":["bob"]}}`)
	f.must(f.query("team:gone"), `{"data":{"created_by_id":"bob","members":["ann","bob"]}}`)
	f.must(f.query("team:silent"), `{"data":{"created_by_id":"bob","members":["ann","bob"]}}`)
	for _, cid := range []string{"team:a", "team:b", "team:gone"} {
		f.must(f.send(cid), `{"message":{"text":"x","user_id":"bob"}}`)
	}
	f.must(f.channel("team:gone", f.live.DeleteChannel), ``)
	f.pass(time.Minute)
	mark := f.plain(f.live.MarkChannelsRead)
	f.must(mark, `{"user_id":"ann","read_by_channel":{"messaging:general":"m8","team:a":""}}`)
	f.want(f.read("messaging:general", "ann"), 1.0, "unread_messages")
	f.want(f.read("team:a", "ann"), 0.0, "unread_messages")
	f.must(f.send("team:a"), `{"message":{"text":"x","user_id":"bob"}}`)
	v := f.must(mark, `{"user_id":"ann"}`)
	f.want(v, "notification.mark_read", "event", "type")
	f.want(v, "ann", "event", "user", "id")
	f.want(v, "2026-03-01T12:11:00Z", "event", "created_at")
	for _, cid := range []string{"messaging:general", "team:a"} {
		f.want(f.read(cid, "ann"), 0.0, "unread_messages")
	}
	f.want(f.read("team:b", "ann"), nil)
	f.want(f.read("team:silent", "ann"), nil)
	for _, tt := range []struct{ body, word string }{
		{`{}`, "user_id"},
		{`{"user_id":"nobody"}`, "nobody"},
		{`{"user_id":"ann","read_by_channel":[]}`, "read_by_channel"},
		{`{"user_id":"ann","read_by_channel":{"general":""}}`, "read_by_channel"},
		{`{"user_id":"ann","read_by_channel":{"team:a":7}}`, "read_by_channel.team:a"},
		{`{"user_id":"ann","read_by_channel":{"team:a":"m8"}}`, "read_by_channel.team:a"},
		{`{"user_id":"ann","read_by_channel":{"team:b":""}}`, "not a member"},
	} {
		f.refused(mark, tt.body, wire.CodeBadInput, tt.word)
	}
	f.refused(mark, `{"user_id":"ann","read_by_channel":{"team:x":"","team:gone":""}}`, wire.CodeNotFound, "team:x", "team:gone")
}
