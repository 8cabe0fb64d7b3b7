package wire

import (
	"encoding/binary"
	"slices"
	"strconv"

	"hansard/internal/body"
	"hansard/internal/chat"
)

// AppendUser appends the user object (contract section 5). A dangling user is
// its id and the time of its deletion.
func AppendUser(dst []byte, u *chat.User) []byte {
	dst = append(dst, `{"id":`...)
	dst = AppendString(dst, u.ID)
	if u.Dangling() {
		dst = appendTime(dst, `,"deleted_at":`, u.DeletedAt)
		return append(dst, '}')
	}
	dst = append(dst, `,"role":`...)
	dst = AppendString(dst, u.Role)
	dst = append(dst, `,"created_at":`...)
	dst = u.CreatedAt.AppendJSON(dst)
	dst = append(dst, `,"updated_at":`...)
	dst = u.UpdatedAt.AppendJSON(dst)
	dst = appendTime(dst, `,"last_active":`, u.LastActive)
	dst = appendTime(dst, `,"deactivated_at":`, u.DeactivatedAt)
	dst = appendTime(dst, `,"deleted_at":`, u.DeletedAt)
	dst = append(dst, `,"banned":`...)
	dst = strconv.AppendBool(dst, u.Banned)
	dst = append(dst, `,"online":false`...)
	dst = appendText(dst, `,"name":`, u.Name)
	dst = appendText(dst, `,"image":`, u.Image)
	dst = appendText(dst, `,"language":`, u.Language)
	if len(u.Teams) > 0 {
		dst = append(dst, `,"teams":`...)
		dst = appendStrings(dst, u.Teams)
	}
	if u.Invisible {
		dst = append(dst, `,"invisible":true`...)
	}
	dst = AppendCustom(dst, u.Custom)
	return append(dst, '}')
}

// AppendChannel appends the channel object. createdBy and truncatedBy are
// user objects, or nil; config is the configuration of the channel's type.
func AppendChannel(dst []byte, c *chat.Channel, createdBy, truncatedBy, config []byte, members, messages int) []byte {
	dst = append(dst, `{"cid":`...)
	dst = AppendString(dst, c.CID())
	dst = append(dst, `,"id":`...)
	dst = AppendString(dst, c.ID)
	dst = append(dst, `,"type":`...)
	dst = AppendString(dst, c.Type)
	dst = appendTime(dst, `,"last_message_at":`, c.LastMessageAt)
	dst = append(dst, `,"created_by":`...)
	if createdBy == nil {
		dst = append(dst, `null`...)
	} else {
		dst = append(dst, createdBy...)
	}
	dst = append(dst, `,"created_at":`...)
	dst = c.CreatedAt.AppendJSON(dst)
	dst = append(dst, `,"updated_at":`...)
	dst = c.UpdatedAt.AppendJSON(dst)
	dst = appendTime(dst, `,"deleted_at":`, c.DeletedAt)
	dst = appendTime(dst, `,"truncated_at":`, c.TruncatedAt)
	if truncatedBy != nil {
		dst = append(dst, `,"truncated_by":`...)
		dst = append(dst, truncatedBy...)
	}
	dst = append(dst, `,"frozen":`...)
	dst = strconv.AppendBool(dst, c.Frozen)
	dst = append(dst, `,"disabled":`...)
	dst = strconv.AppendBool(dst, c.Disabled)
	dst = append(dst, `,"member_count":`...)
	dst = strconv.AppendInt(dst, int64(members), 10)
	dst = append(dst, `,"message_count":`...)
	dst = strconv.AppendInt(dst, int64(messages), 10)
	dst = appendText(dst, `,"team":`, c.Team)
	if c.Cooldown != 0 {
		dst = append(dst, `,"cooldown":`...)
		dst = strconv.AppendInt(dst, int64(c.Cooldown), 10)
	}
	dst = append(dst, `,"config":`...)
	dst = append(dst, config...)
	dst = AppendCustom(dst, c.Custom)
	return append(dst, '}')
}

// AppendConfig appends the configuration of a channel type: what Stream's
// public API shows for a type on which nothing was changed, with the limits
// that hold here (contract section 7).
func AppendConfig(dst []byte, channelType string) []byte {
	dst = append(dst, `{"created_at":"2020-01-01T00:00:00Z","updated_at":"2020-01-01T00:00:00Z","name":`...)
	dst = AppendString(dst, channelType)
	return append(dst, `,"typing_events":true,"read_events":true,"connect_events":true,"search":true,"reactions":true,`+
		`"replies":true,"quotes":true,"mutes":true,"uploads":true,"url_enrichment":false,"custom_events":true,`+
		`"push_notifications":false,"reminders":false,"message_retention":"infinite","max_message_length":20480,`+
		`"automod":"disabled","automod_behavior":"flag","commands":[]}`...)
}

