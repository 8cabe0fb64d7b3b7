package sqlite

import "hansard/internal/store"

func (r *reader) UserMessagesIn(user int64, q store.MessageRange, fn func(*store.MessageRow) error) error {
	sql, args := inRange(`SELECT `+messageColumns+` FROM messages m INDEXED BY messages_by_user
		WHERE m.app = $1 AND m.user = $2`, []any{r.app, user}, "m", &q)
	return r.messages(sql, args, fn)
}

func (t *tx) UserMessagesIn(user int64, q store.MessageRange, fn func(*store.MessageRow) error) error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.reader.UserMessagesIn(user, q, fn)
}

func (t *tx) DeleteHistory(message string) error {
	t.erased = true
	return t.conn.Exec(`DELETE FROM history WHERE app = $1 AND message = $2`, t.app, message)
}

func (t *tx) DeleteReactions(message string) error {
	if err := t.conn.Exec(`DELETE FROM reactions WHERE app = $1 AND message = $2`, t.app, message); err != nil {
		return err
	}
	if t.conn.Changes() > 0 {
		t.reacted[message] = struct{}{}
	}
	return nil
}
