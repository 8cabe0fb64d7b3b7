package sqlstore

import (
	"fmt"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/store"
)

// changing runs a statement that must change something; ErrNotFound naming what
// was to be changed if it does not.
func (t *tx) changing(what, sql string, args ...any) error {
	n, err := t.conn.Exec(sql, args...)
	if err == nil && n == 0 {
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	}
	return err
}

// doomed is what has to be known of a message to remove it.
type doomed struct {
	id        string
	channel   int64
	createdAt chat.Time
	deletedAt chat.Time
	user      int64
	silent    bool
	parent    string
}

const doomedColumns = `id, channel, created_at, deleted_at, "user", kind & 4, parent`

func scanDoomed(s Row) doomed {
	return doomed{
		id: s.Text(0), channel: s.Int(1), createdAt: s.Time(2), deletedAt: s.Time(3), user: s.Int(4), silent: s.Bool(5),
		parent: s.Text(6),
	}
}

func (t *tx) DeleteMessage(id string) error {
	if t.dialect.Shared {
		if _, err := t.lockMessages([]string{id}); err != nil {
			return err
		}
	}
	var m doomed
	err := t.one("message", id, `SELECT `+doomedColumns+` FROM messages WHERE app = $1 AND id = $2`, []any{t.app, id},
		func(s Row) { m = scanDoomed(s) })
	if err != nil {
		return err
	}
	c, err := t.channelByKey(m.channel)
	if err != nil {
		return err
	}
	if m.deletedAt == 0 && !m.silent {
		if err := t.shiftUnread(c, m.createdAt, m.user, -1); err != nil {
			return err
		}
	}
	if err := t.deleteMessages(c, []doomed{m}); err != nil {
		return err
	}
	err = t.exec(`UPDATE reads SET last_message_id = '' WHERE app = $1 AND channel = $2 AND last_message_id = $3`, t.app, c.key, id)
	if err != nil {
		return err
	}
	return t.findLast(c)
}

// deleteMessages removes messages of a channel and what hangs on them. The
// caller sees to the read states and to the channel's last message.
func (t *tx) deleteMessages(c *channelState, list []doomed) error {
	t.erased = true
	args := make([]any, 2)
	for _, sql := range []string{
		`DELETE FROM messages WHERE app = $1 AND id = $2`,
		`DELETE FROM reactions WHERE app = $1 AND message = $2`,
		`DELETE FROM history WHERE app = $1 AND message = $2`,
		`DELETE FROM marks WHERE app = $1 AND kind = 5 AND subject = $2`,
	} {
		err := t.many(sql, len(list), func(i int) []any {
			args[0], args[1] = t.app, list[i].id
			return args
		}, nil)
		if err != nil {
			return err
		}
	}
	var replies []*doomed
	for i := range list {
		m := &list[i]
		delete(t.reacted, m.id)
		t.threads[m.id] = struct{}{} // replies that stay wait for it to come back
		if m.parent != "" {
			t.threads[m.parent] = struct{}{}
			replies = append(replies, m)
		}
		c.total--
		if live(c, m.createdAt, m.deletedAt) {
			c.messages--
		}
	}
	c.dirty = true
	return t.many(deleteReply, len(replies), func(i int) []any {
		m := replies[i]
		return []any{t.app, m.parent, m.createdAt, m.id}
	}, nil)
}

const deleteReply = `DELETE FROM replies WHERE app = $1 AND parent = $2 AND created_at = $3 AND id = $4`

// findLast finds the time of the last message anew, after some were removed.
func (t *tx) findLast(c *channelState) error {
	return t.conn.Query(`SELECT coalesce(max(created_at), 0) FROM messages WHERE app = $1 AND channel = $2 AND created_at >= $3`,
		[]any{t.app, c.key, c.truncatedAt}, func(s Row) error {
			c.lastMessageAt, c.dirty = s.Time(0), true
			return nil
		})
}

