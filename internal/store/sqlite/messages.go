package sqlite

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/sqlite/lite"
	"hansard/internal/wire"
)

func sortBySince[T any](list []T, since func(T) chat.Time) {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(since(b), since(a)) })
}

const insertMessage = `INSERT INTO messages (app, channel, created_at, id, user, kind, deleted_at, parent, quoted, body, pin)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`

// PutMessage writes a message as one that was sent, or changed, just now: a new
// one makes the channel's other members have one more unread.
func (t *tx) PutMessage(m *chat.Message) error {
	was, err := t.unreadable(m.ID)
	if err != nil {
		return err
	}
	isNew, err := t.putMessage(m, false)
	if err != nil {
		return err
	}
	if isNew {
		// Replies may have been there before it.
		if err := t.conn.Exec(`DELETE FROM orphans WHERE app = $1 AND parent = $2`, t.app, m.ID); err != nil {
			return err
		}
		if t.conn.Changes() > 0 {
			t.threads[m.ID] = struct{}{}
		}
	}
	c, err := t.channelByCID(m.CID)
	if err != nil {
		return err
	}
	switch now := m.DeletedAt == 0 && !m.Silent; {
	case isNew && now:
		c.sequence, c.dirty = c.sequence+1, true
		// Not for the author, whose own message is not unread.
		return t.conn.Exec(`UPDATE reads SET sequence = sequence + 1 WHERE app = $1 AND channel = $2 AND user = $3`,
			t.app, c.key, t.keys.User)
	case !isNew && was && !now:
		return t.shiftUnread(c, m.CreatedAt, t.keys.User, -1)
	case !isNew && !was && now:
		return t.shiftUnread(c, m.CreatedAt, t.keys.User, 1)
	}
	return nil
}

// unreadable reports whether a message is there to be read by others: one that
// is neither deleted nor silent.
func (t *tx) unreadable(id string) (is bool, err error) {
	err = t.conn.Query(`SELECT 1 FROM messages WHERE app = $1 AND id = $2 AND deleted_at = 0 AND kind & 4 = 0`, []any{t.app, id},
		func(*lite.Stmt) error {
			is = true
			return nil
		})
	return is, err
}

// shiftUnread changes the unread counts of those who have not read up to a
// message of somebody else.
func (t *tx) shiftUnread(c *channelState, createdAt chat.Time, author int64, by int) error {
	if createdAt < c.truncatedAt {
		return nil
	}
	return t.conn.Exec(`UPDATE reads SET unread = max(unread + $5 - sequence + $6, 0), sequence = $5
		WHERE app = $1 AND channel = $2 AND last_read < $3 AND user != $4 AND unread >= 0`,
		t.app, c.key, createdAt, author, c.sequence, by)
}

// bulkFrom is from how many messages on a batch is one of a bulk load.
const bulkFrom = 500

func (t *tx) InsertMessages(ms []chat.Message, keep bool) (int, error) {
	if err := t.findOrphans(); err != nil {
		return 0, err
	}
	t.bulk = t.bulk || len(ms) >= bulkFrom
	n := 0
	for i := range ms {
		isNew, err := t.putMessage(&ms[i], keep)
		if err != nil {
			return n, fmt.Errorf("message %s: %w", ms[i].ID, err)
		}
		if isNew {
			n++
		}
	}
	return n, nil
}

func (t *tx) findOrphans() error {
	return t.conn.Query(`SELECT 1 FROM orphans WHERE app = $1 LIMIT 1`, []any{t.app}, func(*lite.Stmt) error {
		t.orphans = true
		return nil
	})
}

