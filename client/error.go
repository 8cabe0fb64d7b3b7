package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Codes of errors that programs tend to tell apart; docs/client.md has more.
const (
	CodeBadInput    = 4
	CodeRateLimited = 9
	CodeNotFound    = 16
)

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

// IsNotFound reports whether err says that what a request was about does not
// exist, or not any more.
func IsNotFound(err error) bool { return hasCode(err, CodeNotFound) }

// IsBadInput reports whether err says that the request itself is wrong;
// Error.Fields may say which part of it.
func IsBadInput(err error) bool { return hasCode(err, CodeBadInput) }

// IsRateLimited reports whether err says that the app has asked too often;
// Error.RetryAfter says when it may ask again.
func IsRateLimited(err error) bool { return hasCode(err, CodeRateLimited) }

func hasCode(err error, code int) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// failure makes an Error of an answer, also of one that is not Hansard's (a
// proxy's page, say).
func (c *Client) failure(resp *http.Response, answer []byte) *Error {
	e := &Error{}
	if json.Unmarshal(answer, e) != nil || e.Message == "" {
		e = &Error{Message: "the server answered " + resp.Status}
	}
	e.Status = resp.StatusCode
	e.RequestID = resp.Header.Get("X-Request-Id")
	e.RetryAfter = c.retryAfter(resp.Header.Get("Retry-After"))
	return e
}

// retryAfter reads the header of that name: seconds, or a date.
func (c *Client) retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(c.now()))
	}
	return 0
}

// IsUnreachable reports whether err says that there was no server to answer, or
// one that hung up: not that an answer broke off, took too long, or came from
// somebody whose certificate is not trusted.
func IsUnreachable(err error) bool {
	b, lost := errors.AsType[*broken](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return lost && !b.begun && !untrusted &&
		!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// broken is the error of a request that got no answer, or not all of one.
type broken struct {
	err   error
	begun bool // there was the beginning of an answer
}

func (b *broken) Error() string { return b.err.Error() }
func (b *broken) Unwrap() error { return b.err }

// plain takes the URL, with its query, out of an error of net/http: signatures
// must not reach logs.
func plain(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
