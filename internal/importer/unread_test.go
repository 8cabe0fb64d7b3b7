package importer_test

import (
	"strings"
	"testing"

	"hansard/internal/importer"
)

// What is unread is counted at the end of the import that brings the read state, of
// the messages that are there by then.
func TestUnreadOfSeveralFiles(t *testing.T) {
	t.Parallel()
	const (
		start = `{"type":"user","data":{"id":"u"}}
{"type":"user","data":{"id":"v"}}
{"type":"channel","data":{"type":"team","id":"c","created_by":"u"}}
`
		member   = `{"type":"member","data":{"cid":"team:c","user_id":"u","last_read":"2024-01-01T00:00:00Z"}}` + "\n"
		plain    = `{"type":"member","data":{"cid":"team:c","user_id":"u"}}` + "\n"
		messages = `{"type":"message","data":{"id":"old","cid":"team:c","user":"v","created_at":"2023-01-01T00:00:00Z"}}
{"type":"message","data":{"id":"new","cid":"team:c","user":"v","created_at":"2024-02-01T00:00:00Z"}}
{"type":"message","data":{"id":"own","cid":"team:c","user":"u","created_at":"2024-02-01T00:00:00Z"}}
`
		more   = `{"type":"message","data":{"id":"more","cid":"team:c","user":"v","created_at":"2024-03-01T00:00:00Z"}}` + "\n"
		export = `{"type":"read","data":{"channel_cid":"team:c","user":{"id":"u"},"last_read":"2024-01-01T00:00:00Z","unread_messages":7}}` + "\n"
	)
	for name, test := range map[string]struct {
		files []string
		mode  string
		want  string
	}{
		"one file":                               {[]string{start + member + messages}, importer.Upsert, "1"},
		"members first":                          {[]string{start + member, messages}, importer.Upsert, "0"},
		"messages first":                         {[]string{start + messages, member}, importer.Upsert, "1"},
		"members first and last":                 {[]string{start + member, messages, member}, importer.Upsert, "1"},
		"members first and last, left alone":     {[]string{start + member, messages, member}, importer.Insert, "0"},
		"more messages, with members":            {[]string{start + member + messages, member + more}, importer.Upsert, "2"},
		"more messages":                          {[]string{start + member + messages, more}, importer.Upsert, "1"},
		"more messages, members without a state": {[]string{start + member + messages, plain + more}, importer.Upsert, "1"},
		"a count of an export":                   {[]string{start + messages, export, more}, importer.Upsert, "7"},
		"no read state":                          {[]string{start + plain + messages}, importer.Upsert, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			for _, file := range test.files {
				p.mustImport(t, file, importer.FileOptions{Mode: test.mode})
			}
			got := ""
			for _, read := range p.read(t).channels[0].reads {
				_, got, _ = strings.Cut(strings.TrimSuffix(read, "}"), `"unread_messages":`)
			}
			if got != test.want {
				t.Errorf("unread are %q, want %q", got, test.want)
			}
		})
	}
}
