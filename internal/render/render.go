package render

import (
	"errors"
	"fmt"

	"hansard/internal/body"
	"hansard/internal/chat"
	"hansard/internal/memory"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// Renderer appends rows of one Reader as JSON objects. It remembers users, so
// it must not outlive the Reader's instant. It is for one goroutine.
type Renderer struct {
	// Clear writes the text of deleted messages as cleared (contract section
	// 3, clear_deleted_message_text).
	Clear bool
	// Seen, if set, is called with the key of every user that is written.
	Seen func(key int64)

	reader  store.Reader
	users   userCache
	configs map[string][]byte // by type of channels
	hidden  struct {          // see HideBefore
		channel int64
		before  chat.Time
	}
	levels [2]level         // a message and the message it quotes
	read   store.MessageRow // the message that is quoted
	buf    []byte           // its bytes, or a user
	other  body.Fill
}

// level is the memory for rendering one message.
type level struct {
	fill      body.Fill
	reactions []byte
	thread    []byte
	pin       []byte
	quoted    []byte
}

// New returns a Renderer for a handful of rows.
func New(r store.Reader) *Renderer {
	onHeap := func(size int) ([]byte, func()) { return make([]byte, size), func() {} }
	return newRenderer(r, fewSlots, fewBytes, onHeap)
}

// NewBulk returns a Renderer for a whole channel or user, which must be closed.
func NewBulk(r store.Reader) *Renderer { return newRenderer(r, bulkSlots, bulkBytes, memory.New) }

func newRenderer(r store.Reader, slots, size int, take func(int) ([]byte, func())) *Renderer {
	rr := &Renderer{reader: r}
	rr.users = userCache{reader: r, seen: &rr.Seen}
	b, free := take(8*slots + size)
	rr.users.slots, rr.users.ring, rr.users.free = b[:8*slots], b[8*slots:], free
	rr.other.Users = &rr.users
	for i := range rr.levels {
		rr.levels[i].fill.Users = &rr.users
	}
	return rr
}

// Close gives back the memory of a Renderer that NewBulk has made. It must not be
// used any more.
func (r *Renderer) Close() {
	r.users.free()
	r.users.ring, r.users.slots, r.users.free = nil, nil, func() {}
}

// HideBefore leaves out quoted messages of a channel that were created before
// an instant: what was truncated must not come back as a quotation.
func (r *Renderer) HideBefore(channel int64, before chat.Time) {
	r.hidden.channel, r.hidden.before = channel, before
}

// User appends the user with that key.
func (r *Renderer) User(dst []byte, key int64) ([]byte, error) {
	return r.users.AppendUser(dst, key)
}

// UserID appends the id, as a JSON string, of the user with that key.
func (r *Renderer) UserID(dst []byte, key int64) ([]byte, error) {
	return r.users.AppendUserID(dst, key)
}

// Channel appends a channel.
func (r *Renderer) Channel(dst []byte, row *store.ChannelRow) ([]byte, error) {
	createdBy, err := r.copyUser(row.CreatedBy)
	if err != nil {
		return dst, err
	}
	truncatedBy, err := r.copyUser(row.TruncatedBy)
	if err != nil {
		return dst, err
	}
	config, err := r.config(row.Channel.Type)
	if err != nil {
		return dst, err
	}
	return wire.AppendChannel(dst, &row.Channel, createdBy, truncatedBy, config, row.MemberCount, row.MessageCount), nil
}

// maxConfigs bounds the configurations that a Renderer remembers.
const maxConfigs = 64

// config is the configuration of a type of channels: the app's own, or the one
// that every type has.
func (r *Renderer) config(channelType string) ([]byte, error) {
	if config, ok := r.configs[channelType]; ok {
		return config, nil
	}
	config, err := r.reader.Setting(store.ChannelTypePrefix + channelType)
	if errors.Is(err, store.ErrNotFound) {
		config, err = wire.AppendConfig(nil, channelType), nil
	}
	if err != nil {
		return nil, err
	}
	if r.configs == nil || len(r.configs) >= maxConfigs {
		r.configs = map[string][]byte{}
	}
	r.configs[channelType] = config
	return config, nil
}

func (r *Renderer) copyUser(key int64) ([]byte, error) {
	if key == 0 {
		return nil, nil
	}
	return r.User(nil, key)
}

// Member appends a member of a channel whose creator has that key.
func (r *Renderer) Member(dst []byte, row *store.MemberRow, creator int64) ([]byte, error) {
	r.other.Slots[body.Role] = roleMember
	if row.User == creator {
		r.other.Slots[body.Role] = roleOwner
	}
	return body.Append(dst, row.Body, &r.other)
}

var (
	roleOwner  = []byte(`,"role":"owner"`)
	roleMember = []byte(`,"role":"member"`)
)

// Read appends a read state.
func (r *Renderer) Read(dst []byte, row *store.ReadRow) ([]byte, error) {
	var err error
	if r.buf, err = r.users.AppendUser(r.buf[:0], row.User); err != nil {
		return dst, err
	}
	return wire.AppendRead(dst, &row.Read, r.buf), nil
}

// Reaction appends a reaction.
func (r *Renderer) Reaction(dst []byte, row *store.ReactionRow) ([]byte, error) {
	return body.Append(dst, row.Body, &r.other)
}

// ReactionBody appends a reaction given by its body, as it stands in the
// summary of its message.
func (r *Renderer) ReactionBody(dst, reaction []byte) ([]byte, error) {
	return body.Append(dst, reaction, &r.other)
}

// Call appends a call.
func (r *Renderer) Call(dst []byte, row *store.CallRow) ([]byte, error) {
	return body.Append(dst, row.Body, &r.other)
}

// CallDetails appends a call with what exports leave out.
func (r *Renderer) CallDetails(dst []byte, row *store.CallRow) ([]byte, error) {
	if row.Details == nil {
		return r.Call(dst, row)
	}
	return body.Append(dst, row.Details, &r.other)
}

// Message appends a message with its reactions, its thread and the message it
// quotes.
func (r *Renderer) Message(dst []byte, row *store.MessageRow) ([]byte, error) {
	return r.message(dst, row, 0)
}

var (
	noReactions = []byte(wire.NoReactions)
	noThread    = []byte(wire.NoThread)
	noPin       = []byte(wire.NoPin)
)

func (r *Renderer) message(dst []byte, row *store.MessageRow, depth int) ([]byte, error) {
	l := &r.levels[depth]
	l.fill.Clear = r.Clear
	l.fill.Slots[body.Reactions] = noReactions
	l.fill.Slots[body.Thread] = noThread
	l.fill.Slots[body.Pin] = noPin
	l.fill.Slots[body.Quoted] = nil
	var err error
	if len(row.Reactions) > 0 {
		if l.reactions, err = r.reactions(l.reactions[:0], row.Reactions); err != nil {
			return dst, err
		}
		l.fill.Slots[body.Reactions] = l.reactions
	}
	if len(row.Thread) > 0 {
		if l.thread, err = body.Append(l.thread[:0], row.Thread, &r.other); err != nil {
			return dst, err
		}
		l.fill.Slots[body.Thread] = l.thread
	}
	if len(row.Pin) > 0 {
		if l.pin, err = body.Append(l.pin[:0], row.Pin, &r.other); err != nil {
			return dst, err
		}
		l.fill.Slots[body.Pin] = l.pin
	}
	if len(row.QuotedID) > 0 && depth == 0 {
		if l.quoted, err = r.quoted(l.quoted[:0], row.QuotedID); err != nil {
			return dst, err
		}
		l.fill.Slots[body.Quoted] = l.quoted
	}
	dst, err = body.Append(dst, row.Body, &l.fill)
	if err != nil {
		return dst, fmt.Errorf("message %s: %w", row.ID, err)
	}
	return dst, nil
}

func (r *Renderer) reactions(dst, summary []byte) ([]byte, error) {
	dst = append(dst, `,"latest_reactions":[`...)
	first := true
	rest, err := wire.EachReaction(summary, func(reaction []byte) error {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		var err error
		dst, err = body.Append(dst, reaction, &r.other)
		return err
	})
	if err != nil {
		return dst, err
	}
	dst = append(dst, ']')
	return append(dst, rest...), nil
}

// quoted appends the quoted message, or nothing if it is gone.
func (r *Renderer) quoted(dst, id []byte) ([]byte, error) {
	row := &r.read
	buf, found, err := r.reader.MessageInto(row, r.buf[:0], id)
	r.buf = buf
	if err != nil || !found {
		return dst, err
	}
	if row.Channel == r.hidden.channel && row.CreatedAt < r.hidden.before {
		return dst, nil
	}
	dst = append(dst, `,"quoted_message":`...)
	return r.message(dst, row, 1)
}
