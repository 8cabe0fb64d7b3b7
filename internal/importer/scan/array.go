package scan

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// array is where the scanner stands in a file that is one JSON array. It goes
// down three levels: the elements of the array, the members of an element, and
// the entities in a list of a v1 export.
type array struct {
	elements int64
	group    int64
	members  int // of the element so far
	items    int // of the list so far
	list     string
	start    Pos // of the element
	seen     map[string]bool
	typed    element
	channel  bool // the element is a channel of a v1 export
	held     []byte
	bad      error // what is wrong with a typed element, once it ends
}

// maxKey bounds the keys and types of an array's elements, in bytes.
const maxKey = 4096

// array reads the elements of the array.
func (s *Scanner) array() (*Record, error) {
	more, err := s.more(']', s.arr.elements > 0)
	if err != nil {
		return nil, err
	}
	if !more {
		c, err := s.win.peek()
		switch {
		case errors.Is(err, io.EOF):
			s.next = s.end
			return nil, io.EOF
		case err != nil:
			return nil, err
		}
		return nil, s.stopAt(s.win.pos, "the file goes on after its array, with %s", character(c))
	}
	s.arr.elements++
	at := s.win.pos
	if s.win.unread()[0] != '{' {
		if _, _, _, err := s.win.value(maxKey); err != nil {
			return nil, s.cut(err)
		}
		return nil, &Error{Pos: at, Reason: "the elements of the array must be objects", NotJSON: true}
	}
	s.win.take(1)
	s.arr.members, s.arr.start = 0, at
	s.arr.seen = map[string]bool{}
	s.arr.typed = element{}
	s.arr.channel = false
	s.arr.held = s.arr.held[:0]
	s.arr.bad = nil
	s.next = s.object
	return s.next()
}

// object reads the members of an element.
func (s *Scanner) object() (*Record, error) {
	for {
		more, err := s.more('}', s.arr.members > 0)
		if err != nil {
			return nil, err
		}
		if !more {
			s.next = s.array
			return s.elementEnd()
		}
		s.arr.members++
		key, at, err := s.key()
		if err != nil {
			return nil, err
		}
		if s.arr.seen[key] {
			return nil, s.stopAt(at, "%s is given twice", key)
		}
		if len(s.arr.seen) < 1000 { // beyond that it is no file of ours
			s.arr.seen[key] = true
		}
		c, err := s.win.peek()
		if err != nil {
			return nil, s.cut(err)
		}
		switch key {
		case "messages", "members", "read":
			s.isChannel()
			switch c {
			case '[':
				s.win.take(1)
				s.arr.items = 0
				s.arr.list = map[string]string{"messages": "message", "members": "member", "read": "read"}[key]
				s.next = s.entities
				return s.next()
			case 'n': // null is an empty list
			default:
				return nil, s.stopAt(s.win.pos, "%s must be an array", key)
			}
			if err := s.skip(); err != nil {
				return nil, err
			}
		case "channel":
			s.isChannel()
			return s.entity("channel", c)
		case "type", "data", "item":
			if err := s.hold(key); err != nil {
				return nil, err
			}
		default:
			if err := s.skip(); err != nil {
				return nil, err
			}
		}
	}
}

// isChannel notes that the element is a channel of a v1 export.
func (s *Scanner) isChannel() {
	if !s.arr.channel {
		s.arr.channel = true
		s.arr.group++
	}
}

// elementEnd gives the record of an element with a type.
func (s *Scanner) elementEnd() (*Record, error) {
	switch {
	case s.arr.channel:
		return s.next()
	case s.arr.bad != nil:
		return nil, s.arr.bad
	case s.arr.typed.typ == nil && s.arr.typed.data == nil:
		return nil, &Error{Pos: s.arr.start, Reason: `the element has neither "type" and "data" nor "channel" and "messages"`}
	}
	rec, err := s.arr.typed.record(s.arr.start)
	if err != nil {
		return nil, err
	}
	s.rec = *rec
	return &s.rec, nil
}

