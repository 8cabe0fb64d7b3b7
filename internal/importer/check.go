package importer

import (
	"bytes"
	"context"
	"errors"
	"io"

	"hansard/internal/chat"
	"hansard/internal/importer/refs"
	"hansard/internal/importer/scan"
	"hansard/internal/store"
)

// What is noted in the table of ids.
const (
	idUser refs.Kind = iota
	idChannel
	idMember
	idMessage
	idReaction
	idCall
)

// Flags of definitions and references.
const (
	flagWeak   = 1 << iota // from inside another entity: may come again and again
	flagReply              // a message with a parent
	flagParent             // a reference to a parent
	flagBad                // only the id is known
	flagStored             // a reply that the store has to a message of the file
)

// The fields in which references stand.
const (
	atUser uint8 = iota
	atCreatedBy
	atTruncatedBy
	atMentioned
	atPinnedBy
	atMembers
	atChannel
	atParent
	atMessage
)

// fields names them; the first that the record has is pointed at.
var fields = [...][]string{
	atUser:        {"user", "user_id"},
	atCreatedBy:   {"created_by", "created_by_id"},
	atTruncatedBy: {"truncated_by", "truncated_by_id"},
	atMentioned:   {"mentioned_users", "mentioned_users_ids", "mentioned_user_ids"},
	atPinnedBy:    {"pinned_by", "pinned_by_id"},
	atMembers:     {"member_ids", "members"},
	atChannel:     {"cid", "channel_cid", "channel_id", "channel_member_ids", "channel_type"},
	atParent:      {"parent_id"},
	atMessage:     {"message_id"},
}

// plan is what the check of a file finds out for the loading.
type plan struct {
	Form     Form  `json:"form"`
	Records  int64 `json:"records"`
	Messages int64 `json:"messages"`  // of the records
	LastRead bool  `json:"last_read"` // some read state has to be counted
	// Reactions are the records before the first reaction and ReactionsAt is where
	// that begins, if they can be loaded with the messages that they are to; see early.
	Reactions   int64 `json:"reactions,omitempty"`
	ReactionsAt int64 `json:"reactions_at,omitempty"`
	// Again are the reactions of a users export that it brings a second time: inside
	// the message that they are to, and on a line of the user whose they are.
	Again int64 `json:"again,omitempty"`
}

// checker checks a whole file without writing anything.
type checker struct {
	parser   *parser
	table    *refs.Table
	order    order
	problems problems
	plan     plan
	users    seen
	threads  threads
	view     func(func(store.Reader) error) error
	key      []byte
	rec      *scan.Record
}

// check reads the file to its end and checks it. A file with problems gives
// them and a nil error; an error says that the check could not be made. insert says
// that the file will change nothing that is stored.
func check(ctx context.Context, s *scan.Scanner, now chat.Time, dir string, limit int, insert bool,
	view func(func(store.Reader) error) error, progress func(records, messages int64),
) (plan, problems, error) {
	c := &checker{table: refs.New(dir, limit), users: newSeen(), threads: threads{insert: insert}, view: view}
	c.parser = &parser{scan: s, now: now, embeddedReactions: c.embeddedReactions}
	err := view(func(r store.Reader) error {
		some, err := r.Threads()
		c.threads.none = !some
		return err
	})
	if err == nil {
		err = c.read(ctx, progress)
	}
	if err == nil {
		err = c.answer()
	}
	if err == nil && !c.problems.more && !c.problems.notChat {
		err = view(func(r store.Reader) error { return c.resolve(ctx, r) })
	}
	if closeErr := c.table.Close(); err == nil {
		err = closeErr
	}
	if c.plan.Form = c.order.form(); c.plan.Form != Documented {
		c.plan.Reactions, c.plan.ReactionsAt = 0, 0
	}
	return c.plan, c.problems, err
}

// embeddedReactions reports whether the reactions inside the message that is being
// decoded count.
func (c *checker) embeddedReactions() bool {
	if c.order.decided {
		return c.order.form().embeddedReactions()
	}
	// This message decides, and if it is one of an export, then of a users export.
	return len(c.parser.emb.Users) > 0 && !c.parser.out.rec.Item
}

