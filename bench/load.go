package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"hansard/internal/auth"
)

// caller is one of those who call the API at the same time: a connection that
// is kept, and a token that is signed once. It does as little as it can, since
// it shares the processors with the server.
type caller struct {
	transport *http.Transport
	server    string
	query     string
	header    http.Header
}

// answerPatience bounds the wait for any one answer.
const answerPatience = 30 * time.Second

func newCaller(server, key, secret string, life time.Duration) (*caller, error) {
	token, err := auth.Sign(secret, auth.Claims{Server: true}, time.Now(), life)
	if err != nil {
		return nil, err
	}
	return &caller{
		transport: &http.Transport{
			MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1, ResponseHeaderTimeout: answerPatience,
			// Answers are asked for packed, as by any client, but not unpacked.
			DisableCompression: true,
		},
		server: server,
		query:  "?" + url.Values{"api_key": {key}}.Encode(),
		header: http.Header{
			"Authorization": {token}, "Stream-Auth-Type": {"jwt"}, "Content-Type": {"application/json"}, "Accept-Encoding": {"gzip"},
		},
	}, nil
}

// post makes a request that is to be answered with 201. It does not look into
// the answer.
func (c *caller) post(ctx context.Context, path string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server+path+c.query, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	req.Header = c.header // which a transport only reads
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("POST %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusCreated {
		var e struct{ Message string }
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		_ = json.Unmarshal(answer, &e) // the status says enough if it is something else
		return fmt.Errorf("POST %s was answered with %d: %s", path, resp.StatusCode, cmp.Or(e.Message, "?"))
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("the answer to POST %s: %w", path, err)
	}
	return nil
}

// timed is post, and how long it took in milliseconds.
func (c *caller) timed(ctx context.Context, path string, body []byte) (float64, error) {
	began := time.Now()
	err := c.post(ctx, path, body)
	return ms(time.Since(began)), err
}

// load is the clients and what they send.
type load struct {
	callers []*caller
	reader  *caller
	paths   []string     // of the channels that messages are sent to
	left    [][]outgoing // what each has not yet sent

	acknowledged []string // ids
}

// sent is how sending went.
type sent struct {
	messages int
	took     time.Duration
	each     []float64 // ms, from request to answer
}

func (s *sent) add(t sent) {
	s.messages += t.messages
	s.took += t.took
	s.each = append(s.each, t.each...)
}

func (s *sent) rate() float64 { return float64(s.messages) / s.took.Seconds() }

// newLoad makes the clients of a server, the n messages they will send, and
// what has to be there for that.
func (b *bench) newLoad(ctx context.Context, server string, n int) (*load, error) {
	l := &load{}
	for i := range clients + 1 {
		// Tokens that end at different times are different tokens.
		c, err := newCaller(server, b.app.Key, b.app.Secret, 2*longest+time.Duration(i)*time.Minute)
		if err != nil {
			return nil, err
		}
		l.callers = append(l.callers, c)
	}
	l.reader, l.callers = l.callers[clients], l.callers[:clients]
	var err error
	if l.left, err = liveMessages(n); err != nil {
		return nil, err
	}
	for k := range channels {
		l.paths = append(l.paths, "/channels/messaging/"+liveChannel(k)+"/message")
	}
	calls, err := setUp()
	if err != nil {
		return nil, err
	}
	for _, call := range calls {
		if err := l.reader.post(ctx, call[0], []byte(call[1])); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *load) close() {
	for _, c := range append(l.callers, l.reader) {
		c.transport.CloseIdleConnections()
	}
}

// send has all clients send about n messages in all, each its share one after
// the other. It fails if one message is not acknowledged.
func (l *load) send(ctx context.Context, n int) (sent, error) {
	bounded, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	ctx, fail := context.WithCancelCause(bounded)
	defer fail(nil)
	took := make([][]float64, len(l.callers))
	turn := make([][]outgoing, len(l.callers))
	var all sync.WaitGroup
	began := time.Now()
	for i, c := range l.callers {
		mine := l.left[i][:min((n+clients-1)/clients, len(l.left[i]))]
		turn[i], l.left[i] = mine, l.left[i][len(mine):]
		all.Go(func() {
			took[i] = make([]float64, 0, len(mine))
			for _, m := range mine {
				t, err := c.timed(ctx, l.paths[m.channel], m.body)
				if err != nil {
					fail(err)
					return
				}
				took[i] = append(took[i], t)
			}
		})
	}
	all.Wait()
	s := sent{took: time.Since(began), each: slices.Concat(took...)}
	s.messages = len(s.each)
	for i, mine := range turn {
		for _, m := range mine[:len(took[i])] {
			l.acknowledged = append(l.acknowledged, m.id)
		}
	}
	return s, context.Cause(ctx)
}

// read reads a channel every few milliseconds until it has done so n times or,
// with n = 0, until it is told to stop, and says how long each took in
// milliseconds.
func (l *load) read(ctx context.Context, cid string, n int, stop <-chan struct{}) ([]float64, error) {
	path, err := queryPath(cid)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	var took []float64
	for n == 0 || len(took) < n {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-stop:
			return took, nil
		case <-tick.C:
		}
		t, err := l.reader.timed(ctx, path, nil)
		if err != nil {
			return nil, err
		}
		took = append(took, t)
	}
	return took, nil
}

// queryPath is where a channel is read.
func queryPath(cid string) (string, error) {
	typ, id, ok := strings.Cut(cid, ":")
	if !ok {
		return "", errors.New("a cid without a type: " + cid)
	}
	return "/channels/" + url.PathEscape(typ) + "/" + url.PathEscape(id) + "/query", nil
}
