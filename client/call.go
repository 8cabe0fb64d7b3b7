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
)

const (
	// maxAnswer bounds how much of a JSON answer is read into memory.
	maxAnswer = 64 << 20
	// callTime bounds one attempt of a call.
	callTime = 30 * time.Second
)

// request is one call of the API.
type request struct {
	method string
	path   []string // its parts, not escaped
	query  url.Values
	header http.Header
	body   any
	// again says that it comes to the same when it is carried out twice.
	again bool
	// patient says that the caller bears with failures by itself.
	patient bool
	// timeout and max are for an answer that takes long, or is large.
	timeout time.Duration
	max     int64

	// doubt is set when an attempt failed and may have been carried out all
	// the same.
	doubt bool
}

func get(path ...string) *request {
	return &request{method: http.MethodGet, path: path, again: true}
}

func del(path ...string) *request {
	return &request{method: http.MethodDelete, path: path, again: true}
}

func put(body any, path ...string) *request {
	return &request{method: http.MethodPut, path: path, body: body, again: true}
}

func patch(body any, path ...string) *request {
	return &request{method: http.MethodPatch, path: path, body: body, again: true}
}

// post is for what must not happen twice.
func post(body any, path ...string) *request {
	return &request{method: http.MethodPost, path: path, body: body}
}

// repost is for what may.
func repost(body any, path ...string) *request {
	return &request{method: http.MethodPost, path: path, body: body, again: true}
}

// with adds the members of a struct or map to the query.
func (r *request) with(params any) (*request, error) {
	b, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	r.query = url.Values{}
	for name, value := range members {
		text := string(value)
		if value[0] == '"' && json.Unmarshal(value, &text) != nil {
			return nil, fmt.Errorf("encoding %s", name)
		}
		r.query.Set(name, text)
	}
	return r, nil
}

// payload puts a JSON object into the query, as some reads have it.
func (r *request) payload(v any) (*request, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	r.query = url.Values{"payload": {string(b)}}
	return r, nil
}

// call performs a request and returns its answer.
func call[T any](ctx context.Context, c *Client, r *request) (*T, error) {
	out := new(T)
	if err := c.do(ctx, r, out); err != nil {
		return nil, err
	}
	return out, nil
}

// do performs a request, more than once where that is safe and may help, and
// decodes the answer into out, unless it is nil.
func (c *Client) do(ctx context.Context, r *request, out any) error {
	address, err := c.address(r)
	if err != nil {
		return err
	}
	var body []byte
	if r.body != nil {
		if body, err = json.Marshal(r.body); err != nil {
			return fmt.Errorf("encoding the request: %w", err)
		}
	}
	for failures := 1; ; failures++ {
		err := c.attempt(ctx, r, address, body, out)
		switch {
		case err == nil, r.patient, failures > c.retries, ctx.Err() != nil:
			return err
		case !undone(err) && (!r.again || !passes(err)):
			return err
		}
		r.doubt = r.doubt || !undone(err)
		if err := c.pause(ctx, failures, err); err != nil {
			return err
		}
	}
}

// address is where a request goes.
func (c *Client) address(r *request) (string, error) {
	escaped := make([]string, len(r.path))
	for i, part := range r.path {
		if part == "" || part == "." || part == ".." {
			return "", errors.New("an id is missing, or is no id")
		}
		escaped[i] = url.PathEscape(part)
	}
	u := *c.base
	u.Path = c.base.Path + "/" + strings.Join(r.path, "/")
	u.RawPath = c.base.EscapedPath() + "/" + strings.Join(escaped, "/")
	query := url.Values{"api_key": {c.key}}
	maps.Copy(query, r.query)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// attempt performs a request once.
func (c *Client) attempt(ctx context.Context, r *request, address string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.timeout, callTime))
	defer cancel()
	var send io.Reader
	if body != nil {
		send = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, send)
	if err != nil {
		return fmt.Errorf("making the request: %w", plain(err))
	}
	token, err := c.token()
	if err != nil {
		return err
	}
	maps.Copy(req.Header, r.header)
	req.Header.Set("Authorization", token)
	req.Header.Set("Stream-Auth-Type", "jwt")
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	what := r.method + " /" + strings.Join(r.path, "/")
	resp, err := c.http.Do(req)
	if err != nil {
		return &broken{err: fmt.Errorf("%s on %s: %w", what, c.base.Host, plain(err))}
	}
	defer func() { _ = resp.Body.Close() }()
	most := cmp.Or(r.max, maxAnswer)
	answer, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return &broken{fmt.Errorf("reading the answer to %s: %w", what, plain(err)), true}
	}
	if int64(len(answer)) > most {
		return fmt.Errorf("the answer to %s is larger than %d MiB", what, most>>20)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return c.failure(resp, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s on %s did not answer as Hansard does: %w", what, c.base.Host, err)
	}
	return nil
}
