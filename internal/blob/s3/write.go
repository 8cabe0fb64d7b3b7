package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"hansard/internal/blob"
)

// abortTimeout bounds the tidying after a writer whose context may be over.
const abortTimeout = 15 * time.Second

// Create implements blob.Store. Nothing is asked of the server before the first
// part is full. When ctx ends, the writer can only be aborted.
func (s *Store) Create(ctx context.Context, key string) (blob.Writer, error) {
	return s.create(ctx, key, false)
}

// CreateNew implements blob.NewCreator. It is looked whether there is a file,
// and the server is asked to refuse to replace one (If-None-Match: *). On a
// server that does not know this the look is all there is, and two writers at
// the same instant could both succeed.
func (s *Store) CreateNew(ctx context.Context, key string) (blob.Writer, error) {
	return s.create(ctx, key, true)
}

func (s *Store) create(ctx context.Context, key string, isNew bool) (blob.Writer, error) {
	object, err := s.start(ctx, key)
	if err != nil {
		return nil, err
	}
	w := &writer{store: s, key: key, object: object, header: newHeader(key, isNew)}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w, nil
}

// writer is one file on its way.
type writer struct {
	//nolint:containedctx // io.Writer has no room for it, and the writer's life is the context's.
	ctx    context.Context
	cancel context.CancelCauseFunc
	store  *Store
	key    string
	object string
	header header
	ended  bool

	buf   *buffer     // what has not been sent
	id    string      // of the upload; empty: none yet
	parts []blob.Part // sent, by number; each is filled in by its own goroutine
	slots chan struct{}
	going sync.WaitGroup

	mu  sync.Mutex
	err error // of a part
}

func (w *writer) failed(err error) error { return failed("writing", w.key, err) }

func (w *writer) partErr() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// check says why nothing can be written any more.
func (w *writer) check() error {
	if w.ended {
		return fs.ErrClosed
	}
	if err := w.partErr(); err != nil {
		return err
	}
	return w.ctx.Err()
}

func (w *writer) Write(p []byte) (int, error) {
	if err := w.check(); err != nil {
		return 0, w.failed(err)
	}
	n := 0
	for len(p) > 0 {
		size := w.store.sizeOf(len(w.parts) + 1)
		if w.buf == nil {
			w.buf = w.store.buffers.get(size, w.id != "")
		}
		// A part is sent when the next byte comes, so that a file of one part
		// needs no upload.
		if int64(w.buf.len()) == size {
			if err := w.send(); err != nil {
				return n, w.failed(err)
			}
			continue
		}
		took := w.buf.fill(p, size)
		p = p[took:]
		n += took
	}
	return n, nil
}

var errFull = fmt.Errorf("a file can have %d parts, which are full: set a larger part_size", blob.MaxParts)

// send sends the buffer as the next part, once there is room on the way.
func (w *writer) send() error {
	number := len(w.parts) + 1
	if number > blob.MaxParts {
		return errFull
	}
	if w.id == "" {
		if err := w.begin(); err != nil {
			return err
		}
	}
	w.slots = w.store.slots(w.slots, number)
	select {
	case w.slots <- struct{}{}:
	case <-w.ctx.Done():
		return w.check()
	}
	buf, slots := w.buf, w.slots
	w.buf = nil
	w.mu.Lock()
	w.parts = append(w.parts, blob.Part{Number: number, Size: int64(buf.len())})
	w.mu.Unlock()
	w.going.Go(func() {
		etag, err := w.store.putPart(w.ctx, w.object, w.id, number, bytes.NewReader(buf.b), int64(buf.len()))
		w.store.buffers.put(buf)
		w.sent(number, etag, err)
		<-slots
	})
	return nil
}

// sent notes how the upload of a part ended.
func (w *writer) sent(number int, etag string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts[number-1].ETag = etag
	if err != nil && w.err == nil {
		w.err = err
		w.cancel(err) // the others are of no use now
	}
}

// begin starts the upload.
func (w *writer) begin() error {
	err := w.store.retry(w.ctx, w.store.patience, func(ctx context.Context) (err error) {
		w.id, err = w.store.api.begin(ctx, w.object, w.header)
		return err
	})
	if err != nil {
		w.id = ""
		return err
	}
	w.store.live.Store(liveKey(w.object, w.id), true)
	return nil
}

func liveKey(object, id string) string { return object + "\x00" + id }

// Commit implements blob.Writer.
func (w *writer) Commit() error {
	err := w.check()
	if w.ended {
		return w.failed(err)
	}
	switch {
	case err != nil:
	case w.id == "":
		err = w.put()
	default:
		err = w.complete()
	}
	if err != nil {
		_ = w.end() // what it cannot remove, Sweep will
		return w.failed(err)
	}
	if w.id != "" {
		w.store.live.Delete(liveKey(w.object, w.id))
		w.id = ""
	}
	return w.end()
}

