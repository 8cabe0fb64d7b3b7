package live_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/live"
	"hansard/internal/store"
	"hansard/internal/store/sqlite"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func (f *fixture) remove(id, query string) call { return f.about(f.live.DeleteMessage, id, query) }
func (f *fixture) undelete(id string) call      { return f.about(f.live.UndeleteMessage, id, "") }

func TestSoftDelete(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.send("messaging:general"), `{"message":{"id":"m","text":"x","user_id":"ann","type":"system","attachments":[{"a":1}],"pinned":true,"k":1}}`)
	f.must(f.send("messaging:general"), `{"message":{"id":"r","text":"x","user_id":"bob","parent_id":"m"}}`)
	f.must(f.react("m"), `{"reaction":{"type":"like","user_id":"bob"}}`)
	f.pass(time.Minute)
	v := f.must(f.remove("m", "hard=false&deleted_by=bob"), ``)
	f.want(v, "deleted", "message", "type")
	f.want(v, "2026-03-01T12:01:00Z", "message", "deleted_at")
	f.want(v, "2026-03-01T12:01:00Z", "message", "updated_at")
	f.want(v, "x", "message", "text")
	f.want(v, 1.0, "message", "attachments", 0, "a")
	f.want(v, 1.0, "message", "reaction_counts", "like")
	f.want(v, 1.0, "message", "reply_count")
	f.want(v, 1.0, "message", "k")
	f.want(f.must(f.query("messaging:general"), `{}`), 1.0, "channel", "message_count")
	// Once more changes nothing.
	f.pass(time.Minute)
	if diff := cmp.Diff(v, f.must(f.remove("m", ""), ``)); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		call
		body string
	}{
		{f.update("m"), `{"message":{"text":"y"}}`},
		{f.patch("m"), `{"set":{"y":1}}`},
		{f.react("m"), `{"reaction":{"type":"wow","user_id":"bob"}}`},
		{f.unreact("m", "like", "user_id=bob"), ``},
	} {
		f.refused(c.call, c.body, wire.CodeBadInput, "deleted")
	}
	f.must(f.remove("r", ""), ``)
	v = f.must(f.message("m"), ``)
	f.want(v, 0.0, "message", "reply_count")
	f.want(v, 1.0, "message", "deleted_reply_count")

	v = f.must(f.undelete("m"), `{"undeleted_by":"bob"}`)
	f.want(v, "system", "message", "type")
	f.want(v, nil, "message", "deleted_at")
	f.want(v, "2026-03-01T12:02:00Z", "message", "updated_at")
	f.want(v, "x", "message", "text")
	f.want(v, true, "message", "pinned")
	v = f.must(f.undelete("r"), `{"undeleted_by":"bob"}`)
	f.want(v, "reply", "message", "type")
	f.want(f.must(f.message("m"), ``), 1.0, "message", "reply_count")
	f.want(f.must(f.query("messaging:general"), `{}`), 2.0, "channel", "message_count")
	f.refused(f.undelete("m"), `{"undeleted_by":"bob"}`, wire.CodeBadInput, "not deleted")
	f.refused(f.undelete("none"), `{"undeleted_by":"bob"}`, wire.CodeNotFound)
	f.must(f.remove("m", ""), ``)
	for body, word := range map[string]string{
		`{}`: "required", `{"undeleted_by":""}`: "required", `{"undeleted_by":"nobody"}`: "nobody", `{"undeleted_by":7}`: "string",
	} {
		f.refused(f.undelete("m"), body, wire.CodeBadInput, "undeleted_by", word)
	}
}

