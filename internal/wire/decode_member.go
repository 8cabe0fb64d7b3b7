package wire

import (
	"math"

	"hansard/internal/chat"
)

// MemberInput is a member as it comes in.
type MemberInput struct {
	chat.Member
	CID      string    // "" if the object does not name its channel
	LastRead chat.Time // how far an imported member has read
}

// ReadInput is a read state as it comes in.
type ReadInput struct {
	chat.Read
	CID string // "" if the object does not name its channel
}

// memberNames are the names that a member's custom fields cannot have.
var memberNames = names(`user user_id status channel_role role is_moderator created_at updated_at deleted_at
	banned shadow_banned ban_expires invited invite_accepted_at invite_rejected_at notifications_muted
	archived_at pinned_at cid channel_cid channel_type channel_id channel_member_ids channel message_id
	last_read hide_channel hide_messages_before deleted_messages`)

// DecodeMember reads a member object, or a user id standing for one. Only the
// user is required. It fails with a *FieldError.
func DecodeMember(raw []byte, emb *Embedded) (MemberInput, error) {
	var m MemberInput
	if at := space(raw, 0); at < len(raw) && raw[at] == '"' {
		id, err := UserRef("user_id", raw, 0)
		if err == nil && id == "" {
			err = &FieldError{Field: "user_id", Offset: int64(at), Reason: "is required"}
		}
		m.UserID = id
		return m, err
	}
	var ref channelRef
	var custom customFields
	moderator := false
	d, object := begin(raw, emb)
	for c := d.members(object); d.next(&c); {
		v := c.val
		switch string(c.name) {
		case "user":
			d.agree("user", v, &m.UserID, d.user("user", v))
		case "user_id":
			d.agree("user_id", v, &m.UserID, d.user("user_id", v))
		case "status":
			m.Status = d.string("status", v)
		case "channel_role":
			m.ChannelRole = d.typ("channel_role", v)
		case "is_moderator":
			moderator = d.bool("is_moderator", v)
		case "created_at":
			m.CreatedAt = d.time("created_at", v)
		case "updated_at":
			m.UpdatedAt = d.time("updated_at", v)
		case "banned":
			m.Banned = d.bool("banned", v)
		case "shadow_banned":
			m.ShadowBanned = d.bool("shadow_banned", v)
		case "invited":
			m.Invited = d.bool("invited", v)
		case "invite_accepted_at":
			m.InviteAcceptedAt = d.time("invite_accepted_at", v)
		case "invite_rejected_at":
			m.InviteRejectedAt = d.time("invite_rejected_at", v)
		case "notifications_muted":
			m.NotificationsMuted = d.bool("notifications_muted", v)
		case "archived_at":
			m.ArchivedAt = d.time("archived_at", v)
		case "pinned_at":
			m.PinnedAt = d.time("pinned_at", v)
		case "last_read":
			m.LastRead = d.time("last_read", v)
		default:
			if !ref.take(&d, c.name, v) {
				custom.add(&d, &c, memberNames)
			}
		}
	}
	m.Custom = custom.sorted(&d, memberNames)
	m.CID = ref.resolve(&d)
	if moderator && m.ChannelRole == "" {
		m.ChannelRole = "channel_moderator"
	}
	if m.UserID == "" {
		d.fail("user_id", object.start, "is required")
	}
	return m, d.done()
}

// DecodeRead reads a read state. The user and last_read are required; Unread
// is -1 if unread_messages is not given. Read states have no custom fields. It
// fails with a *FieldError.
func DecodeRead(raw []byte, emb *Embedded) (ReadInput, error) {
	r := ReadInput{Read: chat.Read{Unread: -1}}
	var ref channelRef
	d, object := begin(raw, emb)
	for c := d.members(object); d.next(&c); {
		v := c.val
		switch string(c.name) {
		case "user":
			d.agree("user", v, &r.UserID, d.user("user", v))
		case "user_id":
			d.agree("user_id", v, &r.UserID, d.user("user_id", v))
		case "last_read":
			r.LastRead = d.time("last_read", v)
		case "last_read_message_id":
			r.LastReadMessageID = d.id("last_read_message_id", v, MaxMessageID)
		case "unread_messages":
			if !d.null(v) {
				r.Unread = int(d.int("unread_messages", v, 0, math.MaxInt32))
			}
		default:
			ref.take(&d, c.name, v)
		}
	}
	r.CID = ref.resolve(&d)
	if r.UserID == "" {
		d.fail("user_id", object.start, "is required")
	}
	if r.LastRead == 0 {
		d.fail("last_read", object.start, "is required")
	}
	return r, d.done()
}
