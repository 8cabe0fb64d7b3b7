package sqlstore

import (
	"errors"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

func (t *tx) PutChannel(c *chat.Channel) (int64, error) {
	createdBy, err := t.user(c.CreatedBy)
	if err != nil {
		return 0, err
	}
	truncatedBy, err := t.user(c.TruncatedBy)
	if err != nil {
		return 0, err
	}
	if err := t.Flush(); err != nil {
		return 0, err
	}
	cid := c.CID()
	old, sequence, err := t.lockChannel(cid, channelByCID, cid)
	isNew := errors.Is(err, store.ErrNotFound)
	if err != nil && !isNew {
		return 0, err
	}
	if !isNew && t.wasAbsent(noteChannel, cid) {
		return 0, ErrAgain // somebody else has made it
	}
	t.forget(noteChannel, cid)
	last := c.LastMessageAt
	if old.Channel.TruncatedAt == c.TruncatedAt {
		last = max(last, old.Channel.LastMessageAt)
	}
	if last < c.TruncatedAt {
		last = 0 // what was said last has been truncated
	}
	key, err := t.putChannel(c, createdBy, truncatedBy, last, isNew)
	if err != nil {
		return 0, err
	}
	state := &channelState{key: key, truncatedAt: c.TruncatedAt, lastMessageAt: last, sequence: sequence}
	if !isNew && old.Channel.TruncatedAt != c.TruncatedAt {
		if err := t.recount(state); err != nil {
			return 0, err
		}
	}
	t.channels[cid], t.byKey[key] = state, state
	return key, nil
}

func (t *tx) putChannel(c *chat.Channel, createdBy, truncatedBy int64, last chat.Time, isNew bool) (key int64, err error) {
	sql := `INSERT INTO channels (app, cid, type, id, created_by, created_at, updated_at, deleted_at, truncated_at,
		truncated_by, last_message_at, frozen, disabled, team, cooldown, custom)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (app, cid) DO UPDATE SET created_by = $5, created_at = $6, updated_at = $7, deleted_at = $8, truncated_at = $9,
		truncated_by = $10, last_message_at = $11, frozen = $12, disabled = $13, team = $14, cooldown = $15, custom = $16
		RETURNING key`
	if isNew {
		sql = `INSERT INTO channels (app, cid, type, id, created_by, created_at, updated_at, deleted_at, truncated_at,
			truncated_by, last_message_at, frozen, disabled, team, cooldown, custom)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
			ON CONFLICT DO NOTHING RETURNING key`
	}
	key, err = t.put(sql, t.app, c.CID(), c.Type, c.ID, createdBy, c.CreatedAt, c.UpdatedAt, c.DeletedAt, c.TruncatedAt,
		truncatedBy, last, c.Frozen, c.Disabled, []byte(c.Team), c.Cooldown, wire.AppendCustomObject(nil, c.Custom))
	if err == nil && t.dialect.Shared {
		t.locked[key] = struct{}{}
	}
	return key, err
}

// recount counts a channel's messages anew after its truncation has changed.
func (t *tx) recount(c *channelState) error {
	return t.conn.Query(`SELECT count(*), coalesce(max(created_at), 0) FROM messages
		WHERE app = $1 AND channel = $2 AND created_at >= $3`, []any{t.app, c.key, c.truncatedAt},
		func(s Row) error {
			c.lastMessageAt = max(c.lastMessageAt, s.Time(1))
			c.dirty = true
			return t.exec(`UPDATE channels SET message_count = (SELECT count(*) FROM messages
				WHERE app = $2 AND channel = $1 AND created_at >= $3 AND deleted_at = 0) WHERE key = $1 AND app = $2`,
				c.key, t.app, c.truncatedAt)
		})
}

// channelByCID is the channel with that cid, which nobody else changes from now
// on.
func (t *tx) channelByCID(cid string) (*channelState, error) {
	if c := t.channels[cid]; c != nil {
		return c, nil
	}
	return t.channelState(cid, channelByCID, cid)
}

func (t *tx) channelByKey(key int64) (*channelState, error) {
	if c := t.byKey[key]; c != nil {
		return c, nil
	}
	return t.channelState("", channelByKey, key)
}

func (t *tx) channelState(cid, sql string, arg any) (*channelState, error) {
	row, sequence, err := t.lockChannel(cid, sql, arg)
	if err != nil {
		return nil, err
	}
	return t.knowChannel(row.Channel.CID(), &row, sequence), nil
}

func (t *tx) knowChannel(cid string, row *store.ChannelRow, sequence int64) *channelState {
	c := &channelState{
		key: row.Key, truncatedAt: row.Channel.TruncatedAt, lastMessageAt: row.Channel.LastMessageAt, sequence: sequence,
	}
	t.channels[cid], t.byKey[c.key] = c, c
	return c
}

func (t *tx) PutMember(channel int64, m *chat.Member) error {
	user, err := t.user(m.UserID)
	if err != nil {
		return err
	}
	c, err := t.channelByKey(channel)
	if err != nil {
		return err
	}
	t.b.Reset()
	wire.BuildMember(&t.b, m, user)
	stored := t.b.Bytes()
	n, err := t.conn.Exec(`INSERT INTO members (app, channel, "user", created_at, body) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		t.app, channel, user, m.CreatedAt, stored)
	if err != nil {
		return err
	}
	if n == 1 {
		c.members, c.dirty = c.members+1, true
		return nil
	}
	return t.exec(`UPDATE members SET created_at = $4, body = $5 WHERE app = $1 AND channel = $2 AND "user" = $3`,
		t.app, channel, user, m.CreatedAt, stored)
}

// DeleteMembers removes all members and read states of a channel.
func (t *tx) DeleteMembers(channel int64) error {
	c, err := t.channelByKey(channel)
	if err != nil {
		return err
	}
	n, err := t.conn.Exec(`DELETE FROM members WHERE app = $1 AND channel = $2`, t.app, channel)
	if err != nil {
		return err
	}
	if n > 0 {
		c.members, c.dirty = c.members-n, true
	}
	return t.exec(`DELETE FROM reads WHERE app = $1 AND channel = $2`, t.app, channel)
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
	err = t.changing("member "+user, `DELETE FROM members WHERE app = $1 AND channel = $2 AND "user" = $3`, t.app, channel, key)
	if err != nil {
		return err
	}
	c.members, c.dirty = c.members-1, true
	return t.exec(`DELETE FROM reads WHERE app = $1 AND channel = $2 AND "user" = $3`, t.app, channel, key)
}
