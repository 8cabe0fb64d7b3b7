package test_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hansard/test/harness"
)

// Channels of testdata/edge.jsonl and testdata/ghost.jsonl.
const (
	edge   = "messaging:edge"
	empty  = "messaging:empty"
	ghosts = "messaging:ghosts"
)

func testdata(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEdges: a chat that has every optional field once and of every rule what
// lies just on either side of it, golden and around the world and back.
func TestEdges(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, t.TempDir())
	s.Import(testdata(t, "edge.jsonl"))
	s.Import(testdata(t, "ghost.jsonl"))
	cids := []string{edge, empty, ghosts}

	plain := s.Channels(harness.Request{"channels": specs(cids...), "version": "v2", "export_users": true})
	golden(t, "edge.v2.jsonl", plain)
	checkUsersFirst(t, lines(t, plain, true))
	cleared := s.Channels(harness.Request{"channels": specs(cids...), "clear_deleted_message_text": true})
	golden(t, "edge.cleared.v1.json", cleared)
	entries(t, cleared)
	for _, text := range []string{"deleted text", "deleted html", "deleted reply", `{"language":"en"}`, `\u003cm/\u003e`} {
		if !bytes.Contains(plain, []byte(text)) {
			t.Errorf("%q is not in the plain export", text)
		}
		if bytes.Contains(cleared, []byte(text)) {
			t.Errorf("%q is not cleared", text)
		}
	}
	people := []string{"ada", "bob", "cyn@x_y!z-1"}
	own := s.Users(people...)
	golden(t, "edge.users.jsonl", own)
	checkPeople(t, lines(t, own, false), people)

	// since is part of a window, until is not.
	window := harness.Request{"cid": edge, "messages_since": "2024-05-02T00:00:00Z", "messages_until": "2024-05-02T00:00:05.000001Z"}
	var ids []string
	for _, l := range lines(t, s.Channels(harness.Request{"channels": []harness.Request{window}, "version": "v2"}), true) {
		if l.Type == "message" {
			ids = append(ids, l.Flat["message_id"])
		}
	}
	equal(t, "messages in the window", []byte("tie-B tie-a tie-b marks gone quote-of-gone"), []byte(strings.Join(ids, " ")))

	v1, v2 := s.Channels(everything("v1", cids...)), s.Channels(everything("v2", cids...))
	sameContent(t, entries(t, v1), lines(t, v2, true))
	for name, file := range map[string][]byte{"v1": v1, "v2": v2} {
		second := store(t, write(t, "export", file))
		equal(t, name+", imported, as v1", v1, second.Channels(everything("v1", cids...)))
		equal(t, name+", imported, as v2", v2, second.Channels(everything("v2", cids...)))
		equal(t, name+", imported, users", own, second.Users(people...))
	}
}
