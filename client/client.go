package client

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

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
	// Retries is how often a request is tried again that failed for a reason
	// that passes, and how often a download goes on that makes no headway; 3
	// by default, negative = never. See the package's description for what is
	// tried again and what is not.
	Retries int
	// RetryWait is the longest pause before a retry; 1 min by default. A server
	// that asks for a longer one is not waited for: its *Error is returned.
	RetryWait time.Duration
	// Poll is the longest pause between two looks at a task; 1 s by default.
	Poll time.Duration
	// Patience is how long WaitForTask and WaitForImport bear with a server
	// that does not answer, or answers 5xx; 30 s by default.
	Patience time.Duration
}

// Client talks to one app of one server. Its methods may be called from
// several goroutines.
type Client struct {
	base      *url.URL
	key       string
	secret    string
	http      *http.Client
	retries   int
	retryWait time.Duration
	poll      time.Duration
	patience  time.Duration
	stall     time.Duration // how long a download may bring nothing

	now   func() time.Time
	sleep func(context.Context, time.Duration) error
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
		http:      cmp.Or(o.HTTP, &http.Client{}),
		retries:   cmp.Or(o.Retries, 3),
		retryWait: cmp.Or(o.RetryWait, time.Minute),
		poll:      cmp.Or(o.Poll, time.Second),
		patience:  cmp.Or(o.Patience, 30*time.Second),
		stall:     time.Minute,
		now:       time.Now,
		sleep:     sleep,
	}, nil
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
