package server_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"hansard/internal/auth"
	"hansard/internal/server"
	"hansard/internal/store"
)

// raw sends bytes on a connection of its own and returns the answer.
func (r *rig) raw(text string) (*http.Response, string) {
	r.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		r.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, string(b)
}

// What is not an endpoint is code 16 in the error shape: never a redirect,
// never plain text.
func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, target := range []string{
		"GET /", "GET /nothing", "GET /export_channels", "DELETE /tasks/x", "PATCH /tasks", "POST /healthz",
		"POST /export_channels/", "GET /tasks/", "GET //tasks", "GET /x//tasks", "GET /x/../tasks", "GET /./tasks", "GET /tasks/..",
		"GET /tasks/x/", "GET /%2e%2e/tasks", "GET /api/v2/export_channels", "POST /api/v2/chat/users", "POST /api/v1/users",
		"POST /api/v2/chat//export_channels", "OPTIONS *", "OPTIONS /users", "TRACE /users", "BREW /users",
		"GET /exports/channels/x", "PUT /exports/channels/x/y", "GET /uploads/imports/a/b/c", "PUT /uploads/imports/a/b",
		"GET /api/v2/tasks+/x",
	} {
		res, body := r.raw(target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res.StatusCode != 404 || !strings.Contains(body, `"code":16`) || res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", target, res.StatusCode, body)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for sent, taken := range map[string]bool{
		"": false, "abc-123": true, "a b": false, strings.Repeat("x", 129): false, `a"b`: false, "0af7651916cd43dd:1/2": true,
	} {
		req := r.request(r.app, "GET", "/tasks", nil)
		req.Header.Set("X-Request-Id", sent)
		got := r.send(req).header.Get("X-Request-Id")
		if (got == sent) != taken || got == "" {
			t.Errorf("sent X-Request-Id %q, got %q", sent, got)
		}
	}
}

func TestGzip(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	many := make([]string, 30)
	for i := range many {
		many[i] = fmt.Sprintf(`"u%d":{"id":"u%d"}`, i, i)
	}
	big := `{"users":{` + strings.Join(many, ",") + `}}`
	for accept, packed := range map[string]bool{
		"gzip": true, "deflate, gzip;q=0.5": true, "*": true, "": false, "identity": false, "gzip;q=0": false, "*;q=0": false, "br": false,
		"gzip;q=0, *": false,
	} {
		req := r.request(r.app, "POST", "/users", strings.NewReader(big))
		req.Header.Set("Accept-Encoding", accept) // set by hand, the transport does not unpack
		res, err := r.client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body := io.Reader(res.Body)
		if got := res.Header.Get("Content-Encoding") == "gzip"; got != packed {
			t.Errorf("Accept-Encoding %q: packed %v", accept, got)
		} else if got {
			if body, err = gzip.NewReader(res.Body); err != nil {
				t.Fatal(err)
			}
		}
		b, err := io.ReadAll(body)
		if err != nil || !strings.Contains(string(b), `"u29":{`) {
			t.Errorf("Accept-Encoding %q: %v %s", accept, err, b)
		}
		_ = res.Body.Close()
	}
	req := r.request(r.app, "GET", "/tasks", nil)
	req.Header.Set("Accept-Encoding", "gzip")
	if a := r.send(req); a.header.Get("Content-Encoding") != "" {
		t.Error("a small answer was packed")
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		six := `{"users":{"ann":{"id":"ann","x":"` + strings.Repeat("x", 6<<20) + `"}}}`
		for _, path := range []string{
			"/users", "/export_channels", "/export/users", "/imports", "/import_urls",
			"/channels/messaging/general/query", "/channels/messaging/general/message", "/messages/m/reaction",
		} {
			a := r.do("POST", path, six)
			if a.status != 413 || a.get("code") != "22" {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
		// Chunked, so that nobody knows before.
		a := r.send(r.request(r.app, "POST", r.path("/users"), struct{ io.Reader }{strings.NewReader(six)}))
		if a.status != 413 || a.get("code") != "22" {
			t.Errorf("chunked: %d %s", a.status, a.body)
		}
		a = r.send(r.request(r.app, "POST", r.path("/users"), struct{ io.Reader }{strings.NewReader(`{"users":{"ann":{"id":"ann"}}}`)}))
		if a.status != 201 {
			t.Errorf("small and chunked: %d %s", a.status, a.body)
		}
		// Right at the limit it is read, and fails for another reason.
		full := `{"users":{"ann":{"id":"ann","x":"`
		full += strings.Repeat("x", 4<<20-len(full)-5) + `"}}}`
		if a = r.do("POST", "/users", full); a.get("code") != "4" || !strings.Contains(a.body, "custom") {
			t.Errorf("4 MiB: %d %s", a.status, a.body)
		}
	})
}

func TestSlowAndBrokenBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.opts.BodyTimeout = 150 * time.Millisecond })
	head := "POST /users?api_key=" + r.app.Key + " HTTP/1.1\r\nHost: x\r\nAuthorization: " + r.token(r.app, auth.Claims{Server: true}) + "\r\n"
	res, body := r.raw(head + "Content-Length: 100\r\n\r\n{\"users\":")
	if res.StatusCode != 408 || !strings.Contains(body, `"code":23`) {
		t.Errorf("a body that stalls: %d %s", res.StatusCode, body)
	}
	res, body = r.raw(head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n")
	if res.StatusCode != 400 || !strings.Contains(body, `"code":4`) {
		t.Errorf("a broken chunk: %d %s", res.StatusCode, body)
	}
	// Nobody waits for a body that nobody reads, or for that of a stranger.
	if res, body = r.raw("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"); res.StatusCode != 200 {
		t.Errorf("a body that is not looked at stalls: %d %s", res.StatusCode, body)
	}
	res, body = r.raw("POST /users HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
	if res.StatusCode != 401 || !strings.Contains(body, `"code":2`) {
		t.Errorf("a stranger's body stalls: %d %s", res.StatusCode, body)
	}
	if a := r.must(201, "POST", "/users", `{"users":{"ann":{"id":"ann"}}}`); a.get("users", "ann", "id") != "ann" {
		t.Error(a.body)
	}
}

// troubled stands before the real exports and does to them what happens to
// any code some day.
type troubled struct {
	server.Exports
	trouble func(ctx context.Context) error
}

func (e troubled) UserExport(ctx context.Context, app store.App, id string) ([]byte, error) {
	if err := e.trouble(ctx); err != nil {
		return nil, err
	}
	return e.Exports.UserExport(ctx, app, id)
}

func TestOurFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		trouble func(context.Context) error
		status  int
		code    string
	}{
		"panic":   {func(context.Context) error { panic("top-secret") }, 500, "-1"},
		"error":   {func(context.Context) error { return errors.New("top-secret failed") }, 500, "-1"},
		"timeout": {func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("read: %w", ctx.Err()) }, 408, "23"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothDialects(t, func(r *rig) {
				r.opts.Exports = troubled{r.opts.Exports, tt.trouble}
				r.opts.RequestTimeout = time.Second
			}, func(t *testing.T, r *rig) {
				a := r.do("GET", "/users/ann/export", "")
				if a.status != tt.status || a.get("code") != tt.code || strings.Contains(a.body, "top-secret") {
					t.Errorf("%d %s", a.status, a.body)
				}
				if tt.status == 500 && !strings.Contains(a.text("message"), a.header.Get("X-Request-Id")) {
					t.Errorf("no request id in %s", a.body)
				}
				r.must(200, "GET", "/tasks", "") // still alive
			})
		})
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	bothDialects(t, func(r *rig) { r.opts.RateLimit = 2; r.opts.RateWindow = time.Hour }, func(t *testing.T, r *rig) {
		r.people()
		// Begin early in a window, so that it does not end during the test.
		r.clock.advance(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour + time.Minute)))
		body := `{"channels":[{"cid":"messaging:general"}]}`
		for i, want := range []string{"1", "0"} {
			a := r.must(201, "POST", "/export_channels", body)
			if a.header.Get("X-RateLimit-Limit") != "2" || a.header.Get("X-RateLimit-Remaining") != want {
				t.Errorf("request %d: %v", i, a.header)
			}
		}
		a := r.do("POST", "/export_channels", body)
		if a.status != 429 || a.get("code") != "9" || a.header.Get("X-RateLimit-Remaining") != "0" {
			t.Errorf("%d %s %v", a.status, a.body, a.header)
		}
		var wait, reset int64
		_, err1 := fmt.Sscan(a.header.Get("Retry-After"), &wait)
		_, err2 := fmt.Sscan(a.header.Get("X-RateLimit-Reset"), &reset)
		if err1 != nil || err2 != nil || wait < 3300 || wait > 3600 || reset-r.clock.Now().Unix() > 3600 {
			t.Errorf("Retry-After %q, reset %q", a.header.Get("Retry-After"), a.header.Get("X-RateLimit-Reset"))
		}
		// Other endpoints and other apps have their own; polling has none.
		r.must(201, "POST", "/export/users", `{"user_ids":["ann"]}`)
		for range 5 {
			r.must(200, "GET", "/tasks", "")
		}
		if a := r.as(r.other, "POST", "/export_channels", body); a.status != 404 {
			t.Errorf("another app: %d %s", a.status, a.body)
		}
		r.clock.advance(time.Duration(wait) * time.Second)
		r.must(201, "POST", "/export_channels", body)
	})
}

