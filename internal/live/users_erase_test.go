package live_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/live"
	"hansard/internal/store"
	"hansard/internal/store/sqlite"
)

// TestNothingIsLeftInTheFile deletes a user with all that it has written, and
// looks for what that was in the files of the database.
func TestNothingIsLeftInTheFile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		delete func(f *userFixture)
		gone   []string
		kept   []string
	}{
		"hard": {
			func(f *userFixture) {
				f.must(f.onUser(f.live.DeleteUser, "secret-ann",
					"hard_delete=true&mark_messages_deleted=true&delete_conversation_channels=true"), ``)
			},
			[]string{"secret-"},
			[]string{"kept 123", "public-like", "deleted-user-"},
		},
		"hard without messages": {
			func(f *userFixture) { f.must(f.onUser(f.live.DeleteUser, "secret-ann", "hard_delete=true"), ``) },
			[]string{"secret-ann", "secret-name", "secret-image", "secret-note", "secret-pending", "secret-title"},
			[]string{"kept 123", "secret-text", "secret-topic", "deleted-user-"},
		},
		"pruning": {
			func(f *userFixture) {
				a := f.deleteUsers(`{"user_ids":["secret-ann"],"user":"pruning","messages":"pruning"}`)
				f.run(a)
			},
			[]string{"secret-name", "secret-image", "secret-note", "secret-text", "secret-custom", "secret-wow", "secret-was", "secret-pending"},
			[]string{"kept 123", "public-like", "secret-ann"},
		},
	} {
		t.Run(name, func(t *testing.T) {
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
			f.tellSecrets()
			tt.delete(f)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			files := allFiles(t, dir)
			for _, word := range tt.gone {
				if n := bytes.Count(files, []byte(word)); n > 0 {
					t.Errorf("%s is %d times in the files", word, n)
				}
			}
			for _, word := range tt.kept {
				if !bytes.Contains(files, []byte(word)) {
					t.Errorf("%s was to be kept", word)
				}
			}
		})
	}
}

// tellSecrets makes a user who has written much, between what others write.
func (f *userFixture) tellSecrets() {
	f.t.Helper()
	f.must(f.users, `{"users":{"bob":{"id":"bob"},"eve":{"id":"eve"},
		"secret-ann":{"id":"secret-ann","name":"secret-name","image":"secret-image","note":"secret-note"}}}`)
	f.must(f.query("messaging:general"), `{"data":{"created_by_id":"secret-ann","members":["secret-ann","bob","eve"],"topic":"all"}}`)
	f.must(f.query("messaging:secret-pair"), `{"data":{"created_by_id":"bob","members":["secret-ann","bob"],"topic":"secret-topic"}}`)
	_, err := f.live.UpdateMember(f.t.Context(), f.app, "messaging", "general", "secret-ann", []byte(`{"set":{"title":"secret-title"}}`))
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range 150 {
		// Of all lengths, and some that need pages of their own.
		text := strings.Repeat("secret-text ", 1+i*i%700)
		if i%50 == 0 {
			text = strings.Repeat("secret-text ", 1600)
		}
		f.must(f.send("messaging:general"), fmt.Sprintf(`{"message":{"id":"secret-%d","text":%q,"user_id":"secret-ann","c":"secret-custom"}}`, i, text))
		f.must(f.send("messaging:general"), fmt.Sprintf(`{"message":{"id":"kept-%d","text":"kept %d","user_id":"bob"}}`, i, i))
		f.must(f.send("messaging:secret-pair"), fmt.Sprintf(`{"message":{"id":"secret-pair-%d","text":"secret-pair","user_id":"bob"}}`, i))
		f.must(f.react(fmt.Sprintf("kept-%d", i)), `{"reaction":{"type":"secret-like","user_id":"secret-ann","why":"secret-why"}}`)
		f.must(f.react(fmt.Sprintf("kept-%d", i)), `{"reaction":{"type":"public-like","user_id":"bob"}}`)
		f.must(f.react(fmt.Sprintf("secret-%d", i)), `{"reaction":{"type":"secret-wow","user_id":"bob"}}`)
	}
	ann := f.key("secret-ann")
	f.put(func(tx store.Tx) error {
		row, err := tx.Channel("messaging:general")
		if err != nil {
			return err
		}
		err = tx.PutPending(&store.PendingRow{ID: "p", Channel: row.Key, User: ann, CreatedAt: 5, Message: []byte(`{"text":"secret-pending"}`)})
		for i := range 100 {
			h := store.HistoryRow{Message: fmt.Sprintf("secret-%d", i), UpdatedAt: 5, UpdatedBy: ann, Object: []byte(`{"text":"secret-was"}`)}
			call := chat.Call{
				Type: "default", ID: fmt.Sprint(i), CreatedBy: "bob", CreatedAt: 5, UpdatedAt: 5,
				Members: []chat.CallMember{{UserID: "secret-ann", CreatedAt: 5}},
				Session: chat.Raw(`{"participants":["eve",{"user":{"id":"secret-ann","name":"secret-name"}}]}`),
			}
			mark := store.Mark{Kind: store.Blocked, User: f.key("bob"), Subject: "secret-ann", At: 5}
			err = errors.Join(err, tx.PutHistory(&h), tx.PutCall(&call), tx.PutMark(&mark))
		}
		return err
	})
}

func allFiles(t *testing.T, dir string) (all []byte) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}
