package wire

import (
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// plain marks the bytes that stand for themselves inside a JSON string: ASCII
// without control characters, quote, backslash and the three characters that
// could end a script or a tag in an HTML page.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return t
}()

// quiet marks the bytes of a valid JSON string's inside that AppendCompact
// copies without a second look; 0xE2 is not among them because U+2028 and
// U+2029 begin with it.
var quiet = func() (t [256]bool) {
	for c := range t {
		t[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' && c != 0xE2
	}
	return t
}()

// loose marks the bytes of well-formed UTF-8 that stand for themselves.
var loose = func() (t [256]bool) {
	for c := range t {
		t[c] = plain[c] || c >= utf8.RuneSelf && c != 0xE2
	}
	return t
}()

// AppendString appends s as a JSON string, quotes included, escaped as Go's
// encoder escapes: <, >, &, U+2028 and U+2029 too, and bytes that are not
// UTF-8 as \ufffd.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start, next := 0, 0
	wellFormed, checked := false, false
	for i := 0; i < len(s); {
		if i >= next {
			i += plainWords(s[i:])
			next = i + 8 // this word has something in it: byte by byte
			if i == len(s) {
				break
			}
		}
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
			continue
		}
		if !checked {
			wellFormed, checked = utf8.ValidString(s[i:]), true
		}
		if wellFormed && c != 0xE2 { // no rune that begins otherwise is escaped
			for i++; i < len(s) && loose[s[i]]; i++ {
			}
			next = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(dst, s[start:i]...)
			dst = append(dst, '\\', 'u', '2', '0', '2', hex[r&0xF])
			start = i + size
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// plainWords returns how many leading bytes of s, in steps of eight, are plain.
// Looking at eight bytes in one word is what makes clean text cost next to
// nothing.
func plainWords(s string) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		// A byte that is less than n, for n up to 128, borrows its top bit in
		// w-n; a byte that equals c is zero, so less than 1, in w^c. Quote and
		// & differ in one bit, < and > in one other.
		hit := w |
			(w - 0x20*ones) |
			((w &^ (0x04 * ones)) ^ ('"' * ones) - ones) |
			((w &^ (0x02 * ones)) ^ ('<' * ones) - ones) |
			((w ^ ('\\' * ones)) - ones)
		if hit&tops != 0 {
			break
		}
	}
	return i
}

// appendEscape appends the escape of an ASCII byte that is not plain.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xF])
	}
}

// AppendCompact appends a valid JSON value without the white space around its
// tokens and with <, >, &, U+2028 and U+2029 escaped inside its strings.
// Everything else stays byte for byte: 2.50, 1e400, long integers, the order
// of keys and escapes that were already there. raw must be valid JSON.
func AppendCompact(dst, raw []byte) []byte {
	start := 0
	for i := 0; i < len(raw); {
		switch raw[i] {
		case ' ', '\t', '\n', '\r':
			dst = append(dst, raw[start:i]...)
			i++
			start = i
		case '"':
			i++
			for i < len(raw) && raw[i] != '"' {
				switch c := raw[i]; {
				case quiet[c]:
					i++
				case c == '\\':
					i += 2
				case c == 0xE2:
					if i+2 < len(raw) && raw[i+1] == 0x80 && raw[i+2]&^1 == 0xA8 {
						dst = append(dst, raw[start:i]...)
						dst = append(dst, '\\', 'u', '2', '0', '2', hex[raw[i+2]&0xF])
						start = i + 3
						i += 3
					} else {
						i++
					}
				default:
					dst = append(dst, raw[start:i]...)
					dst = appendEscape(dst, c)
					i++
					start = i
				}
			}
			i++
		default:
			i++
		}
	}
	return append(dst, raw[min(start, len(raw)):]...)
}
