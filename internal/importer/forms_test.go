package importer_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hansard/internal/importer"
	"hansard/internal/wire"
)

// chatFile is a chat in the documented form, with something of everything.
const chatFile = `{"type":"user","data":{"id":"alice","name":"Alice <3","role":"admin","created_at":"2024-01-01T00:00:00Z","teams":["red"],"huge":123456789012345678901234567890,"price":2.50}}
{"type":"user","data":{"id":"bob","image":"https://example.com/b.png","created_at":"2024-01-01T00:00:01.5Z","updated_at":"2024-02-01T02:00:00+02:00","custom":{"shoe":{"z":1,"a":[1e400]}}}}
{"type":"user","data":{"id":"carol","created_at":"2024-01-01T00:00:02Z","deleted_at":"2024-06-01T00:00:00Z"}}
{"type":"user","data":{"id":"ghost","deleted_at":"2023-01-01T00:00:00Z"}}
{"type":"device","data":{"id":"device-1","user_id":"alice","push_provider":"apn"}}
{"type":"future_channel_ban","data":{"user_id":"bob","target_id":"carol"}}
{"type":"channel","data":{"id":"general","type":"messaging","created_by":"alice","created_at":"2024-01-02T00:00:00Z","name":"General","team":"red","frozen":true}}
{"type":"channel","data":{"type":"messaging","member_ids":["bob","alice"],"created_by":"bob","created_at":"2024-01-02T00:00:01Z"}}
{"type":"channel","data":{"id":"old","type":"livestream","created_by":{"id":"carol"},"created_at":"2024-01-02T00:00:02Z","truncated_at":"2024-01-03T00:00:10Z","deleted_at":"2024-05-01T00:00:00Z"}}
{"type":"member","data":{"channel_type":"messaging","channel_id":"general","user_id":"alice","created_at":"2024-01-02T00:00:00Z","channel_role":"channel_moderator","last_read":"2024-01-03T00:00:01Z"}}
{"type":"member","data":{"channel_type":"messaging","channel_id":"general","user":"bob","created_at":"2024-01-02T00:00:01Z","invited":true,"last_read":"2024-01-03T00:00:03Z","nick":"bobby"}}
{"type":"member","data":{"channel_type":"livestream","channel_id":"old","user_id":"ghost","created_at":"2024-01-02T00:00:05Z"}}
{"type":"message","data":{"id":"m1","channel_type":"messaging","channel_id":"general","user":"alice","type":"regular","text":"hello & <welcome>","created_at":"2024-01-03T00:00:00Z","attachments":[{"type":"image","n":1.0}],"mentioned_users_ids":["bob"]}}
{"type":"message","data":{"id":"m2","channel_type":"messaging","channel_id":"general","user":"bob","parent_id":"m1","show_in_channel":true,"text":"re: hello","created_at":"2024-01-03T00:00:02Z","pinned":true,"pinned_at":"2024-01-04T00:00:00Z","pinned_by_id":"alice"}}
{"type":"message","data":{"id":"m3","channel_type":"messaging","channel_id":"general","user":"carol","text":"gone \u2028","created_at":"2024-01-03T00:00:02Z","deleted_at":"2024-01-05T00:00:00Z","quoted_message_id":"m1","mood":{"k":[1,2.50]}}}
{"type":"message","data":{"id":"m4","channel_type":"messaging","channel_id":"general","user":"ghost","type":"system","text":"system","silent":true,"created_at":"2024-01-03T00:00:04Z","quoted_message_id":"never-was"}}
{"type":"message","data":{"id":"m5","channel_type":"livestream","channel_id":"old","user_id":"carol","text":"שלום 🎉","created_at":"2024-01-03T00:00:05Z","html":"<p>x</p>","i18n":{"en_text":"hi","language":"he"},"restricted_visibility":["bob"]}}
{"type":"message","data":{"id":"m6","channel_type":"livestream","channel_id":"old","user_id":"carol","created_at":"2024-01-03T00:00:20Z","shadowed":true}}
{"type":"reaction","data":{"message_id":"m1","user_id":"bob","type":"love","created_at":"2024-01-03T00:01:00Z","score":3}}
{"type":"reaction","data":{"message_id":"m1","user_id":"alice","type":"love","created_at":"2024-01-03T00:01:00Z","emoji":"💚"}}
{"type":"reaction","data":{"message_id":"m1","user_id":"bob","type":"haha","created_at":"2024-01-03T00:01:02Z"}}
{"type":"reaction","data":{"message_id":"m3","user_id":"ghost","type":"sad","created_at":"2024-01-03T00:02:00Z"}}
{"type":"call","data":{"type":"default","id":"c1","created_by":"alice","created_at":"2024-01-06T00:00:00Z","members":[{"user_id":"bob","role":"host"}],"session":{"id":"s","participants":[{"user_id":"carol"}]},"topic":"x"}}
`

