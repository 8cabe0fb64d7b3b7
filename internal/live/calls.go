package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxCallMembers is how many members of a call one request may name.
const MaxCallMembers = 100

const (
	// maxInCall is how many members a call may have: they are written as one.
	maxInCall = 1000
	// shownInCall is how many of them are answered unless a request says
	// otherwise; MaxCallMembers at most.
	shownInCall = 25
	// maxCallSettings bounds the settings of a call, in bytes.
	maxCallSettings = 64 << 10
)

// callRequest is the body of a get-or-create.
type callRequest struct {
	call  chat.Call
	shown int // how many members to answer
}

// GetOrCreateCall answers a call, after creating it if it does not exist.
// Members who are named and missing are added to a call that does exist;
// nothing else of it changes. A call that was soft-deleted starts anew.
func (s *Service) GetOrCreateCall(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	q, err := decodeCallRequest(body, typ, id)
	if err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		isNew, err := getOrCreateCall(tx, cid, q, s.now())
		if err != nil {
			return err
		}
		out, err = callAnswer(tx, cid, `"created":`+strconv.FormatBool(isNew)+`,`, q.shown)
		return err
	})
	return out, err
}

func getOrCreateCall(tx store.Tx, cid string, q *callRequest, now chat.Time) (isNew bool, err error) {
	c, err := storedCall(tx, cid)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	if err := usersExist(tx, "data.members", callMemberIDs(q.call.Members)); err != nil {
		return false, err
	}
	if err == nil && c.DeletedAt == 0 {
		before := len(c.Members)
		for _, m := range q.call.Members {
			if !slices.ContainsFunc(c.Members, func(have chat.CallMember) bool { return have.UserID == m.UserID }) {
				m.CreatedAt = now
				c.Members = append(c.Members, m)
			}
		}
		if len(c.Members) == before {
			return false, nil
		}
		return false, changeCall(tx, &c, now)
	}
	if q.call.CreatedBy == "" {
		return false, wire.Errorf(wire.CodeBadInput,
			"either data.created_by or data.created_by_id must be provided when using server side auth.")
	}
	if err := usersExist(tx, "data.created_by_id", []string{q.call.CreatedBy}); err != nil {
		return false, err
	}
	// Later than the one that it takes the place of: whoever is about to remove
	// that one can tell them apart.
	now = max(now, c.CreatedAt+1)
	c = q.call
	c.CreatedAt, c.UpdatedAt = now, now
	for i := range c.Members {
		c.Members[i].CreatedAt = now
	}
	return true, tx.PutCall(&c)
}

// changeCall stores a call that was changed just now.
func changeCall(tx store.Tx, c *chat.Call, now chat.Time) error {
	if len(c.Members) > maxInCall {
		return wire.BadField("members", "must be at most %d in one call", maxInCall)
	}
	c.UpdatedAt = max(now, c.UpdatedAt+1)
	return tx.PutCall(c)
}

// GetCall answers a call.
func (s *Service) GetCall(ctx context.Context, app int64, typ, id string, q url.Values, _ []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	shown := shownInCall
	if text := q.Get("members_limit"); text != "" {
		shown, err = strconv.Atoi(text)
		if err != nil || shown < 0 || shown > MaxCallMembers {
			return nil, wire.BadField("members_limit", "must be a whole number between 0 and %d", MaxCallMembers)
		}
	}
	var out []byte
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		out, err = callAnswer(r, cid, "", shown)
		return err
	})
	return out, err
}

