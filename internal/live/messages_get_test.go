package live_test

import (
	"net/url"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/wire"
)

func TestGetMessage(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "a")
	f.must(f.send("messaging:general"), `{"message":{"id":"b","text":"x","user_id":"bob","quoted_message_id":"a","x":{"y":1}}}`)
	v := f.must(f.message("b"), ``)
	f.want(v, "b", "message", "id")
	f.want(v, "messaging:general", "message", "channel", "cid")
	f.want(v, "all", "message", "channel", "topic")
	f.want(v, "text of a", "message", "quoted_message", "text")
	f.want(v, map[string]any{"y": 1.0}, "message", "x")
	f.must(f.about(f.live.DeleteMessage, "b", ""), ``)
	v = f.must(f.about(f.live.GetMessage, "b", "show_deleted_message=true"), ``)
	f.want(v, "deleted", "message", "type")
	f.want(v, "x", "message", "text")
	f.want(f.must(f.message("b"), ``), "deleted", "message", "type")
	f.refused(f.about(f.live.GetMessage, "b", "show_deleted_message=maybe"), ``, wire.CodeBadInput, "show_deleted_message")
	f.refused(f.message("none"), ``, wire.CodeNotFound)

	// What was truncated is out of reach, as a message and as a quotation.
	row := f.must(f.message("b"), ``)
	at, err := chat.ParseTime(get(row, "message", "created_at").(string))
	if err != nil {
		t.Fatal(err)
	}
	f.change("messaging:general", func(c *chat.Channel) { c.TruncatedAt = at })
	f.refused(f.message("a"), ``, wire.CodeNotFound)
	v = f.must(f.message("b"), ``)
	f.want(v, "a", "message", "quoted_message_id")
	f.want(v, nil, "message", "quoted_message")
	// So is what is in a deleted channel.
	f.change("messaging:general", func(c *chat.Channel) { c.DeletedAt = at })
	f.refused(f.message("b"), ``, wire.CodeNotFound)
}

func TestGetMessages(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.query("messaging:other"), `{"data":{"created_by_id":"ann"}}`)
	f.say("ann", "a", "b", "c", "d", "e")
	f.must(f.send("messaging:other"), `{"message":{"id":"o","text":"x","user_id":"ann"}}`)
	f.must(f.about(f.live.DeleteMessage, "b", ""), ``)
	f.must(f.about(f.live.DeleteMessage, "c", "hard=true"), ``)
	many := func(cid string, values ...string) call {
		typ, id, _ := strings.Cut(cid, ":")
		return func(string) ([]byte, error) {
			return f.live.GetMessages(t.Context(), f.app, typ, id, url.Values{"ids": values}, nil)
		}
	}
	v := f.must(many("messaging:general", "d,a,b,none,c,o,d,not an id,"), ``)
	f.wantIDs(v, "messages", "d", "a", "b")
	f.want(v, "deleted", "messages", 2, "type")
	f.wantIDs(f.must(many("messaging:general", "a", "e,d"), ``), "messages", "a", "e", "d")
	f.wantIDs(f.must(many("messaging:other", "a,o"), ``), "messages", "o")
	f.wantIDs(f.must(many("messaging:general", "not an id"), ``), "messages")
	f.refused(many("messaging:general"), ``, wire.CodeBadInput, "ids", "required")
	f.refused(many("messaging:general", ""), ``, wire.CodeBadInput, "ids", "required")
	f.refused(many("messaging:none", "a"), ``, wire.CodeNotFound)
	f.refused(many("messaging:..", "a"), ``, wire.CodeBadInput, "id")
	hundred := strings.Split(strings.ReplaceAll(mentions(101), `"`, ""), ",")
	f.refused(many("messaging:general", hundred...), ``, wire.CodeBadInput, "ids", "100")
	f.wantIDs(f.must(many("messaging:general", strings.Join(append(hundred[:99], "a"), ",")), ``), "messages", "a")
	f.change("messaging:general", func(c *chat.Channel) { c.TruncatedAt = c.LastMessageAt })
	f.wantIDs(f.must(many("messaging:general", "a,e,d"), ``), "messages", "e")
}
