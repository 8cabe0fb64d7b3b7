package filter

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"

	"hansard/internal/chat"

	"github.com/go-json-experiment/json/jsontext"
)

// form is what a Value is. Values of different forms sort in this order.
type form uint8

const (
	nothing form = iota // sorts last, see Sort
	boolean
	number
	instant
	text
	list
	object
	set
)

// Value is what a field of an object holds. The zero Value is a field that is
// not there.
type Value struct {
	is   form
	neg  bool   // of a number that is no int64
	s    string // a text; or the digits of a number that is no int64, see numberValue
	n    int64  // a number, an instant in µs, 0 and 1 for false and true, the size of a set
	json []byte // a list
	has  func(string) (bool, error)
}

// StringValue is a string; "" counts as not there.
func StringValue(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{is: text, s: s}
}

// BoolValue is a truth value.
func BoolValue(b bool) Value {
	v := Value{is: boolean}
	if b {
		v.n = 1
	}
	return v
}

// IntValue is a number.
func IntValue(n int64) Value { return Value{is: number, n: n} }

// TimeValue is an instant; one that is not set counts as not there.
func TimeValue(t chat.Time) Value {
	if t.IsZero() {
		return Value{}
	}
	return Value{is: instant, n: int64(t)}
}

// SetValue is a set of n strings that is asked for one at a time.
func SetValue(n int, has func(string) (bool, error)) Value {
	if n <= 0 {
		return Value{}
	}
	return Value{is: set, n: int64(n), has: has}
}

// JSONValue is a JSON value that is known to be well-formed, such as a custom
// field; null and no bytes at all count as not there. A list is not copied: raw
// must not change while the Value is matched.
func JSONValue(raw []byte) Value {
	v := jsontext.Value(raw)
	switch v.Kind() {
	case 't', 'f':
		return BoolValue(v.Kind() == 't')
	case '0':
		return numberValue(string(bytes.TrimSpace(raw)))
	case '"':
		s, _ := jsontext.AppendUnquote(nil, bytes.TrimSpace(raw)) // what is not UTF-8 is replaced
		return Value{is: text, s: string(s)}
	case '[':
		return Value{is: list, json: raw}
	case '{':
		return Value{is: object}
	}
	return Value{}
}

// CustomValue is what a field means in the custom fields of an object, which are
// a JSON object that is known to be well-formed. A dot reaches into an object; a
// member that has the whole name, dots and all, goes first. raw is treated as
// JSONValue treats it.
func CustomValue(raw []byte, field string) Value { return JSONValue(find(raw, field)) }

func find(raw []byte, path string) []byte {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != '{' {
		return nil
	}
	if _, err := d.ReadToken(); err != nil {
		return nil
	}
	var found []byte
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return nil
		}
		name := token.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil
		}
		// What the decoder hands out does not last; raw does.
		end := d.InputOffset()
		value = raw[end-int64(len(value)) : end]
		if name == path {
			return value
		}
		if rest, ok := strings.CutPrefix(path, name); ok && found == nil && strings.HasPrefix(rest, ".") {
			found = find(value, rest[1:])
		}
	}
	return found
}

// maxPoint bounds exponents, so that they can be added up. Numbers beyond it
// are larger, or smaller, than any number that a filter may name.
const maxPoint = int64(1) << 60

// numberValue reads a JSON number. One that is an int64, however it is written,
// is kept as such; any other is 0.s × 10^n, where s neither begins nor ends
// with a zero. So equal numbers have equal Values, and no number is ever written
// out, whatever its exponent.
func numberValue(raw string) Value {
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return IntValue(n)
	}
	rest, neg := strings.CutPrefix(raw, "-")
	var point int64
	if e := strings.IndexAny(rest, "eE"); e >= 0 {
		point, _ = strconv.ParseInt(rest[e+1:], 10, 64) // out of range gives the largest there is
		rest, point = rest[:e], min(max(point, -maxPoint), maxPoint)
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	point += int64(len(digits) - len(fraction))
	digits = strings.TrimRight(digits, "0")
	if digits == "" {
		return IntValue(0)
	}
	if zeros := point - int64(len(digits)); zeros >= 0 && point <= 19 {
		sign := ""
		if neg {
			sign = "-"
		}
		if n, err := strconv.ParseInt(sign+digits+strings.Repeat("0", int(zeros)), 10, 64); err == nil {
			return IntValue(n)
		}
	}
	return Value{is: number, neg: neg, s: digits, n: point}
}

// decimal gives the sign of a number and the parts that numberValue describes.
func (v Value) decimal() (sign int, digits string, point int64) {
	if v.s != "" {
		if v.neg {
			return -1, v.s, v.n
		}
		return 1, v.s, v.n
	}
	digits = strings.TrimPrefix(strconv.FormatInt(v.n, 10), "-")
	return cmp.Compare(v.n, 0), strings.TrimRight(digits, "0"), int64(len(digits))
}

func orderNumbers(a, b Value) int {
	if a.s == "" && b.s == "" {
		return cmp.Compare(a.n, b.n)
	}
	sign, digits, point := a.decimal()
	sign2, digits2, point2 := b.decimal()
	if sign != sign2 {
		return cmp.Compare(sign, sign2)
	}
	return sign * cmp.Or(cmp.Compare(point, point2), strings.Compare(digits, digits2))
}

// order compares two Values: by form, then by what they hold. Lists, objects
// and sets have no order among themselves.
func order(a, b Value) int {
	if a.is != b.is {
		return cmp.Compare(a.is, b.is)
	}
	switch a.is {
	case number:
		return orderNumbers(a, b)
	case text:
		return strings.Compare(a.s, b.s)
	case boolean, instant:
		return cmp.Compare(a.n, b.n)
	}
	return 0
}

// owned is what can be kept of a Value to sort by: it refers to no memory of
// others.
func (v Value) owned() Value {
	return Value{is: v.is, neg: v.neg, s: strings.Clone(v.s), n: v.n}
}
