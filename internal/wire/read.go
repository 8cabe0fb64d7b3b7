package wire

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"hansard/internal/chat"
)

// Object calls fn with every member of the JSON object raw, in order. value is
// part of raw, and offset is where it begins in raw. Malformed JSON (a name
// given twice and invalid UTF-8 are malformed) and anything but an object are a
// *FieldError, and fn is not called at all; an error of fn is returned as it is.
func Object(raw []byte, fn func(name string, value jsontext.Value, offset int64) error) error {
	v, ferr := top(raw)
	if ferr != nil {
		return ferr
	}
	if raw[v.start] != '{' {
		return &FieldError{Offset: int64(v.start), Reason: "must be an object, not " + kind(raw[v.start])}
	}
	for c := inside(raw, v); c.member(); {
		if err := fn(string(c.name), raw[c.val.start:c.val.end], int64(c.val.start)); err != nil {
			return err
		}
	}
	return nil
}

// Members is Object for an object that is known to be well-formed, such as one
// that package render made: nothing is checked, and what is not an object has
// no members. name is valid until fn returns.
func Members(raw []byte, fn func(name []byte, value jsontext.Value) error) error {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	for c := inside(raw, span{0, len(raw)}); c.member(); {
		if err := fn(c.name, raw[c.val.start:c.val.end]); err != nil {
			return err
		}
	}
	return nil
}

// List is Object for a JSON array.
func List(raw []byte, fn func(i int, value jsontext.Value, offset int64) error) error {
	v, ferr := top(raw)
	if ferr != nil {
		return ferr
	}
	if raw[v.start] != '[' {
		return &FieldError{Offset: int64(v.start), Reason: "must be an array, not " + kind(raw[v.start])}
	}
	i := 0
	for c := inside(raw, v); c.item(); i++ {
		if err := fn(i, raw[c.val.start:c.val.end], int64(c.val.start)); err != nil {
			return err
		}
	}
	return nil
}

// IsNull reports whether v is null, which everywhere means "not given".
func IsNull(v jsontext.Value) bool { return v.Kind() == 'n' }

// String reads a string; null reads as "". It and the readers below take one
// value as Object and List hand it out, and fail with a *FieldError that names
// field and offset.
func String(field string, v jsontext.Value, offset int64) (string, error) {
	return read(v, offset, func(d *decoder, all span) string { return d.string(field, all) })
}

// ID reads an id of up to most characters out of a-z A-Z 0-9 @ _ ! -; null
// and "" read as "".
func ID(field string, v jsontext.Value, offset int64, most int) (string, error) {
	return read(v, offset, func(d *decoder, all span) string { return d.id(field, all, most) })
}

// UserRef reads a user id, or the id of a user object; null reads as "".
func UserRef(field string, v jsontext.Value, offset int64) (string, error) {
	return read(v, offset, func(d *decoder, all span) string { return d.user(field, all) })
}

// Bool reads a boolean; null reads as false.
func Bool(field string, v jsontext.Value, offset int64) (bool, error) {
	return read(v, offset, func(d *decoder, all span) bool { return d.bool(field, all) })
}

// Int reads a whole number between least and most; null reads as 0.
func Int(field string, v jsontext.Value, offset, least, most int64) (int64, error) {
	return read(v, offset, func(d *decoder, all span) int64 { return d.int(field, all, least, most) })
}

// Time reads RFC 3339, or an integer of nanoseconds since 1970, and cuts it to
// microseconds; null reads as 0.
func Time(field string, v jsontext.Value, offset int64) (chat.Time, error) {
	return read(v, offset, func(d *decoder, all span) chat.Time {
		d.anyTime = true
		return d.time(field, all)
	})
}

// Instant reads a time like Time, but whatever instant it is, to the nanosecond. The
// zero time is none.
func Instant(field string, v jsontext.Value, offset int64) (time.Time, error) {
	return read(v, offset, func(d *decoder, all span) time.Time { return d.instant(field, all) })
}

// StringList reads an array of strings; null reads as nil, [] as an empty list.
func StringList(field string, v jsontext.Value, offset int64) ([]string, error) {
	return read(v, offset, func(d *decoder, all span) []string { return d.strings(field, all) })
}

// Free reads a value of any kind, to be kept: compact, in memory of its own, and
// nested at most MaxLevels deep.
func Free(field string, v jsontext.Value, offset int64) (chat.Raw, error) {
	return read(v, offset, func(d *decoder, all span) chat.Raw { return d.free(field, all) })
}

// read runs one reader on a value of its own.
func read[T any](v jsontext.Value, offset int64, fn func(*decoder, span) T) (T, error) {
	var zero T
	start := space(v, 0)
	end := skip(v, start)
	if end < 0 {
		return zero, &FieldError{Offset: offset, Reason: "is not valid JSON"}
	}
	d := decoder{raw: v, off: offset}
	got := fn(&d, span{start, end})
	if d.err != nil {
		return zero, d.err
	}
	return got, nil
}
