package s3

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"hansard/internal/blob"
)

// Open implements blob.Store. What is read comes in one stream; one that breaks
// is taken up where it broke, if the file is still the same.
func (s *Store) Open(ctx context.Context, key string) (blob.Reader, blob.Info, error) {
	object, err := s.start(ctx, key)
	if err != nil {
		return nil, blob.Info{}, err
	}
	r := &reader{ctx: ctx, store: s, key: key, object: object}
	body, a, err := r.get(0, -1)
	if err != nil {
		return nil, blob.Info{}, failed("opening", key, err)
	}
	r.body, r.size, r.etag = body, a.size, a.etag
	return r, info(key, a), nil
}

// reader is a file that is open.
type reader struct {
	//nolint:containedctx // io.Reader has no room for it, and the reader's life is the context's.
	ctx    context.Context
	store  *Store
	key    string
	object string
	etag   string // empty until the file is open
	size   int64

	at     int64         // where the next Read reads
	body   io.ReadCloser // stands at at; nil: none is open
	closed bool
}

var errReplaced = errors.New("it was replaced or deleted meanwhile")

func (r *reader) failed(err error) error {
	if absent(err) || preconditionFailed(err) {
		err = errReplaced
	}
	return failed("reading", r.key, err)
}

// get asks for n bytes from an offset on, or for all.
func (r *reader) get(from, n int64) (body io.ReadCloser, a attrs, err error) {
	err = r.store.retry(r.ctx, r.store.readPatience(), func(ctx context.Context) error {
		body, a, err = r.store.api.get(ctx, r.object, from, n, r.etag)
		if err == nil && r.etag != "" && a.etag != r.etag {
			// A server that does not heed If-Match.
			_ = body.Close()
			err = &refusal{status: 412, code: codePrecondition}
		}
		return err
	})
	return body, a, err
}

func (r *reader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, r.failed(fs.ErrClosed)
	}
	if len(p) == 0 {
		return 0, nil
	}
	start := time.Now()
	for pause := firstPause; r.at < r.size; pause = min(2*pause, maxPause) {
		n, err := r.some(p)
		if n > 0 {
			return n, nil // the error comes again if it lasts
		}
		if r.ctx.Err() != nil || !passes(err) || time.Since(start)+pause > r.store.readPatience() {
			return 0, r.failed(err)
		}
		if err := wait(r.ctx, pause); err != nil {
			return 0, r.failed(err)
		}
	}
	return 0, io.EOF
}

// some reads what the stream has, opening it if need be. After an error the
// stream is closed.
func (r *reader) some(p []byte) (int, error) {
	if r.body == nil {
		body, _, err := r.get(r.at, r.size-r.at)
		if err != nil {
			return 0, err
		}
		r.body = body
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.size-r.at)])
	r.at += int64(n)
	if err != nil {
		r.drop()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // unless this was all, which the caller sees
		}
	}
	return n, err
}

// drop closes the stream.
func (r *reader) drop() {
	if r.body != nil {
		_ = r.body.Close()
		r.body = nil
	}
}

// Seek implements io.Seeker.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	default:
		return 0, r.failed(fs.ErrInvalid)
	}
	if offset < 0 {
		return 0, r.failed(fs.ErrInvalid)
	}
	if offset != r.at {
		r.drop()
		r.at = offset
	}
	return offset, nil
}

// ReadAt implements io.ReaderAt. Each call is a request of its own, or several
// if its stream breaks.
func (r *reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, r.failed(fs.ErrInvalid)
	}
	if off >= r.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.size-off)]
	part := &reader{ctx: r.ctx, store: r.store, key: r.key, object: r.object, etag: r.etag, size: off + int64(len(want)), at: off, closed: r.closed}
	defer part.drop()
	n, err = io.ReadFull(part, want)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.drop()
	r.closed = true
	return nil
}
