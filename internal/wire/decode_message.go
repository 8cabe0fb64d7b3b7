package wire

import "hansard/internal/chat"

// messageNames are the names that a message's custom fields cannot have.
var messageNames = names(`id text html type user user_id attachments parent_id show_in_channel
	quoted_message_id quoted_message cid channel_cid channel_type channel_id channel_member_ids message_id
	created_at updated_at deleted_at message_text_updated_at shadowed silent mml command i18n
	mentioned_users mentioned_users_ids mentioned_user_ids restricted_visibility
	pinned pinned_at pinned_by pinned_by_id pin_expires
	latest_reactions own_reactions reaction_counts reaction_scores reaction_groups
	reply_count deleted_reply_count thread_participants channel member before_message_send_failed
	deleted_for_me draft reminder mentioned_channel mentioned_here`)

// DecodeMessage reads a message object. id, the channel and the user are
// required. A type of "deleted" says that the message was soft-deleted, not
// what it was: Type becomes Reply or Regular, and DeletedAt, where it is not
// given, the last time that is. What only a pinned message has is dropped from
// one that is not. It fails with a *FieldError.
func DecodeMessage(raw []byte, emb *Embedded) (chat.Message, error) {
	return decodeMessage(raw, emb, needAll)
}

// DecodeNewMessage is DecodeMessage for a request: the path names the channel,
// and the id may be left to the server. Only the user is required.
func DecodeNewMessage(raw []byte, emb *Embedded) (chat.Message, error) {
	return decodeMessage(raw, emb, needUser)
}

// DecodeChangedMessage is DecodeNewMessage for a message that is there already:
// nothing is required.
func DecodeChangedMessage(raw []byte) (chat.Message, error) {
	return decodeMessage(raw, nil, needNothing)
}

// What a message must bring.
const (
	needNothing = iota
	needUser
	needAll
)

func decodeMessage(raw []byte, emb *Embedded, need int) (chat.Message, error) {
	var m chat.Message
	var ref channelRef
	var custom customFields
	var typ, quoted span
	d, object := begin(raw, emb)
	for c := d.members(object); d.next(&c); {
		v := c.val
		switch string(c.name) {
		case "id":
			m.ID = d.id("id", v, MaxMessageID)
		case "text":
			m.Text = d.string("text", v)
		case "html":
			m.HTML = d.string("html", v)
		case "mml":
			m.MML = d.string("mml", v)
		case "command":
			m.Command = d.string("command", v)
		case "type":
			typ = v
		case "user":
			d.agree("user", v, &m.UserID, d.user("user", v))
		case "user_id":
			d.agree("user_id", v, &m.UserID, d.user("user_id", v))
		case "attachments":
			m.Attachments = d.attachments(v)
		case "i18n":
			if d.isObject("i18n", v) && d.length(v) > 0 {
				m.I18n = d.free("i18n", v)
			}
		case "parent_id":
			m.ParentID = d.id("parent_id", v, MaxMessageID)
		case "show_in_channel":
			m.ShowInChannel = d.bool("show_in_channel", v)
		case "quoted_message_id":
			d.agree("quoted_message_id", v, &m.QuotedMessageID, d.id("quoted_message_id", v, MaxMessageID))
		case "quoted_message":
			quoted = v
		case "mentioned_users", "mentioned_users_ids", "mentioned_user_ids":
			m.MentionedUsers = d.users(string(c.name), v, m.MentionedUsers)
		case "restricted_visibility":
			m.RestrictedVisibility = d.users("restricted_visibility", v, nil)
		case "silent":
			m.Silent = d.bool("silent", v)
		case "shadowed":
			m.Shadowed = d.bool("shadowed", v)
		case "pinned":
			m.Pinned = d.bool("pinned", v)
		case "pinned_at":
			m.PinnedAt = d.time("pinned_at", v)
		case "pinned_by":
			d.agree("pinned_by", v, &m.PinnedBy, d.user("pinned_by", v))
		case "pinned_by_id":
			d.agree("pinned_by_id", v, &m.PinnedBy, d.user("pinned_by_id", v))
		case "pin_expires":
			m.PinExpires = d.time("pin_expires", v)
		case "created_at":
			m.CreatedAt = d.time("created_at", v)
		case "updated_at":
			m.UpdatedAt = d.time("updated_at", v)
		case "deleted_at":
			m.DeletedAt = d.time("deleted_at", v)
		case "message_text_updated_at":
			m.TextUpdatedAt = d.time("message_text_updated_at", v)
		case "latest_reactions":
			d.reactions(v)
		case "thread_participants":
			d.users("thread_participants", v, nil)
		default:
			if !ref.take(&d, c.name, v) {
				custom.add(&d, &c, messageNames)
			}
		}
	}
	if quoted.end > 0 {
		d.quoted(quoted, &m)
	}
	m.Custom = custom.sorted(&d, messageNames)
	m.CID = ref.resolve(&d)
	d.messageType(&m, typ, object)
	if !m.Pinned {
		m.PinnedAt, m.PinnedBy, m.PinExpires = 0, "", 0
	}
	switch {
	case need == needAll && m.ID == "":
		d.fail("id", object.start, "is required")
	case need == needAll && m.CID == "":
		d.fail("cid", object.start, "is required, or channel_type and channel_id")
	case need != needNothing && m.UserID == "":
		d.fail("user_id", object.start, "is required")
	}
	return m, d.done()
}

