package wire

import "hansard/internal/chat"

// userNames are the names that a user's custom fields cannot have: what is
// kept, what is derived, and what Stream keeps for its own purposes.
var userNames = names(`id role name image language teams banned invisible
	created_at updated_at last_active deactivated_at deleted_at
	online shadow_banned privacy_settings push_notifications devices mutes user_mutes channel_mutes
	blocked_user_ids total_unread_count unread_count unread_channels unread_threads
	ban_expires revoke_tokens_issued_before avg_response_time`)

// DecodeUser reads a user object. Only id is required; what is not given stays
// zero, so that a trace of a user (id and deleted_at) is Dangling. It fails
// with a *FieldError.
func DecodeUser(raw []byte) (chat.User, error) {
	var u chat.User
	var custom customFields
	d, object := begin(raw, nil)
	for c := d.members(object); d.next(&c); {
		v := c.val
		switch string(c.name) {
		case "id":
			u.ID = d.id("id", v, MaxUserID)
		case "role":
			u.Role = d.typ("role", v)
		case "name":
			u.Name = d.string("name", v)
		case "image":
			u.Image = d.string("image", v)
		case "language":
			u.Language = d.string("language", v)
		case "teams":
			if u.Teams = d.strings("teams", v); len(u.Teams) == 0 {
				u.Teams = nil
			}
		case "banned":
			u.Banned = d.bool("banned", v)
		case "invisible":
			u.Invisible = d.bool("invisible", v)
		case "created_at":
			u.CreatedAt = d.time("created_at", v)
		case "updated_at":
			u.UpdatedAt = d.time("updated_at", v)
		case "last_active":
			u.LastActive = d.time("last_active", v)
		case "deactivated_at":
			u.DeactivatedAt = d.time("deactivated_at", v)
		case "deleted_at":
			u.DeletedAt = d.time("deleted_at", v)
		default:
			custom.add(&d, &c, userNames)
		}
	}
	u.Custom = custom.sorted(&d, userNames)
	if u.ID == "" {
		d.fail("id", object.start, "is required")
	}
	return u, d.done()
}
