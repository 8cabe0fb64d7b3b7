package disk

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"

	"hansard/internal/blob"
	"hansard/internal/wire"
)

// copySize is how much of an upload is in memory at once, besides the buffer of
// the file.
const copySize = 256 << 10

// ServePut answers a PUT to a URL made by SignPut with 201 once the whole body
// is stored, and with it the URL is used up. A body that is longer than
// maxBytes (if that is positive) or that ends early leaves nothing behind. What
// it returns as an error is not answered yet: a *wire.Error of code 17 if the
// URL does not allow it, 22 if the body is too large, 4 if it ended early or
// was there already; one that wraps os.ErrDeadlineExceeded if it did not arrive
// in time.
func (s *Store) ServePut(w http.ResponseWriter, r *http.Request, key string, maxBytes int64) error {
	if r.Method != http.MethodPut {
		return wire.Errorf(wire.CodeForbidden, "this URL is for uploading: use PUT")
	}
	if err := s.Verify(r.Method, key, r.URL.Query()); err != nil {
		return err
	}
	if r.Header.Get("Content-Range") != "" {
		return wire.Errorf(wire.CodeBadInput, "Content-Range is not accepted: send the whole file")
	}
	if maxBytes > 0 {
		if r.ContentLength > maxBytes {
			return tooLarge(maxBytes)
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBytes)
	}
	ctx := r.Context()
	// Better before the body than after it.
	if _, err := s.Stat(ctx, key); err == nil {
		return uploaded()
	} else if !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	if err := s.receive(ctx, key, r.Body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (s *Store) receive(ctx context.Context, key string, body io.Reader) error {
	f, err := s.create(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = f.Abort() }()
	read := &failedRead{r: body}
	if _, err := io.CopyBuffer(f, read, make([]byte, copySize)); err != nil {
		var tooMany *http.MaxBytesError
		switch {
		case errors.As(err, &tooMany):
			return tooLarge(tooMany.Limit)
		case read.err == nil, errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
		return wire.Errorf(wire.CodeBadInput, "the upload ended before its end: nothing of it was stored, send it again")
	}
	err = f.commit(f.publishNew)
	if errors.Is(err, blob.ErrExists) {
		return uploaded()
	}
	return err
}

// failedRead keeps apart a body that broke off and a disk that is full: for the
// copy in between both are just errors.
type failedRead struct {
	r   io.Reader
	err error
}

func (f *failedRead) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

func tooLarge(limit int64) error {
	return wire.Errorf(wire.CodeTooLarge, "the file is larger than the limit of %d bytes", limit)
}

func uploaded() error {
	return wire.Errorf(wire.CodeBadInput, "a file was uploaded to this URL already: ask for a new URL")
}
