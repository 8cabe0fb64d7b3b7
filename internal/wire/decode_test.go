package wire_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hansard/internal/chat"
	"hansard/internal/wire"
)

func at(t *testing.T, s string) chat.Time {
	t.Helper()
	v, err := chat.ParseTime(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func custom(pairs ...string) chat.Custom {
	var c chat.Custom
	for i := 0; i < len(pairs); i += 2 {
		c = append(c, chat.CustomField{Name: pairs[i], Value: chat.Raw(pairs[i+1])})
	}
	return c
}

func TestDecodeUser(t *testing.T) {
	t.Parallel()
	tm := at(t, "2021-02-17T08:17:49.745857Z")
	tests := map[string]struct {
		raw  string
		want chat.User
	}{
		"only an id":     {`{"id":"alice"}`, chat.User{ID: "alice"}},
		"dangling":       {`{"id":"a","deleted_at":"2021-02-17T08:17:49.745857Z"}`, chat.User{ID: "a", DeletedAt: tm}},
		"white space":    {" {\n \"id\" : \"a\" , \"banned\" : true } ", chat.User{ID: "a", Banned: true}},
		"escaped name":   {`{"\u0069d":"\u0061"}`, chat.User{ID: "a"}},
		"empty = absent": {`{"id":"a","name":"","image":"","role":"","teams":[],"language":""}`, chat.User{ID: "a"}},
		"null = absent": {
			`{"id":"a","name":null,"teams":null,"created_at":null,"banned":null,"custom":null}`,
			chat.User{ID: "a"},
		},
		"a time never set": {`{"id":"a","created_at":"0001-01-01T00:00:00Z"}`, chat.User{ID: "a"}},
		"times": {
			`{"id":"a","created_at":1613549869745857999,"updated_at":"2021-02-17T10:17:49.7458579+02:00"}`,
			chat.User{ID: "a", CreatedAt: tm, UpdatedAt: tm},
		},
		"everything": {
			`{"id":"a","role":"admin","created_at":"2021-02-17T08:17:49.745857Z","updated_at":"2021-02-17T08:17:49.745857Z",` +
				`"last_active":"2021-02-17T08:17:49.745857Z","deactivated_at":"2021-02-17T08:17:49.745857Z",` +
				`"banned":true,"online":true,"name":"A \"<","image":"i","language":"en","teams":["red","blue"],"invisible":true,` +
				`"shadow_banned":true,"privacy_settings":{},"devices":[],"total_unread_count":3,"blocked_user_ids":["x"]}`,
			chat.User{
				ID: "a", Role: "admin", CreatedAt: tm, UpdatedAt: tm, LastActive: tm, DeactivatedAt: tm,
				Banned: true, Name: `A "<`, Image: "i", Language: "en", Teams: []string{"red", "blue"}, Invisible: true,
			},
		},
		"custom": {
			`{"z":2.50,"id":"a","m":{"b" : [ 1e400 ],"a":"<"},"custom":{"y":12345678901234567890123,"z":"no","\u0061":null},"n":null}`,
			chat.User{ID: "a", Custom: custom("a", "null", "m", `{"b":[1e400],"a":"\u003c"}`, "n", "null",
				"y", "12345678901234567890123", "z", "2.50")},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := wire.DecodeUser([]byte(tc.raw))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, got, tc.want)
		})
	}
}

