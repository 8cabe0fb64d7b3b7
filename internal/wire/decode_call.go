package wire

import "hansard/internal/chat"

// callNames are the names that a call's custom fields cannot have.
var callNames = names(`type id cid created_by created_by_id created_at updated_at starts_at ended_at deleted_at members
	session current_session_id backstage recording transcribing translating captioning settings
	settings_override ingress egress blocked_user_ids own_capabilities`)

// callMemberNames are the names that a call member's custom fields cannot have.
var callMemberNames = names(`user user_id role created_at updated_at deleted_at call_cid`)

// DecodeCall reads a call object: type and id, or cid, are required. It fails
// with a *FieldError.
func DecodeCall(raw []byte, emb *Embedded) (chat.Call, error) {
	return decodeCall(raw, emb, true)
}

// DecodeNewCall is DecodeCall for a request whose path names the call.
func DecodeNewCall(raw []byte, emb *Embedded) (chat.Call, error) {
	return decodeCall(raw, emb, false)
}

func decodeCall(raw []byte, emb *Embedded, whole bool) (chat.Call, error) {
	var call chat.Call
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
			call.Type = d.typ("type", v)
		case "id":
			call.ID = d.id("id", v, MaxChannelID)
		case "created_by":
			d.agree("created_by", v, &call.CreatedBy, d.user("created_by", v))
		case "created_by_id":
			d.agree("created_by_id", v, &call.CreatedBy, d.user("created_by_id", v))
		case "created_at":
			call.CreatedAt = d.time("created_at", v)
		case "updated_at":
			call.UpdatedAt = d.time("updated_at", v)
		case "starts_at":
			call.StartsAt = d.time("starts_at", v)
		case "ended_at":
			call.EndedAt = d.time("ended_at", v)
		case "deleted_at":
			call.DeletedAt = d.time("deleted_at", v)
		case "members":
			call.Members = d.callMembers(v)
		case "session":
			if d.isObject("session", v) {
				call.Session = d.free("session", v)
			}
		case "settings":
			if d.isObject("settings", v) && d.length(v) > 0 {
				call.Settings = d.free("settings", v)
			}
		default:
			custom.add(&d, &c, callNames)
		}
	}
	call.Custom = custom.sorted(&d, callNames)
	if cid != "" && d.err == nil {
		typ, id, _ := SplitCID(cid)
		if call.Type != "" && call.Type != typ || call.ID != "" && call.ID != id {
			d.fail("cid", cidAt.start, "does not agree with type and id")
		}
		call.Type, call.ID = typ, id
	}
	if whole && call.Type == "" {
		d.fail("type", object.start, "is required")
	}
	if whole && call.ID == "" {
		d.fail("id", object.start, "is required, or cid")
	}
	return call, d.done()
}

// callMembers reads a list of user ids, or of objects that name a user.
func (d *decoder) callMembers(v span) []chat.CallMember {
	if !d.isArray("members", v) {
		return nil
	}
	var list []chat.CallMember
	for c := inside(d.raw, v); d.err == nil && c.item(); {
		list = append(list, d.callMember(index("members", len(list)), c.val))
	}
	return list
}

func (d *decoder) callMember(field string, v span) chat.CallMember {
	var m chat.CallMember
	custom := customFields{in: field}
	if d.raw[v.start] != '{' {
		m.UserID = d.user(field, v)
	} else {
		for c := inside(d.raw, v); d.next(&c); {
			at := join(field, string(c.name))
			switch string(c.name) {
			case "user", "user_id":
				d.agree(at, c.val, &m.UserID, d.user(at, c.val))
			case "role":
				m.Role = d.typ(at, c.val)
			case "created_at":
				m.CreatedAt = d.time(at, c.val)
			case "updated_at":
				m.UpdatedAt = d.time(at, c.val)
			default:
				custom.add(d, &c, callMemberNames)
			}
		}
		m.Custom = custom.sorted(d, callMemberNames)
	}
	if m.UserID == "" {
		d.fail(join(field, "user_id"), v.start, "is required")
	}
	return m
}
