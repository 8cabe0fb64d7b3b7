package sqlstore

import (
	"errors"
	"fmt"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

func (t *tx) UserKey(id string) (int64, error) {
	if key, ok := t.users[id]; ok {
		return key, nil
	}
	key, err := t.reader.UserKey(id)
	if err != nil {
		t.note(noteUser, id, err)
		return 0, err
	}
	t.remember(id, key)
	return key, nil
}

// user is a user as it is stored.
type user struct {
	id     string
	object []byte
}

// maxReadUsers bounds the users whose objects a transaction keeps: those whom
// the rules are asked about are shown in the answer, too.
const maxReadUsers = 64

func (t *tx) UserByKey(key int64) (id string, object []byte, err error) {
	if u, ok := t.read[key]; ok {
		return u.id, u.object, nil
	}
	id, object, err = t.reader.UserByKey(key)
	if err != nil {
		return id, object, err
	}
	t.note(noteUser, id, nil, object, nil)
	if len(t.read) >= maxReadUsers {
		clear(t.read)
	}
	t.read[key] = user{id, object}
	return id, object, nil
}

func (t *tx) UserInto(buf []byte, key int64) (id string, grown []byte, err error) {
	id, object, err := t.UserByKey(key)
	return id, append(buf, object...), err
}

// maxKnownUsers bounds the keys a transaction remembers.
const maxKnownUsers = 1 << 16

// user is the key of the user with that id; 0 for "".
func (t *tx) user(id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	key, err := t.UserKey(id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, &store.UnknownUserError{ID: id}
	}
	return key, err
}

func (t *tx) remember(id string, key int64) {
	if len(t.users) >= maxKnownUsers {
		clear(t.users)
	}
	t.users[id] = key
}

func (t *tx) PutUser(u *chat.User) (key int64, err error) {
	isNew, err := t.still(noteUser, u.ID, `SELECT body, NULL::bytea FROM users WHERE app = $1 AND id = $2`, t.app, u.ID)
	if err != nil {
		return 0, err
	}
	sql := `INSERT INTO users (app, id, created_at, deactivated_at, deleted_at, body) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (app, id) DO UPDATE SET created_at = $3, deactivated_at = $4, deleted_at = $5, body = $6 RETURNING key`
	if isNew {
		sql = `INSERT INTO users (app, id, created_at, deactivated_at, deleted_at, body) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT DO NOTHING RETURNING key`
	}
	key, err = t.put(sql, t.app, u.ID, u.CreatedAt, u.DeactivatedAt, u.DeletedAt, wire.AppendUser(nil, u))
	if err == nil {
		t.remember(u.ID, key)
		delete(t.read, key)
	}
	return key, err
}

// put runs a statement that returns the key of the row it has written. If it
// has written none, somebody else was quicker.
func (t *tx) put(sql string, args ...any) (key int64, err error) {
	err = t.conn.Query(sql, args, func(s Row) error {
		key = s.Int(0)
		return nil
	})
	if err == nil && key == 0 {
		err = ErrAgain
	}
	return key, err
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
	if _, err := t.still(noteUser, old, `SELECT body, NULL::bytea FROM users WHERE app = $1 AND id = $2`, t.app, old); err != nil {
		return err
	}
	u, err := wire.DecodeUser(object)
	if err != nil {
		return fmt.Errorf("stored user: %w", err)
	}
	u.ID = id
	err = t.exec(`UPDATE users SET id = $3, body = $4 WHERE app = $1 AND key = $2`, t.app, key, id, wire.AppendUser(nil, &u))
	if err != nil {
		return err
	}
	delete(t.users, old)
	delete(t.read, key)
	t.remember(id, key)
	t.forget(noteUser, old)
	t.forget(noteUser, id)
	t.erased = true
	if err := t.exec(`UPDATE marks SET subject = $3 WHERE app = $1 AND kind = 4 AND subject = $2`, t.app, old, id); err != nil {
		return err
	}
	// Reactions of one instant stand in the order of their users' ids.
	var ids []string
	err = t.conn.Query(`SELECT DISTINCT r.message FROM reactions r WHERE r.app = $1 AND r."user" = $2`+t.inRuns("r", runReactions)+` AND EXISTS (SELECT 1 FROM reactions o
		WHERE o.app = r.app AND o.message = r.message AND o.created_at = r.created_at AND o."user" != r."user") ORDER BY r.message`,
		[]any{t.app, key}, func(s Row) error {
			id := s.Text(0)
			t.reacted[id] = struct{}{}
			ids = append(ids, id)
			return nil
		})
	if err != nil || !t.dialect.Shared {
		return err
	}
	return inChunks(ids, func(ids []string) error {
		_, err := t.lockMessages(ids)
		return err
	})
}
