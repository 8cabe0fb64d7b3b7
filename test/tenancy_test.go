package test_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"hansard/internal/sample"
	"hansard/test/harness"
)

var duration = regexp.MustCompile(`"duration":"[^"]*"`)

// TestTenancy: to one app the objects of another are as if they were not
// there, byte for byte of the answer; and the same ids in two apps are two
// things.
func TestTenancy(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := harness.Start(t, data)
	other := harness.App{Key: "other", Secret: "another-secret-of-the-tests"}
	harness.Run(t, "app", "create", "--data", data, "--api-key", other.Key, "--api-secret", other.Secret)
	stranger := s.As(other)

	s.Import(sample.File())
	path := s.Upload("chat.jsonl", bytes.NewReader(sample.File()))
	imported := s.CreateImport(s.Upload("chat.jsonl", bytes.NewReader(sample.File())))
	s.Imported(imported)
	channels := s.Completed(s.ExportChannels(harness.Request{"channels": specs(general), "version": "v2"}))
	users := s.Completed(s.ExportUsers("noor")).ID
	stranger.Must("POST", "/users", harness.Request{"users": harness.Request{"zoe": harness.Request{"id": "zoe"}}}, nil)

	// What is not there, of the same kind as what is.
	const nobody, nowhere, nothing = "nobody", "messaging:nowhere", "no-such-message"
	const noTask, noPath = "00000000-0000-4000-8000-000000000000", "imports/other/00000000-0000-4000-8000-000000000000/chat.jsonl"
	const message = "general-001"
	for _, c := range []struct{ method, path, body, foreign, unknown string }{
		{"GET", "/tasks/ID", "", channels.ID, noTask},
		{"GET", "/api/v2/tasks/ID", "", users, noTask},
		{"GET", "/export_channels/ID", "", channels.ID, noTask},
		{"GET", "/api/v2/chat/export_channels/ID", "", channels.ID, noTask},
		{"POST", "/tasks/ID/cancel", "", channels.ID, noTask},
		{"GET", "/imports/ID", "", imported, noTask},
		{"POST", "/imports", `{"path":"ID"}`, path, noPath},
		{"POST", "/export_channels", `{"channels":[{"cid":"ID"}]}`, general, nowhere},
		{"POST", "/api/v2/chat/export_channels", `{"channels":[{"cid":"ID"}]}`, launch, nowhere},
		{"POST", "/export_channels", `{"include_soft_deleted_channels":true,"channels":[{"cid":"ID"}]}`, workshop, nowhere},
		{"POST", "/export/users", `{"user_ids":["ID"]}`, "noor", nobody},
		{"GET", "/users/ID/export", "", "noor", nobody},
		{"GET", "/api/v2/users/ID/export", "", "noor", nobody},
		{"POST", "/channels/messaging/ID/message", `{"message":{"text":"hello","user_id":"zoe"}}`, "general", "nowhere"},
		{"POST", "/channels/messaging/new/query", `{"data":{"created_by_id":"ID"}}`, "noor", nobody},
		{"POST", "/channels/messaging/new/query", `{"data":{"created_by_id":"zoe","members":["ID"]}}`, "noor", nobody},
		{"POST", "/messages/ID/reaction", `{"reaction":{"type":"wave","user_id":"zoe"}}`, message, nothing},
	} {
		ask := func(id string) string {
			var body any
			if c.body != "" {
				body = strings.ReplaceAll(c.body, "ID", id)
			}
			resp, err := stranger.Do(c.method, strings.ReplaceAll(c.path, "ID", id), body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.Status < 400 {
				t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, resp.Status, resp.Body)
			}
			answer := duration.ReplaceAllString(string(resp.Body), `"duration":""`)
			return strings.ReplaceAll(answer, id, "ID")
		}
		foreign, unknown := ask(c.foreign), ask(c.unknown)
		if foreign != unknown {
			t.Errorf("%s %s %s: of another app\n%s\nunknown\n%s", c.method, c.path, c.body, foreign, unknown)
		}
		if strings.HasPrefix(c.path, "/channels/messaging/new") {
			continue // a bad field of the body, code 4
		}
		if !strings.Contains(foreign, `"code":16`) {
			t.Errorf("%s %s %s: %s", c.method, c.path, c.body, foreign)
		}
	}

	// Asking changed nothing for the owner.
	if task := s.Task(channels.ID); task.Status != "completed" {
		t.Errorf("the owner's task is %s", task.Status)
	}
	var list struct {
		Tasks   []json.RawMessage
		Imports []json.RawMessage `json:"import_tasks"`
	}
	stranger.Must("GET", "/tasks", nil, &list)
	stranger.Must("GET", "/imports", nil, &list)
	if len(list.Tasks)+len(list.Imports) > 0 {
		t.Errorf("foreign tasks are listed: %s %s", list.Tasks, list.Imports)
	}
	// A token of one app is none of another.
	forged := s.As(harness.App{Key: harness.TestApp.Key, Secret: other.Secret})
	if resp, err := forged.Do("GET", "/tasks", nil); err != nil || resp.Status != 401 || !bytes.Contains(resp.Body, []byte(`"code":43`)) {
		t.Errorf("a token of another app: %+v, %v", resp, err)
	}

	// The same chat in both apps: the same ids, two chats.
	stranger.Import(sample.File())
	all := harness.Request{"channels": specs(general, launch), "version": "v2", "export_users": true}
	want := s.Channels(all)
	equal(t, "the same chat in another app", want, stranger.Channels(all))
	stranger.Must("POST", "/channels/messaging/general/message", harness.Request{"message": harness.Request{"text": "hello", "user_id": "zoe"}}, nil)
	stranger.Must("POST", "/messages/"+message+"/reaction", harness.Request{"reaction": harness.Request{"type": "wave", "user_id": "zoe"}}, nil)
	equal(t, "after the other app has written", want, s.Channels(all))
}