func (c *checker) read(ctx context.Context, progress func(records, messages int64)) error {
	next := c.parser.next
	var ahead *ahead
	defer func() {
		if ahead != nil {
			ahead.close()
		}
	}()
	end := int64(0) // of the record before
	for first := true; ; first = false {
		if ahead == nil && c.parser.scan.Lines() && c.order.settled() {
			ahead = decodeAhead(ctx, c.parser.scan, c.parser.now)
			next = ahead.next
		}
		r, err := next()
		var bad *badRecord
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			if first && bad.foreign {
				bad.Reason, c.problems.notChat = "is not JSON: this is not a chat file", true
			}
			c.problems.add(bad.Problem)
			if first && (bad.notJSON || bad.foreign) {
				return nil // of what follows there is no more to be said
			}
			if err := c.noteBad(bad.partly); err != nil {
				return err
			}
			if c.problems.more {
				return nil
			}
			continue
		case err != nil:
			return err
		}
		switch {
		case r.kind == kindMessage:
			c.plan.Messages++
		case r.kind == kindReaction && c.plan.ReactionsAt == 0 && c.parser.scan.Lines() && c.parser.scan.Plain():
			c.plan.Reactions, c.plan.ReactionsAt = c.plan.Records, end
		}
		end = r.rec.End
		if c.plan.Records++; c.plan.Records%256 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			progress(c.plan.Records, c.plan.Messages)
		}
		c.rec = r.rec
		if after, ok := c.order.see(r); !ok {
			c.problems.add(problemAt(r.rec.TypePos, "type", "%s must come before %s", r.kind, after))
		}
		if err := c.note(r); err != nil {
			return err
		}
	}
}

// note notes what a record defines and what it refers to.
func (c *checker) note(r *record) error {
	if err := c.noteEmbedded(r); err != nil {
		return err
	}
	switch r.kind {
	case kindUser:
		return c.define(idUser, r.user.ID, 0, 0)
	case kindChannel:
		return c.noteChannel(r)
	case kindMember:
		if r.member.LastRead != 0 {
			c.plan.LastRead = true
		}
		return errors.Join(
			c.define(idMember, join(&c.key, r.member.CID, r.member.UserID), 0, 0),
			c.channel(r.member.CID),
			c.user(atUser, r.member.UserID))
	case kindRead:
		if r.read.Unread < 0 {
			c.plan.LastRead = true
		}
		return errors.Join(c.channel(r.read.CID), c.user(atUser, r.read.UserID))
	case kindMessage:
		return c.noteMessage(r)
	case kindReaction:
		return c.noteReaction(&r.reaction, 0)
	case kindCall:
		err := errors.Join(c.define(idCall, r.call.CID(), 0, 0), c.user(atCreatedBy, r.call.CreatedBy))
		for i := range r.call.Members {
			err = errors.Join(err, c.user(atMembers, r.call.Members[i].UserID))
		}
		return err
	}
	return nil
}

// noteEmbedded notes the users whose objects stand in the record.
func (c *checker) noteEmbedded(r *record) error {
	for i, raw := range r.embedded {
		if !mayDefine(raw) || c.users.before(raw) {
			continue
		}
		u, ok, err := fullUser(raw)
		if err != nil {
			c.problem(err, r.embeddedAt[i])
		}
		if !ok && (err == nil || u.ID == "") {
			continue
		}
		if err := c.define(idUser, u.ID, flagWeak, 0); err != nil {
			return err
		}
	}
	return nil
}

// noteBad notes the id of a record that has been found bad already.
func (c *checker) noteBad(r *record) error {
	if r == nil {
		return nil
	}
	c.rec = r.rec
	switch {
	case r.kind == kindUser && r.user.ID != "":
		return c.define(idUser, r.user.ID, flagWeak, 0)
	case r.kind == kindChannel && r.channel.Type != "" && r.channel.ID != "":
		return c.define(idChannel, r.channel.CID(), flagWeak, 0)
	case r.kind == kindMessage && r.message.ID != "":
		return c.define(idMessage, r.message.ID, flagWeak|flagBad, 0)
	}
	return nil
}

func (c *checker) noteChannel(r *record) error {
	ch := &r.channel
	err := errors.Join(
		c.define(idChannel, ch.CID(), 0, 0),
		c.user(atCreatedBy, ch.CreatedBy),
		c.user(atTruncatedBy, ch.TruncatedBy))
	for i := range r.members {
		err = errors.Join(err, c.user(atMembers, r.members[i].UserID))
	}
	return err
}

