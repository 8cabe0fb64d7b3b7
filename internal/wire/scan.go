package wire

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// span is where a value stands in the raw JSON it is part of: offsets into the
// whole stay right however deep the walk goes.
type span struct{ start, end int }

// cursor walks the members of an object or the items of an array. It finds its
// way in JSON that was validated before; in anything else it stops early with
// bad set, and never panics.
type cursor struct {
	raw     []byte
	pos     int
	end     int
	first   bool
	bad     bool
	name    []byte // of an object's member, unescaped, valid until the next step
	key     span   // the name as it is written, quotes included
	val     span
	scratch []byte
}

// inside returns a cursor over the object or array at v.
func inside(raw []byte, v span) cursor {
	return cursor{raw: raw, pos: v.start + 1, end: v.end, first: true}
}

// step moves to the next token, past the comma, and reports whether there is
// another member or item.
func (c *cursor) step() bool {
	c.pos = space(c.raw, c.pos)
	if c.pos >= c.end {
		c.bad = true
		return false
	}
	switch c.raw[c.pos] {
	case '}', ']':
		return false
	case ',':
		c.pos = space(c.raw, c.pos+1)
	default:
		c.bad = c.bad || !c.first
	}
	c.first = false
	c.bad = c.bad || c.pos >= c.end
	return !c.bad
}

// value reads the value at pos.
func (c *cursor) value() bool {
	end := skip(c.raw, c.pos)
	if end < 0 || end > c.end {
		c.bad = true
		return false
	}
	c.val = span{c.pos, end}
	c.pos = end
	return true
}

// item moves to the next item of an array.
func (c *cursor) item() bool { return c.step() && c.value() }

// member moves to the next member of an object.
func (c *cursor) member() bool {
	if !c.step() {
		return false
	}
	end := -1
	if c.raw[c.pos] == '"' {
		end = skip(c.raw, c.pos)
	}
	if end < 0 {
		c.bad = true
		return false
	}
	c.key = span{c.pos, end}
	c.name = c.raw[c.pos+1 : end-1]
	if bytes.IndexByte(c.name, '\\') >= 0 {
		name, err := jsontext.AppendUnquote(c.scratch[:0], c.raw[c.pos:end])
		if err != nil {
			c.bad = true
			return false
		}
		c.name, c.scratch = name, name
	}
	c.pos = space(c.raw, end)
	if c.pos >= c.end || c.raw[c.pos] != ':' {
		c.bad = true
		return false
	}
	c.pos = space(c.raw, c.pos+1)
	return c.value()
}

// space returns the offset of the first byte at or after i that is not white
// space.
func space(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\r' || raw[i] == '\t') {
		i++
	}
	return i
}

// skip returns where the value that begins at i ends, or -1.
func skip(raw []byte, i int) int {
	if i >= len(raw) {
		return -1
	}
	switch raw[i] {
	case '"':
		return skipString(raw, i)
	case '{', '[':
		depth := 0
		for i < len(raw) {
			switch raw[i] {
			case '"':
				if i = skipString(raw, i); i < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return -1
	}
	start := i
	for i < len(raw) {
		switch raw[i] {
		case ',', ':', '}', ']', '"', '{', '[', ' ', '\n', '\r', '\t':
			if i == start {
				return -1
			}
			return i
		}
		i++
	}
	return i
}

// skipString returns where the string whose quote is at i ends, or -1.
func skipString(raw []byte, i int) int {
	from := i + 1
	// Most strings are short and plain; a call costs more than they do.
	for short := min(from+24, len(raw)); from < short && raw[from] != '\\'; from++ {
		if raw[from] == '"' {
			return from + 1
		}
	}
	for {
		n := bytes.IndexByte(raw[from:], '"')
		if n < 0 {
			return -1
		}
		end := from + n
		back := end
		for back > from && raw[back-1] == '\\' {
			back--
		}
		if (end-back)%2 == 0 {
			return end + 1
		}
		from = end + 1
	}
}

// top checks that raw is one valid JSON value (duplicate names and invalid
// UTF-8 are not) and returns where it stands.
func top(raw []byte) (span, *FieldError) {
	if !jsontext.Value(raw).IsValid() {
		return span{}, syntaxError(raw)
	}
	start := space(raw, 0)
	return span{start, skip(raw, start)}, nil
}
