package sqlstore

import (
	"errors"
	"fmt"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

func (t *tx) PutReaction(r *chat.Reaction) error {
	_, err := t.InsertReactions([]chat.Reaction{*r}, false)
	return err
}

func (t *tx) InsertReactions(rs []chat.Reaction, keep bool) (int, error) {
	t.bulk = t.bulk || len(rs) >= bulkFrom
	n := 0
	err := inChunks(rs, func(part []chat.Reaction) error {
		news, err := t.putReactions(part, keep)
		n += news
		return err
	})
	return n, err
}

func (t *tx) putReactions(rs []chat.Reaction, keep bool) (n int, err error) {
	if err := t.reactable(rs); err != nil {
		return 0, err
	}
	users := make([]int64, len(rs))
	bodies := make([][]byte, len(rs))
	for i := range rs {
		if users[i], err = t.user(rs[i].UserID); err != nil {
			return 0, fmt.Errorf("reaction to %s: %w", rs[i].MessageID, err)
		}
		t.b.Reset()
		wire.BuildReaction(&t.b, &rs[i], users[i])
		bodies[i] = slices.Clone(t.b.Bytes())
	}
	var known []int
	sql := `INSERT INTO reactions (app, message, "user", type, score, created_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`
	runs := make([]int64, len(rs))
	if t.dialect.Runs {
		sql = `INSERT INTO reactions (app, message, "user", type, score, created_at, body, run) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`
		for i := range runs {
			if runs[i], err = t.runFor(runReactions); err != nil {
				return 0, err
			}
		}
	}
	err = t.many(sql, len(rs), func(i int) []any {
		r := &rs[i]
		args := []any{t.app, r.MessageID, users[i], r.Type, r.Score, r.CreatedAt, bodies[i]}
		if t.dialect.Runs {
			args = append(args, runs[i])
		}
		return args
	}, func(i int, changed int64) {
		switch {
		case changed == 1:
			n++
			t.reacted[rs[i].MessageID] = struct{}{}
		case !keep:
			known = append(known, i)
			t.reacted[rs[i].MessageID] = struct{}{}
		}
	})
	if err != nil {
		return 0, err
	}
	return n, t.many(`UPDATE reactions SET score = $5, created_at = $6, body = $7
		WHERE app = $1 AND message = $2 AND "user" = $3 AND type = $4`, len(known), func(i int) []any {
		i = known[i]
		r := &rs[i]
		return []any{t.app, r.MessageID, users[i], r.Type, r.Score, r.CreatedAt, bodies[i]}
	}, nil)
}

// reactable makes sure that the messages are there which reactions are to, and
// locks their channels.
func (t *tx) reactable(rs []chat.Reaction) error {
	ids := make([]string, 0, len(rs))
	for i := range rs {
		if n := len(ids); n == 0 || ids[n-1] != rs[i].MessageID {
			ids = append(ids, rs[i].MessageID)
		}
	}
	there, err := t.lockMessages(ids)
	if err != nil {
		return err
	}
	if i := slices.Index(there, false); i >= 0 {
		return fmt.Errorf("reaction to %s: message %s: %w", ids[i], ids[i], store.ErrNotFound)
	}
	return nil
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
