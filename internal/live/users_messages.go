package live

import (
	"context"
	"errors"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
)

// What one transaction does for a user who has many messages: other writers
// wait for that long at most.
const (
	userStep      = 200     // rows it writes
	userLook      = 2000    // rows it looks at
	userStepBytes = 4 << 20 // of messages that it holds
)

// userWalk goes through the messages of a user, some of them in each
// transaction, in the order in which they were sent.
type userWalk struct {
	user int64 // key
	// wants chooses the messages that change is called with.
	wants func(*store.MessageRow) bool
	// change is called with messages as they are stored. An errEnough ends the
	// walk.
	change func(tx store.Tx, ms []chat.Message) error
	// seen, if set, is told how many messages the walk has come past.
	seen func(n int)
}

func (s *Service) walk(ctx context.Context, app int64, w *userWalk) error {
	var at store.MessageRange
	for more := true; more; {
		var next store.MessageRange
		looked := 0
		err := s.Store.Update(ctx, app, func(tx store.Tx) (err error) {
			var ms []chat.Message
			if ms, next, looked, err = w.batch(tx, at); err != nil || len(ms) == 0 {
				return err
			}
			return w.change(tx, ms)
		})
		if err != nil {
			return ended(err)
		}
		if w.seen != nil {
			w.seen(looked)
		}
		more, at = next.AfterID != "", next
	}
	return nil
}

// batch reads the next messages that are wanted, before any of them is written.
// next is where to go on; it is empty at the end.
func (w *userWalk) batch(tx store.Tx, at store.MessageRange) (ms []chat.Message, next store.MessageRange, looked int, err error) {
	rr := render.New(tx)
	var object []byte
	bytes := 0
	err = tx.UserMessagesIn(w.user, at, func(row *store.MessageRow) error {
		looked++
		if w.wants(row) {
			var err error
			if object, err = rr.Message(object[:0], row); err != nil {
				return err
			}
			m, err := decodeStored(object, row)
			if err != nil {
				return err
			}
			ms = append(ms, m)
			bytes += len(object)
		}
		if looked == userLook || len(ms) == userStep || bytes > userStepBytes {
			next = store.MessageRange{AfterTime: row.CreatedAt, AfterID: string(row.ID)}
			return errEnough
		}
		return nil
	})
	return ms, next, looked, ended(err)
}

// softDeleteMessages marks a user's messages as deleted, all with one time. A
// check may end it, see userWalk.
func (s *Service) softDeleteMessages(ctx context.Context, app, user int64, at chat.Time, seen func(int), check func(store.Tx) error) error {
	return s.walk(ctx, app, &userWalk{
		user: user, seen: seen,
		wants: func(row *store.MessageRow) bool { return row.DeletedAt == 0 },
		change: func(tx store.Tx, ms []chat.Message) error {
			if check != nil {
				if err := check(tx); err != nil {
					return err
				}
			}
			for i := range ms {
				if err := softDeleteMessage(tx, &ms[i], at); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// pruneMessages marks a user's messages as deleted and takes away what they
// hold, the reactions to them and their history.
func (s *Service) pruneMessages(ctx context.Context, app, user int64, seen func(int)) error {
	return s.walk(ctx, app, &userWalk{
		user: user, seen: seen,
		wants: func(*store.MessageRow) bool { return true },
		change: func(tx store.Tx, ms []chat.Message) error {
			now := s.now()
			for i := range ms {
				if err := pruneMessage(tx, &ms[i], now); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

func pruneMessage(tx store.Tx, m *chat.Message, now chat.Time) error {
	if err := errors.Join(tx.DeleteHistory(m.ID), tx.DeleteReactions(m.ID)); err != nil {
		return err
	}
	m.Text, m.HTML, m.MML, m.Command = "", "", "", ""
	m.I18n, m.Attachments, m.Custom, m.MentionedUsers = nil, nil, nil, nil
	m.TextUpdatedAt = 0
	if m.DeletedAt == 0 {
		return softDeleteMessage(tx, m, now)
	}
	return tx.PutMessage(m)
}

// removeMessages removes a user's messages, with the replies to them.
func (s *Service) removeMessages(ctx context.Context, app, user int64, seen func(int)) error {
	return s.repeat(ctx, app, seen, func(tx store.Tx) (int, error) {
		ids, err := firstMessages(tx, user)
		if err != nil {
			return 0, err
		}
		for _, id := range ids {
			if err := tx.DeleteMessage(id); err != nil {
				return 0, err
			}
		}
		return len(ids), nil
	})
}

// firstMessages lists the first messages of a user, each after the replies to
// it, userStep of them in all. It is read before anything is written, since the
// store sums up threads when it is asked in between.
func firstMessages(tx store.Tx, user int64) ([]string, error) {
	var own, ids []string
	err := tx.UserMessagesIn(user, store.MessageRange{}, func(row *store.MessageRow) error {
		own = append(own, string(row.ID))
		if len(own) == userStep {
			return errEnough
		}
		return nil
	})
	if err = ended(err); err != nil {
		return nil, err
	}
	listed := map[string]struct{}{}
	add := func(id string) error {
		if _, is := listed[id]; is {
			return nil
		}
		if len(ids) == userStep {
			return errEnough
		}
		listed[id] = struct{}{}
		ids = append(ids, id)
		return nil
	}
	for _, id := range own {
		err := tx.Replies(id, store.MessageRange{}, func(row *store.MessageRow) error { return add(string(row.ID)) })
		if err == nil {
			err = add(id)
		}
		if err != nil {
			return ids, ended(err)
		}
	}
	return ids, nil
}

// removeReactions removes the reactions of a user.
func (s *Service) removeReactions(ctx context.Context, app, user int64) error {
	return s.repeat(ctx, app, nil, func(tx store.Tx) (int, error) {
		u, err := userByKey(tx, user)
		if err != nil {
			return 0, err
		}
		type reaction struct{ message, typ string }
		var list []reaction
		err = tx.UserReactions(user, func(row *store.ReactionRow) error {
			list = append(list, reaction{row.MessageID, row.Type})
			if len(list) == userStep {
				return errEnough
			}
			return nil
		})
		if err = ended(err); err != nil {
			return 0, err
		}
		for _, r := range list {
			// It may have been taken back since it was listed.
			if err := tx.DeleteReaction(r.message, u.ID, r.typ); err != nil && !errors.Is(err, store.ErrNotFound) {
				return 0, err
			}
		}
		return len(list), nil
	})
}

// repeat runs transactions until one does nothing any more. step returns how
// much it did, which seen, if set, is told.
func (s *Service) repeat(ctx context.Context, app int64, seen func(int), step func(store.Tx) (int, error)) error {
	for more := true; more; {
		n := 0
		err := s.Store.Update(ctx, app, func(tx store.Tx) (err error) {
			n, err = step(tx)
			return err
		})
		if err != nil {
			return err
		}
		if seen != nil {
			seen(n)
		}
		more = n > 0
	}
	return nil
}
