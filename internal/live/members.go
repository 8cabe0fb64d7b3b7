package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// What a member can be in a channel, and what can become of an invite.
const (
	roleMember    = "channel_member"
	roleModerator = "channel_moderator"

	invitePending  = "pending"
	inviteAccepted = "accepted"
	inviteRejected = "rejected"
)

// join adds those of the members that are not there yet, and returns their ids.
func join(tx store.Tx, channel int64, field string, members memberList, now chat.Time) (added []string, err error) {
	if err := usersExist(tx, field, members.ids()); err != nil {
		return nil, err
	}
	for i := range members {
		m := members[i]
		key, err := tx.UserKey(m.UserID)
		if err != nil {
			return nil, err
		}
		if _, err = tx.Member(channel, key); err == nil {
			continue
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		m.ChannelRole = cmp.Or(m.ChannelRole, roleMember)
		m.CreatedAt, m.UpdatedAt = now, now
		if err := tx.PutMember(channel, &m); err != nil {
			return nil, err
		}
		added = append(added, m.UserID)
	}
	return added, nil
}

// leave removes a member, if it is one, and what it has noted about the channel.
func leave(tx store.Tx, row *store.ChannelRow, user string) error {
	_, is, err := storedMember(tx, row, user)
	if err != nil || !is {
		return err
	}
	if err := tx.DeleteMember(row.Key, user); err != nil {
		return err
	}
	key, err := tx.UserKey(user)
	if err != nil {
		return err
	}
	for _, kind := range []store.MarkKind{store.Hidden, store.Cleared, store.Muted} {
		if err := tx.DeleteMark(kind, key, row.Channel.CID()); err != nil {
			return err
		}
	}
	return nil
}

// storedMember returns a member as it is stored, and whether there is one.
func storedMember(r store.Reader, row *store.ChannelRow, user string) (chat.Member, bool, error) {
	key, err := r.UserKey(user)
	if errors.Is(err, store.ErrNotFound) {
		return chat.Member{}, false, nil
	}
	if err != nil {
		return chat.Member{}, false, err
	}
	m, err := memberByKey(r, row, key)
	if err != nil {
		return chat.Member{}, false, err
	}
	return *m, m.UserID != "", nil
}

// memberByKey returns a member as it is stored, or one without an id.
func memberByKey(r store.Reader, row *store.ChannelRow, user int64) (*chat.Member, error) {
	stored, err := r.Member(row.Key, user)
	if errors.Is(err, store.ErrNotFound) {
		return &chat.Member{}, nil
	}
	if err != nil {
		return nil, err
	}
	object, err := render.New(r).Member(nil, &stored, row.CreatedBy)
	if err != nil {
		return nil, err
	}
	m, err := wire.DecodeMember(object, nil)
	if err != nil {
		return nil, fmt.Errorf("stored member: %w", err)
	}
	return &m.Member, nil
}

// mustBeMember is storedMember for a user in the body of a request.
func mustBeMember(r store.Reader, row *store.ChannelRow, field, user string) (chat.Member, error) {
	if err := usersExist(r, field, []string{user}); err != nil {
		return chat.Member{}, err
	}
	m, is, err := storedMember(r, row, user)
	if err == nil && !is {
		err = wire.BadField(field, "names a user who is not a member of the channel: %s", user)
	}
	return m, err
}

// setRole gives members another role.
func setRole(tx store.Tx, row *store.ChannelRow, field, user, role string, now chat.Time) error {
	m, err := mustBeMember(tx, row, field, user)
	if err != nil || m.ChannelRole == role {
		return err
	}
	m.ChannelRole, m.UpdatedAt = role, max(now, m.UpdatedAt)
	return tx.PutMember(row.Key, &m)
}

// UpdateMember changes some fields of a member: its custom fields, by path, and
// whether the channel is pinned or archived for it.
func (s *Service) UpdateMember(ctx context.Context, app int64, typ, id, userID string, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	if userID == "" {
		return nil, errNoUser()
	}
	patch, err := decodePatch(body)
	if err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		row, err := channel(tx, cid)
		if err != nil {
			return err
		}
		if err := patch.checkUser(tx); err != nil {
			return err
		}
		m, is, err := storedMember(tx, &row, userID)
		if err != nil {
			return err
		}
		if !is {
			return wire.Errorf(wire.CodeNotFound, "channel %s has no such member", cid)
		}
		now := s.now()
		if err := patchMember(&m, patch, now); err != nil {
			return err
		}
		m.UpdatedAt = max(now, m.UpdatedAt)
		if err := tx.PutMember(row.Key, &m); err != nil {
			return err
		}
		key, err := tx.UserKey(userID)
		if err != nil {
			return err
		}
		stored, err := tx.Member(row.Key, key)
		if err != nil {
			return err
		}
		out, err = render.New(tx).Member([]byte(`{"channel_member":`), &stored, row.CreatedBy)
		return err
	})
	return append(out, '}'), err
}

