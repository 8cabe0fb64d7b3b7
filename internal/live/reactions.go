package live

import (
	"context"
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
		f, err := mustReact(tx, messageID)
		if err != nil {
			return err
		}
		if err := checkOn(tx, f.channel.Channel.Type, "reactions"); err != nil {
			return err
		}
		if err := canWrite(tx, "reaction.user_id", re.UserID); err != nil {
			return err
		}
		if err := putReaction(tx, &re, unique, s.now()); err != nil {
			return err
		}
		if out, err = appendMessage([]byte(`{"message":`), tx, &f.channel, messageID); err != nil {
			return err
		}
		reaction, err := reactionOf(tx, &re)
		out = append(append(out, `,"reaction":`...), reaction...)
		return err
	})
	return append(out, '}'), err
}

// mustReact finds a message whose reactions are to be changed.
func mustReact(tx store.Tx, id string) (*found, error) {
	f, err := mustFind(tx, id)
	switch {
	case err != nil:
		return nil, err
	case f.row.DeletedAt != 0:
		return nil, wire.Errorf(wire.CodeBadInput, "the message was deleted: its reactions stay as they are")
	case f.channel.Channel.Frozen:
		return nil, errFrozen(f.channel.Channel.CID())
	}
	return f, nil
}

// reactionOf renders the reaction that re names, or nothing if there is none.
func reactionOf(r store.Reader, re *chat.Reaction) (object []byte, err error) {
	err = eachReaction(r, re.MessageID, re.UserID, func(row *store.ReactionRow) (err error) {
		if row.Type == re.Type {
			object, err = render.New(r).Reaction(nil, row)
		}
		return err
	})
	return object, err
}

// DeleteReaction takes back a user's reaction of a type.
func (s *Service) DeleteReaction(ctx context.Context, app int64, messageID, typ string, q url.Values) ([]byte, error) {
	re := chat.Reaction{MessageID: messageID, UserID: q.Get("user_id"), Type: typ}
	switch {
	case re.UserID == "":
		return nil, errNoUser()
	case !wire.ValidID(re.UserID, wire.MaxUserID):
		return nil, wire.BadField("user_id", "must be a user id")
	}
	var out []byte
	err := s.Store.Update(ctx, app, func(tx store.Tx) error {
		f, err := mustReact(tx, messageID)
		if err != nil {
			return err
		}
		if err := usersExist(tx, "user_id", []string{re.UserID}); err != nil {
			return err
		}
		reaction, err := reactionOf(tx, &re)
		if err != nil {
			return err
		}
		if reaction == nil {
			return wire.Errorf(wire.CodeNotFound, "there is no such reaction")
		}
		if err := tx.DeleteReaction(messageID, re.UserID, typ); err != nil {
			return err
		}
		out, err = appendMessage([]byte(`{"message":`), tx, &f.channel, messageID)
		out = append(append(out, `,"reaction":`...), reaction...)
		return err
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