// messageType settles what kind of message m is.
func (d *decoder) messageType(m *chat.Message, v, object span) {
	m.Type = chat.Regular
	if m.ParentID != "" {
		m.Type = chat.Reply
	}
	if d.err != nil || v.end == 0 {
		return
	}
	switch string(d.text("type", v)) {
	case "", chat.Regular, chat.Reply:
	case chat.System:
		m.Type = chat.System
	case chat.Deleted:
		if m.DeletedAt == 0 {
			m.DeletedAt = max(m.UpdatedAt, m.CreatedAt)
		}
		if m.DeletedAt == 0 {
			d.fail("deleted_at", object.start, "is required when type is deleted")
		}
	default:
		d.fail("type", v.start, "must be regular, reply, system or deleted")
	}
}

// attachments keeps a list of objects; an empty list is not kept.
func (d *decoder) attachments(v span) chat.Raw {
	if !d.isArray("attachments", v) {
		return nil
	}
	i := 0
	for c := inside(d.raw, v); c.item(); i++ {
		if d.raw[c.val.start] != '{' {
			d.mismatch(index("attachments", i), c.val, "an object")
			return nil
		}
	}
	if i == 0 {
		return nil
	}
	return d.free("attachments", v)
}

// reactions collects the reactions that stand in a message.
func (d *decoder) reactions(v span) {
	if !d.isArray("latest_reactions", v) || d.emb == nil {
		return
	}
	i := 0
	for c := inside(d.raw, v); d.err == nil && c.item(); i++ {
		if d.isObject(index("latest_reactions", i), c.val) {
			d.collectReaction(c.val)
		}
	}
}

// quoted takes from a quoted message its id and the users in it. Its reactions
// come with the message's own record.
func (d *decoder) quoted(v span, m *chat.Message) {
	if d.err != nil || !d.isObject("quoted_message", v) {
		return
	}
	for c := inside(d.raw, v); d.next(&c); {
		field := "quoted_message." + string(c.name)
		switch string(c.name) {
		case "id":
			d.agree(field, c.val, &m.QuotedMessageID, d.id(field, c.val, MaxMessageID))
		case "user", "pinned_by":
			d.user(field, c.val)
		case "mentioned_users", "thread_participants":
			d.users(field, c.val, nil)
		case "latest_reactions":
			d.reactors(field, c.val)
		}
	}
}

// reactors collects the users of reactions without the reactions.
func (d *decoder) reactors(field string, v span) {
	if !d.isArray(field, v) {
		return
	}
	i := 0
	for c := inside(d.raw, v); d.err == nil && c.item(); i++ {
		if !d.isObject(index(field, i), c.val) {
			continue
		}
		for r := inside(d.raw, c.val); d.next(&r); {
			if string(r.name) == "user" {
				d.user(index(field, i)+".user", r.val)
			}
		}
	}
}