// UpdateCall changes when a call starts, its custom fields or its settings:
// what is given replaces what was there.
func (s *Service) UpdateCall(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	in, custom, err := decodeCall(body, "")
	if err != nil {
		return nil, err
	}
	switch {
	case in.CreatedBy != "":
		return nil, wire.BadField("created_by_id", "cannot be changed")
	case in.Members != nil:
		return nil, wire.BadField("members", "cannot be changed here: see /members")
	}
	if err := sameCall(&in, "", typ, id); err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		c, err := liveCall(tx, cid)
		if err != nil {
			return err
		}
		c.StartsAt = cmp.Or(in.StartsAt, c.StartsAt)
		if in.Settings != nil {
			c.Settings = in.Settings
		}
		if custom {
			c.Custom = withTeam(in.Custom, c.Custom)
		}
		if err := changeCall(tx, &c, s.now()); err != nil {
			return err
		}
		out, err = callAnswer(tx, cid, "", shownInCall)
		return err
	})
	return out, err
}

// withTeam gives custom fields that replace others the team of those, unless
// they name one: it is stored among them, and is not theirs to remove.
func withTeam(fields, others chat.Custom) chat.Custom {
	isTeam := func(f chat.CustomField) bool { return f.Name == callTeam }
	i := slices.IndexFunc(others, isTeam)
	if i < 0 || slices.ContainsFunc(fields, isTeam) {
		return fields
	}
	fields = append(slices.Clone(fields), others[i])
	slices.SortFunc(fields, func(a, b chat.CustomField) int { return cmp.Compare(a.Name, b.Name) })
	return fields
}

// UpdateCallMembers adds members to a call, or replaces what is said of them,
// and removes others. It answers the members of the call.
func (s *Service) UpdateCallMembers(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	update, remove, err := decodeCallMembers(body)
	if err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		c, err := liveCall(tx, cid)
		if err != nil {
			return err
		}
		if err := usersExist(tx, "update_members", callMemberIDs(update)); err != nil {
			return err
		}
		if err := usersExist(tx, "remove_members", remove); err != nil {
			return err
		}
		now := s.now()
		c.Members = slices.DeleteFunc(c.Members, func(m chat.CallMember) bool { return slices.Contains(remove, m.UserID) })
		for _, m := range update {
			i := slices.IndexFunc(c.Members, func(have chat.CallMember) bool { return have.UserID == m.UserID })
			if i < 0 {
				m.CreatedAt = now
				c.Members = append(c.Members, m)
				continue
			}
			m.CreatedAt = c.Members[i].CreatedAt
			m.UpdatedAt = max(now, c.Members[i].UpdatedAt+1, m.CreatedAt)
			c.Members[i] = m
		}
		if err := changeCall(tx, &c, now); err != nil {
			return err
		}
		out, err = appendCallMembers([]byte(`{"members":[`), tx, render.New(tx), c.Members)
		return err
	})
	return append(out, `]}`...), err
}

// EndCall notes that a call has ended. One that has ended already is left as
// it is.
func (s *Service) EndCall(ctx context.Context, app int64, typ, id string, _ url.Values, _ []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		c, err := liveCall(tx, cid)
		if err != nil || c.EndedAt != 0 {
			return err
		}
		now := s.now()
		c.EndedAt = max(now, c.CreatedAt)
		return changeCall(tx, &c, now)
	})
	return []byte(`{}`), err
}

// storedCall returns a call as it is stored, soft-deleted or not, or
// store.ErrNotFound.
func storedCall(r store.Reader, cid string) (chat.Call, error) {
	row, err := r.Call(cid)
	if err != nil {
		return chat.Call{}, err
	}
	object, err := render.New(r).CallDetails(nil, &row)
	if err != nil {
		return chat.Call{}, err
	}
	return wire.DecodeCall(object, nil)
}

// liveCall returns a call. One that was deleted is as good as none.
func liveCall(r store.Reader, cid string) (chat.Call, error) {
	c, err := storedCall(r, cid)
	if errors.Is(err, store.ErrNotFound) || err == nil && c.DeletedAt != 0 {
		return c, errNoCall(cid)
	}
	return c, err
}

func errNoCall(cid string) error {
	return wire.Errorf(wire.CodeNotFound, "call %s does not exist", cid)
}

func callMemberIDs(members []chat.CallMember) []string {
	ids := make([]string, len(members))
	for i := range members {
		ids[i] = members[i].UserID
	}
	return ids
}

