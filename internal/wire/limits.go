package wire

import (
	"bytes"
	"fmt"

	"hansard/internal/chat"
)

// What the live API takes (contract section 7). Imports are not held to these:
// what another service accepted must not be lost on the way here.
const (
	MaxTextBytes   = 20 << 10
	MaxCustomBytes = 5 << 10
	MaxAttachments = 30
)

// MaxLevels is how deep free JSON may be nested: a custom field, attachments and
// whatever else is kept as it comes, from wherever it comes. In exports and answers it
// stands a few levels deeper, and readers go to 10,000; the 5 KiB of custom data that
// other services take have room for half of these levels.
const MaxLevels = 5000

// tooDeep reports whether a value is nested deeper than that.
func tooDeep(raw []byte) bool {
	if len(raw) <= 2*MaxLevels {
		return false // every level has a bracket on both sides
	}
	level := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			end := skipString(raw, i)
			if end < 0 {
				return false
			}
			i = end - 1
		case '{', '[':
			if level++; level > MaxLevels {
				return true
			}
		case '}', ']':
			level--
		}
	}
	return false
}

var deepReason = fmt.Sprintf("must be nested at most %d levels deep", MaxLevels)

// CheckMessageLimits holds a message to the limits of the live API: its text
// (code 20), its attachments and its custom data (code 4). It fails with an
// *Error.
func CheckMessageLimits(m *chat.Message) error {
	if len(m.Text) > MaxTextBytes {
		e := BadField("message.text", "must have at most %d bytes", MaxTextBytes)
		e.Code = CodeTextTooLong
		return e
	}
	if len(m.Attachments) > 0 {
		d := decoder{raw: m.Attachments}
		if n := d.length(span{0, len(m.Attachments)}); n > MaxAttachments {
			return BadField("message.attachments", "must be at most %d", MaxAttachments)
		}
	}
	return CheckCustom("message", m.Custom)
}

// CheckCustom holds custom data, as the JSON object it makes, to the limit of
// the live API (code 4); field names the object it belongs to. It fails with
// an *Error.
func CheckCustom(field string, c chat.Custom) error {
	if customSize(c) > MaxCustomBytes {
		return BadField(field, "must have at most %d bytes of custom data", MaxCustomBytes)
	}
	return nil
}

// customSize is how many bytes custom data has as one compact JSON object. What
// is escaped only here counts as it came.
func customSize(c chat.Custom) int {
	size := len("{") // the comma of the last field counts for the other brace
	for _, f := range c {
		size += len(f.Name) + len(f.Value) + len(`"":,`)
		for _, escaped := range []string{`\u003c`, `\u003e`, `\u0026`} {
			size -= bytes.Count(f.Value, []byte(escaped)) * (len(escaped) - 1)
		}
		for _, escaped := range []string{`\u2028`, `\u2029`} {
			size -= bytes.Count(f.Value, []byte(escaped)) * (len(escaped) - len("\u2028"))
		}
	}
	return size
}