func TestHealth(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	get := func(path string) reply {
		req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.send(req)
	}
	if a := get("/healthz"); a.status != 200 || a.get("status") != "ok" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := get("/readyz"); a.status != 200 || a.get("checks", "queue") != "ok" || a.get("checks", "storage") != "ok" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	if a := get("/readyz"); a.status != 503 || a.get("checks", "database") != "failed" || a.get("checks", "storage") != "ok" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := get("/healthz"); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// A request that runs when the server stops gets its answer; nobody else gets in.
func TestShutdown(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	r := newRig(t, func(r *rig) {
		r.opts.Exports = troubled{r.opts.Exports, func(context.Context) error {
			close(begun)
			<-release
			return nil
		}}
	})
	r.people()
	stop, served := r.serve()
	answered := make(chan reply, 1)
	req := r.request(r.app, "GET", "/users/ann/export", nil)
	go func() { answered <- r.send(req) }()
	<-begun
	stop()
	for { // until it listens no more
		c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			break
		}
		_ = c.Close()
	}
	close(release)
	if a := <-answered; a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// A request that will not end is cut off.
func TestShutdownCutsOff(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	r := newRig(t, func(r *rig) {
		r.opts.ShutdownGrace = 50 * time.Millisecond
		r.opts.Exports = troubled{r.opts.Exports, func(ctx context.Context) error {
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		}}
	})
	stop, served := r.serve()
	req := r.request(r.app, "GET", "/users/ann/export", nil)
	go func() {
		if res, err := r.client.RoundTrip(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-begun
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestMalformedQueriesAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.people()
	for query, want := range map[string]int{"hard=tr%zz": 400, "hard=%": 400, "x;y=1": 200, "": 200} {
		req := r.request(r.app, "GET", "/messages/m1", nil)
		req.URL.RawQuery += "&" + query
		if a := r.send(req); a.status != want {
			t.Errorf("%q: %d %s, want %d", query, a.status, a.body, want)
		}
	}
}
