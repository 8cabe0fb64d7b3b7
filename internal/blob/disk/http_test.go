package disk_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hansard/internal/blob/disk"
	"hansard/internal/clock/clocktest"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

const (
	exportKey = "exports/channels/app/task.jsonl"
	uploadKey = "imports/app/0a1b/chat.jsonl"
	maxUpload = 1 << 20
)

// server serves a store over HTTP as the product does, errors included.
type server struct {
	*disk.Store
	dir   string
	url   string
	clock *clocktest.Fake
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{dir: t.TempDir(), clock: clocktest.New(time.Now())}
	o := options(t)
	o.Clock = s.clock
	o.PublicURL = func() string { return s.url }
	s.Store = open(t, s.dir, o)
	answer := func(w http.ResponseWriter, err error) {
		if err == nil {
			return
		}
		e := wire.AsError(err)
		if e == nil {
			e = &wire.Error{Code: wire.CodeInternal, Message: err.Error()}
		}
		w.WriteHeader(e.Code.Status())
		_, _ = w.Write(wire.AnswerError(e, "0.00ms", ""))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/exports/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.ServeGet(w, r, strings.TrimPrefix(r.URL.Path, "/")))
	})
	mux.HandleFunc("/uploads/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.ServePut(w, r, strings.TrimPrefix(r.URL.Path, "/uploads/"), maxUpload))
	})
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	s.url = web.URL
	return s
}

