package live

import (
	"context"
	"errors"
	"net/url"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// HideChannel takes a channel out of a user's list, and with clear_history its
// messages out of the user's sight.
func (s *Service) HideChannel(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	var clearing bool
	return s.noteChannel(ctx, app, typ, id, body, &clearing, func(tx store.Tx, row *store.ChannelRow, user int64, userID string) error {
		now := s.now()
		err := tx.PutMark(&store.Mark{Kind: store.Hidden, User: user, Subject: row.Channel.CID(), At: now})
		if err != nil || !clearing {
			return err
		}
		if err := clearHistory(tx, row, userID, max(now, row.Channel.LastMessageAt+1)); err != nil {
			return err
		}
		return tx.CountUnread(row.Key)
	})
}

// ShowChannel takes HideChannel back; a history that was cleared stays cleared.
func (s *Service) ShowChannel(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	return s.noteChannel(ctx, app, typ, id, body, nil, func(tx store.Tx, row *store.ChannelRow, user int64, _ string) error {
		return tx.DeleteMark(store.Hidden, user, row.Channel.CID())
	})
}

// noteChannel makes a note of a user about a channel.
func (s *Service) noteChannel(ctx context.Context, app int64, typ, id string, body []byte, clearing *bool,
	fn func(tx store.Tx, row *store.ChannelRow, user int64, userID string) error,
) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	var user who
	err = eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		if name == "clear_history" && clearing != nil {
			*clearing, err = wire.Bool(name, v, at)
			return err
		}
		return user.take(name, v, at)
	})
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		row, err := channel(tx, cid)
		if err != nil {
			return err
		}
		key, err := user.key(tx)
		if err != nil {
			return err
		}
		return fn(tx, &row, key, user.id)
	})
	return []byte(`{}`), err
}

// clearHistory makes a user no longer see, nor have unread, what was said in a
// channel before an instant. The caller counts what is unread.
func clearHistory(tx store.Tx, row *store.ChannelRow, userID string, at chat.Time) error {
	user, err := tx.UserKey(userID)
	if err != nil {
		return err
	}
	cid := row.Channel.CID()
	earlier, _, err := mark(tx, store.Cleared, user, cid)
	if err != nil {
		return err
	}
	err = tx.PutMark(&store.Mark{Kind: store.Cleared, User: user, Subject: cid, At: max(at, earlier.At)})
	if err != nil {
		return err
	}
	read, err := tx.Read(row.Key, user)
	if errors.Is(err, store.ErrNotFound) || err == nil && read.LastRead >= at-1 {
		return nil
	}
	if err != nil {
		return err
	}
	read.LastRead, read.Unread = at-1, -1
	return tx.PutRead(row.Key, &read.Read)
}
