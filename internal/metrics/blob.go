package metrics

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"hansard/internal/blob"

	"github.com/prometheus/client_golang/prometheus"
)

// blobCall is an operation on files that is watched.
type blobCall string

const (
	put      blobCall = "put"
	get      blobCall = "get"
	stat     blobCall = "stat"
	remove   blobCall = "delete"
	list     blobCall = "list"
	sign     blobCall = "sign"
	sweep    blobCall = "sweep"
	begin    blobCall = "begin"
	putPart  blobCall = "put_part"
	complete blobCall = "complete"
	abort    blobCall = "abort"
)

// files are served by stores that have no server of their own.
type files interface {
	ServeGet(w http.ResponseWriter, r *http.Request, key string) error
	ServePut(w http.ResponseWriter, r *http.Request, key string, maxBytes int64) error
}

// Blob watches the operations of s. It can write files in parts, and serve
// them, if s can.
func (m *Metrics) Blob(s blob.Store) blob.Store {
	if m == nil {
		return s
	}
	calls := []blobCall{put, get, stat, remove, list, sign, sweep}
	parts, inParts := s.(blob.Multipart)
	if inParts {
		calls = append(calls, begin, putPart, complete, abort)
	}
	w := &watchedBlob{Store: s, m: m, calls: operations(m.blobTime, m.blobErrors, calls...)}
	served, serves := s.(files)
	switch {
	case inParts && serves:
		return struct {
			*watchedBlob
			*watchedParts
			files
		}{w, &watchedParts{w, parts}, served}
	case inParts:
		return struct {
			*watchedBlob
			*watchedParts
		}{w, &watchedParts{w, parts}}
	case serves:
		return struct {
			*watchedBlob
			files
		}{w, served}
	default:
		return w
	}
}

type watchedBlob struct {
	blob.Store
	m     *Metrics
	calls map[blobCall]operation
}

func (s *watchedBlob) ended(call blobCall, start time.Time, err error) {
	s.calls[call].ended(start, broken(err))
}

// broken reports whether an error is a fault of the store.
func broken(err error) bool {
	return err != nil && !errors.Is(err, blob.ErrNotFound) && !errors.Is(err, blob.ErrExists) && !errors.Is(err, blob.ErrBadKey) &&
		!errors.Is(err, context.Canceled)
}

func (s *watchedBlob) Create(ctx context.Context, key string) (blob.Writer, error) {
	start := time.Now()
	w, err := s.Store.Create(ctx, key)
	return s.writer(start, w, err)
}

// CreateNew is as safe as that of the store beneath.
func (s *watchedBlob) CreateNew(ctx context.Context, key string) (blob.Writer, error) {
	start := time.Now()
	w, err := blob.CreateNew(ctx, s.Store, key)
	return s.writer(start, w, err)
}

func (s *watchedBlob) writer(start time.Time, w blob.Writer, err error) (blob.Writer, error) {
	if err != nil {
		s.ended(put, start, err)
		return nil, err
	}
	return &watchedWriter{Writer: w, put: s.calls[put], written: s.m.blobWritten, took: time.Since(start)}, nil
}

// watchedWriter adds up for how long a file was waited for.
type watchedWriter struct {
	blob.Writer
	put     operation
	written prometheus.Counter
	took    time.Duration
	failed  bool
	over    bool
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	start := time.Now()
	n, err := w.Writer.Write(p)
	w.took += time.Since(start)
	w.failed = w.failed || broken(err)
	w.written.Add(float64(n))
	return n, err
}

func (w *watchedWriter) Commit() error {
	start := time.Now()
	err := w.Writer.Commit()
	w.took += time.Since(start)
	w.failed = w.failed || broken(err)
	w.end(true)
	return err
}

func (w *watchedWriter) Abort() error {
	err := w.Writer.Abort()
	w.end(false)
	return err
}

