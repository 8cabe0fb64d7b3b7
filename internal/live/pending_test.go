package live_test

import (
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestPendingMessage(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	send, commit := f.send("messaging:general"), f.about(f.live.CommitMessage, "p", "")
	f.say("bob", "before")
	f.pass(time.Minute)
	v := f.must(send, `{"message":{"id":"p","text":"*later*","user_id":"ann","html":"","attachments":[{"n":2.50}],"mentioned_users":["bob"],
		"quoted_message_id":"before","pinned":true,"x":12345678901234567890},"pending":true,"pending_message_metadata":{"case":"17"}}`)
	f.want(v, map[string]any{"case": "17"}, "pending_message_metadata")
	f.want(v, "p", "message", "id")
	f.want(v, "regular", "message", "type")
	f.want(v, "2026-03-01T12:01:00Z", "message", "created_at")
	f.want(v, "<p><em>later</em></p>\n", "message", "html")
	f.want(v, "text of before", "message", "quoted_message", "text")
	f.want(v, "ann", "message", "pinned_by", "id")
	sent := get(v, "message")
	// Nobody sees it, and its id is taken.
	if diff := cmp.Diff([]string{"before"}, f.storedMessages(t)); diff != "" {
		t.Error(diff)
	}
	state := f.must(f.query("messaging:general"), `{"state":true}`)
	f.wantIDs(state, "messages", "before")
	f.want(state, 1.0, "channel", "message_count")
	f.want(state, "2026-03-01T12:00:00Z", "channel", "last_message_at")
	f.refused(send, `{"message":{"id":"p","text":"x","user_id":"ann"}}`, wire.CodeBadInput, "message.id", "exists")
	f.refused(send, `{"message":{"id":"p","text":"x","user_id":"ann"},"pending":true}`, wire.CodeBadInput, "message.id", "exists")
	f.refused(send, `{"message":{"text":"x","user_id":"ann","quoted_message_id":"p"}}`, wire.CodeBadInput, "quoted_message_id")
	f.refused(send, `{"message":{"text":"x","user_id":"ann","parent_id":"p"}}`, wire.CodeBadInput, "parent_id")
	f.refused(f.react("p"), `{"reaction":{"type":"like","user_id":"bob"}}`, wire.CodeNotFound)
	f.refused(f.update("p"), `{"message":{"text":"x"}}`, wire.CodeNotFound)
	// Who knows its id gets it.
	v = f.must(f.message("p"), ``)
	f.want(v, map[string]any{"case": "17"}, "pending_message_metadata")
	f.want(v, "messaging:general", "message", "channel", "cid")
	got := get(v, "message").(map[string]any)
	delete(got, "channel")
	if diff := cmp.Diff(sent, any(got)); diff != "" {
		t.Errorf("sent (-) and got (+):\n%s", diff)
	}

	// Others went on meanwhile; its place is where it was sent.
	f.pass(time.Minute)
	f.say("bob", "after")
	v = f.must(commit, ``)
	f.want(v, nil, "pending_message_metadata")
	if diff := cmp.Diff(sent, get(v, "message")); diff != "" {
		t.Errorf("sent (-) and committed (+):\n%s", diff)
	}
	state = f.must(f.query("messaging:general"), `{"state":true}`)
	f.wantIDs(state, "messages", "before", "p", "after")
	f.want(state, 3.0, "channel", "message_count")
	f.want(state, "2026-03-01T12:02:00Z", "channel", "last_message_at")
	if out := f.raw(f.message("p"), ``); !strings.Contains(out, `"x":12345678901234567890`) || !strings.Contains(out, `{"n":2.50}`) {
		t.Error(out)
	}
	// bob had read beyond it; ann has read up to it.
	if diff := cmp.Diff(map[string]int{"ann": 1, "bob": 0}, f.unreadCounts()); diff != "" {
		t.Error(diff)
	}
	f.refused(commit, ``, wire.CodeBadInput, "not pending")
	f.refused(f.about(f.live.CommitMessage, "none", ""), ``, wire.CodeNotFound)
	f.must(f.update("p"), `{"message":{"text":"now"}}`)
}

func TestPendingWithoutMetadata(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	v := f.must(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann"},"is_pending_message":true}`)
	f.want(v, nil, "pending_message_metadata")
	id, _ := get(v, "message", "id").(string)
	f.must(f.about(f.live.CommitMessage, id, ""), ``)
	f.want(f.must(f.message(id), ``), "x", "message", "text")
	// Metadata of a message that is not pending says nothing.
	v = f.must(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann"},"pending_message_metadata":{"a":"b"}}`)
	f.want(v, nil, "pending_message_metadata")
	f.refused(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann"},"pending":true,"pending_message_metadata":{"a":"`+
		strings.Repeat("x", 5<<10)+`"}}`, wire.CodeBadInput, "pending_message_metadata")
	f.refused(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann"},"pending":true,"pending_message_metadata":[]}`,
		wire.CodeBadInput, "pending_message_metadata")
}

// What has changed since a message was sent counts when it is committed.
func TestCommitRefuses(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.users, `{"users":{"kim":{"id":"kim"}}}`)
	f.say("ann", "top")
	hold := func(id, fields string) {
		t.Helper()
		f.must(f.send("messaging:general"), `{"message":{"id":"`+id+`","text":"x","user_id":"ann"`+fields+`},"pending":true}`)
	}
	commit := func(id string) call { return f.about(f.live.CommitMessage, id, "") }
	hold("p1", ``)
	hold("p2", `,"parent_id":"top","show_in_channel":true`)
	hold("p3", `,"quoted_message_id":"top","silent":true`)
	hold("p4", `,"mentioned_users":["kim","bob"],"restricted_visibility":["kim"]`)
	hold("p5", ``)
	f.change("messaging:general", func(c *chat.Channel) { c.Frozen = true })
	f.refused(commit("p1"), ``, wire.CodeForbidden, "frozen")
	f.change("messaging:general", func(c *chat.Channel) { c.Frozen = false })
	f.change("messaging:general", func(c *chat.Channel) { c.DeletedAt = 5 })
	f.refused(commit("p1"), ``, wire.CodeNotFound)
	f.refused(f.message("p1"), ``, wire.CodeNotFound)
	f.change("messaging:general", func(c *chat.Channel) { c.DeletedAt = 0 })
	f.must(commit("p2"), ``)
	f.want(f.must(f.message("top"), ``), 1.0, "message", "reply_count")
	f.must(f.about(f.live.DeleteMessage, "top", "hard=true"), ``)
	hold("p6", ``)
	f.put(func(tx store.Tx) error { return tx.RenameUser("kim", "deleted-user-1") })
	v := f.must(commit("p3"), ``)
	f.want(v, "top", "message", "quoted_message_id")
	v = f.must(f.message("p4"), ``)
	f.wantIDs(get(v, "message"), "mentioned_users", "deleted-user-1", "bob")
	v = f.must(commit("p4"), ``)
	f.wantIDs(get(v, "message"), "mentioned_users", "deleted-user-1", "bob")
	f.want(v, []any{"deleted-user-1"}, "message", "restricted_visibility")
	// What was sent before the truncation appears after it.
	f.pass(time.Minute)
	f.change("messaging:general", func(c *chat.Channel) { c.TruncatedAt = chat.TimeOf(f.time()) })
	f.pass(time.Minute)
	v = f.must(commit("p1"), ``)
	f.want(v, "2026-03-01T12:02:00Z", "message", "created_at")
	f.want(v, "2026-03-01T12:02:00Z", "message", "updated_at")
	f.put(func(tx store.Tx) error {
		u := chat.User{ID: "ann", Role: "user", CreatedAt: 5, UpdatedAt: 5, DeactivatedAt: 9}
		_, err := tx.PutUser(&u)
		return err
	})
	f.refused(commit("p5"), ``, wire.CodeBadInput, "ann", "deactivated")
	f.must(f.about(f.live.DeleteMessage, "p5", ""), ``)
	f.refused(commit("p5"), ``, wire.CodeNotFound)
	f.refused(f.message("p5"), ``, wire.CodeNotFound)
	f.refused(f.about(f.live.DeleteMessage, "p6", "delete_for_me=true&deleted_by=bob"), ``, wire.CodeNotFound)
	v = f.must(f.about(f.live.DeleteMessage, "p6", "hard=true"), ``)
	f.want(v, "regular", "message", "type")
	f.refused(f.message("p6"), ``, wire.CodeNotFound)
}

func TestCommitOfReplyWithoutParent(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "top")
	f.must(f.send("messaging:general"), `{"message":{"id":"p","text":"x","user_id":"ann","parent_id":"top"},"pending":true}`)
	f.must(f.about(f.live.DeleteMessage, "top", "hard=true"), ``)
	f.refused(f.about(f.live.CommitMessage, "p", ""), ``, wire.CodeBadInput, "parent_id", "top")
	f.must(f.message("p"), ``) // a refused commit changes nothing
}
