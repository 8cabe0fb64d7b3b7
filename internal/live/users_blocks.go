package live

import (
	"context"
	"errors"
	"net/url"

	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxBlocked is how many users one user can block: an answer lists all of them.
const MaxBlocked = 1000

// userBlock is a request about one user who blocks another.
type userBlock struct{ by, who string }

func decodeBlock(body []byte) (b userBlock, err error) {
	err = wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "blocked_user_id":
			b.who, err = wire.ID(name, v, at, wire.MaxUserID)
		case "user_id":
			b.by, err = wire.ID(name, v, at, wire.MaxUserID)
		case "user":
			if b.by == "" {
				b.by, err = wire.UserRef(name, v, at)
			}
		}
		return err
	})
	switch {
	case err != nil:
	case b.who == "":
		err = wire.BadField("blocked_user_id", "is required")
	case b.by == "":
		err = wire.BadField("user_id", "is required")
	case b.by == b.who:
		err = wire.BadField("blocked_user_id", "must be another user")
	}
	return b, refuse(err, "")
}

// BlockUser notes that a user has blocked another one. Doing so again changes
// nothing.
func (s *Service) BlockUser(ctx context.Context, app int64, body []byte) ([]byte, error) {
	b, err := decodeBlock(body)
	if err != nil {
		return nil, err
	}
	var m store.Mark
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		users, err := knownUsers(tx, "", []string{b.by, b.who})
		if err != nil {
			return err
		}
		if m, err = tx.Mark(store.Blocked, users[0].key, b.who); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		n := 0
		err = tx.Marks(store.Blocked, users[0].key, func(*store.Mark) error {
			n++
			return nil
		})
		if err != nil {
			return err
		}
		if n >= MaxBlocked {
			return wire.BadField("blocked_user_id", "is one too many: a user can block %d others", MaxBlocked)
		}
		m = store.Mark{Kind: store.Blocked, User: users[0].key, Subject: b.who, At: s.now()}
		return tx.PutMark(&m)
	})
	out := wire.AppendString([]byte(`{"blocked_by_user_id":`), b.by)
	out = wire.AppendString(append(out, `,"blocked_user_id":`...), b.who)
	out = m.At.AppendJSON(append(out, `,"created_at":`...))
	return append(out, '}'), err
}

// UnblockUser takes a block back, if there is one.
func (s *Service) UnblockUser(ctx context.Context, app int64, body []byte) ([]byte, error) {
	b, err := decodeBlock(body)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		users, err := knownUsers(tx, "", []string{b.by, b.who})
		if err != nil {
			return err
		}
		return tx.DeleteMark(store.Blocked, users[0].key, b.who)
	})
	return []byte(`{}`), err
}

// BlockedUsers lists whom a user has blocked.
func (s *Service) BlockedUsers(ctx context.Context, app int64, query url.Values) ([]byte, error) {
	id := query.Get("user_id")
	if !wire.ValidID(id, wire.MaxUserID) {
		return nil, wire.BadField("user_id", "is required and must be a user id")
	}
	out := []byte(`{"blocks":[`)
	err := s.Store.View(ctx, app, func(r store.Reader) error {
		users, err := knownUsers(r, "user_id", []string{id})
		if err != nil {
			return err
		}
		rr := render.New(r)
		return r.Marks(store.Blocked, users[0].key, func(m *store.Mark) error {
			key, err := r.UserKey(m.Subject)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			out = wire.AppendString(append(comma(out), `{"user_id":`...), id)
			if out, err = rr.User(append(out, `,"user":`...), m.User); err != nil {
				return err
			}
			out = wire.AppendString(append(out, `,"blocked_user_id":`...), m.Subject)
			if out, err = rr.User(append(out, `,"blocked_user":`...), key); err != nil {
				return err
			}
			out = m.At.AppendJSON(append(out, `,"created_at":`...))
			out = append(out, '}')
			return nil
		})
	})
	return append(out, `]}`...), err
}
