package sqlstore

import (
	"errors"

	"hansard/internal/chat"
	"hansard/internal/store"
)

// What the data API keeps beside the chats: histories, pending messages, marks
// and settings. Exports show none of it.

var errHistoryQuery = errors.New("a query of the history must name a message or a user")

func (r *reader) History(q store.HistoryQuery, fn func(*store.HistoryRow) error) error {
	if q.Message == "" && q.User == 0 {
		return errHistoryQuery
	}
	until, before := q.Until, q.BeforeTime
	if until == 0 {
		until = 1<<63 - 1
	}
	if before == 0 {
		before = 1<<63 - 1
	}
	const rest = ` AND updated_at >= $3 AND updated_at < $4 AND (updated_at < $5 OR updated_at = $5 AND message > $6)
		ORDER BY updated_at DESC, message`
	sql, args := `app = $1 AND message = $2`+rest, []any{r.app, q.Message, q.Since, until, before, q.BeforeMessage}
	switch {
	case q.Message == "":
		sql, args[1] = `app = $1 AND updated_by = $2`+rest, q.User
	case q.User != 0:
		sql, args = `app = $1 AND updated_by = $7 AND message = $2`+rest, append(args, q.User)
	}
	var row store.HistoryRow
	return r.conn.Query(`SELECT message, updated_at, updated_by, object FROM history WHERE `+sql, args, func(s Row) error {
		row = store.HistoryRow{Message: s.Text(0), UpdatedAt: s.Time(1), UpdatedBy: s.Int(2), Object: s.Bytes(3)}
		return fn(&row)
	})
}

func (t *tx) PutHistory(h *store.HistoryRow) error {
	return t.exec(`INSERT INTO history (app, message, updated_at, updated_by, object) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (app, message, updated_at) DO UPDATE SET updated_by = $4, object = $5`,
		t.app, h.Message, h.UpdatedAt, h.UpdatedBy, h.Object)
}

const selectPending = `SELECT id, channel, "user", created_at, message, metadata FROM pending WHERE app = $1 AND id = $2`

func (r *reader) Pending(id string) (store.PendingRow, error) { return r.pending(id, selectPending) }

func (t *tx) Pending(id string) (store.PendingRow, error) {
	if t.dialect.Shared {
		// One of those who want to commit it, or to drop it, does.
		row, err := t.pending(id, selectPending+` FOR UPDATE`)
		t.noteAbsent(notePending, id, err)
		return row, err
	}
	return t.reader.Pending(id)
}

func (r *reader) pending(id, sql string) (row store.PendingRow, err error) {
	err = r.one("pending message", id, sql, []any{r.app, id}, func(s Row) {
		row = store.PendingRow{
			ID: s.Text(0), Channel: s.Int(1), User: s.Int(2), CreatedAt: s.Time(3), Message: s.Copy(4), Metadata: s.Copy(5),
		}
	})
	return row, err
}

func (t *tx) PutPending(p *store.PendingRow) error {
	if t.wasAbsent(notePending, p.ID) {
		t.forget(notePending, p.ID)
		n, err := t.conn.Exec(`INSERT INTO pending (app, id, channel, "user", created_at, message, metadata)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`, t.app, p.ID, p.Channel, p.User, p.CreatedAt, p.Message, p.Metadata)
		if err == nil && n == 0 {
			err = ErrAgain
		}
		return err
	}
	return t.exec(`INSERT INTO pending (app, id, channel, "user", created_at, message, metadata) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (app, id) DO UPDATE SET channel = $3, "user" = $4, created_at = $5, message = $6, metadata = $7`,
		t.app, p.ID, p.Channel, p.User, p.CreatedAt, p.Message, p.Metadata)
}

func (t *tx) DeletePending(id string) error {
	return t.changing("pending message "+id, `DELETE FROM pending WHERE app = $1 AND id = $2`, t.app, id)
}

