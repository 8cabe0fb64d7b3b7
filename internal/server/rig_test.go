package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hansard/api/apitest"
	"hansard/internal/auth"
	"hansard/internal/blob/disk"
	"hansard/internal/export"
	"hansard/internal/importer"
	"hansard/internal/server"
	"hansard/internal/store"
	"hansard/internal/store/storetest"
	"hansard/internal/store/storetest/engine"
)

// testClock runs with the real time and can be moved ahead; one that was set
// stands still.
type testClock struct {
	mu    sync.Mutex
	ahead time.Duration
	fixed time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fixed.IsZero() {
		return c.fixed
	}
	return time.Now().Add(c.ahead)
}

func (c *testClock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fixed = at
}

func (c *testClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// syncBuffer is a log that can be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// rig is a server with real parts below it, and a client.
type rig struct {
	t       *testing.T
	clock   *testClock
	store   store.Store
	blob    *disk.Store
	log     *syncBuffer
	app     store.App
	other   store.App // another tenant
	exports *export.Service
	opts    server.Options
	url     string
	v2      bool // the dialect the client speaks
	wakes   chan struct{}
	client  http.Transport
}

// newRig starts a server. adjust may change the options before.
func newRig(t *testing.T, adjust func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t, clock: &testClock{}, log: &syncBuffer{}, wakes: make(chan struct{}, 100)}
	s := engine.Open(t, r.clock.Now)
	r.store = s
	secret, err := s.Secret(t.Context(), "urls")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewURLSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	r.blob, err = disk.Open(t.TempDir(), disk.Options{Signer: signer, PublicURL: func() string { return r.url }, Clock: r.clock})
	if err != nil {
		t.Fatal(err)
	}
	for _, app := range []*store.App{&r.app, &r.other} {
		*app = store.App{Name: "test", Key: auth.NewKey(), Secret: auth.NewSecret()}
		if err := s.CreateApp(t.Context(), app); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.exports = &export.Service{
		Store: s, Blob: r.blob, Scratch: t.TempDir(), Version: "1.2.3", Logger: log,
		Limits: export.Limits{Channels: 25, Users: 25, UserMessages: 10000},
	}
	r.opts = server.Options{
		Store: storetest.Rerun(s), Blob: r.blob, Exports: r.exports,
		Imports: &importer.Service{Store: s, Blob: r.blob, Scratch: t.TempDir(), Logger: log},
		OnEnqueue: func() {
			select {
			case r.wakes <- struct{}{}:
			default: // a test that makes very many tasks does not count them
			}
		},
		Version: "1.2.3", Logger: log, Now: r.clock.Now,
	}
	if adjust != nil {
		adjust(r)
	}
	stop, served := r.serve()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		r.client.CloseIdleConnections()
		if err := r.blob.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// serve starts a server on a port of its own, which the rig then talks to. What
// it ends with comes out of served.
func (r *rig) serve() (stop context.CancelFunc, served <-chan error) {
	r.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.url = "http://" + ln.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.New(r.opts).Serve(ctx, ln) }()
	return stop, ended
}

// bothDialects runs a test with a server of its own per dialect.
func bothDialects(t *testing.T, adjust func(*rig), test func(*testing.T, *rig)) {
	t.Helper()
	for name, v2 := range map[string]bool{"classic": false, "v2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, adjust)
			r.v2 = v2
			test(t, r)
		})
	}
}

// path turns a classic path into one of the rig's dialect.
func (r *rig) path(classic string) string {
	if !r.v2 {
		return classic
	}
	if strings.HasPrefix(classic, "/call") {
		return "/api/v2/video" + classic
	}
	for _, p := range []string{"/export_channels", "/channels", "/channeltypes", "/messages", "/members", "/moderation"} {
		if strings.HasPrefix(classic, p) {
			return "/api/v2/chat" + classic
		}
	}
	return "/api/v2" + classic
}

