package importer_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hansard/internal/importer"
)

// A small world for the lines of the tests below: user u, channel c, message p
// with the reply r, and channel d.
const world = `{"type":"user","data":{"id":"u"}}
{"type":"channel","data":{"type":"team","id":"c","created_by":"u"}}
{"type":"channel","data":{"type":"team","id":"d","created_by":"u"}}
{"type":"message","data":{"id":"p","cid":"team:c","user":"u","text":"x"}}
{"type":"message","data":{"id":"r","cid":"team:c","user":"u","parent_id":"p"}}
`

func TestBadFiles(t *testing.T) {
	t.Parallel()
	const prefix = `{"type":"message","data":` // 25 bytes: data begins in column 25
	tests := []struct {
		name string
		file string
		want []string
	}{
		{"text", "hello\n" + strings.Repeat("more\n", 200), []string{`line 1, column 1: is not JSON: this is not a chat file`}},
		{"HTML", "\n<html>\n<body>\n", []string{`line 2, column 1: is not JSON: this is not a chat file`}},
		{"binary", "\x7fELF\x00\n\xff\n", []string{`line 1, column 1: is not JSON: this is not a chat file`}},
		{"first record broken", `{"type":"user",` + "\n}\n" + strings.Repeat("more\n", 200), []string{`line 1, column 16: the JSON ends too early`}},
		{"zip", "PK\x03\x04\x14\x00\x00\x00", []string{`line 1, column 1: the file is a zip archive, and must be JSON that is plain or compressed with gzip or zstd`}},
		{"bzip2", "BZh91AY&SY\x00", []string{`line 1, column 1: the file is compressed with bzip2, and must be JSON that is plain or compressed with gzip or zstd`}},
		{"like bzip2", "BZh is no magic", []string{`line 1, column 1: is not JSON: this is not a chat file`}},
		{"xz", "\xfd7zXZ\x00\x00", []string{`line 1, column 1: the file is compressed with xz, and must be JSON that is plain or compressed with gzip or zstd`}},
		{"encrypted export", "age-encryption.org/v1\n-> X25519 x\n", []string{
			`line 1, column 1: the file is encrypted with age, and must be JSON that is plain or compressed with gzip or zstd`,
		}},
		{"text after gzip", gzipped(t, `{"type":"user","data":{"id":"u"}}`+"\n") + "more", []string{
			`line 2, column 1: the gzip data is followed by something else`,
		}},
		{"gzip cut off", gzipped(t, world)[:60], []string{`line 1, column 1: the gzip data ends in the middle: the file is cut off`}},
		{"second gzip cut off", gzipped(t, `{"type":"user","data":{"id":"u"}}`+"\n") + gzipped(t, world)[:3], []string{
			`line 2, column 1: the gzip data ends in the middle: the file is cut off`,
		}},
		{"array of numbers", "[1,2,3]", []string{`line 1, column 2: the elements of the array must be objects`}},
		{"empty", "", []string{`line 1, column 1: the file is empty`}},
		{"unknown type", `{"type":"cat","data":{}}`, []string{
			`line 1, column 9: type must be user, device, future_channel_ban, channel, member, read, message, reaction or call`,
		}},
		{"missing id", `{"type":"user","data":{"name":"x"}}`, []string{`line 1, column 23: id is required`}},
		{"wrong type of a field", `{"type":"user","data":{"id":"u","banned":"yes"}}`, []string{
			`line 1, column 42: banned must be true or false, not a string`,
		}},
		{"bad time", `{"type":"user","data":{"id":"u","created_at":"yesterday"}}`, []string{
			`line 1, column 46: created_at must be a time in RFC 3339, such as 2021-02-17T08:17:49.745857Z`,
		}},
		{"seconds since 1970", `{"type":"user","data":{"id":"u","created_at":1613549869}}`, []string{
			`line 1, column 46: created_at must be a time in RFC 3339, such as 2021-02-17T08:17:49.745857Z, or a number of nanoseconds since 1970; this one seems to be in seconds`,
		}},
		{"milliseconds since 1970", world + prefix + `{"id":"m","user":"u","cid":"team:c","created_at":1613549869745}}`, []string{
			`line 6, column 75: created_at must be a time in RFC 3339, such as 2021-02-17T08:17:49.745857Z, or a number of nanoseconds since 1970; this one seems to be in milliseconds`,
		}},
		{"microseconds since 1970", world + `{"type":"member","data":{"cid":"team:c","user_id":"u","last_read":1613549869745857}}`, []string{
			`line 6, column 67: last_read must be a time in RFC 3339, such as 2021-02-17T08:17:49.745857Z, or a number of nanoseconds since 1970; this one seems to be in microseconds`,
		}},
		{"time before 1970", `{"type":"user","data":{"id":"u","created_at":-1613549869745857000}}`, []string{
			`line 1, column 46: created_at must be a time between 1970 and 9999, in nanoseconds`,
		}},
		{"bad id", `{"type":"user","data":{"id":"a b"}}`, []string{
			`line 1, column 29: id must be made of a-z, A-Z, 0-9, @, _, ! and -`,
		}},
		{"duplicate key", `{"type":"user","data":{"id":"u","x":1,"x":2}}`, []string{`line 1, column 39: x is given twice`}},
		{"nested syntax error", `{"type":"user","data":{"id":"u","x":[1,}}}`, []string{
			`line 1, column 40: the value is not valid JSON`,
		}},
		{"invalid UTF-8", "{\"type\":\"user\",\"data\":{\"id\":\"u\",\"name\":\"\xc3\x28\"}}", []string{
			`line 1, column 41: the value is not valid UTF-8`,
		}},
		{"NUL in a string", "{\"type\":\"user\",\"data\":{\"id\":\"u\",\"name\":\"a\x00\"}}", []string{
			`line 1, column 42: the value is not valid JSON`,
		}},
		{"half of a surrogate pair", `{"type":"user","data":{"id":"u","name":"a\ud83d b"}}` + "\n" + `{"data":{"id":"v","name":"\udE00"},"type":"user"}`, []string{
			`line 1, column 42: the value has half of a surrogate pair here, which is no character`,
			`line 2, column 27: the JSON has half of a surrogate pair here, which is no character`,
		}},
		{"deep nesting", `{"type":"user","data":{"id":"u","x":` + strings.Repeat("[", 12_000) + strings.Repeat("]", 12_000) + "}}\n" +
			`{"data":{"id":"v","x":` + strings.Repeat(`{"y":`, 12_000) + "1" + strings.Repeat("}", 12_000) + `},"type":"user"}`, []string{
			`line 1, column 10036: the value is nested deeper than 10000 levels here`,
			`line 2, column 50013: the JSON is nested deeper than 10000 levels here`,
		}},
		{"deeper than an export can hold", `{"type":"user","data":{"id":"u","x":` + strings.Repeat("[", 5_001) + strings.Repeat("]", 5_001) + "}}\n" +
			`{"type":"user","data":{"id":"v","custom":{"x":` + strings.Repeat("[", 9_990) + strings.Repeat("]", 9_990) + `}}}`, []string{
			`line 1, column 37: x must be nested at most 5000 levels deep`,
			`line 2, column 47: custom.x must be nested at most 5000 levels deep`,
		}},
		{"id twice", world + `{"type":"message","data":{"id":"p","cid":"team:c","user":"u"}}`, []string{
			`line 6, column 32: id is already given on line 4`,
		}},
		{"member twice", world[:strings.Index(world, `{"type":"message"`)] +
			strings.Repeat(`{"type":"member","data":{"cid":"team:c","user_id":"u"}}`+"\n", 2), []string{
			`line 5, column 51: user_id names a member of this channel who is already given on line 4`,
		}},
		{"reaction twice", world + strings.Repeat(`{"type":"reaction","data":{"message_id":"p","user_id":"u","type":"like"}}`+"\n", 2), []string{
			`line 7, column 66: type names a reaction of this user to this message that is already given on line 6`,
		}},
		{"out of order", world + `{"type":"user","data":{"id":"late"}}` + "\n" + `{"type":"channel","data":{"type":"team","id":"e","created_by":"late"}}`, []string{
			`line 6, column 9: type user must come before message`,
			`line 7, column 9: type channel must come before message`,
		}},
		{"unknown author", world + prefix + `{"id":"m","cid":"team:c","user":{"id":"x"}}}`, []string{
			`line 6, column 58: user names the user x, which is neither in the file nor in the store`,
		}},
		{"unknown author by id", world + prefix + `{"id":"m","user_id":"x","cid":"team:c"}}`, []string{
			`line 6, column 46: user_id names the user x, which is neither in the file nor in the store`,
		}},
		{"unknown mention, twice", world + prefix + `{"id":"m","cid":"team:c","user":"u","mentioned_users":["x"]}}` + "\n" +
			prefix + `{"id":"n","cid":"team:c","user":"u","mentioned_users":["u","x"]}}`, []string{
			`line 6, column 80: mentioned_users names the user x, which is neither in the file nor in the store`,
			`line 7, column 80: mentioned_users names the user x, which is neither in the file nor in the store`,
		}},
		{"unknown pinner", world + prefix + `{"id":"m","cid":"team:c","user":"u","pinned":true,"pinned_by":"x"}}`, []string{
			`line 6, column 88: pinned_by names the user x, which is neither in the file nor in the store`,
		}},
		{"unknown channel", world + prefix + `{"id":"m","cid":"team:x","user":"u"}}`, []string{
			`line 6, column 42: cid names the channel team:x, which is neither in the file nor in the store`,
		}},
		{"unknown channel by type and id", world + prefix + `{"id":"m","channel_type":"team","channel_id":"x","user":"u"}}`, []string{
			`line 6, column 71: channel_id names the channel team:x, which is neither in the file nor in the store`,
		}},
		{"two channels", world + prefix + `{"id":"m","channel_cid":"team:c","channel_type":"team","channel_id":"d","user":"u"}}`, []string{
			`line 6, column 94: channel_id names another channel than the other fields do`,
		}},
		{"bad channel", world + prefix + `{"id":"m","channel_cid":"c","user":"u"}}`, []string{
			`line 6, column 50: channel_cid must be a type and an id joined by a colon, such as messaging:general`,
		}},
		{"channel twice", world[:strings.Index(world, `{"type":"message"`)] + `{"type":"channel","data":{"cid":"team:c","created_by":"u"}}`, []string{
			`line 4, column 33: cid is already given on line 2`,
		}},
		{"no channel", world + prefix + `{"id":"m","user":"u"}}`, []string{
			`line 6, column 26: cid is required, or channel_type and channel_id`,
		}},
		{"unknown creator", `{"type":"channel","data":{"type":"team","id":"c","created_by":"x"}}`, []string{
			`line 1, column 63: created_by names the user x, which is neither in the file nor in the store`,
		}},
		{"unknown member of a distinct channel", `{"type":"user","data":{"id":"u"}}` + "\n" +
			`{"type":"channel","data":{"type":"team","member_ids":["u","x"],"created_by":"u"}}`, []string{
			`line 2, column 54: member_ids names the user x, which is neither in the file nor in the store`,
		}},
		{"unknown parent", world + prefix + `{"id":"m","cid":"team:c","user":"u","parent_id":"x"}}`, []string{
			`line 6, column 74: parent_id names the message x, which is neither in the file nor in the store`,
		}},
		{"parent in another channel", world + prefix + `{"id":"m","cid":"team:d","user":"u","parent_id":"p"}}`, []string{
			`line 6, column 74: parent_id names a message of another channel`,
		}},
		{"parent is a reply", world + prefix + `{"id":"m","cid":"team:c","user":"u","parent_id":"r"}}`, []string{
			`line 6, column 74: parent_id names a message that is itself a reply`,
		}},
		{"parent is the message itself", world + prefix + `{"id":"m","cid":"team:c","user":"u","parent_id":"m"}}`, []string{
			`line 6, column 74: parent_id names the message itself`,
		}},
		{"unknown message", world + `{"type":"reaction","data":{"message_id":"x","user_id":"u","type":"like"}}`, []string{
			`line 6, column 41: message_id names the message x, which is neither in the file nor in the store`,
		}},
		{"a bad record is blamed once", `{"type":"user","data":{"id":"x","role":1}}` + "\n" +
			`{"type":"channel","data":{"type":"team","id":"c","created_by":"x"}}`, []string{
			`line 1, column 40: role must be a string, not a number`,
		}},
		{"call without creator", world + `{"type":"call","data":{"type":"t","id":"c"}}`, []string{
			`line 6, column 23: created_by is required`,
		}},
		{"pretty array", "[\n  {\n    \"type\": \"user\",\n    \"item\": {\n      \"id\": \"u\",\n      \"role\": 7\n    }\n  }\n]", []string{
			`line 6, column 15: role must be a string, not a number`,
		}},
		{"array cut off", `[{"type":"user","data":{"id":"u"}},{"type":"us`, []string{
			`line 1, column 47: the file ends in the middle of its array`,
		}},
		{"v1 export without its channel", `[{"messages":[{"id":"m","user":{"id":"u","created_at":"2024-01-01T00:00:00Z"}}]}]`, []string{
			`line 1, column 15: channel must stand before the lists of its messages and members`,
		}},
		{"bad user inside a v1 message", `[{"channel":{"cid":"team:c"},"messages":[{"id":"m","user":{"id":"u","created_at":"2024-01-01T00:00:00Z","role":1}}]}]`, []string{
			`line 1, column 112: role must be a string, not a number`,
		}},
		{"message in two channels of an export", `[{"channel":{"cid":"team:c"},"messages":[{"id":"m","user":{"id":"u","created_at":"2024-01-01T00:00:00Z"}}]},` +
			`{"channel":{"cid":"team:d"},"messages":[{"id":"m","user":{"id":"u"}}]}]`, []string{
			`line 1, column 155: id is already given on line 1, in another channel`,
		}},
		{"message of an export that is a reply and is none", `[{"channel":{"cid":"team:c"},"messages":[{"id":"m","user":{"id":"u","created_at":"2024-01-01T00:00:00Z"}}]},` + "\n" +
			`{"channel":{"cid":"team:c"},"messages":[{"id":"m","user":{"id":"u"},"parent_id":"p"}]}]`, []string{
			`line 2, column 47: id is already given on line 1, and only one of the two is a reply`,
		}},
	}
	p := newPlace(t) // one for all: a bad file changes nothing
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, p.rejected(t, test.file)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if all := p.read(t); len(all.users)+len(all.channels) > 0 {
				t.Fatalf("a bad file left something behind:\n%s", all.text())
			}
		})
	}
}

