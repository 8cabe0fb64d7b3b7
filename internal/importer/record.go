package importer

import (
	"bytes"
	"cmp"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"hansard/internal/chat"
	"hansard/internal/importer/scan"
	"hansard/internal/wire"
)

// kind is what a record is. Kinds are numbered in the order in which they must
// stand in a file.
type kind int

const (
	kindUser kind = iota
	kindDevice
	kindBan
	kindChannel
	kindMember
	kindRead
	kindMessage
	kindReaction
	kindCall
)

var kindNames = [...]string{"user", "device", "future_channel_ban", "channel", "member", "read", "message", "reaction", "call"}

func (k kind) String() string { return kindNames[k] }

func kindOf(name string) (kind, bool) {
	for k, n := range kindNames {
		if n == name {
			return kind(k), true
		}
	}
	return 0, false
}

// record is a decoded record. Only the entity of its kind is meaningful, and
// everything in it but the entity is valid only until the next record.
type record struct {
	rec  *scan.Record
	kind kind

	user     chat.User
	channel  wire.ChannelInput
	members  []wire.MemberInput // from the members that a channel lists
	member   wire.MemberInput
	read     wire.ReadInput
	message  chat.Message
	reaction chat.Reaction
	call     chat.Call

	// undated says that created_at was not given.
	undated bool
	// embedded are the user objects inside the record, and where they begin.
	embedded   []jsontext.Value
	embeddedAt []int64
	// reactions are those to the message that stand in it.
	reactions []chat.Reaction
}

// parser decodes the records of a file and fills in defaults.
type parser struct {
	scan *scan.Scanner
	now  chat.Time // created_at where it is not given
	// embeddedReactions says that the reactions inside messages count: in a
	// v1 or users export, but not where reactions have lines of their own.
	embeddedReactions func() bool

	cid   string // the channel around us in a v1 export
	group int64
	emb   wire.Embedded
	inner wire.Embedded
	out   record
}

// next returns the next record, valid until the next call; io.EOF after the
// last; *badRecord for one that cannot be used. Any other error is final.
func (p *parser) next() (*record, error) {
	rec, err := p.scan.Next()
	if err != nil {
		return nil, unusable(err)
	}
	return p.record(rec)
}

// unusable makes a *badRecord of the scanner's error if reading can go on.
func unusable(err error) error {
	if bad, ok := errors.AsType[*scan.Error](err); ok {
		return &badRecord{
			Problem: problemAt(bad.Pos, bad.Field, "%s", bad.Reason),
			notJSON: bad.NotJSON, foreign: bad.Foreign,
		}
	}
	return err
}

// record decodes a record of the scanner, with the results of next.
func (p *parser) record(rec *scan.Record) (*record, error) {
	k, ok := kindOf(rec.Type)
	if !ok {
		return nil, &badRecord{Problem: problemAt(rec.TypePos, "type",
			"must be user, device, future_channel_ban, channel, member, read, message, reaction or call")}
	}
	out := &p.out
	*out = record{rec: rec, kind: k, reactions: out.reactions[:0], members: out.members[:0]}
	p.emb.Reset()
	if err := p.decode(out); err != nil {
		if field, ok := errors.AsType[*wire.FieldError](err); ok {
			return nil, &badRecord{Problem: fieldProblem(rec, 0, field), partly: out}
		}
		return nil, err
	}
	out.embedded, out.embeddedAt = p.emb.Users, p.emb.UserAt
	return out, nil
}

// skip passes over a record without decoding it.
func (p *parser) skip() error {
	rec, err := p.scan.Next()
	if err == nil && rec.Group > 0 && rec.Type == "channel" {
		// What follows belongs to this channel.
		var ch wire.ChannelInput
		if ch, err = wire.DecodeChannel(rec.Raw, nil); err == nil {
			p.cid, p.group = ch.CID(), rec.Group
		}
	}
	return err
}

func (p *parser) decode(out *record) (err error) {
	raw := out.rec.Raw
	switch out.kind {
	case kindUser:
		if out.user, err = wire.DecodeUser(raw); err == nil {
			out.undated = p.fillUser(&out.user)
		}
	case kindDevice, kindBan:
		return wire.Object(raw, func(string, jsontext.Value, int64) error { return nil })
	case kindChannel:
		return p.decodeChannel(out)
	case kindMember:
		if out.member, err = wire.DecodeMember(raw, &p.emb); err == nil {
			err = p.within(out.rec, &out.member.CID)
			out.undated = p.fillMember(&out.member, p.now)
		}
	case kindRead:
		if out.read, err = wire.DecodeRead(raw, &p.emb); err == nil {
			err = p.within(out.rec, &out.read.CID)
		}
	case kindMessage:
		return p.decodeMessage(out)
	case kindReaction:
		if out.reaction, err = wire.DecodeReaction(raw, &p.emb); err == nil {
			out.undated = p.fillReaction(&out.reaction)
		}
	case kindCall:
		if out.call, err = wire.DecodeCall(raw, &p.emb); err == nil {
			err = p.fillCall(&out.call)
		}
	}
	return err
}

// within gives an entity of a v1 export the channel it stands in.
func (p *parser) within(rec *scan.Record, cid *string) error {
	if *cid != "" {
		return nil
	}
	if rec.Group == 0 {
		return &wire.FieldError{Field: "cid", Reason: "is required, or channel_type and channel_id"}
	}
	if rec.Group != p.group {
		return &wire.FieldError{Field: "channel", Reason: "must stand before the lists of its messages and members"}
	}
	*cid = p.cid
	return nil
}

