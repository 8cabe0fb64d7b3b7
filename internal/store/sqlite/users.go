package sqlite

import (
	"hansard/internal/store/sqlite/lite"
	"hansard/internal/store/sqlstore"
)

// knownUsers are the keys of users that the last batch of a bulk load has come
// across, for the next one: they need not be looked up again where nothing else
// has been written in between, by this process or by another, but how far tasks
// are. It is of the writer's goroutine alone.
type knownUsers struct {
	app     int64
	version int64 // of the data, as far as others change it
	keys    map[string]int64
	given   map[string]int64 // by a transaction that is not committed yet
}

// take gives what is known to a transaction that has begun.
func (k *knownUsers) take(c *lite.Conn, app int64, t sqlstore.Tx) error {
	was, keys := *k, k.keys
	*k = knownUsers{app: app}
	err := c.Query(`PRAGMA data_version`, nil, func(s *lite.Stmt) error {
		k.version = s.Int(0)
		return nil
	})
	if err == nil && keys != nil && was.app == app && was.version == k.version {
		t.KnowUsers(keys)
	}
	return err
}

// give takes them back when the transaction is about to be committed.
func (k *knownUsers) give(t sqlstore.Tx) { k.given = t.KnownUsers() }

// forget drops what is known, since the writes of a group are not all of one load.
func (k *knownUsers) forget() { *k = knownUsers{} }

// committed keeps what was given: it is what the database has.
func (k *knownUsers) committed() {
	if k.given != nil {
		k.keys, k.given = k.given, nil
	}
}
