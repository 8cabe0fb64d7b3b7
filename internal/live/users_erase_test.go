package live_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hansard/internal/live"
	"hansard/internal/store"
	"hansard/internal/store/sqlite"
)

// TestNothingIsLeftInTheFile deletes users, messages and channels for good and
// looks for what they held in the files of the database.
func TestNothingIsLeftInTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	app := store.App{Name: "test", Key: "test", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	f := newUserFixture(t)
	f.store, f.app = s, app.ID
	f.live = &live.Service{Store: s, Now: f.time}

	f.must(f.users, `{"users":{"secret-ann":{"id":"secret-ann","name":"secret-name","image":"secret-image","note":"secret-custom"},"bob":{"id":"bob"},"eve":{"id":"eve"}}}`)
	f.must(f.query("messaging:general"), `{"data":{"created_by_id":"secret-ann","members":["secret-ann","bob","eve"],"topic":"all"}}`)
	f.must(f.query("messaging:secret-pair"), `{"data":{"created_by_id":"bob","members":["secret-ann","bob"],"topic":"secret-topic"}}`)
	f.must(f.query("messaging:loud"), `{"data":{"created_by_id":"bob","members":["bob"]}}`)
	for i := range 300 {
		// Of all lengths, and some that need pages of their own.
		text := strings.Repeat("secret-text ", 1+i*i%700)
		f.must(f.send("messaging:general"), fmt.Sprintf(`{"message":{"id":"secret-%d","text":%q,"user_id":"secret-ann","c":"secret-custom"}}`, i, text))
		f.must(f.send("messaging:general"), fmt.Sprintf(`{"message":{"id":"kept-%d","text":"kept %d","user_id":"bob"}}`, i, i))
		f.must(f.send("messaging:secret-pair"), fmt.Sprintf(`{"message":{"id":"secret-pair-%d","text":"secret-pair","user_id":"bob"}}`, i))
		f.must(f.react(fmt.Sprintf("kept-%d", i)), `{"reaction":{"type":"secret-like","user_id":"secret-ann","why":"secret-why"}}`)
		f.must(f.react(fmt.Sprintf("secret-%d", i)), `{"reaction":{"type":"secret-wow","user_id":"bob"}}`)
	}
	f.must(f.onUser(f.live.DeleteUser, "secret-ann", "hard_delete=true&mark_messages_deleted=true&delete_conversation_channels=true"), ``)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	kept := false
	for _, file := range files {
		b, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		kept = kept || bytes.Contains(b, []byte("kept 123"))
		for _, word := range []string{"secret-ann", "secret-name", "secret-image", "secret-custom", "secret-text", "secret-topic", "secret-pair", "secret-like", "secret-why", "secret-wow", "secret-"} {
			if n := bytes.Count(b, []byte(word)); n > 0 {
				t.Errorf("%s has %s %d times", file.Name(), word, n)
			}
		}
	}
	if !kept {
		t.Error("what was to stay is not where it was looked for")
	}
}
