package disk

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"

	"hansard/internal/blob"
	"hansard/internal/wire"
)

// ServeGet answers a GET or HEAD of a URL made by SignGet: ranges, conditions
// and all. What it returns as an error is not answered yet: a *wire.Error of
// code 17 if the URL does not allow it, of code 16 if there is no such file.
func (s *Store) ServeGet(w http.ResponseWriter, r *http.Request, key string) error {
	start := s.clock.Now()
	if err := s.Verify(r.Method, key, r.URL.Query()); err != nil {
		return err
	}
	f, info, err := s.open(r.Context(), key)
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrBadKey):
		return wire.Errorf(wire.CodeNotFound, "there is no such file: it may be past its retention")
	case err != nil:
		return err
	}
	defer func() { _ = f.Close() }()

	h := w.Header()
	h.Set("Content-Type", blob.ContentType(key))
	// Nothing in a valid key needs quoting.
	h.Set("Content-Disposition", `attachment; filename="`+path.Base(key)+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-transform")
	h.Set("ETag", etag(info))
	if !strings.HasPrefix(r.Header.Get("Range"), "bytes=") {
		r.Header.Del("Range") // of a unit that is not known: to be ignored (RFC 9110, 14.2)
	}
	rw := &rangeWriter{ResponseWriter: w}
	http.ServeContent(rw, r, "", info.ModTime(), f)
	if rw.refused {
		refuseRange(w, info.Size(), wire.FormatDuration(s.clock.Now().Sub(start)))
	}
	return nil
}

// etag is strong: a file is never changed, only replaced by another, and no two
// have the same inode at the same instant.
func etag(info os.FileInfo) string {
	return fmt.Sprintf(`"%x-%x-%x"`, info.Size(), info.ModTime().UnixNano(), inode(info))
}

// rangeWriter holds back the plain-text answer that http.ServeContent gives to
// a range outside the file.
type rangeWriter struct {
	http.ResponseWriter
	refused bool
}

func (w *rangeWriter) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		w.refused = true
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *rangeWriter) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom keeps the way open on which the kernel copies the file by itself.
func (w *rangeWriter) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(w.ResponseWriter, r)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *rangeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// refuseRange answers as every other error is answered, but for the status: no
// code of the API has this one, and clients that go on with a download know by
// it that they have all.
func refuseRange(w http.ResponseWriter, size int64, duration string) {
	h := w.Header()
	h.Del("Content-Disposition")
	h.Set("Content-Type", "application/json")
	h.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
	w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
	_, _ = fmt.Fprintf(w, `{"code":%d,"message":"the range lies outside the file, which has %d bytes","StatusCode":%d,"duration":"%s","more_info":"https://www.rfc-editor.org/rfc/rfc9110#section-15.5.17","details":[]}`,
		wire.CodeBadInput, size, http.StatusRequestedRangeNotSatisfiable, duration)
}
