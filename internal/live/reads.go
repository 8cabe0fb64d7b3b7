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

// readRequest says up to where, or from where on, a member has read a channel.
type readRequest struct {
	user    who
	message string
	since   chat.Time
	thread  string
}

func decodeReadRequest(body []byte) (*readRequest, error) {
	q := &readRequest{}
	err := eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "message_id":
			q.message, err = wire.ID(name, v, at, wire.MaxMessageID)
		case "message_timestamp":
			q.since, err = wire.Time(name, v, at)
		case "thread_id":
			q.thread, err = wire.ID(name, v, at, wire.MaxMessageID)
		default:
			err = q.user.take(name, v, at)
		}
		return err
	})
	if err == nil && q.user.id == "" {
		err = errNoUser()
	}
	return q, err
}

// reader is a member and the channel that it reads.
type reader struct {
	*view
	id string
}

// reads opens a channel for a member.
func reads(tx store.Tx, row *store.ChannelRow, userID string, now chat.Time) (*reader, error) {
	if _, err := mustBeMember(tx, row, "user_id", userID); err != nil {
		return nil, err
	}
	key, err := tx.UserKey(userID)
	if err != nil {
		return nil, err
	}
	v, err := newView(tx, render.New(tx), row, key, now)
	return &reader{v, userID}, err
}

// MarkRead notes that a member has read a channel, all of it or up to a message.
// Threads have no read state of their own: to have read one changes nothing.
func (s *Service) MarkRead(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	q, err := decodeReadRequest(body)
	if err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		row, err := channel(tx, cid)
		if err != nil {
			return err
		}
		now := s.now()
		reader, err := reads(tx, &row, q.user.id, now)
		if err != nil {
			return err
		}
		last := ""
		if q.thread != "" {
			_, err = reader.message("thread_id", q.thread)
		} else {
			last, err = reader.read(tx, "message_id", q.message)
		}
		if err == nil {
			out, err = reader.event(last, q.thread)
		}
		return err
	})
	return out, err
}

// message finds a message of the channel that the reader can see.
func (r *reader) message(field, id string) (store.MessageRow, error) {
	m, err := r.r.Message(id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (m.Channel != r.row.Key || m.CreatedAt < r.oldest()) {
		return m, wire.BadField(field, "names a message that is not in the channel: %s", id)
	}
	return m, err
}

// read marks everything as read, or what was said up to a message. It returns
// the id of the last message that was read.
func (r *reader) read(tx store.Tx, field, messageID string) (string, error) {
	ch := &r.row.Channel
	if messageID == "" {
		last, err := r.lastBefore(0)
		if err != nil {
			return "", err
		}
		return last, tx.PutRead(r.row.Key, &chat.Read{UserID: r.id, LastRead: max(r.now, ch.LastMessageAt), LastReadMessageID: last})
	}
	m, err := r.message(field, messageID)
	if err != nil {
		return "", err
	}
	err = tx.PutRead(r.row.Key, &chat.Read{UserID: r.id, LastRead: m.CreatedAt, LastReadMessageID: messageID, Unread: -1})
	if err != nil {
		return "", err
	}
	return messageID, tx.CountUnread(r.row.Key)
}

// lastBefore is the id of the last message from before an instant (0 = of all).
func (r *reader) lastBefore(until chat.Time) (id string, err error) {
	err = r.r.Messages(store.MessageRange{Channel: r.row.Key, Since: r.oldest(), Until: until, Newest: true}, func(m *store.MessageRow) error {
		id = string(m.ID)
		return errEnough
	})
	return id, ended(err)
}

// event is the answer to a MarkRead.
func (r *reader) event(last, thread string) ([]byte, error) {
	ch := &r.row.Channel
	out := wire.AppendString([]byte(`{"event":{"type":"message.read","cid":`), ch.CID())
	out = wire.AppendString(append(out, `,"channel_id":`...), ch.ID)
	out = wire.AppendString(append(out, `,"channel_type":`...), ch.Type)
	out, err := r.rr.User(append(out, `,"user":`...), r.user)
	if err != nil {
		return nil, err
	}
	out = r.now.AppendJSON(append(out, `,"created_at":`...))
	if last != "" {
		out = wire.AppendString(append(out, `,"last_read_message_id":`...), last)
	}
	if thread != "" {
		out = wire.AppendString(append(out, `,"thread_id":`...), thread)
	}
	return append(out, `}}`...), nil
}

// MarkUnread notes that a member has not read a channel from a message, or from
// an instant on.
func (s *Service) MarkUnread(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	q, err := decodeReadRequest(body)
	if err != nil {
		return nil, err
	}
	given := 0
	for _, is := range []bool{q.message != "", q.since != 0, q.thread != ""} {
		given += btoi(is)
	}
	if given != 1 {
		return nil, wire.BadField("message_id", "or message_timestamp or thread_id is required, one of them")
	}
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		row, err := channel(tx, cid)
		if err != nil {
			return err
		}
		reader, err := reads(tx, &row, q.user.id, s.now())
		if err != nil {
			return err
		}
		if q.thread != "" {
			_, err := reader.message("thread_id", q.thread)
			return err
		}
		since := max(q.since, reader.oldest(), 1)
		if q.message != "" {
			m, err := reader.message("message_id", q.message)
			if err != nil {
				return err
			}
			since = m.CreatedAt
		}
		return reader.unread(tx, since)
	})
	return []byte(`{}`), err
}

