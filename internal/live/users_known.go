package live

import (
	"errors"
	"fmt"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// storedUser is a user as it is stored, and the key that it will have for ever:
// its id may be another user's one day.
type storedUser struct {
	key int64
	chat.User
}

// knownUsers returns users in the order of ids. Ids that are nobody's are
// refused, all of them named, and so are those of which only a trace is left:
// nothing can be done to it. The callers bound how many ids there are.
func knownUsers(r store.Reader, field string, ids []string) ([]storedUser, error) {
	users := make([]storedUser, 0, len(ids))
	var unknown []string
	for _, id := range ids {
		u, err := userByID(r, id)
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && u.Dangling():
			unknown = append(unknown, id)
		case err != nil:
			return nil, err
		default:
			users = append(users, u)
		}
	}
	if len(unknown) > 0 {
		return nil, errNoUsers(field, unknown)
	}
	return users, nil
}

func errNoUsers(field string, ids []string) error {
	list := strings.Join(ids, ", ")
	e := wire.Errorf(wire.CodeNotFound, "users that do not exist: %s", list)
	if len(ids) == 1 {
		e = wire.Errorf(wire.CodeNotFound, "user %s does not exist", list)
	}
	if field != "" {
		e.Fields = map[string]string{field: "does not exist: " + list}
	}
	return e
}

func userByID(r store.Reader, id string) (storedUser, error) {
	key, err := r.UserKey(id)
	if err != nil {
		return storedUser{}, err
	}
	return userByKey(r, key)
}

func userByKey(r store.Reader, key int64) (storedUser, error) {
	_, object, err := r.UserByKey(key)
	if err != nil {
		return storedUser{}, err
	}
	u, err := wire.DecodeUser(object)
	if err != nil {
		return storedUser{}, fmt.Errorf("stored user: %w", err)
	}
	return storedUser{key, u}, nil
}

// put stores what was changed of a user.
func (u *storedUser) put(tx store.Tx, now chat.Time) error {
	u.UpdatedAt = max(now, u.UpdatedAt)
	_, err := tx.PutUser(&u.User)
	return err
}

// errWasDeleted refuses what cannot be done to a user that was deleted.
func errWasDeleted(field, id string) error {
	return wire.BadField(field, "names a user that was deleted and must be restored first: %s", id)
}

// decodeUserIDs reads a list of 1 to MaxUsers ids; doublets are one.
func decodeUserIDs(field string, v jsontext.Value) ([]string, error) {
	var ids []string
	seen := map[string]struct{}{}
	err := wire.List(v, func(i int, v jsontext.Value, _ int64) error {
		at := fmt.Sprintf("%s[%d]", field, i)
		id, err := wire.ID(at, v, 0, wire.MaxUserID)
		if err == nil && id == "" {
			err = wire.BadField(at, "must be a user id")
		}
		if err != nil {
			return refuse(err, "")
		}
		if _, is := seen[id]; is {
			return nil
		}
		if len(ids) == MaxUsers {
			return wire.BadField(field, "must be at most %d", MaxUsers)
		}
		seen[id] = struct{}{}
		ids = append(ids, id)
		return nil
	})
	if err == nil && len(ids) == 0 {
		err = errNoIDs(field)
	}
	return ids, refuse(err, field)
}

func errNoIDs(field string) error {
	return wire.BadField(field, "is required and must hold at least one user id")
}
