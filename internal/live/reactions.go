package live

import (
	"context"
	"errors"
	"net/url"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// SendReaction adds a user's reaction to a message. The same user's reaction of
// the same type is replaced and keeps its time; with enforce_unique, reactions
// of other types go.
func (s *Service) SendReaction(ctx context.Context, app int64, messageID string, _ url.Values, body []byte) ([]byte, error) {
	re, unique, err := decodeReaction(body)
	if err != nil {
		return nil, err
	}
	if re.MessageID != "" && re.MessageID != messageID {
		return nil, wire.BadField("reaction.message_id", "must be the message in the path")
	}
	re.MessageID = messageID
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		if err := checkReaction(tx, &re); err != nil {
			return err
		}
		if err := putReaction(tx, &re, unique, s.now()); err != nil {
			return err
		}
		row, err := tx.Message(messageID)
		if err != nil {
			return err
		}
		rr := render.New(tx)
		if out, err = rr.Message([]byte(`{"message":`), &row); err != nil {
			return err
		}
		out = append(out, `,"reaction":`...)
		return eachReaction(tx, re.MessageID, re.UserID, func(r *store.ReactionRow) (err error) {
			if r.Type == re.Type {
				out, err = rr.Reaction(out, r)
			}
			return err
		})
	})
	return append(out, '}'), err
}

func decodeReaction(body []byte) (re chat.Reaction, unique bool, err error) {
	given, author := false, false
	err = wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
		if wire.IsNull(v) {
			return nil
		}
		switch name {
		case "reaction":
			given = true
			err = wire.Object(v, func(name string, v jsontext.Value, _ int64) error {
				author = author || (name == "user" || name == "user_id") && !wire.IsNull(v)
				return nil
			})
			if err == nil && author {
				re, err = wire.DecodeNewReaction(v, nil)
			}
			err = refuse(err, "reaction")
		case "enforce_unique":
			unique, err = wire.Bool(name, v, at)
		}
		return err
	})
	switch {
	case err != nil:
		return re, unique, refuse(err, "")
	case !given:
		return re, unique, wire.BadField("reaction", "is required")
	case !author:
		return re, unique, wire.Errorf(wire.CodeBadInput,
			"either reaction.user or reaction.user_id must be provided when using server side auth.")
	}
	return re, unique, wire.CheckCustom("reaction", re.Custom)
}

func checkReaction(tx store.Tx, re *chat.Reaction) error {
	m, err := message(tx, re.MessageID)
	if errors.Is(err, store.ErrNotFound) {
		return wire.Errorf(wire.CodeNotFound, "there is no such message")
	}
	if err != nil {
		return err
	}
	row, err := channel(tx, m.CID)
	switch {
	case err != nil:
		return err
	case m.CreatedAt < row.Channel.TruncatedAt:
		return wire.Errorf(wire.CodeNotFound, "there is no such message")
	case m.DeletedAt != 0:
		return wire.Errorf(wire.CodeBadInput, "the message was deleted and takes no reactions")
	case row.Channel.Frozen:
		return errFrozen(m.CID)
	}
	return canWrite(tx, "reaction.user_id", re.UserID)
}

func putReaction(tx store.Tx, re *chat.Reaction, unique bool, now chat.Time) error {
	re.CreatedAt, re.UpdatedAt = now, now
	var others []string
	err := eachReaction(tx, re.MessageID, re.UserID, func(r *store.ReactionRow) error {
		if r.Type == re.Type {
			re.CreatedAt = r.CreatedAt
		} else {
			others = append(others, r.Type)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if unique {
		for _, typ := range others {
			if err := tx.DeleteReaction(re.MessageID, re.UserID, typ); err != nil {
				return err
			}
		}
	}
	return tx.PutReaction(re)
}

// eachReaction calls fn with a user's reactions to a message.
func eachReaction(r store.Reader, messageID, userID string, fn func(*store.ReactionRow) error) error {
	key, err := r.UserKey(userID)
	if err != nil {
		return err
	}
	return r.Reactions(messageID, func(row *store.ReactionRow) error {
		if row.User != key {
			return nil
		}
		return fn(row)
	})
}
