package sample_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/sample"
	"hansard/internal/wire"
)

// seen is what the sample chat has, read line by line with the decoders that
// every import uses.
type seen struct {
	kinds     []string
	users     map[string]chat.User
	channels  map[string]chat.Channel
	messages  map[string]chat.Message
	reactions []chat.Reaction
	members   []wire.MemberInput
	calls     []chat.Call
}

func read(t *testing.T) seen {
	t.Helper()
	s := seen{users: map[string]chat.User{}, channels: map[string]chat.Channel{}, messages: map[string]chat.Message{}}
	for i, line := range bytes.Split(bytes.TrimSuffix(sample.File(), []byte("\n")), []byte("\n")) {
		var rec struct {
			Type string
			Data json.RawMessage
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if !slices.Contains(s.kinds, rec.Type) {
			s.kinds = append(s.kinds, rec.Type)
		} else if s.kinds[len(s.kinds)-1] != rec.Type {
			t.Fatalf("line %d: %s out of order", i+1, rec.Type)
		}
		var err error
		switch rec.Type {
		case "user":
			var u chat.User
			u, err = wire.DecodeUser(rec.Data)
			s.users[u.ID] = u
		case "channel":
			var c wire.ChannelInput
			c, err = wire.DecodeChannel(rec.Data, nil)
			s.channels[c.CID()] = c.Channel
		case "member":
			var m wire.MemberInput
			m, err = wire.DecodeMember(rec.Data, nil)
			s.members = append(s.members, m)
		case "message":
			var m chat.Message
			m, err = wire.DecodeMessage(rec.Data, nil)
			if _, twice := s.messages[m.ID]; twice {
				t.Errorf("line %d: message %s twice", i+1, m.ID)
			}
			s.messages[m.ID] = m
		case "reaction":
			var r chat.Reaction
			r, err = wire.DecodeReaction(rec.Data, nil)
			s.reactions = append(s.reactions, r)
		case "call":
			var c chat.Call
			c, err = wire.DecodeCall(rec.Data, nil)
			s.calls = append(s.calls, c)
		default:
			t.Fatalf("line %d: unknown type %q", i+1, rec.Type)
		}
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
	}
	return s
}

func TestEverythingRefersToSomething(t *testing.T) {
	t.Parallel()
	s := read(t)
	if want := []string{"user", "channel", "member", "message", "reaction", "call"}; !slices.Equal(s.kinds, want) {
		t.Errorf("kinds = %v, want %v", s.kinds, want)
	}
	user := func(where, id string) {
		if _, ok := s.users[id]; !ok {
			t.Errorf("%s: no user %q", where, id)
		}
	}
	for _, m := range s.members {
		user("member of "+m.CID, m.UserID)
		if _, ok := s.channels[m.CID]; !ok {
			t.Errorf("member %s: no channel %s", m.UserID, m.CID)
		}
	}
	for id, m := range s.messages {
		user(id, m.UserID)
		c, ok := s.channels[m.CID]
		if !ok {
			t.Errorf("%s: no channel %s", id, m.CID)
		}
		if m.CreatedAt < c.CreatedAt {
			t.Errorf("%s is older than its channel", id)
		}
		for _, u := range m.MentionedUsers {
			user(id, u)
		}
		if m.ParentID != "" && (s.messages[m.ParentID].CID != m.CID || s.messages[m.ParentID].ParentID != "") {
			t.Errorf("%s: parent %q is not a message of its channel that can have replies", id, m.ParentID)
		}
		if m.QuotedMessageID != "" && s.messages[m.QuotedMessageID].ID == "" {
			t.Errorf("%s: quotes %q, which is not there", id, m.QuotedMessageID)
		}
	}
	for _, r := range s.reactions {
		user("reaction to "+r.MessageID, r.UserID)
		if s.messages[r.MessageID].ID == "" {
			t.Errorf("reaction to %q, which is not there", r.MessageID)
		}
	}
	for _, cid := range sample.Channels() {
		if _, ok := s.channels[cid]; !ok {
			t.Errorf("no channel %s to export", cid)
		}
	}
	for _, id := range sample.Users() {
		user("to export", id)
	}
}

func TestHasABitOfEverything(t *testing.T) {
	t.Parallel()
	s := read(t)
	has := map[string]bool{}
	for _, c := range s.channels {
		has["channel of type "+c.Type] = true
		has["distinct channel"] = has["distinct channel"] || strings.HasPrefix(c.ID, "!members-")
		has["soft-deleted channel"] = has["soft-deleted channel"] || c.DeletedAt != 0
		has["truncated channel"] = has["truncated channel"] || c.TruncatedAt != 0
	}
	for _, m := range s.messages {
		has["message of type "+m.Type] = true
		for name, is := range map[string]bool{
			"thread reply": m.ParentID != "", "reply shown in channel": m.ShowInChannel, "quote": m.QuotedMessageID != "",
			"deleted message": m.DeletedAt != 0, "pinned message": m.Pinned, "silent message": m.Silent,
			"attachments": len(m.Attachments) > 0, "mention": len(m.MentionedUsers) > 0, "custom fields": len(m.Custom) > 0,
			"code block": strings.Contains(m.Text, "```"), "right-to-left": strings.ContainsAny(m.Text, "אבגدها"),
			"CJK": strings.ContainsAny(m.Text, "波日们"), "truncated message": m.CreatedAt < s.channels[m.CID].TruncatedAt,
			"edited message": m.TextUpdatedAt != 0,
		} {
			has[name] = has[name] || is
		}
		for _, f := range m.Custom {
			has["2.50"] = has["2.50"] || bytes.Contains(f.Value, []byte("50,"))
			has["number beyond 2^53"] = has["number beyond 2^53"] || bytes.Contains(f.Value, []byte("90071992547409931"))
		}
	}
	has["call with participants"] = len(s.calls) > 0 && len(wire.Participants(s.calls[0].Session)) > 0
	for _, m := range s.members {
		has["read state"] = has["read state"] || m.LastRead != 0
	}
	for _, u := range s.users {
		has["user of a team"] = has["user of a team"] || len(u.Teams) > 0
		has["deleted user"] = has["deleted user"] || u.DeletedAt != 0
	}
	for _, name := range []string{
		"channel of type messaging", "channel of type team", "channel of type livestream",
		"distinct channel", "soft-deleted channel", "truncated channel", "message of type regular", "message of type reply",
		"message of type system", "thread reply", "reply shown in channel", "quote", "deleted message", "pinned message",
		"silent message", "attachments", "mention", "custom fields", "code block", "right-to-left", "CJK",
		"truncated message", "edited message", "2.50", "number beyond 2^53", "call with participants", "read state",
		"user of a team", "deleted user",
	} {
		if !has[name] {
			t.Errorf("the sample has no %s", name)
		}
	}
	if n := len(s.messages); n < 250 || n > 400 {
		t.Errorf("%d messages: too few to look real or too many to read", n)
	}
	if len(s.reactions) == 0 {
		t.Error("the sample has no reactions")
	}
}
