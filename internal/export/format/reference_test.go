package format_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"hansard/internal/chat"
)

// What follows is how exports would be written if they need not be fast: rows
// into structs, and these through encoding/json. It knows the contract's shapes
// and nothing of how anything is stored.

// talk is all that there is of one channel.
type talk struct {
	users     []chat.User
	channel   chat.Channel
	members   []chat.Member
	reads     []chat.Read
	messages  []chat.Message
	reactions []chat.Reaction

	since, until, hide chat.Time
	clear              bool
}

const plainConfig = `{"name":"messaging","commands":[]}`

type (
	raw  = json.RawMessage
	when = *time.Time
)

func at(t chat.Time) when {
	if t == 0 {
		return nil
	}
	std := time.UnixMicro(int64(t)).UTC()
	return &std
}

// encode is for what cannot fail.
func encode(v any) raw {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// object is what a struct encodes to, with custom fields after its own.
func object(v any, custom chat.Custom) raw {
	b := encode(v)
	for _, f := range custom {
		b = slices.Concat(b[:len(b)-1], []byte(","), encode(f.Name), []byte(":"), encode(raw(f.Value)), []byte("}"))
	}
	return b
}

func list(n int, item func(i int) raw) []raw {
	all := make([]raw, n)
	for i := range all {
		all[i] = item(i)
	}
	return all
}

func (t *talk) user(id string) raw {
	i := slices.IndexFunc(t.users, func(u chat.User) bool { return u.ID == id })
	if i < 0 {
		return nil
	}
	u := &t.users[i]
	if u.CreatedAt == 0 {
		return encode(struct {
			ID        string `json:"id"`
			DeletedAt when   `json:"deleted_at"`
		}{u.ID, at(u.DeletedAt)})
	}
	return object(struct {
		ID            string   `json:"id"`
		Role          string   `json:"role"`
		CreatedAt     when     `json:"created_at"`
		UpdatedAt     when     `json:"updated_at"`
		LastActive    when     `json:"last_active,omitempty"`
		DeactivatedAt when     `json:"deactivated_at,omitempty"`
		DeletedAt     when     `json:"deleted_at,omitempty"`
		Banned        bool     `json:"banned"`
		Online        bool     `json:"online"`
		Name          string   `json:"name,omitempty"`
		Image         string   `json:"image,omitempty"`
		Language      string   `json:"language,omitempty"`
		Teams         []string `json:"teams,omitempty"`
		Invisible     bool     `json:"invisible,omitempty"`
	}{
		u.ID, u.Role, at(u.CreatedAt), at(u.UpdatedAt), at(u.LastActive), at(u.DeactivatedAt), at(u.DeletedAt), u.Banned, false,
		u.Name, u.Image, u.Language, u.Teams, u.Invisible,
	}, u.Custom)
}

func (t *talk) channelObject() raw {
	c := &t.channel
	last, live := c.LastMessageAt, 0
	for i := range t.messages {
		m := &t.messages[i]
		if m.CreatedAt < c.TruncatedAt {
			continue
		}
		last = max(last, m.CreatedAt)
		if m.DeletedAt == 0 {
			live++
		}
	}
	if last < c.TruncatedAt {
		last = 0
	}
	return object(struct {
		CID           string `json:"cid"`
		ID            string `json:"id"`
		Type          string `json:"type"`
		LastMessageAt when   `json:"last_message_at,omitempty"`
		CreatedBy     raw    `json:"created_by"`
		CreatedAt     when   `json:"created_at"`
		UpdatedAt     when   `json:"updated_at"`
		DeletedAt     when   `json:"deleted_at,omitempty"`
		TruncatedAt   when   `json:"truncated_at,omitempty"`
		TruncatedBy   raw    `json:"truncated_by,omitempty"`
		Frozen        bool   `json:"frozen"`
		Disabled      bool   `json:"disabled"`
		MemberCount   int    `json:"member_count"`
		MessageCount  int    `json:"message_count"`
		Team          string `json:"team,omitempty"`
		Cooldown      int    `json:"cooldown,omitempty"`
		Config        raw    `json:"config"`
	}{
		c.CID(), c.ID, c.Type, at(last), t.user(c.CreatedBy), at(c.CreatedAt), at(c.UpdatedAt), at(c.DeletedAt), at(c.TruncatedAt),
		t.user(c.TruncatedBy), c.Frozen, c.Disabled, len(t.members), live, c.Team, c.Cooldown, raw(plainConfig),
	}, c.Custom)
}

func (t *talk) memberObject(m *chat.Member) raw {
	role := "member"
	if m.UserID == t.channel.CreatedBy {
		role = "owner"
	}
	return object(struct {
		UserID       string `json:"user_id"`
		User         raw    `json:"user"`
		Status       string `json:"status,omitempty"`
		CreatedAt    when   `json:"created_at"`
		UpdatedAt    when   `json:"updated_at"`
		Banned       bool   `json:"banned"`
		ShadowBanned bool   `json:"shadow_banned"`
		ArchivedAt   when   `json:"archived_at"`
		PinnedAt     when   `json:"pinned_at"`
		Role         string `json:"role"`
		ChannelRole  string `json:"channel_role"`
		Invited      bool   `json:"invited,omitempty"`
		AcceptedAt   when   `json:"invite_accepted_at,omitempty"`
		RejectedAt   when   `json:"invite_rejected_at,omitempty"`
		Muted        bool   `json:"notifications_muted"`
	}{
		m.UserID, t.user(m.UserID), m.Status, at(m.CreatedAt), at(m.UpdatedAt), m.Banned, m.ShadowBanned, at(m.ArchivedAt), at(m.PinnedAt),
		role, m.ChannelRole, m.Invited, at(m.InviteAcceptedAt), at(m.InviteRejectedAt), m.NotificationsMuted,
	}, m.Custom)
}

func (t *talk) readObject(r *chat.Read) raw {
	return encode(struct {
		User     raw    `json:"user"`
		LastRead when   `json:"last_read"`
		LastID   string `json:"last_read_message_id,omitempty"`
		Unread   int    `json:"unread_messages"`
	}{t.user(r.UserID), at(r.LastRead), r.LastReadMessageID, r.Unread})
}

func (t *talk) reactionObject(r *chat.Reaction) raw {
	return object(struct {
		MessageID string `json:"message_id"`
		UserID    string `json:"user_id"`
		User      raw    `json:"user"`
		Type      string `json:"type"`
		Score     int    `json:"score"`
		CreatedAt when   `json:"created_at"`
		UpdatedAt when   `json:"updated_at"`
	}{r.MessageID, r.UserID, t.user(r.UserID), r.Type, r.Score, at(r.CreatedAt), at(r.UpdatedAt)}, r.Custom)
}

// reactionsTo are those to a message, newest first, then by user and type.
func (t *talk) reactionsTo(id string) (all []chat.Reaction) {
	for _, r := range t.reactions {
		if r.MessageID == id {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b chat.Reaction) int {
		return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), cmp.Compare(a.UserID, b.UserID), cmp.Compare(a.Type, b.Type))
	})
	return all
}