func (t *tx) PurgeMessages(channel int64, before chat.Time, limit int) (int, error) {
	c, err := t.channelByKey(channel)
	if err != nil {
		return 0, err
	}
	if limit <= 0 {
		return 0, nil
	}
	if before == 0 {
		before = 1<<63 - 1
	}
	list := make([]doomed, 0, min(limit, 1024))
	err = t.conn.Query(`SELECT `+doomedColumns+` FROM messages WHERE app = $1 AND channel = $2 AND created_at < $3
		ORDER BY created_at, id LIMIT $4`, []any{t.app, channel, before, limit}, func(s Row) error {
		list = append(list, scanDoomed(s))
		return nil
	})
	if err != nil || len(list) == 0 {
		return 0, err
	}
	if err := t.deleteMessages(c, list); err != nil {
		return 0, err
	}
	err = t.exec(`UPDATE reads SET last_message_id = '' WHERE app = $1 AND channel = $2 AND last_message_id != ''
		AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.app = $1 AND m.id = reads.last_message_id)`, t.app, channel)
	if err != nil {
		return 0, err
	}
	if err := t.findLast(c); err != nil {
		return 0, err
	}
	return len(list), t.lowerUnread(c, list)
}

// lowerUnread takes messages that are gone, oldest first, off the unread counts
// of those who had not read them.
func (t *tx) lowerUnread(c *channelState, gone []doomed) error {
	var unread []chat.Time
	own := map[int64][]chat.Time{}
	for i := range gone {
		if m := &gone[i]; live(c, m.createdAt, m.deletedAt) && !m.silent {
			unread = append(unread, m.createdAt)
			own[m.user] = append(own[m.user], m.createdAt)
		}
	}
	if len(unread) == 0 {
		return nil
	}
	after := func(list []chat.Time, at chat.Time) int {
		i, _ := slices.BinarySearch(list, at+1)
		return len(list) - i
	}
	type change struct {
		user int64
		by   int
	}
	var changes []change
	err := t.conn.Query(`SELECT "user", last_read FROM reads WHERE app = $1 AND channel = $2 AND last_read < $3 AND unread >= 0`,
		[]any{t.app, c.key, unread[len(unread)-1]}, func(s Row) error {
			user, at := s.Int(0), s.Time(1)
			if n := after(unread, at) - after(own[user], at); n > 0 {
				changes = append(changes, change{user, n})
			}
			return nil
		})
	if err != nil {
		return err
	}
	const lower = `UPDATE reads SET unread = CASE WHEN unread + $4 - sequence - $5 > 0 THEN unread + $4 - sequence - $5 ELSE 0 END,
		sequence = $4 WHERE app = $1 AND channel = $2 AND "user" = $3`
	return t.many(lower, len(changes), func(i int) []any {
		return []any{t.app, c.key, changes[i].user, c.sequence, changes[i].by}
	}, nil)
}

// purgeBatch is how many messages are removed in one go.
const purgeBatch = 2000

func (t *tx) DeleteChannel(channel int64) error {
	c, err := t.channelByKey(channel)
	if err != nil {
		return err
	}
	for {
		n, err := t.PurgeMessages(channel, 0, purgeBatch)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var cid string
	err = t.one("channel", "", `SELECT cid FROM channels WHERE key = $1 AND app = $2`, []any{channel, t.app},
		func(s Row) { cid = s.Text(0) })
	if err != nil {
		return err
	}
	for _, sql := range []string{
		`DELETE FROM reads WHERE app = $1 AND channel = $2`,
		`DELETE FROM members WHERE app = $1 AND channel = $2`,
		`DELETE FROM pending WHERE app = $1 AND channel = $2`,
		`DELETE FROM channels WHERE app = $1 AND key = $2`,
	} {
		if err := t.exec(sql, t.app, channel); err != nil {
			return err
		}
	}
	delete(t.byKey, c.key)
	delete(t.channels, cid)
	t.erased = true
	return t.exec(`DELETE FROM marks WHERE app = $1 AND kind IN (1, 2, 3) AND subject = $2`, t.app, cid)
}
