package sqlstore

import (
	"cmp"
	"fmt"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// batch is what is inserted in one go. What its new messages show of the rest of
// it, their reactions and the replies to them, is written along with them: to
// write it into them afterwards costs half as much as inserting them did.
type batch struct {
	reactions []reactionRecord
	to        map[string][]*reactionRecord // by message that has not been met yet
	replies   map[string][]*chat.Message   // by parent

	reacted  map[string]struct{} // messages that are new and show their reactions
	answered map[string]struct{} // messages that show their replies, if they are new
}

// reactionRecord is a row of the table of reactions that is to be inserted.
type reactionRecord struct {
	*chat.Reaction
	user int64
	body []byte
	run  int64
}

func (t *tx) InsertMessages(ms []chat.Message, keep bool) (int, error) {
	n, _, err := t.InsertBatch(ms, nil, keep)
	return n, err
}

func (t *tx) InsertReactions(rs []chat.Reaction, keep bool) (int, error) {
	_, n, err := t.InsertBatch(nil, rs, keep)
	return n, err
}

func (t *tx) InsertBatch(ms []chat.Message, rs []chat.Reaction, keep bool) (messages, reactions int, err error) {
	t.bulk = t.bulk || len(ms) >= bulkFrom || len(rs) >= bulkFrom
	b, err := t.newBatch(rs)
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		t.batch = batch{}
		if err == nil {
			return
		}
		// Should the caller go on, what was promised is not there.
		for id := range b.reacted {
			t.reacted[id] = struct{}{}
		}
		for id := range b.answered {
			t.threads[id] = struct{}{}
		}
	}()
	t.batch = b
	if len(ms) > 0 {
		if err := t.lockChannels(ms); err != nil {
			return 0, 0, err
		}
		if err := t.findOrphans(); err != nil {
			return 0, 0, err
		}
		t.batch.findReplies(t, ms)
		if messages, err = t.insertAhead(ms, keep); err != nil {
			return messages, 0, err
		}
	}
	err = inChunks(b.reactions, func(part []reactionRecord) error {
		n, err := t.putReactions(part, keep)
		reactions += n
		return err
	})
	return messages, reactions, err
}

// newBatch makes the rows of reactions.
func (t *tx) newBatch(rs []chat.Reaction) (batch, error) {
	b := batch{
		reactions: make([]reactionRecord, len(rs)),
		to:        map[string][]*reactionRecord{}, replies: map[string][]*chat.Message{},
		reacted: map[string]struct{}{}, answered: map[string]struct{}{},
	}
	for i := range rs {
		r := &b.reactions[i]
		r.Reaction = &rs[i]
		var err error
		if r.user, err = t.user(r.UserID); err != nil {
			return b, fmt.Errorf("reaction to %s: %w", r.MessageID, err)
		}
		if r.run, err = t.runFor(runReactions); err != nil {
			return b, err
		}
		t.b.Reset()
		wire.BuildReaction(&t.b, r.Reaction, r.user)
		r.body = slices.Clone(t.b.Bytes())
		b.to[r.MessageID] = append(b.to[r.MessageID], r)
	}
	return b, nil
}

// findReplies finds the replies among messages. Where one waits for its parent, or
// may be written by somebody else meanwhile, those of the batch are not all.
func (b *batch) findReplies(t *tx, ms []chat.Message) {
	if t.orphans || t.dialect.Shared {
		return
	}
	for i := range ms {
		if m := &ms[i]; m.ParentID != "" {
			b.replies[m.ParentID] = append(b.replies[m.ParentID], m)
		}
	}
}

// foretell gives the row of a message what it shows of the rest of the batch.
func (t *tx) foretell(r *MessageRecord) error {
	if r.reactions = t.batch.to[r.ID]; len(r.reactions) > 0 {
		delete(t.batch.to, r.ID) // if it comes twice, the first one shows them
	}
	replies := t.batch.replies[r.ID]
	if len(replies) == 0 {
		return nil
	}
	slices.SortFunc(replies, func(a, b *chat.Message) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	var th thread
	for _, m := range replies {
		user, err := t.user(m.UserID)
		if err != nil {
			return fmt.Errorf("message %s: %w", m.ID, err)
		}
		th.add(user, m.DeletedAt != 0)
	}
	t.b.Reset()
	wire.BuildThread(&t.b, th.participants, th.replies, th.deleted)
	r.Thread = slices.Clone(t.b.Bytes())
	t.batch.answered[r.ID] = struct{}{}
	return nil
}

// told takes note of what was inserted, and of what must be written again since
// it was foretold of a message that is not new.
func (t *tx) told(r *MessageRecord, isNew bool) {
	b := &t.batch
	if isNew {
		if len(r.reactions) > 0 {
			b.reacted[r.ID] = struct{}{}
		}
		return
	}
	for _, id := range []string{r.ID, r.Parent} {
		if _, ok := b.answered[id]; ok {
			t.threads[id] = struct{}{}
		}
	}
}

// summary is what a message shows of all the reactions to it.
func summary(rs []*reactionRecord) []byte {
	slices.SortFunc(rs, func(a, b *reactionRecord) int {
		return cmp.Or(-cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.UserID, b.UserID), cmp.Compare(a.Type, b.Type))
	})
	var sum wire.ReactionSummary
	for _, r := range rs {
		sum.Add(r.body, r.Type, r.Score, r.CreatedAt)
	}
	return sum.Bytes()
}

func (t *tx) putReactions(rs []reactionRecord, keep bool) (n int, err error) {
	if err := t.reactable(rs); err != nil {
		return 0, err
	}
	var known []*reactionRecord
	sql := `INSERT INTO reactions (app, message, "user", type, score, created_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`
	if t.dialect.Runs {
		sql = `INSERT INTO reactions (app, message, "user", type, score, created_at, body, run) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`
	}
	err = t.many(sql, len(rs), func(i int) []any {
		args := rs[i].args(t.app)
		if t.dialect.Runs {
			args = append(args, rs[i].run)
		}
		return args
	}, func(i int, changed int64) {
		_, told := t.batch.reacted[rs[i].MessageID]
		switch {
		case changed == 1:
			n++
			if told {
				return
			}
		case !keep:
			known = append(known, &rs[i])
		case !told:
			return
		}
		t.reacted[rs[i].MessageID] = struct{}{}
	})
	if err != nil {
		return 0, err
	}
	return n, t.many(`UPDATE reactions SET score = $5, created_at = $6, body = $7
		WHERE app = $1 AND message = $2 AND "user" = $3 AND type = $4`, len(known), func(i int) []any { return known[i].args(t.app) }, nil)
}

func (r *reactionRecord) args(app int64) []any {
	return []any{app, r.MessageID, r.user, r.Type, r.Score, r.CreatedAt, r.body}
}

// reactable makes sure that the messages are there which reactions are to, and
// locks their channels.
func (t *tx) reactable(rs []reactionRecord) error {
	ids := make([]string, 0, len(rs))
	for i := range rs {
		id := rs[i].MessageID
		if _, ok := t.batch.reacted[id]; ok {
			continue // it has just been written
		}
		if n := len(ids); n == 0 || ids[n-1] != id {
			ids = append(ids, id)
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
