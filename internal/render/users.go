package render

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// userCache remembers users in a table indexed by the low bits of their keys:
// keys are dense, so few collide. What it holds lies in one ring of bytes without
// pointers, whose size is fixed however many users a channel has: the oldest make
// room for new ones, and who is asked for shortly before that is put in again.
//
// User objects resemble each other, so each is kept as what it does not have in
// common with the first one: that is less than half of it.
type userCache struct {
	reader store.Reader
	seen   *func(key int64)
	slots  []byte // where a user begins, plus 1: eight bytes each
	ring   []byte
	free   func() // of both
	end    int64  // bytes put in so far; what is at p lies at p modulo the size

	model  []byte // the first object
	object []byte // of the user that was read last; for one that is not kept
	id     []byte
	entry  []byte // on its way into the ring
}

// The numbers of slots are powers of two.
const (
	bulkSlots = 1 << 16
	bulkBytes = 4 << 20
	fewSlots  = 1 << 6
	fewBytes  = 1 << 14
)

// An entry is a header, the id as a JSON string, and the pieces of the object:
// how much of the model is skipped, how much is taken of it, and how many bytes of
// its own come then, which follow. A piece of nothing ends the object.
const (
	atKey    = 0
	atLength = 8  // of the entry
	atID     = 12 // length of the id
	header   = 14
)

// AppendUser appends a user object.
func (c *userCache) AppendUser(dst []byte, key int64) ([]byte, error) {
	entry, err := c.find(key)
	if err != nil {
		return dst, err
	}
	if entry == nil {
		return append(dst, c.object...), nil
	}
	from := 0
	for p := entry[header+int(binary.LittleEndian.Uint16(entry[atID:])):]; len(p) > 0; {
		skip, n, own := int(p[0]), int(p[1]), int(p[2])
		from += skip
		dst = append(dst, c.model[from:from+n]...)
		from += n
		dst = append(dst, p[3:3+own]...)
		p = p[3+own:]
	}
	return dst, nil
}

// AppendUserID appends the id of a user, a JSON string.
func (c *userCache) AppendUserID(dst []byte, key int64) ([]byte, error) {
	entry, err := c.find(key)
	if err != nil {
		return dst, err
	}
	if entry == nil {
		return append(dst, c.id...), nil
	}
	return append(dst, entry[header:header+int(binary.LittleEndian.Uint16(entry[atID:]))]...), nil
}

// find returns the entry of a user; nil if it is not one that is kept, which is
// then in object and id.
func (c *userCache) find(key int64) ([]byte, error) {
	if *c.seen != nil {
		(*c.seen)(key)
	}
	if at := int64(binary.LittleEndian.Uint64(c.slot(key))) - 1; at >= 0 && at >= c.end-int64(len(c.ring)) {
		b := c.ring[at%int64(len(c.ring)):]
		if int64(binary.LittleEndian.Uint64(b[atKey:])) == key {
			b = b[:binary.LittleEndian.Uint32(b[atLength:])]
			if at < c.end-int64(len(c.ring))*7/8 {
				// It would be gone soon. The copy may not be in the ring yet, as it
				// may go where this one lies.
				c.entry = append(c.entry[:0], b...)
				return c.put(key), nil
			}
			return b, nil
		}
	}
	return c.read(key)
}

func (c *userCache) slot(key int64) []byte { return c.slots[8*int(key)&(len(c.slots)-1):] }

func (c *userCache) read(key int64) ([]byte, error) {
	plain, object, err := c.reader.UserInto(c.object[:0], key)
	if errors.Is(err, store.ErrNotFound) {
		// Nothing in the store lets a row outlive its user; should a damaged
		// database, the export must still name somebody.
		plain = fmt.Sprintf("deleted-user-%d", key)
		object = wire.AppendUser(object, &chat.User{ID: plain, DeletedAt: 1})
	} else if err != nil {
		return nil, err
	}
	c.object = object
	c.id = wire.AppendString(c.id[:0], plain)
	if c.model == nil {
		c.model = append([]byte{}, object...)
	}
	c.entry = append(c.entry[:0], make([]byte, header)...)
	c.entry = append(c.entry, c.id...)
	c.entry = appendDifference(c.entry, object, c.model)
	if len(c.entry) > len(c.ring)/8 || len(c.id) > math.MaxUint16 {
		return nil, nil
	}
	binary.LittleEndian.PutUint64(c.entry[atKey:], uint64(key))
	binary.LittleEndian.PutUint32(c.entry[atLength:], uint32(len(c.entry)))
	binary.LittleEndian.PutUint16(c.entry[atID:], uint16(len(c.id)))
	return c.put(key), nil
}

// put puts the entry into the ring.
func (c *userCache) put(key int64) []byte {
	size := int64(len(c.ring))
	at := c.end
	if rest := size - at%size; rest < int64(len(c.entry)) {
		at += rest // entries are in one piece
	}
	kept := c.ring[at%size : at%size+int64(len(c.entry))]
	copy(kept, c.entry)
	c.end = at + int64(len(c.entry))
	binary.LittleEndian.PutUint64(c.slot(key), uint64(at+1))
	return kept
}

// appendDifference appends the pieces that make object of model.
func appendDifference(dst, object, model []byte) []byte {
	skip, from := 0, 0
	for len(object) > 0 {
		n := 0
		for n < len(object) && n < math.MaxUint8 && from+n < len(model) && object[n] == model[from+n] {
			n++
		}
		object = object[n:]
		from += n
		own := min(nextKey(object), math.MaxUint8)
		dst = append(dst, byte(skip), byte(n), byte(own))
		dst = append(dst, object[:own]...)
		object = object[own:]
		// Both go on with the same key, if the model has it further on.
		if skip = find(model[from:], object); skip > math.MaxUint8 {
			skip = 0
		}
		from += skip
	}
	return dst
}

// nextKey is where the next key of an object begins, with the comma before it.
func nextKey(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	if i := bytes.Index(b[1:], comma); i >= 0 {
		return i + 1
	}
	return len(b)
}

var comma = []byte(`,"`)

// find is where in the model the key stands that object begins with; 0 if it
// does not, or is there already.
func find(model, object []byte) int {
	if !bytes.HasPrefix(object, comma) {
		return 0
	}
	end := bytes.Index(object, []byte(`":`))
	if end < 0 {
		return 0
	}
	return max(bytes.Index(model, object[:end+2]), 0)
}
