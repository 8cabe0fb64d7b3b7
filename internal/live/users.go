package live

import (
	"cmp"
	"context"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxUsers is how many users one request may write.
const MaxUsers = 100

// UpsertUsers creates users, or replaces what is known of them. What only the
// server says of a user (when it was created, that it is banned or was
// deactivated) stays as it is.
func (s *Service) UpsertUsers(ctx context.Context, app int64, body []byte) ([]byte, error) {
	users, err := decodeUsers(body)
	if err != nil {
		return nil, err
	}
	now := s.now()
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		out = append(out[:0], `{"users":{`...)
		for i := range users {
			if err := upsertUser(tx, &users[i], now); err != nil {
				return err
			}
			if i > 0 {
				out = append(out, ',')
			}
			out = append(wire.AppendString(out, users[i].ID), ':')
			out = wire.AppendUser(out, &users[i])
		}
		return nil
	})
	return append(out, `},"membership_deletion_task_id":""}`...), err
}

func decodeUsers(body []byte) ([]chat.User, error) {
	var users []chat.User
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) error {
		if name != "users" || wire.IsNull(v) {
			return nil
		}
		err := wire.Object(v, func(id string, v jsontext.Value, _ int64) error {
			if len(users) == MaxUsers {
				return wire.BadField("users", "must be at most %d", MaxUsers)
			}
			if !wire.ValidID(id, wire.MaxUserID) {
				return wire.BadField("users", "must have user ids as keys: 1 to %d characters out of a-z A-Z 0-9 @ _ ! -", wire.MaxUserID)
			}
			field := "users." + id
			u, err := wire.DecodeUser(v)
			if err != nil {
				return refuse(err, field)
			}
			if u.ID != id {
				return wire.BadField(field+".id", "must be the key it stands under")
			}
			users = append(users, u)
			return wire.CheckCustom(field, u.Custom)
		})
		return refuse(err, "users")
	})
	if err != nil {
		return nil, refuse(err, "")
	}
	if len(users) == 0 {
		return nil, wire.BadField("users", "is required and must hold at least one user")
	}
	return users, nil
}

func upsertUser(tx store.Tx, u *chat.User, now chat.Time) error {
	old, known, err := user(tx, u.ID)
	if err != nil {
		return err
	}
	// A dangling user is only a name that messages were found under: nothing
	// stands in the way of whoever takes it up.
	if known && !old.Dangling() && old.DeletedAt != 0 {
		return wire.BadField("users."+u.ID, "was deleted and must be restored first")
	}
	if old.Dangling() {
		old = chat.User{CreatedAt: now}
	}
	u.Role = cmp.Or(u.Role, "user")
	u.CreatedAt, u.UpdatedAt = old.CreatedAt, max(now, old.UpdatedAt)
	u.LastActive, u.DeactivatedAt, u.DeletedAt, u.Banned = old.LastActive, old.DeactivatedAt, 0, old.Banned
	_, err = tx.PutUser(u)
	return err
}
