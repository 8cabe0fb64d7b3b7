package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// stepsAtOnce is how many steps of a removal a request waits for. A task does
// the rest, which nobody sees any more.
const stepsAtOnce = 10

// doomed is a channel that is to be deleted, or whose oldest messages are to be
// removed.
type doomed struct {
	CID string `json:"cid"`
	// CreatedAt tells the channel from others that have its cid later.
	CreatedAt chat.Time `json:"created_at"`
	// Before leaves the channel and removes only the messages from before it.
	Before chat.Time `json:"before"`
}

// channelDeletion is the request of a task.
type channelDeletion struct {
	Channels []doomed `json:"channels"`
	Hard     bool     `json:"hard_delete"`
}

// DeleteChannel deletes a channel, so that only exports that ask for it see it,
// or with hard_delete so that nothing of it is left.
func (s *Service) DeleteChannel(ctx context.Context, app int64, typ, id string, values url.Values, _ []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	hard, err := queryBool(values, "hard_delete")
	if err != nil {
		return nil, err
	}
	var out []byte
	var d doomed
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		row, err := tx.Channel(cid)
		if !hard && err == nil && row.Channel.DeletedAt != 0 || errors.Is(err, store.ErrNotFound) {
			return errNoChannel(cid)
		}
		if err != nil {
			return err
		}
		d = doomed{CID: cid, CreatedAt: row.Channel.CreatedAt}
		if row.Channel.DeletedAt == 0 {
			if err := softDeleteChannel(tx, &row, s.now()); err != nil {
				return err
			}
		}
		if out, err = render.New(tx).Channel([]byte(`{"channel":`), &row); err != nil {
			return err
		}
		out = append(out, '}')
		if hard && row.TotalMessages <= purgeStep {
			return tx.DeleteChannel(row.Key)
		}
		return nil
	})
	if err != nil || !hard {
		return out, err
	}
	return out, s.removeSoon(ctx, app, &d)
}

// removeSoon removes a channel, or messages of it: at once if that is little,
// else by a task.
func (s *Service) removeSoon(ctx context.Context, app int64, d *doomed) error {
	for range stepsAtOnce {
		_, done, err := s.removeStep(ctx, app, d)
		if err != nil || done {
			return err
		}
	}
	request, err := json.Marshal(channelDeletion{Channels: []doomed{*d}, Hard: true})
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	_, err = s.enqueue(ctx, app, task.DeleteChannels, request)
	return err
}

// DeleteChannels deletes channels by a task.
func (s *Service) DeleteChannels(ctx context.Context, app int64, body []byte) ([]byte, error) {
	var cids []string
	var q channelDeletion
	err := eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "cids":
			cids, err = decodeCIDs(name, v)
		case "hard_delete":
			q.Hard, err = wire.Bool(name, v, at)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(cids) == 0:
		return nil, wire.BadField("cids", "is required and must name at least one channel")
	}
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		// What is deleted can still be removed.
		return eachChannel(r, cids, q.Hard, func(row *store.ChannelRow) error {
			q.Channels = append(q.Channels, doomed{CID: row.Channel.CID(), CreatedAt: row.Channel.CreatedAt})
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	request, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return s.enqueue(ctx, app, task.DeleteChannels, request)
}

// runDeleteChannels runs a task of DeleteChannels. What an earlier attempt has
// done it finds done.
func (s *Service) runDeleteChannels(ctx context.Context, a *task.Attempt) ([]byte, error) {
	var q channelDeletion
	if err := json.Unmarshal(a.Task.Request, &q); err != nil {
		return nil, fmt.Errorf("decode the request: %w", err)
	}
	var done, total int64
	err := s.Store.View(ctx, a.Task.App, func(r store.Reader) error {
		for i := range q.Channels {
			n, err := q.work(r, &q.Channels[i])
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.Progress(0, total)
	cids := make([]string, 0, len(q.Channels))
	for i := range q.Channels {
		d := &q.Channels[i]
		cids = append(cids, d.CID)
		for over := false; !over; {
			n := 1
			if q.Hard {
				n, over, err = s.removeStep(ctx, a.Task.App, d)
			} else {
				over, err = true, s.softDeleteIf(ctx, a.Task.App, d)
			}
			if err != nil {
				return nil, err
			}
			done += int64(n)
			a.Progress(min(done, total), total)
		}
	}
	a.Progress(total, total)
	return allOK(cids), nil
}

// work estimates the work that a channel is: its messages, or 1 if they stay.
func (q *channelDeletion) work(r store.Reader, d *doomed) (int64, error) {
	if !q.Hard {
		return 1, nil
	}
	row, err := r.Channel(d.CID)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return int64(row.TotalMessages), err
}

func (s *Service) softDeleteIf(ctx context.Context, app int64, d *doomed) error {
	return s.Store.Update(ctx, app, func(tx store.Tx) error {
		row, err := tx.Channel(d.CID)
		if errors.Is(err, store.ErrNotFound) || err == nil && (row.Channel.DeletedAt != 0 || row.Channel.CreatedAt != d.CreatedAt) {
			return nil
		}
		if err != nil {
			return err
		}
		return softDeleteChannel(tx, &row, s.now())
	})
}