// MessageKeys are the store's keys of the users that a message names.
type MessageKeys struct {
	User      int64
	Mentioned []int64 // as chat.Message.MentionedUsers
	// Restricted are those of chat.Message.RestrictedVisibility; 0 = nobody
	// has that id.
	Restricted []int64
	PinnedBy   int64 // 0 = nobody
}

// BuildMessage writes the body of a message. Its own literal JSON stands
// between the slots; keys are in the order of contract section 5.
func BuildMessage(b *body.Builder, m *chat.Message, keys *MessageKeys) {
	clearable := m.DeletedAt != 0
	o := append(b.Open(), `{"id":`...)
	o = AppendString(o, m.ID)
	o = append(o, `,"text":`...)
	o = clearableText(b, o, m.Text, clearable)
	o = append(o, `,"html":`...)
	o = clearableText(b, o, m.HTML, clearable)
	o = append(o, `,"type":`...)
	if m.DeletedAt != 0 {
		o = append(o, `"deleted"`...)
	} else {
		o = AppendString(o, m.Type)
	}
	o = append(o, `,"user":`...)
	b.Lit(o)
	b.User(keys.User)
	o = append(b.Open(), `,"attachments":`...)
	if m.Attachments == nil {
		o = append(o, `[]`...)
	} else {
		o = append(o, m.Attachments...)
	}
	b.Lit(o)
	b.Slot(body.Reactions)
	o = appendText(b.Open(), `,"parent_id":`, m.ParentID)
	if m.ShowInChannel {
		o = append(o, `,"show_in_channel":true`...)
	}
	b.Lit(o)
	b.Slot(body.Thread)
	if m.QuotedMessageID != "" {
		b.Lit(appendText(b.Open(), `,"quoted_message_id":`, m.QuotedMessageID))
		b.Slot(body.Quoted)
	}
	o = append(b.Open(), `,"cid":`...)
	o = AppendString(o, m.CID)
	o = append(o, `,"created_at":`...)
	o = m.CreatedAt.AppendJSON(o)
	o = append(o, `,"updated_at":`...)
	o = m.UpdatedAt.AppendJSON(o)
	o = appendTime(o, `,"deleted_at":`, m.DeletedAt)
	o = appendTime(o, `,"message_text_updated_at":`, m.TextUpdatedAt)
	o = append(o, `,"shadowed":`...)
	o = strconv.AppendBool(o, m.Shadowed)
	o = append(o, `,"mentioned_users":[`...)
	b.Lit(o)
	for i, key := range keys.Mentioned {
		if i > 0 {
			b.Lit(append(b.Open(), ','))
		}
		b.User(key)
	}
	o = append(b.Open(), `],"silent":`...)
	o = strconv.AppendBool(o, m.Silent)
	b.Lit(o)
	b.Slot(body.Pin)
	buildRestricted(b, m.RestrictedVisibility, keys.Restricted)
	o = appendText(b.Open(), `,"command":`, m.Command)
	if m.I18n != nil {
		o = optional(b, o, `,"i18n":`, m.I18n, clearable)
	}
	if m.MML != "" {
		o = optional(b, o, `,"mml":`, AppendString(nil, m.MML), clearable)
	}
	o = AppendCustom(o, m.Custom)
	b.Lit(append(o, '}'))
}

// buildRestricted writes who may see a message, by reference, so that a user
// who is renamed is renamed here too.
func buildRestricted(b *body.Builder, ids []string, keys []int64) {
	if len(ids) == 0 {
		return
	}
	b.Lit(append(b.Open(), `,"restricted_visibility":[`...))
	for i, id := range ids {
		if i > 0 {
			b.Lit(append(b.Open(), ','))
		}
		if i < len(keys) && keys[i] != 0 {
			b.UserID(keys[i])
		} else {
			b.Lit(AppendString(b.Open(), id))
		}
	}
	b.Lit(append(b.Open(), ']'))
}

