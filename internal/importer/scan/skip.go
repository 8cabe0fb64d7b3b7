package scan

import "bytes"

// skipper finds the end of a JSON value that arrives in pieces. It only
// follows strings and nesting: it accepts much that is not JSON, but it ends
// every value that is at its last byte.
type skipper struct {
	depth  int
	began  bool
	str    bool // inside a string
	esc    bool // after a backslash in it
	scalar bool // a number, true, false, null or garbage
}

// scan goes on with the next piece. It returns how many bytes of it belong to
// the value, and whether the value ends there.
func (k *skipper) scan(b []byte) (n int, done bool) {
	i := 0
	if !k.began {
		if len(b) == 0 {
			return 0, false
		}
		k.began = true
		switch b[0] {
		case '"':
			k.str = true
			i = 1
		case '{', '[':
			k.depth = 1
			i = 1
		default:
			k.scalar = true
		}
	}
	if k.scalar {
		if j := bytes.IndexAny(b, ",]} \t\r\n"); j >= 0 {
			return j, true
		}
		return len(b), false
	}
	for i < len(b) {
		if k.str {
			if i = k.text(b, i); k.str {
				return i, false
			}
			if k.depth == 0 {
				return i, true
			}
			continue
		}
		switch b[i] {
		case '"':
			k.str = true
		case '{', '[':
			k.depth++
		case '}', ']':
			if k.depth--; k.depth == 0 {
				return i + 1, true
			}
		}
		i++
	}
	return i, false
}

// text goes on inside a string and returns where it ends, or the end of b.
func (k *skipper) text(b []byte, i int) int {
	if k.esc && i < len(b) {
		k.esc = false
		i++
	}
	for i < len(b) {
		j := bytes.IndexByte(b[i:], '"')
		end := len(b)
		if j >= 0 {
			end = i + j
		}
		// A quote counts unless an odd number of backslashes precedes it.
		odd := false
		for p := end - 1; p >= i && b[p] == '\\'; p-- {
			odd = !odd
		}
		if j < 0 {
			k.esc = odd
			return len(b)
		}
		i = end + 1
		if !odd {
			k.str = false
			return i
		}
	}
	return i
}

// objectEnd is the index after the object that begins at b[i], or -1 if it
// does not end in b.
func objectEnd(b []byte, i int) int {
	var k skipper
	n, done := k.scan(b[i:])
	if !done {
		return -1
	}
	return i + n
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}