func TestBadFileKeepsNoFileAndNoScratch(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.SortMemory = 1 // goes to disk at once
	p.rejected(t, world+`{"type":"message","data":{"id":"p","cid":"team:c","user":"u"}}`)
	assertTidy(t, p)
	p.mustImport(t, world, importer.FileOptions{})
	assertTidy(t, p)
}

func TestMoreProblemsThanAreTold(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	// Bad lines, and, when there are not too many of those, bad references.
	for name, line := range map[string]string{
		"bad records":    `{"type":"user","data":{"id":""}}`,
		"bad references": `{"type":"channel","data":{"type":"team","id":"c%d","created_by":"x"}}`,
	} {
		var file strings.Builder
		for i := range 250 {
			file.WriteString(strings.ReplaceAll(line, "%d", fmt.Sprint(i)) + "\n")
		}
		got := p.rejected(t, file.String())
		if len(got) != importer.MaxProblems+1 || got[importer.MaxProblems] != "and more" {
			t.Fatalf("%s: %d problems were told", name, len(got))
		}
		for i, problem := range got[:importer.MaxProblems] {
			if !strings.HasPrefix(problem, fmt.Sprintf("line %d, ", i+1)) {
				t.Fatalf("%s: problem %d is %q", name, i, problem)
			}
		}
	}
}

