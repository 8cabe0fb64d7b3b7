package server

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"hansard/internal/wire"
)

// limiter counts requests in fixed windows, per app and group of endpoints.
type limiter struct {
	mu      sync.Mutex
	windows map[windowKey]window
}

type windowKey struct {
	app   int64
	group string
}

type window struct {
	start time.Time
	used  int
}

// rate is what the X-RateLimit headers say.
type rate struct {
	limit, remaining int
	reset            time.Time
}

// unlimitedRate is what endpoints without a limit report, per minute. It is
// not enforced; clients expect the headers everywhere.
const unlimitedRate = 10000

func (s *Server) unlimited() rate {
	return rate{unlimitedRate, unlimitedRate, s.now().Truncate(time.Minute).Add(time.Minute)}
}

func (s *Server) setRate(h http.Header, r rate) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(r.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(r.remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(r.reset.Unix(), 10))
}

// allow counts a request and refuses it when the window's are used up.
func (s *Server) allow(h http.Header, app int64, group string) error {
	if group == "" || s.opts.RateLimit <= 0 {
		return nil
	}
	now := s.now()
	r, ok := s.limiter.take(windowKey{app, group}, now, s.opts.RateLimit, s.opts.RateWindow, 1)
	s.setRate(h, r)
	if ok {
		return nil
	}
	s.opts.Metrics.RateLimited(group)
	// Rounded up: a client that waits this long must not come too early.
	wait := int((r.reset.Sub(now) + time.Second - 1) / time.Second)
	h.Set("Retry-After", strconv.Itoa(max(wait, 1)))
	return wire.Errorf(wire.CodeRateLimited, "too many requests: %d per %s are allowed; see the headers Retry-After and X-RateLimit-Reset",
		s.opts.RateLimit, period(s.opts.RateWindow))
}

// period is a duration as one says it after "per".
func period(d time.Duration) string {
	switch d {
	case time.Second:
		return "second"
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	}
	return d.String()
}

// standing is how far the requests of a group are used up.
func (s *Server) standing(app int64, group string) rate {
	if group == "" || s.opts.RateLimit <= 0 {
		return s.unlimited()
	}
	r, _ := s.limiter.take(windowKey{app, group}, s.now(), s.opts.RateLimit, s.opts.RateWindow, 0)
	return r
}

// maxWindows bounds what the limiter remembers; past it, windows that are over
// are forgotten.
const maxWindows = 4096

// take counts n requests, 0 to look only, if there is one left.
func (l *limiter) take(key windowKey, now time.Time, limit int, length time.Duration, n int) (rate, bool) {
	start := now.Truncate(length)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.windows == nil {
		l.windows = map[windowKey]window{}
	}
	if len(l.windows) >= maxWindows {
		for k, w := range l.windows {
			if !w.start.Equal(start) {
				delete(l.windows, k)
			}
		}
	}
	w := l.windows[key]
	if !w.start.Equal(start) {
		w = window{start: start}
	}
	ok := w.used < limit
	if ok {
		w.used += n
	}
	l.windows[key] = w
	reset := start.Add(length)
	// The header counts whole seconds: it must not name one inside the window.
	if whole := reset.Truncate(time.Second); whole.Before(reset) {
		reset = whole.Add(time.Second)
	}
	return rate{limit, limit - w.used, reset}, ok
}
