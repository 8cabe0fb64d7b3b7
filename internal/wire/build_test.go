package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"hansard/internal/body"
	"hansard/internal/chat"
	"hansard/internal/wire"
)

// What is built from an entity and decoded again is the same entity: an import
// of an export rests on it.

// people is a table of rendered users: the key of a user is its place, from 1.
type people struct{ ids []string }

var errStranger = errors.New("no such user")

func (p *people) AppendUser(dst []byte, key int64) ([]byte, error) {
	if key < 1 || key > int64(len(p.ids)) {
		return dst, errStranger
	}
	return wire.AppendUser(dst, &chat.User{ID: p.ids[key-1], Role: "user", Name: "<b>", CreatedAt: 1e15, UpdatedAt: 1e15}), nil
}

func (p *people) AppendUserID(dst []byte, key int64) ([]byte, error) {
	if key < 1 || key > int64(len(p.ids)) {
		return dst, errStranger
	}
	return wire.AppendString(dst, p.ids[key-1]), nil
}

func (p *people) object(id string) []byte {
	object, _ := p.AppendUser(nil, p.key(id))
	return object
}

// key is the key of a user, who is added if need be; 0 for nobody.
func (p *people) key(id string) int64 {
	if id == "" {
		return 0
	}
	if i := slices.Index(p.ids, id); i >= 0 {
		return int64(i + 1)
	}
	p.ids = append(p.ids, id)
	return int64(len(p.ids))
}

func (p *people) keys(ids []string) []int64 {
	keys := make([]int64, len(ids))
	for i, id := range ids {
		keys[i] = p.key(id)
	}
	return keys
}

var (
	// Generators remember how they are called when they are first used, without
	// a lock: tests that share them must not run in parallel.
	anID   = rapid.StringMatching(`[a-zA-Z0-9@_!-]{1,12}`)
	aType  = rapid.StringMatching(`[a-zA-Z0-9_-]{1,12}`)
	aTime  = rapid.Custom(func(t *rapid.T) chat.Time { return chat.Time(rapid.Int64Range(1, 253402300799999999).Draw(t, "µs")) })
	noTime = rapid.Custom(func(t *rapid.T) chat.Time {
		return rapid.OneOf(rapid.Just(chat.Time(0)), aTime).Draw(t, "maybe")
	})
	someIDs = rapid.SliceOfNDistinct(anID, 0, 4, rapid.ID[string])
	aBool   = rapid.Bool()
	aText   = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "<>&\u2028\u2029", "\x00\x1f\\\"", "🎉"}))
)

// jsonValue draws a compact, escaped JSON value of limited depth.
func jsonValue(depth int) *rapid.Generator[chat.Raw] {
	return rapid.Custom(func(t *rapid.T) chat.Raw {
		kinds := 2
		if depth > 0 {
			kinds = 4
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return chat.Raw(rapid.SampledFrom([]string{"null", "true", "false", "0", "-1", "2.50", "1e400", "123456789012345678901"}).Draw(t, "word"))
		case 1:
			return wire.AppendString(nil, aText.Draw(t, "text"))
		case 2:
			return array(t, rapid.SliceOfN(jsonValue(depth-1), 0, 3).Draw(t, "items"))
		default:
			return object(t, depth, 0)
		}
	})
}

func array(_ *rapid.T, items []chat.Raw) chat.Raw {
	out := []byte{'['}
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, item...)
	}
	return append(out, ']')
}

// object draws an object of depth, whose keys are in no order.
func object(t *rapid.T, depth, least int) chat.Raw {
	out := []byte{'{'}
	names := rapid.SliceOfNDistinct(aText, least, 3, rapid.ID[string]).Draw(t, "names")
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(wire.AppendString(out, name), ':')
		out = append(out, jsonValue(depth-1).Draw(t, "value")...)
	}
	return append(out, '}')
}

// customFields draws custom fields; no built-in name begins as theirs do.
func customFields(t *rapid.T) (c chat.Custom) {
	names := rapid.SliceOfNDistinct(aText, 0, 4, rapid.ID[string]).Draw(t, "custom")
	slices.Sort(names)
	for _, name := range names {
		c = append(c, chat.CustomField{Name: "x " + name, Value: jsonValue(2).Draw(t, "value")})
	}
	return c
}

