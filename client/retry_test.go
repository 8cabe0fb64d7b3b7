package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"hansard/client"
)

// script is a transport that answers one request after the other, the last
// answer from then on, and keeps what was asked.
type script struct {
	mu      sync.Mutex
	answers []answer
	asked   []*http.Request
	bodies  []string
}

// answer is an error or a response.
type answer struct {
	err    error
	status int
	body   string
	header http.Header
	cut    bool // the body breaks off
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body := ""
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
	}
	s.asked, s.bodies = append(s.asked, r), append(s.bodies, body)
	a := s.answers[min(len(s.asked), len(s.answers))-1]
	if a.err != nil {
		return nil, a.err
	}
	if a.header == nil {
		a.header = http.Header{}
	}
	text := io.Reader(strings.NewReader(a.body))
	if a.cut {
		text = io.MultiReader(text, iotest.ErrReader(io.ErrUnexpectedEOF))
	}
	return &http.Response{
		StatusCode: a.status, Status: fmt.Sprint(a.status, " ", http.StatusText(a.status)), Header: a.header, Request: r,
		Body: io.NopCloser(text), ContentLength: -1,
	}, nil
}

var at = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// pauses are those that a client made. They take no time.
type pauses struct{ list []time.Duration }

// scripted is a client of a script whose clock stands still.
func scripted(t *testing.T, o client.Options, answers ...answer) (*client.Client, *script, *pauses) {
	t.Helper()
	s, p := &script{answers: answers}, &pauses{}
	o.Server, o.APIKey, o.APISecret, o.HTTP = "http://hansard.test/base", "shop", "s3cret", &http.Client{Transport: s}
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.Fake(func() time.Time { return at }, func(ctx context.Context, d time.Duration) error {
		p.list = append(p.list, d)
		return context.Cause(ctx)
	})
	return c, s, p
}

var (
	fine      = answer{status: 200, body: `{}`}
	refusedIt = answer{status: 400, body: `{"code":4,"message":"no","StatusCode":400}`}
	broke     = answer{status: 500, body: `{"code":-1,"message":"oops","StatusCode":500}`}
	away      = answer{status: 503, body: `<html>`}
	late      = answer{status: 408, body: `{"code":23,"message":"late","StatusCode":408}`}
	hungUp    = answer{err: io.ErrUnexpectedEOF}
	cutOff    = answer{status: 200, body: `{"task`, cut: true}
	stranger  = answer{err: &tls.CertificateVerificationError{Err: errors.New("signed by nobody")}}
	nobody    = answer{err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}}
)

