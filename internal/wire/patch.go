package wire

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"hansard/internal/chat"
)

// What a partial update may hold.
const (
	// MaxEdits is how many fields one list of a partial update may name.
	MaxEdits = 1000
	// MaxPathDepth is how many names a path may have.
	MaxPathDepth = 32
)

// Edit is one field of a partial update.
type Edit struct {
	// Path is the field's name, or for a part of a custom object the names on
	// the way to it, joined by dots.
	Path string
	// Value is what the field is set to.
	Value jsontext.Value
	// Offset is where the value begins in what was decoded.
	Offset int64
}

// Name is the first name of a path: the field of the entity that it is about.
func (e *Edit) Name() string {
	name, _, _ := strings.Cut(e.Path, ".")
	return name
}

// DecodeSet reads the "set" of a partial update, in the order given; null reads
// as none. What stands under "custom" is as if it stood beside it. It fails
// with a *FieldError.
func DecodeSet(field string, v jsontext.Value, offset int64) ([]Edit, error) {
	if IsNull(v) {
		return nil, nil
	}
	var edits []Edit
	add := func(path string, v jsontext.Value, at, base int64) error {
		if len(edits) == MaxEdits {
			return &FieldError{Offset: at, Reason: tooManyEdits}
		}
		if err := checkPath(path, at); err != nil {
			return err
		}
		edits = append(edits, Edit{path, v, base + at})
		return nil
	}
	err := Object(v, func(path string, v jsontext.Value, at int64) error {
		if path != "custom" {
			return add(strings.TrimPrefix(path, "custom."), v, at, offset)
		}
		if IsNull(v) {
			return nil
		}
		base := offset + at
		err := Object(v, func(path string, v jsontext.Value, at int64) error { return add(path, v, at, base) })
		return Within(err, path, at)
	})
	return edits, Within(err, field, offset)
}

// DecodeUnset reads the "unset" of a partial update, a list of paths; null
// reads as none. "custom" stands for all custom fields. It fails with a
// *FieldError.
func DecodeUnset(field string, v jsontext.Value, offset int64) ([]string, error) {
	list, err := StringList(field, v, offset)
	if err != nil {
		return nil, err
	}
	if len(list) > MaxEdits {
		return nil, &FieldError{Field: field, Offset: offset, Reason: tooManyEdits}
	}
	for i, path := range list {
		if err := checkPath(path, 0); err != nil {
			return nil, Within(err, index(field, i), offset)
		}
		list[i] = strings.TrimPrefix(path, "custom.")
	}
	return list, nil
}

const tooManyEdits = "must name at most 1000 fields"

func checkPath(path string, at int64) error {
	parts := 0
	for name := range strings.SplitSeq(path, ".") {
		if parts++; name == "" || parts > MaxPathDepth {
			return &FieldError{Offset: at, Reason: "must name fields: at most 32 names joined by dots, none of them empty"}
		}
	}
	return nil
}

// Reserved reports whether entities of that kind have a field of their own with
// that name, which no custom field can have then.
func Reserved(of Kind, name string) bool {
	var known map[string]struct{}
	switch of {
	case KindUser:
		known = userNames
	case KindChannel:
		known = channelNames
	case KindMember:
		known = memberNames
	case KindMessage:
		known = messageNames
	case KindReaction:
		known = reactionNames
	case KindCall:
		known = callNames
	default:
		return false
	}
	_, ok := known[name]
	return ok || name == "custom"
}

