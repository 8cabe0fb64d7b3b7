package s3_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"hansard/internal/blob/s3"
	"hansard/internal/s3test"

	"github.com/minio/minio-go/v7/pkg/signer"
)

// TestResigned: a request that was signed by a clock that is off is taken once
// it is signed by another one.
func TestResigned(t *testing.T) {
	t.Parallel()
	b := s3test.New(t)
	send := func(r *http.Request) int {
		t.Helper()
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	const content = "0123456789"
	sum := sha256.Sum256([]byte(content))
	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/an object+with (signs) & ümlauts", content},
		{"GET", "/an object+with (signs) & ümlauts", ""},
		{"GET", "/?list-type=2&prefix=an%20object&delimiter=", ""},
		{"DELETE", "/an object+with (signs) & ümlauts", ""},
	} {
		path, query, _ := strings.Cut(c.path, "?")
		signed := func() *http.Request {
			r, err := http.NewRequestWithContext(t.Context(), c.method, b.Endpoint, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			r.URL.Path, r.URL.RawQuery = "/"+b.Name+path, query
			r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
			if c.body == "" {
				none := sha256.Sum256(nil)
				r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(none[:]))
			}
			r.Header.Set("X-Amz-Meta-Words", "two   words")
			r = signer.SignV4(*r, b.AccessKey, b.SecretKey, "", b.Region)
			// As if it was signed by a clock that is an hour behind.
			return s3.Resigned(r, b.SecretKey, time.Now().Add(-time.Hour))
		}
		if status := send(signed()); status != http.StatusForbidden {
			t.Errorf("%s %s, late by an hour: %d", c.method, c.path, status)
		}
		if status := send(s3.Resigned(signed(), b.SecretKey, time.Now())); status >= 300 {
			t.Errorf("%s %s, signed again: %d", c.method, c.path, status)
		}
	}
}