// asArray makes one array of a file of lines.
func asArray(t *testing.T, lines, dataKey, indent string) string {
	t.Helper()
	var list []string
	for line := range strings.Lines(lines) {
		list = append(list, strings.Replace(strings.TrimSpace(line), `"data"`, `"`+dataKey+`"`, 1))
	}
	all := "[" + strings.Join(list, ",") + "]"
	if indent == "" {
		return all
	}
	var raw json.RawMessage = []byte(all)
	pretty, err := json.MarshalIndent(raw, "", indent)
	if err != nil {
		t.Fatal(err)
	}
	return string(pretty)
}

func TestEveryFormGivesTheSameChat(t *testing.T) {
	t.Parallel()
	first := newPlace(t)
	report := first.mustImport(t, chatFile, importer.FileOptions{Name: "chat.jsonl"})
	want := first.read(t)
	counts := importer.Counts{Users: 4, Channels: 3, Members: 5, Reads: 2, Messages: 6, Reactions: 4, Calls: 1}
	if report.Counts != counts {
		t.Errorf("counts %+v, want %+v", report.Counts, counts)
	}
	if report.Skipped != (importer.Skipped{Devices: 1, FutureChannelBans: 1}) {
		t.Errorf("skipped %+v", report.Skipped)
	}
	for _, part := range []string{
		`"huge":123456789012345678901234567890,"price":2.50`, `"shoe":{"z":1,"a":[1e400]}`,
		`"text":"hello \u0026 \u003cwelcome\u003e"`, `"unread_messages":1`, `"unread_messages":0`,
		`{"id":"ghost","deleted_at":"2023-01-01T00:00:00Z"}`, `"cid":"messaging:!members-`, `"reply_count":1`,
		`"reaction_counts":{"haha":1,"love":2}`, `"type":"deleted"`, `"truncated_at":"2024-01-03T00:00:10Z"`,
	} {
		if !strings.Contains(want.text(), part) {
			t.Errorf("the imported chat lacks %s", part)
		}
	}
	type packing func(testing.TB, string) string
	plain := func(_ testing.TB, s string) string { return s }
	// Every form with every compression is the scanner's test; here the
	// packings take turns.
	forms := []struct {
		name, file string
		first      packing
		second     packing
	}{
		{"lines with item", strings.ReplaceAll(chatFile, `,"data":`, `,"item":`), plain, gzipped},
		{"lines with CRLF", "\ufeff" + strings.ReplaceAll(chatFile, "\n", "\r\n\r\n"), zstded, plain},
		{"array", asArray(t, chatFile, "data", ""), gzipped, zstded},
		{"array with item", asArray(t, chatFile, "item", ""), plain, gzipped},
		{"pretty array", asArray(t, chatFile, "item", "  "), zstded, plain},
		{"v1 export", want.v1(), gzipped, zstded},
		{"v2 export", want.v2(false), plain, gzipped},
		{"v2 export of users", want.v2(true), zstded, plain},
	}
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.mustImport(t, form.first(t, form.file), importer.FileOptions{})
			got, want, all := p.read(t), want, want.text()
			text := got.text()
			if form.name == "v1 export" { // has no calls
				text, all = got.withoutCalls(), want.withoutCalls()
			}
			if diff := cmp.Diff(strings.Split(all, "\n"), strings.Split(text, "\n")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			// Once more changes nothing.
			p.mustImport(t, form.second(t, form.file), importer.FileOptions{})
			if diff := cmp.Diff(got.text(), p.read(t).text()); diff != "" {
				t.Errorf("the second time (-first +second):\n%s", diff)
			}
		})
	}
}