// callAnswer answers a call and its first members. more stands between them.
func callAnswer(r store.Reader, cid, more string, shown int) ([]byte, error) {
	row, err := r.Call(cid)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errNoCall(cid)
	}
	if err != nil {
		return nil, err
	}
	rr := render.New(r)
	object, err := rr.CallDetails(nil, &row)
	if err != nil {
		return nil, err
	}
	c, err := wire.DecodeCall(object, nil)
	if err == nil && c.DeletedAt != 0 {
		err = errNoCall(cid)
	}
	if err != nil {
		return nil, err
	}
	return appendCallState(nil, r, rr, object, &c, more, shown)
}

// appendCallState appends an object that holds a call, given as it is stored,
// and its first members. more stands between them.
func appendCallState(out []byte, r store.Reader, rr *render.Renderer, object []byte, c *chat.Call, more string, shown int,
) ([]byte, error) {
	out = appendCall(append(out, `{"call":`...), object, shown)
	out = append(append(append(out, ','), more...), `"members":[`...)
	out, err := appendCallMembers(out, r, rr, c.Members[:min(shown, len(c.Members))])
	return append(out, `],"own_capabilities":[]}`...), err
}

// appendCall appends a call, given as it is stored, with its first members.
func appendCall(out, object []byte, shown int) []byte {
	at := len(out)
	// What was rendered gives no error.
	_ = wire.Members(object, func(name []byte, v jsontext.Value) error {
		out = append(wire.AppendString(append(out, ','), string(name)), ':')
		if string(name) != "members" {
			out = append(out, v...)
			return nil
		}
		out = append(out, '[')
		err := wire.List(v, func(i int, v jsontext.Value, _ int64) error {
			if i == shown {
				return errEnough
			}
			out = append(comma(out), v...)
			return nil
		})
		out = append(out, ']')
		return ended(err)
	})
	out[at] = '{'
	return append(out, '}')
}

// appendCallMembers appends members of a call with their users.
func appendCallMembers(out []byte, r store.Reader, rr *render.Renderer, members []chat.CallMember) ([]byte, error) {
	var user []byte
	for i := range members {
		key, err := r.UserKey(members[i].UserID)
		if err != nil {
			return out, err
		}
		if user, err = rr.User(user[:0], key); err != nil {
			return out, err
		}
		out = wire.AppendCallMember(comma(out), &members[i], user)
	}
	return out, nil
}

func decodeCallRequest(body []byte, typ, id string) (*callRequest, error) {
	q := &callRequest{shown: shownInCall}
	q.call.Type, q.call.ID = typ, id
	if len(body) == 0 {
		return q, nil
	}
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
		if wire.IsNull(v) {
			return nil
		}
		switch name {
		case "data":
			if q.call, _, err = decodeCall(v, "data"); err == nil {
				err = sameCall(&q.call, "data", typ, id)
			}
			q.call.Type, q.call.ID = typ, id
		case "members_limit":
			var n int64
			n, err = wire.Int(name, v, at, 0, MaxCallMembers)
			q.shown = int(n)
		case "ring", "notify", "video":
			_, err = wire.Bool(name, v, at)
		}
		return err
	})
	return q, refuse(err, "")
}

// sameCall refuses a call that is said to be another than the one in the path.
func sameCall(c *chat.Call, field, typ, id string) error {
	switch {
	case c.Type != "" && c.Type != typ:
		return wire.BadField(joinField(field, "type"), "must be the type in the path")
	case c.ID != "" && c.ID != id:
		return wire.BadField(joinField(field, "id"), "must be the id in the path")
	}
	return nil
}