// unread marks what was said at an instant and after it as unread.
func (r *reader) unread(tx store.Tx, since chat.Time) error {
	last, err := r.lastBefore(since)
	if err != nil {
		return err
	}
	err = tx.PutRead(r.row.Key, &chat.Read{UserID: r.id, LastRead: max(since-1, 1), LastReadMessageID: last, Unread: -1})
	if err != nil {
		return err
	}
	return tx.CountUnread(r.row.Key)
}

// readStep is how many channels are marked as read in one transaction.
const readStep = 200

// MarkChannelsRead marks channels as read, each up to a message, or all channels
// of a user.
func (s *Service) MarkChannelsRead(ctx context.Context, app int64, body []byte) ([]byte, error) {
	var user who
	messages := map[string]string{} // by cid
	var cids []string
	err := eachField(body, func(name string, v jsontext.Value, at int64) error {
		if name != "read_by_channel" {
			return user.take(name, v, at)
		}
		err := wire.Object(v, func(cid string, v jsontext.Value, at int64) (err error) {
			if _, _, ok := wire.SplitCID(cid); !ok {
				return wire.BadField(name, "must have the cids of channels as keys, such as messaging:general")
			}
			if len(cids) == MaxCIDs {
				return wire.BadField(name, "must be at most %d", MaxCIDs)
			}
			cids = append(cids, cid)
			messages[cid], err = wire.ID(cid, v, at, wire.MaxMessageID)
			return err
		})
		return refuse(err, name)
	})
	if err != nil {
		return nil, err
	}
	if user.id == "" {
		return nil, errNoUser()
	}
	now := s.now()
	if len(cids) > 0 {
		err = s.Store.Update(ctx, app, func(tx store.Tx) error {
			return eachChannel(tx, cids, false, func(row *store.ChannelRow) error {
				cid := row.Channel.CID()
				reader, err := reads(tx, row, user.id, now)
				if err == nil {
					_, err = reader.read(tx, "read_by_channel."+cid, messages[cid])
				}
				return err
			})
		})
	} else {
		err = s.markAllRead(ctx, app, &user, now)
	}
	if err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		key, err := user.key(r)
		if err != nil {
			return err
		}
		out, err = render.New(r).User([]byte(`{"event":{"type":"notification.mark_read","user":`), key)
		return err
	})
	out = now.AppendJSON(append(out, `,"created_at":`...))
	return append(out, `}}`...), err
}

// markAllRead marks all channels of a user as read, some at a time.
func (s *Service) markAllRead(ctx context.Context, app int64, user *who, now chat.Time) error {
	var cids []string
	err := s.Store.View(ctx, app, func(r store.Reader) error {
		key, err := user.key(r)
		if err != nil {
			return err
		}
		return r.ChannelsOf(key, func(row *store.ChannelRow) error {
			last := row.Channel.LastMessageAt
			if row.Channel.DeletedAt != 0 || last == 0 {
				return nil
			}
			read, err := r.Read(row.Key, key)
			if errors.Is(err, store.ErrNotFound) || err == nil && (read.Unread > 0 || read.LastRead < last) {
				cids = append(cids, row.Channel.CID())
				return nil
			}
			return err
		})
	})
	for len(cids) > 0 && err == nil {
		some := cids[:min(len(cids), readStep)]
		cids = cids[len(some):]
		err = s.Store.Update(ctx, app, func(tx store.Tx) error {
			for _, cid := range some {
				if err := markChannelRead(tx, cid, user.id, now); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}

// markChannelRead marks a channel as read if the user is still a member of it.
func markChannelRead(tx store.Tx, cid, user string, now chat.Time) error {
	row, err := channel(tx, cid)
	if wire.AsError(err) != nil {
		return nil
	}
	if err != nil {
		return err
	}
	_, is, err := storedMember(tx, &row, user)
	if err != nil || !is {
		return err
	}
	reader, err := reads(tx, &row, user, now)
	if err == nil {
		_, err = reader.read(tx, "", "")
	}
	return err
}