// clearableText appends a string to the open literal; a clearable one becomes
// a piece of its own.
func clearableText(b *body.Builder, open []byte, s string, clearable bool) []byte {
	if !clearable || s == "" {
		return AppendString(open, s)
	}
	b.Lit(open)
	b.Blank(AppendString(nil, s))
	return b.Open()
}

func optional(b *body.Builder, open []byte, key string, value []byte, clearable bool) []byte {
	if !clearable {
		return append(append(open, key...), value...)
	}
	b.Lit(open)
	b.Optional(append([]byte(key), value...))
	return b.Open()
}

// What fills a slot of a message that has nothing there.
const (
	NoReactions = `,"latest_reactions":[],"own_reactions":[],"reaction_counts":{},"reaction_scores":{},"reaction_groups":null`
	NoThread    = `,"reply_count":0,"deleted_reply_count":0`
	NoPin       = `,"pinned":false,"pinned_at":null,"pinned_by":null,"pin_expires":null`
)

// BuildPin writes what fills the Pin slot of a pinned message.
func BuildPin(b *body.Builder, m *chat.Message, keys *MessageKeys) {
	o := append(b.Open(), `,"pinned":true,"pinned_at":`...)
	o = appendTimeOrNull(o, m.PinnedAt)
	o = append(o, `,"pinned_by":`...)
	b.Lit(o)
	if keys.PinnedBy == 0 {
		b.Lit(append(b.Open(), `null`...))
	} else {
		b.User(keys.PinnedBy)
	}
	o = append(b.Open(), `,"pin_expires":`...)
	b.Lit(appendTimeOrNull(o, m.PinExpires))
}

// BuildThread writes what fills the Thread slot of a message with replies.
// Participants are the authors of replies in order of their first one.
func BuildThread(b *body.Builder, participants []int64, replies, deleted int) {
	o := b.Open()
	if len(participants) > 0 {
		b.Lit(append(o, `,"thread_participants":[`...))
		for i, key := range participants {
			if i > 0 {
				b.Lit(append(b.Open(), ','))
			}
			b.User(key)
		}
		o = append(b.Open(), ']')
	}
	o = append(o, `,"reply_count":`...)
	o = strconv.AppendInt(o, int64(replies), 10)
	o = append(o, `,"deleted_reply_count":`...)
	b.Lit(strconv.AppendInt(o, int64(deleted), 10))
}

// BuildReaction writes the body of a reaction.
func BuildReaction(b *body.Builder, r *chat.Reaction, user int64) {
	o := append(b.Open(), `{"message_id":`...)
	o = AppendString(o, r.MessageID)
	b.Lit(append(o, `,"user_id":`...))
	b.UserID(user)
	b.Lit(append(b.Open(), `,"user":`...))
	b.User(user)
	o = append(b.Open(), `,"type":`...)
	o = AppendString(o, r.Type)
	o = append(o, `,"score":`...)
	o = strconv.AppendInt(o, int64(r.Score), 10)
	o = append(o, `,"created_at":`...)
	o = r.CreatedAt.AppendJSON(o)
	o = append(o, `,"updated_at":`...)
	o = r.UpdatedAt.AppendJSON(o)
	o = AppendCustom(o, r.Custom)
	b.Lit(append(o, '}'))
}

// ReactionSummary collects what a message shows of its reactions. Add them in
// the order of contract section 5: newest first, then by user id, then type.
type ReactionSummary struct {
	n      int
	bodies []byte
	groups []reactionGroup
}

type reactionGroup struct {
	typ         string
	count       int
	sum         int
	first, last chat.Time
}

// Add adds one reaction by its stored body.
func (s *ReactionSummary) Add(reaction []byte, typ string, score int, at chat.Time) {
	s.n++
	s.bodies = binary.AppendUvarint(s.bodies, uint64(len(reaction)))
	s.bodies = append(s.bodies, reaction...)
	i, ok := slices.BinarySearchFunc(s.groups, typ, func(g reactionGroup, t string) int {
		switch {
		case g.typ < t:
			return -1
		case g.typ > t:
			return 1
		}
		return 0
	})
	if !ok {
		s.groups = slices.Insert(s.groups, i, reactionGroup{typ: typ, first: at, last: at})
	}
	g := &s.groups[i]
	g.count++
	g.sum += score
	g.first, g.last = min(g.first, at), max(g.last, at)
}

