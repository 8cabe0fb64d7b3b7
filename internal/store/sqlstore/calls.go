package sqlstore

import (
	"errors"
	"fmt"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

func (t *tx) Call(cid string) (store.CallRow, error) {
	row, err := t.reader.Call(cid)
	t.note(noteCall, cid, err, row.Body, row.Details)
	return row, err
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
	key, err := t.putCall(c, createdBy, members)
	if err != nil {
		return err
	}
	if err := t.exec(`DELETE FROM call_users WHERE app = $1 AND call = $2`, t.app, key); err != nil {
		return err
	}
	for _, user := range inOrder(involved) {
		if user == 0 {
			continue
		}
		if err := t.exec(`INSERT INTO call_users (app, "user", call) VALUES ($1, $2, $3)`, t.app, user, key); err != nil {
			return fmt.Errorf("call %s: %w", c.CID(), err)
		}
	}
	return nil
}

const lockCall = `SELECT body, details FROM calls WHERE app = $1 AND cid = $2`

func (t *tx) putCall(c *chat.Call, createdBy int64, members []int64) (int64, error) {
	cid := c.CID()
	isNew, err := t.still(noteCall, cid, lockCall, t.app, cid)
	if err != nil {
		return 0, err
	}
	var details []byte
	if c.Detailed() {
		t.b.Reset()
		wire.BuildCallDetails(&t.b, c, createdBy, members)
		details = slices.Clone(t.b.Bytes())
	}
	t.b.Reset()
	wire.BuildCall(&t.b, c, createdBy, members)
	sql := `INSERT INTO calls (app, cid, created_at, body, details) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (app, cid) DO UPDATE SET created_at = $3, body = $4, details = $5 RETURNING key`
	if isNew {
		sql = `INSERT INTO calls (app, cid, created_at, body, details) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING key`
	}
	return t.put(sql, t.app, cid, c.CreatedAt, t.b.Bytes(), details)
}

func (t *tx) DeleteCall(cid string) error {
	t.erased = true
	if _, err := t.still(noteCall, cid, lockCall, t.app, cid); err != nil {
		return err
	}
	err := t.exec(`DELETE FROM call_users WHERE app = $1 AND call = (SELECT key FROM calls WHERE app = $1 AND cid = $2)`, t.app, cid)
	if err != nil {
		return err
	}
	return t.changing("call "+cid, `DELETE FROM calls WHERE app = $1 AND cid = $2`, t.app, cid)
}
