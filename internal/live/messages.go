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
	"github.com/google/uuid"
)

// MaxMentioned is how many users a message may mention. Each is looked up while
// all other writers wait.
const MaxMentioned = 1000

// SendMessage adds a message to a channel. A member who sends has read the
// channel up to there.
func (s *Service) SendMessage(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	m, err := decodeSend(body, cid)
	if err != nil {
		return nil, err
	}
	if m.ID == "" {
		m.ID = uuid.NewString()
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		row, err := channel(tx, cid)
		if err != nil {
			return err
		}
		if err := checkMessage(tx, &row, &m); err != nil {
			return err
		}
		stamp(&m, &row.Channel, s.now())
		if err := tx.PutMessage(&m); err != nil {
			return err
		}
		if err := markRead(tx, row.Key, &m); err != nil {
			return err
		}
		stored, err := tx.Message(m.ID)
		if err != nil {
			return err
		}
		out, err = render.New(tx).Message([]byte(`{"message":`), &stored)
		return err
	})
	return append(out, '}'), err
}

// decodeSend reads the message of a request and what can be said of it without
// looking at others.
func decodeSend(body []byte, cid string) (chat.Message, error) {
	var m chat.Message
	given := false
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
		if wire.IsNull(v) {
			return nil
		}
		switch name {
		case "message":
			given = true
			m, err = decodeNewMessage(v)
		case "pending":
			var pending bool
			if pending, err = wire.Bool(name, v, at); pending {
				err = wire.BadField("pending", "is not available: messages are sent at once")
			}
		}
		return err
	})
	switch {
	case err != nil:
		return m, refuse(err, "")
	case !given:
		return m, wire.BadField("message", "is required")
	case m.CID != "" && m.CID != cid:
		return m, wire.BadField("message.cid", "must be the channel in the path")
	case len(m.MentionedUsers) > MaxMentioned:
		return m, wire.BadField("message.mentioned_users", "must be at most %d", MaxMentioned)
	case m.Text == "" && m.Attachments == nil && len(m.Custom) == 0:
		return m, wire.BadField("message", "must have text, attachments or custom fields")
	}
	m.CID = cid
	return m, wire.CheckMessageLimits(&m)
}

func decodeNewMessage(raw jsontext.Value) (chat.Message, error) {
	author := false
	err := wire.Object(raw, func(name string, v jsontext.Value, at int64) error {
		switch name {
		case "user", "user_id":
			author = author || !wire.IsNull(v)
		case "type":
			switch typ, err := wire.String(name, v, at); {
			case err != nil:
				return err
			case typ != "" && typ != chat.Regular && typ != chat.Reply && typ != chat.System:
				return wire.BadField("message.type", "must be regular or system")
			}
		}
		return nil
	})
	if err != nil {
		return chat.Message{}, refuse(err, "message")
	}
	if !author {
		return chat.Message{}, wire.Errorf(wire.CodeBadInput,
			"either message.user or message.user_id must be provided when using server side auth.")
	}
	m, err := wire.DecodeNewMessage(raw, nil)
	switch {
	case err != nil:
		return m, refuse(err, "message")
	case m.CreatedAt != 0:
		return m, wire.BadField("message.created_at", "is set by the server: leave it out, or import the message")
	case m.DeletedAt != 0:
		return m, wire.BadField("message.deleted_at", "is set by the server: leave it out")
	}
	return m, nil
}

// checkMessage holds a message against its channel and the others in it.
func checkMessage(tx store.Tx, row *store.ChannelRow, m *chat.Message) error {
	if row.Channel.Frozen {
		return errFrozen(m.CID)
	}
	if err := canWrite(tx, "message.user_id", m.UserID); err != nil {
		return err
	}
	if err := usersExist(tx, "message.mentioned_users", m.MentionedUsers); err != nil {
		return err
	}
	if _, err := tx.Message(m.ID); err == nil {
		return wire.BadField("message.id", "is taken: a message with the id %s already exists", m.ID)
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if m.ParentID != "" {
		if err := checkParent(tx, row, m); err != nil {
			return err
		}
	}
	if m.QuotedMessageID != "" {
		_, err := tx.Message(m.QuotedMessageID)
		if errors.Is(err, store.ErrNotFound) {
			return wire.BadField("message.quoted_message_id", "names a message that does not exist: %s", m.QuotedMessageID)
		}
		return err
	}
	return nil
}

// checkParent allows one level of threads, within one channel.
func checkParent(tx store.Tx, row *store.ChannelRow, m *chat.Message) error {
	const field = "message.parent_id"
	parent, err := message(tx, m.ParentID)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && parent.CreatedAt < row.Channel.TruncatedAt:
		return wire.BadField(field, "names a message that does not exist: %s", m.ParentID)
	case err != nil:
		return err
	case parent.CID != m.CID:
		return wire.BadField(field, "names a message of another channel: %s", m.ParentID)
	case parent.ParentID != "":
		e := wire.BadField(field, "names a reply: threads have one level")
		e.Code = wire.CodeThreadTooDeep
		return e
	}
	return nil
}

// message returns a message as it is stored, or store.ErrNotFound.
func message(r store.Reader, id string) (chat.Message, error) {
	row, err := r.Message(id)
	if err != nil {
		return chat.Message{}, err
	}
	object, err := render.New(r).Message(nil, &row)
	if err != nil {
		return chat.Message{}, err
	}
	return wire.DecodeMessage(object, nil)
}

// stamp sets what only the server says of a message. Messages sent within one
// microsecond, or after the clock was set back a little, keep their order.
func stamp(m *chat.Message, ch *chat.Channel, now chat.Time) {
	const second = chat.Time(1e6)
	if last := ch.LastMessageAt; now <= last && last-now < second {
		now = last + 1
	}
	now = max(now, ch.TruncatedAt)
	m.CreatedAt, m.UpdatedAt, m.TextUpdatedAt = now, now, 0
	m.Shadowed = false
	if m.Pinned {
		m.PinnedAt, m.PinnedBy = now, m.UserID
	}
}

func markRead(tx store.Tx, channel int64, m *chat.Message) error {
	key, err := tx.UserKey(m.UserID)
	if err != nil {
		return err
	}
	_, err = tx.Member(channel, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return tx.PutRead(channel, &chat.Read{UserID: m.UserID, LastRead: m.CreatedAt, LastReadMessageID: m.ID})
}
