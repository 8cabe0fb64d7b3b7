package live

import (
	"context"
	"errors"
	"math"
	"net/url"
	"strconv"

	"hansard/internal/body"
	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// A pending message is kept aside, as it was sent, until it is committed. Only
// then is it a message: no list and no export has it before.

// decodeMetadata reads what is noted about a pending message: texts by name.
func decodeMetadata(field string, v jsontext.Value) (chat.Raw, error) {
	err := wire.Object(v, func(name string, v jsontext.Value, at int64) error {
		if v.Kind() != '"' {
			return &wire.FieldError{Field: name, Offset: at, Reason: "must be a string"}
		}
		return nil
	})
	if err != nil {
		return nil, refuse(err, field)
	}
	if len(v) > wire.MaxCustomBytes {
		return nil, wire.BadField(field, "must have at most %d bytes", wire.MaxCustomBytes)
	}
	return wire.AppendCompact(nil, v), nil
}

// hold keeps a message that is to be committed later, and appends the answer.
func (q *sending) hold(out []byte, tx store.Tx, ch *store.ChannelRow) ([]byte, error) {
	m := &q.message
	keys, err := messageKeys(tx, m)
	if err != nil {
		return out, err
	}
	kept, err := q.appendHeld(nil, keys)
	if err != nil {
		return out, err
	}
	p := store.PendingRow{
		ID: m.ID, Channel: ch.Key, User: keys.User, CreatedAt: m.CreatedAt, Message: kept, Metadata: q.metadata,
	}
	if err := tx.PutPending(&p); err != nil {
		return out, err
	}
	out, err = appendUnstored(out, tx, ch, m)
	return appendMetadata(out, q.metadata), err
}

// appendHeld writes down a pending message: as it was sent, but with keys for
// the users that it names, so that it follows when one of them gets another id.
func (q *sending) appendHeld(out []byte, keys *wire.MessageKeys) ([]byte, error) {
	out = wire.AppendString(append(out, `{"cid":`...), q.message.CID)
	out = wire.AppendString(append(out, `,"html":`...), q.message.HTML)
	out = strconv.AppendBool(append(out, `,"keep_channel_hidden":`...), q.keepHidden)
	out = appendKeys(append(out, `,"mentioned":`...), keys.Mentioned)
	out = appendKeys(append(out, `,"restricted":`...), keys.Restricted)
	message := []byte{'{'}
	err := wire.Object(q.raw, func(name string, v jsontext.Value, _ int64) error {
		switch name {
		case "user", "user_id", "mentioned_users", "mentioned_users_ids", "mentioned_user_ids", "restricted_visibility", "pinned_by":
			return nil
		}
		if len(message) > 1 {
			message = append(message, ',')
		}
		message = wire.AppendCompact(append(wire.AppendString(message, name), ':'), v)
		return nil
	})
	out = append(append(out, `,"message":`...), message...)
	return append(out, `}}`...), err
}

func appendKeys(out []byte, keys []int64) []byte {
	out = append(out, '[')
	for _, key := range keys {
		out = strconv.AppendInt(comma(out), key, 10)
	}
	return append(out, ']')
}

func appendMetadata(out, metadata []byte) []byte {
	if len(metadata) == 0 {
		return out
	}
	return append(append(out, `,"pending_message_metadata":`...), metadata...)
}

// held is a pending message.
type held struct {
	message    chat.Message
	keepHidden bool
}

// decodePending reads a pending message.
func decodePending(r store.Reader, p *store.PendingRow) (*held, error) {
	h := &held{}
	m := &h.message
	var cid, html string
	var mentioned, restricted []string
	err := wire.Object(p.Message, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "cid":
			cid, err = wire.String(name, v, at)
		case "html":
			html, err = wire.String(name, v, at)
		case "keep_channel_hidden":
			h.keepHidden, err = wire.Bool(name, v, at)
		case "mentioned":
			mentioned, err = userIDs(r, v)
		case "restricted":
			restricted, err = userIDs(r, v)
		case "message":
			*m, err = wire.DecodeChangedMessage(v)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	m.ID, m.CID, m.HTML, m.MentionedUsers, m.RestrictedVisibility = p.ID, cid, html, mentioned, restricted
	if m.ParentID == "" {
		m.ShowInChannel = false
	}
	if m.UserID, _, err = r.UserByKey(p.User); err != nil {
		return nil, err
	}
	stampAt(m, p.CreatedAt)
	return h, nil
}

// userIDs turns a list of keys into the ids of those who are still there.
func userIDs(r store.Reader, keys jsontext.Value) (ids []string, err error) {
	err = wire.List(keys, func(_ int, v jsontext.Value, at int64) error {
		key, err := wire.Int("", v, at, 1, math.MaxInt64)
		if err != nil {
			return err
		}
		id, _, err := r.UserByKey(key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// findPending is mustFind for a pending message.
func findPending(r store.Reader, id string) (*found, []byte, error) {
	p, err := r.Pending(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, errNoMessage()
	}
	if err != nil {
		return nil, nil, err
	}
	h, err := decodePending(r, &p)
	if err != nil {
		return nil, nil, err
	}
	f := &found{}
	f.channel, err = r.Channel(h.message.CID)
	if errors.Is(err, store.ErrNotFound) || err == nil && f.channel.Channel.DeletedAt != 0 {
		return nil, nil, errNoMessage()
	}
	if err != nil {
		return nil, nil, err
	}
	f.object, err = appendUnstored(nil, r, &f.channel, &h.message)
	return f, p.Metadata, err
}

// appendUnstored appends a message that is not stored as one.
func appendUnstored(out []byte, r store.Reader, ch *store.ChannelRow, m *chat.Message) ([]byte, error) {
	keys, err := messageKeys(r, m)
	if err != nil {
		return out, err
	}
	row := store.MessageRow{
		Channel: ch.Key, CreatedAt: m.CreatedAt, ID: []byte(m.ID), User: keys.User, Type: m.Type, QuotedID: []byte(m.QuotedMessageID),
	}
	var b, pin body.Builder
	wire.BuildMessage(&b, m, keys)
	row.Body = b.Bytes()
	if m.Pinned {
		wire.BuildPin(&pin, m, keys)
		row.Pin = pin.Bytes()
	}
	rr := render.New(r)
	rr.HideBefore(ch.Key, ch.Channel.TruncatedAt)
	return rr.Message(out, &row)
}

func messageKeys(r store.Reader, m *chat.Message) (*wire.MessageKeys, error) {
	keys := &wire.MessageKeys{}
	var err error
	key := func(id string) (k int64) {
		if err == nil && id != "" {
			k, err = r.UserKey(id)
		}
		return k
	}
	keys.User, keys.PinnedBy = key(m.UserID), key(m.PinnedBy)
	for _, id := range m.MentionedUsers {
		keys.Mentioned = append(keys.Mentioned, key(id))
	}
	for _, id := range m.RestrictedVisibility {
		keys.Restricted = append(keys.Restricted, key(id))
	}
	return keys, err
}

// CommitMessage makes a pending message a real one. It keeps the time at which
// it was sent, unless the channel was truncated since.
func (s *Service) CommitMessage(ctx context.Context, app int64, id string, _ url.Values, _ []byte) ([]byte, error) {
	var out []byte
	err := s.Store.Update(ctx, app, func(tx store.Tx) error {
		p, err := tx.Pending(id)
		if errors.Is(err, store.ErrNotFound) {
			if _, err := mustFind(tx, id); err != nil {
				return err
			}
			return wire.Errorf(wire.CodeBadInput, "the message is not pending")
		}
		if err != nil {
			return err
		}
		h, err := decodePending(tx, &p)
		if err != nil {
			return err
		}
		m := &h.message
		row, err := channel(tx, m.CID)
		if err != nil {
			return err
		}
		if err := tx.DeletePending(id); err != nil {
			return err
		}
		if err := checkCommit(tx, &row, m); err != nil {
			return err
		}
		if m.CreatedAt < row.Channel.TruncatedAt {
			stamp(m, &row.Channel, s.now())
		}
		if err := tx.PutMessage(m); err != nil {
			return err
		}
		if err := settleReads(tx, row.Key, m); err != nil {
			return err
		}
		if !h.keepHidden {
			if err := tx.DeleteMarksOn(store.Hidden, m.CID); err != nil {
				return err
			}
		}
		out, err = appendMessage([]byte(`{"message":`), tx, &row, id)
		return err
	})
	return append(out, '}'), err
}

// checkCommit is what of check may have changed since the message was sent. A
// message that it quotes may be gone, as it may be for any other.
func checkCommit(tx store.Tx, row *store.ChannelRow, m *chat.Message) error {
	if row.Channel.Frozen {
		return errFrozen(m.CID)
	}
	if err := canWrite(tx, "message.user_id", m.UserID); err != nil {
		return err
	}
	if err := checkFree(tx, m.ID); err != nil {
		return err
	}
	if m.ParentID != "" {
		return checkParent(tx, row, m.ParentID)
	}
	return nil
}

// settleReads sets the read states right after a message came to stand among
// others: who has read beyond it does not have it unread, and its author has
// read up to there.
func settleReads(tx store.Tx, channel int64, m *chat.Message) error {
	var beyond []chat.Read
	behind := true // the author is
	err := tx.Reads(channel, func(r *store.ReadRow) error {
		if r.LastRead >= m.CreatedAt {
			behind = behind && r.UserID != m.UserID
			beyond = append(beyond, r.Read)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range beyond {
		if m.Silent {
			break // nobody has it unread
		}
		beyond[i].Unread = max(beyond[i].Unread-1, 0)
		if err := tx.PutRead(channel, &beyond[i]); err != nil {
			return err
		}
	}
	if !behind {
		return nil
	}
	is, err := isMember(tx, channel, m.UserID)
	if err != nil || !is {
		return err
	}
	err = tx.PutRead(channel, &chat.Read{UserID: m.UserID, LastRead: m.CreatedAt, LastReadMessageID: m.ID, Unread: -1})
	if err != nil {
		return err
	}
	return tx.CountUnread(channel)
}
