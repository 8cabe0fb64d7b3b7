package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hansard/internal/store"
	"hansard/internal/store/postgres/thin"
	"hansard/internal/store/sqlstore"
)

var _ store.Sharer = (*Store)(nil)

// ofRunning joins the task of a span s, if the span is of its current attempt.
const ofRunning = `JOIN tasks t ON t.app = s.app AND t.id = s.task AND t.epoch = s.epoch
	AND t.status = 'running' AND t.due_at > ` + atNow + ` AND NOT t.cancel`

// AddSpans adds spans to those of a running attempt.
func (s *Store) AddSpans(ctx context.Context, of store.SpansOf, first int, requests [][]byte) error {
	err := s.surely(ctx, func(c *thin.Conn) error {
		current := false
		err := c.Query(`SELECT 1 FROM tasks WHERE app = $1 AND id = $2 AND epoch = $3 AND status = 'running' FOR KEY SHARE`,
			[]any{of.App, of.Task, of.Epoch}, func(*thin.Row) error {
				current = true
				return nil
			})
		if err == nil && !current {
			err = store.ErrLeaseLost
		}
		if err != nil {
			return err
		}
		return c.Many(`WITH `+withClock+` INSERT INTO spans (app, task, epoch, number, due_at, request)
			SELECT $2, $3, $4, $5, now, $6 FROM clock ON CONFLICT DO NOTHING`, len(requests), func(i int) []any {
			return []any{s.fixed(), of.App, of.Task, of.Epoch, first + i, requests[i]}
		}, nil, nil)
	}, nil)
	if err != nil {
		return fmt.Errorf("add spans of task %s: %w", of.Task, err)
	}
	return nil
}

// FindSpan looks for a span that can be claimed.
func (s *Store) FindSpan(ctx context.Context) (found *store.Span, err error) {
	err = s.read(ctx, func(c *thin.Conn) error {
		return c.Query(`WITH `+withClock+` SELECT s.app, s.task, s.epoch, s.number, s.request FROM spans s `+ofRunning+`
			WHERE NOT s.done AND s.due_at <= `+atNow+` AND s.try < $2 ORDER BY t.seq, s.number LIMIT 1`,
			[]any{s.fixed(), store.MaxSpanTries}, func(r *thin.Row) error {
				found = &store.Span{
					SpansOf: store.SpansOf{App: r.Int(0), Task: r.Text(1), Epoch: r.Int(2)},
					Number:  int(r.Int(3)), Request: r.Copy(4),
				}
				return nil
			})
	})
	if err != nil {
		return nil, fmt.Errorf("look for spans: %w", err)
	}
	return found, nil
}

// ClaimSpan hands the first span that can be claimed to owner.
func (s *Store) ClaimSpan(ctx context.Context, of store.SpansOf, owner string, lease time.Duration, below int) (*store.Span, error) {
	if owner == "" || lease <= 0 {
		return nil, errors.New("claim a span: needs an owner and a lease")
	}
	var got *store.Span
	err := s.surely(ctx, func(c *thin.Conn) error {
		got = nil
		return c.Query(`WITH `+withClock+`, next AS (
				SELECT s.number FROM spans s `+ofRunning+`
				WHERE s.app = $2 AND s.task = $3 AND s.epoch = $4 AND NOT s.done AND s.due_at <= `+atNow+` AND s.try < $5
				AND ($6::bigint < 0 OR s.number < $6) ORDER BY s.number LIMIT 1 FOR UPDATE OF s SKIP LOCKED)
			UPDATE spans s SET claim = s.claim + 1, try = s.try + 1, owner = $7, due_at = `+atNow+` + $8
			FROM next WHERE s.app = $2 AND s.task = $3 AND s.epoch = $4 AND s.number = next.number
			RETURNING s.number, s.request, s.claim, s.try`,
			[]any{s.fixed(), of.App, of.Task, of.Epoch, store.MaxSpanTries, below, owner, sqlstore.Micros(lease)}, func(r *thin.Row) error {
				got = &store.Span{SpansOf: of, Number: int(r.Int(0)), Request: r.Copy(1), Claim: r.Int(2), Try: int(r.Int(3))}
				return nil
			})
	}, func(c *thin.Conn) (ours bool, err error) {
		if got == nil {
			return false, nil
		}
		err = c.Query(`SELECT 1 FROM spans WHERE app = $1 AND task = $2 AND epoch = $3 AND number = $4 AND claim = $5 AND owner = $6`,
			[]any{of.App, of.Task, of.Epoch, got.Number, got.Claim, owner}, func(*thin.Row) error {
				ours = true
				return nil
			})
		return ours, err
	})
	if err != nil {
		return nil, fmt.Errorf("claim a span of task %s: %w", of.Task, err)
	}
	return got, nil
}

