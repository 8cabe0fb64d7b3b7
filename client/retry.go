package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// The pauses before retries double from the first to the longest, with jitter,
// so that many clients of one server do not come back at the same moment.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

// passes reports whether the reason of a failure may be gone a little later.
func passes(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status >= http.StatusInternalServerError ||
			e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, lost := errors.AsType[*broken](err)
	return lost && !untrusted
}

// undone reports whether a request that failed with err has certainly changed
// nothing: it was turned away at the door, or never reached it.
func undone(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status == http.StatusTooManyRequests
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// pause waits before the retry after so many failures, the last of them err.
// If it is not worth it (the server asks for more time than there is) it
// returns err at once.
func (c *Client) pause(ctx context.Context, failures int, err error) error {
	d := max(1, min(firstPause<<min(failures-1, 10), longestPause, c.retryWait))
	d -= rand.N(d/2 + 1)
	if e, ok := errors.AsType[*Error](err); ok {
		d = max(d, e.RetryAfter)
	}
	deadline, bounded := ctx.Deadline()
	if d > c.retryWait || bounded && c.now().Add(d).After(deadline) {
		return err
	}
	if stopped := c.sleep(ctx, d); stopped != nil {
		return fmt.Errorf("%w, after: %w", stopped, err)
	}
	return nil
}