// Bytes is the summary as it is stored with a message, nil without reactions:
// the number of reactions, each body with its length before it, and the JSON
// that follows the list of reactions.
func (s *ReactionSummary) Bytes() []byte {
	if s.n == 0 {
		return nil
	}
	out := binary.AppendUvarint(nil, uint64(s.n))
	out = append(out, s.bodies...)
	out = append(out, `,"own_reactions":[],"reaction_counts":{`...)
	out = s.each(out, func(out []byte, g *reactionGroup) []byte {
		return strconv.AppendInt(out, int64(g.count), 10)
	})
	out = append(out, `},"reaction_scores":{`...)
	out = s.each(out, func(out []byte, g *reactionGroup) []byte {
		return strconv.AppendInt(out, int64(g.sum), 10)
	})
	out = append(out, `},"reaction_groups":{`...)
	out = s.each(out, func(out []byte, g *reactionGroup) []byte {
		out = append(out, `{"count":`...)
		out = strconv.AppendInt(out, int64(g.count), 10)
		out = append(out, `,"sum_scores":`...)
		out = strconv.AppendInt(out, int64(g.sum), 10)
		out = append(out, `,"first_reaction_at":`...)
		out = g.first.AppendJSON(out)
		out = append(out, `,"last_reaction_at":`...)
		out = g.last.AppendJSON(out)
		return append(out, '}')
	})
	return append(out, '}')
}

func (s *ReactionSummary) each(out []byte, value func([]byte, *reactionGroup) []byte) []byte {
	for i := range s.groups {
		if i > 0 {
			out = append(out, ',')
		}
		out = AppendString(out, s.groups[i].typ)
		out = append(out, ':')
		out = value(out, &s.groups[i])
	}
	return out
}

// EachReaction calls fn with the body of every reaction in a stored summary
// and returns the JSON that follows the list of reactions.
func EachReaction(summary []byte, fn func(reaction []byte) error) (rest []byte, err error) {
	n, w := binary.Uvarint(summary)
	if w <= 0 {
		return nil, body.ErrCorrupt
	}
	summary = summary[w:]
	for range n {
		size, w := binary.Uvarint(summary)
		if w <= 0 || size > uint64(len(summary)-w) {
			return nil, body.ErrCorrupt
		}
		if err := fn(summary[w : w+int(size)]); err != nil {
			return nil, err
		}
		summary = summary[w+int(size):]
	}
	return summary, nil
}

// BuildMember writes the body of a member; its role, which depends on the
// channel's creator, is a slot.
func BuildMember(b *body.Builder, m *chat.Member, user int64) {
	b.Lit(append(b.Open(), `{"user_id":`...))
	b.UserID(user)
	b.Lit(append(b.Open(), `,"user":`...))
	b.User(user)
	o := appendText(b.Open(), `,"status":`, m.Status)
	o = append(o, `,"created_at":`...)
	o = m.CreatedAt.AppendJSON(o)
	o = append(o, `,"updated_at":`...)
	o = m.UpdatedAt.AppendJSON(o)
	o = append(o, `,"banned":`...)
	o = strconv.AppendBool(o, m.Banned)
	o = append(o, `,"shadow_banned":`...)
	o = strconv.AppendBool(o, m.ShadowBanned)
	o = append(o, `,"archived_at":`...)
	o = appendTimeOrNull(o, m.ArchivedAt)
	o = append(o, `,"pinned_at":`...)
	o = appendTimeOrNull(o, m.PinnedAt)
	b.Lit(o)
	b.Slot(body.Role)
	o = append(b.Open(), `,"channel_role":`...)
	o = AppendString(o, m.ChannelRole)
	if m.Invited {
		o = append(o, `,"invited":true`...)
	}
	o = appendTime(o, `,"invite_accepted_at":`, m.InviteAcceptedAt)
	o = appendTime(o, `,"invite_rejected_at":`, m.InviteRejectedAt)
	o = append(o, `,"notifications_muted":`...)
	o = strconv.AppendBool(o, m.NotificationsMuted)
	o = AppendCustom(o, m.Custom)
	b.Lit(append(o, '}'))
}

// AppendRead appends the read state of a user, given as a user object.
func AppendRead(dst []byte, r *chat.Read, user []byte) []byte {
	dst = append(dst, `{"user":`...)
	dst = append(dst, user...)
	dst = append(dst, `,"last_read":`...)
	dst = r.LastRead.AppendJSON(dst)
	dst = appendText(dst, `,"last_read_message_id":`, r.LastReadMessageID)
	dst = append(dst, `,"unread_messages":`...)
	dst = strconv.AppendInt(dst, int64(r.Unread), 10)
	return append(dst, '}')
}