func (r *rig) token(app store.App, c auth.Claims) string {
	r.t.Helper()
	token, err := auth.Sign(app.Secret, c, r.clock.Now(), time.Hour)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// get walks into the answer's JSON.
func (a reply) get(path ...any) any {
	var v any
	d := json.NewDecoder(strings.NewReader(a.body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err
	}
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	if n, ok := v.(json.Number); ok {
		return n.String()
	}
	return v
}

func (a reply) text(path ...any) string {
	s, _ := a.get(path...).(string)
	return s
}

// request makes a request as an app's server would.
func (r *rig) request(app store.App, method, path string, body io.Reader) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	q := req.URL.Query()
	q.Set("api_key", app.Key)
	req.URL.RawQuery = q.Encode()
	req.Header.Set("Authorization", r.token(app, auth.Claims{Server: true}))
	req.Header.Set("Stream-Auth-Type", "jwt")
	return req
}

// send performs a request and checks what every answer must have, and both
// against the description of the API.
func (r *rig) send(req *http.Request) reply {
	r.t.Helper()
	var sent []byte
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			r.t.Fatal(err)
		}
		if sent, err = io.ReadAll(body); err != nil {
			r.t.Fatal(err)
		}
	}
	res, err := r.client.RoundTrip(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	a := reply{res.StatusCode, res.Header, string(b)}
	apitest.New(r.t).Exchange(r.t, req, sent, a.status, a.header, b)
	for _, h := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Request-Id"} {
		if res.Header.Get(h) == "" {
			r.t.Errorf("%s %s: no header %s", req.Method, req.URL.Path, h)
		}
	}
	file := res.Header.Get("Content-Disposition") != "" || req.Method == http.MethodPut && a.status < 300 || req.URL.Path == "/openapi.yaml" ||
		req.URL.Path == "/metrics" && a.status == http.StatusOK || strings.HasPrefix(req.URL.Path, "/docs") && a.status < 400
	if req.Method == http.MethodHead || file {
		return a
	}
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		r.t.Errorf("%s %s: Content-Type %q: %s", req.Method, req.URL.Path, got, a.body)
	}
	if !strings.HasSuffix(a.text("duration"), "ms") {
		r.t.Errorf("%s %s: duration %v", req.Method, req.URL.Path, a.get("duration"))
	}
	if a.status >= 400 && a.status != http.StatusServiceUnavailable {
		r.checkError(req, a)
	}
	return a
}

// checkError holds an error to the contract's shape.
func (r *rig) checkError(req *http.Request, a reply) {
	r.t.Helper()
	var e struct {
		Code       *int
		Message    *string
		StatusCode *int
		MoreInfo   *string `json:"more_info"`
		Details    []int
		Exceptions map[string]string `json:"exception_fields"`
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		r.t.Errorf("%s %s: %v: %s", req.Method, req.URL.Path, err, a.body)
		return
	}
	if e.Code == nil || e.Message == nil || *e.Message == "" || e.StatusCode == nil || *e.StatusCode != a.status ||
		e.MoreInfo == nil || e.Details == nil {
		r.t.Errorf("%s %s: status %d with %s", req.Method, req.URL.Path, a.status, a.body)
	}
}

// do calls an endpoint by its classic path, in the dialect of the rig.
func (r *rig) do(method, classic, body string) reply {
	r.t.Helper()
	return r.as(r.app, method, classic, body)
}

func (r *rig) as(app store.App, method, classic, body string) reply {
	r.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	return r.send(r.request(app, method, r.path(classic), in))
}

// must is do for what has to work.
func (r *rig) must(status int, method, classic, body string) reply {
	r.t.Helper()
	a := r.do(method, classic, body)
	if a.status != status {
		r.t.Fatalf("%s %s: %d %s", method, classic, a.status, a.body)
	}
	return a
}

// people makes users, a channel, a message and a deleted channel.
func (r *rig) people() {
	r.t.Helper()
	r.must(201, "POST", "/users", `{"users":{"ann":{"id":"ann","name":"Ann","shoe":41.50},"bob":{"id":"bob"}}}`)
	r.must(201, "POST", "/channels/messaging/general/query", `{"data":{"created_by_id":"ann","members":[{"user_id":"ann"},{"user_id":"bob"}],"custom":{"topic":"all"}}}`)
	r.must(201, "POST", "/channels/messaging/general/message", `{"message":{"id":"m1","text":"hello","user_id":"ann"}}`)
	r.must(201, "POST", "/channels/messaging/old/query", `{"data":{"created_by_id":"ann"}}`)
	err := r.store.Update(context.Background(), r.app.ID, func(tx store.Tx) error {
		row, err := tx.Channel("messaging:old")
		if err == nil {
			row.Channel.DeletedAt = row.Channel.CreatedAt + 1
			_, err = tx.PutChannel(&row.Channel)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}
