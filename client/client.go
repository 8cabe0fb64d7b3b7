package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxAnswer bounds how much of a JSON answer is read into memory.
const maxAnswer = 8 << 20

// tokenLife is long enough for a slow request and a clock that is a bit off,
// and short enough that a token that leaks somewhere is soon worth nothing.
const tokenLife = 10 * time.Minute

// Options says which server to talk to, and as whom.
type Options struct {
	// Server is the base URL, such as "http://127.0.0.1:3030".
	Server string
	// APIKey and APISecret are those of the app.
	APIKey    string
	APISecret string
	// HTTP is used for all requests; by default a client without an overall
	// timeout (downloads may be long), whose API calls end after 30 s.
	HTTP *http.Client
	// Poll is the longest pause between two looks at a task; 1 s by default.
	Poll time.Duration
	// Patience is how long Wait bears with a server that does not answer, or
	// answers 5xx; 30 s by default.
	Patience time.Duration
}

// Client talks to one app of one server. Its methods may be called from
// several goroutines.
type Client struct {
	base     *url.URL
	key      string
	secret   string
	http     *http.Client
	poll     time.Duration
	patience time.Duration
}

// New makes a client. It does no I/O; its errors name the option that is
// missing or wrong.
func New(o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(o.Server, "/"))
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, errors.New("the server must be a URL such as http://127.0.0.1:3030")
	}
	if o.APIKey == "" {
		return nil, errors.New("the API key is missing")
	}
	if o.APISecret == "" {
		return nil, errors.New("the API secret is missing")
	}
	return &Client{
		base: base, key: o.APIKey, secret: o.APISecret,
		http:     cmp.Or(o.HTTP, &http.Client{}),
		poll:     cmp.Or(o.Poll, time.Second),
		patience: cmp.Or(o.Patience, 30*time.Second),
	}, nil
}

// Error is an answer of the server that says that a request failed.
type Error struct {
	Status    int               `json:"StatusCode"` // HTTP status
	Code      int               `json:"code"`       // says what kind of failure it is
	Message   string            `json:"message"`
	Fields    map[string]string `json:"exception_fields,omitempty"`
	RequestID string            `json:"-"`
	// RetryAfter is how long to wait before trying again (code 9); 0 if the
	// server did not say.
	RetryAfter time.Duration `json:"-"`
}

func (e *Error) Error() string {
	if e.RequestID == "" || e.Status < http.StatusInternalServerError {
		return e.Message
	}
	return e.Message + " (request " + e.RequestID + ")"
}

// do sends body, if any, and decodes the answer into out.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, header http.Header, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding the request: %w", err)
		}
		send = bytes.NewReader(b)
	}
	u := *c.base
	u.Path += path
	if query == nil {
		query = url.Values{}
	}
	query.Set("api_key", c.key)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), send)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	token, err := c.token()
	if err != nil {
		return err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Authorization", token)
	req.Header.Set("Stream-Auth-Type", "jwt")
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s on %s: %w", method, path, c.base.Host, plain(err))
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("reading the answer to %s %s: %w", method, path, plain(err))
	}
	if len(answer) > maxAnswer {
		return fmt.Errorf("the answer to %s %s is larger than %d MiB", method, path, maxAnswer>>20)
	}
	if resp.StatusCode >= 300 {
		return failure(resp, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s on %s did not answer as Hansard does: %w", method, path, c.base.Host, err)
	}
	return nil
}

// token signs a server token. It has no "iat": a clock that is a little ahead
// of the server's must not make it a token from the future.
func (c *Client) token() (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"server": true, "exp": time.Now().Add(tokenLife).Unix(),
	})
	s, err := t.SignedString([]byte(c.secret))
	if err != nil {
		return "", errors.New("signing the request failed")
	}
	return s, nil
}

// failure makes an Error of an answer, also of one that is not Hansard's (a
// proxy's page, say).
func failure(resp *http.Response, answer []byte) *Error {
	e := &Error{}
	if json.Unmarshal(answer, e) != nil || e.Message == "" {
		e = &Error{Message: "the server answered " + resp.Status}
	}
	e.Status = resp.StatusCode
	e.RequestID = resp.Header.Get("X-Request-Id")
	if d, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s"); err == nil && d > 0 {
		e.RetryAfter = d
	}
	return e
}

// plain takes the URL, with its query, out of an error of net/http: signatures
// must not reach logs.
func plain(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
