package format

import (
	"bytes"
	"errors"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// defaultColumns are those of a table for which none were asked (contract
// section 5).
var defaultColumns = []string{
	"id", "cid", "channel_type", "channel_id", "type", "user_id", "user_name", "text", "parent_id", "show_in_channel",
	"quoted_message_id", "attachments", "mentioned_users", "reaction_counts", "reply_count", "pinned", "created_at",
	"updated_at", "deleted_at",
}

// content is what the values of a column are. Custom fields are documents:
// what one of them holds may change from message to message.
type content int

const (
	document content = iota // any JSON value
	text                    // a string
	instant                 // a time
	flag                    // a boolean
	count                   // a whole number
)

// builtIn are the columns that exist whether or not any message has a value
// there: the fields of a message, and what is derived for tables.
var builtIn = map[string]content{
	"channel_type": text, "channel_id": text, "user_id": text, "user_name": text,

	"id": text, "text": text, "html": text, "type": text, "user": document, "attachments": document,
	"latest_reactions": document, "own_reactions": document, "reaction_counts": document, "reaction_scores": document,
	"reaction_groups": document, "parent_id": text, "show_in_channel": flag, "thread_participants": document,
	"reply_count": count, "deleted_reply_count": count, "quoted_message_id": text, "quoted_message": document,
	"cid": text, "created_at": instant, "updated_at": instant, "deleted_at": instant, "message_text_updated_at": instant,
	"shadowed": flag, "mentioned_users": document, "silent": flag, "pinned": flag, "pinned_at": instant,
	"pinned_by": document, "pin_expires": instant, "restricted_visibility": document, "command": text, "i18n": document,
	"mml": text,
}

// table picks the values of its columns out of rendered messages.
type table struct {
	names  []string
	fields map[string]int // columns found in the message by their name
	// Positions of the derived columns, -1 where they were not asked for.
	channelType, channelID, userID, userName int

	channel struct{ typ, id []byte } // JSON
	line    []byte                   // the rendered message, which values are parts of
	values  []jsontext.Value         // by column; nil where the message has nothing
}

// newTable makes a table of these columns; of the default ones if there are
// none.
func newTable(columns []string) *table {
	if len(columns) == 0 {
		columns = defaultColumns
	}
	t := &table{
		names: columns, fields: make(map[string]int, len(columns)), values: make([]jsontext.Value, len(columns)),
		channelType: -1, channelID: -1, userID: -1, userName: -1,
	}
	for i, name := range columns {
		// A custom field can be called user_name: the author's name hides it.
		switch name {
		case "channel_type":
			t.channelType = i
		case "channel_id":
			t.channelID = i
		case "user_id":
			t.userID = i
		case "user_name":
			t.userName = i
		default:
			t.fields[name] = i
		}
	}
	return t
}

// begin turns to the messages of a channel.
func (t *table) begin(c *chat.Channel) {
	t.channel.typ = wire.AppendString(t.channel.typ[:0], c.Type)
	t.channel.id = wire.AppendString(t.channel.id[:0], c.ID)
}

// read takes up a message. The values are valid until the next one.
func (t *table) read(r *render.Renderer, row *store.MessageRow) (err error) {
	if t.line, err = r.Message(t.line[:0], row); err != nil {
		return err
	}
	clear(t.values)
	t.put(t.channelType, t.channel.typ)
	t.put(t.channelID, t.channel.id)
	return wire.Members(t.line, func(name []byte, v jsontext.Value) error {
		if i, ok := t.fields[string(name)]; ok {
			t.put(i, v)
		}
		if string(name) == "user" && (t.userID >= 0 || t.userName >= 0) {
			return t.author(v)
		}
		return nil
	})
}

func (t *table) author(user []byte) error {
	return wire.Members(user, func(name []byte, v jsontext.Value) error {
		switch string(name) {
		case "id":
			t.put(t.userID, v)
		case "name":
			t.put(t.userName, v)
		}
		return nil
	})
}

func (t *table) put(i int, v jsontext.Value) {
	if i >= 0 && !wire.IsNull(v) {
		t.values[i] = v
	}
}

// plain gives a string without its quotes and escapes. It is v's memory, or
// else scratch's, which is handed back.
func plain(v jsontext.Value, scratch []byte) (s, grown []byte, err error) {
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1], scratch, nil
	}
	at := len(scratch)
	scratch, err = jsontext.AppendUnquote(scratch, v)
	return scratch[at:], scratch, err
}

// How far Unknown looks: the first messages of a channel, and, because custom
// fields are introduced over time, some at each of several places, each half
// as far from the last message as the one before it.
const (
	lookFirst  = 1000
	lookPlaces = 10
	lookThere  = 100
)

// Unknown returns the columns that are neither built in nor a field of any
// message that a look at each of the channels finds. The look is bounded
// however long the channels are. Without channels nothing is unknown: those
// that a filter finds are not known before the export runs.
func Unknown(r store.Reader, rows []store.ChannelRow, columns []string) ([]string, error) {
	var unknown []string
	for _, name := range columns {
		if _, ok := builtIn[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	l := &look{reader: r, render: render.New(r), unknown: unknown}
	for i := range rows {
		if err := l.channel(&rows[i]); err != nil {
			return nil, err
		}
	}
	return l.unknown, nil
}

// errSeen ends a look early.
var errSeen = errors.New("seen enough")

// look searches messages for the fields that are still unknown.
type look struct {
	reader  store.Reader
	render  *render.Renderer
	unknown []string
	line    []byte
}

func (l *look) channel(row *store.ChannelRow) error {
	first, n, err := l.from(row.Key, 0, lookFirst)
	if err != nil || n < lookFirst {
		return err
	}
	last := row.Channel.LastMessageAt
	distance := last - first
	for range lookPlaces {
		if distance /= 2; distance <= 0 {
			return nil
		}
		if _, _, err := l.from(row.Key, last-distance, lookThere); err != nil {
			return err
		}
	}
	return nil
}

// from looks at up to most messages since that time. It returns how many there
// were and the time of the first.
func (l *look) from(channel int64, since chat.Time, most int) (first chat.Time, n int, err error) {
	if len(l.unknown) == 0 {
		return 0, 0, nil
	}
	err = l.reader.Messages(store.MessageRange{Channel: channel, Since: since}, func(row *store.MessageRow) (err error) {
		if n == 0 {
			first = row.CreatedAt
		}
		n++
		if l.line, err = l.render.Message(l.line[:0], row); err != nil {
			return err
		}
		err = wire.Members(l.line, func(name []byte, _ jsontext.Value) error {
			l.unknown = slices.DeleteFunc(l.unknown, func(u string) bool { return u == string(name) })
			return nil
		})
		if err == nil && (n == most || len(l.unknown) == 0) {
			err = errSeen
		}
		return err
	})
	if errors.Is(err, errSeen) {
		err = nil
	}
	return first, n, err
}
