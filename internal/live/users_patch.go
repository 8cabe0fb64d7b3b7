package live

import (
	"cmp"
	"context"
	"fmt"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// userPatch is what to change of one user.
type userPatch struct {
	field string // where it stands in the request
	id    string
	set   []wire.Edit
	unset []string
}

// PatchUsers changes some fields of users; all others stay as they are. One
// patch that cannot be carried out spoils the lot.
func (s *Service) PatchUsers(ctx context.Context, app int64, body []byte) ([]byte, error) {
	patches, err := decodeUserPatches(body)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(patches))
	for i := range patches {
		ids[i] = patches[i].id
	}
	now := s.now()
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		users, err := knownUsers(tx, "users", ids)
		if err != nil {
			return err
		}
		out = append(out[:0], `{"users":{`...)
		for i := range users {
			u := &users[i]
			if u.DeletedAt != 0 {
				return errWasDeleted(patches[i].field+".id", u.ID)
			}
			if err := patches[i].apply(&u.User); err != nil {
				return err
			}
			if err := u.put(tx, now); err != nil {
				return err
			}
			if i > 0 {
				out = append(out, ',')
			}
			out = append(wire.AppendString(out, u.ID), ':')
			out = wire.AppendUser(out, &u.User)
		}
		return nil
	})
	return append(out, `},"membership_deletion_task_id":""}`...), err
}

func decodeUserPatches(body []byte) ([]userPatch, error) {
	var patches []userPatch
	seen := map[string]struct{}{}
	err := wire.Object(body, func(name string, v jsontext.Value, _ int64) error {
		if name != "users" || wire.IsNull(v) {
			return nil
		}
		err := wire.List(v, func(i int, v jsontext.Value, _ int64) error {
			if len(patches) == MaxUsers {
				return wire.BadField("users", "must be at most %d", MaxUsers)
			}
			p, err := decodeUserPatch(fmt.Sprintf("users[%d]", i), v)
			if err != nil {
				return err
			}
			if _, is := seen[p.id]; is {
				return wire.BadField(p.field+".id", "names a user that another patch is for: %s", p.id)
			}
			seen[p.id] = struct{}{}
			patches = append(patches, p)
			return nil
		})
		return refuse(err, "users")
	})
	if err == nil && len(patches) == 0 {
		err = wire.BadField("users", "is required and must hold at least one user")
	}
	return patches, refuse(err, "")
}

func decodeUserPatch(field string, v jsontext.Value) (userPatch, error) {
	p := userPatch{field: field}
	err := wire.Object(v, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "id":
			p.id, err = wire.ID(name, v, at, wire.MaxUserID)
		case "set":
			p.set, err = wire.DecodeSet(name, v, at)
		case "unset":
			p.unset, err = wire.DecodeUnset(name, v, at)
		}
		return err
	})
	if err == nil && p.id == "" {
		err = wire.BadField(field+".id", "is required")
	}
	return p, refuse(err, field)
}

func (p *userPatch) apply(u *chat.User) error {
	for i := range p.set {
		e := &p.set[i]
		field := p.field + ".set." + e.Path
		own, err := ownUserField(field, e.Name(), e.Path)
		if err != nil {
			return err
		}
		if own {
			err = refuse(setUserField(u, e), p.field+".set")
		} else if u.Custom, err = wire.PatchCustom(u.Custom, e.Path, e.Value); err != nil {
			err = refuse(err, p.field+".set")
		}
		if err != nil {
			return err
		}
	}
	for i, path := range p.unset {
		e := wire.Edit{Path: path, Value: jsontext.Value("null")}
		if path == "custom" {
			u.Custom = nil
			continue
		}
		own, err := ownUserField(fmt.Sprintf("%s.unset[%d]", p.field, i), e.Name(), path)
		if err != nil {
			return err
		}
		if !own {
			u.Custom = wire.UnsetCustom(u.Custom, path)
		} else if err := setUserField(u, &e); err != nil {
			return err
		}
	}
	return nil
}

// ownUserField tells the fields that users have of their own from custom ones,
// and refuses those that are not for clients to change.
func ownUserField(field, name, path string) (own bool, err error) {
	if !wire.Reserved(wire.KindUser, name) {
		return false, nil
	}
	switch name {
	case "name", "image", "role", "teams", "language", "invisible":
		if path != name {
			return true, wire.BadField(field, "cannot be changed in part: %s has no fields", name)
		}
	case "privacy_settings", "push_notifications": // taken, and not kept
	default:
		return true, wire.BadField(field, "cannot be changed: %s is set by the server", name)
	}
	return true, nil
}

// setUserField sets a field that users have of their own; null takes it away.
func setUserField(u *chat.User, e *wire.Edit) (err error) {
	switch e.Path {
	case "name":
		u.Name, err = wire.String(e.Path, e.Value, e.Offset)
	case "image":
		u.Image, err = wire.String(e.Path, e.Value, e.Offset)
	case "language":
		u.Language, err = wire.String(e.Path, e.Value, e.Offset)
	case "invisible":
		u.Invisible, err = wire.Bool(e.Path, e.Value, e.Offset)
	case "teams":
		if u.Teams, err = wire.StringList(e.Path, e.Value, e.Offset); len(u.Teams) == 0 {
			u.Teams = nil
		}
	case "role":
		u.Role, err = wire.String(e.Path, e.Value, e.Offset)
		u.Role = cmp.Or(u.Role, "user")
		if err == nil && !wire.ValidType(u.Role) {
			err = &wire.FieldError{Field: e.Path, Offset: e.Offset, Reason: "must be 1 to 64 characters out of a-z A-Z 0-9 _ -"}
		}
	}
	return err
}
