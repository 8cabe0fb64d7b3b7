package live

import (
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
	for done := false; !done; {
		err := s.Store.Update(ctx, app, func(tx store.Tx) error {
			row, err := tx.Channel(cid)
			if errors.Is(err, store.ErrNotFound) {
				done = true
				return nil
			}
			if err != nil {
				return err
			}
			if row.TotalMessages > purgeStep {
				if row.Channel.DeletedAt == 0 {
					if err := softDeleteChannel(tx, &row, s.now()); err != nil {
						return err
					}
				}
				_, err = tx.PurgeMessages(row.Key, 0, purgeStep)
				return err
			}
			done = true
			return tx.DeleteChannel(row.Key)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