func TestDeleteMessageRefuses(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "m")
	for query, words := range map[string][]string{
		"hard=maybe":                      {"hard"},
		"delete_for_me=2":                 {"delete_for_me"},
		"delete_for_me=true":              {"deleted_by", "required"},
		"hard=true&delete_for_me=true":    {"delete_for_me", "hard"},
		"deleted_by=nobody":               {"deleted_by", "nobody"},
		"hard=true&deleted_by=nobody":     {"deleted_by", "nobody"},
		"deleted_by=no%20body":            {"deleted_by", "user id"},
		"delete_for_me=true&deleted_by=x": {"deleted_by", "x"},
	} {
		f.refused(f.remove("m", query), ``, wire.CodeBadInput, words...)
	}
	for _, query := range []string{"", "hard=true", "delete_for_me=true&deleted_by=ann"} {
		f.refused(f.remove("none", query), ``, wire.CodeNotFound)
	}
	f.want(f.must(f.message("m"), ``), "regular", "message", "type")
	f.change("messaging:general", func(c *chat.Channel) { c.Frozen = true })
	f.must(f.remove("m", ""), ``)
	f.change("messaging:general", func(c *chat.Channel) { c.DeletedAt = 5 })
	f.refused(f.remove("m", "hard=true"), ``, wire.CodeNotFound)
}

// Booleans in a query are what the client's language writes for them.
func TestDeleteMessageBooleans(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	for value, hard := range map[string]bool{
		"true": true, "True": true, "TRUE": true, "1": true,
		"false": false, "False": false, "0": false, "": false,
	} {
		f.say("ann", "m-"+value)
		f.must(f.remove("m-"+value, "hard="+value), ``)
		if hard {
			f.refused(f.message("m-"+value), ``, wire.CodeNotFound)
		} else {
			f.want(f.must(f.message("m-"+value), ``), "deleted", "message", "type")
		}
	}
}

func TestHardDelete(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "a", "m", "q")
	f.must(f.send("messaging:general"), `{"message":{"id":"r1","text":"x","user_id":"bob","parent_id":"m"}}`)
	f.must(f.send("messaging:general"), `{"message":{"id":"r2","text":"x","user_id":"bob","parent_id":"m","show_in_channel":true}}`)
	f.must(f.send("messaging:general"), `{"message":{"id":"by","text":"x","user_id":"bob","quoted_message_id":"m"}}`)
	f.must(f.react("m"), `{"reaction":{"type":"like","user_id":"bob"}}`)
	f.must(f.react("r1"), `{"reaction":{"type":"like","user_id":"bob"}}`)
	f.must(f.update("m"), `{"message":{"text":"y"}}`)
	f.must(f.remove("m", "delete_for_me=true&deleted_by=bob"), ``)
	f.must(f.remove("m", ""), ``)
	v := f.must(f.remove("m", "hard=true&deleted_by=bob"), ``)
	f.want(v, "m", "message", "id")
	f.want(v, "y", "message", "text")
	if diff := cmp.Diff([]string{"a", "by", "q"}, f.storedMessages(t)); diff != "" {
		t.Error(diff)
	}
	v = f.must(f.message("by"), ``)
	f.want(v, "m", "message", "quoted_message_id")
	f.want(v, nil, "message", "quoted_message")
	for _, id := range []string{"m", "r1", "r2"} {
		f.refused(f.message(id), ``, wire.CodeNotFound)
		f.refused(f.undelete(id), `{"undeleted_by":"bob"}`, wire.CodeNotFound)
	}
	err := f.store.View(t.Context(), f.app, func(r store.Reader) error {
		key, err := r.UserKey("bob")
		if err != nil {
			return err
		}
		if err := r.UserReactions(key, func(*store.ReactionRow) error { return fmt.Errorf("a reaction is left") }); err != nil {
			return err
		}
		if err := r.Marks(store.DeletedForMe, key, func(*store.Mark) error { return fmt.Errorf("a mark is left") }); err != nil {
			return err
		}
		return r.History(store.HistoryQuery{Message: "m"}, func(*store.HistoryRow) error { return fmt.Errorf("a history is left") })
	})
	if err != nil {
		t.Error(err)
	}
	// The id is free again.
	f.say("ann", "m")
}

