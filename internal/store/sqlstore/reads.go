package sqlstore

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/store"
)

func (t *tx) PutRead(channel int64, r *chat.Read) error {
	user, err := t.user(r.UserID)
	if err != nil {
		return err
	}
	c, err := t.channelByKey(channel)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO reads (app, channel, "user", last_read, last_message_id, unread, sequence)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (app, channel, "user")
		DO UPDATE SET last_read = $4, last_message_id = $5, unread = $6, sequence = $7`,
		t.app, channel, user, r.LastRead, r.LastReadMessageID, r.Unread, c.sequence)
}

func (t *tx) CountUnread(channel int64) error {
	if err := t.Flush(); err != nil {
		return err
	}
	if err := t.lockKey(channel); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return nil // nobody has read anything there
		}
		return err
	}
	type reader struct {
		since  chat.Time
		unread int
	}
	waiting := map[int64]*reader{}
	var from chat.Time
	err := t.conn.Query(`SELECT "user", last_read FROM reads WHERE app = $1 AND channel = $2 AND unread < 0`, []any{t.app, channel},
		func(s Row) error {
			waiting[s.Int(0)] = &reader{since: s.Time(1)}
			if at := s.Time(1); from == 0 || at < from {
				from = at
			}
			return nil
		})
	if err != nil || len(waiting) == 0 {
		return err
	}
	// One pass over the channel, newest first: when a reader's last_read is
	// reached, everything seen so far, less their own, was unread.
	order := make([]*reader, 0, len(waiting))
	for _, r := range waiting {
		order = append(order, r)
	}
	slices.SortFunc(order, func(a, b *reader) int { return cmp.Compare(b.since, a.since) })
	seen := 0
	err = t.conn.Query(`SELECT created_at, "user" FROM messages WHERE app = $1 AND channel = $2 AND created_at > $3
		AND created_at >= (SELECT truncated_at FROM channels WHERE key = $2 AND app = $1) AND deleted_at = 0 AND kind & 4 = 0
		ORDER BY created_at DESC`, []any{t.app, channel, from},
		func(s Row) error {
			at := s.Time(0)
			for len(order) > 0 && order[0].since >= at {
				order[0].unread += seen
				order = order[1:]
			}
			seen++
			if own := waiting[s.Int(1)]; own != nil && own.since < at {
				own.unread--
			}
			return nil
		})
	if err != nil {
		return err
	}
	for _, r := range order {
		r.unread += seen
	}
	users := slices.Collect(maps.Keys(waiting))
	return t.many(`UPDATE reads SET unread = $4 WHERE app = $1 AND channel = $2 AND "user" = $3`, len(users), func(i int) []any {
		return []any{t.app, channel, users[i], max(waiting[users[i]].unread, 0)}
	}, nil)
}

func (t *tx) RecountUnread(channel int64) error {
	c, err := t.channelByKey(channel)
	if err != nil {
		return err
	}
	err = t.exec(`UPDATE reads SET unread = -1, sequence = $3 WHERE app = $1 AND channel = $2`, t.app, channel, c.sequence)
	if err != nil {
		return err
	}
	return t.CountUnread(channel)
}
