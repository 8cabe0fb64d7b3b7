package storetest

import (
	"context"
	"errors"

	"hansard/internal/store"
)

// Rerun returns s with an Update that runs each fn twice, the first time in
// vain: what it has done to the database is undone. A store may do that at any
// time, so what fn builds must come out the same.
func Rerun(s store.Store) store.Store { return rerun{s} }

type rerun struct{ store.Store }

var errInVain = errors.New("in vain")

func (s rerun) Update(ctx context.Context, app int64, fn func(store.Tx) error) error {
	err := s.Store.Update(ctx, app, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return errInVain
	})
	if ctx.Err() != nil {
		return err
	}
	return s.Store.Update(ctx, app, fn)
}