// TestHardDeleteLeavesNothingInTheFile deletes messages, and looks for what they
// said in the files of the database.
func TestHardDeleteLeavesNothingInTheFile(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	app := store.App{Name: "test", Key: "test", Secret: "x"}
	if err := s.CreateApp(t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	f.store, f.app, f.live = s, app.ID, &live.Service{Store: s, Now: f.time}
	f.must(f.users, `{"users":{"ann":{"id":"ann"}}}`)
	f.must(f.query("messaging:general"), `{"data":{"created_by_id":"ann","members":["ann"]}}`)
	for i := range 60 {
		text := strings.Repeat("whisper ", 1+i*i%900)
		f.must(f.send("messaging:general"), fmt.Sprintf(`{"message":{"id":"gone-%d","text":"%s","user_id":"ann","c":"whisper","attachments":[{"a":"whisper"}]}}`, i, text))
		f.must(f.send("messaging:general"), fmt.Sprintf(`{"message":{"id":"kept-%d","text":"kept","user_id":"ann","quoted_message_id":"gone-%[1]d"}}`, i))
		f.must(f.send("messaging:general"), fmt.Sprintf(`{"message":{"text":"whisper","user_id":"ann","parent_id":"gone-%d"}}`, i))
		f.must(f.send("messaging:general"), fmt.Sprintf(
			`{"message":{"id":"p-%d","text":"%s","user_id":"ann"},"pending":true,"pending_message_metadata":{"a":"whisper"}}`, i, text))
		f.must(f.react(fmt.Sprintf("gone-%d", i)), `{"reaction":{"type":"whisper","user_id":"ann"}}`)
		f.must(f.update(fmt.Sprintf("gone-%d", i)), `{"message":{"text":"whisper too"}}`)
	}
	for i := range 60 {
		f.must(f.remove(fmt.Sprintf("gone-%d", i), "hard=true"), ``)
		if i%2 == 0 {
			f.must(f.about(f.live.CommitMessage, fmt.Sprintf("p-%d", i), ""), ``)
		}
		f.must(f.remove(fmt.Sprintf("p-%d", i), "hard=true"), ``)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files := allFiles(t, dir)
	if n := bytes.Count(files, []byte("whisper")); n > 0 {
		t.Errorf("what was said is %d times in the files", n)
	}
	if !bytes.Contains(files, []byte("kept-59")) {
		t.Error("what was to be kept is gone")
	}
}

// A long thread goes in steps.
func TestHardDeleteOfLongThread(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "m", "n")
	f.put(func(tx store.Tx) error {
		at := chat.TimeOf(f.time())
		ms := make([]chat.Message, 2500)
		for i := range ms {
			at++
			ms[i] = chat.Message{
				ID: fmt.Sprintf("r%d", i), CID: "messaging:general", UserID: "bob", Type: chat.Reply, Text: "x", ParentID: "m",
				CreatedAt: at, UpdatedAt: at,
			}
		}
		_, err := tx.InsertMessages(ms, false)
		return err
	})
	f.must(f.remove("m", "hard=true"), ``)
	if diff := cmp.Diff([]string{"n"}, f.storedMessages(t)); diff != "" {
		t.Error(diff)
	}
}

func TestDeleteForMe(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "m", "n")
	v := f.must(f.remove("m", "delete_for_me=true&deleted_by=bob"), ``)
	f.want(v, true, "message", "deleted_for_me")
	f.want(v, "regular", "message", "type")
	f.want(v, nil, "message", "deleted_at")
	v = f.must(f.message("m"), ``)
	f.want(v, nil, "message", "deleted_for_me")
	f.want(v, "regular", "message", "type")
	f.wantIDs(f.must(f.query("messaging:general"), `{"state":true}`), "messages", "m", "n")
	err := f.store.View(t.Context(), f.app, func(r store.Reader) error {
		key, err := r.UserKey("bob")
		if err == nil {
			_, err = r.Mark(store.DeletedForMe, key, "m")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
