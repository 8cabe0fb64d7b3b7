package wire

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"hansard/internal/chat"
)

// Embedded collects the entities that stand inside others: the user objects of
// an exported message, its reactions. The values are part of what was decoded
// and live as long. A reference, that is an object with nothing but an id, is
// not an entity and is not collected; the users inside a collected reaction
// are found when it is decoded.
type Embedded struct {
	Users      []jsontext.Value
	Reactions  []jsontext.Value
	UserAt     []int64 // where each of them begins in what was decoded
	ReactionAt []int64
}

// Reset empties e and keeps its memory.
func (e *Embedded) Reset() {
	e.Users, e.Reactions = e.Users[:0], e.Reactions[:0]
	e.UserAt, e.ReactionAt = e.UserAt[:0], e.ReactionAt[:0]
}

// begin starts the decoding of one object.
func begin(raw []byte, emb *Embedded) (decoder, span) {
	d := decoder{raw: raw, emb: emb}
	v, err := top(raw)
	if err != nil {
		d.err = err
		return d, v
	}
	if raw[v.start] != '{' {
		d.mismatch("", v, "an object")
	}
	return d, v
}

// next moves to the next member unless something failed.
func (d *decoder) next(c *cursor) bool { return d.err == nil && c.member() }

// members returns a cursor that is only used through next.
func (d *decoder) members(v span) cursor {
	if d.err != nil {
		return cursor{}
	}
	return inside(d.raw, v)
}

// user reads a user id or a user object, which is collected.
func (d *decoder) user(field string, v span) string {
	if d.raw[v.start] != '{' {
		if d.raw[v.start] != '"' && !d.null(v) {
			d.mismatch(field, v, "a user id or a user object")
			return ""
		}
		return d.id(field, v, MaxUserID)
	}
	id, more := "", false
	for c := inside(d.raw, v); d.next(&c); {
		if string(c.name) == "id" {
			id = d.id(field+".id", c.val, MaxUserID)
		} else {
			more = true
		}
	}
	if id == "" {
		d.fail(field+".id", v.start, "is required")
		return ""
	}
	if more {
		d.collectUser(v)
	}
	return id
}

func (d *decoder) collectUser(v span) {
	if d.emb != nil && d.err == nil {
		d.emb.Users = append(d.emb.Users, d.raw[v.start:v.end])
		d.emb.UserAt = append(d.emb.UserAt, int64(v.start))
	}
}

func (d *decoder) collectReaction(v span) {
	if d.emb != nil && d.err == nil {
		d.emb.Reactions = append(d.emb.Reactions, d.raw[v.start:v.end])
		d.emb.ReactionAt = append(d.emb.ReactionAt, int64(v.start))
	}
}

// users reads a list of user ids or user objects into to, each id once.
func (d *decoder) users(field string, v span, to []string) []string {
	if !d.isArray(field, v) {
		return to
	}
	ids := distinct{list: to}
	i := 0
	for c := inside(d.raw, v); d.err == nil && c.item(); i++ {
		at := index(field, i)
		id := d.user(at, c.val)
		if id == "" {
			d.fail(at, c.val.start, "must be a user id or a user object")
			break
		}
		ids.add(id)
	}
	return ids.list
}

// distinct is a list that holds each string once. Lists of mentioned users are
// short as a rule, and looked through; a body may bring a very long one.
type distinct struct {
	list []string
	set  map[string]struct{} // of the list, once that is long
}

const longList = 32

func (l *distinct) add(s string) {
	if l.set == nil && len(l.list) >= longList {
		l.set = make(map[string]struct{}, 2*longList)
		for _, have := range l.list {
			l.set[have] = struct{}{}
		}
	}
	if l.set == nil {
		if !slices.Contains(l.list, s) {
			l.list = append(l.list, s)
		}
		return
	}
	if _, have := l.set[s]; !have {
		l.set[s] = struct{}{}
		l.list = append(l.list, s)
	}
}

// agree keeps one of several spellings of the same reference, such as user and
// user_id; two that differ are an error.
func (d *decoder) agree(field string, v span, have *string, id string) {
	switch {
	case id == "":
	case *have == "":
		*have = id
	case *have != id:
		d.fail(field, v.start, "names another id than the other fields do")
	}
}