func TestDecodeChannel(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		raw   string
		want  wire.ChannelInput
		users []string
	}{
		"type and id": {
			`{"type":"messaging","id":"general","created_by":"bob"}`,
			wire.ChannelInput{Channel: chat.Channel{Type: "messaging", ID: "general", CreatedBy: "bob"}},
			nil,
		},
		"cid": {
			`{"cid":"messaging:general","created_by_id":"bob","created_by":{"id":"bob"}}`,
			wire.ChannelInput{Channel: chat.Channel{Type: "messaging", ID: "general", CreatedBy: "bob"}},
			nil,
		},
		"objects": {
			`{"cid":"m:g","created_by":{"id":"bob","name":"Bob"},"truncated_by":{"id":"eve","deleted_at":1},"config":{"x":1},` +
				`"members":["al",{"user":{"id":"cy","role":"user"},"user_id":"cy"}],"member_count":2,"own_capabilities":[],"name":"G","cooldown":5}`,
			wire.ChannelInput{Channel: chat.Channel{
				Type: "m", ID: "g", CreatedBy: "bob", TruncatedBy: "eve", Cooldown: 5,
				Custom: custom("name", `"G"`),
			}},
			[]string{`{"id":"bob","name":"Bob"}`, `{"id":"eve","deleted_at":1}`, `{"id":"cy","role":"user"}`},
		},
		"distinct": {
			`{"type":"messaging","member_ids":["b","a","b"]}`,
			wire.ChannelInput{Channel: chat.Channel{Type: "messaging", ID: wire.DistinctID([]string{"a", "b"})}, MemberIDs: []string{"b", "a"}},
			nil,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var emb wire.Embedded
			got, err := wire.DecodeChannel([]byte(tc.raw), &emb)
			if err != nil {
				t.Fatal(err)
			}
			got.Members = nil
			equal(t, got, tc.want)
			checkUsers(t, tc.raw, &emb, tc.users)
		})
	}
	got, err := wire.DecodeNewChannel([]byte(`{"created_by_id":"x","members":["a",{"user_id":"b","channel_role":"r"}],"custom":{"k":1}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Members) != 2 || string(got.Members[0]) != `"a"` || got.CreatedBy != "x" {
		t.Errorf("got %+v", got)
	}
}

// checkUsers compares the collected users, and where they stand.
func checkUsers(t *testing.T, raw string, emb *wire.Embedded, want []string) {
	t.Helper()
	var got []string
	for i, u := range emb.Users {
		got = append(got, string(u))
		if !strings.HasPrefix(raw[emb.UserAt[i]:], string(u)) {
			t.Errorf("user %d does not stand at %d", i, emb.UserAt[i])
		}
	}
	equal(t, got, want)
}

func TestDecodeMemberAndRead(t *testing.T) {
	t.Parallel()
	tm := at(t, "2021-02-17T08:17:49Z")
	var emb wire.Embedded
	m, err := wire.DecodeMember([]byte(`{"channel_type":"messaging","channel_id":"g","user_id":"al","user":{"id":"al","role":"user"},`+
		`"role":"owner","channel_role":"channel_moderator","created_at":"2021-02-17T08:17:49Z","archived_at":null,"invited":true,`+
		`"last_read":"2021-02-17T08:17:49Z","colour":"red"}`), &emb)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, m, wire.MemberInput{CID: "messaging:g", LastRead: tm, Member: chat.Member{
		UserID: "al", ChannelRole: "channel_moderator",
		CreatedAt: tm, Invited: true, Custom: custom("colour", `"red"`),
	}})
	if len(emb.Users) != 1 {
		t.Errorf("collected %d users", len(emb.Users))
	}
	m, err = wire.DecodeMember([]byte(`"al"`), nil)
	if err != nil || m.UserID != "al" {
		t.Errorf("an id: got %+v, %v", m, err)
	}
	m, err = wire.DecodeMember([]byte(`{"user_id":"al","is_moderator":true,"channel_type":"m","channel_member_ids":["b","al"]}`), nil)
	if err != nil || m.ChannelRole != "channel_moderator" || m.CID != "m:"+wire.DistinctID([]string{"al", "b"}) {
		t.Errorf("got %+v, %v", m, err)
	}
	r, err := wire.DecodeRead([]byte(`{"user":{"id":"al","name":"Al"},"last_read":"2021-02-17T08:17:49Z","unread_messages":0,"channel_cid":"m:g"}`), &emb)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, r, wire.ReadInput{CID: "m:g", Read: chat.Read{UserID: "al", LastRead: tm}})
	r, err = wire.DecodeRead([]byte(`{"user_id":"al","last_read":"2021-02-17T08:17:49Z","last_read_message_id":"x"}`), nil)
	if err != nil || r.Unread != -1 || r.LastReadMessageID != "x" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestDecodeMessage(t *testing.T) {
	t.Parallel()
	tm := at(t, "2021-02-17T08:17:49Z")
	base := `"id":"m1","cid":"messaging:g","user":"al"`
	msg := func(edit func(*chat.Message)) chat.Message {
		m := chat.Message{ID: "m1", CID: "messaging:g", UserID: "al", Type: chat.Regular}
		edit(&m)
		return m
	}
	tests := map[string]struct {
		raw       string
		want      chat.Message
		users     []string
		reactions []string
	}{
		"least": {`{` + base + `}`, msg(func(*chat.Message) {}), nil, nil},
		"import line": {
			`{"id":"m1","channel_type":"messaging","channel_id":"g","user":"al","text":"hi","parent_id":"m0","show_in_channel":true}`,
			msg(func(m *chat.Message) { m.Text, m.ParentID, m.ShowInChannel, m.Type = "hi", "m0", true, chat.Reply }), nil, nil,
		},
		"empty = absent": {
			`{` + base + `,"type":"","parent_id":"","quoted_message_id":"","attachments":null,"mentioned_users":null,"i18n":{}}`,
			msg(func(*chat.Message) {}), nil, nil,
		},
		"deleted reply": {
			`{` + base + `,"type":"deleted","parent_id":"m0","deleted_at":"2021-02-17T08:17:49Z"}`,
			msg(func(m *chat.Message) { m.ParentID, m.Type, m.DeletedAt = "m0", chat.Reply, tm }), nil, nil,
		},
		"deleted without a time": {
			`{"updated_at":"2021-02-17T08:17:49Z",` + base + `,"type":"deleted"}`,
			msg(func(m *chat.Message) { m.DeletedAt, m.UpdatedAt = tm, tm }), nil, nil,
		},
		"system": {`{` + base + `,"type":"system"}`, msg(func(m *chat.Message) { m.Type = chat.System }), nil, nil},
		"not pinned": {
			`{` + base + `,"pinned":false,"pinned_at":"2021-02-17T08:17:49Z","pinned_by":{"id":"x"}}`,
			msg(func(*chat.Message) {}), nil, nil,
		},
		"derived": {
			`{"id":"m1","cid":"messaging:g","user":{"id":"al","role":"user"},"channel_cid":"messaging:g","user_id":"al","message_id":"m1",` +
				`"attachments":[ {"a":1.0} ],"latest_reactions":[{"message_id":"m1","user":{"id":"bo","role":"user"},"type":"like"}],` +
				`"own_reactions":[],"reaction_counts":{"like":1},"reaction_scores":{"like":1},"reaction_groups":null,"reply_count":1,"deleted_reply_count":0,` +
				`"thread_participants":[{"id":"cy","name":"Cy"}],` +
				`"quoted_message":{"id":"q","user":{"id":"di","name":"Di"},"latest_reactions":[{"type":"x","user":{"id":"ed","name":"Ed"}}]},` +
				`"mentioned_users":[{"id":"fi","name":"Fi"},"gi"],"mentioned_users_ids":["gi","hy"],"silent":true,"shadowed":true,` +
				`"pinned":true,"pinned_by":{"id":"al","role":"user"},"pinned_at":"2021-02-17T08:17:49Z","pin_expires":null,"priority":"high",` +
				`"restricted_visibility":["al"],"i18n":{"language":"en"},"mml":"<x>","command":"giphy","html":"<p>","message_text_updated_at":"2021-02-17T08:17:49Z"}`,
			msg(func(m *chat.Message) {
				m.Attachments, m.I18n, m.MML, m.Command, m.HTML = chat.Raw(`[{"a":1.0}]`), chat.Raw(`{"language":"en"}`), "<x>", "giphy", "<p>"
				m.QuotedMessageID, m.MentionedUsers, m.RestrictedVisibility = "q", []string{"fi", "gi", "hy"}, []string{"al"}
				m.Silent, m.Shadowed, m.Pinned, m.PinnedAt, m.PinnedBy, m.TextUpdatedAt = true, true, true, tm, "al", tm
				m.Custom = custom("priority", `"high"`)
			}),
			[]string{
				`{"id":"al","role":"user"}`, `{"id":"cy","name":"Cy"}`, `{"id":"fi","name":"Fi"}`, `{"id":"al","role":"user"}`,
				`{"id":"di","name":"Di"}`, `{"id":"ed","name":"Ed"}`,
			},
			[]string{`{"message_id":"m1","user":{"id":"bo","role":"user"},"type":"like"}`},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var emb wire.Embedded
			got, err := wire.DecodeMessage([]byte(tc.raw), &emb)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, got, tc.want)
			checkUsers(t, tc.raw, &emb, tc.users)
			var reactions []string
			for _, r := range emb.Reactions {
				reactions = append(reactions, string(r))
			}
			equal(t, reactions, tc.reactions)
		})
	}
	if _, err := wire.DecodeNewMessage([]byte(`{"user_id":"al"}`), nil); err != nil {
		t.Errorf("a new message without id and channel: %v", err)
	}
}

func TestDecodeReactionAndCall(t *testing.T) {
	t.Parallel()
	tm := at(t, "2021-02-17T08:17:49Z")
	r, err := wire.DecodeReaction([]byte(`{"message_id":"m","user_id":"al","type":"👍","created_at":"2021-02-17T08:17:49Z","x":[ ]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, r, chat.Reaction{MessageID: "m", UserID: "al", Type: "👍", Score: 1, CreatedAt: tm, Custom: custom("x", "[]")})
	r, err = wire.DecodeNewReaction([]byte(`{"user":{"id":"al"},"type":"like","score":-7}`), nil)
	if err != nil || r.Score != -7 {
		t.Errorf("got %+v, %v", r, err)
	}
	call, err := wire.DecodeCall([]byte(`{"cid":"default:c1","created_by":{"id":"al"},"members":["bo",{"user_id":"cy","role":"host","created_at":"2021-02-17T08:17:49Z"},`+
		`{"user":{"id":"di","name":"Di"}}],"session":{"participants":[{"user_id":"x"},{"user":{"id":"y","name":"Y"}},"z",{"user_id":"x"},{"user_id":7},{"joined_at":1}]},"topic":"t"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, wire.Participants(call.Session), []string{"x", "y", "z"})
	equal(t, wire.Participants(nil), []string(nil))
	call.Session = nil
	equal(t, call, chat.Call{Type: "default", ID: "c1", CreatedBy: "al", Members: []chat.CallMember{
		{UserID: "bo"}, {UserID: "cy", Role: "host", CreatedAt: tm}, {UserID: "di"},
	}, Custom: custom("topic", `"t"`)})
	call, err = wire.DecodeCall([]byte(`{"type":"a","id":"b","created_by_id":"al","deleted_at":"2021-02-17T08:17:49Z","settings":{ "a":[2.50] },"ingress":{},`+
		`"members":[{"user_id":"bo","updated_at":1613549869000000000,"custom":{"z":1,"a": {}},"seat":7,"call_cid":"a:b"}]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, call, chat.Call{
		Type: "a", ID: "b", CreatedBy: "al", DeletedAt: tm, Settings: chat.Raw(`{"a":[2.50]}`),
		Members: []chat.CallMember{{UserID: "bo", UpdatedAt: tm, Custom: custom("a", "{}", "seat", "7", "z", "1")}},
	})
}

// nested is a value of so many levels.
func nested(levels int) string {
	return strings.Repeat(`{"]":[`, levels/2) + strings.Repeat("[", levels%2) + `"\"[{"` + strings.Repeat("]", levels%2) + strings.Repeat("]}", levels/2)
}

// What is kept as it comes must not be so deep that nobody can read it where it
// stands in an export.
func TestDecodeDeepValues(t *testing.T) {
	t.Parallel()
	user := func(b []byte) error { _, err := wire.DecodeUser(b); return err }
	channel := func(b []byte) error { _, err := wire.DecodeChannel(b, nil); return err }
	member := func(b []byte) error { _, err := wire.DecodeMember(b, nil); return err }
	message := func(b []byte) error { _, err := wire.DecodeMessage(b, nil); return err }
	reaction := func(b []byte) error { _, err := wire.DecodeReaction(b, nil); return err }
	call := func(b []byte) error { _, err := wire.DecodeCall(b, nil); return err }
	free := func(b []byte) error { _, err := wire.Free("x", b, 0); return err }
	for _, tt := range []struct {
		decode func([]byte) error
		raw    string // the deep value is for %s
		field  string
		at     string // where the value that is kept begins
	}{
		{user, `{"id":"u","x":%s}`, "x", "%s"},
		{user, `{"id":"u","custom":{"x":%s}}`, "custom.x", "%s"},
		{channel, `{"cid":"a:b","x":%s}`, "x", "%s"},
		{member, `{"user_id":"u","x":%s}`, "x", "%s"},
		{message, `{"id":"m","cid":"a:b","user_id":"u","x":%s}`, "x", "%s"},
		{message, `{"id":"m","cid":"a:b","user_id":"u","attachments":[{"x":%s}]}`, "attachments", `[{"x":%s`},
		{message, `{"id":"m","cid":"a:b","user_id":"u","i18n":{"x":%s}}`, "i18n", `{"x":%s`},
		{reaction, `{"message_id":"m","user_id":"u","type":"like","x":%s}`, "x", "%s"},
		{call, `{"cid":"a:b","x":%s}`, "x", "%s"},
		{call, `{"cid":"a:b","session":{"x":%s}}`, "session", `{"x":%s`},
		{call, `{"cid":"a:b","settings":{"x":%s}}`, "settings", `{"x":%s`},
		{call, `{"cid":"a:b","members":[{"user_id":"u","x":%s}]}`, "members[0].x", "%s"},
		{call, `{"cid":"a:b","members":[{"user_id":"u","custom":{"x":%s}}]}`, "members[0].custom.x", "%s"},
		{free, ` %s`, "x", "%s"},
	} {
		most := wire.MaxLevels - strings.Count(tt.at, "[") - strings.Count(tt.at, "{")
		if err := tt.decode(fmt.Appendf(nil, tt.raw, nested(most))); err != nil {
			t.Errorf("%s: %v", tt.raw, err)
		}
		err := tt.decode(fmt.Appendf(nil, tt.raw, nested(most+1)))
		var e *wire.FieldError
		if !errors.As(err, &e) || e.Field != tt.field || e.Reason != "must be nested at most 5000 levels deep" {
			t.Errorf("%s: %v", tt.raw, err)
			continue
		}
		if at := tt.raw[e.Offset:]; !strings.HasPrefix(at, tt.at) {
			t.Errorf("%s: the fault is at %s", tt.raw, at)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	user := func(b []byte) error { _, err := wire.DecodeUser(b); return err }
	channel := func(b []byte) error { _, err := wire.DecodeChannel(b, nil); return err }
	member := func(b []byte) error { _, err := wire.DecodeMember(b, nil); return err }
	read := func(b []byte) error { _, err := wire.DecodeRead(b, nil); return err }
	message := func(b []byte) error { _, err := wire.DecodeMessage(b, nil); return err }
	reaction := func(b []byte) error { _, err := wire.DecodeReaction(b, nil); return err }
	call := func(b []byte) error { _, err := wire.DecodeCall(b, nil); return err }
	long := strings.Repeat("x", 256)
	tests := []struct {
		name   string
		decode func([]byte) error
		raw    string // the offending value is between « and »
		field  string
		reason string
	}{
		{"nothing", user, `«»`, "", "is empty"},
		{"cut off", user, `{"id":"a"«»`, "", "ends too early"},
		{"trailing", user, `{"id":"a"}« »{}`, "", ""},
		{"duplicate", user, `{"id":"a",«"id"»:"b"}`, "id", "is given twice"},
		{"nested duplicate", user, `{"id":"a","x":{"y":[{"z":1,«"z"»:2}]}}`, "x.y.0.z", "is given twice"},
		{"bad UTF-8", user, "{\"id\":\"«\xff»\"}", "", "UTF-8"},
		{"not an object", user, ` «[]»`, "", "must be an object, not an array"},
		{"no id", user, `«{}»`, "id", "is required"},
		{"null id", user, `«{"id":null}»`, "id", "is required"},
		{"number id", user, `{"id":«7»}`, "id", "must be a string, not a number"},
		{"bad id", user, `{"id":«"a b"»}`, "id", "made of"},
		{"dotted id", user, `{"id":«"a.b"»}`, "id", "made of"},
		{"long id", user, `{"id":«"` + long + `"»}`, "id", "at most 255"},
		{"role", user, `{"id":"a","role":«"a b"»}`, "role", "made of"},
		{"banned", user, `{"id":"a","banned": «"yes"»}`, "banned", "true or false, not a string"},
		{"time", user, `{"id":"a","created_at":«"yesterday"»}`, "created_at", "RFC 3339"},
		{"time number", user, `{"id":"a","created_at":«-5»}`, "created_at", "1970"},
		{"time fraction", user, `{"id":"a","created_at":«1.5»}`, "created_at", "whole number"},
		{"time kind", user, `{"id":"a","created_at":«{}»}`, "created_at", "not an object"},
		{"teams", user, `{"id":"a","teams":["x",«1»]}`, "teams[1]", "must be a string"},
		{"teams null", user, `{"id":"a","teams":[«null»]}`, "teams[0]", "must be a string"},
		{"custom kind", user, `{"id":"a","custom":«[]»}`, "custom", "must be an object"},
		{"custom built-in", user, `{"id":"a","custom":{"role":«"x"»}}`, "custom.role", "built-in"},
		{"no type", channel, `«{"id":"x"}»`, "type", "is required"},
		{"no channel id", channel, `«{"type":"x"}»`, "id", "is required"},
		{"bad cid", channel, `{"cid":«"nocolon"»}`, "cid", "colon"},
		{"long channel id", channel, `{"type":"m","id":«"` + long[:65] + `"»}`, "id", "at most 64"},
		{"bad type", channel, `{"type":«"a@b"»,"id":"x"}`, "type", "made of"},
		{"cid disagrees", channel, `{"type":"a","id":"x","cid":«"b:x"»}`, "cid", "agree"},
		{"creator disagrees", channel, `{"cid":"b:x","created_by":{"id":"a"},"created_by_id":«"b"»}`, "created_by_id", "another id"},
		{"cooldown", channel, `{"cid":"b:x","cooldown":«-1»}`, "cooldown", "between 0"},
		{"member user", channel, `{"cid":"b:x","members":[{"user":{"id":«7»}}]}`, "members[0].user.id", "must be a string"},
		{"member without user", member, `«{"channel_role":"x"}»`, "user_id", "is required"},
		{"member empty id", member, `«""»`, "user_id", "is required"},
		{"user without id", member, `{"user":«{"name":"x"}»}`, "user.id", "is required"},
		{"read without time", read, `«{"user_id":"x"}»`, "last_read", "is required"},
		{"unread", read, `{"user_id":"x","last_read":"2021-02-17T08:17:49Z","unread_messages":«-2»}`, "unread_messages", "between 0"},
		{"no message id", message, `«{"cid":"a:b","user_id":"x"}»`, "id", "is required"},
		{"no message cid", message, `«{"id":"a","user_id":"x","channel_type":"messaging"}»`, "cid", "is required"},
		{"no author", message, `«{"id":"a","cid":"a:b","user":null}»`, "user_id", "is required"},
		{"flat disagrees", message, `{"id":"a","cid":"a:b","channel_type":"a","channel_id":«"c"»,"user_id":"x"}`, "channel_id", "names another channel"},
		{"type", message, `{"id":"a","cid":"a:b","user_id":"x","type":«"ephemeral"»}`, "type", "must be regular"},
		{"attachment", message, `{"id":"a","cid":"a:b","user_id":"x","attachments":[{},«"x"»]}`, "attachments[1]", "must be an object"},
		{"mentioned", message, `{"id":"a","cid":"a:b","user_id":"x","mentioned_users":["b",«null»]}`, "mentioned_users[1]", "user id"},
		{"quoted", message, `{"id":"a","cid":"a:b","user_id":"x","quoted_message_id":"q","quoted_message":{"id":«"r"»}}`, "quoted_message.id", "another id"},
		{"deleted when", message, `«{"id":"a","cid":"a:b","user_id":"x","type":"deleted"}»`, "deleted_at", "is required"},
		{"no reaction type", reaction, `«{"message_id":"m","user_id":"x"}»`, "type", "is required"},
		{"control", reaction, `{"message_id":"m","user_id":"x","type":«"a\u0000"»}`, "type", "control"},
		{"score", reaction, `{"message_id":"m","user_id":"x","type":"a","score":«1e3»}`, "score", "whole number"},
		{"big score", reaction, `{"message_id":"m","user_id":"x","type":"a","score":«99999999999999999999»}`, "score", "between"},
		{"call member", call, `{"cid":"a:b","members":[{"user_id":"x"},«{}»]}`, "members[1].user_id", "is required"},
		{"call member's custom", call, `{"cid":"a:b","members":[{"user_id":"x","custom":{"role":«1»}}]}`, "members[0].custom.role", "built-in"},
		{"call settings", call, `{"cid":"a:b","settings":«[]»}`, "settings", "must be an object"},
		{"session", call, `{"cid":"a:b","session":«"x"»}`, "session", "must be an object"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			offset := strings.Index(tc.raw, "«")
			raw := strings.NewReplacer("«", "", "»", "").Replace(tc.raw)
			var e *wire.FieldError
			if err := tc.decode([]byte(raw)); !errors.As(err, &e) {
				t.Fatalf("got error %v", err)
			}
			if e.Field != tc.field || !strings.Contains(e.Reason, tc.reason) || int(e.Offset) != offset {
				t.Errorf("got %q at %d: %q; want %q at %d: %q", e.Field, e.Offset, e.Reason, tc.field, offset, tc.reason)
			}
		})
	}
}

// A body may name a great many users, some of them twice.
func TestManyUsers(t *testing.T) {
	t.Parallel()
	const many = 100_000
	var raw strings.Builder
	raw.WriteString(`{"id":"m","cid":"team:c","user_id":"u","mentioned_users":[""`)
	for i := range 2 * many {
		fmt.Fprintf(&raw, `,"u%d"`, i%many)
	}
	raw.WriteString(`]}`)
	m, err := wire.DecodeMessage([]byte(strings.Replace(raw.String(), `"",`, "", 1)), nil)
	if err != nil || len(m.MentionedUsers) != many || m.MentionedUsers[many-1] != fmt.Sprintf("u%d", many-1) {
		t.Errorf("%d users, want %d (%v)", len(m.MentionedUsers), many, err)
	}
}

func TestDistinctID(t *testing.T) {
	t.Parallel()
	a, b := wire.DistinctID([]string{"x", "y"}), wire.DistinctID([]string{"y", "x", "y"})
	if a != b || !wire.ValidID(a, wire.MaxChannelID) || !strings.HasPrefix(a, "!members-") {
		t.Errorf("%q, %q", a, b)
	}
	if a == wire.DistinctID([]string{"x", "z"}) {
		t.Error("other members, same id")
	}
}
