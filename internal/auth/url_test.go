package auth_test

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"hansard/internal/auth"
)

func signer(t *testing.T, fill byte) *auth.URLSigner {
	t.Helper()
	s, err := auth.NewURLSigner(bytes.Repeat([]byte{fill}, auth.URLKeySize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSignedURLs(t *testing.T) {
	t.Parallel()
	const path = "exports/channels/app/task.jsonl"
	s := signer(t, 1)
	end := at(time.Hour)
	expires := strconv.FormatInt(end, 10)
	sig := s.Sign(auth.Read, path, end)
	otherDigit := "0"
	if strings.HasSuffix(sig, "0") {
		otherDigit = "1"
	}
	tests := map[string]struct {
		access             auth.Access
		path, expires, sig string
		now                time.Time
		want               error
	}{
		"good":               {auth.Read, path, expires, sig, now, nil},
		"last second":        {auth.Read, path, expires, sig, now.Add(time.Hour - time.Nanosecond), nil},
		"expired":            {auth.Read, path, expires, sig, now.Add(time.Hour), auth.ErrURLExpired},
		"for writing":        {auth.Write, path, expires, sig, now, auth.ErrURLSignature},
		"write for reading":  {auth.Read, path, expires, s.Sign(auth.Write, path, end), now, auth.ErrURLSignature},
		"another path":       {auth.Read, path + "x", expires, sig, now, auth.ErrURLSignature},
		"prolonged":          {auth.Read, path, strconv.FormatInt(end+1, 10), sig, now, auth.ErrURLSignature},
		"number with a plus": {auth.Read, path, "+" + expires, sig, now, auth.ErrURLSignature},
		"leading zero":       {auth.Read, path, "0" + expires, sig, now, auth.ErrURLSignature},
		"no expires":         {auth.Read, path, "", sig, now, auth.ErrURLSignature},
		"expires no number":  {auth.Read, path, "tomorrow", sig, now, auth.ErrURLSignature},
		"no signature":       {auth.Read, path, expires, "", now, auth.ErrURLSignature},
		"upper case":         {auth.Read, path, expires, strings.ToUpper(sig), now, auth.ErrURLSignature},
		"one digit":          {auth.Read, path, expires, sig[:len(sig)-1] + otherDigit, now, auth.ErrURLSignature},
		"longer":             {auth.Read, path, expires, sig + "0", now, auth.ErrURLSignature},
		"another key":        {auth.Read, path, expires, signer(t, 2).Sign(auth.Read, path, end), now, auth.ErrURLSignature},
		// Of a URL that was never signed one must not learn that it expired.
		"forged and expired": {auth.Read, path, "1", sig, now, auth.ErrURLSignature},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := s.Verify(tt.access, tt.path, tt.expires, tt.sig, tt.now); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestURLKeyMustHaveItsSize(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 31, 33} {
		if _, err := auth.NewURLSigner(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

func TestRandomNames(t *testing.T) {
	t.Parallel()
	key, secret := regexp.MustCompile(`^[a-z0-9]{12,}$`), regexp.MustCompile(`^[A-Za-z0-9]{64}$`)
	seen := map[string]bool{}
	for range 100 {
		k, s := auth.NewKey(), auth.NewSecret()
		if !key.MatchString(k) || !secret.MatchString(s) {
			t.Fatalf("NewKey() = %q, NewSecret() = %q", k, s)
		}
		if seen[k] || seen[s] {
			t.Fatalf("%q or %q came twice", k, s)
		}
		seen[k], seen[s] = true, true
	}
}
