package wire

import (
	"math"
	"unicode/utf8"

	"hansard/internal/chat"
)

// reactionNames are the names that a reaction's custom fields cannot have.
var reactionNames = names(`message_id user user_id type score created_at updated_at
	cid channel_cid channel_type channel_id`)

// DecodeReaction reads a reaction object: message_id, the user and type are
// required, score is 1 if it is not given. It fails with a *FieldError.
func DecodeReaction(raw []byte, emb *Embedded) (chat.Reaction, error) {
	return decodeReaction(raw, emb, true)
}

// DecodeNewReaction is DecodeReaction for a request whose path names the
// message.
func DecodeNewReaction(raw []byte, emb *Embedded) (chat.Reaction, error) {
	return decodeReaction(raw, emb, false)
}

func decodeReaction(raw []byte, emb *Embedded, whole bool) (chat.Reaction, error) {
	r := chat.Reaction{Score: 1}
	var custom customFields
	d, object := begin(raw, emb)
	for c := d.members(object); d.next(&c); {
		v := c.val
		switch string(c.name) {
		case "message_id":
			r.MessageID = d.id("message_id", v, MaxMessageID)
		case "user":
			d.agree("user", v, &r.UserID, d.user("user", v))
		case "user_id":
			d.agree("user_id", v, &r.UserID, d.user("user_id", v))
		case "type":
			r.Type = d.reactionType(v)
		case "score":
			if !d.null(v) {
				r.Score = int(d.int("score", v, math.MinInt32, math.MaxInt32))
			}
		case "created_at":
			r.CreatedAt = d.time("created_at", v)
		case "updated_at":
			r.UpdatedAt = d.time("updated_at", v)
		default:
			custom.add(&d, &c, reactionNames)
		}
	}
	r.Custom = custom.sorted(&d, reactionNames)
	switch {
	case whole && r.MessageID == "":
		d.fail("message_id", object.start, "is required")
	case r.UserID == "":
		d.fail("user_id", object.start, "is required")
	case r.Type == "":
		d.fail("type", object.start, "is required")
	}
	return r, d.done()
}

// maxReactionType is the longest type of a reaction, in bytes.
const maxReactionType = 255

// reactionType reads a reaction's type; emoji are as good as words.
func (d *decoder) reactionType(v span) string {
	s := d.text("type", v)
	if len(s) > maxReactionType {
		d.fail("type", v.start, "must have at most %d bytes", maxReactionType)
		return ""
	}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRune(s[i:])
		if r < ' ' || r >= 0x7F && r < 0xA0 {
			d.fail("type", v.start, "must not hold control characters")
			return ""
		}
		i += size
	}
	return string(s)
}