// tooMany asks to come back later.
func tooMany(later string) answer {
	return answer{
		status: 429, body: `{"code":9,"message":"slow down","StatusCode":429}`,
		header: http.Header{"Retry-After": {later}},
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	read := func(ctx context.Context, c *client.Client) error { _, err := c.Task(ctx, "t"); return err }
	remove := func(ctx context.Context, c *client.Client) error {
		_, err := c.DeleteChannel(ctx, "m:a", true)
		return err
	}
	export := func(ctx context.Context, c *client.Client) error {
		_, err := c.ExportUsers(ctx, client.UsersRequest{UserIDs: []string{"ada"}})
		return err
	}
	// Twice would be once too often.
	once := func(ctx context.Context, c *client.Client) error {
		_, err := c.TruncateChannel(ctx, "m:a", client.Truncation{})
		return err
	}
	for name, tt := range map[string]struct {
		do      func(context.Context, *client.Client) error
		answers []answer
		retries int
		asked   int
		fails   string // in the error; empty = none
	}{
		"read":                         {read, []answer{broke, away, late, fine}, 0, 4, ""},
		"read, too often":              {read, []answer{away, away, away, broke, fine}, 0, 4, "oops"},
		"read, connection lost":        {read, []answer{hungUp, nobody, fine}, 0, 3, ""},
		"read, answer cut off":         {read, []answer{cutOff, fine}, 0, 2, ""},
		"read, somebody else there":    {read, []answer{stranger, fine}, 0, 1, "signed by nobody"},
		"read, refused":                {read, []answer{refusedIt, fine}, 0, 1, "no"},
		"read, no JSON":                {read, []answer{{status: 200, body: "<html>"}, fine}, 0, 1, "did not answer as Hansard does"},
		"read, rate limit":             {read, []answer{tooMany("1"), fine}, 0, 2, ""},
		"read, no retries":             {read, []answer{away, fine}, -1, 1, "503"},
		"read, more retries":           {read, []answer{away, away, away, away, away, away, fine}, 6, 7, ""},
		"deletion":                     {remove, []answer{away, hungUp, fine}, 0, 3, ""},
		"export":                       {export, []answer{away, hungUp, fine}, 0, 3, ""},
		"not twice, server away":       {once, []answer{away, fine}, 0, 1, "503"},
		"not twice, connection lost":   {once, []answer{hungUp, fine}, 0, 1, "unexpected EOF"},
		"not twice, answer cut off":    {once, []answer{cutOff, fine}, 0, 1, "unexpected EOF"},
		"not twice, too late":          {once, []answer{late, fine}, 0, 1, "late"},
		"not twice, nobody there":      {once, []answer{nobody, nobody, fine}, 0, 3, ""},
		"not twice, rate limit":        {once, []answer{tooMany("2"), fine}, 0, 2, ""},
		"not twice, limited, then bad": {once, []answer{tooMany("2"), away, fine}, 0, 2, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, s, p := scripted(t, client.Options{Retries: tt.retries}, tt.answers...)
			err := tt.do(t.Context(), c)
			if len(s.asked) != tt.asked || len(p.list) != tt.asked-1 {
				t.Errorf("asked %d times, want %d; pauses %v", len(s.asked), tt.asked, p.list)
			}
			if (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("err %v, want %q", err, tt.fails)
			}
			for i, r := range s.asked {
				first := s.asked[0]
				if r.URL.String() != first.URL.String() || s.bodies[i] != s.bodies[0] || r.Header.Get("Idempotency-Key") != first.Header.Get("Idempotency-Key") {
					t.Errorf("retry %d is another request: %s %s", i, r.URL, s.bodies[i])
				}
			}
		})
	}
}