type group struct {
	Count int  `json:"count"`
	Sum   int  `json:"sum_scores"`
	First when `json:"first_reaction_at"`
	Last  when `json:"last_reaction_at"`
}

// messageObject is a message; quoting is whether the one it quotes is shown.
func (t *talk) messageObject(m *chat.Message, quoting bool) raw {
	type message struct {
		ID                string           `json:"id"`
		Text              string           `json:"text"`
		HTML              string           `json:"html"`
		Type              string           `json:"type"`
		User              raw              `json:"user"`
		Attachments       raw              `json:"attachments"`
		LatestReactions   []raw            `json:"latest_reactions"`
		OwnReactions      []raw            `json:"own_reactions"`
		Counts            map[string]int   `json:"reaction_counts"`
		Scores            map[string]int   `json:"reaction_scores"`
		Groups            map[string]group `json:"reaction_groups"`
		ParentID          string           `json:"parent_id,omitempty"`
		ShowInChannel     bool             `json:"show_in_channel,omitempty"`
		Participants      []raw            `json:"thread_participants,omitempty"`
		ReplyCount        int              `json:"reply_count"`
		DeletedReplyCount int              `json:"deleted_reply_count"`
		QuotedID          string           `json:"quoted_message_id,omitempty"`
		Quoted            raw              `json:"quoted_message,omitempty"`
		CID               string           `json:"cid"`
		CreatedAt         when             `json:"created_at"`
		UpdatedAt         when             `json:"updated_at"`
		DeletedAt         when             `json:"deleted_at,omitempty"`
		TextUpdatedAt     when             `json:"message_text_updated_at,omitempty"`
		Shadowed          bool             `json:"shadowed"`
		Mentioned         []raw            `json:"mentioned_users"`
		Silent            bool             `json:"silent"`
		Pinned            bool             `json:"pinned"`
		PinnedAt          when             `json:"pinned_at"`
		PinnedBy          raw              `json:"pinned_by"`
		PinExpires        when             `json:"pin_expires"`
		Restricted        []string         `json:"restricted_visibility,omitempty"`
		Command           string           `json:"command,omitempty"`
		I18n              raw              `json:"i18n,omitempty"`
		MML               string           `json:"mml,omitempty"`
	}
	o := message{
		ID: m.ID, Text: m.Text, HTML: m.HTML, Type: m.Type, User: t.user(m.UserID), Attachments: raw(m.Attachments),
		OwnReactions: []raw{}, Counts: map[string]int{}, Scores: map[string]int{},
		ParentID: m.ParentID, ShowInChannel: m.ShowInChannel, QuotedID: m.QuotedMessageID, CID: m.CID,
		CreatedAt: at(m.CreatedAt), UpdatedAt: at(m.UpdatedAt), DeletedAt: at(m.DeletedAt), TextUpdatedAt: at(m.TextUpdatedAt),
		Shadowed: m.Shadowed, Silent: m.Silent, Restricted: m.RestrictedVisibility, Command: m.Command, I18n: raw(m.I18n), MML: m.MML,
		Mentioned: list(len(m.MentionedUsers), func(i int) raw { return t.user(m.MentionedUsers[i]) }),
	}
	if m.Attachments == nil {
		o.Attachments = raw("[]")
	}
	if m.DeletedAt != 0 {
		o.Type = "deleted"
		if t.clear {
			o.Text, o.HTML, o.MML, o.I18n = "", "", "", nil
		}
	}
	if m.Pinned {
		o.Pinned, o.PinnedAt, o.PinnedBy, o.PinExpires = true, at(m.PinnedAt), t.user(m.PinnedBy), at(m.PinExpires)
	}
	reactions := t.reactionsTo(m.ID)
	o.LatestReactions = list(len(reactions), func(i int) raw { return t.reactionObject(&reactions[i]) })
	for i := range reactions {
		r := &reactions[i]
		if o.Groups == nil {
			o.Groups = map[string]group{}
		}
		g, there := o.Groups[r.Type]
		if !there {
			g.Last = at(r.CreatedAt) // they come newest first
		}
		g.Count, g.Sum, g.First = g.Count+1, g.Sum+r.Score, at(r.CreatedAt)
		o.Groups[r.Type], o.Counts[r.Type], o.Scores[r.Type] = g, g.Count, g.Sum
	}
	seen := map[string]bool{}
	for _, reply := range t.ordered() {
		switch {
		case reply.ParentID != m.ID:
		case reply.DeletedAt != 0:
			o.DeletedReplyCount++
		default:
			o.ReplyCount++
			if !seen[reply.UserID] {
				seen[reply.UserID] = true
				o.Participants = append(o.Participants, t.user(reply.UserID))
			}
		}
	}
	for i := range t.messages {
		if q := &t.messages[i]; quoting && q.ID == m.QuotedMessageID && q.CreatedAt >= t.hide {
			o.Quoted = t.messageObject(q, false)
		}
	}
	return object(o, m.Custom)
}

