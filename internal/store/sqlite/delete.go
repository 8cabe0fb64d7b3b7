package sqlite

import (
	"errors"
	"fmt"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/sqlite/lite"
	"hansard/internal/wire"
)

// What is removed here is gone from the rows and the indexes, and soon from the
// file: see scrubber.

// changed makes the error ErrNotFound when the last statement changed nothing.
func (t *tx) changed(what string, err error) error {
	if err == nil && t.conn.Changes() == 0 {
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

const doomedColumns = `id, channel, created_at, deleted_at, user, kind & 4, parent`

func scanDoomed(s *lite.Stmt) doomed {
	return doomed{
		id: s.Text(0), channel: s.Int(1), createdAt: s.Time(2), deletedAt: s.Time(3), user: s.Int(4), silent: s.Bool(5),
		parent: s.Text(6),
	}
}

func (t *tx) DeleteMessage(id string) error {
	var m doomed
	err := t.one("message "+id, `SELECT `+doomedColumns+` FROM messages WHERE app = $1 AND id = $2`, []any{t.app, id},
		func(s *lite.Stmt) { m = scanDoomed(s) })
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
	if err := t.deleteMessage(c, &m); err != nil {
		return err
	}
	err = t.conn.Exec(`UPDATE reads SET last_message_id = '' WHERE app = $1 AND channel = $2 AND last_message_id = $3`, t.app, c.key, id)
	if err != nil {
		return err
	}
	return t.findLast(c)
}

// deleteMessage removes a message and what hangs on it. The caller sees to the
// read states and to the channel's last message.
func (t *tx) deleteMessage(c *channelState, m *doomed) error {
	t.erased = true
	for _, sql := range []string{
		`DELETE FROM messages WHERE app = $1 AND id = $2`,
		`DELETE FROM reactions WHERE app = $1 AND message = $2`,
		`DELETE FROM history WHERE app = $1 AND message = $2`,
		`DELETE FROM marks WHERE app = $1 AND kind = 5 AND subject = $2`,
	} {
		if err := t.conn.Exec(sql, t.app, m.id); err != nil {
			return err
		}
	}
	delete(t.reacted, m.id)
	t.threads[m.id] = struct{}{} // replies that stay wait for it to come back
	if m.parent != "" {
		t.threads[m.parent] = struct{}{}
		err := t.conn.Exec(`DELETE FROM replies WHERE app = $1 AND parent = $2 AND created_at = $3 AND id = $4`,
			t.app, m.parent, m.createdAt, m.id)
		if err != nil {
			return err
		}
	}
	c.dirty = true
	c.total--
	if t.live(c, m.createdAt, m.deletedAt) {
		c.messages--
	}
	return nil
}

// findLast finds the time of the last message anew, after some were removed.
func (t *tx) findLast(c *channelState) error {
	return t.conn.Query(`SELECT coalesce(max(created_at), 0) FROM messages WHERE app = $1 AND channel = $2 AND created_at >= $3`,
		[]any{t.app, c.key, c.truncatedAt}, func(s *lite.Stmt) error {
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
		ORDER BY created_at, id LIMIT $4`, []any{t.app, channel, before, limit}, func(s *lite.Stmt) error {
		list = append(list, scanDoomed(s))
		return nil
	})
	if err != nil || len(list) == 0 {
		return 0, err
	}
	for i := range list {
		if err := t.deleteMessage(c, &list[i]); err != nil {
			return 0, err
		}
	}
	err = t.conn.Exec(`UPDATE reads SET last_message_id = '' WHERE app = $1 AND channel = $2 AND last_message_id != ''
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
		if m := &gone[i]; t.live(c, m.createdAt, m.deletedAt) && !m.silent {
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
	err := t.conn.Query(`SELECT user, last_read FROM reads WHERE app = $1 AND channel = $2 AND last_read < $3 AND unread >= 0`,
		[]any{t.app, c.key, unread[len(unread)-1]}, func(s *lite.Stmt) error {
			user, at := s.Int(0), s.Time(1)
			if n := after(unread, at) - after(own[user], at); n > 0 {
				changes = append(changes, change{user, n})
			}
			return nil
		})
	if err != nil {
		return err
	}
	for _, ch := range changes {
		err := t.conn.Exec(`UPDATE reads SET unread = max(unread + $4 - sequence - $5, 0), sequence = $4 WHERE app = $1 AND channel = $2
			AND user = $3`, t.app, c.key, ch.user, c.sequence, ch.by)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) DeleteMember(channel int64, user string) error {
	key, err := t.user(user)
	if err != nil {
		return err
	}
	c, err := t.channelByKey(channel)
	if err != nil {
		return err
	}
	err = t.conn.Exec(`DELETE FROM members WHERE app = $1 AND channel = $2 AND user = $3`, t.app, channel, key)
	if err := t.changed("member "+user, err); err != nil {
		return err
	}
	c.members, c.dirty = c.members-1, true
	return t.conn.Exec(`DELETE FROM reads WHERE app = $1 AND channel = $2 AND user = $3`, t.app, channel, key)
}

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
	if err := t.flush(); err != nil {
		return err
	}
	var cid string
	err = t.one("channel", `SELECT cid FROM channels WHERE key = $1 AND app = $2`, []any{channel, t.app},
		func(s *lite.Stmt) { cid = s.Text(0) })
	if err != nil {
		return err
	}
	for _, sql := range []string{
		`DELETE FROM reads WHERE app = $1 AND channel = $2`,
		`DELETE FROM members WHERE app = $1 AND channel = $2`,
		`DELETE FROM pending WHERE app = $1 AND channel = $2`,
		`DELETE FROM channels WHERE app = $1 AND key = $2`,
	} {
		if err := t.conn.Exec(sql, t.app, channel); err != nil {
			return err
		}
	}
	delete(t.byKey, c.key)
	delete(t.channels, cid)
	t.erased = true
	return t.conn.Exec(`DELETE FROM marks WHERE app = $1 AND kind IN (1, 2, 3) AND subject = $2`, t.app, cid)
}

func (t *tx) DeleteCall(cid string) error {
	t.erased = true
	err := t.conn.Exec(`DELETE FROM call_users WHERE app = $1 AND call = (SELECT key FROM calls WHERE app = $1 AND cid = $2)`, t.app, cid)
	if err != nil {
		return err
	}
	return t.changed("call "+cid, t.conn.Exec(`DELETE FROM calls WHERE app = $1 AND cid = $2`, t.app, cid))
}

func (t *tx) RenameUser(old, id string) error {
	key, err := t.UserKey(old)
	if err != nil {
		return err
	}
	if _, err := t.UserKey(id); err == nil {
		return fmt.Errorf("user %s: %w", id, store.ErrExists)
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	_, object, err := t.UserByKey(key)
	if err != nil {
		return err
	}
	u, err := wire.DecodeUser(object)
	if err != nil {
		return fmt.Errorf("stored user: %w", err)
	}
	u.ID = id
	err = t.conn.Exec(`UPDATE users SET id = $3, body = $4 WHERE app = $1 AND key = $2`, t.app, key, id, wire.AppendUser(nil, &u))
	if err != nil {
		return err
	}
	delete(t.users, old)
	t.remember(id, key)
	t.erased = true
	if err := t.conn.Exec(`UPDATE marks SET subject = $3 WHERE app = $1 AND kind = 4 AND subject = $2`, t.app, old, id); err != nil {
		return err
	}
	// Reactions of one instant stand in the order of their users' ids.
	return t.conn.Query(`SELECT DISTINCT r.message FROM reactions r WHERE r.app = $1 AND r.user = $2 AND EXISTS (SELECT 1 FROM reactions o
		WHERE o.app = r.app AND o.message = r.message AND o.created_at = r.created_at AND o.user != r.user)`, []any{t.app, key},
		func(s *lite.Stmt) error {
			t.reacted[s.Text(0)] = struct{}{}
			return nil
		})
}