// assemble writes a body out as an export does.
func assemble(t *rapid.T, p *people, slots map[body.Slot][]byte, build func(*body.Builder)) []byte {
	var b body.Builder
	build(&b)
	fill := body.Fill{Users: p}
	for slot, with := range slots {
		fill.Slots[slot] = with
	}
	out, err := body.Append(nil, b.Bytes(), &fill)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(out) {
		t.Fatalf("not JSON: %s", out)
	}
	return out
}

// same fails unless the decoded entity is the one that was built.
func same(t *rapid.T, raw []byte, want, got any, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("-built +decoded:\n%s\n%s", diff, raw)
	}
}

func TestUserRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := chat.User{ID: anID.Draw(t, "id"), DeletedAt: noTime.Draw(t, "deleted")}
		if aBool.Draw(t, "whole") {
			u = chat.User{
				ID: u.ID, Role: aType.Draw(t, "role"), Name: aText.Draw(t, "name"), Image: aText.Draw(t, "image"),
				Language: aText.Draw(t, "language"), Teams: rapid.SliceOf(aText).Draw(t, "teams"),
				Banned: aBool.Draw(t, "banned"), Invisible: aBool.Draw(t, "invisible"),
				CreatedAt: aTime.Draw(t, "created"), UpdatedAt: aTime.Draw(t, "updated"), LastActive: noTime.Draw(t, "active"),
				DeactivatedAt: noTime.Draw(t, "deactivated"), DeletedAt: u.DeletedAt, Custom: customFields(t),
			}
		}
		raw := wire.AppendUser(nil, &u)
		got, err := wire.DecodeUser(raw)
		same(t, raw, u, got, err)
	})
}

func TestChannelRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p people
		c := chat.Channel{
			Type: aType.Draw(t, "type"), ID: anID.Draw(t, "id"), CreatedBy: anID.Draw(t, "creator"),
			CreatedAt: aTime.Draw(t, "created"), UpdatedAt: aTime.Draw(t, "updated"), DeletedAt: noTime.Draw(t, "deleted"),
			TruncatedAt: noTime.Draw(t, "truncated"), LastMessageAt: noTime.Draw(t, "last"), Frozen: aBool.Draw(t, "frozen"),
			Disabled: aBool.Draw(t, "disabled"), Team: aText.Draw(t, "team"), Cooldown: rapid.IntRange(0, 120).Draw(t, "cooldown"),
			Custom: customFields(t),
		}
		var truncatedBy []byte
		if c.TruncatedAt != 0 && aBool.Draw(t, "by somebody") {
			c.TruncatedBy = anID.Draw(t, "truncated by")
			truncatedBy = p.object(c.TruncatedBy)
		}
		raw := wire.AppendChannel(nil, &c, p.object(c.CreatedBy), truncatedBy, wire.AppendConfig(nil, c.Type), 2, 3)
		got, err := wire.DecodeChannel(raw, nil)
		same(t, raw, c, got.Channel, err)
	})
}

// drawMessage draws a message as stores keep it.
func drawMessage(t *rapid.T) chat.Message {
	m := chat.Message{
		ID: anID.Draw(t, "id"), CID: aType.Draw(t, "type") + ":" + anID.Draw(t, "channel"), UserID: anID.Draw(t, "author"),
		Type: chat.Regular, Text: aText.Draw(t, "text"), HTML: aText.Draw(t, "html"), MML: aText.Draw(t, "mml"),
		Command: aText.Draw(t, "command"), ShowInChannel: aBool.Draw(t, "show"), Silent: aBool.Draw(t, "silent"),
		Shadowed: aBool.Draw(t, "shadowed"), MentionedUsers: someIDs.Draw(t, "mentioned"),
		RestrictedVisibility: someIDs.Draw(t, "restricted"), CreatedAt: aTime.Draw(t, "created"),
		UpdatedAt: aTime.Draw(t, "updated"), TextUpdatedAt: noTime.Draw(t, "text updated"), Custom: customFields(t),
	}
	if aBool.Draw(t, "attached") {
		item := rapid.Custom(func(t *rapid.T) chat.Raw { return object(t, 2, 0) })
		m.Attachments = array(t, rapid.SliceOfN(item, 1, 3).Draw(t, "attachments"))
	}
	if aBool.Draw(t, "translated") {
		m.I18n = object(t, 1, 1)
	}
	if aBool.Draw(t, "quotes") {
		m.QuotedMessageID = anID.Draw(t, "quoted")
	}
	if aBool.Draw(t, "is pinned") {
		m.Pinned, m.PinnedAt, m.PinExpires = true, noTime.Draw(t, "pinned"), noTime.Draw(t, "expires")
		if aBool.Draw(t, "by somebody") {
			m.PinnedBy = anID.Draw(t, "pinned by")
		}
	}
	switch rapid.SampledFrom([]string{chat.Regular, chat.Reply, chat.System, chat.Deleted}).Draw(t, "kind") {
	case chat.Reply:
		m.Type, m.ParentID, m.DeletedAt = chat.Reply, anID.Draw(t, "parent"), noTime.Draw(t, "deleted")
	case chat.System: // a deleted one does not show what it was
		m.Type = chat.System
	case chat.Deleted:
		m.DeletedAt = aTime.Draw(t, "deleted")
	}
	return m
}