// ordered are all messages by time and id.
func (t *talk) ordered() []chat.Message {
	return slices.SortedFunc(slices.Values(t.messages), func(a, b chat.Message) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
}

// exported are the messages of a channel export.
func (t *talk) exported() (all []chat.Message) {
	for _, m := range t.ordered() {
		if m.CreatedAt >= t.since && (t.until == 0 || m.CreatedAt < t.until) {
			all = append(all, m)
		}
	}
	return all
}

func (t *talk) orderedMembers() []chat.Member {
	return slices.SortedFunc(slices.Values(t.members), func(a, b chat.Member) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.UserID, b.UserID))
	})
}

func (t *talk) orderedReads() []chat.Read {
	return slices.SortedFunc(slices.Values(t.reads), func(a, b chat.Read) int { return cmp.Compare(a.UserID, b.UserID) })
}

// v1 is the whole file.
func (t *talk) v1() []byte {
	messages, members, reads := t.exported(), t.orderedMembers(), t.orderedReads()
	type channel struct {
		Channel  raw   `json:"channel"`
		Messages []raw `json:"messages"`
		Members  []raw `json:"members"`
		Read     []raw `json:"read,omitempty"`
	}
	return append(encode([]channel{{
		t.channelObject(),
		list(len(messages), func(i int) raw { return t.messageObject(&messages[i], true) }),
		list(len(members), func(i int) raw { return t.memberObject(&members[i]) }),
		list(len(reads), func(i int) raw { return t.readObject(&reads[i]) }),
	}}), '\n')
}