func TestPausesGrow(t *testing.T) {
	t.Parallel()
	c, _, p := scripted(t, client.Options{Retries: 8}, away)
	if _, err := c.Task(t.Context(), "t"); err == nil {
		t.Error("no error")
	}
	const ms = time.Millisecond
	for i, most := range []time.Duration{200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms, 5000 * ms} {
		if p.list[i] < most/2 || p.list[i] > most {
			t.Errorf("pause %d is %s, want %s to %s", i, p.list[i], most/2, most)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	ask := func(ctx context.Context, o client.Options, later string) (time.Duration, error) {
		c, _, p := scripted(t, o, tooMany(later), fine)
		_, err := c.Task(ctx, "t")
		if len(p.list) == 0 {
			return 0, err
		}
		return p.list[0], err
	}
	for later, want := range map[string]time.Duration{
		"7":  7 * time.Second,
		"60": time.Minute,
		at.Add(9 * time.Second).Format(http.TimeFormat): 9 * time.Second,
	} {
		if got, err := ask(t.Context(), client.Options{}, later); err != nil || got != want {
			t.Errorf("%s: paused %s, %v", later, got, err)
		}
	}
	for _, later := range []string{"0", "-5", "soon", "", "99999999999999999999", at.Add(-time.Hour).Format(http.TimeFormat)} {
		if got, err := ask(t.Context(), client.Options{}, later); err != nil || got > 200*time.Millisecond {
			t.Errorf("%q: paused %s, %v", later, got, err)
		}
	}
}

// What cannot be waited for is told at once, with how long it would be.
func TestRetryTooLate(t *testing.T) {
	t.Parallel()
	soon, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for name, tt := range map[string]struct {
		ctx   context.Context
		o     client.Options
		later int
	}{
		"longer than usual":       {t.Context(), client.Options{}, 61},
		"longer than allowed":     {t.Context(), client.Options{RetryWait: time.Second}, 2},
		"longer than the context": {soon, client.Options{RetryWait: 24 * time.Hour}, 3601},
	} {
		c, s, p := scripted(t, tt.o, tooMany(strconv.Itoa(tt.later)), fine)
		c.Fake(time.Now, func(context.Context, time.Duration) error { return errors.New("paused") })
		_, err := c.Task(tt.ctx, "t")
		e, ok := errors.AsType[*client.Error](err)
		if len(s.asked) != 1 || len(p.list) != 0 || !ok || !client.IsRateLimited(err) || e.RetryAfter != time.Duration(tt.later)*time.Second {
			t.Errorf("%s: %v after %d requests", name, err, len(s.asked))
		}
	}
}

func TestInterruptedPause(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, s, _ := scripted(t, client.Options{}, away, fine)
	c.Fake(time.Now, func(ctx context.Context, _ time.Duration) error {
		cancel()
		return context.Cause(ctx)
	})
	_, err := c.Task(ctx, "t")
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "503") || len(s.asked) != 1 {
		t.Errorf("err %v after %d requests", err, len(s.asked))
	}
}

func TestExportsCarryAKey(t *testing.T) {
	t.Parallel()
	c, s, _ := scripted(t, client.Options{}, fine)
	for _, key := range []string{"", "", "mine"} {
		if _, err := c.ExportChannels(t.Context(), client.ChannelsRequest{IdempotencyKey: key}); err != nil {
			t.Fatal(err)
		}
	}
	keys := map[string]bool{}
	for _, r := range s.asked {
		keys[r.Header.Get("Idempotency-Key")] = true
	}
	if len(keys) != 3 || !keys["mine"] || keys[""] {
		t.Errorf("keys %v", keys)
	}
}

// A message whose answer is lost is sent once.
func TestMessagesAreSentOnce(t *testing.T) {
	t.Parallel()
	taken := answer{status: 400, body: `{"code":4,"message":"is taken","StatusCode":400}`}
	there := func(author, text string) answer {
		return answer{status: 200, body: `{"message":{"id":"m1","cid":"messaging:tea","text":"` + text + `","user":{"id":"` + author + `"}}}`}
	}
	for name, tt := range map[string]struct {
		answers []answer
		asked   int
		fails   string
	}{
		"at once":              {[]answer{there("ada", "hi")}, 1, ""},
		"not at first":         {[]answer{away, there("ada", "hi")}, 2, ""},
		"answer lost":          {[]answer{hungUp, taken, there("ada", "hi")}, 3, ""},
		"id taken":             {[]answer{taken, there("ada", "hi")}, 1, "taken"},
		"id taken, was away":   {[]answer{nobody, taken, there("ada", "hi")}, 2, "taken"},
		"taken by another":     {[]answer{hungUp, taken, there("bob", "hi")}, 3, "taken"},
		"taken by another one": {[]answer{hungUp, taken, there("ada", "ho")}, 3, "taken"},
		"something else":       {[]answer{hungUp, taken, {status: 404, body: `{"code":16,"message":"none"}`}}, 3, "taken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, s, _ := scripted(t, client.Options{}, tt.answers...)
			m, err := c.SendMessage(t.Context(), "messaging:tea", client.Message{ID: "m1", UserID: "ada", Text: "hi"})
			if len(s.asked) != tt.asked {
				t.Errorf("asked %d times, want %d", len(s.asked), tt.asked)
			}
			if tt.fails != "" {
				if m != nil || err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("message %v, err %v", m, err)
				}
				return
			}
			if err != nil || m.ID != "m1" || m.UserID != "ada" {
				t.Errorf("message %+v, err %v", m, err)
			}
		})
	}
}

func TestErrorsAreTold(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer      answer
		unreachable bool
	}{
		"nobody":     {nobody, true},
		"hung up":    {answer{err: io.EOF}, true},
		"cut off":    {cutOff, false},
		"stranger":   {stranger, false},
		"too slow":   {answer{err: context.DeadlineExceeded}, false},
		"away":       {away, false},
		"no JSON":    {answer{status: 200, body: "<html>"}, false},
		"bad input":  {refusedIt, false},
		"rate limit": {tooMany("1"), false},
	} {
		c, _, _ := scripted(t, client.Options{}, tt.answer)
		_, err := c.Task(t.Context(), "t")
		if err == nil || client.IsUnreachable(err) != tt.unreachable || client.IsNotFound(err) ||
			client.IsBadInput(err) != (name == "bad input") || client.IsRateLimited(err) != (name == "rate limit") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