// put stores a file of one part.
func (w *writer) put() error {
	var content []byte
	if w.buf != nil {
		content = w.buf.b
	}
	return w.store.putWhole(w.ctx, w.object, content, w.header)
}

// complete sends the rest and makes a file of all parts.
func (w *writer) complete() error {
	if w.buf != nil && w.buf.len() > 0 {
		if err := w.send(); err != nil {
			return err
		}
	}
	w.going.Wait()
	if err := w.check(); err != nil {
		return err
	}
	return w.store.complete(w.ctx, w.object, w.id, w.parts, w.header)
}

// Abort implements blob.Writer.
func (w *writer) Abort() error {
	if w.ended {
		return nil
	}
	if err := w.end(); err != nil {
		return fmt.Errorf("aborting %s: %w", w.key, err)
	}
	return nil
}

// end gives everything back and removes what was uploaded.
func (w *writer) end() error {
	w.ended = true
	w.cancel(fs.ErrClosed)
	w.going.Wait() // an upload is not aborted for good while parts come in
	if w.buf != nil {
		w.store.buffers.put(w.buf)
		w.buf = nil
	}
	if w.id == "" {
		return nil
	}
	defer w.store.live.Delete(liveKey(w.object, w.id))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), abortTimeout)
	defer cancel()
	_, err := w.store.abort(ctx, w.object, w.id)
	return err
}

// putWhole stores an object with one request.
func (s *Store) putWhole(ctx context.Context, object string, content []byte, h header) error {
	p, err := s.guarded(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return err
	}
	return s.publish(ctx, object, h, func(ctx context.Context, isNew bool) error {
		h.isNew = isNew
		return s.api.put(ctx, object, p, h)
	})
}

// complete makes an object of an upload's parts. Some servers say that they did
// when the upload is not known and some other object is there, or when they are
// still at it after a request that was cut off; so it is looked.
func (s *Store) complete(ctx context.Context, object, id string, parts []blob.Part, h header) error {
	again := false
	return s.publish(ctx, object, h, func(ctx context.Context, isNew bool) error {
		err := s.api.complete(ctx, object, id, parts, isNew)
		if !again && s.gone(ctx, object, id, err) {
			return &refusal{status: http.StatusNotFound, code: codeNoUpload}
		}
		if err != nil {
			again = again || passes(err)
			return err
		}
		missing := error(&refusal{status: http.StatusNotFound, code: codeNoUpload})
		if again {
			missing = errNotYet
		}
		return s.recognise(ctx, object, h.mark, missing)
	})
}

// gone reports whether a server that answered 500 to completing an upload does
// not know the upload: that is how Ceph says it, and it will not pass.
func (s *Store) gone(ctx context.Context, object, id string, err error) bool {
	r, ok := errors.AsType[*refusal](err)
	if !ok || r.status != http.StatusInternalServerError {
		return false
	}
	_, _, err = s.api.lastPart(ctx, object, id, 0)
	return refused(err, codeNoUpload) || absent(err)
}

// errNotYet says that a file is not there although the server says so.
var errNotYet = errors.New("the object store has not finished the file")

// publish makes the request that lets an object appear. An answer that says
// that this cannot be may come because an earlier one was lost; then the
// object's mark tells.
func (s *Store) publish(ctx context.Context, object string, h header, request func(ctx context.Context, isNew bool) error) error {
	return s.retry(ctx, s.patience, func(ctx context.Context) error {
		if h.isNew {
			// Not every server that takes the condition heeds it.
			a, err := s.api.head(ctx, object)
			switch {
			case err == nil && a.mark == h.mark:
				return nil
			case err == nil:
				return blob.ErrExists
			case !absent(err):
				return err
			}
		}
		conditional := h.isNew && !s.unconditional.Load()
		err := request(ctx, conditional)
		if conditional && unknownCondition(err) {
			if err = request(ctx, false); err == nil {
				s.unconditional.Store(true)
			}
		}
		switch {
		case preconditionFailed(err):
			return s.recognise(ctx, object, h.mark, blob.ErrExists)
		case refused(err, codeNoUpload):
			return s.recognise(ctx, object, h.mark, err)
		}
		return err
	})
}

// unknownCondition reports whether it may be that a server does not know
// conditions.
func unknownCondition(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && (r.status == http.StatusNotImplemented || r.status == http.StatusBadRequest)
}

// recognise finds out whether an object is the one with that mark; if not, the
// error is otherwise.
func (s *Store) recognise(ctx context.Context, object, mark string, otherwise error) error {
	a, err := s.api.head(ctx, object)
	switch {
	case err == nil && a.mark == mark:
		return nil
	case err == nil, absent(err):
		return otherwise
	}
	return err
}
