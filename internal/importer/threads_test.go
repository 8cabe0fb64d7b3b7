package importer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hansard/internal/importer"
)

// threads is what the store of the tests below holds: in channel c the message p
// with the replies r and s, the message q, the deleted reply x and the system
// message y, which is a reply too, and the reply o, whose parent was not exported.
const threads = `{"type":"user","data":{"id":"u","online":false,"created_at":"2024-01-01T00:00:00Z"}}
{"type":"channel","data":{"cid":"team:c","created_by":"u","created_at":"2024-01-01T00:00:00Z"}}
{"type":"channel","data":{"cid":"team:d","created_by":"u","created_at":"2024-01-01T00:00:00Z"}}
{"type":"message","data":{"id":"p","cid":"team:c","user":"u"}}
{"type":"message","data":{"id":"q","cid":"team:c","user":"u"}}
{"type":"message","data":{"id":"r","cid":"team:c","user":"u","parent_id":"p"}}
{"type":"message","data":{"id":"s","cid":"team:c","user":"u","parent_id":"p"}}
{"type":"message","data":{"id":"x","cid":"team:c","user":"u","parent_id":"q","type":"deleted","deleted_at":"2024-01-01T00:00:00Z"}}
{"type":"message","data":{"id":"y","cid":"team:c","user":"u","parent_id":"q","type":"system","show_in_channel":true}}
{"type":"message","data":{"id":"o","cid":"team:c","user":"u","parent_id":"gone"}}
`

