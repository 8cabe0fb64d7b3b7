package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"hansard/internal/wire"

	"github.com/google/uuid"
)

// exchange is one request and its answer, for the log and for the answer's
// headers. It is also the ResponseWriter, so that it knows what was written.
type exchange struct {
	http.ResponseWriter
	id     string // X-Request-Id
	start  time.Time
	op     string // operation's name; "" outside of the API
	route  string
	app    string // API key, once it is known to be one
	status int    // 0 = nothing written yet
	code   int    // of the error that was answered; 0 = none
	bytes  int64
}

type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return x
}

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= http.StatusOK {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(p)
	x.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// front is what every request goes through, whatever it asks for.
func (s *Server) front(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{ResponseWriter: w, id: requestID(r), start: s.now(), route: "unknown"}
		w.Header().Set("X-Request-Id", x.id)
		s.setRate(w.Header(), s.unlimited())
		s.opts.Metrics.InFlight(1)
		defer s.finish(x, r)
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		// No answer may take for ever to be taken; long ones move this on.
		s.setWriteDeadline(x)
		s.setReadDeadline(x, r)
		clean := plusToSpace(r)
		if clean == nil || path.Clean(clean.URL.EscapedPath()) != clean.URL.EscapedPath() {
			// ServeMux would redirect these in plain text.
			s.fail(x, r, errNoRoute())
			return
		}
		mux.ServeHTTP(x, clean)
	})
}

// finish ends an exchange: a panic becomes an answer, and the log gets a line.
func (s *Server) finish(x *exchange, r *http.Request) {
	p := recover()
	if p != nil && !aborts(p) {
		what := fmt.Sprintf("%T", p)
		if err, ok := p.(error); ok {
			what = err.Error()
		}
		s.log.Error("panic", "request_id", x.id, "route", x.route, "panic", what, "stack", string(debug.Stack()))
		if x.status == 0 {
			s.fail(x, r, errInternal(x.id))
		} else {
			p = http.ErrAbortHandler // too late for an answer: cut it off
		}
	}
	took := s.now().Sub(x.start)
	s.opts.Metrics.InFlight(-1)
	s.opts.Metrics.Request(x.route, method(r), x.status, took)
	level := slog.LevelInfo
	if x.route == healthRoute || x.route == readyRoute || x.route == metricsRoute {
		level = slog.LevelDebug
	}
	// Routes, not paths, and never queries: those hold ids and signatures.
	s.log.LogAttrs(context.WithoutCancel(r.Context()), level, "request",
		slog.String("request_id", x.id), slog.String("method", method(r)), slog.String("route", x.route),
		slog.Int("status", x.status), slog.Int("code", x.code), slog.Float64("took_ms", float64(took.Microseconds())/1000),
		slog.Int64("bytes", x.bytes), slog.String("app", x.app))
	if aborts(p) {
		panic(p) //nolint:forbidigo // how net/http is told to cut the connection
	}
}

// aborts reports whether what was recovered asks net/http to cut the
// connection, which is no fault of ours.
func aborts(p any) bool {
	err, ok := p.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// method is the request's method for the log; clients may send anything.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "other"
	}
}

// requestID takes over the client's id if it is harmless.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > 128 {
		return uuid.NewString()
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("._-:/+=", c) >= 0:
		default:
			return uuid.NewString()
		}
	}
	return id
}

// plusToSpace gives the request with "+" as space in the path of the v2
// dialect; nil for what has no path of ours at all.
func plusToSpace(r *http.Request) *http.Request {
	escaped := r.URL.EscapedPath()
	if !strings.HasPrefix(escaped, "/") || r.Method == http.MethodConnect {
		return nil
	}
	if !strings.HasPrefix(escaped, string(coreAPI)+"/") || !strings.Contains(escaped, "+") {
		return r
	}
	escaped = strings.ReplaceAll(escaped, "+", "%20")
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		return nil
	}
	r2, u := *r, *r.URL
	u.Path, u.RawPath = plain, escaped
	r2.URL = &u
	return &r2
}

func errNoRoute() error { return wire.Errorf(wire.CodeNotFound, "there is no such endpoint") }

func errInternal(id string) error {
	return wire.Errorf(wire.CodeInternal, "something went wrong on our side, request id %s", id)
}

// open serves what needs no app: fn writes the answer itself or fails before
// it has written anything.
func (s *Server) open(route string, fn func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r)
		x.route = route
		if err := fn(w, r); err != nil {
			if x.status != 0 {
				// The answer has begun; all that is left is to cut it off.
				panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http is told to
			}
			s.fail(x, r, err)
		}
	})
}

// setReadDeadline bounds the wait for a body that no handler reads: net/http
// takes in the rest of one before it answers. Who reads a body sets a deadline
// of their own. Without a body there is none, since when a deadline passes
// net/http ends the work as if the client had gone.
func (s *Server) setReadDeadline(x *exchange, r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(time.Now().Add(s.opts.BodyTimeout))
	}
}

// setWriteDeadline gives the client StallTimeout beyond the work's own time to
// take what is written. Writers that cannot have deadlines do without.
func (s *Server) setWriteDeadline(x *exchange) {
	rc := http.NewResponseController(x.ResponseWriter)
	_ = rc.SetWriteDeadline(time.Now().Add(2*s.opts.RequestTimeout + s.opts.BodyTimeout + s.opts.StallTimeout))
}
