package live

import (
	"errors"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// errEnough ends a listing that has yielded what was wanted.
var errEnough = errors.New("enough")

// channelState is the answer to a get-or-create.
func channelState(r store.Reader, row *store.ChannelRow, q *channelRequest) ([]byte, error) {
	rr := render.New(r)
	out, err := rr.Channel([]byte(`{"channel":`), row)
	if err != nil {
		return nil, err
	}
	out = append(out, `,"messages":[`...)
	if q.state {
		if out, err = appendLatest(out, r, rr, row, q.messages); err != nil {
			return nil, err
		}
	}
	out = append(out, `],"members":[`...)
	if out, err = appendMembers(out, r, rr, row, q.member); err != nil {
		return nil, err
	}
	out = append(out, `],"read":[`...)
	if out, err = appendReads(out, r, rr, row.Key); err != nil {
		return nil, err
	}
	return append(out, `],"pinned_messages":[],"threads":[],"watcher_count":0,"membership":null}`...), nil
}

func appendMembers(out []byte, r store.Reader, rr *render.Renderer, row *store.ChannelRow, p page) ([]byte, error) {
	n := 0
	err := r.Members(row.Key, func(m *store.MemberRow) (err error) {
		if n++; n <= p.offset {
			return nil
		}
		if n > p.offset+p.limit {
			return errEnough
		}
		out = comma(out)
		out, err = rr.Member(out, m, row.CreatedBy)
		return err
	})
	return out, ended(err)
}

func appendReads(out []byte, r store.Reader, rr *render.Renderer, channel int64) ([]byte, error) {
	n := 0
	err := r.Reads(channel, func(read *store.ReadRow) (err error) {
		if n++; n > maxPage {
			return errEnough
		}
		out = comma(out)
		out, err = rr.Read(out, read)
		return err
	})
	return out, ended(err)
}

// firstLook is how far back appendLatest looks at first, in microseconds.
const firstLook = chat.Time(60e6)

// appendLatest appends the newest messages of a channel in the order in which
// they were sent, replies that stay in their thread left out.
//
// Messages are kept in that order and read forwards only, so it looks back a
// minute and then ever farther until it has found enough: the effort depends on
// how many messages lie in the last stretch, not on how many there are.
func appendLatest(out []byte, r store.Reader, rr *render.Renderer, row *store.ChannelRow, limit int) ([]byte, error) {
	if limit == 0 || row.TotalMessages == 0 {
		return out, nil
	}
	newest := max(row.Channel.LastMessageAt, row.Channel.TruncatedAt, row.Channel.CreatedAt)
	oldest := max(row.Channel.TruncatedAt, 1)
	for look := firstLook; ; look *= 8 {
		since := max(oldest, newest-look)
		found, err := newestSince(r, rr, row.Key, since, limit)
		if err != nil {
			return out, err
		}
		if len(found) < limit && since > oldest {
			continue
		}
		for _, m := range found {
			out = append(comma(out), m...)
		}
		return out, nil
	}
}

// newestSince renders the last messages, limit of them at most, of those that
// were sent at or after since.
func newestSince(r store.Reader, rr *render.Renderer, channel int64, since chat.Time, limit int) ([][]byte, error) {
	ring := make([][]byte, limit)
	var object []byte
	n := 0
	err := r.Messages(store.MessageRange{Channel: channel, Since: since}, func(m *store.MessageRow) (err error) {
		if object, err = rr.Message(object[:0], m); err != nil {
			return err
		}
		if m.Type == chat.Reply {
			in, err := wire.DecodeMessage(object, nil)
			if err != nil {
				return err
			}
			if !in.ShowInChannel {
				return nil
			}
		}
		ring[n%limit], object = object, ring[n%limit]
		n++
		return nil
	})
	if err != nil {
		return nil, err
	}
	if n <= limit {
		return ring[:n], nil
	}
	at := n % limit
	return append(ring[at:len(ring):len(ring)], ring[:at]...), nil
}

func comma(dst []byte) []byte {
	if dst[len(dst)-1] == '[' {
		return dst
	}
	return append(dst, ',')
}

// ended makes the end of a listing that was cut short no error.
func ended(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
