package live

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/markdown"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// UpdateMessage replaces what a message says: its text, attachments, mentions
// and custom fields, and whether it is silent or pinned. Where it stands, by
// whom it is and when it was sent stays; so do, unless they are given, what it
// quotes, whether the channel shows a reply, and who may see it.
func (s *Service) UpdateMessage(ctx context.Context, app int64, id string, _ url.Values, body []byte) ([]byte, error) {
	q, err := decodeUpdate(body)
	if err != nil {
		return nil, err
	}
	if q.message.ID != "" && q.message.ID != id {
		return nil, wire.BadField("message.id", "must be the message in the path")
	}
	q.message.HTML = markdown.HTML(q.message.Text)
	return s.changeMessage(ctx, app, id, q.user, func(m *chat.Message) error {
		if q.message.CID != "" && q.message.CID != m.CID {
			return wire.BadField("message.cid", "must be the channel that the message is in")
		}
		q.apply(m)
		return nil
	})
}

// messageUpdate is a message as it is to be.
type messageUpdate struct {
	message chat.Message
	given   map[string]bool // the fields that were given
	user    string          // who updates it; "" = its author
}

func decodeUpdate(body []byte) (*messageUpdate, error) {
	q := &messageUpdate{given: map[string]bool{}}
	var raw jsontext.Value
	err := eachField(body, func(name string, v jsontext.Value, _ int64) error {
		if name != "message" {
			return nil
		}
		raw = v
		err := wire.Object(v, func(name string, v jsontext.Value, _ int64) error {
			q.given[name] = !wire.IsNull(v)
			return nil
		})
		if err == nil {
			q.message, err = wire.DecodeChangedMessage(v)
		}
		return refuse(err, "message")
	})
	switch {
	case err != nil:
		return nil, err
	case raw == nil:
		return nil, wire.BadField("message", "is required")
	}
	q.user = q.message.UserID
	return q, checkContent(&q.message)
}

// apply makes a stored message what it is to be.
func (q *messageUpdate) apply(m *chat.Message) {
	in := &q.message
	m.Text, m.HTML, m.MML, m.I18n = in.Text, in.HTML, in.MML, in.I18n
	m.Attachments, m.MentionedUsers, m.Custom = in.Attachments, in.MentionedUsers, in.Custom
	m.Silent, m.Pinned, m.PinExpires = in.Silent, in.Pinned, in.PinExpires
	if q.given["restricted_visibility"] {
		m.RestrictedVisibility = in.RestrictedVisibility
	}
	if in.QuotedMessageID != "" {
		m.QuotedMessageID = in.QuotedMessageID
	}
	if q.given["show_in_channel"] && m.ParentID != "" {
		m.ShowInChannel = in.ShowInChannel
	}
	if in.Command != "" {
		m.Command = in.Command
	}
}

// changeMessage changes a message that is not deleted, and answers it. by is
// who changes it, "" its author.
func (s *Service) changeMessage(ctx context.Context, app int64, id, by string, change func(*chat.Message) error) ([]byte, error) {
	var out []byte
	err := s.Store.Update(ctx, app, func(tx store.Tx) error {
		f, old, err := mustChange(tx, id)
		if err != nil {
			return err
		}
		if by != "" {
			if err := usersExist(tx, "user_id", []string{by}); err != nil {
				return err
			}
		}
		m := old
		if err := change(&m); err != nil {
			return err
		}
		if err := putChanged(tx, f, &old, &m, by, s.now()); err != nil {
			return err
		}
		out, err = appendMessage([]byte(`{"message":`), tx, &f.channel, id)
		return err
	})
	return append(out, '}'), err
}

// putChanged stores a message that was changed, with a note of what it was.
func putChanged(tx store.Tx, f *found, old, m *chat.Message, by string, now chat.Time) error {
	if by == "" {
		by = old.UserID
	}
	if err := checkChange(tx, &f.channel, old, m); err != nil {
		return err
	}
	m.UpdatedAt = later(old, now)
	switch {
	case !m.Pinned:
		m.PinnedAt, m.PinnedBy, m.PinExpires = 0, "", 0
	case !old.Pinned:
		m.PinnedAt, m.PinnedBy = m.UpdatedAt, by
	default:
		m.PinnedAt, m.PinnedBy = old.PinnedAt, old.PinnedBy
	}
	if m.Text != old.Text {
		m.TextUpdatedAt = m.UpdatedAt
	}
	if m.Text != old.Text || !bytes.Equal(m.Attachments, old.Attachments) || !sameCustom(m.Custom, old.Custom) {
		if err := noteHistory(tx, old, by, m.UpdatedAt); err != nil {
			return err
		}
	}
	if err := tx.PutMessage(m); err != nil {
		return err
	}
	if m.Silent != old.Silent {
		return tx.RecountUnread(f.channel.Key)
	}
	return nil
}

