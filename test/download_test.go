package test_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hansard/internal/sample"
	"hansard/test/harness"
)

// TestDownload: a signed URL alone is enough, for exactly its file and time,
// and serves it in any way that HTTP knows.
func TestDownload(t *testing.T) {
	t.Parallel()
	harness.Embedded(t)
	s := harness.Start(t, t.TempDir())
	s.Import(sample.File())
	task := s.Completed(s.ExportChannels(harness.Request{"channels": specs(general), "version": "v2"}))
	file := s.Download(task)
	get := func(method, address string, headers ...string) *harness.Response {
		t.Helper()
		resp, err := harness.Fetch(method, address, nil, headers...)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}

	whole := get("GET", task.Result.URL)
	for name, want := range map[string]string{
		"Content-Type": "application/x-ndjson", "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff",
	} {
		if got := whole.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if d := whole.Header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment") {
		t.Errorf("Content-Disposition: %q", d)
	}
	tag := whole.Header.Get("ETag")
	if tag == "" {
		t.Error("no ETag")
	}
	head := get("HEAD", task.Result.URL)
	if head.Status != 200 || len(head.Body) != 0 || head.Header.Get("ETag") != tag || head.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %v", head.Status, head.Header)
	}

	part := get("GET", task.Result.URL, "Range", "bytes=1000-1999")
	if part.Status != 206 || !bytes.Equal(part.Body, file[1000:2000]) {
		t.Errorf("Range: %d, %d bytes", part.Status, len(part.Body))
	}
	part = get("GET", task.Result.URL, "Range", "bytes=-500", "If-Range", tag)
	if part.Status != 206 || !bytes.Equal(part.Body, file[len(file)-500:]) {
		t.Errorf("If-Range: %d, %d bytes", part.Status, len(part.Body))
	}
	if other := get("GET", task.Result.URL, "Range", "bytes=1000-1999", "If-Range", `"another"`); other.Status != 200 || !bytes.Equal(other.Body, file) {
		t.Errorf("If-Range of another file: %d, %d bytes", other.Status, len(other.Body))
	}
	if far := get("GET", task.Result.URL, "Range", "bytes=999999999-"); far.Status != 416 {
		t.Errorf("Range beyond the end: %d", far.Status)
	}
	if same := get("GET", task.Result.URL, "If-None-Match", tag); same.Status != 304 {
		t.Errorf("If-None-Match: %d", same.Status)
	}

	// Each look at the task gives a new URL, good for its own time.
	harness.Until(t, 3*time.Second, "signed anew", func() bool { return s.Task(task.ID).Result.URL != task.Result.URL })

	for what, change := range map[string]func(u *url.URL, q url.Values){
		"another signature": func(_ *url.URL, q url.Values) { q.Set("signature", flip(q.Get("signature"))) },
		"no signature":      func(_ *url.URL, q url.Values) { q.Del("signature") },
		"a longer life":     func(_ *url.URL, q url.Values) { q.Set("expires", "9"+q.Get("expires")) },
		"no end":            func(_ *url.URL, q url.Values) { q.Del("expires") },
		"another file":      func(u *url.URL, _ url.Values) { u.Path += ".manifest.json" },
		"another app":       func(u *url.URL, _ url.Values) { u.Path = strings.Replace(u.Path, harness.TestApp.Key, "other", 1) },
		"a file unknown": func(u *url.URL, _ url.Values) {
			u.Path = strings.Replace(u.Path, task.ID, "00000000-0000-4000-8000-000000000000", 1)
		},
	} {
		u, err := url.Parse(task.Result.URL)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		change(u, q)
		u.RawQuery = q.Encode()
		if resp := get("GET", u.String()); resp.Status != http.StatusForbidden || !bytes.Contains(resp.Body, []byte(`"code":17`)) {
			t.Errorf("%s: %d %.200s", what, resp.Status, resp.Body)
		}
	}

	brief := harness.Start(t, s.Data, "--url-ttl", "1s")
	task = brief.Task(task.ID)
	harness.Until(t, 5*time.Second, "expired", func() bool {
		return get("GET", task.Result.URL).Status == http.StatusForbidden
	})
	if early := time.Until(task.Result.ExpiresAt); early > time.Second {
		t.Errorf("expired %s too soon", early)
	}
}

// flip changes the first character of a signature.
func flip(s string) string {
	if s == "" || s[0] == 'A' {
		return "B" + s[min(1, len(s)):]
	}
	return "A" + s[1:]
}
