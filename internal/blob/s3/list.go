package s3

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"hansard/internal/blob"
)

// List implements blob.Store. Objects that are no files of ours, by their name,
// are left out.
func (s *Store) List(ctx context.Context, prefix string, fn func(blob.Info) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("listing %q: %w", prefix, err)
	}
	if name := strings.TrimSuffix(prefix, "/"); prefix != "" && !blob.ValidKey(name) {
		return nil // no key begins like this
	}
	// What fn returns is told apart from what the server says, which may be
	// worth another try.
	var stop error
	after := ""
	err := s.retry(ctx, s.readPatience(), func(ctx context.Context) error {
		err := s.api.list(ctx, s.prefix+prefix, after, func(object string, a attrs) error {
			after = object
			key := strings.TrimPrefix(object, s.prefix)
			if !blob.ValidKey(key) {
				return nil
			}
			stop = fn(info(key, a))
			return stop
		})
		if stop != nil {
			return nil
		}
		return err
	})
	if stop != nil {
		return fmt.Errorf("listing %q: %w", prefix, stop)
	}
	return failed("listing", strconv.Quote(prefix), err)
}

// Sweep implements blob.Store: it aborts multipart uploads. Those of this
// process's writers are left alone; of those of others one counts as dead when
// it was begun, and its latest part was put, before olderThan ago, by the
// server's clock.
func (s *Store) Sweep(ctx context.Context, olderThan time.Duration) error {
	var errs []error
	for after := (upload{}); ; {
		var page []upload
		var next upload
		err := s.retry(ctx, s.readPatience(), func(ctx context.Context) (err error) {
			page, next, err = s.api.uploads(ctx, after)
			return err
		})
		if err != nil {
			return fmt.Errorf("sweeping the object store: %w", errors.Join(append(errs, err)...))
		}
		before := s.api.now().Add(-olderThan)
		for _, u := range page {
			if err := s.sweep(ctx, u, before); err != nil {
				errs = append(errs, fmt.Errorf("sweeping the object store: %s: %w", u.object, err))
			}
			if err := ctx.Err(); err != nil || len(errs) > 3 {
				return errors.Join(append(errs, err)...)
			}
		}
		if next == (upload{}) || next == after {
			return errors.Join(errs...)
		}
		after = next
	}
}

// sweep aborts one upload if it is dead.
func (s *Store) sweep(ctx context.Context, u upload, before time.Time) error {
	key, ours := strings.CutPrefix(u.object, s.prefix)
	if !ours || !blob.ValidKey(key) || u.begun.After(before) {
		return nil
	}
	if _, live := s.live.Load(liveKey(u.object, u.id)); live {
		return nil
	}
	for number := 0; ; {
		var at time.Time
		next := 0
		err := s.retry(ctx, s.readPatience(), func(ctx context.Context) (err error) {
			at, next, err = s.api.lastPart(ctx, u.object, u.id, number)
			return err
		})
		switch {
		case refused(err, codeNoUpload), absent(err):
			return nil // it has ended
		case err != nil:
			return err
		case at.After(before):
			return nil
		case next <= number:
			_, err := s.abort(ctx, u.object, u.id)
			return err
		}
		number = next
	}
}