func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		var p people
		keys := wire.MessageKeys{User: p.key(m.UserID), Mentioned: p.keys(m.MentionedUsers), PinnedBy: p.key(m.PinnedBy)}
		slots := map[body.Slot][]byte{
			body.Reactions: []byte(wire.NoReactions), body.Thread: []byte(wire.NoThread), body.Pin: []byte(wire.NoPin),
		}
		if m.Pinned {
			slots[body.Pin] = assembleSlot(t, &p, func(b *body.Builder) { wire.BuildPin(b, &m, &keys) })
		}
		if m.QuotedMessageID != "" {
			slots[body.Quoted] = []byte(`,"quoted_message":{"id":"` + m.QuotedMessageID + `","text":"x","user":{"id":"somebody"}}`)
		}
		if aBool.Draw(t, "has replies") {
			authors := p.keys(someIDs.Draw(t, "participants"))
			slots[body.Thread] = assembleSlot(t, &p, func(b *body.Builder) { wire.BuildThread(b, authors, 3, 1) })
		}
		raw := assemble(t, &p, slots, func(b *body.Builder) { wire.BuildMessage(b, &m, &keys) })
		var emb wire.Embedded
		got, err := wire.DecodeMessage(raw, &emb)
		same(t, raw, m, got, err)
		if !slices.ContainsFunc(emb.Users, func(u jsontext.Value) bool { return bytes.Equal(u, p.object(m.UserID)) }) {
			t.Fatalf("the author's object was not collected: %s", emb.Users)
		}
	})
}

// assembleSlot writes out what fills a slot of a message.
func assembleSlot(t *rapid.T, p *people, build func(*body.Builder)) []byte {
	raw := assemble(t, p, nil, func(b *body.Builder) {
		b.Lit(append(b.Open(), `{"a":0`...))
		build(b)
		b.Lit(append(b.Open(), '}'))
	})
	return raw[len(`{"a":0`) : len(raw)-1]
}

// Clearing takes away the text of a deleted message, and nothing else.
func TestClearedMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		m.Pinned, m.PinnedAt, m.PinnedBy, m.PinExpires = false, 0, "", 0
		var p people
		keys := wire.MessageKeys{User: p.key(m.UserID), Mentioned: p.keys(m.MentionedUsers)}
		var b body.Builder
		wire.BuildMessage(&b, &m, &keys)
		fill := body.Fill{Users: &p, Clear: true}
		fill.Slots[body.Reactions], fill.Slots[body.Thread], fill.Slots[body.Pin] = []byte(wire.NoReactions), []byte(wire.NoThread), []byte(wire.NoPin)
		raw, err := body.Append(nil, b.Bytes(), &fill)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.DecodeMessage(raw, nil)
		if m.DeletedAt != 0 {
			m.Text, m.HTML, m.MML, m.I18n = "", "", "", nil
		}
		same(t, raw, m, got, err)
	})
}

func drawReaction(t *rapid.T) chat.Reaction {
	return chat.Reaction{
		MessageID: anID.Draw(t, "message"), UserID: anID.Draw(t, "user"), Type: rapid.StringMatching(`[a-z❤🎉<"\\]{1,5}`).Draw(t, "type"),
		Score: int(rapid.Int32().Draw(t, "score")), CreatedAt: aTime.Draw(t, "created"), UpdatedAt: aTime.Draw(t, "updated"),
		Custom: customFields(t),
	}
}

func TestReactionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawReaction(t)
		var p people
		raw := assemble(t, &p, nil, func(b *body.Builder) { wire.BuildReaction(b, &r, p.key(r.UserID)) })
		got, err := wire.DecodeReaction(raw, nil)
		same(t, raw, r, got, err)
	})
}

// A stored summary gives back every reaction and the numbers about them.
func TestReactionSummary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reactions := rapid.SliceOfN(rapid.Custom(drawReaction), 1, 6).Draw(t, "reactions")
		var p people
		var s wire.ReactionSummary
		counts, sums := map[string]int{}, map[string]int{}
		first, last := map[string]chat.Time{}, map[string]chat.Time{}
		for i := range reactions {
			r := &reactions[i]
			var b body.Builder
			wire.BuildReaction(&b, r, p.key(r.UserID))
			s.Add(b.Bytes(), r.Type, r.Score, r.CreatedAt)
			if at, ok := first[r.Type]; !ok || r.CreatedAt < at {
				first[r.Type] = r.CreatedAt
			}
			last[r.Type] = max(last[r.Type], r.CreatedAt)
			counts[r.Type]++
			sums[r.Type] += r.Score
		}
		var got []chat.Reaction
		rest, err := wire.EachReaction(s.Bytes(), func(stored []byte) error {
			raw, err := body.Append(nil, stored, &body.Fill{Users: &p})
			if err != nil {
				return err
			}
			r, err := wire.DecodeReaction(raw, nil)
			got = append(got, r)
			return err
		})
		same(t, nil, reactions, got, err)
		var told struct {
			Counts map[string]int `json:"reaction_counts"`
			Scores map[string]int `json:"reaction_scores"`
			Groups map[string]struct {
				Count int    `json:"count"`
				Sum   int    `json:"sum_scores"`
				First string `json:"first_reaction_at"`
				Last  string `json:"last_reaction_at"`
			} `json:"reaction_groups"`
		}
		err = json.Unmarshal([]byte(`{"latest_reactions":[]`+string(rest)+`}`), &told)
		same(t, rest, []any{counts, sums}, []any{told.Counts, told.Scores}, err)
		for typ, g := range told.Groups {
			want := fmt.Sprint(counts[typ], sums[typ], first[typ], last[typ])
			if got := fmt.Sprint(g.Count, g.Sum, " ", g.First, " ", g.Last); strings.Join(strings.Fields(got), " ") != want {
				t.Errorf("group %q is %s, want %s", typ, got, want)
			}
		}
		if len(told.Groups) != len(counts) {
			t.Errorf("%d groups, want %d", len(told.Groups), len(counts))
		}
	})
}

func TestDamagedReactionSummary(t *testing.T) {
	var s wire.ReactionSummary
	if s.Bytes() != nil {
		t.Error("a summary of nothing is something")
	}
	s.Add([]byte("body"), "like", 1, 1e15)
	whole := s.Bytes()
	ignore := func([]byte) error { return nil }
	for _, damaged := range [][]byte{nil, {0x80}, whole[:1], whole[:3], {1, 0xff, 0xff, 0xff, 0xff, 0xff}} {
		if _, err := wire.EachReaction(damaged, ignore); !errors.Is(err, body.ErrCorrupt) {
			t.Errorf("%q: got %v, want %v", damaged, err, body.ErrCorrupt)
		}
	}
	if _, err := wire.EachReaction(whole, func([]byte) error { return errStranger }); !errors.Is(err, errStranger) {
		t.Errorf("got %v, want the callback's error", err)
	}
}

func TestMemberRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := chat.Member{
			UserID: anID.Draw(t, "user"), Status: aText.Draw(t, "status"), ChannelRole: aType.Draw(t, "role"),
			CreatedAt: aTime.Draw(t, "created"), UpdatedAt: aTime.Draw(t, "updated"), Banned: aBool.Draw(t, "banned"),
			ShadowBanned: aBool.Draw(t, "shadow banned"), Invited: aBool.Draw(t, "invited"), NotificationsMuted: aBool.Draw(t, "muted"),
			ArchivedAt: noTime.Draw(t, "archived"), PinnedAt: noTime.Draw(t, "pinned"),
			InviteAcceptedAt: noTime.Draw(t, "accepted"), InviteRejectedAt: noTime.Draw(t, "rejected"), Custom: customFields(t),
		}
		var p people
		slots := map[body.Slot][]byte{body.Role: []byte(`,"role":"owner"`)}
		raw := assemble(t, &p, slots, func(b *body.Builder) { wire.BuildMember(b, &m, p.key(m.UserID)) })
		got, err := wire.DecodeMember(raw, nil)
		same(t, raw, m, got.Member, err)
	})
}

func TestReadRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := chat.Read{UserID: anID.Draw(t, "user"), LastRead: aTime.Draw(t, "read"), Unread: int(rapid.Int32Min(0).Draw(t, "unread"))}
		if aBool.Draw(t, "has message") {
			r.LastReadMessageID = anID.Draw(t, "message")
		}
		var p people
		raw := wire.AppendRead(nil, &r, p.object(r.UserID))
		got, err := wire.DecodeRead(raw, nil)
		same(t, raw, r, got.Read, err)
	})
}

func TestCallRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := chat.Call{
			Type: aType.Draw(t, "type"), ID: anID.Draw(t, "id"), CreatedBy: anID.Draw(t, "creator"), CreatedAt: aTime.Draw(t, "created"),
			UpdatedAt: aTime.Draw(t, "updated"), StartsAt: noTime.Draw(t, "starts"), EndedAt: noTime.Draw(t, "ended"),
			DeletedAt: noTime.Draw(t, "deleted"), Custom: customFields(t),
		}
		var p people
		members := someIDs.Draw(t, "members")
		for _, id := range members {
			c.Members = append(c.Members, chat.CallMember{UserID: id, Role: aType.Draw(t, "role"), CreatedAt: aTime.Draw(t, "joined")})
		}
		took := someIDs.Draw(t, "participants")
		if len(took) > 0 {
			list := make([]chat.Raw, len(took))
			for i, id := range took {
				list[i] = chat.Raw(`{"user_id":"` + id + `","n":2.50}`)
			}
			c.Session = append(append(chat.Raw(`{"id":"s","participants":`), array(t, list)...), '}')
		}
		raw := assemble(t, &p, nil, func(b *body.Builder) { wire.BuildCall(b, &c, p.key(c.CreatedBy), p.keys(members)) })
		got, err := wire.DecodeCall(raw, nil)
		same(t, raw, c, got, err)
		same(t, raw, took, wire.Participants(got.Session), nil)
		if c.Detailed() {
			t.Errorf("%s leaves something out", raw)
		}

		// The same with what exports leave out; they show the same as before.
		if aBool.Draw(t, "has settings") {
			c.Settings = chat.Raw(`{"audio":{"mic_default_on":true},"n":2.50}`)
		}
		for i := range c.Members {
			c.Members[i].UpdatedAt = noTime.Draw(t, "updated")
			c.Members[i].Custom = customFields(t)
		}
		exported := assemble(t, &p, nil, func(b *body.Builder) { wire.BuildCall(b, &c, p.key(c.CreatedBy), p.keys(members)) })
		same(t, exported, string(raw), string(exported), nil)
		detailed := assemble(t, &p, nil, func(b *body.Builder) { wire.BuildCallDetails(b, &c, p.key(c.CreatedBy), p.keys(members)) })
		got, err = wire.DecodeCall(detailed, nil)
		same(t, detailed, c, got, err)
	})
}

func TestDetailedCall(t *testing.T) {
	t.Parallel()
	plain := chat.Call{CreatedAt: 5, Members: []chat.CallMember{{UserID: "al", CreatedAt: 5}, {UserID: "bo", CreatedAt: 5, UpdatedAt: 5}}}
	if plain.Detailed() {
		t.Error("a call of which exports show all")
	}
	for name, change := range map[string]func(*chat.Call){
		"settings":         func(c *chat.Call) { c.Settings = chat.Raw(`{"a":1}`) },
		"changed member":   func(c *chat.Call) { c.Members[1].UpdatedAt = 6 },
		"member's details": func(c *chat.Call) { c.Members[0].Custom = chat.Custom{{Name: "a", Value: chat.Raw("1")}} },
	} {
		c := plain
		c.Members = slices.Clone(plain.Members)
		if change(&c); !c.Detailed() {
			t.Errorf("%s: not detailed", name)
		}
	}
}
