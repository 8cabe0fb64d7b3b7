package live

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strconv"

	"hansard/internal/chat"
	"hansard/internal/markdown"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// MaxMentioned is how many users a message may mention, and how many it may be
// restricted to. Each is looked up while all other writers wait.
const MaxMentioned = 1000

// sending is a request to send a message.
type sending struct {
	message    chat.Message
	raw        jsontext.Value // the message, as it was sent
	named      bool           // its id is the client's
	pending    bool
	metadata   chat.Raw
	keepHidden bool
}

// SendMessage adds a message to a channel. A member who sends has read the
// channel up to there, and users who had hidden it see it again.
func (s *Service) SendMessage(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	q, err := decodeSend(body, cid)
	if err != nil {
		return nil, err
	}
	m := &q.message
	if q.named = m.ID != ""; !q.named {
		m.ID = uuid.NewString()
	}
	m.HTML = markdown.HTML(m.Text)
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		row, err := channel(tx, cid)
		if err != nil {
			return err
		}
		if err := q.check(tx, &row); err != nil {
			return err
		}
		stamp(m, &row.Channel, s.now())
		out = append(make([]byte, 0, 1<<10), `{"message":`...)
		if q.pending {
			out, err = q.hold(out, tx, &row)
			return err
		}
		if err := tx.PutMessage(m); err != nil {
			return err
		}
		if err := markRead(tx, row.Key, m); err != nil {
			return err
		}
		if !q.keepHidden {
			if err := tx.DeleteMarksOn(store.Hidden, cid); err != nil {
				return err
			}
		}
		out, err = appendMessage(out, tx, &row, m.ID)
		return err
	})
	return append(out, '}'), err
}

// decodeSend reads the message of a request and what can be said of it without
// looking at others.
func decodeSend(body []byte, cid string) (*sending, error) {
	q := &sending{}
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
		if wire.IsNull(v) {
			return nil
		}
		switch name {
		case "message":
			q.raw = v
			q.message, err = decodeNewMessage(v)
		case "pending", "is_pending_message":
			var pending bool
			pending, err = wire.Bool(name, v, at)
			q.pending = q.pending || pending
		case "pending_message_metadata":
			q.metadata, err = decodeMetadata(name, v)
		case "keep_channel_hidden":
			q.keepHidden, err = wire.Bool(name, v, at)
		}
		return err
	})
	m := &q.message
	switch {
	case err != nil:
		return nil, refuse(err, "")
	case q.raw == nil:
		return nil, wire.BadField("message", "is required")
	case m.CID != "" && m.CID != cid:
		return nil, wire.BadField("message.cid", "must be the channel in the path")
	}
	m.CID = cid
	return q, checkContent(m)
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
	if m.ParentID == "" {
		m.ShowInChannel = false // says something of replies only
	}
	return m, nil
}

// checkContent holds a message to the limits that every channel has.
func checkContent(m *chat.Message) error {
	if isEmpty(m) {
		return wire.BadField("message", "must have text, attachments or custom fields")
	}
	return checkLimits(m)
}

func checkLimits(m *chat.Message) error {
	switch {
	case len(m.MentionedUsers) > MaxMentioned:
		return wire.BadField("message.mentioned_users", "must be at most %d", MaxMentioned)
	case len(m.RestrictedVisibility) > MaxMentioned:
		return wire.BadField("message.restricted_visibility", "must be at most %d", MaxMentioned)
	}
	return wire.CheckMessageLimits(m)
}

func isEmpty(m *chat.Message) bool {
	return m.Text == "" && m.MML == "" && m.Attachments == nil && len(m.Custom) == 0
}

// check holds a new message against its channel and the others in it.
func (q *sending) check(tx store.Tx, row *store.ChannelRow) error {
	m := &q.message
	if row.Channel.Frozen {
		return errFrozen(m.CID)
	}
	if err := canWrite(tx, "message.user_id", m.UserID); err != nil {
		return err
	}
	if q.named {
		if err := checkFree(tx, m.ID); err != nil {
			return err
		}
	}
	if err := checkNamed(tx, row, m); err != nil {
		return err
	}
	if m.ParentID != "" {
		if err := cmp.Or(checkOn(tx, row.Channel.Type, "replies"), checkParent(tx, row, m.ParentID)); err != nil {
			return err
		}
	}
	if m.QuotedMessageID != "" {
		return cmp.Or(checkOn(tx, row.Channel.Type, "quotes"), checkQuoted(tx, m.QuotedMessageID))
	}
	return nil
}

