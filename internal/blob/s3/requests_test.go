package s3_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hansard/internal/blob"
	"hansard/internal/blob/s3"
	"hansard/internal/s3test"
)

// fetch does a request without credentials.
func fetch(t *testing.T, method, address string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
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
	return resp, string(b)
}

func TestDownloadURL(t *testing.T) {
	t.Parallel()
	s := open(t, options(s3test.New(t)))
	if err := write(t.Context(), s, key, []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	address, err := s.SignGet(t.Context(), key, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	resp, body := fetch(t, "GET", address, nil)
	if resp.StatusCode != 200 || body != "0123456789" {
		t.Fatalf("%s %q", resp.Status, body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/x-ndjson", "Content-Disposition": `attachment; filename="task.jsonl"`,
		"Content-Length": "10", "Accept-Ranges": "bytes",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	tag := resp.Header.Get("ETag")
	if resp, body = fetch(t, "GET", address, nil, "Range", "bytes=3-5"); resp.StatusCode != 206 || body != "345" {
		t.Errorf("Range: %s %q", resp.Status, body)
	}
	if resp, _ = fetch(t, "GET", address, nil, "If-None-Match", tag); resp.StatusCode != 304 {
		t.Errorf("If-None-Match: %s", resp.Status)
	}
	for what, change := range map[string]func(u *url.URL, q url.Values){
		"another file":    func(u *url.URL, _ url.Values) { u.Path += "x" },
		"a longer life":   func(_ *url.URL, q url.Values) { q.Set("X-Amz-Expires", "86400") },
		"another type":    func(_ *url.URL, q url.Values) { q.Set("response-content-type", "text/html") },
		"no signature":    func(_ *url.URL, q url.Values) { q.Del("X-Amz-Signature") },
		"other signature": func(_ *url.URL, q url.Values) { q.Set("X-Amz-Signature", strings.Repeat("0", 64)) },
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		change(u, q)
		u.RawQuery = q.Encode()
		if resp, _ := fetch(t, "GET", u.String(), nil); resp.StatusCode < 400 {
			t.Errorf("%s: %s", what, resp.Status)
		}
	}
	if resp, _ := fetch(t, "PUT", address, strings.NewReader("x")); resp.StatusCode < 400 {
		t.Errorf("PUT: %s", resp.Status)
	}
}

// The URLs may name the server as others reach it.
func TestPublicEndpoint(t *testing.T) {
	t.Parallel()
	b := s3test.New(t)
	front := s3test.NewProxy(t, b.Server)
	o := options(b)
	o.PublicEndpoint = front.Endpoint
	s := open(t, o)
	up, err := s.SignPut(t.Context(), key, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if resp, body := fetch(t, "PUT", up, strings.NewReader("x")); resp.StatusCode != 200 {
		t.Errorf("PUT: %s %s", resp.Status, body)
	}
	down, err := s.SignGet(t.Context(), key, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if resp, body := fetch(t, "GET", down, nil); resp.StatusCode != 200 || body != "x" {
		t.Errorf("GET: %s %s", resp.Status, body)
	}
	for _, u := range []string{up, down} {
		if !strings.HasPrefix(u, front.Endpoint+"/") {
			t.Errorf("the URL is %s", u)
		}
	}
	if got := front.Requests(); len(got) != 2 {
		t.Errorf("the public server got %q", got)
	}
}

func TestURLsExpire(t *testing.T) {
	t.Parallel()
	s := open(t, options(s3test.New(t)))
	if err := write(t.Context(), s, key, nil); err != nil {
		t.Fatal(err)
	}
	address, err := s.SignGet(t.Context(), key, 10*time.Millisecond) // which is a second
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); ; <-tick.C {
		if resp, _ := fetch(t, "GET", address, nil); resp.StatusCode == 403 {
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatal("it is still good")
		}
	}
	if u, err := s.SignGet(t.Context(), key, s3.MaxURLLife); err != nil {
		t.Errorf("seven days: %q, %v", u, err)
	}
	if u, err := s.SignGet(t.Context(), key, s3.MaxURLLife+time.Second); err == nil {
		t.Errorf("more than seven days: %q", u)
	}
}

func TestUploadURL(t *testing.T) {
	t.Parallel()
	b := s3test.New(t)
	o := options(b)
	o.Prefix = "chat"
	s := open(t, o)
	const key = "imports/app/uuid/chat.jsonl"
	address, err := s.SignPut(t.Context(), key, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if resp, body := fetch(t, "PUT", address, strings.NewReader("one line\n")); resp.StatusCode != 200 {
		t.Fatalf("%s %s", resp.Status, body)
	}
	if got := string(read(t, s, key)); got != "one line\n" {
		t.Errorf("the file is %q", got)
	}
	first, err := s.Stat(t.Context(), key)
	if err != nil || first.Version == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	if resp, _ := fetch(t, "GET", address, nil); resp.StatusCode < 400 {
		t.Errorf("GET: %s", resp.Status)
	}
	// It can be used again; the version tells.
	if resp, body := fetch(t, "PUT", address, strings.NewReader("two lines\n")); resp.StatusCode != 200 {
		t.Fatalf("%s %s", resp.Status, body)
	}
	second, err := s.Stat(t.Context(), key)
	if err != nil || second.Version == first.Version {
		t.Errorf("%+v after %+v, %v", second, first, err)
	}
	if got := b.Objects(t); len(got) != 1 || got[0] != "chat/"+key {
		t.Errorf("the bucket has %q", got)
	}
}

// The requests are such that every look-alike takes them, and guarded by what
// the server checks.
func TestPlainRequests(t *testing.T) {
	t.Parallel()
	for name, front := range map[string]func(testing.TB, *s3test.Server) *s3test.Proxy{"http": s3test.NewProxy, "https": s3test.NewTLSProxy} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := s3test.New(t)
			p := front(t, b.Server)
			o := s3.Trusting(options(b.Via(p)), p.Roots)
			o.PartSize = blob.MinPart
			s := open(t, o)
			var mu sync.Mutex
			bodies, damaged := 0, false
			p.Fail(func(r *http.Request) s3test.Fault {
				mu.Lock()
				defer mu.Unlock()
				for _, header := range []string{"X-Amz-Trailer", "X-Amz-Sdk-Checksum-Algorithm", "X-Amz-Checksum-Crc32c", "Expect", "Content-Encoding"} {
					if v := r.Header.Get(header); v != "" {
						t.Errorf("%s has %s: %s", r.URL, header, v)
					}
				}
				sum := r.Header.Get("X-Amz-Content-Sha256")
				if strings.HasPrefix(sum, "STREAMING") || len(r.TransferEncoding) > 0 || r.ContentLength < 0 {
					t.Errorf("%s is sent in chunks", r.URL)
				}
				if r.Method == http.MethodPut {
					bodies++
					want := map[bool]string{true: "signed", false: "md5"}[name == "http"]
					if r.URL.Query().Has("partNumber") && (r.ContentLength == 1 || s3.ChecksCRC(s)) { // the question comes first
						want = "crc"
					}
					for guard, there := range map[string]bool{
						"signed": len(sum) == 64, "md5": r.Header.Get("Content-Md5") != "", "crc": r.Header.Get("X-Amz-Checksum-Crc64nvme") != "",
					} {
						if there != (guard == want) {
							t.Errorf("%s, guarded by %s: %v", r.URL, guard, there)
						}
					}
					if !damaged && r.ContentLength > 1 {
						damaged = true
						return s3test.Fault{Flip: true}
					}
				}
				return s3test.Fault{}
			})
			want := content(11<<20, 9)
			if err := write(t.Context(), s, key, want); err != nil {
				t.Fatal(err)
			}
			if err := write(t.Context(), s, "small", want[:100]); err != nil {
				t.Fatal(err)
			}
			if !s3.ChecksCRC(s) && !b.Named() {
				t.Error("the CRC of parts does not count as checked")
			}
			if bodies != 6 { // three parts, one of them twice, and the question whether they are checked
				t.Errorf("%d bodies were sent", bodies)
			}
			if !bytes.Equal(read(t, s, key), want) || !bytes.Equal(read(t, s, "small"), want[:100]) {
				t.Error("other bytes came back")
			}
		})
	}
}

// A server that does not check the CRC of parts gets them signed.
func TestPartsWithoutCRC(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"ignores it": 200, "does not know it": 501, "wants signatures": 403, "refuses it": 400} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := s3test.New(t)
			p := s3test.NewProxy(t, b.Server)
			o := options(b.Via(p))
			o.PartSize = blob.MinPart
			s := open(t, o)
			var mu sync.Mutex
			asked, damaged := 0, false
			p.Fail(func(r *http.Request) s3test.Fault {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case !r.URL.Query().Has("partNumber"):
				case r.Header.Get("X-Amz-Checksum-Crc64nvme") != "":
					asked++
					return s3test.Fault{Status: status}
				case !damaged:
					damaged = true
					return s3test.Fault{Flip: true}
				}
				return s3test.Fault{}
			})
			want := content(11<<20, 9)
			if err := write(t.Context(), s, key, want); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(read(t, s, key), want) {
				t.Error("other bytes came back")
			}
			if asked != 1 {
				t.Errorf("it was asked %d times", asked)
			}
		})
	}
}

