package live_test

import (
	"testing"
	"time"

	"hansard/internal/wire"
)

func TestHideAndShow(t *testing.T) {
	t.Parallel()
	f := talk(t)
	hide, show := f.channel("messaging:general", f.live.HideChannel), f.channel("messaging:general", f.live.ShowChannel)
	general := f.query("messaging:general")
	f.want(f.must(hide, `{"user_id":"bob"}`), map[string]any{})
	v := f.must(general, `{"user_id":"bob","state":true}`)
	f.want(v, true, "hidden")
	f.want(v, true, "channel", "hidden")
	f.want(v, nil, "hide_messages_before")
	f.want(len(get(v, "messages").([]any)), 11)
	f.want(f.must(general, `{"user_id":"ann"}`), nil, "hidden")
	f.want(f.must(general, `{}`), nil, "hidden")
	f.want(f.must(show, `{"user":{"id":"bob"}}`), map[string]any{})
	f.must(show, `{"user_id":"bob"}`)
	f.want(f.must(general, `{"user_id":"bob"}`), nil, "hidden")

	// The history is cleared for one user, and stays cleared.
	f.must(f.channel("messaging:general", f.live.MarkRead), `{"user_id":"ann","message_id":"m0"}`)
	f.must(hide, `{"user_id":"ann","clear_history":true}`)
	f.want(f.unread("messaging:general"), map[string]any{"ann": 0.0, "bob": 0.0})
	f.must(show, `{"user_id":"ann"}`)
	f.pass(time.Minute)
	v = f.must(general, `{"user_id":"ann","state":true}`)
	f.want(v, []any{}, "messages")
	f.want(v, "2026-03-01T12:10:00Z", "hide_messages_before")
	f.want(f.must(general, `{"state":true}`), 12.0, "channel", "message_count")
	f.refused(f.channel("messaging:general", f.live.MarkUnread), `{"user_id":"ann","message_id":"m5"}`, wire.CodeBadInput, "message_id")
	f.must(f.channel("messaging:general", f.live.MarkUnread), `{"user_id":"ann","message_timestamp":"2026-03-01T12:00:00Z"}`)
	f.want(f.unread("messaging:general"), map[string]any{"ann": 0.0, "bob": 0.0})

	// A new message brings a hidden channel back.
	f.must(hide, `{"user_id":"bob"}`)
	f.must(f.channel("messaging:general", f.live.UpdateChannel), `{"message":{"text":"news","user_id":"ann"}}`)
	f.want(f.must(general, `{"user_id":"bob"}`), nil, "hidden")

	for _, c := range []call{hide, show} {
		for _, body := range []string{`{}`, `{"user_id":"nobody"}`, `{"user_id":7}`, `[]`} {
			f.refused(c, body, wire.CodeBadInput)
		}
	}
	f.refused(hide, `{"user_id":"bob","clear_history":1}`, wire.CodeBadInput, "clear_history")
	f.refused(f.channel("messaging:none", f.live.HideChannel), `{"user_id":"bob"}`, wire.CodeNotFound)
	f.refused(f.channel("messaging:none", f.live.ShowChannel), `{"user_id":"bob"}`, wire.CodeNotFound)
}

func TestMuteChannels(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.query("team:a"), `{"data":{"created_by_id":"ann","members":["ann"]}}`)
	mute, unmute := f.plain(f.live.MuteChannels), f.plain(f.live.UnmuteChannels)
	v := f.must(mute, `{"user_id":"bob","channel_cids":["messaging:general","team:a"]}`)
	f.want(each(get(v, "channel_mutes"), "channel", "cid"), []any{"messaging:general", "team:a"})
	f.want(v, "messaging:general", "channel_mute", "channel", "cid")
	f.want(v, "bob", "channel_mute", "user", "id")
	f.want(v, "2026-03-01T12:00:00Z", "channel_mute", "created_at")
	f.want(v, nil, "channel_mute", "expires")
	v = f.must(f.query("messaging:general"), `{"user_id":"bob"}`)
	f.want(v, true, "membership", "notifications_muted")
	f.want(v, true, "channel", "muted")
	f.want(v, nil, "channel", "mute_expires_at")
	f.pass(time.Minute)
	v = f.must(mute, `{"user_id":"bob","channel_cid":"messaging:general","expiration":90500}`)
	f.want(v, "2026-03-01T12:00:00Z", "channel_mute", "created_at")
	f.want(v, "2026-03-01T12:01:00Z", "channel_mute", "updated_at")
	f.want(v, "2026-03-01T12:02:30.5Z", "channel_mute", "expires")
	f.want(f.must(f.query("messaging:general"), `{"user_id":"bob"}`), "2026-03-01T12:02:30.5Z", "channel", "mute_expires_at")
	f.pass(2 * time.Minute)
	f.want(f.must(f.query("messaging:general"), `{"user_id":"bob"}`), nil, "channel", "muted")
	v = f.must(unmute, `{"user_id":"bob","channel_cids":["messaging:general","team:a"]}`)
	f.want(each(get(v, "channel_mutes"), "channel", "cid"), []any{"team:a"})
	v = f.must(f.query("messaging:general"), `{"user_id":"bob"}`)
	f.want(v, false, "membership", "notifications_muted")
	v = f.must(unmute, `{"user_id":"bob","channel_cid":"messaging:general"}`)
	f.want(v, map[string]any{"channel_mute": nil, "channel_mutes": []any{}})
	for _, tt := range []struct{ body, word string }{
		{`{"user_id":"bob"}`, "channel_cids"},
		{`{"channel_cid":"team:a"}`, "user_id"},
		{`{"channel_cid":"team","user_id":"bob"}`, "channel_cid"},
		{`{"channel_cid":"team:a","user_id":"nobody"}`, "nobody"},
		{`{"channel_cid":"team:a","user_id":"bob","expiration":-1}`, "expiration"},
		{`{"channel_cids":"team:a","user_id":"bob"}`, "channel_cids"},
	} {
		f.refused(mute, tt.body, wire.CodeBadInput, tt.word)
	}
	f.refused(mute, `{"channel_cids":["team:a","team:x","team:y"],"user_id":"bob"}`, wire.CodeNotFound, "team:x", "team:y")
	f.refused(unmute, `{"channel_cid":"team:x","user_id":"bob"}`, wire.CodeNotFound, "team:x")
}