// No import leaves threads in the store that an import would refuse: a reply is
// in the channel of its parent, which is no reply.
func TestThreadsInTheStore(t *testing.T) {
	t.Parallel()
	message := func(fields string) string {
		return `{"type":"message","data":{` + fields + `}}` + "\n"
	}
	const (
		isReply   = "parent_id makes a reply of a message that has replies in the store"
		elsewhere = "is another channel than that of the replies to this message in the store"
		both      = importer.Upsert + " " + importer.Insert
	)
	tests := []struct {
		name string
		mode string
		file string
		want []string
	}{
		{"a parent becomes a reply", importer.Upsert, message(`"id":"p","cid":"team:c","user":"u","parent_id":"q"`), []string{
			"line 1, column 74: " + isReply,
		}},
		{
			"a parent becomes a reply in another channel", importer.Upsert,
			message(`"id":"n","cid":"team:d","user":"u"`) + message(`"id":"p","cid":"team:d","user":"u","parent_id":"n"`),
			[]string{
				"line 2, column 74: " + isReply,
			},
		},
		{"a parent moves", importer.Upsert, message(`"id":"p","cid":"team:d","user":"u"`), []string{
			"line 1, column 42: cid " + elsewhere,
		}},
		{
			"a parent moves with one of its replies", importer.Upsert,
			message(`"id":"p","cid":"team:d","user":"u"`) + message(`"id":"r","cid":"team:d","user":"u","parent_id":"p"`),
			[]string{
				"line 1, column 42: cid " + elsewhere,
			},
		},
		{
			"a parent moves with all of its replies", importer.Upsert,
			message(`"id":"r","cid":"team:d","user":"u","parent_id":"p"`) + message(`"id":"p","cid":"team:d","user":"u"`) +
				message(`"id":"s","cid":"team:d","user":"u","parent_id":"p"`), nil,
		},
		{
			"a parent moves and its replies end", importer.Upsert,
			message(`"id":"r","cid":"team:c","user":"u"`) + message(`"id":"p","cid":"team:d","user":"u"`) +
				message(`"id":"s","cid":"team:c","user":"u","parent_id":"q"`), nil,
		},
		{"a parent moves to a new channel", importer.Upsert, `{"type":"channel","data":{"cid":"team:e","created_by":"u"}}` + "\n" +
			message(`"id":"p","cid":"team:e","user":"u"`), []string{
			"line 2, column 42: cid " + elsewhere,
		}},
		{"a parent moves in a channels export", importer.Upsert, `[{"channel":{"cid":"team:d"},"messages":[{"id":"p","user":{"id":"u"}}]}]`, []string{
			"line 1, column 42: the message is in another channel than the replies to it in the store",
		}},
		{"a parent is named by type and id", importer.Upsert, message(`"id":"p","channel_type":"team","channel_id":"d","user":"u"`), []string{
			"line 1, column 71: channel_id " + elsewhere,
		}},
		{
			"a thread turns over", importer.Upsert,
			message(`"id":"r","cid":"team:c","user":"u"`) + message(`"id":"p","cid":"team:c","user":"u","parent_id":"r"`) +
				message(`"id":"s","cid":"team:c","user":"u","parent_id":"r"`), nil,
		},
		{
			"a thread turns over but for one reply", importer.Upsert,
			message(`"id":"r","cid":"team:c","user":"u"`) + message(`"id":"p","cid":"team:c","user":"u","parent_id":"r"`),
			[]string{
				"line 2, column 74: " + isReply,
			},
		},
		{
			"a parent with a deleted reply becomes a reply", importer.Upsert,
			message(`"id":"q","cid":"team:c","user":"u","parent_id":"p"`) + message(`"id":"y","cid":"team:c","user":"u"`),
			[]string{
				"line 1, column 74: " + isReply,
			},
		},
		{"a parent is given as it is", both, message(`"id":"p","cid":"team:c","user":"u","text":"new"`), nil},
		{"a reply leaves its thread", importer.Upsert, message(`"id":"r","cid":"team:d","user":"u"`), nil},
		{"a missing parent comes", both, message(`"id":"gone","cid":"team:c","user":"u"`), nil},
		{"a missing parent comes as a reply", both, message(`"id":"gone","cid":"team:c","user":"u","parent_id":"p"`), []string{
			"line 1, column 77: " + isReply,
		}},
		{"a missing parent comes elsewhere", both, message(`"id":"gone","cid":"team:d","user":"u"`), []string{
			"line 1, column 45: cid " + elsewhere,
		}},
		{
			"a missing parent comes elsewhere, with the reply", importer.Upsert,
			message(`"id":"gone","cid":"team:d","user":"u"`) + message(`"id":"o","cid":"team:d","user":"u","parent_id":"gone"`), nil,
		},
		{
			"a missing parent comes elsewhere, with the reply that is left alone", importer.Insert,
			message(`"id":"gone","cid":"team:d","user":"u"`) + message(`"id":"o","cid":"team:d","user":"u","parent_id":"gone"`),
			[]string{
				"line 1, column 45: cid " + elsewhere,
			},
		},
		{
			"a parent that is left alone", importer.Insert,
			message(`"id":"p","cid":"team:d","user":"u"`) + message(`"id":"q","cid":"team:c","user":"u","parent_id":"p"`) +
				message(`"id":"n","cid":"team:c","user":"u","parent_id":"p"`), nil,
		},
		{
			"a reply to what is left alone in another channel", importer.Insert,
			message(`"id":"p","cid":"team:d","user":"u"`) + message(`"id":"n","cid":"team:d","user":"u","parent_id":"p"`),
			[]string{
				"line 2, column 74: parent_id names a message that the store has in another channel",
			},
		},
		{
			"a reply to what is left alone as a reply", importer.Insert,
			message(`"id":"r","cid":"team:c","user":"u"`) + message(`"id":"n","cid":"team:c","user":"u","parent_id":"r"`),
			[]string{
				"line 2, column 74: parent_id names a message that is itself a reply in the store",
			},
		},
		{
			"replies that are left alone, to what can be no parent", importer.Insert,
			message(`"id":"s","cid":"team:c","user":"u","parent_id":"r"`) + // is a reply
				message(`"id":"r","cid":"team:d","user":"u","parent_id":"p"`) + // is in another channel
				message(`"id":"y","cid":"team:c","user":"u","parent_id":"none"`), // is nowhere
			nil,
		},
		{
			"replies that are left alone, to a new reply and into another channel", importer.Insert,
			message(`"id":"n","cid":"team:c","user":"u","parent_id":"p"`) + message(`"id":"r","cid":"team:c","user":"u","parent_id":"n"`) +
				message(`"id":"m","cid":"team:d","user":"u"`) + message(`"id":"s","cid":"team:c","user":"u","parent_id":"m"`), nil,
		},
		{
			"a reply that is left alone, and a new one beside it", importer.Insert,
			message(`"id":"s","cid":"team:c","user":"u","parent_id":"r"`) + message(`"id":"n","cid":"team:c","user":"u","parent_id":"r"`) +
				message(`"id":"y","cid":"team:c","user":"u","parent_id":"r"`),
			[]string{
				"line 2, column 74: parent_id names a message that is itself a reply",
			},
		},
		{"a reply to a deleted reply", both, message(`"id":"n","cid":"team:c","user":"u","parent_id":"x"`), []string{
			"line 1, column 74: parent_id names a message that is itself a reply",
		}},
		{"a reply to a system message that is a reply", both, message(`"id":"n","cid":"team:c","user":"u","parent_id":"y"`), []string{
			"line 1, column 74: parent_id names a message that is itself a reply",
		}},
	}
	for _, test := range tests {
		for mode := range strings.FieldsSeq(test.mode) {
			t.Run(test.name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t)
				p.mustImport(t, threads, importer.FileOptions{})
				before := p.read(t).text()
				_, err := p.importFile(t.Context(), test.file, importer.FileOptions{Mode: mode})
				var got []string
				if bad, ok := errors.AsType[*importer.FileError](err); ok {
					for _, problem := range bad.Problems {
						got = append(got, problem.String())
					}
				} else if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				after := p.read(t)
				if len(got) > 0 && after.text() != before {
					t.Error("a file that was refused changed the store")
				}
				again := newPlace(t)
				if _, err := again.importFile(t.Context(), after.v2(true), importer.FileOptions{}); err != nil {
					t.Fatalf("an export of what is there now is refused: %v", err)
				}
				if diff := cmp.Diff(after.text(), again.read(t).text()); diff != "" {
					t.Errorf("an export of what is there now brings something else: -want +got:\n%s", diff)
				}
			})
		}
	}
}

