package sqlstore

import (
	"errors"
	"hash/maphash"

	"hansard/internal/store"
)

// Where transactions run side by side, what one of them has read may be changed
// by another before it writes. The row of a channel stands for all that is in
// the channel: it is locked before anything of that is read. Transactions that
// lock several channels do it in the order of their keys where they can; those
// that get into each other's way all the same are undone by the database, and
// run again.

// lockChannel reads a channel, and locks it.
func (t *tx) lockChannel(cid, sql string, arg any) (row store.ChannelRow, sequence int64, err error) {
	if !t.dialect.Shared {
		return t.channel(cid, sql, arg)
	}
	row, sequence, err = t.channel(cid, sql+` FOR UPDATE`, arg)
	if err == nil {
		t.locked[row.Key] = struct{}{}
	}
	return row, sequence, err
}

// isLocked reports whether nobody else changes what is in a channel.
func (t *tx) isLocked(channel int64) bool {
	if !t.dialect.Shared {
		return true
	}
	_, ok := t.locked[channel]
	return ok
}

// lockKey locks a channel, unless it is locked already.
func (t *tx) lockKey(channel int64) error {
	if t.isLocked(channel) {
		return nil
	}
	err := t.one("channel", "", `SELECT 1 FROM channels WHERE app = $1 AND key = $2 FOR UPDATE`, []any{t.app, channel}, func(Row) {})
	if err == nil {
		t.locked[channel] = struct{}{}
	}
	return err
}

// lockHome locks the channel that a message was seen in.
func (t *tx) lockHome(channel int64) error {
	err := t.lockKey(channel)
	if errors.Is(err, store.ErrNotFound) {
		return ErrAgain // it was deleted since, with all that was in it
	}
	return err
}

// lockedRows is how many messages are read in one go while their channels are
// locked.
const lockedRows = 256

var errPart = errors.New("that is a part")

// userMessagesLocked is UserMessagesIn for messages that may be in any channel:
// some are looked at for their channels, and once these are locked they are read.
func (t *tx) userMessagesLocked(user int64, q store.MessageRange, fn func(*store.MessageRow) error) error {
	for {
		channels := map[int64]struct{}{}
		n := 0
		err := t.reader.UserMessagesIn(user, q, func(row *store.MessageRow) error {
			if !t.isLocked(row.Channel) {
				channels[row.Channel] = struct{}{}
			}
			if n++; n == lockedRows {
				return errPart
			}
			return nil
		})
		if err != nil && !errors.Is(err, errPart) {
			return err
		}
		for _, channel := range inOrder(channels) {
			if err := t.lockHome(channel); err != nil {
				return err
			}
		}
		n = 0
		err = t.reader.UserMessagesIn(user, q, func(row *store.MessageRow) error {
			if !t.isLocked(row.Channel) {
				return ErrAgain // it has come since
			}
			at, id := row.CreatedAt, string(row.ID)
			if err := fn(row); err != nil {
				return err
			}
			if q.Newest {
				q.BeforeTime, q.BeforeID = at, id
			} else {
				q.AfterTime, q.AfterID = at, id
			}
			if n++; n == lockedRows {
				return errPart
			}
			return nil
		})
		if !errors.Is(err, errPart) {
			return err
		}
	}
}

// What is in no channel (users, calls, settings) is read without a lock, since
// it is read often and rarely written. What was read is noted, and looked at
// again before it is written.

// The kinds of what is noted.
const (
	noteUser    = "user "
	noteCall    = "call "
	noteSetting = "setting "
	// Of these only that they are not there: what is there is locked.
	noteChannel = "channel "
	noteMessage = "message "
	notePending = "pending "
)

const absent = 0

func (t *tx) hash(parts ...[]byte) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, p := range parts {
		_, _ = h.Write(p) // never fails
		_ = h.WriteByte(0)
	}
	return h.Sum64() | 1 // not absent
}

// note notes what was read, or with an ErrNotFound that nothing was there.
func (t *tx) note(kind, name string, err error, parts ...[]byte) {
	if !t.dialect.Shared {
		return
	}
	switch {
	case err == nil:
		t.seen[kind+name] = t.hash(parts...)
	case errors.Is(err, store.ErrNotFound):
		t.seen[kind+name] = absent
	}
}

// noteAbsent notes that nothing was there, if err says so.
func (t *tx) noteAbsent(kind, name string, err error) {
	if err != nil {
		t.note(kind, name, err)
	}
}

// wasAbsent reports whether something was looked for that was not there.
func (t *tx) wasAbsent(kind, name string) bool {
	was, ok := t.seen[kind+name]
	return ok && was == absent
}

// forget forgets what was noted, since this transaction has changed it.
func (t *tx) forget(kind, name string) {
	if t.dialect.Shared {
		delete(t.seen, kind+name)
	}
}

// still locks a row that is to be written, and makes sure that it is what it
// was when it was read. sql yields the columns that were noted. isNew reports
// that there was no row.
func (t *tx) still(kind, name, sql string, args ...any) (isNew bool, err error) {
	if !t.dialect.Shared {
		return false, nil
	}
	was, ok := t.seen[kind+name]
	if !ok {
		return false, nil
	}
	is := uint64(absent)
	err = t.conn.Query(sql+` FOR UPDATE`, args, func(s Row) error {
		is = t.hash(s.Bytes(0), s.Bytes(1))
		return nil
	})
	switch {
	case err != nil:
		return false, err
	case is != was:
		return false, ErrAgain
	}
	t.forget(kind, name)
	return is == absent, nil
}