// line is one of a v2 file; ids stand before what the object has.
func line(typ string, ids any, data raw) []byte {
	if ids != nil {
		head := encode(ids)
		data = slices.Concat(head[:len(head)-1], []byte(","), data[1:])
	}
	return append(encode(struct {
		Type string `json:"type"`
		Data raw    `json:"data"`
	}{typ, data}), '\n')
}

type ids struct {
	CID       string `json:"channel_cid"`
	Type      string `json:"channel_type"`
	ID        string `json:"channel_id"`
	UserID    string `json:"user_id,omitempty"`
	MessageID string `json:"message_id,omitempty"`
}

// v2 is the whole file.
func (t *talk) v2() []byte {
	c := ids{CID: t.channel.CID(), Type: t.channel.Type, ID: t.channel.ID}
	with := func(user, message string) ids {
		c := c
		c.UserID, c.MessageID = user, message
		return c
	}
	var out, reactions bytes.Buffer
	out.Write(line("channel", nil, t.channelObject()))
	for _, m := range t.orderedMembers() {
		out.Write(line("member", c, t.memberObject(&m)))
	}
	for _, r := range t.orderedReads() {
		out.Write(line("read", with(r.UserID, ""), t.readObject(&r)))
	}
	for _, m := range t.exported() {
		out.Write(line("message", with(m.UserID, m.ID), t.messageObject(&m, true)))
		for _, r := range t.reactionsTo(m.ID) {
			reactions.Write(line("reaction", c, t.reactionObject(&r)))
		}
	}
	out.Write(reactions.Bytes())
	return out.Bytes()
}

// userLines is what a users export has of one.
func (t *talk) userLines(id string) []byte {
	all := *t
	all.hide, all.clear = 0, false
	var out bytes.Buffer
	out.Write(line("user", nil, all.user(id)))
	for _, m := range all.ordered() {
		if m.UserID == id {
			out.Write(line("message", nil, all.messageObject(&m, true)))
		}
	}
	mine := slices.SortedFunc(slices.Values(all.reactions), func(a, b chat.Reaction) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.MessageID, b.MessageID), cmp.Compare(a.Type, b.Type))
	})
	for _, r := range mine {
		if r.UserID == id {
			out.Write(line("reaction", nil, all.reactionObject(&r)))
		}
	}
	return out.Bytes()
}
