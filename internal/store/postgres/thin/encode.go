package thin

import (
	"encoding/binary"
	"errors"
	"fmt"

	"hansard/internal/chat"
)

// The types of parameters, by their numbers in PostgreSQL's catalog.
const (
	typeBool  = 16
	typeBytes = 17
	typeInt8  = 20
	typeInt2  = 21
	typeInt4  = 23
	typeText  = 25
	typeTexts = 1009
	typeInts  = 1016
)

// typesOf are the types that parameters have by themselves; 0 = the server
// finds out.
func typesOf(args []any) []uint32 {
	types := make([]uint32, len(args))
	for i, a := range args {
		switch a.(type) {
		case int64, int, chat.Time:
			types[i] = typeInt8
		case bool:
			types[i] = typeBool
		case string:
			types[i] = typeText
		case []byte:
			types[i] = typeBytes
		case []string:
			types[i] = typeTexts
		case []int64:
			types[i] = typeInts
		}
	}
	return types
}

func (c *Conn) encode(s *stmt, args []any) error {
	c.values, c.scratch, c.size = c.values[:0], c.scratch[:0], 0
	if len(args) != len(s.params) {
		return fmt.Errorf("%d parameters, %d given", len(s.params), len(args))
	}
	for i, a := range args {
		from := len(c.scratch)
		var err error
		switch a := a.(type) {
		case nil:
			c.values = append(c.values, nil)
			continue
		case []byte:
			c.values = append(c.values, a)
			c.size += len(a)
			continue
		case string:
			c.scratch = append(c.scratch, a...)
		case bool:
			err = c.encodeInt(s.params[i], int64(btoi(a)))
		case int:
			err = c.encodeInt(s.params[i], int64(a))
		case int64:
			err = c.encodeInt(s.params[i], a)
		case chat.Time:
			err = c.encodeInt(s.params[i], int64(a))
		case []string:
			c.encodeList(typeText, len(a))
			for _, v := range a {
				c.scratch = binary.BigEndian.AppendUint32(c.scratch, uint32(len(v))) //nolint:gosec // a pipeline has far fewer bytes
				c.scratch = append(c.scratch, v...)
			}
		case []int64:
			c.encodeList(typeInt8, len(a))
			for _, v := range a {
				c.scratch = binary.BigEndian.AppendUint32(c.scratch, 8)
				c.scratch = binary.BigEndian.AppendUint64(c.scratch, uint64(v)) //nolint:gosec // the bits as they are
			}
		default:
			err = errors.New("cannot be bound")
		}
		if err != nil {
			return fmt.Errorf("parameter $%d, a %T: %w", i+1, a, err)
		}
		c.values = append(c.values, c.scratch[from:len(c.scratch):len(c.scratch)])
	}
	c.size += len(c.scratch)
	return nil
}

// encodeList begins an array of one dimension, without NULLs.
func (c *Conn) encodeList(typ uint32, n int) {
	dimensions := uint32(min(n, 1)) //nolint:gosec // 0 or 1
	for _, v := range [...]uint32{dimensions, 0, typ} {
		c.scratch = binary.BigEndian.AppendUint32(c.scratch, v)
	}
	if n > 0 {
		c.scratch = binary.BigEndian.AppendUint32(c.scratch, uint32(n)) //nolint:gosec // as above
		c.scratch = binary.BigEndian.AppendUint32(c.scratch, 1)         // the first index
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c *Conn) encodeInt(typ uint32, v int64) error {
	switch {
	case typ == typeInt8:
		c.scratch = binary.BigEndian.AppendUint64(c.scratch, uint64(v)) //nolint:gosec // the bits as they are
	case typ == typeInt4 && v == int64(int32(v)): //nolint:gosec // that is the question
		c.scratch = binary.BigEndian.AppendUint32(c.scratch, uint32(v)) //nolint:gosec // the bits as they are
	case typ == typeInt2 && v == int64(int16(v)): //nolint:gosec // that is the question
		c.scratch = binary.BigEndian.AppendUint16(c.scratch, uint16(v)) //nolint:gosec // the bits as they are
	case typ == typeBool && (v == 0 || v == 1):
		c.scratch = append(c.scratch, byte(v))
	default:
		return fmt.Errorf("does not fit the type %d", typ)
	}
	return nil
}