// end notes the file once. One that was given up counts only if it failed.
func (w *watchedWriter) end(committed bool) {
	if w.over {
		return
	}
	w.over = true
	if committed || w.failed {
		w.put.time.Observe(w.took.Seconds())
	}
	if w.failed {
		w.put.errors.Inc()
	}
}

func (s *watchedBlob) Open(ctx context.Context, key string) (blob.Reader, blob.Info, error) {
	start := time.Now()
	r, info, err := s.Store.Open(ctx, key)
	s.ended(get, start, err)
	if err != nil {
		return nil, info, err
	}
	return &watchedReader{Reader: r, get: s.calls[get], read: s.m.blobRead}, info, nil
}

type watchedReader struct {
	blob.Reader
	get  operation
	read prometheus.Counter
}

func (r *watchedReader) note(n int, err error) {
	r.read.Add(float64(n))
	if !errors.Is(err, io.EOF) && broken(err) {
		r.get.errors.Inc()
	}
}

func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.note(n, err)
	return n, err
}

func (r *watchedReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Reader.ReadAt(p, off)
	r.note(n, err)
	return n, err
}

func (s *watchedBlob) Stat(ctx context.Context, key string) (blob.Info, error) {
	start := time.Now()
	info, err := s.Store.Stat(ctx, key)
	s.ended(stat, start, err)
	return info, err
}

func (s *watchedBlob) Delete(ctx context.Context, key string) error {
	start := time.Now()
	err := s.Store.Delete(ctx, key)
	s.ended(remove, start, err)
	return err
}

// List notes no time and no error that is of fn.
func (s *watchedBlob) List(ctx context.Context, prefix string, fn func(blob.Info) error) error {
	start := time.Now()
	var inside time.Duration
	stopped := false
	err := s.Store.List(ctx, prefix, func(f blob.Info) error {
		at := time.Now()
		err := fn(f)
		inside += time.Since(at)
		stopped = stopped || err != nil
		return err
	})
	s.calls[list].ended(start.Add(inside), !stopped && broken(err))
	return err
}

func (s *watchedBlob) SignGet(ctx context.Context, key string, ttl time.Duration) (string, error) {
	start := time.Now()
	url, err := s.Store.SignGet(ctx, key, ttl)
	s.ended(sign, start, err)
	return url, err
}

func (s *watchedBlob) SignPut(ctx context.Context, key string, ttl time.Duration) (string, error) {
	start := time.Now()
	url, err := s.Store.SignPut(ctx, key, ttl)
	s.ended(sign, start, err)
	return url, err
}

func (s *watchedBlob) Sweep(ctx context.Context, olderThan time.Duration) error {
	start := time.Now()
	err := s.Store.Sweep(ctx, olderThan)
	s.ended(sweep, start, err)
	return err
}

// watchedParts is what a store does that writes files in parts.
type watchedParts struct {
	blob  *watchedBlob
	parts blob.Multipart
}

func (s *watchedParts) Begin(ctx context.Context, key string) (string, error) {
	start := time.Now()
	upload, err := s.parts.Begin(ctx, key)
	s.blob.ended(begin, start, err)
	return upload, err
}

func (s *watchedParts) PutPart(ctx context.Context, key, upload string, number int, body io.ReadSeeker, size int64) (blob.Part, error) {
	start := time.Now()
	part, err := s.parts.PutPart(ctx, key, upload, number, body, size)
	s.blob.ended(putPart, start, err)
	if err == nil {
		s.blob.m.blobWritten.Add(float64(size))
	}
	return part, err
}

func (s *watchedParts) Complete(ctx context.Context, key, upload string, parts []blob.Part) error {
	start := time.Now()
	err := s.parts.Complete(ctx, key, upload, parts)
	s.blob.ended(complete, start, err)
	return err
}

func (s *watchedParts) AbortUpload(ctx context.Context, key, upload string) error {
	start := time.Now()
	err := s.parts.AbortUpload(ctx, key, upload)
	s.blob.ended(abort, start, err)
	return err
}
