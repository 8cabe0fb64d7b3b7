package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"

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
	case client.IsUnreachable(err):
		return fmt.Errorf("%w; is hansard serve running there? say where with --server URL", err)
	case !ok:
		return err
	case e.Status == http.StatusTooManyRequests && e.RetryAfter > 0:
		return fmt.Errorf("%w; try again in %d s", err, int64(math.Ceil(e.RetryAfter.Seconds())))
	}
	return fmt.Errorf("%w%s%s", err, fields(e), limit(e))
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
