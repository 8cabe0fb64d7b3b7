package wire

import (
	"math"

	"github.com/go-json-experiment/json/jsontext"

	"hansard/internal/chat"
)

// ChannelInput is a channel as it comes in.
type ChannelInput struct {
	chat.Channel
	// MemberIDs are the members of a distinct channel, as member_ids names
	// them; each once.
	MemberIDs []string
	// Members are the items of "members": user ids, or what DecodeMember
	// reads. They are part of what was decoded and live as long.
	Members []jsontext.Value
}

// channelNames are the names that a channel's custom fields cannot have.
var channelNames = names(`cid id type created_by created_by_id created_at updated_at deleted_at
	truncated_at truncated_by truncated_by_id last_message_at frozen disabled team cooldown member_ids
	members member_count message_count config config_overrides own_capabilities membership invites hidden
	hide_messages_before muted mute_expires_at blocked`)

// DecodeChannel reads a channel object: cid, or type and id, or type and
// member_ids (a distinct channel) are required. It fails with a *FieldError.
func DecodeChannel(raw []byte, emb *Embedded) (ChannelInput, error) {
	return decodeChannel(raw, emb, true)
}

// DecodeNewChannel is DecodeChannel for a request whose path names the channel:
// type and id may be missing.
func DecodeNewChannel(raw []byte, emb *Embedded) (ChannelInput, error) {
	return decodeChannel(raw, emb, false)
}

func decodeChannel(raw []byte, emb *Embedded, whole bool) (ChannelInput, error) {
	var ch ChannelInput
	var cid string
	var cidAt span
	var custom customFields
	d, object := begin(raw, emb)
	for c := d.members(object); d.next(&c); {
		v := c.val
		switch string(c.name) {
		case "cid":
			cid, cidAt = d.cid("cid", v, MaxChannelID), v
		case "type":
			ch.Type = d.typ("type", v)
		case "id":
			ch.ID = d.id("id", v, MaxChannelID)
		case "created_by":
			d.agree("created_by", v, &ch.CreatedBy, d.user("created_by", v))
		case "created_by_id":
			d.agree("created_by_id", v, &ch.CreatedBy, d.user("created_by_id", v))
		case "truncated_by":
			d.agree("truncated_by", v, &ch.TruncatedBy, d.user("truncated_by", v))
		case "truncated_by_id":
			d.agree("truncated_by_id", v, &ch.TruncatedBy, d.user("truncated_by_id", v))
		case "created_at":
			ch.CreatedAt = d.time("created_at", v)
		case "updated_at":
			ch.UpdatedAt = d.time("updated_at", v)
		case "deleted_at":
			ch.DeletedAt = d.time("deleted_at", v)
		case "truncated_at":
			ch.TruncatedAt = d.time("truncated_at", v)
		case "last_message_at":
			ch.LastMessageAt = d.time("last_message_at", v)
		case "frozen":
			ch.Frozen = d.bool("frozen", v)
		case "disabled":
			ch.Disabled = d.bool("disabled", v)
		case "team":
			ch.Team = d.string("team", v)
		case "cooldown":
			ch.Cooldown = int(d.int("cooldown", v, 0, math.MaxInt32))
		case "member_ids":
			ch.MemberIDs = d.users("member_ids", v, nil)
		case "members":
			ch.Members = d.channelMembers(v)
		default:
			custom.add(&d, &c, channelNames)
		}
	}
	ch.Custom = custom.sorted(&d, channelNames)
	if cid != "" && d.err == nil {
		typ, id, _ := SplitCID(cid)
		if ch.Type != "" && ch.Type != typ || ch.ID != "" && ch.ID != id {
			d.fail("cid", cidAt.start, "does not agree with type and id")
		}
		ch.Type, ch.ID = typ, id
	}
	if ch.ID == "" && len(ch.MemberIDs) > 0 {
		ch.ID = DistinctID(ch.MemberIDs)
	}
	if whole && ch.Type == "" {
		d.fail("type", object.start, "is required")
	}
	if whole && ch.ID == "" {
		d.fail("id", object.start, "is required, or cid, or member_ids")
	}
	return ch, d.done()
}

// channelMembers keeps the items of "members" and collects their users.
func (d *decoder) channelMembers(v span) []jsontext.Value {
	if !d.isArray("members", v) {
		return nil
	}
	var items []jsontext.Value
	for c := inside(d.raw, v); d.err == nil && c.item(); {
		at := index("members", len(items))
		items = append(items, d.raw[c.val.start:c.val.end])
		if d.raw[c.val.start] != '{' {
			if d.user(at, c.val) == "" {
				d.fail(at, c.val.start, "must be a user id or a member object")
			}
			continue
		}
		for m := inside(d.raw, c.val); d.next(&m); {
			if string(m.name) == "user" {
				d.user(at+".user", m.val)
			}
		}
	}
	return items
}