// A server that refuses real parts although it seemed to check them gets them
// signed too.
func TestPartsRefusedWithCRC(t *testing.T) {
	t.Parallel()
	b := s3test.New(t)
	p := s3test.NewProxy(t, b.Server)
	o := options(b.Via(p))
	o.PartSize, o.Parallel = blob.MinPart, 1
	s := open(t, o)
	var mu sync.Mutex
	refused := 0
	p.Fail(func(r *http.Request) s3test.Fault {
		if r.Header.Get("X-Amz-Checksum-Crc64nvme") == "" || r.ContentLength == 1 {
			return s3test.Fault{}
		}
		mu.Lock()
		defer mu.Unlock()
		refused++
		return s3test.Fault{Status: 400}
	})
	want := content(11<<20, 9)
	if err := write(t.Context(), s, key, want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, s, key), want) {
		t.Error("other bytes came back")
	}
	if refused != 1 && (refused != 0 || !b.Named()) {
		t.Errorf("%d parts were refused", refused)
	}
}

// A small file is one request.
func TestASmallFileIsOneRequest(t *testing.T) {
	t.Parallel()
	r := setup(t, s3test.New(t), nil)
	before := len(r.proxy.Requests())
	if err := write(t.Context(), r.store, key, content(blob.MinPart, 10)); err != nil {
		t.Fatal(err)
	}
	if got := r.proxy.Requests()[before:]; len(got) != 1 || !strings.HasPrefix(got[0], "PUT ") {
		t.Errorf("the requests were %q", got)
	}
}

