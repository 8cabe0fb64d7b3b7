package sqlite

import (
	"errors"
	"fmt"
	"slices"

	"hansard/internal/body"
	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/sqlite/lite"
	"hansard/internal/wire"
)

// tx writes the data of one app. What many rows of a batch share (user keys,
// channels, threads, reaction summaries) is looked up once and written back by
// flush, when the caller is done.
type tx struct {
	reader
	users    map[string]int64
	channels map[string]*channelState
	byKey    map[int64]*channelState
	threads  map[string]struct{} // parents whose thread must be written again
	reacted  map[string]struct{} // messages whose reactions must be written again
	orphans  bool                // some reply waits for its parent
	bulk     bool                // this is a batch of a bulk load
	erased   bool                // something was deleted for good
	b        body.Builder
	keys     wire.MessageKeys
}

// channelState is a channel as this transaction has changed it.
type channelState struct {
	key           int64
	truncatedAt   chat.Time
	lastMessageAt chat.Time
	sequence      int64
	members       int // changes of the counts
	messages      int
	total         int
	dirty         bool
}

func newTx(c *lite.Conn, app int64) *tx {
	return &tx{
		reader:   reader{conn: c, app: app},
		users:    map[string]int64{},
		channels: map[string]*channelState{},
		byKey:    map[int64]*channelState{},
		threads:  map[string]struct{}{},
		reacted:  map[string]struct{}{},
	}
}

// flush writes what the rows of the transaction imply. Readers of the same
// transaction that need it see it only after: Reader methods of tx flush
// first where it matters.
func (t *tx) flush() error {
	for id := range t.reacted {
		if err := t.summarize(id); err != nil {
			return err
		}
	}
	clear(t.reacted)
	for id := range t.threads {
		if err := t.writeThread(id); err != nil {
			return err
		}
	}
	clear(t.threads)
	for _, c := range t.channels {
		if !c.dirty {
			continue
		}
		err := t.conn.Exec(`UPDATE channels SET last_message_at = $3, sequence = $4, member_count = member_count + $5,
			message_count = message_count + $6, total_messages = total_messages + $7 WHERE key = $1 AND app = $2`,
			c.key, t.app, c.lastMessageAt, c.sequence, c.members, c.messages, c.total)
		if err != nil {
			return err
		}
		c.members, c.messages, c.total, c.dirty = 0, 0, 0, false
	}
	return nil
}

// The methods below show derived columns, so what is pending is written first.

func (t *tx) Channel(cid string) (store.ChannelRow, error) {
	if err := t.flush(); err != nil {
		return store.ChannelRow{}, err
	}
	return t.reader.Channel(cid)
}

func (t *tx) Message(id string) (store.MessageRow, error) {
	if err := t.flush(); err != nil {
		return store.MessageRow{}, err
	}
	return t.reader.Message(id)
}

func (t *tx) Messages(r store.MessageRange, fn func(*store.MessageRow) error) error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.reader.Messages(r, fn)
}

func (t *tx) UserMessages(user int64, fn func(*store.MessageRow) error) error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.reader.UserMessages(user, fn)
}

func (t *tx) Reads(channel int64, fn func(*store.ReadRow) error) error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.reader.Reads(channel, fn)
}

func (t *tx) Replies(parent string, r store.MessageRange, fn func(*store.MessageRow) error) error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.reader.Replies(parent, r, fn)
}

func (t *tx) Pinned(channel int64, fn func(*store.MessageRow) error) error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.reader.Pinned(channel, fn)
}

func (t *tx) ChannelsOf(user int64, fn func(*store.ChannelRow) error) error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.reader.ChannelsOf(user, fn)
}

func (t *tx) Channels(after string, fn func(*store.ChannelRow) error) error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.reader.Channels(after, fn)
}

func (t *tx) Read(channel, user int64) (store.ReadRow, error) {
	if err := t.flush(); err != nil {
		return store.ReadRow{}, err
	}
	return t.reader.Read(channel, user)
}

// maxKnownUsers bounds the keys a transaction remembers.
const maxKnownUsers = 1 << 16

// user is the key of the user with that id; 0 for "".
func (t *tx) user(id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	if key, ok := t.users[id]; ok {
		return key, nil
	}
	key, err := t.UserKey(id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, &store.UnknownUserError{ID: id}
	}
	if err != nil {
		return 0, err
	}
	t.remember(id, key)
	return key, nil
}