// What is as deep as it may be is deeper in an export, wherever it stands there, and
// comes in again.
func TestDeepestValues(t *testing.T) {
	t.Parallel()
	x := `,"x":` + strings.Repeat("[", wire.MaxLevels) + strings.Repeat("]", wire.MaxLevels)
	short := strings.Replace(strings.Replace(x[len(`,"x":`):], "[[[", "", 1), "]]]", "", 1)
	file := `{"type":"user","data":{"id":"u"` + x + `}}
{"type":"channel","data":{"cid":"team:c","created_by":"u"` + x + `}}
{"type":"member","data":{"cid":"team:c","user_id":"u"` + x + `}}
{"type":"message","data":{"id":"m","cid":"team:c","user":"u"` + x + `,"attachments":[{"a":` + short + `}],"i18n":{"a":` + short + `}}}
{"type":"message","data":{"id":"n","cid":"team:c","user":"u","quoted_message_id":"m"}}
{"type":"reaction","data":{"message_id":"m","user_id":"u","type":"like"` + x + `}}
{"type":"call","data":{"cid":"default:k","created_by":"u"` + x + `,"session":{"a":` + short + `},"members":[{"user_id":"u"` + x + `}]}}
`
	first := newPlace(t)
	first.mustImport(t, file, importer.FileOptions{})
	want := first.read(t)
	for name, export := range map[string]string{"v1": want.v1(), "v2": want.v2(false), "v2 with users": want.v2(true)} {
		p := newPlace(t)
		p.mustImport(t, export, importer.FileOptions{})
		got := p.read(t)
		if name == "v1" {
			got.calls = want.calls
		}
		if got.text() != want.text() {
			t.Errorf("%s: the chat is another one", name)
		}
	}
}

// A users export holds the messages and reactions of one user after the
// other: a reaction may come before the message it is to.
func TestUsersExport(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.mustImport(t, chatFile, importer.FileOptions{})
	want := p.read(t)
	general := want.channels[2]
	line := func(typ, data string) string { return `{"type":"` + typ + `","data":` + data + "}\n" }
	file := line("user", want.users[1]) + line("message", general.messages[1]) + line("reaction", general.reactions[0]) +
		line("call", want.calls[0]) + line("user", want.users[0]) + line("message", general.messages[0]) +
		line("reaction", general.reactions[1])

	other := newPlace(t)
	// The channel, and who else is named.
	other.mustImport(t, strings.Join(strings.SplitAfter(chatFile, "\n")[:12], ""), importer.FileOptions{})
	report := other.mustImport(t, file, importer.FileOptions{})
	// Two of the three reactions come inside the message and on lines of their own.
	if c := report.Counts; c.Users != 2 || c.Messages != 2 || c.Calls != 1 || c.Reactions != 3 {
		t.Errorf("counts %+v", c)
	}
	got := other.read(t)
	if diff := cmp.Diff(general.messages[:2], got.channels[2].messages); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(general.reactions[:3], got.channels[2].reactions); diff != "" {
		t.Errorf("reactions (-want +got):\n%s", diff)
	}
	report = other.mustImport(t, file, importer.FileOptions{Mode: importer.Insert})
	// Two users, two messages, a call and the three reactions are there.
	if report.Counts != (importer.Counts{}) || report.Skipped.Existing != 8 {
		t.Errorf("mode insert: counts %+v, skipped %+v", report.Counts, report.Skipped)
	}
	// Of whom nothing is left but a trace may be the first, and it is their message
	// that says what the file is.
	trace := line("user", `{"id":"zoe","deleted_at":"2023-01-01T00:00:00Z"}`) +
		line("message", strings.Replace(general.messages[0], `"user":`+want.users[0], `"user":{"id":"zoe","deleted_at":"2023-01-01T00:00:00Z"}`, 1))
	report = other.mustImport(t, trace+file[strings.Index(file, `{"type":"user"`):strings.Index(file, `{"type":"call"`)]+
		line("reaction", general.reactions[1]), importer.FileOptions{})
	if report.Counts.Reactions != 3 {
		t.Errorf("after a trace: counts %+v", report.Counts)
	}
}