// checkNamed holds what a message says of others, and its text, against what is
// there.
func checkNamed(r store.Reader, row *store.ChannelRow, m *chat.Message) error {
	if err := checkText(r, row.Channel.Type, m.Text); err != nil {
		return err
	}
	if err := usersExist(r, "message.mentioned_users", m.MentionedUsers); err != nil {
		return err
	}
	return usersExist(r, "message.restricted_visibility", m.RestrictedVisibility)
}

// checkFree refuses an id that another message has, pending or not.
func checkFree(r store.Reader, id string) error {
	_, err := r.Message(id)
	if errors.Is(err, store.ErrNotFound) {
		_, err = r.Pending(id)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return wire.BadField("message.id", "is taken: a message with the id %s already exists", id)
}

// checkText holds a text to the limit that the type of its channel sets, if it
// sets a lower one.
func checkText(r store.Reader, channelType, text string) error {
	if text == "" {
		return nil
	}
	config, err := configOf(r, channelType)
	if err != nil || config == nil {
		return err // wire.CheckMessageLimits looked at the limit that all have
	}
	most, err := strconv.Atoi(string(memberOfObject(config, "max_message_length")))
	if err == nil && most > 0 && len(text) > most {
		e := wire.BadField("message.text", "must have at most %d bytes", most)
		e.Code = wire.CodeTextTooLong
		return e
	}
	return nil
}

// configOf is the app's own configuration of a type of channels, nil if it has
// none and all is on.
func configOf(r store.Reader, channelType string) ([]byte, error) {
	config, err := r.Setting(store.ChannelTypePrefix + channelType)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return config, err
}

// checkOn refuses what is switched off for a type of channels.
func checkOn(r store.Reader, channelType, feature string) error {
	config, err := configOf(r, channelType)
	if err == nil && string(memberOfObject(config, feature)) == "false" {
		err = wire.Errorf(wire.CodeBadInput, "%s are switched off for channels of the type %s", feature, channelType)
	}
	return err
}

// memberOfObject is a member of a JSON object that is known to be well-formed,
// nil if it has none of that name.
func memberOfObject(object []byte, name string) (value jsontext.Value) {
	// The only error there is comes from the callback.
	_ = wire.Members(object, func(n []byte, v jsontext.Value) error {
		if string(n) != name {
			return nil
		}
		value = v
		return errEnough
	})
	return value
}

// checkParent allows one level of threads, within one channel.
func checkParent(r store.Reader, row *store.ChannelRow, id string) error {
	const field = "message.parent_id"
	parent, ok, err := findMessage(r, id)
	switch {
	case err != nil:
		return err
	case !ok:
		return wire.BadField(field, "names a message that does not exist: %s", id)
	case parent.channel.Key != row.Key:
		return wire.BadField(field, "names a message of another channel: %s", id)
	case parent.row.DeletedAt != 0:
		return wire.BadField(field, "names a message that was deleted: %s", id)
	case memberOfObject(parent.object, "parent_id") != nil:
		e := wire.BadField(field, "names a reply: threads have one level")
		e.Code = wire.CodeThreadTooDeep
		return e
	}
	return nil
}

func checkQuoted(r store.Reader, id string) error {
	quoted, ok, err := findMessage(r, id)
	switch {
	case err != nil:
		return err
	case !ok:
		return wire.BadField("message.quoted_message_id", "names a message that does not exist: %s", id)
	case quoted.row.DeletedAt != 0:
		return wire.BadField("message.quoted_message_id", "names a message that was deleted: %s", id)
	}
	return nil
}

// stamp sets what only the server says of a new message. Messages sent within
// one microsecond, or after the clock was set back a little, keep their order.
func stamp(m *chat.Message, ch *chat.Channel, now chat.Time) {
	const second = chat.Time(1e6)
	if last := ch.LastMessageAt; now <= last && last-now < second {
		now = last + 1
	}
	stampAt(m, max(now, ch.TruncatedAt))
}

func stampAt(m *chat.Message, at chat.Time) {
	m.CreatedAt, m.UpdatedAt, m.TextUpdatedAt = at, at, 0
	m.Shadowed = false
	if m.Pinned {
		m.PinnedAt, m.PinnedBy = at, m.UserID
	}
}

func markRead(tx store.Tx, channel int64, m *chat.Message) error {
	is, err := isMember(tx, channel, m.UserID)
	if err != nil || !is {
		return err
	}
	return tx.PutRead(channel, &chat.Read{UserID: m.UserID, LastRead: m.CreatedAt, LastReadMessageID: m.ID})
}

func isMember(r store.Reader, channel int64, user string) (bool, error) {
	key, err := r.UserKey(user)
	if err != nil {
		return false, err
	}
	_, err = r.Member(channel, key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
