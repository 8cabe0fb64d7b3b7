package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"hansard/internal/chat"
)

// The longest ids, in characters (contract section 7).
const (
	MaxUserID    = 255
	MaxMessageID = 255
	MaxChannelID = 64
	MaxType      = 64 // of channel types, call types and roles
)

// idBytes marks what ids are made of; typeBytes what types and roles are.
var idBytes, typeBytes = func() (id, typ [256]bool) {
	for c := range 256 {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
		typ[c], id[c] = letter, letter || c == '@' || c == '!'
	}
	return id, typ
}()

func madeOf[T ~string | ~[]byte](s T, set *[256]bool) bool {
	for i := range len(s) {
		if !set[s[i]] {
			return false
		}
	}
	return true
}

// ValidID reports whether s is an id of 1 to most characters out of
// a-z A-Z 0-9 @ _ ! -.
func ValidID(s string, most int) bool {
	return s != "" && len(s) <= most && madeOf(s, &idBytes)
}

// ValidType reports whether s can be the type of a channel or a call, or the
// name of a role: 1 to 64 characters out of a-z A-Z 0-9 _ -.
func ValidType(s string) bool {
	return s != "" && len(s) <= MaxType && madeOf(s, &typeBytes)
}

// SplitCID splits "type:id"; ok tells whether both are well-formed.
func SplitCID(cid string) (typ, id string, ok bool) {
	typ, id, _ = strings.Cut(cid, ":")
	return typ, id, ValidType(typ) && ValidID(id, MaxChannelID)
}

// DistinctID is the id of the distinct channel of those members: the same for
// every order of them, and however often one is named.
func DistinctID(members []string) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(members)))
	sum := sha256.Sum256([]byte(strings.Join(sorted, ",")))
	return "!members-" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// Participants lists the users who took part in a call: the "participants" of
// its session, each a user id or an object with "user_id" or "user". Ids that
// are not well-formed are passed over.
func Participants(session chat.Raw) []string {
	v, err := top(session)
	if err != nil || session[v.start] != '{' {
		return nil
	}
	var ids distinct
	for c := inside(session, v); c.member(); {
		if string(c.name) != "participants" || session[c.val.start] != '[' {
			continue
		}
		for list := inside(session, c.val); list.item(); {
			// A decoder of its own, so that one odd participant does not
			// hide the others.
			d := decoder{raw: session}
			if id := d.participant(list.val); d.err == nil && id != "" {
				ids.add(id)
			}
		}
	}
	return ids.list
}

// participant reads the user of one participant of a session.
func (d *decoder) participant(v span) string {
	if d.raw[v.start] != '{' {
		return d.user("participants", v)
	}
	var id string
	for c := inside(d.raw, v); c.member(); {
		switch string(c.name) {
		case "user_id", "user":
			if got := d.user("participants", c.val); got != "" {
				id = got
			}
		}
	}
	return id
}

// RenameParticipant gives a participant of a call's session another id. What
// else the session tells of that user, in a user object, goes.
func RenameParticipant(session chat.Raw, old, id string) chat.Raw {
	v, err := top(session)
	if err != nil || session[v.start] != '{' {
		return session
	}
	d := decoder{raw: session}
	var out chat.Raw
	kept := 0 // session up to here is in out
	for c := inside(session, v); c.member(); {
		if string(c.name) != "participants" || session[c.val.start] != '[' {
			continue
		}
		for list := inside(session, c.val); list.item(); {
			for _, is := range d.naming(list.val, old) {
				out = append(out, session[kept:is.start]...)
				if session[is.start] == '{' {
					out = append(AppendString(append(out, `{"id":`...), id), '}')
				} else {
					out = AppendString(out, id)
				}
				kept = is.end
			}
		}
	}
	return append(out, session[kept:]...)
}

// naming finds the values in a participant that name the user with that id.
func (d *decoder) naming(v span, id string) (found []span) {
	names := func(v span) bool {
		one := decoder{raw: d.raw}
		return (d.raw[v.start] == '"' || d.raw[v.start] == '{') && one.user("participants", v) == id
	}
	if d.raw[v.start] != '{' {
		if names(v) {
			found = append(found, v)
		}
		return found
	}
	for c := inside(d.raw, v); c.member(); {
		if n := string(c.name); (n == "user_id" || n == "user") && names(c.val) {
			found = append(found, c.val)
		}
	}
	return found
}
