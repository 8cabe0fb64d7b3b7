package live

import (
	"errors"
	"strings"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// Service answers the writing requests of the data API.
type Service struct {
	Store store.Store
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (s *Service) now() chat.Time {
	if s.Now == nil {
		return chat.TimeOf(time.Now())
	}
	return chat.TimeOf(s.Now())
}

// refuse makes the answer to a request of an error about a part of its body,
// which stands at the path prefix.
func refuse(err error, prefix string) error {
	if f, ok := errors.AsType[*wire.FieldError](err); ok {
		return f.AsError(prefix)
	}
	return err
}

// user returns a user as it is stored, and whether there is one with that id.
func user(r store.Reader, id string) (chat.User, bool, error) {
	key, err := r.UserKey(id)
	if errors.Is(err, store.ErrNotFound) {
		return chat.User{}, false, nil
	}
	if err != nil {
		return chat.User{}, false, err
	}
	_, object, err := r.UserByKey(key)
	if err != nil {
		return chat.User{}, false, err
	}
	u, err := wire.DecodeUser(object)
	return u, true, err
}

// usersExist refuses ids that are nobody's, naming all of them. The callers
// bound how many ids there are.
func usersExist(r store.Reader, field string, ids []string) error {
	var unknown []string
	for _, id := range ids {
		_, err := r.UserKey(id)
		if errors.Is(err, store.ErrNotFound) {
			unknown = append(unknown, id)
		} else if err != nil {
			return err
		}
	}
	switch len(unknown) {
	case 0:
		return nil
	case 1:
		return wire.BadField(field, "names a user that does not exist: %s", unknown[0])
	default:
		return wire.BadField(field, "names users that do not exist: %s", strings.Join(unknown, ", "))
	}
}

// canWrite refuses an author who does not exist, was deleted or deactivated.
func canWrite(r store.Reader, field, id string) error {
	u, ok, err := user(r, id)
	switch {
	case err != nil:
		return err
	case !ok:
		return wire.BadField(field, "names a user that does not exist: %s", id)
	case u.DeletedAt != 0:
		return wire.BadField(field, "names a user that was deleted: %s", id)
	case u.DeactivatedAt != 0:
		return wire.BadField(field, "names a user that is deactivated: %s", id)
	}
	return nil
}

// channel returns the channel of that cid. One that was deleted is as good as
// none.
func channel(r store.Reader, cid string) (store.ChannelRow, error) {
	row, err := r.Channel(cid)
	if errors.Is(err, store.ErrNotFound) || err == nil && row.Channel.DeletedAt != 0 {
		return row, errNoChannel(cid)
	}
	return row, err
}

func errNoChannel(cid string) error {
	return wire.Errorf(wire.CodeNotFound, "channel %s does not exist", cid)
}

// isReserved tells a filter which names are no custom field's.
func isReserved(of wire.Kind) func(name string) bool {
	return func(name string) bool { return wire.Reserved(of, name) }
}

// cidOf checks the channel that a path names.
func cidOf(typ, id string) (string, error) {
	if !wire.ValidType(typ) {
		return "", wire.BadField("type", "must be 1 to %d characters out of a-z A-Z 0-9 _ -", wire.MaxType)
	}
	if !wire.ValidID(id, wire.MaxChannelID) {
		return "", wire.BadField("id", "must be 1 to %d characters out of a-z A-Z 0-9 @ _ ! -", wire.MaxChannelID)
	}
	return typ + ":" + id, nil
}

// errFrozen refuses what a frozen channel does not take.
func errFrozen(cid string) error {
	return wire.Errorf(wire.CodeForbidden, "channel %s is frozen", cid)
}