// The store is asked for many messages at a time, and what it answers is told where
// it belongs.
func TestThreadsInTheStoreOfABigFile(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.SortMemory = 1
	p.mustImport(t, threads, importer.FileOptions{})
	var file strings.Builder
	var want []string
	for line := 1; line <= 1400; line++ {
		text, end := "", ""
		switch line {
		case 200:
			text = strings.Repeat("x", 3<<20)
		case 300, 1399:
			id := map[int]string{300: "p", 1399: "gone"}[line]
			before := fmt.Sprintf(`{"type":"message","data":{"id":"%s","user":"u","cid":`, id)
			file.WriteString(before + `"team:d"}}` + "\n")
			want = append(want, fmt.Sprintf("line %d, column %d: cid is another channel than that of the replies to this message in the store", line, len(before)+1))
			continue
		case 900:
			before := `{"type":"message","data":{"id":"q","user":"u","cid":"team:c","parent_id":`
			file.WriteString(before + `"m1"}}` + "\n")
			want = append(want, fmt.Sprintf("line %d, column %d: parent_id makes a reply of a message that has replies in the store", line, len(before)+1))
			continue
		}
		if line > 1 && line%3 == 0 {
			end = `,"parent_id":"m1"`
		}
		fmt.Fprintf(&file, `{"type":"message","data":{"id":"m%d","cid":"team:c","user":"u","text":"%s"%s}}`+"\n", line, text, end)
	}
	if diff := cmp.Diff(want, p.rejected(t, file.String())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	assertTidy(t, p)
}
