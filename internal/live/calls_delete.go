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

// DeleteCall deletes a call and answers it as it was. A soft-deleted call is
// out of reach for the API, and stays in the exports of its users. Hard deletion
// leaves nothing; it takes soft-deleted calls too, and answers a task, which
// clients wait for.
func (s *Service) DeleteCall(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	hard := false
	if len(body) > 0 {
		err = wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
			if name == "hard" {
				hard, err = wire.Bool(name, v, at)
			}
			return err
		})
		if err != nil {
			return nil, refuse(err, "")
		}
	}
	var out []byte
	var created chat.Time
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		c, err := storedCall(tx, cid)
		if errors.Is(err, store.ErrNotFound) || err == nil && c.DeletedAt != 0 && !hard {
			return errNoCall(cid)
		}
		if err != nil {
			return err
		}
		created = c.CreatedAt
		if hard {
			if out, err = deletedCall(tx, cid); err == nil {
				err = tx.DeleteCall(cid)
			}
			return err
		}
		now := s.now()
		c.DeletedAt = max(now, c.CreatedAt)
		if err := changeCall(tx, &c, now); err != nil {
			return err
		}
		out, err = deletedCall(tx, cid)
		return err
	})
	if err != nil || !hard {
		return append(out, '}'), err
	}
	request, err := json.Marshal(callDeletion{CID: cid, CreatedAt: created})
	if err != nil {
		return nil, err
	}
	answer, err := s.enqueue(ctx, app, task.DeleteCalls, request)
	if err != nil {
		return nil, err
	}
	return append(append(out, ','), answer[1:]...), nil
}

// deletedCall begins the answer to a deletion.
func deletedCall(tx store.Tx, cid string) ([]byte, error) {
	row, err := tx.Call(cid)
	if err != nil {
		return nil, err
	}
	object, err := render.New(tx).CallDetails(nil, &row)
	return appendCall([]byte(`{"call":`), object, shownInCall), err
}

// callDeletion is the request of a task that deletes a call.
type callDeletion struct {
	CID       string    `json:"cid"`
	CreatedAt chat.Time `json:"created_at"` // of the call that is meant, not of one that came after it
}

// runCallDeletion makes sure that a call is gone: as a rule it is, before the
// task begins.
func (s *Service) runCallDeletion(ctx context.Context, a *task.Attempt) ([]byte, error) {
	var q callDeletion
	if err := json.Unmarshal(a.Task.Request, &q); err != nil {
		return nil, fmt.Errorf("stored request: %w", err)
	}
	err := s.Store.Update(ctx, a.Task.App, func(tx store.Tx) error {
		row, err := tx.Call(q.CID)
		if errors.Is(err, store.ErrNotFound) || err == nil && row.CreatedAt != q.CreatedAt {
			return nil
		}
		if err != nil {
			return err
		}
		return tx.DeleteCall(q.CID)
	})
	return allOK([]string{q.CID}), err
}