// PatchCustom sets a custom field, or what lies at a path inside of one; objects
// that are missing on the way are made. Everything else stays byte for byte. c
// itself is not changed. What is on the way and no object, a field that gets nested
// too deep, and more custom data than the live API takes, is a *FieldError; an object
// that was too large before may still shrink. value must be valid JSON.
func PatchCustom(c chat.Custom, path string, value jsontext.Value) (chat.Custom, error) {
	if err := checkPath(path, 0); err != nil {
		return c, err
	}
	name, rest, deep := strings.Cut(path, ".")
	compact := AppendCompact(make([]byte, 0, len(value)), value)
	i, found := find(c, name)
	var err error
	switch {
	case !deep:
	case found:
		compact, err = setPath(c[i].Value, name, rest, compact)
	default:
		compact = nest(rest, compact)
	}
	if err != nil {
		return c, err
	}
	out := slices.Clone(c)
	if found {
		out[i].Value = compact
	} else {
		out = slices.Insert(out, i, chat.CustomField{Name: name, Value: compact})
	}
	if tooDeep(out[i].Value) {
		return c, &FieldError{Field: path, Reason: deepReason}
	}
	if size := customSize(out); size > MaxCustomBytes && size > customSize(c) {
		return c, &FieldError{Field: path, Reason: "makes more than 5120 bytes of custom data"}
	}
	return out, nil
}

// UnsetCustom removes a custom field, or what lies at a path inside of one;
// "custom" stands for all of them. What is not there is passed over. c itself
// is not changed.
func UnsetCustom(c chat.Custom, path string) chat.Custom {
	if path == "custom" {
		return nil
	}
	name, rest, deep := strings.Cut(path, ".")
	i, found := find(c, name)
	switch {
	case !found:
		return c
	case !deep:
		return slices.Delete(slices.Clone(c), i, i+1)
	}
	value, ok := unsetPath(c[i].Value, rest)
	if !ok {
		return c
	}
	out := slices.Clone(c)
	out[i].Value = value
	return out
}

func find(c chat.Custom, name string) (int, bool) {
	return slices.BinarySearchFunc(c, name, func(f chat.CustomField, name string) int { return strings.Compare(f.Name, name) })
}

// nest wraps a value in an object per name of a path.
func nest(path string, value []byte) []byte {
	var out []byte
	depth := 0
	for name := range strings.SplitSeq(path, ".") {
		out = append(AppendString(append(out, '{'), name), ':')
		depth++
	}
	out = append(out, value...)
	for range depth {
		out = append(out, '}')
	}
	return out
}

// setPath sets what lies at a path inside of raw, the value of the field called
// name.
func setPath(raw []byte, name, path string, value []byte) ([]byte, error) {
	at := span{0, len(raw)}
	for way := name; ; {
		switch raw[at.start] {
		case 'n': // as good as nothing
			return splice(raw, at, nest(path, value)), nil
		case '{':
		default:
			return nil, &FieldError{Field: way, Reason: "is " + kind(raw[at.start]) + ", in which no field can be set"}
		}
		next, rest, deep := strings.Cut(path, ".")
		c := inside(raw, at)
		if !seek(&c, next) {
			end := at.end - 1
			var add []byte
			if raw[end-1] != '{' {
				add = append(add, ',')
			}
			add = append(AppendString(add, next), ':')
			if deep {
				value = nest(rest, value)
			}
			return splice(raw, span{end, end}, append(add, value...)), nil
		}
		if !deep {
			return splice(raw, c.val, value), nil
		}
		at, path, way = c.val, rest, way+"."+next
	}
}

// unsetPath removes what lies at a path inside of raw, if there is something.
func unsetPath(raw []byte, path string) ([]byte, bool) {
	at := span{0, len(raw)}
	for raw[at.start] == '{' {
		next, rest, deep := strings.Cut(path, ".")
		c := inside(raw, at)
		if !seek(&c, next) {
			break
		}
		if deep {
			at, path = c.val, rest
			continue
		}
		gone := span{c.key.start, c.val.end}
		if raw[gone.start-1] == ',' {
			gone.start--
		} else if raw[gone.end] == ',' {
			gone.end++
		}
		return splice(raw, gone, nil), true
	}
	return raw, false
}

// seek moves to the member called name, and reports whether there is one.
func seek(c *cursor, name string) bool {
	for c.member() {
		if string(c.name) == name {
			return true
		}
	}
	return false
}

func splice(raw []byte, at span, with []byte) []byte {
	out := make([]byte, 0, len(raw)-(at.end-at.start)+len(with))
	out = append(append(out, raw[:at.start]...), with...)
	return append(out, raw[at.end:]...)
}
