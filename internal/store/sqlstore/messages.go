package sqlstore

import (
	"errors"
	"fmt"
	"sync"

	"hansard/internal/body"
	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

const insertMessage = `INSERT INTO messages (app, channel, created_at, id, "user", kind, deleted_at, parent, quoted, body, pin, reactions, thread)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`

// PutMessage writes a message as one that was sent, or changed, just now: a new
// one makes the channel's other members have one more unread.
func (t *tx) PutMessage(m *chat.Message) error {
	c, err := t.channelByCID(m.CID)
	if err != nil {
		return err
	}
	was, err := t.unread(m.ID)
	if err != nil {
		return err
	}
	isNew, err := t.putMessage(m, false)
	if err != nil {
		return err
	}
	if isNew {
		// Replies may have been there before it.
		n, err := t.conn.Exec(`DELETE FROM orphans WHERE app = $1 AND parent = $2`, t.app, m.ID)
		if err != nil {
			return err
		}
		if n > 0 {
			t.threads[m.ID] = struct{}{}
		}
	}
	now := unread{channel: c.key, createdAt: m.CreatedAt, author: t.keys.User, counts: m.DeletedAt == 0 && !m.Silent}
	switch {
	case was == now:
		return nil
	case isNew && now.counts:
		c.sequence, c.dirty = c.sequence+1, true
		// Not for the author, whose own message is not unread.
		return t.exec(`UPDATE reads SET sequence = sequence + 1 WHERE app = $1 AND channel = $2 AND "user" = $3`,
			t.app, c.key, now.author)
	}
	if was.counts {
		old, err := t.channelByKey(was.channel)
		if err != nil {
			return err
		}
		if err := t.shiftUnread(old, was.createdAt, was.author, -1); err != nil {
			return err
		}
	}
	if now.counts {
		return t.shiftUnread(c, now.createdAt, now.author, 1)
	}
	return nil
}

// unread is what the unread counts of a channel know of a message.
type unread struct {
	channel   int64
	createdAt chat.Time
	author    int64 // for whom it is never unread
	counts    bool  // it is neither deleted nor silent
}

// unread is that of a stored message. Its channel is locked from now on.
func (t *tx) unread(id string) (is unread, err error) {
	if t.wasAbsent(noteMessage, id) {
		return unread{}, nil // if it is there now, this will be found when it is inserted
	}
	for {
		found, err := t.conn.One(`SELECT channel, created_at, "user", deleted_at = 0 AND kind & 4 = 0 FROM messages WHERE app = $1 AND id = $2`,
			[]any{t.app, id}, func(s Row) { is = unread{s.Int(0), s.Time(1), s.Int(2), s.Bool(3)} })
		if err != nil || !found || t.isLocked(is.channel) {
			return is, err
		}
		if err := t.lockHome(is.channel); err != nil {
			return unread{}, err
		}
		is = unread{}
	}
}

// shiftUnread changes the unread counts of those who have not read up to a
// message of somebody else.
func (t *tx) shiftUnread(c *channelState, createdAt chat.Time, author int64, by int) error {
	if createdAt < c.truncatedAt {
		return nil
	}
	return t.exec(`UPDATE reads SET unread = CASE WHEN unread + $5 - sequence + $6 > 0 THEN unread + $5 - sequence + $6 ELSE 0 END,
		sequence = $5 WHERE app = $1 AND channel = $2 AND last_read < $3 AND "user" != $4 AND unread >= 0`,
		t.app, c.key, createdAt, author, c.sequence, by)
}

// bulkFrom is from how many messages on a batch is one of a bulk load.
const bulkFrom = 500

// lockChannels locks the channels of messages, all in one order.
func (t *tx) lockChannels(ms []chat.Message) error {
	if !t.dialect.Shared {
		return nil
	}
	cids := map[string]struct{}{}
	for i := range ms {
		cids[ms[i].CID] = struct{}{}
	}
	for _, cid := range inOrder(cids) {
		if _, err := t.channelByCID(cid); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

func (t *tx) findOrphans() error {
	found, err := t.conn.One(`SELECT 1 FROM orphans WHERE app = $1 LIMIT 1`, []any{t.app}, func(Row) {})
	t.orphans = t.orphans || found
	return err
}

func (t *tx) resolve(m *chat.Message, keys *wire.MessageKeys) (err error) {
	if keys.User, err = t.user(m.UserID); err != nil {
		return err
	}
	keys.Mentioned = keys.Mentioned[:0]
	for _, id := range m.MentionedUsers {
		key, err := t.user(id)
		if err != nil {
			return err
		}
		keys.Mentioned = append(keys.Mentioned, key)
	}
	keys.Restricted = keys.Restricted[:0]
	for _, id := range m.RestrictedVisibility {
		key, err := t.user(id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		keys.Restricted = append(keys.Restricted, key)
	}
	keys.PinnedBy, err = t.user(m.PinnedBy)
	return err
}

// record makes the row of a message, but for what render adds to it.
func (t *tx) record(m *chat.Message, keys *wire.MessageKeys) (MessageRecord, error) {
	c, err := t.channelByCID(m.CID)
	if err != nil {
		return MessageRecord{}, err
	}
	if err := t.resolve(m, keys); err != nil {
		return MessageRecord{}, err
	}
	run, err := t.runFor(runMessages)
	return MessageRecord{
		App: t.app, Channel: c.key, CreatedAt: m.CreatedAt, ID: m.ID, User: keys.User, Kind: kindOf(m), DeletedAt: m.DeletedAt,
		Parent: m.ParentID, Quoted: m.QuotedMessageID, Run: run,
	}, err
}

// render renders the body of a message, how it is pinned and, unless others are
// there already, its reactions. The first two are appended to buf.
func (r *MessageRecord) render(b *body.Builder, m *chat.Message, keys *wire.MessageKeys, buf []byte) []byte {
	keep := func() []byte {
		from := len(buf)
		buf = append(buf, b.Bytes()...)
		b.Reset()
		return buf[from:len(buf):len(buf)]
	}
	b.Reset()
	if m.Pinned {
		wire.BuildPin(b, m, keys)
		r.Pin = keep()
	}
	wire.BuildMessage(b, m, keys)
	r.Body = keep()
	if len(r.reactions) > 0 {
		r.Reactions = summary(r.reactions)
	}
	return buf
}

// args are the parameters of the statement that inserts the row.
func (r *MessageRecord) args(into []any) []any {
	return append(r.ownArgs(into), r.Reactions, r.Thread)
}

// ownArgs are those of them that are the message itself.
func (r *MessageRecord) ownArgs(into []any) []any {
	return append(into, r.App, r.Channel, r.CreatedAt, r.ID, r.User, r.Kind, r.DeletedAt, null(r.Parent), null(r.Quoted), r.Body, r.Pin)
}

func (t *tx) putMessage(m *chat.Message, keep bool) (isNew bool, err error) {
	r, err := t.record(m, &t.keys)
	if err != nil {
		return false, err
	}
	r.render(&t.b, m, &t.keys, nil)
	one := []bool{false}
	if err := t.insert([]MessageRecord{r}, one); err != nil {
		return false, err
	}
	var replies []*MessageRecord
	if err := t.account(&r, t.byKey[r.Channel], one[0], keep, &replies); err != nil {
		return false, err
	}
	return one[0], t.insertReplies(&replies)
}

// part is some messages of a batch, on their way into the database.
type part struct {
	messages []chat.Message
	records  [chunk]MessageRecord
	keys     [chunk]wire.MessageKeys
	isNew    [chunk]bool
	b        body.Builder
	buf      []byte        // where the rendered bytes are
	rendered chan struct{} // gets one when they are
}

// insertAhead inserts messages in parts, of which the next one is rendered
// meanwhile.
func (t *tx) insertAhead(ms []chat.Message, keep bool) (n int, err error) {
	var rendering sync.WaitGroup
	defer rendering.Wait()
	prepare := func(p *part) (*part, error) {
		if len(ms) == 0 {
			return nil, nil
		}
		p.messages = ms[:min(len(ms), chunk)]
		ms = ms[len(p.messages):]
		for i := range p.messages {
			if p.records[i], err = t.record(&p.messages[i], &p.keys[i]); err != nil {
				return nil, fmt.Errorf("message %s: %w", p.messages[i].ID, err)
			}
			if err = t.foretell(&p.records[i]); err != nil {
				return nil, err
			}
		}
		rendering.Go(p.render)
		return p, nil
	}
	spare := newPart()
	p, err := prepare(newPart())
	for p != nil && err == nil {
		var next *part
		if next, err = prepare(spare); err != nil {
			return n, err
		}
		<-p.rendered
		news, err := t.putPart(p, keep)
		if n += news; err != nil {
			return n, err
		}
		p, spare = next, p
	}
	return n, err
}

func newPart() *part { return &part{rendered: make(chan struct{}, 1)} }

func (p *part) render() {
	p.buf = p.buf[:0]
	for i := range p.messages {
		p.buf = p.records[i].render(&p.b, &p.messages[i], &p.keys[i], p.buf)
	}
	p.rendered <- struct{}{}
}

func (t *tx) putPart(p *part, keep bool) (n int, err error) {
	records := p.records[:len(p.messages)]
	if err := t.insert(records, p.isNew[:]); err != nil {
		return 0, err
	}
	var replies []*MessageRecord
	for i := range records {
		r := &records[i]
		t.told(r, p.isNew[i])
		if err := t.account(r, t.byKey[r.Channel], p.isNew[i], keep, &replies); err != nil {
			return n, fmt.Errorf("message %s: %w", r.ID, err)
		}
		if p.isNew[i] {
			n++
		}
	}
	return n, t.insertReplies(&replies)
}

// insert inserts rows, and says which were not there.
func (t *tx) insert(records []MessageRecord, isNew []bool) (err error) {
	if in, ok := t.conn.(MessageInserter); ok {
		for i := range records {
			if isNew[i], err = in.InsertMessage(&records[i]); err != nil {
				return fmt.Errorf("message %s: %w", records[i].ID, err)
			}
		}
		return nil
	}
	var args []any
	return t.many(insertMessage, len(records), func(i int) []any {
		args = records[i].args(args[:0])
		return args
	}, func(i int, changed int64) { isNew[i] = changed == 1 })
}

// account does what follows from an insert: it replaces the message that was
// there, and keeps counts and threads in step. A reply is added to those that
// are to be inserted.
func (t *tx) account(r *MessageRecord, c *channelState, isNew, keep bool, replies *[]*MessageRecord) error {
	switch {
	case isNew:
		t.forget(noteMessage, r.ID)
		c.total++
	case t.wasAbsent(noteMessage, r.ID):
		return ErrAgain // somebody else has sent it
	case keep:
		return nil
	default:
		// What is there may be a reply from before, which must be found.
		if err := t.insertReplies(replies); err != nil {
			return err
		}
		if err := t.replaceMessage(r, c); err != nil {
			return err
		}
	}
	c.dirty = true
	if live(c, r.CreatedAt, r.DeletedAt) {
		c.messages++
	}
	if r.CreatedAt >= c.truncatedAt {
		c.lastMessageAt = max(c.lastMessageAt, r.CreatedAt)
	}
	if r.Parent != "" {
		if _, ok := t.batch.answered[r.Parent]; !ok {
			t.threads[r.Parent] = struct{}{}
		}
		*replies = append(*replies, r)
	}
	if t.orphans {
		t.threads[r.ID] = struct{}{}
	}
	return nil
}

func (t *tx) insertReplies(replies *[]*MessageRecord) error {
	list := *replies
	*replies = list[:0]
	return t.many(`INSERT INTO replies (app, parent, created_at, id, "user", deleted_at) VALUES ($1, $2, $3, $4, $5, $6)`, len(list),
		func(i int) []any {
			r := list[i]
			return []any{t.app, r.Parent, r.CreatedAt, r.ID, r.User, r.DeletedAt}
		}, nil)
}

// live reports whether a message counts as one of its channel.
func live(c *channelState, createdAt, deletedAt chat.Time) bool {
	return deletedAt == 0 && createdAt >= c.truncatedAt
}

// replaceMessage writes r over the message with its id, which may lie in
// another place. Reactions and thread stay with it. The caller counts r.
func (t *tx) replaceMessage(r *MessageRecord, c *channelState) error {
	var channel int64
	var createdAt, deletedAt chat.Time
	var parent string
	for locked := false; !locked; {
		err := t.one("message", r.ID, `SELECT channel, created_at, deleted_at, parent FROM messages WHERE app = $1 AND id = $2`,
			[]any{t.app, r.ID}, func(s Row) {
				channel, createdAt, deletedAt, parent = s.Int(0), s.Time(1), s.Time(2), s.Text(3)
			})
		if err != nil {
			return err
		}
		if locked = t.isLocked(channel); !locked {
			if err := t.lockHome(channel); err != nil {
				return err
			}
		}
	}
	old := c
	if channel != c.key {
		var err error
		if old, err = t.channelByKey(channel); err != nil {
			return err
		}
		old.total--
		c.total++
	}
	old.dirty = true
	if live(old, createdAt, deletedAt) {
		old.messages--
	}
	moved := channel != c.key || createdAt != r.CreatedAt
	if parent != "" {
		t.threads[parent] = struct{}{}
		if err := t.exec(deleteReply, t.app, parent, createdAt, r.ID); err != nil {
			return err
		}
	}
	err := t.exec(`UPDATE messages SET channel = $2, created_at = $3, "user" = $5, kind = $6, deleted_at = $7, parent = $8,
		quoted = $9, body = $10, pin = $11 WHERE app = $1 AND id = $4`, r.ownArgs(nil)...)
	if err != nil || !moved || createdAt < old.lastMessageAt {
		return err
	}
	return t.findLast(old)
}

// thread is what a message shows of its replies.
type thread struct {
	participants []int64
	seen         map[int64]struct{}
	replies      int
	deleted      int
}

func (th *thread) add(user int64, deleted bool) {
	if deleted {
		th.deleted++
		return
	}
	th.replies++
	if _, ok := th.seen[user]; !ok {
		if th.seen == nil {
			th.seen = map[int64]struct{}{}
		}
		th.seen[user] = struct{}{}
		th.participants = append(th.participants, user)
	}
}

// writeThreads writes what messages show of their replies, from the replies.
func (t *tx) writeThreads(parents []string) error {
	if t.dialect.Shared {
		// A parent may be in another channel, if it was imported so.
		if _, err := t.lockMessages(parents); err != nil {
			return err
		}
	}
	threads := make([]thread, len(parents))
	err := t.manyRows(`SELECT "user", deleted_at FROM replies WHERE app = $1 AND parent = $2 ORDER BY created_at, id`, len(parents),
		func(i int) []any { return []any{t.app, parents[i]} },
		func(i int, s Row) { threads[i].add(s.Int(0), s.Bool(1)) })
	if err != nil {
		return err
	}
	var missing, settled []string
	err = t.many(`UPDATE messages SET thread = $3 WHERE app = $1 AND id = $2`, len(parents), func(i int) []any {
		th := &threads[i]
		var stored []byte
		if th.replies+th.deleted > 0 {
			t.b.Reset()
			wire.BuildThread(&t.b, th.participants, th.replies, th.deleted)
			stored = t.b.Bytes()
		}
		return []any{t.app, parents[i], stored}
	}, func(i int, changed int64) {
		switch th := &threads[i]; {
		case th.replies+th.deleted > 0 && changed == 0:
			missing = append(missing, parents[i])
		case th.replies+th.deleted == 0 || t.orphans:
			settled = append(settled, parents[i])
		}
	})
	if err != nil {
		return err
	}
	t.orphans = t.orphans || len(missing) > 0
	err = t.many(`INSERT INTO orphans (app, parent) VALUES ($1, $2) ON CONFLICT DO NOTHING`, len(missing),
		func(i int) []any { return []any{t.app, missing[i]} }, nil)
	if err != nil {
		return err
	}
	return t.many(`DELETE FROM orphans WHERE app = $1 AND parent = $2`, len(settled),
		func(i int) []any { return []any{t.app, settled[i]} }, nil)
}

// lockMessages locks the channels that messages are in, and says which of them
// are there.
func (t *tx) lockMessages(ids []string) (there []bool, err error) {
	for {
		there = make([]bool, len(ids))
		open := map[int64]struct{}{}
		err := t.manyRows(`SELECT channel FROM messages WHERE app = $1 AND id = $2`, len(ids),
			func(i int) []any { return []any{t.app, ids[i]} },
			func(i int, s Row) {
				there[i] = true
				if channel := s.Int(0); !t.isLocked(channel) {
					open[channel] = struct{}{}
				}
			})
		if err != nil || len(open) == 0 {
			return there, err
		}
		for _, channel := range inOrder(open) {
			if err := t.lockHome(channel); err != nil {
				return nil, err
			}
		}
	}
}