// checkChange holds what has changed of a message to the rules for new ones.
// What has not may break them: imports are not held to them.
func checkChange(r store.Reader, ch *store.ChannelRow, old, m *chat.Message) error {
	if isEmpty(m) && !isEmpty(old) {
		return wire.BadField("message", "must have text, attachments or custom fields")
	}
	var changed chat.Message
	if m.Text != old.Text {
		changed.Text = m.Text
	}
	if !bytes.Equal(m.Attachments, old.Attachments) {
		changed.Attachments = m.Attachments
	}
	if !slices.Equal(m.MentionedUsers, old.MentionedUsers) {
		changed.MentionedUsers = m.MentionedUsers
	}
	if !slices.Equal(m.RestrictedVisibility, old.RestrictedVisibility) {
		changed.RestrictedVisibility = m.RestrictedVisibility
	}
	if err := checkLimits(&changed); err != nil {
		return err
	}
	if err := checkNamed(r, ch, &changed); err != nil {
		return err
	}
	switch m.QuotedMessageID {
	case "", old.QuotedMessageID:
		return nil
	case m.ID:
		return wire.BadField("message.quoted_message_id", "names the message itself")
	}
	return checkQuoted(r, m.QuotedMessageID)
}

// later is the time of a change of a message: each is after the one before.
func later(m *chat.Message, now chat.Time) chat.Time { return max(now, m.UpdatedAt+1) }

func sameCustom(a, b chat.Custom) bool {
	return slices.EqualFunc(a, b, func(a, b chat.CustomField) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) })
}

// PatchMessage changes some fields of a message.
func (s *Service) PatchMessage(ctx context.Context, app int64, id string, _ url.Values, body []byte) ([]byte, error) {
	p, err := decodePatch(body)
	if err != nil {
		return nil, err
	}
	q, err := decodeMessagePatch(p)
	if err != nil {
		return nil, err
	}
	return s.changeMessage(ctx, app, id, p.user.id, q.apply)
}

// patchable are the built-in fields of a message that a partial update may set
// or take away.
var patchable = []string{
	"text", "attachments", "mentioned_users", "silent", "pinned", "pin_expires", "i18n", "mml", "quoted_message_id",
	"show_in_channel", "restricted_visibility",
}

// messagePatch is a partial update of a message.
type messagePatch struct {
	*patch
	fields chat.Message    // the built-in fields that are set
	given  map[string]bool // which these are
}

// decodeMessagePatch finds the built-in fields in a partial update, and leaves
// the others.
func decodeMessagePatch(p *patch) (*messagePatch, error) {
	q := &messagePatch{patch: p, given: map[string]bool{}}
	raw := []byte{'{'}
	var custom []wire.Edit
	for i := range p.set {
		e := &p.set[i]
		switch {
		case e.Path == "html":
			continue // follows from the text
		case !slices.Contains(patchable, e.Path):
			custom = append(custom, *e)
			continue
		case q.given[e.Path]:
			return nil, wire.BadField("set."+e.Path, "is given twice")
		}
		q.given[e.Path] = true
		raw = append(append(wire.AppendString(raw, e.Path), ':'), e.Value...)
		raw = append(raw, ',')
	}
	p.set = custom
	if q.given["pin_expires"] && !q.given["pinned"] {
		raw = append(raw, `"pinned":true,`...) // or it would be dropped
	}
	raw[len(raw)-1] = '}'
	if len(raw) == 1 {
		raw = []byte(`{}`)
	}
	var err error
	if q.fields, err = wire.DecodeChangedMessage(raw); err != nil {
		return nil, refuse(err, "set")
	}
	for i, path := range p.unset {
		e := wire.Edit{Path: path}
		if path != "custom" && wire.Reserved(wire.KindMessage, e.Name()) && !slices.Contains(patchable, path) {
			return nil, wire.BadField(fmt.Sprintf("unset[%d]", i), "cannot be taken away: %s is a built-in field", e.Name())
		}
	}
	if err := wire.CheckMessageLimits(&q.fields); err != nil {
		return nil, err
	}
	// Rendering can take long, and a transaction keeps others waiting.
	q.fields.HTML = markdown.HTML(q.fields.Text)
	return q, nil
}

func (q *messagePatch) apply(m *chat.Message) (err error) {
	for name := range q.given {
		copyField(m, &q.fields, name)
	}
	if q.given["pin_expires"] && q.fields.PinExpires != 0 && !m.Pinned {
		return wire.BadField("set.pin_expires", "is for pinned messages: set pinned too")
	}
	for i := range q.set {
		if m.Custom, err = q.patchCustom(wire.KindMessage, m.Custom, &q.set[i]); err != nil {
			return err
		}
	}
	for i, path := range q.unset {
		if slices.Contains(patchable, path) {
			copyField(m, &chat.Message{}, path)
			continue
		}
		if m.Custom, err = q.unsetCustom(wire.KindMessage, m.Custom, i); err != nil {
			return err
		}
	}
	return nil
}

// copyField takes over one of the patchable fields.
func copyField(m, from *chat.Message, name string) {
	switch name {
	case "text":
		m.Text, m.HTML = from.Text, from.HTML
	case "attachments":
		m.Attachments = from.Attachments
	case "mentioned_users":
		m.MentionedUsers = from.MentionedUsers
	case "silent":
		m.Silent = from.Silent
	case "pinned":
		m.Pinned = from.Pinned
	case "pin_expires":
		m.PinExpires = from.PinExpires
	case "i18n":
		m.I18n = from.I18n
	case "mml":
		m.MML = from.MML
	case "quoted_message_id":
		m.QuotedMessageID = from.QuotedMessageID
	case "show_in_channel":
		m.ShowInChannel = from.ShowInChannel && m.ParentID != ""
	case "restricted_visibility":
		m.RestrictedVisibility = from.RestrictedVisibility
	}
}
