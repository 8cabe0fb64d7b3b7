package live

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// maxMute is how long a channel can be muted for, in milliseconds: 100 years.
const maxMute = 100 * 365 * 24 * 3600 * 1000

// muting is the body of a request that mutes channels for a user.
type muting struct {
	cids []string
	user who
	life chat.Time // 0 = for ever
}

func decodeMuting(body []byte) (*muting, error) {
	q := &muting{}
	err := eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "channel_cids":
			var cids []string
			cids, err = decodeCIDs(name, v)
			q.cids = append(q.cids, cids...)
		case "channel_cid":
			var cid string
			if cid, err = decodeCID(name, v, at); err == nil && !slices.Contains(q.cids, cid) {
				q.cids = append(q.cids, cid)
			}
		case "expiration":
			var ms int64
			ms, err = wire.Int(name, v, at, 0, maxMute)
			q.life = chat.Time(ms * 1000)
		default:
			err = q.user.take(name, v, at)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(q.cids) == 0:
		return nil, wire.BadField("channel_cids", "is required and must name at least one channel")
	case q.user.id == "":
		return nil, errNoUser()
	}
	return q, nil
}

// MuteChannels mutes channels for a user, for ever or for a while.
func (s *Service) MuteChannels(ctx context.Context, app int64, body []byte) ([]byte, error) {
	now := s.now()
	return s.eachMute(ctx, app, body, func(tx store.Tx, m *store.Mark, muted bool, life chat.Time) (bool, error) {
		if !muted {
			m.At = now
		}
		if m.Until = 0; life != 0 {
			m.Until = now + life
		}
		return true, tx.PutMark(m)
	}, true, now)
}

// UnmuteChannels takes mutes back, and answers those that there were.
func (s *Service) UnmuteChannels(ctx context.Context, app int64, body []byte) ([]byte, error) {
	return s.eachMute(ctx, app, body, func(tx store.Tx, m *store.Mark, muted bool, _ chat.Time) (bool, error) {
		return muted, tx.DeleteMark(store.Muted, m.User, m.Subject)
	}, false, s.now())
}

// eachMute calls fn for every channel of the request, and answers the mutes of
// which it says that they are to be shown. To those who are members of the
// channels it is noted that they are muted or not.
func (s *Service) eachMute(ctx context.Context, app int64, body []byte,
	fn func(tx store.Tx, m *store.Mark, muted bool, life chat.Time) (show bool, err error), mute bool, now chat.Time,
) ([]byte, error) {
	q, err := decodeMuting(body)
	if err != nil {
		return nil, err
	}
	var list [][]byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		list = nil
		user, err := q.user.key(tx)
		if err != nil {
			return err
		}
		rr := render.New(tx)
		return eachChannel(tx, q.cids, false, func(row *store.ChannelRow) error {
			cid := row.Channel.CID()
			m, err := tx.Mark(store.Muted, user, cid)
			muted := err == nil && !over(&m, now)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			m.Kind, m.User, m.Subject = store.Muted, user, cid
			show, err := fn(tx, &m, muted, q.life)
			if err != nil {
				return err
			}
			if err := noteMuted(tx, row, q.user.id, mute, now); err != nil || !show {
				return err
			}
			object, err := appendMute(nil, rr, row, &m, now)
			list = append(list, object)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return muteAnswer(list), nil
}

// muteAnswer is the answer with a list of mutes, the first of which stands alone
// too.
func muteAnswer(list [][]byte) []byte {
	first := []byte(`null`)
	if len(list) > 0 {
		first = list[0]
	}
	out := append([]byte(`{"channel_mute":`), first...)
	out = append(out, `,"channel_mutes":[`...)
	out = append(out, bytes.Join(list, []byte{','})...)
	return append(out, `]}`...)
}

func appendMute(out []byte, rr *render.Renderer, row *store.ChannelRow, m *store.Mark, now chat.Time) ([]byte, error) {
	out, err := rr.User(append(out, `{"user":`...), m.User)
	if err != nil {
		return out, err
	}
	if out, err = rr.Channel(append(out, `,"channel":`...), row); err != nil {
		return out, err
	}
	out = m.At.AppendJSON(append(out, `,"created_at":`...))
	out = now.AppendJSON(append(out, `,"updated_at":`...))
	if m.Until != 0 {
		out = m.Until.AppendJSON(append(out, `,"expires":`...))
	}
	return append(out, '}'), nil
}

// noteMuted notes to a member that the channel is muted, or no longer is.
func noteMuted(tx store.Tx, row *store.ChannelRow, user string, muted bool, now chat.Time) error {
	m, is, err := storedMember(tx, row, user)
	if err != nil || !is || m.NotificationsMuted == muted {
		return err
	}
	m.NotificationsMuted, m.UpdatedAt = muted, max(now, m.UpdatedAt)
	return tx.PutMember(row.Key, &m)
}