// channelRef gathers what says which channel an entity belongs to: cid or
// channel_cid, channel_type with channel_id, or channel_type with the members
// of a distinct channel.
type channelRef struct {
	cid     string
	typ, id []byte
	members []string
	at      span   // of the last of them
	field   string // which that is
}

// take reads a member that names the channel, and reports whether it did.
func (r *channelRef) take(d *decoder, name []byte, v span) bool {
	switch string(name) {
	case "cid", "channel_cid":
		if r.field = "cid"; len(name) > len(r.field) {
			r.field = "channel_cid"
		}
		d.agree(r.field, v, &r.cid, d.cid(r.field, v, MaxChannelID))
	case "channel_type":
		r.field = "channel_type"
		r.typ = d.typText("channel_type", v)
	case "channel_id":
		r.field = "channel_id"
		r.id = d.idText("channel_id", v, MaxChannelID)
	case "channel_member_ids":
		r.field = "channel_member_ids"
		r.members = d.users("channel_member_ids", v, nil)
	default:
		return false
	}
	r.at = v
	return true
}

// resolve returns the cid, or "" if the entity does not say.
func (r *channelRef) resolve(d *decoder) string {
	if len(r.id) == 0 && len(r.members) > 0 {
		r.id = []byte(DistinctID(r.members))
	}
	if len(r.typ) == 0 || len(r.id) == 0 {
		return r.cid
	}
	buf := make([]byte, 0, MaxType+1+MaxChannelID)
	buf = append(append(append(buf, r.typ...), ':'), r.id...)
	if r.cid == "" {
		r.cid = string(buf)
	} else if r.cid != string(buf) {
		d.fail(r.field, r.at.start, "names another channel than the other fields do")
	}
	return r.cid
}

// cid reads "type:id"; "" is "not given".
func (d *decoder) cid(field string, v span, most int) string {
	s := d.string(field, v)
	if s == "" {
		return ""
	}
	typ, id, _ := strings.Cut(s, ":")
	if !ValidType(typ) || !ValidID(id, most) {
		d.fail(field, v.start, "must be a type and an id joined by a colon, such as messaging:general")
		return ""
	}
	return s
}

// customFields gathers custom fields: the members that have no meaning of
// their own, and what is under "custom". Where a name is given both ways the
// flattened one wins.
type customFields struct {
	in     string // the path to the entity, for errors
	flat   chat.Custom
	object span // "custom"; end 0 = not given
}

// add takes a member that the entity's decoder does not read. known are the
// entity's own names: those that are not read are derived, or not kept.
func (f *customFields) add(d *decoder, c *cursor, known map[string]struct{}) {
	if string(c.name) == "custom" {
		if d.isObject(join(f.in, "custom"), c.val) {
			f.object = c.val
		}
		return
	}
	if _, ok := known[string(c.name)]; !ok {
		name := string(c.name)
		f.flat = append(f.flat, chat.CustomField{Name: name, Value: d.free(join(f.in, name), c.val)})
	}
}

// sorted returns all of them by name. A field under "custom" that has the name
// of one of the entity's own cannot be kept: flattened it would be mistaken for it.
func (f *customFields) sorted(d *decoder, known map[string]struct{}) chat.Custom {
	byName := func(a, b chat.CustomField) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(f.flat, byName)
	if f.object.end == 0 {
		return f.flat
	}
	flat := f.flat
	for c := inside(d.raw, f.object); d.next(&c); {
		name := string(c.name)
		field := join(f.in, "custom."+name)
		_, reserved := known[name]
		if reserved || name == "custom" {
			d.fail(field, c.val.start, "has the name of a built-in field")
			break
		}
		_, given := slices.BinarySearchFunc(flat, name, func(a chat.CustomField, name string) int {
			return strings.Compare(a.Name, name)
		})
		if !given {
			f.flat = append(f.flat, chat.CustomField{Name: name, Value: d.free(field, c.val)})
		}
	}
	slices.SortFunc(f.flat, byName)
	return f.flat
}

// names makes a set of the words of list.
func names(list string) map[string]struct{} {
	set := map[string]struct{}{}
	for name := range strings.FieldsSeq(list) {
		set[name] = struct{}{}
	}
	return set
}