func (t *tx) DeletePendingIn(channel int64, before chat.Time) error {
	t.erased = true
	return t.exec(`DELETE FROM pending WHERE app = $1 AND channel = $2 AND created_at < $3`, t.app, channel, before)
}

func (t *tx) DeletePendingOf(user int64) error {
	t.erased = true
	return t.exec(`DELETE FROM pending WHERE app = $1 AND "user" = $2`, t.app, user)
}

func (t *tx) DeleteHistory(message string) error {
	t.erased = true
	return t.exec(`DELETE FROM history WHERE app = $1 AND message = $2`, t.app, message)
}

func (r *reader) Mark(kind store.MarkKind, user int64, subject string) (m store.Mark, err error) {
	err = r.one("mark on", subject, `SELECT at, until FROM marks WHERE app = $1 AND kind = $2 AND "user" = $3 AND subject = $4`,
		[]any{r.app, int64(kind), user, subject}, func(s Row) {
			m = store.Mark{Kind: kind, User: user, Subject: subject, At: s.Time(0), Until: s.Time(1)}
		})
	return m, err
}

func (r *reader) Marks(kind store.MarkKind, user int64, fn func(*store.Mark) error) error {
	return r.conn.Query(`SELECT subject, at, until FROM marks WHERE app = $1 AND kind = $2 AND "user" = $3 ORDER BY subject`,
		[]any{r.app, int64(kind), user}, func(s Row) error {
			return fn(&store.Mark{Kind: kind, User: user, Subject: s.Text(0), At: s.Time(1), Until: s.Time(2)})
		})
}

func (t *tx) PutMark(m *store.Mark) error {
	return t.exec(`INSERT INTO marks (app, kind, "user", subject, at, until) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (app, kind, "user", subject) DO UPDATE SET at = $5, until = $6`,
		t.app, int64(m.Kind), m.User, m.Subject, m.At, m.Until)
}

func (t *tx) DeleteMark(kind store.MarkKind, user int64, subject string) error {
	return t.exec(`DELETE FROM marks WHERE app = $1 AND kind = $2 AND "user" = $3 AND subject = $4`, t.app, int64(kind), user, subject)
}

func (t *tx) DeleteMarksOn(kind store.MarkKind, subject string) error {
	return t.exec(`DELETE FROM marks WHERE app = $1 AND kind = $2 AND subject = $3`, t.app, int64(kind), subject)
}

func (r *reader) Setting(name string) (value []byte, err error) {
	err = r.one("setting", name, `SELECT value FROM settings WHERE app = $1 AND name = $2`, []any{r.app, name},
		func(s Row) { value = s.Copy(0) })
	return value, err
}

func (r *reader) Settings(prefix string, fn func(name string, value []byte) error) error {
	return r.conn.Query(`SELECT name, value FROM settings WHERE app = $1 AND name >= $2 AND substr(name, 1, length($2)) = $2 ORDER BY name`,
		[]any{r.app, prefix}, func(s Row) error { return fn(s.Text(0), s.Bytes(1)) })
}

func (t *tx) Setting(name string) ([]byte, error) {
	value, err := t.reader.Setting(name)
	t.note(noteSetting, name, err, value, nil)
	return value, err
}

func (t *tx) PutSetting(name string, value []byte) error {
	isNew, err := t.still(noteSetting, name, `SELECT value, NULL::bytea FROM settings WHERE app = $1 AND name = $2`, t.app, name)
	if err != nil {
		return err
	}
	if value == nil {
		return t.exec(`DELETE FROM settings WHERE app = $1 AND name = $2`, t.app, name)
	}
	if isNew {
		n, err := t.conn.Exec(`INSERT INTO settings (app, name, value) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, t.app, name, value)
		if err == nil && n == 0 {
			err = ErrAgain
		}
		return err
	}
	return t.exec(`INSERT INTO settings (app, name, value) VALUES ($1, $2, $3) ON CONFLICT (app, name) DO UPDATE SET value = $3`,
		t.app, name, value)
}
