package live

import (
	"cmp"
	"context"
	"errors"

	"hansard/internal/chat"
	"hansard/internal/store"
)

// purgeStep is how many messages are removed in one transaction: other writers
// wait for that long at most.
const purgeStep = 1000

// softDeleteMessage marks a message, as it is stored, as deleted; all that it
// holds is kept.
func softDeleteMessage(tx store.Tx, m *chat.Message, now chat.Time) error {
	m.DeletedAt = max(now, m.CreatedAt)
	m.UpdatedAt = max(now, m.UpdatedAt)
	return tx.PutMessage(m)
}

// hardDeleteMessage removes a message with its reactions, its history and the
// replies to it.
func hardDeleteMessage(tx store.Tx, id string) error {
	var replies []string
	err := tx.Replies(id, store.MessageRange{}, func(m *store.MessageRow) error {
		replies = append(replies, string(m.ID))
		return nil
	})
	if err != nil {
		return err
	}
	for _, reply := range replies {
		if err := tx.DeleteMessage(reply); err != nil {
			return err
		}
	}
	return tx.DeleteMessage(id)
}

// softDeleteChannel marks a channel as deleted; all that it holds is kept.
func softDeleteChannel(tx store.Tx, row *store.ChannelRow, now chat.Time) error {
	row.Channel.DeletedAt = max(now, row.Channel.CreatedAt)
	row.Channel.UpdatedAt = max(now, row.Channel.UpdatedAt)
	_, err := tx.PutChannel(&row.Channel)
	return err
}

// removeChannel removes a channel with all that it holds. From the first step
// on it is soft-deleted; when a step fails, calling again goes on.
func (s *Service) removeChannel(ctx context.Context, app int64, cid string) error {
	d := &doomed{CID: cid}
	for {
		_, done, err := s.removeStep(ctx, app, d)
		if err != nil || done {
			return err
		}
	}
}

// removeStep removes up to purgeStep messages of a channel, and once these are
// all, the channel. It returns how many messages went and whether that was the
// last step.
//
// A channel without a CreatedAt is whichever has the cid now. One that was
// created anew since stays; what was said in it before goes.
func (s *Service) removeStep(ctx context.Context, app int64, d *doomed) (n int, done bool, err error) {
	created := d.CreatedAt
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		n, done = 0, false
		row, err := tx.Channel(d.CID)
		if errors.Is(err, store.ErrNotFound) {
			done = true
			return nil
		}
		if err != nil {
			return err
		}
		ch := &row.Channel
		created = cmp.Or(d.CreatedAt, ch.CreatedAt)
		before := d.Before
		switch {
		case ch.CreatedAt < created, ch.CreatedAt > created && ch.TruncatedAt < ch.CreatedAt:
			done = true // another channel
			return nil
		case ch.CreatedAt > created && before == 0:
			before = ch.CreatedAt
		case before == 0 && row.TotalMessages <= purgeStep:
			n, done = row.TotalMessages, true
			return tx.DeleteChannel(row.Key)
		case before == 0 && ch.DeletedAt == 0:
			if err := softDeleteChannel(tx, &row, s.now()); err != nil {
				return err
			}
		}
		n, err = tx.PurgeMessages(row.Key, before, purgeStep)
		done = before != 0 && n < purgeStep
		return err
	})
	if err == nil {
		d.CreatedAt = created
	}
	return n, done, err
}