func (s *server) signGet(t *testing.T, key string) string {
	t.Helper()
	u, err := s.SignGet(t.Context(), key, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (s *server) signPut(t *testing.T, key string) string {
	t.Helper()
	u, err := s.SignPut(t.Context(), key, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

type answer struct {
	status int
	header http.Header
	body   string
}

func do(t *testing.T, method, u string, body io.Reader, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, u, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// wantError checks an answer that is an error of the API.
func wantError(t *testing.T, a answer, status int, code wire.Code) {
	t.Helper()
	var e struct {
		Code       wire.Code
		Message    string
		StatusCode int
		Details    []int
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("%d with a body that is no JSON: %q", a.status, a.body)
	}
	if a.status != status || e.StatusCode != status || e.Code != code || e.Message == "" || e.Details == nil {
		t.Errorf("got %d %s, want %d with code %d", a.status, a.body, status, code)
	}
}

func TestDownload(t *testing.T) {
	t.Parallel()
	s := serve(t)
	put(t, s.Store, exportKey, "0123456789")
	u := s.signGet(t, exportKey)

	got := do(t, "GET", u, nil)
	if got.status != 200 || got.body != "0123456789" {
		t.Errorf("GET: %d %q", got.status, got.body)
	}
	for name, want := range map[string]string{
		"Content-Type":           "application/x-ndjson",
		"Content-Disposition":    `attachment; filename="task.jsonl"`,
		"Content-Length":         "10",
		"Accept-Ranges":          "bytes",
		"X-Content-Type-Options": "nosniff",
	} {
		if v := got.header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	tag := got.header.Get("ETag")
	if len(tag) < 3 || tag[0] != '"' {
		t.Fatalf("ETag %q is not a strong one", tag)
	}
	head := do(t, "HEAD", u, nil)
	if head.status != 200 || head.body != "" || head.header.Get("Content-Length") != "10" || head.header.Get("ETag") != tag {
		t.Errorf("HEAD: %d %q %v", head.status, head.body, head.header)
	}

	for name, tt := range map[string]struct {
		header []string
		status int
		body   string
		rng    string
	}{
		"from":              {[]string{"Range", "bytes=7-"}, 206, "789", "bytes 7-9/10"},
		"from to":           {[]string{"Range", "bytes=2-3"}, 206, "23", "bytes 2-3/10"},
		"last":              {[]string{"Range", "bytes=-4"}, 206, "6789", "bytes 6-9/10"},
		"another unit":      {[]string{"Range", "lines=0-1"}, 200, "0123456789", ""},
		"same file":         {[]string{"Range", "bytes=7-", "If-Range", tag}, 206, "789", "bytes 7-9/10"},
		"another file":      {[]string{"Range", "bytes=7-", "If-Range", `"other"`}, 200, "0123456789", ""},
		"not modified":      {[]string{"If-None-Match", tag}, 304, "", ""},
		"modified":          {[]string{"If-None-Match", `"other"`}, 200, "0123456789", ""},
		"other one awaited": {[]string{"If-Match", `"other"`}, 412, "", ""},
	} {
		a := do(t, "GET", u, nil, tt.header...)
		if a.status != tt.status || a.body != tt.body || a.header.Get("Content-Range") != tt.rng {
			t.Errorf("%s: %d %q %q, want %d %q %q", name, a.status, a.body, a.header.Get("Content-Range"), tt.status, tt.body, tt.rng)
		}
	}
	for _, rng := range []string{"bytes=10-", "bytes=5-2", "bytes=x-"} {
		a := do(t, "GET", u, nil, "Range", rng)
		wantError(t, a, 416, wire.CodeBadInput)
		if ct := a.header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("Range %s: an error of type %s", rng, ct)
		}
	}
}

func TestReplacedFileHasAnotherETag(t *testing.T) {
	t.Parallel()
	s := serve(t)
	seen := map[string]bool{}
	for range 20 {
		put(t, s.Store, exportKey, "the same size")
		tag := do(t, "HEAD", s.signGet(t, exportKey), nil).header.Get("ETag")
		if seen[tag] {
			t.Fatalf("the ETag %s came twice", tag)
		}
		seen[tag] = true
	}
}

func TestDownloadNeedsItsSignature(t *testing.T) {
	t.Parallel()
	s := serve(t)
	put(t, s.Store, exportKey, "secret")
	put(t, s.Store, exportKey+"x", "another's")
	good := s.signGet(t, exportKey)
	base, query, _ := strings.Cut(good, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	expires, sig := q.Get("expires"), q.Get("signature")
	longer := fmt.Sprint(s.clock.Now().Add(2 * time.Hour).Unix())
	for name, u := range map[string]string{
		"no query":          base,
		"no signature":      base + "?expires=" + expires,
		"no expires":        base + "?signature=" + sig,
		"prolonged":         base + "?expires=" + longer + "&signature=" + sig,
		"another file":      base + "x?" + query,
		"no such file":      base + "y?" + query,
		"folder":            s.url + "/exports/channels/app?" + query,
		"upper case":        base + "?expires=" + expires + "&signature=" + strings.ToUpper(sig),
		"twice":             good + "&expires=" + longer,
		"signature twice":   good + "&signature=x",
		"signed for upload": strings.Replace(s.signPut(t, exportKey), "/uploads/", "/", 1),
		"temporary folder":  s.url + "/exports/..%2f.tmp?" + query,
	} {
		a := do(t, "GET", u, nil)
		if strings.Contains(a.body, sig) {
			t.Errorf("%s: the answer repeats the signature: %s", name, a.body)
		}
		wantError(t, a, 403, wire.CodeForbidden)
	}
	for _, method := range []string{"POST", "DELETE", "PUT"} {
		wantError(t, do(t, method, good, nil), 403, wire.CodeForbidden)
	}
	if a := do(t, "GET", good+"&utm_source=mail", nil); a.status != 200 {
		t.Errorf("with what a mailer adds: %d", a.status)
	}
	s.clock.Advance(time.Hour + time.Second)
	a := do(t, "GET", good, nil)
	wantError(t, a, 403, wire.CodeForbidden)
	if !strings.Contains(a.body, "expired") {
		t.Errorf("expired: %s", a.body)
	}
}

func TestDownloadOfAMissingFile(t *testing.T) {
	t.Parallel()
	s := serve(t)
	wantError(t, do(t, "GET", s.signGet(t, exportKey), nil), 404, wire.CodeNotFound)
}

func TestUpload(t *testing.T) {
	t.Parallel()
	s := serve(t)
	u := s.signPut(t, uploadKey)
	content := strings.Repeat("x", maxUpload)
	if a := do(t, "PUT", u, strings.NewReader(content)); a.status != 201 {
		t.Fatalf("PUT: %d %s", a.status, a.body)
	}
	if got, err := os.ReadFile(filepath.Join(s.dir, filepath.FromSlash(uploadKey))); err != nil || string(got) != content {
		t.Errorf("stored %d bytes, %v", len(got), err)
	}
	// The URL is used up.
	wantError(t, do(t, "PUT", u, strings.NewReader("other")), 400, wire.CodeBadInput)
	if info, err := s.Stat(t.Context(), uploadKey); err != nil || info.Size != maxUpload {
		t.Errorf("after the second upload: %+v, %v", info, err)
	}
	// Without Content-Length.
	if a := do(t, "PUT", s.signPut(t, uploadKey+"2"), io.MultiReader(strings.NewReader("hello"))); a.status != 201 {
		t.Errorf("chunked PUT: %d %s", a.status, a.body)
	}
}

func TestUploadRefused(t *testing.T) {
	t.Parallel()
	s := serve(t)
	u := s.signPut(t, uploadKey)
	long := strings.Repeat("x", maxUpload+1)
	wantError(t, do(t, "PUT", u, strings.NewReader(long)), 413, wire.CodeTooLarge)
	wantError(t, do(t, "PUT", u, io.MultiReader(strings.NewReader(long))), 413, wire.CodeTooLarge)
	wantError(t, do(t, "PUT", u, strings.NewReader("x"), "Content-Range", "bytes 0-0/9"), 400, wire.CodeBadInput)
	wantError(t, do(t, "POST", u, strings.NewReader("x")), 403, wire.CodeForbidden)
	wantError(t, do(t, "GET", u, nil), 403, wire.CodeForbidden)
	wantError(t, do(t, "PUT", u+"0", strings.NewReader("x")), 403, wire.CodeForbidden)
	wantError(t, do(t, "PUT", strings.Replace(u, "0a1b", "0a1c", 1), strings.NewReader("x")), 403, wire.CodeForbidden)
	get := strings.Replace(s.signGet(t, uploadKey), "/imports", "/uploads/imports", 1)
	wantError(t, do(t, "PUT", get, strings.NewReader("x")), 403, wire.CodeForbidden)
	s.clock.Advance(2 * time.Hour)
	wantError(t, do(t, "PUT", u, strings.NewReader("x")), 403, wire.CodeForbidden)
	if left := files(t, s.dir); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

func TestUploadThatBreaksOffLeavesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, body := range map[string]string{
		"short":   "Content-Length: 100\r\n\r\nhello",
		"chunked": "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		u, err := url.Parse(s.signPut(t, uploadKey))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\n%s", u.RequestURI(), body); err != nil {
			t.Fatal(err)
		}
		// The other direction stays open, so that the answer can be read.
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close(), conn.Close()); err != nil {
			t.Fatal(err)
		}
		wantError(t, answer{resp.StatusCode, resp.Header, string(b)}, 400, wire.CodeBadInput)
		if left := files(t, s.dir); len(left) > 0 {
			t.Errorf("%s: files are left: %v", name, left)
		}
	}
}

func TestOfTwoUploadsToOneURLOneWins(t *testing.T) {
	t.Parallel()
	s := serve(t)
	u := s.signPut(t, uploadKey)
	statuses := make(chan int)
	for range 8 {
		go func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, u, strings.NewReader(strings.Repeat("x", 200_000)))
			if err != nil {
				statuses <- 0
				return
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				statuses <- 0
				return
			}
			_ = resp.Body.Close()
			statuses <- resp.StatusCode
		}()
	}
	got := map[int]int{}
	for range 8 {
		got[<-statuses]++
	}
	if diff := cmp.Diff(map[int]int{201: 1, 400: 7}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if left := files(t, filepath.Join(s.dir, ".tmp")); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

func TestURLsStandUnderThePublicURL(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), options(t))
	read, err := s.SignGet(t.Context(), exportKey, time.Hour)
	if err != nil || !strings.HasPrefix(read, "http://hansard.test/base/exports/channels/app/task.jsonl?expires=") {
		t.Errorf("SignGet = %q, %v", read, err)
	}
	write, err := s.SignPut(t.Context(), uploadKey, time.Hour)
	if err != nil || !strings.HasPrefix(write, "http://hansard.test/base/uploads/imports/app/0a1b/chat.jsonl?expires=") {
		t.Errorf("SignPut = %q, %v", write, err)
	}
}