func TestReferencesIntoTheStore(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.mustImport(t, world, importer.FileOptions{})
	p.mustImport(t, `{"type":"member","data":{"cid":"team:c","user_id":"u"}}
{"type":"message","data":{"id":"m","cid":"team:c","user":"u","parent_id":"p","mentioned_users":["u"],"pinned":true,"pinned_by":"u"}}
{"type":"reaction","data":{"message_id":"p","user_id":"u","type":"like"}}
`, importer.FileOptions{})
	want := []string{
		`line 1, column 74: parent_id names a message that is itself a reply`,
		`line 2, column 74: parent_id names a message of another channel`,
	}
	got := p.rejected(t, `{"type":"message","data":{"id":"n","cid":"team:c","user":"u","parent_id":"m"}}
{"type":"message","data":{"id":"o","cid":"team:d","user":"u","parent_id":"p"}}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A reply may stand before its parent, which may be missing from an export:
// it was outside of the window, or has been deleted for good.
func TestParents(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.mustImport(t, `{"type":"user","data":{"id":"u"}}
{"type":"channel","data":{"type":"team","id":"c"}}
{"type":"message","data":{"id":"r","cid":"team:c","user":"u","parent_id":"p"}}
{"type":"message","data":{"id":"p","cid":"team:c","user":"u"}}
`, importer.FileOptions{})
	all := p.read(t)
	if !strings.Contains(strings.Join(all.channels[0].messages, "\n"), `"reply_count":1`) {
		t.Error("the reply is not counted")
	}
	p.mustImport(t, `[{"channel":{"cid":"team:c"},"messages":[{"id":"s","parent_id":"gone","user":{"id":"u"},"type":"reply"}]}]`, importer.FileOptions{})
	if n := len(p.read(t).channels[0].messages); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
}

// A file that is decoded on several cores tells of its faults in their order,
// whatever lies between them.
func TestProblemsOfABigFile(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString(world)
	var want []string
	for line := 6; line < 3000; line++ {
		switch {
		case line%701 == 0: // not JSON
			file.WriteString("{\n")
			want = append(want, fmt.Sprintf("line %d, column 2: the JSON ends too early", line))
		case line%307 == 0:
			before := fmt.Sprintf(`{"type":"message","data":{"id":"m%d","cid":"team:c","user":`, line)
			file.WriteString(before + "7}}\n")
			want = append(want, fmt.Sprintf("line %d, column %d: user must be a user id or a user object, not a number", line, len(before)+1))
		case line%191 == 0:
			fmt.Fprintf(&file, `{"type":"message","data":{"id":"m%d","cid":"team:c","user":"u","parent_id":"m%d"}}`+"\n", line, line+1e6)
			want = append(want, fmt.Sprintf("line %d: parent_id names the message m%d, which is neither in the file nor in the store", line, line+1e6))
		case line%499 == 0: // more than is decoded in one go
			fmt.Fprintf(&file, `{"type":"message","data":{"id":"m%d","cid":"team:c","user":"u","text":"%s"}}`+"\n", line, strings.Repeat("x", 300_000))
		default:
			fmt.Fprintf(&file, `{"type":"message","data":{"id":"m%d","cid":"team:c","user":"u"}}`+"\n", line)
		}
	}
	p := newPlace(t)
	var got []string
	column := regexp.MustCompile(`, column \d+(: parent_id)`)
	for _, problem := range p.rejected(t, file.String()) {
		got = append(got, column.ReplaceAllString(problem, "$1"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	good := strings.Join(slices.DeleteFunc(strings.Split(file.String(), "\n"), func(line string) bool {
		return line == "{" || strings.Contains(line, `"user":7`) || strings.Contains(line, `"parent_id":"m`)
	}), "\n")
	if n, lines := p.mustImport(t, good, importer.FileOptions{}).Counts.Messages, strings.Count(good, `"type":"message"`); n != int64(lines) {
		t.Errorf("%d messages were imported, want %d", n, lines)
	}
	assertTidy(t, p)
}
