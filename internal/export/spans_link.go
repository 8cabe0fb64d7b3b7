package export

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"

	"hansard/internal/blob"
	"hansard/internal/store"
)

// What becomes of a unit that is rendered: it is uploaded, and brought to the
// checksum of the file when its turn has come.

// fits reports whether a unit can be a part of the file.
func (k *work) fits() bool {
	return k.made.Size <= blob.MaxPart && (k.made.Size >= blob.MinPart || k.unit.End)
}

// check looks, after an error, whether it comes of the span's being gone.
func (w *spanWorker) check(k *work) {
	lost, err := w.spans.BeatSpans(k.ctx, []store.Span{k.span}, w.lease)
	if err == nil && len(lost) > 0 {
		k.lose(store.ErrLeaseLost)
	}
}

// upload puts the bytes of a unit where they belong.
func (w *spanWorker) upload(k *work) error {
	err := w.put(k)
	if err != nil {
		w.check(k)
	}
	return err
}

func (w *spanWorker) put(k *work) (err error) {
	u, m := &k.unit, &k.made
	if k.fits() {
		m.Part, err = w.parts.PutPart(k.ctx, u.Key, u.Upload, part(k.span.Number, k.span.Try), k.bytes.reader(), m.Size)
		if err != nil {
			return err
		}
	}
	if m.Held == 0 {
		return nil
	}
	if w.keep != nil {
		return w.keep(k.span.Number, k.side)
	}
	m.Reactions = fmt.Sprintf("%s%d.%d", u.Scratch, k.span.Number, k.span.Claim)
	file, err := w.Blob.Create(k.ctx, m.Reactions)
	if err != nil {
		return err
	}
	defer func() { _ = file.Abort() }() // what it cannot remove, the sweep will
	if _, err := k.side.WriteTo(file); err != nil {
		return err
	}
	return file.Commit()
}

// follow brings what is rendered to the checksum of the file, in order, until
// ctx ends. Whether a span is done must be known beyond that.
func (w *spanWorker) follow(ctx, beyond context.Context) {
	pause := minLook
	for ctx.Err() == nil {
		k := w.next()
		if k == nil {
			select {
			case <-w.ready:
			case <-ctx.Done():
			}
			continue
		}
		done, err := w.link(ctx, beyond, k)
		switch {
		case done:
			w.drop(k)
			pause = minLook
			if w.SpanDone != nil {
				w.SpanDone(k.span.Try > 1)
			}
		case errors.Is(err, store.ErrLeaseLost), errors.Is(context.Cause(k.ctx), store.ErrLeaseLost):
			w.abandon(k)
		case err != nil:
			w.fail(fmt.Errorf("span %d: %w", k.span.Number, err))
			return
		default:
			if pause, err = await(ctx, w.ready, pause); err != nil {
				return
			}
		}
	}
}

// abandon drops a unit that was lost, once its upload no longer needs it.
func (w *spanWorker) abandon(k *work) {
	k.lose(store.ErrLeaseLost)
	if err := <-k.uploads; err != nil {
		w.Logger.Debug("the upload of a span that was lost ended", "task", w.of.Task, "span", k.span.Number, "error", err)
	}
	w.drop(k)
}

// next is the first unit that is rendered.
func (w *spanWorker) next() *work {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.held {
		if k.ready {
			return k
		}
	}
	return nil
}

// link brings a unit to the checksum, if the one before it was, and says that
// it is done.
func (w *spanWorker) link(ctx, beyond context.Context, k *work) (done bool, err error) {
	if k.ctx.Err() != nil {
		return false, context.Cause(k.ctx)
	}
	n := k.span.Number
	if n > 0 && n-1 != w.last {
		state, err := w.spans.SpanState(ctx, w.of, n-1)
		if err != nil || state == nil {
			return false, err
		}
		w.last, w.state = n-1, state
	}
	sum, err := resume(n, w.state)
	if err != nil {
		return false, err
	}
	if _, err := k.bytes.WriteTo(sum); err != nil {
		return false, err
	}
	state, err := stateOf(sum)
	if err != nil {
		return false, err
	}
	select {
	case err = <-k.uploads:
		k.uploads <- err // for abandon
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return false, err
	}
	result, err := json.Marshal(&k.made)
	if err != nil {
		return false, err
	}
	if err := w.spans.FinishSpan(beyond, &k.span, result, state); err != nil {
		return false, err
	}
	w.last, w.state = n, state
	return true, nil
}

// resume gives the checksum as it was before a span.
func resume(span int, state []byte) (hash.Hash, error) {
	sum := sha256.New()
	if span == 0 {
		return sum, nil
	}
	u, ok := sum.(encoding.BinaryUnmarshaler)
	if !ok {
		return nil, errors.New("a checksum cannot be gone on with")
	}
	return sum, u.UnmarshalBinary(state)
}

func stateOf(sum hash.Hash) ([]byte, error) {
	m, ok := sum.(encoding.BinaryMarshaler)
	if !ok {
		return nil, errors.New("a checksum cannot be kept")
	}
	return m.MarshalBinary()
}
