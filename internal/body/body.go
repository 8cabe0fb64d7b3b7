package body

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The pieces of a body. Each starts with one of these bytes.
const (
	opLiteral  = 'l' // uvarint n, n bytes: copied
	opUser     = 'u' // uvarint key: the user object
	opUserID   = 'i' // uvarint key: the user's id, a JSON string
	opSlot     = 's' // one byte, a Slot
	opBlank    = 'b' // uvarint n, n bytes: copied, or "" when clearing
	opOptional = 'o' // uvarint n, n bytes: copied, or nothing when clearing
)

// Slot is a place that is filled from elsewhere when a body is written out.
// What fills it begins with a comma and ends without one.
type Slot byte

// The slots of a message, in the order in which they stand, and of a member.
const (
	Reactions Slot = iota // latest_reactions … reaction_groups
	Thread                // thread_participants, reply_count, deleted_reply_count
	Quoted                // quoted_message, may be empty
	Pin                   // pinned, pinned_at, pinned_by, pin_expires
	Role                  // the role of a member in its channel
	slots
)

// ErrCorrupt is returned when stored bytes are not a body.
var ErrCorrupt = errors.New("body: corrupt")

// Builder assembles a body. The zero value is ready to use; Reset lets it be
// used again without allocating. Literal pieces that follow each other are
// merged.
type Builder struct {
	out  []byte
	open []byte // the literal being written
}

// Reset empties the builder and keeps its memory.
func (b *Builder) Reset() { b.out, b.open = b.out[:0], b.open[:0] }

// Lit gives access to the open literal: append to it and hand it back.
//
//	b.Lit(append(b.Open(), `"id":`...))
func (b *Builder) Lit(open []byte) { b.open = open }

// Open is the literal being written.
func (b *Builder) Open() []byte { return b.open }

func (b *Builder) flush() {
	if len(b.open) == 0 {
		return
	}
	b.out = append(b.out, opLiteral)
	b.out = binary.AppendUvarint(b.out, uint64(len(b.open)))
	b.out = append(b.out, b.open...)
	b.open = b.open[:0]
}

// User splices in the user object of the user with that key.
func (b *Builder) User(key int64) { b.ref(opUser, key) }

// UserID splices in the id, as a JSON string, of the user with that key.
func (b *Builder) UserID(key int64) { b.ref(opUserID, key) }

func (b *Builder) ref(op byte, key int64) {
	b.flush()
	b.out = append(b.out, op)
	b.out = binary.AppendUvarint(b.out, uint64(key))
}

// Slot marks the place of a slot.
func (b *Builder) Slot(s Slot) {
	b.flush()
	b.out = append(b.out, opSlot, byte(s))
}

// Blank adds a literal that becomes "" when deleted text is cleared.
func (b *Builder) Blank(lit []byte) { b.special(opBlank, lit) }

// Optional adds a literal that is left out when deleted text is cleared.
func (b *Builder) Optional(lit []byte) { b.special(opOptional, lit) }

func (b *Builder) special(op byte, lit []byte) {
	b.flush()
	b.out = append(b.out, op)
	b.out = binary.AppendUvarint(b.out, uint64(len(lit)))
	b.out = append(b.out, lit...)
}

// Bytes ends the body and returns it; valid until the next Reset.
func (b *Builder) Bytes() []byte {
	b.flush()
	return b.out
}

// Users gives the stored JSON of users by the store's key.
type Users interface {
	// AppendUser appends the user object.
	AppendUser(dst []byte, key int64) ([]byte, error)
	// AppendUserID appends the user's id as a JSON string, quotes included.
	AppendUserID(dst []byte, key int64) ([]byte, error)
}

// Fill is what a body is written out with.
type Fill struct {
	Users Users
	Slots [slots][]byte
	// Clear writes the text of deleted messages as cleared (contract section
	// 3, clear_deleted_message_text). Bodies of messages that are not deleted
	// have nothing to clear.
	Clear bool
}

// Append writes a body out to dst. It is the hot loop of every export.
func Append(dst, body []byte, f *Fill) ([]byte, error) {
	for i := 0; i < len(body); {
		op := body[i]
		i++
		if op == opSlot {
			if i >= len(body) || body[i] >= byte(slots) {
				return dst, ErrCorrupt
			}
			dst = append(dst, f.Slots[body[i]]...)
			i++
			continue
		}
		v, n := binary.Uvarint(body[i:])
		if n <= 0 {
			return dst, ErrCorrupt
		}
		i += n
		switch op {
		case opUser, opUserID:
			var err error
			if op == opUser {
				dst, err = f.Users.AppendUser(dst, int64(v))
			} else {
				dst, err = f.Users.AppendUserID(dst, int64(v))
			}
			if err != nil {
				return dst, fmt.Errorf("body: user %d: %w", v, err)
			}
			continue
		case opLiteral, opBlank, opOptional:
		default:
			return dst, ErrCorrupt
		}
		if v > uint64(len(body)-i) {
			return dst, ErrCorrupt
		}
		piece := body[i : i+int(v)]
		i += int(v)
		switch {
		case op == opLiteral || !f.Clear:
			dst = append(dst, piece...)
		case op == opBlank:
			dst = append(dst, `""`...)
		}
	}
	return dst, nil
}

// Keys calls fn with the key of every user that a body refers to, in order and
// as often as it does.
func Keys(body []byte, fn func(key int64)) error {
	for i := 0; i < len(body); {
		op := body[i]
		i++
		if op == opSlot {
			i++
			continue
		}
		v, n := binary.Uvarint(body[i:])
		if n <= 0 {
			return ErrCorrupt
		}
		i += n
		if op == opUser || op == opUserID {
			fn(int64(v))
			continue
		}
		if v > uint64(len(body)-i) {
			return ErrCorrupt
		}
		i += int(v)
	}
	return nil
}
