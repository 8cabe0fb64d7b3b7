package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"hansard/internal/auth"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// Request is a request that was let in.
type Request struct {
	http  *http.Request
	App   store.App
	Query url.Values
	Body  []byte
}

// Context ends when the client is gone or the time for the work is over.
func (r *Request) Context() context.Context { return r.http.Context() }

// Path is a part of the path, unescaped.
func (r *Request) Path(name string) string { return r.http.PathValue(name) }

// operate serves one operation in one dialect.
func (s *Server) operate(op operation, v2 bool) http.Handler {
	route := op.path
	if v2 {
		route = string(op.area) + op.path
	}
	timeout := op.timeout
	if timeout == 0 {
		timeout = s.opts.RequestTimeout
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r)
		x.route, x.op = route, op.name
		answer, err := s.perform(&op, x, r, timeout)
		if err == nil {
			err = s.answer(x, r, &op, v2, answer)
		}
		if err != nil {
			s.fail(x, r, err)
		}
	})
}

func (s *Server) perform(op *operation, x *exchange, r *http.Request, timeout time.Duration) (Answer, error) {
	app, query, err := s.authenticate(r)
	if err != nil {
		return Answer{}, err
	}
	x.app = app.Key
	if err := s.allow(x.Header(), app.ID, op.limit); err != nil {
		return Answer{}, err
	}
	req := &Request{App: app, Query: query}
	if op.body != noBody {
		if req.Body, err = s.readBody(x, r); err != nil {
			return Answer{}, err
		}
		if op.body == jsonBody && len(bytes.TrimSpace(req.Body)) == 0 {
			return Answer{}, wire.Errorf(wire.CodeBadInput, "the request body is empty: it must be a JSON object")
		}
		// A body can come slowly, and the app be removed or get another secret meanwhile.
		if now, err := s.apps.get(r.Context(), s.opts.Store, app.Key, s.now()); err != nil || now != app {
			if req.App, _, err = s.authenticate(r); err != nil {
				return Answer{}, err
			}
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	req.http = r.WithContext(ctx)
	return op.handle(req)
}

// authenticate finds the app and checks the token, in the order of contract
// section 2.
func (s *Server) authenticate(r *http.Request) (store.App, url.Values, error) {
	// A semicolon means nothing in a query, but may stand in one.
	query, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
	if err != nil {
		return store.App{}, nil, wire.Errorf(wire.CodeBadInput, "the query of the address is malformed")
	}
	key := query.Get("api_key")
	if key == "" {
		key = r.Header.Get("X-Api-Key")
	}
	if key == "" {
		return store.App{}, nil, wire.Errorf(wire.CodeUnknownAPIKey, "api_key is missing: give it as a query parameter or in the header X-Api-Key")
	}
	app, err := s.apps.get(r.Context(), s.opts.Store, key, s.now())
	if errors.Is(err, store.ErrNotFound) {
		return store.App{}, nil, errUnknownKey()
	}
	if err != nil {
		return store.App{}, nil, err
	}
	if typ := r.Header.Get("Stream-Auth-Type"); typ != "" && typ != "jwt" {
		return store.App{}, nil, wire.Errorf(wire.CodeBadToken, "Stream-Auth-Type must be jwt")
	}
	token := strings.TrimSpace(r.Header.Get("Authorization"))
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	if token == "" {
		return store.App{}, nil, wire.Errorf(wire.CodeBadToken, "the token is missing: send it in the header Authorization")
	}
	claims, err := auth.Verify(token, s.now(), app.Secret)
	var refused *wire.Error
	if errors.As(err, &refused) && refused.Code == wire.CodeTokenSignature {
		app, claims, err = s.verifyAnew(r.Context(), token, app, err)
	}
	if err != nil {
		return store.App{}, nil, err
	}
	if !claims.Server {
		return store.App{}, nil, wire.Errorf(wire.CodeForbidden, "this endpoint is for servers: use a server token, not a user's")
	}
	return app, query, nil
}

// verifyAnew looks whether there is another app of that key, or another secret,
// since it was looked up, with which the token is good: both work at once.
// Otherwise the answer stays what it was.
func (s *Server) verifyAnew(ctx context.Context, token string, app store.App, refused error) (store.App, auth.Claims, error) {
	s.apps.forget(app)
	now, err := s.apps.get(ctx, s.opts.Store, app.Key, s.now())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return app, auth.Claims{}, errUnknownKey()
	case err != nil:
		return app, auth.Claims{}, err
	case now.Secret == app.Secret:
		return app, auth.Claims{}, refused
	}
	claims, err := auth.Verify(token, s.now(), now.Secret)
	return now, claims, err
}

// appCache spares the store a look-up per request. It forgets within a second,
// so that a rotated secret or a removed app takes effect at once, for people.
type appCache struct {
	mu   sync.Mutex
	apps map[string]cachedApp
}

type cachedApp struct {
	app   store.App
	until time.Time
}

// AppCacheLife is how long a server may take an app for what it was.
const AppCacheLife = 500 * time.Millisecond

const appCacheSize = 1024

func (c *appCache) get(ctx context.Context, apps store.Apps, key string, now time.Time) (store.App, error) {
	if len(key) > 64 {
		return store.App{}, store.ErrNotFound
	}
	c.mu.Lock()
	known, ok := c.apps[key]
	c.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.app, nil
	}
	app, err := apps.AppByKey(ctx, key)
	if err != nil {
		return app, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.apps == nil || len(c.apps) >= appCacheSize {
		c.apps = map[string]cachedApp{}
	}
	c.apps[key] = cachedApp{app, now.Add(AppCacheLife)}
	return app, nil
}

// forget makes the next look-up of the app a real one.
func (c *appCache) forget(app store.App) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.apps[app.Key].app == app {
		delete(c.apps, app.Key)
	}
}

func errUnknownKey() error { return wire.Errorf(wire.CodeUnknownAPIKey, "api_key is not known") }

func errTooLarge() error {
	return wire.Errorf(wire.CodeTooLarge, "the request body is larger than %d MiB", maxBody>>20)
}

// readBody reads a body of at most maxBody bytes within BodyTimeout.
func (s *Server) readBody(x *exchange, r *http.Request) ([]byte, error) {
	rc := http.NewResponseController(x.ResponseWriter)
	if r.ContentLength > maxBody {
		s.drain(x, r, rc)
		return nil, errTooLarge()
	}
	_ = rc.SetReadDeadline(time.Now().Add(s.opts.BodyTimeout))
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(min(r.ContentLength, 64<<10)) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(io.LimitReader(r.Body, maxBody+1))
	if err == nil && buf.Len() <= maxBody {
		// Past this instant a read deadline would end the work itself.
		_ = rc.SetReadDeadline(time.Time{})
		return buf.Bytes(), nil
	}
	if err == nil {
		s.drain(x, r, rc)
		return nil, errTooLarge()
	}
	x.Header().Set("Connection", "close")
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, wire.Errorf(wire.CodeTimeout, "the request body did not arrive in time")
	}
	return nil, wire.Errorf(wire.CodeBadInput, "the request body ended too early")
}

// drain takes in some of what is left of a body that was refused: a client that
// is still sending would otherwise see its connection reset instead of the
// answer. One that waits to be told to send is simply not told.
func (s *Server) drain(x *exchange, r *http.Request, rc *http.ResponseController) {
	x.Header().Set("Connection", "close")
	if r.Header.Get("Expect") != "" {
		return
	}
	_ = rc.SetReadDeadline(time.Now().Add(min(s.opts.BodyTimeout, 3*time.Second)))
	_, _ = io.CopyN(io.Discard, r.Body, 4*maxBody)
}