// BeatSpans extends the leases of spans.
func (s *Store) BeatSpans(ctx context.Context, spans []store.Span, lease time.Duration) (lost []int, err error) {
	err = s.surely(ctx, func(c *thin.Conn) error {
		lost = nil
		return c.Many(`WITH `+withClock+`, alive AS (SELECT s.number FROM spans s `+ofRunning+`
				WHERE s.app = $2 AND s.task = $3 AND s.epoch = $4 AND s.number = $5 AND s.claim = $6 AND NOT s.done)
			UPDATE spans s SET due_at = `+atNow+` + $7 FROM alive a
			WHERE s.app = $2 AND s.task = $3 AND s.epoch = $4 AND s.number = a.number AND s.claim = $6 AND NOT s.done`,
			len(spans), func(i int) []any {
				p := &spans[i]
				return []any{s.fixed(), p.App, p.Task, p.Epoch, p.Number, p.Claim, sqlstore.Micros(lease)}
			}, nil, func(i int, changed int64) {
				if changed == 0 {
					lost = append(lost, i)
				}
			})
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("heartbeat of spans: %w", err)
	}
	return lost, nil
}

// FinishSpan stores what came of a span.
func (s *Store) FinishSpan(ctx context.Context, p *store.Span, result, state []byte) error {
	key := []any{p.App, p.Task, p.Epoch, p.Number, p.Claim}
	err := s.surely(ctx, func(c *thin.Conn) error {
		changed, err := c.Exec(`UPDATE spans SET done = true, owner = '', result = $6, state = $7
			WHERE app = $1 AND task = $2 AND epoch = $3 AND number = $4 AND claim = $5 AND NOT done`, append(key[:5:5], result, state)...)
		if err == nil && changed == 0 {
			err = store.ErrLeaseLost
		}
		return err
	}, func(c *thin.Conn) (ended bool, err error) {
		err = c.Query(`SELECT 1 FROM spans WHERE app = $1 AND task = $2 AND epoch = $3 AND number = $4 AND claim = $5 AND done`, key,
			func(*thin.Row) error {
				ended = true
				return nil
			})
		return ended, err
	})
	if err != nil {
		return fmt.Errorf("finish span %d of task %s: %w", p.Number, p.Task, err)
	}
	return nil
}

// ReleaseSpan ends the lease of a span that is not done.
func (s *Store) ReleaseSpan(ctx context.Context, p *store.Span, refund bool) error {
	back := 0
	if refund {
		back = 1
	}
	err := s.surely(ctx, func(c *thin.Conn) error {
		// The next claim raises the number: until then only this one undoes it.
		_, err := c.Exec(`WITH `+withClock+` UPDATE spans SET due_at = `+atNow+`, owner = '', try = greatest(try - $7, 0)
			WHERE app = $2 AND task = $3 AND epoch = $4 AND number = $5 AND claim = $6 AND NOT done AND owner != ''`,
			s.fixed(), p.App, p.Task, p.Epoch, p.Number, p.Claim, back)
		return err
	}, nil)
	if err != nil {
		return fmt.Errorf("release span %d of task %s: %w", p.Number, p.Task, err)
	}
	return nil
}

// SpanState returns the state of the checksum after a span.
func (s *Store) SpanState(ctx context.Context, of store.SpansOf, number int) (state []byte, err error) {
	err = s.read(ctx, func(c *thin.Conn) error {
		found := false
		err := c.Query(`SELECT state FROM spans WHERE app = $1 AND task = $2 AND epoch = $3 AND number = $4`,
			[]any{of.App, of.Task, of.Epoch, number}, func(r *thin.Row) error {
				found, state = true, r.Copy(0)
				return nil
			})
		if err == nil && !found {
			err = store.ErrLeaseLost
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("span %d of task %s: %w", number, of.Task, err)
	}
	return state, nil
}

// SpanStatus tells how far the spans are.
func (s *Store) SpanStatus(ctx context.Context, of store.SpansOf, from int) (status store.SpanStatus, err error) {
	err = s.read(ctx, func(c *thin.Conn) error {
		err := c.Query(`WITH `+withClock+` SELECT count(*), count(*) FILTER (WHERE claim = 0),
				coalesce(bool_or(try >= $5 AND due_at <= `+atNow+`), false)
			FROM spans WHERE app = $2 AND task = $3 AND epoch = $4 AND NOT done`,
			[]any{s.fixed(), of.App, of.Task, of.Epoch, store.MaxSpanTries}, func(r *thin.Row) error {
				status.Open, status.Waiting, status.Stuck = int(r.Int(0)), int(r.Int(1)), r.Bool(2)
				return nil
			})
		if err != nil {
			return err
		}
		return c.Query(`SELECT number, result FROM spans WHERE app = $1 AND task = $2 AND epoch = $3 AND number >= $4 AND done
			ORDER BY number`, []any{of.App, of.Task, of.Epoch, from}, func(r *thin.Row) error {
			status.Done = append(status.Done, store.SpanResult{Number: int(r.Int(0)), Result: r.Copy(1)})
			return nil
		})
	})
	if err != nil {
		return store.SpanStatus{}, fmt.Errorf("spans of task %s: %w", of.Task, err)
	}
	return status, nil
}

// DropSpans removes the spans of an attempt and of all before it.
func (s *Store) DropSpans(ctx context.Context, of store.SpansOf) error {
	err := s.surely(ctx, func(c *thin.Conn) error {
		_, err := c.Exec(`DELETE FROM spans WHERE app = $1 AND task = $2 AND epoch <= $3`, of.App, of.Task, of.Epoch)
		return err
	}, nil)
	if err != nil {
		return fmt.Errorf("drop the spans of task %s: %w", of.Task, err)
	}
	return nil
}
