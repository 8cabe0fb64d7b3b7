package wire_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"hansard/internal/wire"
)

const (
	classicUser = `{"id":"al","role":"user","created_at":"2021-02-17T08:17:49.745857Z","updated_at":"2021-02-17T08:17:49.745857Z","banned":true,"online":false,"name":"Al","big":12345678901234567890,"f":2.50}`
	v2User      = `{"id":"al","role":"user","created_at":1613549869745857000,"updated_at":1613549869745857000,"banned":true,"online":false,"name":"Al","language":"","shadow_banned":false,"invisible":false,"blocked_user_ids":[],"teams":[],"custom":{"big":12345678901234567890,"f":2.50}}`
)

func TestToV2(t *testing.T) {
	t.Parallel()
	// U and V stand for a user in either dialect.
	tests := []struct {
		name          string
		kind          wire.Kind
		classic, want string
	}{
		{"user", wire.KindUser, `U`, `V`},
		{
			"dangling user", wire.KindUser, `{"id":"al","deleted_at":"2021-02-17T08:17:49Z"}`,
			`{"id":"al","deleted_at":1613549869000000000,"role":"user","language":"","banned":false,"shadow_banned":false,"online":false,"invisible":false,"created_at":0,"updated_at":0,"blocked_user_ids":[],"teams":[],"custom":{}}`,
		},
		{
			"channel", wire.KindChannel,
			`{"cid":"m:g","id":"g","type":"m","created_by":U,"created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","frozen":false,"disabled":false,"member_count":2,"message_count":1,"config":{"created_at":"2021-02-17T08:17:49Z","name":"m"},"name":"G"}`,
			`{"cid":"m:g","id":"g","type":"m","created_by":V,"created_at":1613549869000000000,"updated_at":1613549869000000000,"frozen":false,"disabled":false,"member_count":2,"message_count":1,"config":{"created_at":1613549869000000000,"name":"m","count_messages":false,"delivery_events":false,"mark_messages_pending":false,"polls":false,"shared_locations":false,"skip_last_msg_update_for_system_msgs":false,"user_message_reminders":false},"own_capabilities":[],"custom":{"name":"G"}}`,
		},
		{
			"member", wire.KindMember,
			`{"user_id":"al","user":U,"created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","banned":false,"shadow_banned":false,"archived_at":null,"pinned_at":null,"role":"member","channel_role":"channel_member","notifications_muted":false,"x":"2021-02-17T08:17:49Z"}`,
			`{"user_id":"al","user":V,"created_at":1613549869000000000,"updated_at":1613549869000000000,"banned":false,"shadow_banned":false,"archived_at":null,"pinned_at":null,"role":"member","channel_role":"channel_member","notifications_muted":false,"custom":{"x":"2021-02-17T08:17:49Z"}}`,
		},
		{
			"message", wire.KindMessage,
			`{"id":"m1","text":"a time: 2021-02-17T08:17:49Z","html":"","type":"regular","user":U,"attachments":[{"created_at":"2021-02-17T08:17:49Z"}],` +
				`"latest_reactions":[{"message_id":"m1","user_id":"al","user":U,"type":"like","score":1,"created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","k":1}],"own_reactions":[],` +
				`"reaction_counts":{"like":1},"reaction_scores":{"like":1},"reaction_groups":{"like":{"count":1,"sum_scores":1,"first_reaction_at":"2021-02-17T08:17:49Z","last_reaction_at":"2021-02-17T08:17:49Z"}},` +
				`"thread_participants":[U],"reply_count":1,"deleted_reply_count":0,"quoted_message_id":"q","quoted_message":{"id":"q","created_at":"2021-02-17T08:17:49Z"},"cid":"m:g",` +
				`"created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","shadowed":false,"mentioned_users":[U],"silent":false,"pinned":true,"pinned_at":"2021-02-17T08:17:49Z","pinned_by":U,"pin_expires":null,"p":{"a":1}}`,
			`{"id":"m1","text":"a time: 2021-02-17T08:17:49Z","html":"","type":"regular","user":V,"attachments":[{"created_at":"2021-02-17T08:17:49Z"}],` +
				`"latest_reactions":[{"message_id":"m1","user_id":"al","user":V,"type":"like","score":1,"created_at":1613549869000000000,"updated_at":1613549869000000000,"custom":{"k":1}}],"own_reactions":[],` +
				`"reaction_counts":{"like":1},"reaction_scores":{"like":1},"reaction_groups":{"like":{"count":1,"sum_scores":1,"first_reaction_at":1613549869000000000,"last_reaction_at":1613549869000000000}},` +
				`"thread_participants":[V],"reply_count":1,"deleted_reply_count":0,"quoted_message_id":"q","quoted_message":{"id":"q","created_at":1613549869000000000,"text":"","html":"","attachments":[],"latest_reactions":[],"own_reactions":[],"mentioned_users":[],"restricted_visibility":[],"reaction_counts":{},"reaction_scores":{},"reaction_groups":{},"reply_count":0,"deleted_reply_count":0,"pinned":false,"shadowed":false,"silent":false,"mentioned_channel":false,"mentioned_here":false,"custom":{}},"cid":"m:g",` +
				`"created_at":1613549869000000000,"updated_at":1613549869000000000,"shadowed":false,"mentioned_users":[V],"silent":false,"pinned":true,"pinned_at":1613549869000000000,"pinned_by":V,"pin_expires":null,"restricted_visibility":[],"mentioned_channel":false,"mentioned_here":false,"custom":{"p":{"a":1}}}`,
		},
		{"null where a list is due", wire.KindReaction, `{"user":null,"score":null}`, `{"user":null,"score":1,"custom":{}}`},
		{
			"read", wire.KindRead, `{"user":U,"last_read":"2021-02-17T08:17:49Z","unread_messages":3}`,
			`{"user":V,"last_read":1613549869000000000,"unread_messages":3}`,
		},
		{
			"task", wire.KindTask,
			`{"task_id":"t","status":"completed","created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","result":{"url":"u","expires_at":"2021-02-17T08:17:49Z","m:g":{"status":"ok"}},"error":null,"duration":"1ms"}`,
			`{"task_id":"t","status":"completed","created_at":1613549869000000000,"updated_at":1613549869000000000,"result":{"url":"u","expires_at":1613549869000000000,"m:g":{"status":"ok"}},"error":null,"duration":"1ms"}`,
		},
		{
			"answer", wire.KindAnswer,
			`{"users":{"created_at":U,"cid":U},"membership":null,"membership_deletion_task_id":"","channels":[{"channel":{"cid":"m:g","frozen":true,"disabled":true,"own_capabilities":[]},"messages":[],"read":[{"user":U,"unread_messages":0}]}],"import_task":{"created_at":"2021-02-17T08:17:49Z","history":[{"created_at":"2021-02-17T08:17:49Z","next_state":"x"}]},"duration":"1ms"}`,
			`{"users":{"created_at":V,"cid":V},"membership":null,"membership_deletion_task_id":"","channels":[{"channel":{"cid":"m:g","frozen":true,"disabled":true,"own_capabilities":[],"custom":{}},"messages":[],"read":[{"user":V,"unread_messages":0}]}],"import_task":{"created_at":1613549869000000000,"history":[{"created_at":1613549869000000000,"next_state":"x"}]},"duration":"1ms"}`,
		},
		{
			"call answer", wire.KindCallAnswer,
			`{"call":{"type":"d","id":"c","cid":"d:c","session":{"participants":[{"joined_at":"2021-02-17T08:17:49Z"}]}},"members":[{"user_id":"al","user":U,"created_at":"2021-02-17T08:17:49Z","k":1}]}`,
			`{"call":{"type":"d","id":"c","cid":"d:c","session":{"participants":[{"joined_at":1613549869000000000}]},"current_session_id":"","backstage":false,"recording":false,"transcribing":false,"translating":false,"captioning":false,"settings":{},"ingress":{"rtmp":{"address":""}},"egress":{"broadcasting":false,"rtmps":[]},"blocked_user_ids":[],"custom":{}},"members":[{"user_id":"al","user":V,"created_at":1613549869000000000,"custom":{"k":1}}]}`,
		},
		{
			"calls", wire.KindCallAnswer,
			`{"calls":[{"call":{"cid":"d:c","deleted_at":"2021-02-17T08:17:49Z","team":"red","settings":{"created_at":"2021-02-17T08:17:49Z"},"members":[{"user_id":"al","role":"x","updated_at":"2021-02-17T08:17:49Z","k":1}],"topic":2.50},"members":[{"user_id":"al"}]}]}`,
			`{"calls":[{"call":{"cid":"d:c","deleted_at":1613549869000000000,"team":"red","settings":{"created_at":"2021-02-17T08:17:49Z"},"members":[{"user_id":"al","role":"x","updated_at":1613549869000000000,"custom":{"k":1}}],"current_session_id":"","backstage":false,"recording":false,"transcribing":false,"translating":false,"captioning":false,"ingress":{"rtmp":{"address":""}},"egress":{"broadcasting":false,"rtmps":[]},"blocked_user_ids":[],"custom":{"topic":2.50}},"members":[{"user_id":"al","custom":{}}]}]}`,
		},
		{"channel type", wire.KindChannelType, `{"name":"m","created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","polls":true,"commands":[{"name":"ban","created_at":"2021-02-17T08:17:49Z"},"mute"],"grants":{"created_at":["x"]},"permissions":[]}`, `{"name":"m","created_at":1613549869000000000,"updated_at":1613549869000000000,"polls":true,"commands":[{"name":"ban","created_at":1613549869000000000},"mute"],"grants":{"created_at":["x"]},"permissions":[],"count_messages":false,"delivery_events":false,"mark_messages_pending":false,"shared_locations":false,"skip_last_msg_update_for_system_msgs":false,"user_message_reminders":false}`},
		{
			"channel types", wire.KindAnswer, `{"channel_types":{"m":{"name":"m","created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","polls":true,"commands":[{"name":"ban","created_at":"2021-02-17T08:17:49Z"},"mute"],"grants":{"created_at":["x"]},"permissions":[]}},"app":{"name":"m","channel_configs":{"m":{"name":"m","created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","polls":true,"commands":[{"name":"ban","created_at":"2021-02-17T08:17:49Z"},"mute"],"grants":{"created_at":["x"]},"permissions":[]}}}}`,
			`{"channel_types":{"m":{"name":"m","created_at":1613549869000000000,"updated_at":1613549869000000000,"polls":true,"commands":[{"name":"ban","created_at":1613549869000000000},"mute"],"grants":{"created_at":["x"]},"permissions":[],"count_messages":false,"delivery_events":false,"mark_messages_pending":false,"shared_locations":false,"skip_last_msg_update_for_system_msgs":false,"user_message_reminders":false}},"app":{"name":"m","channel_configs":{"m":{"name":"m","created_at":1613549869000000000,"updated_at":1613549869000000000,"polls":true,"commands":[{"name":"ban","created_at":1613549869000000000},"mute"],"grants":{"created_at":["x"]},"permissions":[],"count_messages":false,"delivery_events":false,"mark_messages_pending":false,"shared_locations":false,"skip_last_msg_update_for_system_msgs":false,"user_message_reminders":false}}}}`,
		},
		{
			"event", wire.KindAnswer,
			`{"event":{"type":"x","cid":"m:g","channel_type":"m","channel_id":"g","user_id":"al","user":U,"created_at":"2021-02-17T08:17:49Z","at":"2021-02-17T08:17:49Z"}}`,
			`{"event":{"type":"x","cid":"m:g","channel_type":"m","channel_id":"g","user_id":"al","user":V,"created_at":1613549869000000000,"custom":{"at":"2021-02-17T08:17:49Z"}}}`,
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			in := strings.NewReplacer(":U", ":"+classicUser, "[U", "["+classicUser).Replace(":" + tc.classic)[1:]
			want := strings.NewReplacer(":V", ":"+v2User, "[V", "["+v2User).Replace(":" + tc.want)[1:]
			got, err := wire.ToV2(tc.kind, []byte(in))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestToV2RefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"quoted_message":`, 1000) + `{}` + strings.Repeat(`}`, 1000)
	for _, raw := range []string{``, `[]`, `null`, `{"user":{"id"}}`, `{"id" "x"}`, `{`, deep} {
		if got, err := wire.ToV2(wire.KindMessage, []byte(raw)); err == nil {
			t.Errorf("ToV2(%.40s) = %.80s", raw, got)
		}
	}
}

func FuzzToV2(f *testing.F) {
	f.Add(0, []byte(`{"users":{"a":`+classicUser+`},"channels":[{"channel":{"cid":"x"}}]}`))
	f.Add(5, []byte(`{"id":"x","\u0069d":2,"quoted_message":{"user":null},"reaction_groups":[{}],"created_at":"2021-02-17T08:17:49Z"}`))
	f.Add(9, []byte(`{"result":{"expires_at":""}}`))
	f.Fuzz(func(t *testing.T, kind int, raw []byte) {
		got, err := wire.ToV2(wire.Kind(kind), raw)
		if err == nil && jsontext.Value(raw).IsValid() && !jsontext.Value(got).IsValid() {
			t.Fatalf("ToV2(%d, %s) = %s", kind, raw, got)
		}
	})
}

// FuzzDecode feeds every decoder: none may panic, every error says where, and
// custom data that is let in is compact, valid JSON.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(classicUser))
	f.Add([]byte(`{"id":"m","cid":"a:b","user":{"id":"x"},"user_id":"x","type":"deleted","attachments":[{}],"latest_reactions":[{}],"quoted_message":{"id":"q"},"custom":{"a":1},"mentioned_users":["a"]}`))
	f.Add([]byte(`{"type":"a","id":"b","message_id":"m","user_id":"u","last_read":1,"members":[{"user_id":"x"},"y"],"session":{"participants":[{"user":{"id":"z"}}]},"created_at":1613549869745857000}`))
	f.Add([]byte(`"x"`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var emb wire.Embedded
		check := func(err error) {
			if err == nil {
				return
			}
			e, ok := err.(*wire.FieldError)
			if !ok || e.Offset < 0 || e.Offset > int64(len(raw)) || e.Reason == "" {
				t.Fatalf("error without a place: %#v", err)
			}
		}
		u, err := wire.DecodeUser(raw)
		check(err)
		for _, c := range u.Custom {
			var compact bytes.Buffer
			if err := json.Compact(&compact, c.Value); err != nil || !bytes.Equal(compact.Bytes(), c.Value) {
				t.Fatalf("custom %q: %q, %v", c.Name, c.Value, err)
			}
		}
		if u.UpdatedAt == 0 {
			u.UpdatedAt = u.CreatedAt
		}
		if err == nil && !u.Dangling() {
			if again, err := wire.DecodeUser(wire.AppendUser(nil, &u)); err != nil || again.ID != u.ID || len(again.Custom) != len(u.Custom) {
				t.Fatalf("%+v comes back as %+v, %v", u, again, err)
			}
		}
		_, err = wire.DecodeChannel(raw, &emb)
		check(err)
		_, err = wire.DecodeMember(raw, &emb)
		check(err)
		_, err = wire.DecodeRead(raw, &emb)
		check(err)
		_, err = wire.DecodeMessage(raw, &emb)
		check(err)
		_, err = wire.DecodeReaction(raw, &emb)
		check(err)
		call, err := wire.DecodeCall(raw, &emb)
		check(err)
		wire.Participants(call.Session)
		wire.Participants(raw)
		for i, v := range emb.Users {
			if !bytes.HasPrefix(raw[emb.UserAt[i]:], v) {
				t.Fatal("an embedded user is not where it should be")
			}
		}
	})
}

func TestToV2TimesFitInto64Bits(t *testing.T) {
	t.Parallel()
	for classic, want := range map[string]string{
		"2262-04-11T23:47:16.854775Z": "9223372036854775000",
		"2262-04-11T23:47:16.854776Z": "9223372036854775000",
		"9999-12-31T23:59:59Z":        "9223372036854775000",
		"2026-01-01T00:00:00.000001Z": "1767225600000001000",
	} {
		got, err := wire.ToV2(wire.KindUser, []byte(`{"id":"a","created_at":"`+classic+`"}`))
		if err != nil || !strings.Contains(string(got), `"created_at":`+want+`,`) {
			t.Errorf("%s: %s, %v", classic, got, err)
		}
	}
}