func (t *tx) resolve(m *chat.Message) (err error) {
	if t.keys.User, err = t.user(m.UserID); err != nil {
		return err
	}
	t.keys.Mentioned = t.keys.Mentioned[:0]
	for _, id := range m.MentionedUsers {
		key, err := t.user(id)
		if err != nil {
			return err
		}
		t.keys.Mentioned = append(t.keys.Mentioned, key)
	}
	t.keys.Restricted = t.keys.Restricted[:0]
	for _, id := range m.RestrictedVisibility {
		key, err := t.user(id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		t.keys.Restricted = append(t.keys.Restricted, key)
	}
	t.keys.PinnedBy, err = t.user(m.PinnedBy)
	return err
}

func (t *tx) putMessage(m *chat.Message, keep bool) (isNew bool, err error) {
	c, err := t.channelByCID(m.CID)
	if err != nil {
		return false, err
	}
	if err := t.resolve(m); err != nil {
		return false, err
	}
	var pin []byte
	if m.Pinned {
		t.b.Reset()
		wire.BuildPin(&t.b, m, &t.keys)
		pin = slices.Clone(t.b.Bytes())
	}
	t.b.Reset()
	wire.BuildMessage(&t.b, m, &t.keys)
	stored := t.b.Bytes()
	s, err := t.conn.Stmt(insertMessage)
	if err != nil {
		return false, err
	}
	s.BindInt(1, t.app)
	s.BindInt(2, c.key)
	s.BindInt(3, int64(m.CreatedAt))
	s.BindText(4, m.ID)
	s.BindInt(5, t.keys.User)
	s.BindInt(6, kindOf(m))
	s.BindInt(7, int64(m.DeletedAt))
	bindOptional(s, 8, m.ParentID)
	bindOptional(s, 9, m.QuotedMessageID)
	s.BindBytes(10, stored)
	s.BindBytes(11, pin)
	_, err = s.Step()
	s.Release()
	if err != nil {
		return false, err
	}
	isNew = t.conn.Changes() == 1
	switch {
	case isNew:
		c.total++
	case keep:
		return false, nil
	default:
		if err := t.replaceMessage(m, c, stored, pin); err != nil {
			return false, err
		}
	}
	c.dirty = true
	if t.live(c, m.CreatedAt, m.DeletedAt) {
		c.messages++
	}
	if m.CreatedAt >= c.truncatedAt {
		c.lastMessageAt = max(c.lastMessageAt, m.CreatedAt)
	}
	if m.ParentID != "" {
		t.threads[m.ParentID] = struct{}{}
		err := t.conn.Exec(`INSERT INTO replies (app, parent, created_at, id, user, deleted_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			t.app, m.ParentID, m.CreatedAt, m.ID, t.keys.User, m.DeletedAt)
		if err != nil {
			return false, err
		}
	}
	if t.orphans {
		t.threads[m.ID] = struct{}{}
	}
	return isNew, nil
}

func bindOptional(s *lite.Stmt, i int, v string) {
	if v == "" {
		s.BindNull(i)
	} else {
		s.BindText(i, v)
	}
}

// live reports whether a message counts as one of its channel.
func (t *tx) live(c *channelState, createdAt, deletedAt chat.Time) bool {
	return deletedAt == 0 && createdAt >= c.truncatedAt
}

// replaceMessage writes m over the message with its id, which may lie in
// another place. Reactions and thread stay with it. The caller counts m.
func (t *tx) replaceMessage(m *chat.Message, c *channelState, stored, pin []byte) error {
	var channel int64
	var createdAt, deletedAt chat.Time
	var parent string
	err := t.one("message "+m.ID, `SELECT channel, created_at, deleted_at, parent FROM messages WHERE app = $1 AND id = $2`,
		[]any{t.app, m.ID}, func(s *lite.Stmt) {
			channel, createdAt, deletedAt, parent = s.Int(0), s.Time(1), s.Time(2), s.Text(3)
		})
	if err != nil {
		return err
	}
	old := c
	if channel != c.key {
		if old, err = t.channelByKey(channel); err != nil {
			return err
		}
		old.total--
		c.total++
	}
	old.dirty = true
	if t.live(old, createdAt, deletedAt) {
		old.messages--
	}
	moved := channel != c.key || createdAt != m.CreatedAt
	if parent != "" {
		t.threads[parent] = struct{}{}
		err := t.conn.Exec(`DELETE FROM replies WHERE app = $1 AND parent = $2 AND created_at = $3 AND id = $4`,
			t.app, parent, createdAt, m.ID)
		if err != nil {
			return err
		}
	}
	err = t.conn.Exec(`UPDATE messages SET channel = $2, created_at = $3, user = $5, kind = $6, deleted_at = $7, parent = $8,
		quoted = $9, body = $10, pin = $11 WHERE app = $1 AND id = $4`,
		t.app, c.key, m.CreatedAt, m.ID, t.keys.User, kindOf(m), m.DeletedAt, null(m.ParentID), null(m.QuotedMessageID), stored, pin)
	if err != nil || !moved || createdAt < old.lastMessageAt {
		return err
	}
	return t.findLast(old)
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// writeThread writes what a message shows of its replies, from the replies.
func (t *tx) writeThread(parent string) error {
	var participants []int64
	seen := map[int64]struct{}{}
	replies, deleted := 0, 0
	err := t.conn.Query(`SELECT user, deleted_at FROM replies WHERE app = $1 AND parent = $2 ORDER BY created_at, id`,
		[]any{t.app, parent}, func(s *lite.Stmt) error {
			if s.Bool(1) {
				deleted++
				return nil
			}
			replies++
			user := s.Int(0)
			if _, ok := seen[user]; !ok {
				seen[user] = struct{}{}
				participants = append(participants, user)
			}
			return nil
		})
	if err != nil {
		return err
	}
	var thread []byte
	if replies+deleted > 0 {
		t.b.Reset()
		wire.BuildThread(&t.b, participants, replies, deleted)
		thread = t.b.Bytes()
	}
	if err := t.conn.Exec(`UPDATE messages SET thread = $3 WHERE app = $1 AND id = $2`, t.app, parent, thread); err != nil {
		return err
	}
	if thread != nil && t.conn.Changes() == 0 {
		t.orphans = true
		return t.conn.Exec(`INSERT INTO orphans (app, parent) VALUES ($1, $2) ON CONFLICT DO NOTHING`, t.app, parent)
	}
	if t.orphans || thread == nil {
		return t.conn.Exec(`DELETE FROM orphans WHERE app = $1 AND parent = $2`, t.app, parent)
	}
	return nil
}

func (t *tx) PutReaction(r *chat.Reaction) error {
	_, err := t.putReaction(r, false)
	return err
}

func (t *tx) InsertReactions(rs []chat.Reaction, keep bool) (int, error) {
	n := 0
	for i := range rs {
		isNew, err := t.putReaction(&rs[i], keep)
		if err != nil {
			return n, fmt.Errorf("reaction to %s: %w", rs[i].MessageID, err)
		}
		if isNew {
			n++
		}
	}
	return n, nil
}

func (t *tx) putReaction(r *chat.Reaction, keep bool) (isNew bool, err error) {
	user, err := t.user(r.UserID)
	if err != nil {
		return false, err
	}
	if err := t.one("message "+r.MessageID, `SELECT 1 FROM messages WHERE app = $1 AND id = $2`,
		[]any{t.app, r.MessageID}, func(*lite.Stmt) {}); err != nil {
		return false, err
	}
	t.b.Reset()
	wire.BuildReaction(&t.b, r, user)
	stored := t.b.Bytes()
	err = t.conn.Exec(`INSERT INTO reactions (app, message, user, type, score, created_at, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`, t.app, r.MessageID, user, r.Type, r.Score, r.CreatedAt, stored)
	if err != nil {
		return false, err
	}
	isNew = t.conn.Changes() == 1
	if !isNew && keep {
		return false, nil
	}
	if !isNew {
		err = t.conn.Exec(`UPDATE reactions SET score = $5, created_at = $6, body = $7
			WHERE app = $1 AND message = $2 AND user = $3 AND type = $4`, t.app, r.MessageID, user, r.Type, r.Score, r.CreatedAt, stored)
	}
	t.reacted[r.MessageID] = struct{}{}
	return isNew, err
}

func (t *tx) DeleteReaction(message, user, typ string) error {
	key, err := t.user(user)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("reaction %s of %s: %w", typ, user, store.ErrNotFound)
	}
	if err != nil {
		return err
	}
	err = t.conn.Exec(`DELETE FROM reactions WHERE app = $1 AND message = $2 AND user = $3 AND type = $4`, t.app, message, key, typ)
	if err != nil {
		return err
	}
	if t.conn.Changes() == 0 {
		return fmt.Errorf("reaction %s of %s: %w", typ, user, store.ErrNotFound)
	}
	t.reacted[message] = struct{}{}
	return nil
}

// summarize writes what a message shows of its reactions, from the reactions.
func (t *tx) summarize(message string) error {
	var sum wire.ReactionSummary
	err := t.conn.Query(`SELECT r.body, r.type, r.score, r.created_at FROM reactions r JOIN users u ON u.key = r.user
		WHERE r.app = $1 AND r.message = $2 ORDER BY r.created_at DESC, u.id, r.type`, []any{t.app, message},
		func(s *lite.Stmt) error {
			sum.Add(s.Bytes(0), s.Text(1), int(s.Int(2)), s.Time(3))
			return nil
		})
	if err != nil {
		return err
	}
	return t.conn.Exec(`UPDATE messages SET reactions = $3 WHERE app = $1 AND id = $2`, t.app, message, sum.Bytes())
}
