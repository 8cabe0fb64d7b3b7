package sqlstore

import (
	"errors"
	"fmt"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

func (t *tx) PutReaction(r *chat.Reaction) error {
	_, err := t.InsertReactions([]chat.Reaction{*r}, false)
	return err
}

func (t *tx) DeleteReaction(message, user, typ string) error {
	key, err := t.user(user)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("reaction %s of %s: %w", typ, user, store.ErrNotFound)
	}
	if err != nil {
		return err
	}
	if _, err := t.lockMessages([]string{message}); err != nil {
		return err
	}
	err = t.changing("reaction "+typ+" of "+user, `DELETE FROM reactions WHERE app = $1 AND message = $2 AND "user" = $3 AND type = $4`,
		t.app, message, key, typ)
	if err == nil {
		t.reacted[message] = struct{}{}
	}
	return err
}

// DeleteReactions removes all reactions to a message.
func (t *tx) DeleteReactions(message string) error {
	if _, err := t.lockMessages([]string{message}); err != nil {
		return err
	}
	n, err := t.conn.Exec(`DELETE FROM reactions WHERE app = $1 AND message = $2`, t.app, message)
	if n > 0 {
		t.reacted[message] = struct{}{}
	}
	return err
}

// summarize writes what messages show of the reactions to them, from the
// reactions.
func (t *tx) summarize(ids []string) error {
	sums := make([]wire.ReactionSummary, len(ids))
	err := t.manyRows(`SELECT r.body, r.type, r.score, r.created_at FROM reactions r`+t.join()+`users u ON u.app = r.app AND u.key = r."user"
		WHERE r.app = $1 AND r.message = $2 ORDER BY r.created_at DESC, u.id, r.type`, len(ids),
		func(i int) []any { return []any{t.app, ids[i]} },
		func(i int, s Row) { sums[i].Add(s.Bytes(0), s.Text(1), int(s.Int(2)), s.Time(3)) })
	if err != nil {
		return err
	}
	return t.many(`UPDATE messages SET reactions = $3 WHERE app = $1 AND id = $2`, len(ids),
		func(i int) []any { return []any{t.app, ids[i], sums[i].Bytes()} }, nil)
}
