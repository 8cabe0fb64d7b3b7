package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"hansard/client"
)

// explain adds to an error of a request what helps the one who made it: where
// to look for the server, when to come back, which setting is the limit.
func explain(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*client.Error](err)
	switch {
	case !ok && unreachable(err):
		return fmt.Errorf("%w; is hansard serve running there? say where with --server URL", err)
	case !ok:
		return err
	case e.Status == http.StatusTooManyRequests && e.RetryAfter > 0:
		return fmt.Errorf("%w; try again in %d s", err, int64(math.Ceil(e.RetryAfter.Seconds())))
	}
	return fmt.Errorf("%w%s%s", err, fields(e), limit(e))
}

// unreachable reports whether there was nobody at the other end, or somebody
// else than expected.
func unreachable(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial" || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

// fields lists what a refusal says about single fields, unless its message
// says it already.
func fields(e *client.Error) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		if !strings.Contains(e.Message, name) {
			fmt.Fprintf(&b, "; %s %s", name, e.Fields[name])
		}
	}
	return b.String()
}

// limit names the setting that a request with too many of something ran into.
func limit(e *client.Error) string {
	for _, l := range []struct{ field, setting string }{
		{"user_ids", "--max-users"},
		{"channels", "--max-channels"},
	} {
		if strings.Contains(e.Fields[l.field], "at most") {
			return "; the limit is the server's " + l.setting
		}
	}
	return ""
}
