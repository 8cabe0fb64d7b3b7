package wire

import (
	"errors"
	"math"

	"hansard/internal/chat"
)

// Kind says what a classic JSON object is, for ToV2.
type Kind int

// The kinds of objects, and of answers: KindAnswer is an envelope whose keys
// name what they hold (user, users, message, channel …); in KindCallAnswer
// "members" are members of a call.
const (
	KindAnswer Kind = iota
	KindCallAnswer
	KindUser
	KindChannel
	KindMember
	KindMessage
	KindReaction
	KindRead
	KindCall
	KindTask
	KindImport
	KindChannelType
)

// errDialect is what ToV2 makes of something that is not a classic object. It
// is our own fault whenever it shows.
var errDialect = errors.New("wire: not a classic JSON object")

// maxNesting bounds how deep objects stand in objects of ours: an answer holds
// channels, those hold messages, those quote one message with its reactions.
const maxNesting = 32

// ToV2 turns a compact classic JSON object into the v2 dialect (contract
// section 2): times become integers of nanoseconds, the custom fields of an
// entity move under "custom", and what clients take for granted is there.
func ToV2(k Kind, classic []byte) ([]byte, error) {
	start := space(classic, 0)
	end := skip(classic, start)
	s := shapes[k]
	if s == nil || end < 0 || classic[start] != '{' {
		return nil, errDialect
	}
	out := make([]byte, 0, len(classic)+len(classic)/4+256)
	return s.appendObject(out, classic, span{start, end}, maxNesting)
}

// shape is what the v2 dialect makes of one kind of object.
type shape struct {
	fields map[string]field
	always []always // with what is missing or null written so
	fold   bool     // unknown members go under "custom"
}

// always is a member that the v2 dialect never leaves out.
type always struct{ name, value string }

// field says how the value of a known member is turned.
type field struct {
	how  how
	of   *shape
	slot int // 1 + the index in always; 0 = may be missing
}

type how int

const (
	asIs     how = iota
	asTime       // a string becomes nanoseconds
	asObject     // an object of a shape
	asMany       // a list or a map of objects of a shape
	asStates     // asMany; each without a cid is an envelope around the entity
)

// appendObject appends the object at v in the v2 dialect.
func (s *shape) appendObject(dst, raw []byte, v span, depth int) ([]byte, error) {
	if depth == 0 {
		return dst, errDialect
	}
	var seen uint64
	unknown := 0
	dst = append(dst, '{')
	c := inside(raw, v)
	for c.member() {
		f, known := s.fields[string(c.name)]
		if !known && s.fold {
			unknown++
			continue
		}
		if f.slot > 0 {
			if raw[c.val.start] == 'n' {
				continue
			}
			seen |= 1 << (f.slot - 1)
		}
		dst = comma(dst)
		dst = append(append(dst, raw[c.key.start:c.key.end]...), ':')
		var err error
		if dst, err = f.appendValue(dst, raw, c.val, depth); err != nil {
			return dst, err
		}
	}
	for i, a := range s.always {
		if seen&(1<<i) == 0 {
			dst = comma(dst)
			dst = append(append(append(append(dst, '"'), a.name...), '"', ':'), a.value...)
		}
	}
	if s.fold {
		dst = s.appendCustom(dst, raw, v, unknown)
	}
	if c.bad {
		return dst, errDialect
	}
	return append(dst, '}'), nil
}

// appendCustom appends the members that are not known, of which there are n,
// as "custom".
func (s *shape) appendCustom(dst, raw []byte, v span, n int) []byte {
	dst = comma(dst)
	dst = append(dst, `"custom":{`...)
	if n > 0 {
		for c := inside(raw, v); c.member(); {
			if _, known := s.fields[string(c.name)]; !known {
				dst = comma(dst)
				dst = append(append(dst, raw[c.key.start:c.key.end]...), ':')
				dst = append(dst, raw[c.val.start:c.val.end]...)
			}
		}
	}
	return append(dst, '}')
}

// appendValue appends one value. What has not the form that the field expects
// (null, say) stays as it is.
func (f field) appendValue(dst, raw []byte, v span, depth int) ([]byte, error) {
	open := raw[v.start]
	switch {
	case f.how == asTime && open == '"':
		return appendNanos(dst, raw[v.start:v.end]), nil
	case f.how == asObject && open == '{':
		return f.of.appendObject(dst, raw, v, depth-1)
	case (f.how == asMany || f.how == asStates) && (open == '[' || open == '{'):
		return f.appendMany(dst, raw, v, depth)
	default:
		return append(dst, raw[v.start:v.end]...), nil
	}
}

// appendMany appends a list or a map of objects.
func (f field) appendMany(dst, raw []byte, v span, depth int) ([]byte, error) {
	isMap := raw[v.start] == '{'
	dst = append(dst, raw[v.start])
	c := inside(raw, v)
	for isMap && c.member() || !isMap && c.item() {
		dst = comma(dst)
		if isMap {
			dst = append(append(dst, raw[c.key.start:c.key.end]...), ':')
		}
		if raw[c.val.start] != '{' {
			dst = append(dst, raw[c.val.start:c.val.end]...)
			continue
		}
		of := f.of
		if f.how == asStates && !has(raw, c.val, "cid") {
			of = shapes[KindAnswer]
			if f.of == shapes[KindCall] {
				of = shapes[KindCallAnswer]
			}
		}
		var err error
		if dst, err = of.appendObject(dst, raw, c.val, depth-1); err != nil {
			return dst, err
		}
	}
	if c.bad {
		return dst, errDialect
	}
	return append(dst, raw[v.start]+2), nil // ] and } stand two after [ and {
}

// has reports whether the object at v has a member of that name.
func has(raw []byte, v span, name string) bool {
	for c := inside(raw, v); c.member(); {
		if string(c.name) == name {
			return true
		}
	}
	return false
}

// comma appends one unless dst ends where an object or array was just opened.
func comma(dst []byte) []byte {
	if last := dst[len(dst)-1]; last == '{' || last == '[' {
		return dst
	}
	return append(dst, ',')
}

// maxNanos is the last microsecond, in 2262, that 64 bits of nanoseconds reach.
const maxNanos = chat.Time(math.MaxInt64 / 1000)

// appendNanos appends the nanoseconds of a time in quotes. A string that is no
// time stays a string.
func appendNanos(dst, quoted []byte) []byte {
	t, err := chat.ParseTime(string(quoted[1 : len(quoted)-1]))
	if err != nil {
		return append(dst, quoted...)
	}
	// Later ones do not fit into the 64 bits that clients read.
	dst = appendInt(dst, int64(min(t, maxNanos)))
	return append(dst, '0', '0', '0')
}