func (c *checker) noteMessage(r *record) error {
	m := &r.message
	flags := uint8(0)
	if m.ParentID != "" {
		flags = flagReply
	}
	if err := c.define(idMessage, m.ID, flags, c.table.Hash(m.CID)); err != nil {
		return err
	}
	if err := c.ask(m); err != nil {
		return err
	}
	if err := c.channel(m.CID); err != nil {
		return err
	}
	if err := c.user(atUser, m.UserID); err != nil {
		return err
	}
	for _, id := range m.MentionedUsers {
		if err := c.user(atMentioned, id); err != nil {
			return err
		}
	}
	if m.PinnedBy != "" {
		if err := c.user(atPinnedBy, m.PinnedBy); err != nil {
			return err
		}
	}
	if m.ParentID == m.ID {
		at, _ := fieldPos(c.rec, fields[atParent])
		c.problems.add(problemAt(at, "parent_id", "names the message itself"))
	} else if m.ParentID != "" {
		n := refs.Note{Kind: idMessage, Field: atParent, Flags: flagParent, Extra: c.table.Hash(m.CID)}
		name := m.ParentID + " " + m.CID
		if c.threads.insert {
			name += " " + m.ID // it may be stored, and is left alone then
		}
		if err := c.refer(m.ParentID, n, name); err != nil {
			return err
		}
	}
	for i := range r.reactions {
		if err := c.noteReaction(&r.reactions[i], flagWeak); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) noteReaction(r *chat.Reaction, flags uint8) error {
	err := c.user(atUser, r.UserID)
	if err == nil && (flags&flagWeak == 0 || c.order.form() == ExportUsers) {
		err = c.define(idReaction, join(&c.key, r.MessageID, r.UserID, r.Type), flags, 0)
	}
	if err == nil && flags&flagWeak == 0 && !c.known(idMessage, r.MessageID) {
		err = c.refer(r.MessageID, refs.Note{Kind: idMessage, Field: atMessage}, r.MessageID)
	}
	return err
}

// join makes one id of several.
func join(buf *[]byte, parts ...string) string {
	b := (*buf)[:0]
	for i, p := range parts {
		if i > 0 {
			b = append(b, 0)
		}
		b = append(b, p...)
	}
	*buf = b
	return string(b)
}

func (c *checker) define(k refs.Kind, id string, flags uint8, extra uint64) error {
	n := refs.Note{Kind: k, Flags: flags, Extra: extra}
	at := c.rec.Pos
	if flags&flagWeak == 0 {
		var which int
		at, which = c.idPos(k)
		n.Field = uint8(which) //nolint:gosec // one of a few
	}
	n.Line, n.Column = at.Line, int32(min(at.Column, 1<<31-1))
	return c.table.Define(id, n)
}

// ids names the fields that an id is made of, for the column of an id that is
// given twice.
var ids = [...][]string{
	idUser:     {"id"},
	idChannel:  {"id", "cid", "member_ids"},
	idMember:   {"user_id", "user"},
	idMessage:  {"id"},
	idReaction: {"type"},
	idCall:     {"id", "cid"},
}

var idFirst = []byte(`{"id":`)

// idPos is where the record's id stands: nearly always right at its beginning.
func (c *checker) idPos(k refs.Kind) (at scan.Pos, which int) {
	if (k == idUser || k == idChannel || k == idMessage) && bytes.HasPrefix(c.rec.Raw, idFirst) {
		return c.rec.At(int64(len(idFirst))), 0
	}
	return fieldPos(c.rec, ids[k])
}

func (c *checker) known(k refs.Kind, id string) bool { return c.table.Known(k, id) }

func (c *checker) user(field uint8, id string) error {
	if id == "" || c.known(idUser, id) {
		return nil
	}
	return c.refer(id, refs.Note{Kind: idUser, Field: field}, id)
}

func (c *checker) channel(cid string) error {
	if c.known(idChannel, cid) {
		return nil
	}
	return c.refer(cid, refs.Note{Kind: idChannel, Field: atChannel}, cid)
}

// A reference's note has its field in the low bits of Field, and which of the names
// of that it has in the others.
const fieldBits = 4

// refer notes a reference, and where in the file its field stands.
func (c *checker) refer(id string, n refs.Note, name string) error {
	at, which := fieldPos(c.rec, fields[n.Field])
	n.Field |= uint8(which) << fieldBits //nolint:gosec // one of a few
	n.Line, n.Column = at.Line, int32(min(at.Column, 1<<31-1))
	return c.table.Refer(id, n, name)
}