// Other people's objects are left alone.
func TestForeignObjects(t *testing.T) {
	t.Parallel()
	b := s3test.New(t)
	whole := open(t, options(b))
	o := options(b)
	o.Prefix = "ours"
	ours := open(t, o)
	for _, k := range []string{"ours/a", "ours-too/b", "theirs"} {
		if err := write(t.Context(), whole, k, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	name, err := whole.Begin(t.Context(), "theirs")
	if err != nil {
		t.Fatal(err)
	}
	address, err := whole.SignPut(t.Context(), "ours/with-a-space", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	// Not one of our keys, and not one of our URLs either.
	if resp, _ := fetch(t, "PUT", strings.Replace(address, "with-a-space", "with%20a%20space", 1), strings.NewReader("x")); resp.StatusCode < 400 {
		t.Errorf("another key: %s", resp.Status)
	}
	var keys []string
	if err := ours.List(t.Context(), "", func(i blob.Info) error { keys = append(keys, i.Key); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 1 || keys[0] != "a" {
		t.Errorf("the list has %q", keys)
	}
	if err := ours.Sweep(t.Context(), -time.Hour); err != nil {
		t.Fatal(err)
	}
	if left := b.Uploads(t); len(left) != 1 {
		t.Errorf("the upload of others is gone: %q", left)
	}
	if err := whole.AbortUpload(t.Context(), "theirs", name); err != nil {
		t.Error(err)
	}
}

// An upload is swept once nothing of it is young.
func TestSweepLooksAtParts(t *testing.T) {
	t.Parallel()
	b := s3test.New(t)
	mine, other := open(t, options(b)), open(t, options(b))
	w, err := mine.Create(t.Context(), "mine") // of a writer of this process
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Abort() }()
	if _, err := w.Write(content(9<<20, 11)); err != nil {
		t.Fatal(err)
	}
	name, err := mine.Begin(t.Context(), "theirs")
	if err != nil {
		t.Fatal(err)
	}
	const age = 3 * time.Second
	old := time.After(age + 1500*time.Millisecond)
	<-old
	p, err := mine.PutPart(t.Context(), "theirs", name, 1, strings.NewReader("x"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := mine.Sweep(t.Context(), age); err != nil {
		t.Fatal(err)
	}
	if got := b.Uploads(t); len(got) != 2 {
		t.Fatalf("the uploads are %q", got)
	}
	<-time.After(age + 1500*time.Millisecond)
	if err := mine.Sweep(t.Context(), age); err != nil {
		t.Fatal(err)
	}
	if got := b.Uploads(t); len(got) != 1 || got[0] != "mine" {
		t.Errorf("the uploads are %q", got)
	}
	if err := mine.Complete(t.Context(), "theirs", name, []blob.Part{p}); err == nil {
		t.Error("what was swept was completed")
	}
	// For another process the writer is long dead. It must notice.
	if err := other.Sweep(t.Context(), age); err != nil {
		t.Fatal(err)
	}
	if got := b.Uploads(t); len(got) != 0 {
		t.Errorf("the uploads are %q", got)
	}
	if err := w.Commit(); err == nil {
		t.Error("Commit of a file that was swept succeeded")
	}
	if got := b.Objects(t); len(got) > 0 {
		t.Errorf("there is %q", got)
	}
}

// What makes everything fail is said when the store is opened.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	b := s3test.New(t)
	for name, test := range map[string]struct {
		change func(*s3.Options)
		want   string
	}{
		"no such bucket":          {func(o *s3.Options) { o.Bucket = "hansard-test-missing" }, "there is no bucket hansard-test-missing"},
		"a wrong secret":          {func(o *s3.Options) { o.SecretKey = "correct-horse-battery" }, "does not let us in"},
		"an unknown key":          {func(o *s3.Options) { o.AccessKey = "AKIDUNKNOWN" }, "does not let us in"},
		"a wrong region":          {func(o *s3.Options) { o.Region = "mars-north-1" }, "region"},
		"nobody there":            {func(o *s3.Options) { o.Endpoint = "http://127.0.0.1:1" }, "connection refused"},
		"TLS where there is none": {func(o *s3.Options) { o.Endpoint = strings.Replace(o.Endpoint, "http", "https", 1) }, "HTTP response to HTTPS"},
		"an endpoint with a path": {func(o *s3.Options) { o.Endpoint += "/x" }, "endpoint"},
		"small parts":             {func(o *s3.Options) { o.PartSize = 1 << 20 }, "parts"},
		"a bad prefix":            {func(o *s3.Options) { o.Prefix = "../x" }, "prefix"},
		"a bad bucket":            {func(o *s3.Options) { o.Bucket = "No_Bucket" }, "ucket"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(b)
			o.Patience = 2 * time.Second
			test.change(&o)
			s, err := s3.Open(t.Context(), o)
			if err == nil {
				_ = s.Close()
				if test.want == "region" && b.Named() {
					return // not every server looks at it
				}
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q does not say %q", err, test.want)
			}
			for _, secret := range []string{b.SecretKey, "correct-horse-battery", "\n"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q says too much", err)
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := s3.Open(ctx, options(b)); err == nil {
		_ = s.Close()
		t.Error("it was opened although nobody waits any more")
	}
}