func (t *tx) remember(id string, key int64) {
	if len(t.users) >= maxKnownUsers {
		clear(t.users)
	}
	t.users[id] = key
}

func (t *tx) PutUser(u *chat.User) (key int64, err error) {
	err = t.conn.Query(`INSERT INTO users (app, id, created_at, deactivated_at, deleted_at, body) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (app, id) DO UPDATE SET created_at = $3, deactivated_at = $4, deleted_at = $5, body = $6 RETURNING key`,
		[]any{t.app, u.ID, u.CreatedAt, u.DeactivatedAt, u.DeletedAt, wire.AppendUser(nil, u)},
		func(s *lite.Stmt) error {
			key = s.Int(0)
			return nil
		})
	if err == nil {
		t.remember(u.ID, key)
	}
	return key, err
}

func (t *tx) PutChannel(c *chat.Channel) (int64, error) {
	createdBy, err := t.user(c.CreatedBy)
	if err != nil {
		return 0, err
	}
	truncatedBy, err := t.user(c.TruncatedBy)
	if err != nil {
		return 0, err
	}
	if err := t.flush(); err != nil {
		return 0, err
	}
	cid := c.CID()
	old, sequence, err := t.reader.channel(cid)
	isNew := errors.Is(err, store.ErrNotFound)
	if err != nil && !isNew {
		return 0, err
	}
	last := c.LastMessageAt
	if old.Channel.TruncatedAt == c.TruncatedAt {
		last = max(last, old.Channel.LastMessageAt)
	}
	if last < c.TruncatedAt {
		last = 0 // what was said last has been truncated
	}
	var key int64
	err = t.conn.Query(`INSERT INTO channels (app, cid, type, id, created_by, created_at, updated_at, deleted_at, truncated_at,
		truncated_by, last_message_at, frozen, disabled, team, cooldown, custom)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (app, cid) DO UPDATE SET created_by = $5, created_at = $6, updated_at = $7, deleted_at = $8, truncated_at = $9,
		truncated_by = $10, last_message_at = $11, frozen = $12, disabled = $13, team = $14, cooldown = $15, custom = $16
		RETURNING key`,
		[]any{
			t.app, cid, c.Type, c.ID, createdBy, c.CreatedAt, c.UpdatedAt, c.DeletedAt, c.TruncatedAt,
			truncatedBy, last, c.Frozen, c.Disabled, c.Team, c.Cooldown, wire.AppendCustomObject(nil, c.Custom),
		},
		func(s *lite.Stmt) error {
			key = s.Int(0)
			return nil
		})
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

// recount counts a channel's messages anew after its truncation has changed.
func (t *tx) recount(c *channelState) error {
	return t.conn.Query(`SELECT count(*), coalesce(max(created_at), 0) FROM messages
		WHERE app = $1 AND channel = $2 AND created_at >= $3`, []any{t.app, c.key, c.truncatedAt},
		func(s *lite.Stmt) error {
			c.lastMessageAt = max(c.lastMessageAt, s.Time(1))
			c.dirty = true
			return t.conn.Exec(`UPDATE channels SET message_count = (SELECT count(*) FROM messages
				WHERE app = $2 AND channel = $1 AND created_at >= $3 AND deleted_at = 0) WHERE key = $1 AND app = $2`,
				c.key, t.app, c.truncatedAt)
		})
}

func (t *tx) channelByCID(cid string) (*channelState, error) {
	if c := t.channels[cid]; c != nil {
		return c, nil
	}
	row, sequence, err := t.reader.channel(cid)
	if err != nil {
		return nil, err
	}
	c := &channelState{key: row.Key, truncatedAt: row.Channel.TruncatedAt, lastMessageAt: row.Channel.LastMessageAt, sequence: sequence}
	t.channels[cid], t.byKey[c.key] = c, c
	return c, nil
}

func (t *tx) channelByKey(key int64) (*channelState, error) {
	if c := t.byKey[key]; c != nil {
		return c, nil
	}
	var cid string
	err := t.one("channel", `SELECT cid FROM channels WHERE key = $1 AND app = $2`, []any{key, t.app},
		func(s *lite.Stmt) { cid = s.Text(0) })
	if err != nil {
		return nil, err
	}
	return t.channelByCID(cid)
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
	err = t.conn.Exec(`INSERT INTO members (app, channel, user, created_at, body) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		t.app, channel, user, m.CreatedAt, stored)
	if err != nil {
		return err
	}
	if t.conn.Changes() == 1 {
		c.members, c.dirty = c.members+1, true
		return nil
	}
	return t.conn.Exec(`UPDATE members SET created_at = $4, body = $5 WHERE app = $1 AND channel = $2 AND user = $3`,
		t.app, channel, user, m.CreatedAt, stored)
}

func (t *tx) PutRead(channel int64, r *chat.Read) error {
	user, err := t.user(r.UserID)
	if err != nil {
		return err
	}
	c, err := t.channelByKey(channel)
	if err != nil {
		return err
	}
	return t.conn.Exec(`INSERT INTO reads (app, channel, user, last_read, last_message_id, unread, sequence)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (app, channel, user)
		DO UPDATE SET last_read = $4, last_message_id = $5, unread = $6, sequence = $7`,
		t.app, channel, user, r.LastRead, r.LastReadMessageID, r.Unread, c.sequence)
}

func (t *tx) CountUnread(channel int64) error {
	if err := t.flush(); err != nil {
		return err
	}
	type reader struct {
		since  chat.Time
		unread int
	}
	waiting := map[int64]*reader{}
	var from chat.Time
	err := t.conn.Query(`SELECT user, last_read FROM reads WHERE app = $1 AND channel = $2 AND unread < 0`, []any{t.app, channel},
		func(s *lite.Stmt) error {
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
	sortBySince(order, func(r *reader) chat.Time { return r.since })
	seen := 0
	err = t.conn.Query(`SELECT created_at, user FROM messages WHERE app = $1 AND channel = $2 AND created_at > $3
		AND created_at >= (SELECT truncated_at FROM channels WHERE key = $2 AND app = $1) AND deleted_at = 0 AND kind & 4 = 0
		ORDER BY created_at DESC`, []any{t.app, channel, from},
		func(s *lite.Stmt) error {
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
	for user, r := range waiting {
		err := t.conn.Exec(`UPDATE reads SET unread = $4 WHERE app = $1 AND channel = $2 AND user = $3`,
			t.app, channel, user, max(r.unread, 0))
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) RecountUnread(channel int64) error {
	c, err := t.channelByKey(channel)
	if err != nil {
		return err
	}
	err = t.conn.Exec(`UPDATE reads SET unread = -1, sequence = $3 WHERE app = $1 AND channel = $2`, t.app, channel, c.sequence)
	if err != nil {
		return err
	}
	return t.CountUnread(channel)
}

func (t *tx) PutCall(c *chat.Call) error {
	createdBy, err := t.user(c.CreatedBy)
	if err != nil {
		return err
	}
	involved := map[int64]struct{}{createdBy: {}}
	members := make([]int64, len(c.Members))
	for i, m := range c.Members {
		if members[i], err = t.user(m.UserID); err != nil {
			return err
		}
		involved[members[i]] = struct{}{}
	}
	for _, id := range wire.Participants(c.Session) {
		key, err := t.user(id)
		if errors.Is(err, store.ErrNotFound) {
			continue // somebody from outside the app
		}
		if err != nil {
			return err
		}
		involved[key] = struct{}{}
	}
	var details []byte
	if c.Detailed() {
		t.b.Reset()
		wire.BuildCallDetails(&t.b, c, createdBy, members)
		details = slices.Clone(t.b.Bytes())
	}
	t.b.Reset()
	wire.BuildCall(&t.b, c, createdBy, members)
	var key int64
	err = t.conn.Query(`INSERT INTO calls (app, cid, created_at, body, details) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (app, cid) DO UPDATE SET created_at = $3, body = $4, details = $5 RETURNING key`,
		[]any{t.app, c.CID(), c.CreatedAt, t.b.Bytes(), details}, func(s *lite.Stmt) error {
			key = s.Int(0)
			return nil
		})
	if err != nil {
		return err
	}
	if err := t.conn.Exec(`DELETE FROM call_users WHERE app = $1 AND call = $2`, t.app, key); err != nil {
		return err
	}
	for user := range involved {
		if user == 0 {
			continue
		}
		if err := t.conn.Exec(`INSERT INTO call_users (app, user, call) VALUES ($1, $2, $3)`, t.app, user, key); err != nil {
			return fmt.Errorf("call %s: %w", c.CID(), err)
		}
	}
	return nil
}