// BuildCall writes the body of a call. members are the keys of c.Members.
func BuildCall(b *body.Builder, c *chat.Call, createdBy int64, members []int64) {
	buildCall(b, c, createdBy, members, false)
}

// BuildCallDetails is BuildCall with what exports leave out: the settings, and
// what there is to say of the members.
func BuildCallDetails(b *body.Builder, c *chat.Call, createdBy int64, members []int64) {
	buildCall(b, c, createdBy, members, true)
}

func buildCall(b *body.Builder, c *chat.Call, createdBy int64, members []int64, details bool) {
	o := append(b.Open(), `{"type":`...)
	o = AppendString(o, c.Type)
	o = append(o, `,"id":`...)
	o = AppendString(o, c.ID)
	o = append(o, `,"cid":`...)
	o = AppendString(o, c.CID())
	b.Lit(append(o, `,"created_by":`...))
	b.User(createdBy)
	o = append(b.Open(), `,"created_at":`...)
	o = c.CreatedAt.AppendJSON(o)
	o = append(o, `,"updated_at":`...)
	o = c.UpdatedAt.AppendJSON(o)
	o = appendTime(o, `,"starts_at":`, c.StartsAt)
	o = appendTime(o, `,"ended_at":`, c.EndedAt)
	o = appendTime(o, `,"deleted_at":`, c.DeletedAt)
	b.Lit(append(o, `,"members":[`...))
	for i := range c.Members {
		m := &c.Members[i]
		o = b.Open()
		if i > 0 {
			o = append(o, ',')
		}
		b.Lit(append(o, `{"user_id":`...))
		b.UserID(members[i])
		o = append(b.Open(), `,"role":`...)
		o = AppendString(o, m.Role)
		o = append(o, `,"created_at":`...)
		o = m.CreatedAt.AppendJSON(o)
		if details {
			o = appendTime(o, `,"updated_at":`, m.UpdatedAt)
			o = AppendCustom(o, m.Custom)
		}
		b.Lit(append(o, '}'))
	}
	o = append(b.Open(), ']')
	if c.Session != nil {
		o = append(o, `,"session":`...)
		o = append(o, c.Session...)
	}
	if details && c.Settings != nil {
		o = append(o, `,"settings":`...)
		o = append(o, c.Settings...)
	}
	o = AppendCustom(o, c.Custom)
	b.Lit(append(o, '}'))
}

// AppendCallMember appends a member of a call as answers show it, with a user
// object.
func AppendCallMember(dst []byte, m *chat.CallMember, user []byte) []byte {
	dst = append(dst, `{"user_id":`...)
	dst = AppendString(dst, m.UserID)
	dst = append(append(dst, `,"user":`...), user...)
	dst = append(dst, `,"role":`...)
	dst = AppendString(dst, m.Role)
	dst = append(dst, `,"created_at":`...)
	dst = m.CreatedAt.AppendJSON(dst)
	dst = append(dst, `,"updated_at":`...)
	dst = max(m.CreatedAt, m.UpdatedAt).AppendJSON(dst)
	dst = AppendCustom(dst, m.Custom)
	return append(dst, '}')
}

// AppendCustom appends custom fields as further members of an object.
func AppendCustom(dst []byte, c chat.Custom) []byte {
	for _, f := range c {
		dst = append(dst, ',')
		dst = AppendString(dst, f.Name)
		dst = append(dst, ':')
		dst = append(dst, f.Value...)
	}
	return dst
}

// AppendCustomObject appends custom fields as an object of their own.
func AppendCustomObject(dst []byte, c chat.Custom) []byte {
	if len(c) == 0 {
		return append(dst, `{}`...)
	}
	at := len(dst)
	dst = AppendCustom(dst, c)
	dst[at] = '{'
	return append(dst, '}')
}

func appendTime(dst []byte, key string, t chat.Time) []byte {
	if t == 0 {
		return dst
	}
	return t.AppendJSON(append(dst, key...))
}

func appendTimeOrNull(dst []byte, t chat.Time) []byte {
	if t == 0 {
		return append(dst, `null`...)
	}
	return t.AppendJSON(dst)
}

func appendText(dst []byte, key, s string) []byte {
	if s == "" {
		return dst
	}
	return AppendString(append(dst, key...), s)
}

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, s)
	}
	return append(dst, ']')
}