func (p *parser) decodeChannel(out *record) (err error) {
	if out.channel, err = wire.DecodeChannel(out.rec.Raw, &p.emb); err != nil {
		return err
	}
	ch := &out.channel
	out.undated = ch.CreatedAt == 0
	ch.CreatedAt = cmp.Or(ch.CreatedAt, p.now)
	ch.UpdatedAt = cmp.Or(ch.UpdatedAt, ch.CreatedAt)
	if out.rec.Group > 0 {
		p.cid, p.group = ch.CID(), out.rec.Group
	}
	for _, id := range ch.MemberIDs {
		m := wire.MemberInput{CID: ch.CID()}
		m.UserID = id
		p.fillMember(&m, ch.CreatedAt)
		out.members = append(out.members, m)
	}
	for _, item := range ch.Members {
		m, err := wire.DecodeMember(item, nil) // its user is collected already
		if err != nil {
			return wire.Within(err, "members", int64(offsetIn(out.rec.Raw, item)))
		}
		m.CID = ch.CID()
		p.fillMember(&m, ch.CreatedAt)
		out.members = append(out.members, m)
	}
	return nil
}

// offsetIn is where part, which is a part of whole, begins in it.
func offsetIn(whole, part []byte) int { return cap(whole) - cap(part) }

func (p *parser) decodeMessage(out *record) (err error) {
	m := &out.message
	if out.rec.Group > 0 {
		// The channel is known without being named.
		if *m, err = wire.DecodeNewMessage(out.rec.Raw, &p.emb); err == nil {
			err = p.within(out.rec, &m.CID)
		}
		if err == nil && m.ID == "" {
			err = &wire.FieldError{Field: "id", Reason: "is required"}
		}
	} else {
		*m, err = wire.DecodeMessage(out.rec.Raw, &p.emb)
	}
	if err != nil {
		return err
	}
	out.undated = m.CreatedAt == 0
	m.CreatedAt = cmp.Or(m.CreatedAt, p.now)
	m.UpdatedAt = cmp.Or(m.UpdatedAt, m.CreatedAt)
	if len(p.emb.Reactions) == 0 || !p.embeddedReactions() {
		return nil
	}
	for i, raw := range p.emb.Reactions {
		p.inner.Reset()
		r, err := wire.DecodeReaction(raw, &p.inner)
		if err != nil {
			return wire.Within(err, "latest_reactions", p.emb.ReactionAt[i])
		}
		if r.MessageID != m.ID {
			continue
		}
		p.fillReaction(&r)
		out.reactions = append(out.reactions, r)
		for j, user := range p.inner.Users {
			p.emb.Users = append(p.emb.Users, user)
			p.emb.UserAt = append(p.emb.UserAt, p.emb.ReactionAt[i]+p.inner.UserAt[j])
		}
	}
	return nil
}

// fillUser sets defaults, and reports whether the creation time is one. The
// trace of a deleted user stays a trace.
func (p *parser) fillUser(u *chat.User) (undated bool) {
	trace := u.DeletedAt != 0 && u.Role == "" && u.Name == "" && len(u.Custom) == 0
	undated = u.CreatedAt == 0
	if undated && trace {
		return false
	}
	u.Role = cmp.Or(u.Role, "user")
	u.CreatedAt = cmp.Or(u.CreatedAt, p.now)
	u.UpdatedAt = cmp.Or(u.UpdatedAt, u.CreatedAt)
	return undated
}

func (p *parser) fillMember(m *wire.MemberInput, at chat.Time) (undated bool) {
	undated = m.CreatedAt == 0
	m.CreatedAt = cmp.Or(m.CreatedAt, at)
	m.UpdatedAt = cmp.Or(m.UpdatedAt, m.CreatedAt)
	m.ChannelRole = cmp.Or(m.ChannelRole, "channel_member")
	return undated
}

func (p *parser) fillReaction(r *chat.Reaction) (undated bool) {
	undated = r.CreatedAt == 0
	r.CreatedAt = cmp.Or(r.CreatedAt, p.now)
	r.UpdatedAt = cmp.Or(r.UpdatedAt, r.CreatedAt)
	return undated
}

func (p *parser) fillCall(c *chat.Call) error {
	if c.CreatedBy == "" {
		return &wire.FieldError{Field: "created_by", Reason: "is required"}
	}
	c.CreatedAt = cmp.Or(c.CreatedAt, p.now)
	c.UpdatedAt = cmp.Or(c.UpdatedAt, c.CreatedAt)
	for i := range c.Members {
		c.Members[i].CreatedAt = cmp.Or(c.Members[i].CreatedAt, c.CreatedAt)
		c.Members[i].Role = cmp.Or(c.Members[i].Role, "user")
	}
	return nil
}

// fullUser decodes a user object that stands inside another entity. One that
// has neither been created nor deleted only refers to a user.
func fullUser(raw []byte) (u chat.User, ok bool, err error) {
	u, err = wire.DecodeUser(raw)
	return u, err == nil && (u.CreatedAt != 0 || u.DeletedAt != 0), err
}

// has reports whether the object has that key.
func has(raw []byte, key string) bool {
	err := wire.Object(raw, func(name string, _ jsontext.Value, _ int64) error {
		if name == key {
			return io.EOF
		}
		return nil
	})
	return errors.Is(err, io.EOF)
}

var deletedKey = []byte(`"deleted_at"`)

// mayDefine reports whether an embedded user object may be more than a
// reference, without decoding it.
func mayDefine(raw []byte) bool {
	return bytes.Contains(raw, createdKey) || bytes.Contains(raw, deletedKey)
}

var createdKey = []byte(`"created_at"`)
