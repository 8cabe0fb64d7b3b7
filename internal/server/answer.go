package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"hansard/internal/blob"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/klauspost/compress/gzip"
)

// Answer is what a handler gives: a JSON object in the classic dialect.
type Answer struct {
	Body []byte
	Kind wire.Kind // what the object is, for the v2 dialect
}

// answer writes a success in the dialect of the request.
func (s *Server) answer(x *exchange, r *http.Request, op *operation, v2 bool, a Answer) error {
	body := a.Body
	if v2 {
		var err error
		if body, err = wire.ToV2(a.Kind, body); err != nil {
			return err
		}
	}
	body, err := withDuration(body, s.took(x))
	if err != nil {
		return err
	}
	status := op.status
	if status == 0 {
		status = http.StatusOK
	}
	write(x, r, status, body)
	return nil
}

func (s *Server) took(x *exchange) string { return wire.FormatDuration(s.now().Sub(x.start)) }

// withDuration makes "duration" the last member of an object.
func withDuration(object []byte, duration string) ([]byte, error) {
	if len(object) < 2 || object[0] != '{' || object[len(object)-1] != '}' {
		return nil, errors.New("an answer is not an object")
	}
	out := object[:len(object)-1]
	if len(object) > 2 {
		out = append(out, ',')
	}
	out = append(out, `"duration":`...)
	out = wire.AppendString(out, duration)
	return append(out, '}'), nil
}

// moreInfo is where the error codes are explained.
const moreInfo = "https://getstream.io/chat/docs/api_errors_response"

// fail writes an error. It is the only place where errors become answers.
func (s *Server) fail(x *exchange, r *http.Request, err error) {
	e := s.explain(x, err)
	x.code = int(e.Code)
	if x.op != "" && !strings.Contains(e.Message, "failed with error") {
		named := *e
		named.Message = fmt.Sprintf("%s failed with error: \"%s\"", x.op, e.Message)
		e = &named
	}
	write(x, r, e.Code.Status(), wire.AnswerError(e, s.took(x), moreInfo))
}

// explain finds what of an error is for the client. What is not is logged.
func (s *Server) explain(x *exchange, err error) *wire.Error {
	var field *wire.FieldError
	if e := wire.AsError(err); e != nil {
		return e
	}
	switch {
	case errors.As(err, &field):
		return field.AsError("")
	case errors.Is(err, store.ErrNotFound):
		return wire.Errorf(wire.CodeNotFound, "there is no such object")
	case errors.Is(err, context.DeadlineExceeded):
		return wire.Errorf(wire.CodeTimeout, "the request took too long")
	case errors.Is(err, context.Canceled):
		// The client is gone, or this process is about to be.
		return wire.Errorf(wire.CodeTimeout, "the request was given up")
	}
	s.log.Error("request failed", "request_id", x.id, "route", x.route, "app", x.app, "error", err)
	switch {
	case errors.Is(err, store.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return wire.Errorf(wire.CodeInternal, "the server has no space left, nothing was written; request id %s", x.id)
	case errors.Is(err, store.ErrUnavailable):
		return wire.Errorf(wire.CodeInternal, "the server cannot reach its database, please try again later; request id %s", x.id)
	case errors.Is(err, blob.ErrUnavailable):
		return wire.Errorf(wire.CodeInternal, "the server cannot reach the object store or folder of its files, please try again later; request id %s", x.id)
	}
	return wire.AsError(errInternal(x.id))
}

// gzipMin is the least size of an answer, in bytes, that is worth packing.
const gzipMin = 1 << 10

var packers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// write sends a JSON body, packed if the client takes that.
func write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Encoding")
	if len(body) > gzipMin && takesGzip(r.Header.Values("Accept-Encoding")) {
		var packed bytes.Buffer
		z := packers.Get().(*gzip.Writer) //nolint:errcheck // what New makes
		z.Reset(&packed)
		_, err := z.Write(body)
		if cerr := z.Close(); err == nil && cerr == nil {
			body = packed.Bytes()
			h.Set("Content-Encoding", "gzip")
		}
		packers.Put(z)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// An error here means that the client is gone; nobody is left to tell.
	_, _ = w.Write(body)
}

// takesGzip reads Accept-Encoding: gzip, x-gzip or * with a weight above 0.
func takesGzip(values []string) bool {
	takes := false
	for entry := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, params, _ := strings.Cut(entry, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "gzip" && name != "x-gzip" && name != "*" {
			continue
		}
		weight := 1.0
		for p := range strings.SplitSeq(params, ";") {
			if q, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
				if f, err := strconv.ParseFloat(q, 64); err == nil {
					weight = f
				}
			}
		}
		if name != "*" {
			return weight > 0 // named: this decides
		}
		takes = weight > 0
	}
	return takes
}