func patchMember(m *chat.Member, p *patch, now chat.Time) error {
	for i := range p.set {
		e := &p.set[i]
		field := "set." + e.Path
		var err error
		switch e.Path {
		case "pinned":
			err = setSince(&m.PinnedAt, e, field, now)
		case "archived":
			err = setSince(&m.ArchivedAt, e, field, now)
		case "channel_role":
			var role string
			if role, err = wire.String(field, e.Value, e.Offset); err == nil && role != "" && !wire.ValidType(role) {
				err = wire.BadField(field, "must be 1 to %d characters out of a-z A-Z 0-9 _ -", wire.MaxType)
			}
			m.ChannelRole = cmp.Or(role, roleMember)
		default:
			m.Custom, err = p.patchCustom(wire.KindMember, m.Custom, e)
		}
		if err != nil {
			return refuse(err, "")
		}
	}
	for i, path := range p.unset {
		switch path {
		case "pinned":
			m.PinnedAt = 0
		case "archived":
			m.ArchivedAt = 0
		case "channel_role":
			m.ChannelRole = roleMember
		default:
			custom, err := p.unsetCustom(wire.KindMember, m.Custom, i)
			if err != nil {
				return err
			}
			m.Custom = custom
		}
	}
	return nil
}

// setSince turns true into the instant since when it is, which stays if it was
// before.
func setSince(since *chat.Time, e *wire.Edit, field string, now chat.Time) error {
	on, err := wire.Bool(field, e.Value, e.Offset)
	switch {
	case !on:
		*since = 0
	case *since == 0:
		*since = now
	}
	return err
}

// patch is a partial update.
type patch struct {
	set   []wire.Edit
	unset []string
	user  who
}

func decodePatch(body []byte) (*patch, error) {
	p := &patch{}
	err := eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "set":
			p.set, err = wire.DecodeSet(name, v, at)
		case "unset":
			p.unset, err = wire.DecodeUnset(name, v, at)
		default:
			err = p.user.take(name, v, at)
		}
		return err
	})
	if err == nil && len(p.set) == 0 && len(p.unset) == 0 {
		err = wire.BadField("set", "or unset is required")
	}
	return p, err
}

// checkUser refuses a user who does not exist, if one is named.
func (p *patch) checkUser(r store.Reader) error {
	_, err := viewerKey(r, p.user.id)
	return err
}

// patchCustom makes one change of custom fields.
func (p *patch) patchCustom(of wire.Kind, c chat.Custom, e *wire.Edit) (chat.Custom, error) {
	field := "set." + e.Path
	if wire.Reserved(of, e.Name()) {
		return c, wire.BadField(field, "cannot be set here: it has the name of a built-in field")
	}
	c, err := wire.PatchCustom(c, e.Path, e.Value)
	return c, refuse(err, "set")
}

func (p *patch) unsetCustom(of wire.Kind, c chat.Custom, i int) (chat.Custom, error) {
	path := p.unset[i]
	if e := (wire.Edit{Path: path}); path != "custom" && wire.Reserved(of, e.Name()) {
		return c, wire.BadField(fmt.Sprintf("unset[%d]", i), "cannot be taken away: it has the name of a built-in field")
	}
	return wire.UnsetCustom(c, path), nil
}
