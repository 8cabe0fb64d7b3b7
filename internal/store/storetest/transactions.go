package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
)

func testRollback(t *testing.T, f *fixture) {
	boom := errors.New("boom")
	err := f.store.Update(f.Context(), f.app, func(tx store.Tx) error {
		m := newMessage("a", "alice", 1e15)
		if err := tx.PutMessage(&m); err != nil {
			return err
		}
		if _, err := tx.Message("a"); err != nil {
			t.Errorf("a transaction does not see its own write: %v", err)
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	f.equal(len(f.messages("messaging:general")), 0)
	f.equal(f.channel("messaging:general").TotalMessages, 0)
	err = f.store.Update(f.Context(), f.app, func(store.Tx) error { panic("on purpose") })
	if err == nil {
		t.Error("a panic was lost")
	}
	f.update(func(store.Tx) error { return nil })
}

func testConcurrentUpdates(t *testing.T, f *fixture) {
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 25 {
				m := newMessage(fmt.Sprintf("w%d-%d", w, i), "bob", chat.Time(1e15+i))
				err := f.store.Update(f.Context(), f.app, func(tx store.Tx) error {
					if i%5 == 4 { // one in five fails, and takes nobody with it
						return errors.Join(tx.PutMessage(&m), context.Canceled)
					}
					return tx.PutMessage(&m)
				})
				if (err != nil) != (i%5 == 4) {
					t.Errorf("update %d of %d: %v", i, w, err)
				}
			}
		})
	}
	wg.Wait()
	f.equal(len(f.messages("messaging:general")), 160)
	f.equal(f.channel("messaging:general").MessageCount, 160)
}

func testViewCanceled(t *testing.T, f *fixture) {
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	if err := f.store.View(ctx, f.app, func(store.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("View with a canceled context: %v", err)
	}
	if err := f.store.Update(ctx, f.app, func(store.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Update with a canceled context: %v", err)
	}
}
