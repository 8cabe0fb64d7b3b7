package live

import (
	"hansard/internal/chat"
	"hansard/internal/markdown"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Some changes of a channel come with a system message that tells of them. It
// is sent in the same transaction, whether the channel is frozen or not.

// decodeSystem reads the system message of a request, which is by user unless it
// names somebody itself.
func decodeSystem(raw jsontext.Value, user, cid string) (*chat.Message, error) {
	raw, err := withAuthor(raw, user)
	if err != nil {
		return nil, refuse(err, "message")
	}
	m, err := wire.DecodeNewMessage(raw, nil)
	switch {
	case err != nil:
		return nil, refuse(err, "message")
	case m.CID != "" && m.CID != cid:
		return nil, wire.BadField("message.cid", "must be the channel in the path")
	case m.CreatedAt != 0:
		return nil, wire.BadField("message.created_at", "is set by the server: leave it out")
	case m.DeletedAt != 0:
		return nil, wire.BadField("message.deleted_at", "is set by the server: leave it out")
	case m.ParentID != "":
		return nil, wire.BadField("message.parent_id", "is not for system messages")
	case m.QuotedMessageID != "":
		return nil, wire.BadField("message.quoted_message_id", "is not for system messages")
	}
	m.CID, m.Type, m.ShowInChannel = cid, chat.System, false
	m.HTML = markdown.HTML(m.Text)
	if m.ID == "" {
		m.ID = uuid.NewString()
	}
	return &m, checkContent(&m)
}

// withAuthor makes a message that names no author one by user.
func withAuthor(raw jsontext.Value, user string) (jsontext.Value, error) {
	author := false
	out := append(wire.AppendString([]byte(`{"user_id":`), user), ',')
	err := wire.Object(raw, func(name string, v jsontext.Value, _ int64) error {
		if name == "user" || name == "user_id" {
			author = author || !wire.IsNull(v) && string(v) != `""`
			return nil
		}
		out = append(append(append(wire.AppendString(out, name), ':'), v...), ',')
		return nil
	})
	switch {
	case err != nil || author:
		return raw, err
	case user == "":
		return nil, wire.Errorf(wire.CodeBadInput,
			"either message.user or message.user_id must be provided when using server side auth.")
	}
	out[len(out)-1] = '}'
	return out, nil
}

// sendSystem sends a system message.
func sendSystem(tx store.Tx, row *store.ChannelRow, m *chat.Message, now chat.Time) error {
	if err := canWrite(tx, "message.user_id", m.UserID); err != nil {
		return err
	}
	if err := checkFree(tx, m.ID); err != nil {
		return err
	}
	if err := checkNamed(tx, row, m); err != nil {
		return err
	}
	stamp(m, &row.Channel, now)
	if err := tx.PutMessage(m); err != nil {
		return err
	}
	if err := markRead(tx, row.Key, m); err != nil {
		return err
	}
	return tx.DeleteMarksOn(store.Hidden, m.CID)
}

// appendSystem appends a system message as it was stored.
func appendSystem(out []byte, v *view, m *chat.Message) ([]byte, error) {
	stored, err := v.r.Message(m.ID)
	if err != nil {
		return out, err
	}
	return v.rr.Message(out, &stored)
}
