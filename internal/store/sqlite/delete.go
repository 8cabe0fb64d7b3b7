package sqlite

import (
	"errors"
	"fmt"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/sqlite/lite"
	"hansard/internal/wire"
)

// What is removed here is gone from the rows and the indexes, and, since pages
// are written over (secure_delete), from the file once the write-ahead log has
// been copied.

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
	for _, sql := range []string{
		`DELETE FROM messages WHERE app = $1 AND id = $2`,
		`DELETE FROM reactions WHERE app = $1 AND message = $2`,
		`DELETE FROM history WHERE app = $1 AND message = $2`,
		`DELETE FROM orphans WHERE app = $1 AND parent = $2`,
		`DELETE FROM marks WHERE app = $1 AND kind = 5 AND subject = $2`,
	} {
		if err := t.conn.Exec(sql, t.app, m.id); err != nil {
			return err
		}
	}
	delete(t.reacted, m.id)
	delete(t.threads, m.id)
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
	unread := false
	for i := range list {
		unread = unread || list[i].createdAt >= c.truncatedAt
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
	if unread {
		err = t.RecountUnread(channel)
	}
	return len(list), err
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
	err = t.conn.Exec(`DELETE FROM reads WHERE app = $1 AND channel = $2 AND user = $3`, t.app, channel, key)
	if err != nil {
		return err
	}
	err = t.conn.Exec(`DELETE FROM members WHERE app = $1 AND channel = $2 AND user = $3`, t.app, channel, key)
	if err := t.changed("member "+user, err); err != nil {
		return err
	}
	c.members, c.dirty = c.members-1, true
	return nil
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
	return t.conn.Exec(`DELETE FROM marks WHERE app = $1 AND kind IN (1, 2, 3) AND subject = $2`, t.app, cid)
}

func (t *tx) DeleteCall(cid string) error {
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
