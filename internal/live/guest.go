package live

import (
	"context"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// CreateGuest makes a user with the role guest, and a token for them, which sign
// makes. Guests choose their own ids, so each gets one that no other user has:
// theirs, with something made up in front.
func (s *Service) CreateGuest(ctx context.Context, app int64, body []byte, sign func(userID string) (string, error)) ([]byte, error) {
	u, err := decodeGuest(body)
	if err != nil {
		return nil, err
	}
	token, err := sign(u.ID)
	if err != nil {
		return nil, err
	}
	u.CreatedAt = s.now()
	u.UpdatedAt = u.CreatedAt
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		off, err := appFlag(tx, "guest_user_creation_disabled")
		if err == nil && off {
			err = wire.Errorf(wire.CodeForbidden, "the app takes no guests: its setting guest_user_creation_disabled is true")
		}
		if err == nil {
			_, err = tx.PutUser(&u)
		}
		return err
	})
	out := wire.AppendUser([]byte(`{"user":`), &u)
	return append(wire.AppendString(append(out, `,"access_token":`...), token), '}'), err
}

func decodeGuest(body []byte) (u chat.User, err error) {
	given := false
	err = wire.Object(body, func(name string, v jsontext.Value, _ int64) error {
		if name != "user" || wire.IsNull(v) {
			return nil
		}
		given = true
		in, err := wire.DecodeUser(v)
		if err != nil {
			return refuse(err, "user")
		}
		u = chat.User{
			ID: "guest-" + uuid.NewString() + "-" + in.ID, Role: "guest", Name: in.Name, Image: in.Image, Language: in.Language,
			Teams: in.Teams, Invisible: in.Invisible, Custom: in.Custom,
		}
		if !wire.ValidID(u.ID, wire.MaxUserID) {
			return wire.BadField("user.id", "must have at most %d characters", wire.MaxUserID-(len(u.ID)-len(in.ID)))
		}
		return wire.CheckCustom("user", u.Custom)
	})
	if err == nil && !given {
		err = wire.BadField("user", "is required")
	}
	return u, refuse(err, "")
}