// hold keeps the value of a member until the element ends, since its type may
// come after its data.
func (s *Scanner) hold(key string) error {
	limit := s.limit
	if key == "type" {
		limit = maxKey
	}
	v, at, tooLong, err := s.win.value(limit)
	switch {
	case err != nil:
		return s.cut(err)
	case tooLong:
		s.arr.bad = &Error{Pos: at, Field: key, Reason: fmt.Sprintf("is longer than %d bytes", limit)}
		return nil
	case len(v) == 0:
		return s.stopAt(at, "a value is missing")
	}
	// Grown memory leaves earlier values where they are, so they stay valid.
	begin := len(s.arr.held)
	s.arr.held = append(s.arr.held, v...)
	s.arr.typed.set(key, s.arr.held[begin:], at)
	return nil
}

// entities reads the entities of a list.
func (s *Scanner) entities() (*Record, error) {
	more, err := s.more(']', s.arr.items > 0)
	if err != nil {
		return nil, err
	}
	if !more {
		s.next = s.object
		return s.next()
	}
	s.arr.items++
	return s.entity(s.arr.list, s.win.unread()[0])
}

// entity reads one entity of a v1 export.
func (s *Scanner) entity(typ string, first byte) (*Record, error) {
	v, at, tooLong, err := s.win.value(s.limit)
	switch {
	case err != nil:
		return nil, s.cut(err)
	case tooLong:
		return nil, &Error{Pos: at, Reason: fmt.Sprintf("the %s is longer than %d bytes", typ, s.limit)}
	case first != '{':
		return nil, &Error{Pos: at, Field: typ, Reason: "must be an object"}
	}
	s.rec = Record{Type: typ, Raw: v, Pos: at, TypePos: at, Group: s.arr.group}
	return &s.rec, nil
}

// skip passes over a value that means nothing here.
func (s *Scanner) skip() error {
	v, at, tooLong, err := s.win.value(maxKey)
	switch {
	case err != nil:
		return s.cut(err)
	case len(v) == 0 && !tooLong:
		return s.stopAt(at, "a value is missing")
	case !tooLong && !jsontext.Value(v).IsValid():
		return s.stopAt(at, "the JSON is not valid here")
	}
	return nil
}

// key reads a key and the colon after it.
func (s *Scanner) key() (string, Pos, error) {
	at := s.win.pos
	if c := s.win.unread()[0]; c != '"' {
		return "", at, s.stopAt(at, "expected a key, found %s", character(c))
	}
	v, at, tooLong, err := s.win.value(maxKey)
	if err != nil {
		return "", at, s.cut(err)
	}
	if tooLong {
		return "", at, s.stopAt(at, "a key is longer than %d bytes", maxKey)
	}
	name, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return "", at, s.stopAt(at, "the key is not a valid string")
	}
	c, err := s.win.peek()
	if err != nil {
		return "", at, s.cut(err)
	}
	if c != ':' {
		return "", at, s.stopAt(s.win.pos, "expected a colon, found %s", character(c))
	}
	s.win.take(1)
	return string(name), at, nil
}

// more moves to the next element, member or entity, past the comma before it,
// and reports whether there is one; else it takes the closing bracket.
func (s *Scanner) more(closing byte, notFirst bool) (bool, error) {
	c, err := s.win.peek()
	if err != nil {
		return false, s.cut(err)
	}
	if c == closing {
		s.win.take(1)
		return false, nil
	}
	if !notFirst {
		return true, nil
	}
	if c != ',' {
		return false, s.stopAt(s.win.pos, "expected a comma or %q, found %s", closing, character(c))
	}
	s.win.take(1)
	c, err = s.win.peek()
	switch {
	case err != nil:
		return false, s.cut(err)
	case c == closing:
		return false, s.stopAt(s.win.pos, "expected a value after the comma, found %s", character(c))
	}
	return true, nil
}

// cut turns the end of the file, where it must not be, into an Error.
func (s *Scanner) cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && s.win.eof {
		return s.stopAt(s.win.pos, "the file ends in the middle of its array")
	}
	return err
}

// character names a byte in an error, without ever being text of a message.
func character(c byte) string {
	if c < 0x20 || c >= 0x7f {
		return fmt.Sprintf("the byte 0x%02x", c)
	}
	return fmt.Sprintf("%q", c)
}
