package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"hansard/internal/blob"
	"hansard/internal/wire"
)

const (
	downloadRoute = "/exports/{kind}/{app}/{file}"
	uploadRoute   = "/uploads/imports/{app}/{uuid}/{file}"
)

// maxUploadTime bounds how long an upload may take in all, however steadily it
// trickles.
const maxUploadTime = 12 * time.Hour

func (s *Server) download(w http.ResponseWriter, r *http.Request) error {
	key := "exports/" + r.PathValue("kind") + "/" + r.PathValue("app") + "/" + r.PathValue("file")
	err := s.files.ServeGet(&pacedWriter{ResponseWriter: w, stall: s.opts.StallTimeout}, r, key)
	return fileError(err)
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) error {
	key := "imports/" + r.PathValue("app") + "/" + r.PathValue("uuid") + "/" + r.PathValue("file")
	rc := http.NewResponseController(w)
	// What this answers comes after the body, so it has its own time again.
	r.Body = &pacedBody{body: r.Body, rc: rc, stall: s.opts.StallTimeout, end: time.Now().Add(maxUploadTime)}
	err := s.files.ServePut(w, r, key, s.opts.MaxUpload)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.Header().Set("Connection", "close")
		return wire.Errorf(wire.CodeTimeout, "the file did not arrive in time")
	}
	return fileError(err)
}

func fileError(err error) error {
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrBadKey):
		return wire.Errorf(wire.CodeNotFound, "there is no such file")
	default:
		return err
	}
}

// pacedWriter lets an answer take as long as it needs while the client keeps
// reading.
type pacedWriter struct {
	http.ResponseWriter
	stall time.Duration
	moved time.Time // when the deadline was last moved
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	if now := time.Now(); now.Sub(w.moved) > w.stall/8 {
		w.moved = now
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(now.Add(w.stall))
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// pacedBody lets a body take as long as it needs while it keeps coming.
type pacedBody struct {
	body  io.ReadCloser
	rc    *http.ResponseController
	stall time.Duration
	end   time.Time
}

func (b *pacedBody) Read(p []byte) (int, error) {
	now := time.Now()
	deadline := now.Add(b.stall)
	if deadline.After(b.end) {
		deadline = b.end
	}
	_ = b.rc.SetReadDeadline(deadline)
	n, err := b.body.Read(p)
	_ = b.rc.SetWriteDeadline(time.Now().Add(b.stall))
	if err == io.EOF {
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (b *pacedBody) Close() error { return b.body.Close() }
