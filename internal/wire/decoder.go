package wire

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"hansard/internal/chat"
)

// decoder reads typed values out of validated JSON. The first failure is kept
// and later ones are dropped, so that a caller checks once at the end. null is
// "not given" everywhere and reads as the zero value.
type decoder struct {
	raw []byte
	off int64 // added to offsets in errors
	err *FieldError
	emb *Embedded // nil: what is embedded is not collected

	anyTime bool // a time may be long before there were chats, as bounds may
}

func (d *decoder) fail(field string, at int, format string, args ...any) {
	if d.err == nil {
		d.err = &FieldError{Field: field, Offset: d.off + int64(at), Reason: fmt.Sprintf(format, args...)}
	}
}

// done is the outcome, as an error that is nil when it should be.
func (d *decoder) done() error {
	if d.err != nil {
		return d.err
	}
	return nil
}

func (d *decoder) null(v span) bool { return d.raw[v.start] == 'n' }

func (d *decoder) bytes(v span) []byte { return d.raw[v.start:v.end] }

// kind names a value by its first byte in errors.
func kind(c byte) string {
	switch c {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

func (d *decoder) mismatch(field string, v span, want string) {
	d.fail(field, v.start, "must be %s, not %s", want, kind(d.raw[v.start]))
}

// isObject and isArray report whether v is one; anything but null fails.
func (d *decoder) isObject(field string, v span) bool { return d.is('{', field, v, "an object") }
func (d *decoder) isArray(field string, v span) bool  { return d.is('[', field, v, "an array") }

func (d *decoder) is(open byte, field string, v span, want string) bool {
	switch d.raw[v.start] {
	case open:
		return true
	case 'n':
	default:
		d.mismatch(field, v, want)
	}
	return false
}

// text reads a string without copying it, unless it holds escapes.
func (d *decoder) text(field string, v span) []byte {
	if d.null(v) {
		return nil
	}
	if d.raw[v.start] != '"' || v.end-v.start < 2 {
		d.mismatch(field, v, "a string")
		return nil
	}
	s := d.raw[v.start+1 : v.end-1]
	if bytes.IndexByte(s, '\\') < 0 {
		return s
	}
	s, err := jsontext.AppendUnquote(nil, d.bytes(v))
	if err != nil {
		d.fail(field, v.start, "is not a valid string")
	}
	return s
}

func (d *decoder) string(field string, v span) string { return string(d.text(field, v)) }

// id reads an id of up to most characters; "" is "not given".
func (d *decoder) id(field string, v span, most int) string { return string(d.idText(field, v, most)) }

func (d *decoder) idText(field string, v span, most int) []byte {
	s := d.text(field, v)
	switch {
	case len(s) > most:
		d.fail(field, v.start, "must have at most %d characters", most)
	case !madeOf(s, &idBytes):
		d.fail(field, v.start, "must be made of a-z, A-Z, 0-9, @, _, ! and -")
	default:
		return s
	}
	return nil
}

// typ reads the name of a type or a role; "" is "not given".
func (d *decoder) typ(field string, v span) string { return string(d.typText(field, v)) }

func (d *decoder) typText(field string, v span) []byte {
	s := d.text(field, v)
	switch {
	case len(s) > MaxType:
		d.fail(field, v.start, "must have at most %d characters", MaxType)
	case !madeOf(s, &typeBytes):
		d.fail(field, v.start, "must be made of a-z, A-Z, 0-9, _ and -")
	default:
		return s
	}
	return nil
}

func (d *decoder) bool(field string, v span) bool {
	switch d.raw[v.start] {
	case 't':
		return true
	case 'f', 'n':
	default:
		d.mismatch(field, v, "true or false")
	}
	return false
}

// int reads a whole number between least and most.
func (d *decoder) int(field string, v span, least, most int64) int64 {
	if d.null(v) {
		return 0
	}
	raw := d.bytes(v)
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		d.mismatch(field, v, "a whole number")
		return 0
	}
	if bytes.ContainsAny(raw, ".eE") {
		d.fail(field, v.start, "must be a whole number")
		return 0
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < least || n > most {
		d.fail(field, v.start, "must be between %d and %d", least, most)
		return 0
	}
	return n
}

// instant reads RFC 3339 or integer nanoseconds, of whatever instant.
func (d *decoder) instant(field string, v span) (t time.Time) {
	switch c := d.raw[v.start]; {
	case c == '"':
		var err error
		if s := d.text(field, v); d.err == nil {
			if t, err = chat.ParseStd(string(s)); err != nil {
				d.fail(field, v.start, "%s", err)
			}
		}
	case '0' <= c && c <= '9' || c == '-':
		t = time.Unix(0, d.int(field, v, math.MinInt64, math.MaxInt64))
	default: // null, or nothing that is a time
		d.time(field, v)
	}
	return t
}

// noTime is how a Go program writes a time that was never set.
const noTime = "0001-01-01T00:00:00Z"

// time reads RFC 3339 or integer nanoseconds, and cuts to microseconds.
func (d *decoder) time(field string, v span) chat.Time {
	switch c := d.raw[v.start]; {
	case c == 'n':
		return 0
	case c == '"':
		s := d.text(field, v)
		if d.err != nil || string(s) == noTime {
			return 0
		}
		t, err := chat.ParseTime(string(s))
		if err != nil {
			d.fail(field, v.start, "%s", err)
			return 0
		}
		return t
	case '0' <= c && c <= '9' || c == '-':
		n := d.int(field, v, math.MinInt64, math.MaxInt64)
		t := chat.Time(n / 1000)
		switch unit := unitOf(n); {
		case d.err != nil:
		case unit != "" && !d.anyTime:
			d.fail(field, v.start, "must be a time in RFC 3339, such as 2021-02-17T08:17:49.745857Z, or a number of nanoseconds since 1970; this one seems to be in %s", unit)
		case !t.Valid():
			d.fail(field, v.start, "must be a time between 1970 and 9999, in nanoseconds")
		}
		return t
	default:
		d.mismatch(field, v, "a time (RFC 3339, or nanoseconds since 1970)")
		return 0
	}
}

// unitOf guesses the unit of a time that no chat has as nanoseconds since 1970: it
// would be before March 1973.
func unitOf(n int64) string {
	switch {
	case n <= 0 || n >= 1e17:
		return ""
	case n < 1e11:
		return "seconds"
	case n < 1e14:
		return "milliseconds"
	}
	return "microseconds"
}

// strings reads a list of strings.
func (d *decoder) strings(field string, v span) []string {
	if !d.isArray(field, v) {
		return nil
	}
	list := []string{}
	for c := inside(d.raw, v); c.item() && d.err == nil; {
		at := index(field, len(list))
		if d.null(c.val) {
			d.mismatch(at, c.val, "a string")
		}
		list = append(list, d.string(at, c.val))
	}
	return list
}

// free keeps a value as it is, in memory of its own.
func (d *decoder) free(field string, v span) chat.Raw {
	if tooDeep(d.bytes(v)) {
		d.fail(field, v.start, "%s", deepReason)
		return nil
	}
	return AppendCompact(make([]byte, 0, v.end-v.start), d.bytes(v))
}

// length counts the items of an array or the members of an object.
func (d *decoder) length(v span) int {
	n := 0
	c := inside(d.raw, v)
	if d.raw[v.start] == '{' {
		for c.member() {
			n++
		}
		return n
	}
	for c.item() {
		n++
	}
	return n
}

func index(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }
