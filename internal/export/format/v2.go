package format

import (
	"encoding/binary"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// V2 is a line for each object, {"type":…,"data":{…}}. Lines of members,
// reads, messages and reactions carry the ids of what they belong to, before
// their own keys, so that each stands alone.
type V2 struct{}

var _ Pieces = V2{}

// Resumable reports true.
func (V2) Resumable() bool { return true }

// Begin does nothing: lines have no frame.
func (V2) Begin(Out) error { return nil }

// End does nothing.
func (V2) End(Out) error { return nil }

// Steps go through the types of lines.
func (V2) Steps() []Step { return append(V2{}.Head(), messages) }

// Head are the lines of channels, members and reads.
func (V2) Head() []Step { return []Step{channel, members, reads} }

// Piece adds lines of messages and reactions.
func (V2) Piece(src *Source, out Out, _, _ bool) error { return messages(src, out) }

func channel(src *Source, out Out) (err error) {
	b := out.To(Channels)
	b.B = append(b.B, `{"type":"channel","data":`...)
	if b.B, err = src.Render.Channel(b.B, &src.Row); err != nil {
		return err
	}
	b.B = append(b.B, "}\n"...)
	src.Counts.Channels++
	return b.Flush()
}

// prefix is what a line of this channel begins with after its type.
func prefix(typ string, c *chat.Channel) []byte {
	p := append([]byte(`{"type":`), wire.AppendString(nil, typ)...)
	p = append(p, `,"data":{"channel_cid":`...)
	p = wire.AppendString(p, c.CID())
	p = append(p, `,"channel_type":`...)
	p = wire.AppendString(p, c.Type)
	p = append(p, `,"channel_id":`...)
	return wire.AppendString(p, c.ID)
}

func members(src *Source, out Out) error {
	b, head := out.To(Members), prefix("member", &src.Row.Channel)
	return src.Reader.Members(src.Row.Key, func(row *store.MemberRow) (err error) {
		b.B = append(b.B, head...)
		at := len(b.B)
		if b.B, err = src.Render.Member(b.B, row, src.Row.CreatedBy); err != nil {
			return err
		}
		b.B = joinObject(b.B, at)
		src.Counts.Members++
		return b.Flush()
	})
}

func reads(src *Source, out Out) error {
	b, head := out.To(Reads), append(prefix("read", &src.Row.Channel), `,"user_id":`...)
	return src.Reader.Reads(src.Row.Key, func(row *store.ReadRow) (err error) {
		b.B = append(b.B, head...)
		if b.B, err = src.Render.UserID(b.B, row.User); err != nil {
			return err
		}
		at := len(b.B)
		if b.B, err = src.Render.Read(b.B, row); err != nil {
			return err
		}
		b.B = joinObject(b.B, at)
		return b.Flush()
	})
}

// joinObject makes the object that was appended at at go on in the data object
// that is open before it, by writing a comma over its brace, and ends the
// line.
func joinObject(line []byte, at int) []byte {
	line[at] = ','
	return append(line, "}\n"...)
}

// messages is the hot loop of a v2 export. Reactions, which stand after all
// messages, are written on the way.
func messages(src *Source, out Out) error {
	b, head := out.To(Messages), append(prefix("message", &src.Row.Channel), `,"user_id":`...)
	reactions, reactionHead := out.To(Reactions), prefix("reaction", &src.Row.Channel)
	return src.Messages(func(row *store.MessageRow) (err error) {
		b.B = append(b.B, head...)
		if b.B, err = src.Render.UserID(b.B, row.User); err != nil {
			return err
		}
		b.B = append(b.B, `,"message_id":"`...)
		b.B = append(b.B, row.ID...) // its alphabet needs no escaping
		b.B = append(b.B, '"')
		at := len(b.B)
		if b.B, err = src.Render.Message(b.B, row); err != nil {
			return err
		}
		b.B = joinObject(b.B, at)
		if err := b.Flush(); err != nil {
			return err
		}
		if len(row.Reactions) == 0 {
			return nil
		}
		_, err = wire.EachReaction(row.Reactions, func(reaction []byte) (err error) {
			reactions.B = append(reactions.B, reactionHead...)
			at := len(reactions.B)
			if reactions.B, err = src.Render.ReactionBody(reactions.B, reaction); err != nil {
				return err
			}
			reactions.B = joinObject(reactions.B, at)
			src.Counts.Reactions++
			return reactions.Flush()
		})
		return err
	})
}

func countReactions(summary []byte) int64 {
	n, _ := binary.Uvarint(summary)
	return int64(n)
}

// User adds the lines of a users export for the user with that key: the user,
// their messages, reactions and calls.
func User(src *Source, key int64, b *Buffer) error {
	if err := UserItself(src, key, b); err != nil {
		return err
	}
	err := src.Reader.UserMessages(key, func(row *store.MessageRow) error { return UserMessage(src, row, b) })
	if err != nil {
		return err
	}
	return UserRest(src, key, b)
}

// UserItself adds the first line of User.
func UserItself(src *Source, key int64, b *Buffer) (err error) {
	b.B = append(b.B, `{"type":"user","data":`...)
	if b.B, err = src.Render.User(b.B, key); err != nil {
		return err
	}
	b.B = append(b.B, "}\n"...)
	src.Counts.Users++
	return b.Flush()
}

// UserMessage adds the line of a message.
func UserMessage(src *Source, row *store.MessageRow, b *Buffer) (err error) {
	b.B = append(b.B, `{"type":"message","data":`...)
	if b.B, err = src.Render.Message(b.B, row); err != nil {
		return err
	}
	b.B = append(b.B, "}\n"...)
	src.Counts.Messages++
	if err := b.Flush(); err != nil {
		return err
	}
	return src.Progress()
}

// UserRest adds what comes after the messages.
func UserRest(src *Source, key int64, b *Buffer) error {
	err := src.Reader.UserReactions(key, func(row *store.ReactionRow) (err error) {
		b.B = append(b.B, `{"type":"reaction","data":`...)
		if b.B, err = src.Render.Reaction(b.B, row); err != nil {
			return err
		}
		b.B = append(b.B, "}\n"...)
		src.Counts.Reactions++
		return b.Flush()
	})
	if err != nil {
		return err
	}
	return src.Reader.UserCalls(key, func(row *store.CallRow) (err error) {
		b.B = append(b.B, `{"type":"call","data":`...)
		if b.B, err = src.Render.Call(b.B, row); err != nil {
			return err
		}
		b.B = append(b.B, "}\n"...)
		src.Counts.Calls++
		return b.Flush()
	})
}
