package live_test

import (
	"fmt"
	"testing"
	"time"

	"hansard/internal/wire"
)

// unread lists the unread counts of a channel by user.
func (f *fixture) unread(cid string) map[string]any {
	f.t.Helper()
	counts := map[string]any{}
	reads, _ := get(f.must(f.query(cid), `{}`), "read").([]any)
	for _, r := range reads {
		id, _ := get(r, "user", "id").(string)
		counts[id] = get(r, "unread_messages")
	}
	return counts
}

func TestTruncateChannel(t *testing.T) {
	t.Parallel()
	for _, hard := range []bool{false, true} {
		t.Run(fmt.Sprint("hard ", hard), func(t *testing.T) {
			t.Parallel()
			f := talk(t) // until 12:10
			truncate := f.channel("messaging:general", f.live.TruncateChannel)
			f.must(f.channel("messaging:general", f.live.MarkRead), `{"user_id":"ann","message_id":"m2"}`)
			f.want(f.unread("messaging:general"), map[string]any{"ann": 7.0, "bob": 0.0})

			// Up to an instant.
			v := f.must(truncate, fmt.Sprintf(`{"hard_delete":%v,"truncated_at":"2026-03-01T14:07:00+02:00","user_id":"bob"}`, hard))
			f.want(v, "2026-03-01T12:07:00Z", "channel", "truncated_at")
			f.want(v, "bob", "channel", "truncated_by", "id")
			f.want(v, 3.0, "channel", "message_count")
			f.want(v, "2026-03-01T12:09:00Z", "channel", "last_message_at")
			f.want(v, "2026-03-01T12:10:00Z", "channel", "updated_at")
			f.want(v, nil, "message")
			f.want(f.unread("messaging:general"), map[string]any{"ann": 3.0, "bob": 0.0})
			v = f.must(f.query("messaging:general"), `{"state":true}`)
			f.want(each(get(v, "messages"), "id"), []any{"m7", "m8", "m9"})

			// All of it, with a system message, which stays.
			f.pass(time.Minute)
			v = f.must(truncate, fmt.Sprintf(`{"hard_delete":%v,"message":{"id":"fresh","text":"A fresh start","user":{"id":"ann"}},"skip_push":true}`, hard))
			f.want(v, "2026-03-01T12:11:00Z", "channel", "truncated_at")
			f.want(v, nil, "channel", "truncated_by")
			f.want(v, "2026-03-01T12:11:00Z", "channel", "last_message_at")
			f.want(v, 1.0, "channel", "message_count")
			f.want(v, "system", "message", "type")
			f.want(v, "ann", "message", "user", "id")
			f.want(f.unread("messaging:general"), map[string]any{"ann": 0.0, "bob": 1.0})
			v = f.must(f.query("messaging:general"), `{"state":true}`)
			f.want(each(get(v, "messages"), "id"), []any{"fresh"})
			want := 13
			if hard {
				want = 1
			}
			f.want(f.row("messaging:general").TotalMessages, want)

			// At one instant twice, without a word.
			f.must(truncate, ``)
			v = f.must(f.query("messaging:general"), `{"state":true}`)
			f.want(v, []any{}, "messages")
			f.want(v, "2026-03-01T12:11:00.000001Z", "channel", "truncated_at")
			f.want(v, nil, "channel", "last_message_at")
			f.must(f.send("messaging:general"), `{"message":{"id":"next","text":"x","user_id":"bob"}}`)
			v = f.must(f.query("messaging:general"), `{"state":true}`)
			f.want(each(get(v, "messages"), "id"), []any{"next"})
		})
	}
}

func TestTruncateRefuses(t *testing.T) {
	t.Parallel()
	f := talk(t)
	truncate := f.channel("messaging:general", f.live.TruncateChannel)
	f.must(truncate, `{"truncated_at":"2026-03-01T12:05:00Z"}`)
	for _, tt := range []struct {
		body  string
		words []string
	}{
		{`[]`, []string{"object"}},
		{`{"truncated_at":"2026-03-01T12:04:59Z"}`, []string{"truncated_at", "2026-03-01T12:05:00Z"}},
		{`{"truncated_at":"2026-03-01T12:10:01Z"}`, []string{"truncated_at", "future"}},
		{`{"truncated_at":"soon"}`, []string{"truncated_at"}},
		{`{"hard_delete":1}`, []string{"hard_delete"}},
		{`{"user_id":"nobody"}`, []string{"user_id", "nobody"}},
		{`{"message":{"text":"x"}}`, []string{"either message.user or message.user_id"}},
		{`{"message":{"text":"x","user_id":"nobody"}}`, []string{"message.user_id", "nobody"}},
		{`{"message":"x","user_id":"ann"}`, []string{"message", "object"}},
		{`{"member_ids":["nobody"]}`, []string{"member_ids", "nobody"}},
		{`{"member_ids":["bob"],"hard_delete":true}`, []string{"member_ids", "hard_delete"}},
	} {
		f.refused(truncate, tt.body, wire.CodeBadInput, tt.words...)
	}
	f.must(f.users, `{"users":{"kim":{"id":"kim"}}}`)
	f.refused(truncate, `{"member_ids":["kim"]}`, wire.CodeBadInput, "member_ids", "not a member")
	f.refused(f.channel("messaging:none", f.live.TruncateChannel), ``, wire.CodeNotFound)
	v := f.must(f.query("messaging:general"), `{}`)
	f.want(v, "2026-03-01T12:05:00Z", "channel", "truncated_at")
}

func TestTruncateForMembers(t *testing.T) {
	t.Parallel()
	f := talk(t)
	f.must(f.channel("messaging:general", f.live.MarkRead), `{"user_id":"ann","message_id":"m2"}`)
	v := f.must(f.channel("messaging:general", f.live.TruncateChannel), `{"member_ids":["ann"],"truncated_at":"2026-03-01T12:08:00Z"}`)
	f.want(v, nil, "channel", "truncated_at")
	f.want(f.unread("messaging:general"), map[string]any{"ann": 2.0, "bob": 0.0})
	v = f.must(f.query("messaging:general"), `{"state":true,"user_id":"ann"}`)
	f.want(each(get(v, "messages"), "id"), []any{"m8", "m9"})
	v = f.must(f.query("messaging:general"), `{"state":true,"user_id":"bob"}`)
	f.want(len(get(v, "messages").([]any)), 11)
	v = f.must(f.channel("messaging:general", f.live.TruncateChannel), `{"member_ids":["ann","bob"]}`)
	f.want(v, 12.0, "channel", "message_count")
	f.want(f.unread("messaging:general"), map[string]any{"ann": 0.0, "bob": 0.0})
}

func TestTruncateLargeChannel(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.fill("messaging:general", 13_500)
	v := f.must(f.channel("messaging:general", f.live.TruncateChannel), `{"hard_delete":true,"user_id":"ann","message":{"id":"fresh","text":"x"}}`)
	f.want(v, 1.0, "channel", "message_count")
	f.want(f.row("messaging:general").TotalMessages, 2_501)
	tasks := f.tasks()
	if len(tasks) != 1 {
		t.Fatalf("%d tasks", len(tasks))
	}
	if _, _, err := f.work(t.Context(), &tasks[0]); err != nil {
		t.Fatal(err)
	}
	f.want(f.row("messaging:general").TotalMessages, 1)
	v = f.must(f.query("messaging:general"), `{"state":true}`)
	f.want(each(get(v, "messages"), "id"), []any{"fresh"})
}