func joinField(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// callTeam is the custom field that a call's team is kept in.
const callTeam = "team"

// decodeCall reads what is said of a call in the part of a request that stands
// at field, and whether custom fields are.
func decodeCall(raw []byte, field string) (c chat.Call, custom bool, err error) {
	var settings chat.Raw
	rest := []byte{'{'}
	err = wire.Object(raw, func(name string, v jsontext.Value, at int64) error {
		if wire.IsNull(v) {
			return nil
		}
		switch name {
		case "created_at", "updated_at", "ended_at", "deleted_at", "session", "settings":
			return wire.BadField(joinField(field, name), "is set by the server: leave it out")
		case "video":
			_, err := wire.Bool(name, v, at)
			return err
		case "settings_override":
			if v.Kind() != '{' {
				return wire.BadField(joinField(field, name), "must be an object")
			}
			var err error
			if settings, err = wire.Free(name, v, at); len(settings) > maxCallSettings {
				return wire.BadField(joinField(field, name), "must have at most %d bytes", maxCallSettings)
			}
			return err
		case "custom":
			custom = true
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(append(wire.AppendString(rest, name), ':'), v...)
		return nil
	})
	if err != nil {
		return c, false, refuse(err, field)
	}
	if c, err = wire.DecodeNewCall(append(rest, '}'), nil); err != nil {
		return c, false, refuse(err, field)
	}
	c.Settings = settings
	for _, f := range c.Custom {
		if f.Name == callTeam && f.Value[0] != '"' {
			return c, false, wire.BadField(joinField(field, callTeam), "must be a string")
		}
	}
	if err := wire.CheckCustom(cmp.Or(field, "custom"), c.Custom); err != nil {
		return c, false, err
	}
	err = tidyCallMembers(joinField(field, "members"), &c.Members)
	return c, custom || len(c.Custom) > 0, err
}

// tidyCallMembers holds the members that a request names to the rules, and
// leaves of them what is for clients to say.
func tidyCallMembers(field string, members *[]chat.CallMember) error {
	if len(*members) > MaxCallMembers {
		return wire.BadField(field, "must be at most %d", MaxCallMembers)
	}
	for i := range *members {
		m := &(*members)[i]
		at := fmt.Sprintf("%s[%d]", field, i)
		if slices.ContainsFunc((*members)[:i], func(other chat.CallMember) bool { return other.UserID == m.UserID }) {
			return wire.BadField(at, "names a user who is named before: %s", m.UserID)
		}
		if err := wire.CheckCustom(at, m.Custom); err != nil {
			return err
		}
		*m = chat.CallMember{UserID: m.UserID, Role: cmp.Or(m.Role, "user"), Custom: m.Custom}
	}
	return nil
}

func decodeCallMembers(body []byte) (update []chat.CallMember, remove []string, err error) {
	err = wire.Object(body, func(name string, v jsontext.Value, at int64) error {
		if wire.IsNull(v) {
			return nil
		}
		switch name {
		case "update_members":
			c, err := wire.DecodeNewCall(slices.Concat([]byte(`{"members":`), v, []byte{'}'}), nil)
			if f, ok := errors.AsType[*wire.FieldError](err); ok {
				f.Field = name + strings.TrimPrefix(f.Field, "members")
				return f
			}
			update = c.Members
			return tidyCallMembers(name, &update)
		case "remove_members":
			ids, err := wire.StringList(name, v, at)
			if err == nil && len(ids) > MaxCallMembers {
				err = wire.BadField(name, "must be at most %d", MaxCallMembers)
			}
			for i, id := range ids {
				if err == nil && !wire.ValidID(id, wire.MaxUserID) {
					err = wire.BadField(fmt.Sprintf("%s[%d]", name, i), "must be a user id")
				}
			}
			remove = ids
			return err
		}
		return nil
	})
	if err != nil {
		return nil, nil, refuse(err, "")
	}
	if len(update) == 0 && len(remove) == 0 {
		return nil, nil, wire.BadField("update_members", "is required, or remove_members")
	}
	for i := range update {
		if slices.Contains(remove, update[i].UserID) {
			return nil, nil, wire.BadField("remove_members", "names a user who is in update_members, too: %s", update[i].UserID)
		}
	}
	return update, remove, nil
}
