package live

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// maxEventType is the longest type of an event, in bytes.
const maxEventType = 255

// event is what a client sends.
type event struct {
	typ    string
	user   string
	parent string // of a thread, if it is about one
	custom chat.Custom
}

// eventNames are what events say of themselves, which is not for clients to say.
var eventNames = strings.Fields(`type user user_id created_at received_at cid channel channel_type channel_id member message reaction
	message_id thread_id parent_id team last_read_at last_read_message_id`)

// SendEvent answers an event as those would see it who watch the channel.
// Nobody does, and nothing is kept.
func (s *Service) SendEvent(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	e, err := decodeEvent(body)
	if err != nil {
		return nil, err
	}
	out := wire.AppendString([]byte(`{"event":{"type":`), e.typ)
	out = wire.AppendString(append(out, `,"cid":`...), cid)
	out = wire.AppendString(append(out, `,"channel_type":`...), typ)
	out = wire.AppendString(append(out, `,"channel_id":`...), id)
	if e.parent != "" {
		out = wire.AppendString(append(out, `,"parent_id":`...), e.parent)
	}
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		if _, err := channel(r, cid); err != nil {
			return err
		}
		if err := canWrite(r, "event.user_id", e.user); err != nil {
			return err
		}
		key, err := r.UserKey(e.user)
		if err == nil {
			out, err = render.New(r).User(append(out, `,"user":`...), key)
		}
		return err
	})
	out = s.now().AppendJSON(append(out, `,"created_at":`...))
	out = wire.AppendCustom(out, e.custom)
	return append(out, `}}`...), err
}

func decodeEvent(body []byte) (*event, error) {
	var e *event
	err := wire.Object(body, func(name string, v jsontext.Value, _ int64) (err error) {
		if name == "event" && !wire.IsNull(v) {
			e = &event{}
			err = refuse(e.decode(v), "event")
		}
		return err
	})
	switch {
	case err != nil:
		return nil, refuse(err, "")
	case e == nil:
		return nil, wire.BadField("event", "is required")
	case e.typ == "":
		return nil, wire.BadField("event.type", "is required")
	case len(e.typ) > maxEventType || strings.ContainsFunc(e.typ, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return nil, wire.BadField("event.type", "must have at most %d bytes and no control characters", maxEventType)
	case e.user == "":
		return nil, wire.Errorf(wire.CodeBadInput,
			"either event.user or event.user_id must be provided when using server side auth.")
	}
	return e, wire.CheckCustom("event", e.custom)
}

func (e *event) decode(raw jsontext.Value) error {
	add := func(name string, v jsontext.Value) {
		if !slices.ContainsFunc(e.custom, func(f chat.CustomField) bool { return f.Name == name }) {
			e.custom = append(e.custom, chat.CustomField{Name: name, Value: wire.AppendCompact(nil, v)})
		}
	}
	var nested jsontext.Value
	err := wire.Object(raw, func(name string, v jsontext.Value, at int64) (err error) {
		switch {
		case name == "type":
			e.typ, err = wire.String(name, v, at)
		case name == "user", name == "user_id":
			var id string
			id, err = wire.UserRef(name, v, at)
			if err == nil && e.user != "" && id != "" && id != e.user {
				err = wire.BadField("event."+name, "names another id than the other fields do")
			}
			if id != "" {
				e.user = id
			}
		case name == "parent_id":
			e.parent, err = wire.ID(name, v, at, wire.MaxMessageID)
		case name == "custom":
			nested = v
		case !slices.Contains(eventNames, name):
			add(name, v)
		}
		return err
	})
	if err != nil {
		return err
	}
	if nested != nil && !wire.IsNull(nested) {
		err = wire.Within(wire.Object(nested, func(name string, v jsontext.Value, _ int64) error {
			if name == "custom" || slices.Contains(eventNames, name) {
				return wire.BadField("event.custom."+name, "has the name of a built-in field")
			}
			add(name, v)
			return nil
		}), "custom", 0)
	}
	slices.SortFunc(e.custom, func(a, b chat.CustomField) int { return strings.Compare(a.Name, b.Name) })
	return err
}
