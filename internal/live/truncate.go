package live

import (
	"context"
	"net/url"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// truncation is the body of a truncate.
type truncation struct {
	at      chat.Time // 0 = now
	hard    bool
	user    who
	members []string // whose history is cleared instead
	message *chat.Message
}

// TruncateChannel takes the messages out of a channel: they are only seen by
// exports that ask for them, or with hard_delete nothing of them is left. With
// member_ids it is only these members who no longer see them.
func (s *Service) TruncateChannel(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	t, err := decodeTruncation(body, cid)
	if err != nil {
		return nil, err
	}
	var out []byte
	var d *doomed
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		row, err := channel(tx, cid)
		if err != nil {
			return err
		}
		now := s.now()
		if _, err := viewerKey(tx, t.user.id); err != nil {
			return err
		}
		at, err := t.instant(&row, now)
		if err != nil {
			return err
		}
		if len(t.members) > 0 {
			err = t.clear(tx, &row, at)
		} else {
			err = t.truncate(tx, &row, at, now)
		}
		if err != nil {
			return err
		}
		d = nil
		if t.hard {
			if d, err = t.purge(tx, &row, at); err != nil {
				return err
			}
		}
		out, err = t.answer(tx, cid, now)
		return err
	})
	if err != nil || d == nil {
		return out, err
	}
	return out, s.removeSoon(ctx, app, d)
}

func decodeTruncation(body []byte, cid string) (*truncation, error) {
	t := &truncation{}
	var message jsontext.Value
	err := eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "hard_delete":
			t.hard, err = wire.Bool(name, v, at)
		case "truncated_at":
			t.at, err = wire.Time(name, v, at)
		case "message":
			message = v
		case "member_ids":
			t.members, err = decodeMemberIDs(name, v)
		default:
			err = t.user.take(name, v, at)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case t.hard && len(t.members) > 0:
		return nil, wire.BadField("member_ids", "cannot be given with hard_delete: others still see the messages")
	case len(message) > 0:
		t.message, err = decodeSystem(message, t.user.id, cid)
	}
	return t, err
}

// instant is the instant before which messages go.
func (t *truncation) instant(row *store.ChannelRow, now chat.Time) (chat.Time, error) {
	ch := &row.Channel
	// Clocks may be set back; "now" is after all that was said.
	latest := max(now, ch.LastMessageAt+1, ch.TruncatedAt)
	switch {
	case t.at == 0:
		return latest, nil
	case t.at > latest:
		return 0, wire.BadField("truncated_at", "must not be in the future")
	case t.at < ch.TruncatedAt:
		return 0, wire.BadField("truncated_at", "must not be before %s, when the channel was truncated last", ch.TruncatedAt)
	}
	return t.at, nil
}

func (t *truncation) truncate(tx store.Tx, row *store.ChannelRow, at, now chat.Time) error {
	ch := &row.Channel
	ch.TruncatedAt, ch.TruncatedBy = at, t.user.id
	ch.UpdatedAt = max(now, ch.UpdatedAt)
	if _, err := tx.PutChannel(ch); err != nil {
		return err
	}
	if err := tx.RecountUnread(row.Key); err != nil {
		return err
	}
	return t.send(tx, row, now)
}

// send sends the system message, which is the first one after the truncation.
func (t *truncation) send(tx store.Tx, row *store.ChannelRow, now chat.Time) error {
	if t.message == nil {
		return nil
	}
	current, err := tx.Channel(row.Channel.CID())
	if err != nil {
		return err
	}
	return sendSystem(tx, &current, t.message, now)
}

// clear makes members no longer see what was said before an instant.
func (t *truncation) clear(tx store.Tx, row *store.ChannelRow, at chat.Time) error {
	for _, id := range t.members {
		if _, err := mustBeMember(tx, row, "member_ids", id); err != nil {
			return err
		}
		if err := clearHistory(tx, row, id, at); err != nil {
			return err
		}
	}
	return tx.CountUnread(row.Key)
}

// purge removes what was truncated, if that is little; else it says what a
// later step has to remove.
func (t *truncation) purge(tx store.Tx, row *store.ChannelRow, at chat.Time) (*doomed, error) {
	if err := tx.DeletePendingIn(row.Key, at); err != nil {
		return nil, err
	}
	n, err := tx.PurgeMessages(row.Key, at, purgeStep)
	if err != nil || n < purgeStep {
		return nil, err
	}
	return &doomed{CID: row.Channel.CID(), CreatedAt: row.Channel.CreatedAt, Before: at}, nil
}

func (t *truncation) answer(tx store.Tx, cid string, now chat.Time) ([]byte, error) {
	row, err := tx.Channel(cid)
	if err != nil {
		return nil, err
	}
	v, err := newView(tx, render.New(tx), &row, 0, now)
	if err != nil {
		return nil, err
	}
	out, err := v.appendChannel([]byte(`{"channel":`), nil)
	if err != nil {
		return nil, err
	}
	if t.message != nil {
		if out, err = appendSystem(append(out, `,"message":`...), v, t.message); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}
