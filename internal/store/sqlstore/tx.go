package sqlstore

import (
	"cmp"
	"errors"
	"hash/maphash"
	"maps"
	"slices"

	"hansard/internal/body"
	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// Tx is a store.Tx, with what engines need beyond it.
type Tx interface {
	store.Tx
	// Flush writes what the rows of the transaction imply. It must be called
	// before the commit.
	Flush() error
	// Bulk reports whether this was a batch of a bulk load.
	Bulk() bool
	// Erased reports whether something was deleted for good.
	Erased() bool
	// KnownUsers are the keys of users that the transaction has come across, by id.
	KnownUsers() map[string]int64
	// KnowUsers gives it such keys, which are then its own.
	KnowUsers(keys map[string]int64)
}

// tx writes the data of one app. What many rows of a batch share (user keys,
// channels, threads, reaction summaries) is looked up once and written back by
// Flush, when the caller is done.
type tx struct {
	reader
	users    map[string]int64
	read     map[int64]user
	channels map[string]*channelState
	byKey    map[int64]*channelState
	threads  map[string]struct{} // parents whose thread must be written again
	reacted  map[string]struct{} // messages whose reactions must be written again
	orphans  bool                // some reply waits for its parent
	batch    batch               // that is being inserted
	bulk     bool                // this is a batch of a bulk load
	runs     [3]run              // by kind: what the load adds to
	erased   bool                // something was deleted for good
	b        body.Builder
	keys     wire.MessageKeys

	// Of shared databases alone:
	locked map[int64]struct{} // channels whose rows are locked
	seen   map[string]uint64  // what was read and is not locked, by hash; see note
	seed   maphash.Seed
}

// channelState is a channel as this transaction has changed it.
type channelState struct {
	key           int64
	truncatedAt   chat.Time
	lastMessageAt chat.Time
	sequence      int64
	members       int64 // changes of the counts
	messages      int64
	total         int64
	dirty         bool
}

// NewTx returns a Tx on a connection that is in a transaction.
func NewTx(c Conn, d Dialect, app int64) Tx {
	t := &tx{
		reader:   reader{conn: c, dialect: d, app: app},
		users:    map[string]int64{},
		read:     map[int64]user{},
		channels: map[string]*channelState{},
		byKey:    map[int64]*channelState{},
		threads:  map[string]struct{}{},
		reacted:  map[string]struct{}{},
	}
	if d.Shared {
		t.locked, t.seen, t.seed = map[int64]struct{}{}, map[string]uint64{}, maphash.MakeSeed()
	}
	return t
}

func (t *tx) Bulk() bool { return t.bulk }

func (t *tx) Erased() bool { return t.erased }

func (t *tx) KnownUsers() map[string]int64 { return t.users }

func (t *tx) KnowUsers(keys map[string]int64) { t.users = keys }

// exec runs a statement of which only matters that it is done.
func (t *tx) exec(sql string, args ...any) error {
	if c, ok := t.conn.(Later); ok {
		return c.Later(sql, args...)
	}
	_, err := t.conn.Exec(sql, args...)
	return err
}

// Flush writes what the rows of the transaction imply. Readers of the same
// transaction that need it see it only after: Reader methods of tx flush
// first where it matters.
func (t *tx) Flush() error {
	// In an order: see lock.
	if err := inChunks(inOrder(t.reacted), t.summarize); err != nil {
		return err
	}
	clear(t.reacted)
	if err := inChunks(inOrder(t.threads), t.writeThreads); err != nil {
		return err
	}
	clear(t.threads)
	if err := t.countRuns(); err != nil {
		return err
	}
	for _, c := range t.channels {
		if !c.dirty {
			continue
		}
		err := t.exec(`UPDATE channels SET last_message_at = $3, sequence = $4, member_count = member_count + $5,
			message_count = message_count + $6, total_messages = total_messages + $7 WHERE key = $1 AND app = $2`,
			c.key, t.app, c.lastMessageAt, c.sequence, c.members, c.messages, c.total)
		if err != nil {
			return err
		}
		c.members, c.messages, c.total, c.dirty = 0, 0, 0, false
	}
	return nil
}

func inOrder[K cmp.Ordered](set map[K]struct{}) []K {
	if len(set) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(set))
}

// The methods below show derived columns, so what is pending is written first.

func (t *tx) Channel(cid string) (store.ChannelRow, error) {
	if err := t.Flush(); err != nil {
		return store.ChannelRow{}, err
	}
	row, sequence, err := t.lockChannel(cid, channelByCID, cid)
	if err != nil {
		t.noteAbsent(noteChannel, cid, err)
		return row, err
	}
	if t.channels[cid] == nil {
		t.knowChannel(cid, &row, sequence)
	}
	return row, nil
}

func (t *tx) Message(id string) (store.MessageRow, error) {
	if err := t.Flush(); err != nil {
		return store.MessageRow{}, err
	}
	for {
		row, err := t.reader.Message(id)
		if err != nil || t.isLocked(row.Channel) {
			t.noteAbsent(noteMessage, id, err)
			return row, err
		}
		if err := t.lockHome(row.Channel); err != nil {
			return store.MessageRow{}, err
		}
		// Now that nobody changes it any more, it is read again.
	}
}

func (t *tx) MessageInto(row *store.MessageRow, buf, id []byte) ([]byte, bool, error) {
	found, err := t.Message(string(id))
	if errors.Is(err, store.ErrNotFound) {
		return buf, false, nil
	}
	*row = found
	return buf, err == nil, err
}

func (t *tx) Messages(r store.MessageRange, fn func(*store.MessageRow) error) error {
	if err := t.Flush(); err != nil {
		return err
	}
	return t.reader.Messages(r, fn)
}

func (t *tx) UserMessages(user int64, fn func(*store.MessageRow) error) error {
	return t.UserMessagesIn(user, store.MessageRange{}, fn)
}

func (t *tx) UserMessagesIn(user int64, q store.MessageRange, fn func(*store.MessageRow) error) error {
	if err := t.Flush(); err != nil {
		return err
	}
	if t.dialect.Shared {
		return t.userMessagesLocked(user, q, fn)
	}
	return t.reader.UserMessagesIn(user, q, fn)
}

func (t *tx) Reads(channel int64, fn func(*store.ReadRow) error) error {
	if err := t.Flush(); err != nil {
		return err
	}
	return t.reader.Reads(channel, fn)
}

func (t *tx) Replies(parent string, r store.MessageRange, fn func(*store.MessageRow) error) error {
	if err := t.Flush(); err != nil {
		return err
	}
	return t.reader.Replies(parent, r, fn)
}

func (t *tx) Pinned(channel int64, fn func(*store.MessageRow) error) error {
	if err := t.Flush(); err != nil {
		return err
	}
	return t.reader.Pinned(channel, fn)
}

func (t *tx) ChannelsOf(user int64, fn func(*store.ChannelRow) error) error {
	if err := t.Flush(); err != nil {
		return err
	}
	return t.reader.ChannelsOf(user, fn)
}

func (t *tx) Channels(after string, fn func(*store.ChannelRow) error) error {
	if err := t.Flush(); err != nil {
		return err
	}
	return t.reader.Channels(after, fn)
}

func (t *tx) Read(channel, user int64) (store.ReadRow, error) {
	if err := t.Flush(); err != nil {
		return store.ReadRow{}, err
	}
	return t.reader.Read(channel, user)
}
