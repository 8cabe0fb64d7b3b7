package disk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hansard/internal/auth"
	"hansard/internal/wire"
)

// uploadsPath stands before the keys of uploads in their URLs. Those of
// downloads need nothing of the kind: their keys begin with "exports/".
const uploadsPath = "/uploads/"

// SignGet implements blob.Store. The URL is served by ServeGet.
func (s *Store) SignGet(ctx context.Context, key string, ttl time.Duration) (string, error) {
	return s.sign(ctx, auth.Read, "/", key, ttl)
}

// SignPut implements blob.Store. The URL is served by ServePut.
func (s *Store) SignPut(ctx context.Context, key string, ttl time.Duration) (string, error) {
	return s.sign(ctx, auth.Write, uploadsPath, key, ttl)
}

func (s *Store) sign(ctx context.Context, a auth.Access, prefix, key string, ttl time.Duration) (string, error) {
	if err := errors.Join(ctx.Err(), checkKey(key)); err != nil {
		return "", err
	}
	if s.signer == nil || s.publicURL == nil {
		return "", fmt.Errorf("signing a URL for %s: the file store was opened without a signer or a public URL", key)
	}
	expires := s.clock.Now().Add(ttl).Unix()
	// Nothing in a valid key needs escaping.
	return strings.TrimSuffix(s.publicURL(), "/") + prefix + key +
		"?expires=" + strconv.FormatInt(expires, 10) +
		"&signature=" + s.signer.Sign(a, key, expires), nil
}

// Verify checks that query, of a URL made by SignGet or SignPut, allows method
// on key. The error is a *wire.Error of code 17.
func (s *Store) Verify(method, key string, query url.Values) error {
	var a auth.Access
	switch method {
	case http.MethodGet, http.MethodHead:
		a = auth.Read
	case http.MethodPut:
		a = auth.Write
	default:
		return wire.Errorf(wire.CodeForbidden, "a signed URL does not allow %s", method)
	}
	err := auth.ErrURLSignature
	// Given twice, another reader of the URL might take the other one.
	if s.signer != nil && len(query["expires"]) == 1 && len(query["signature"]) == 1 {
		err = s.signer.Verify(a, key, query.Get("expires"), query.Get("signature"), s.clock.Now())
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrURLExpired) && a == auth.Read:
		return wire.Errorf(wire.CodeForbidden, "this URL has expired: ask for the task again, its answer has a new one")
	case errors.Is(err, auth.ErrURLExpired):
		return wire.Errorf(wire.CodeForbidden, "this URL has expired: ask for a new one")
	default:
		return wire.Errorf(wire.CodeForbidden, "the URL's signature is missing or wrong: use the URL exactly as it was given")
	}
}
