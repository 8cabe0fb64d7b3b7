package s3

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

func (s *Store) readPatience() time.Duration { return s.patience / 8 }

// retry tries until it works, ctx ends, or it has failed for longer than
// patience, with pauses that grow.
func (s *Store) retry(ctx context.Context, patience time.Duration, try func(context.Context) error) error {
	start := time.Now()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := try(ctx)
		if err == nil || ctx.Err() != nil || !passes(err) || time.Since(start)+pause > patience {
			return err
		}
		if end := wait(ctx, pause); end != nil {
			return fmt.Errorf("%w; before that: %w", end, err)
		}
	}
}

// wait waits for about that long: those who failed together must not come back
// together.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// passes reports whether it may be another time that a request fails in this
// way.
func passes(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return !permanent(err)
	}
	switch r.code {
	case codeSkewed: // the next request is signed by the server's clock
		return true
	case "SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestThrottled",
		"ConditionalRequestConflict", "OperationAborted", // another request was at it
		"ExistingObjectIsDirectory": // versitygw's word for a folder that another request has just removed
		return true
	case codeBadDigest, "XAmzContentSHA256Mismatch", "ContentSHA256Mismatch", "IncompleteBody": // damaged on the way
		return true
	}
	switch r.status {
	case http.StatusNotImplemented, http.StatusInsufficientStorage:
		return false
	case http.StatusRequestTimeout, http.StatusTooManyRequests, 499: // 499: nginx's word for a connection that the client cut
		return true
	}
	return r.status >= http.StatusInternalServerError
}
