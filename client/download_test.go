package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hansard/client"
)

func TestDownload(t *testing.T) {
	t.Parallel()
	const file = "line 1\nline 2\n"
	sum := sha256.Sum256([]byte(file))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a download must not carry a token")
		}
		if r.URL.Query().Get("signature") != "good" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `{"code":17,"message":"the signature is wrong","StatusCode":403}`)
			return
		}
		_, _ = fmt.Fprint(w, file)
	}))
	t.Cleanup(s.Close)
	c, err := client.New(client.Options{Server: s.URL, APIKey: "k", APISecret: "s", Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	good := client.Result{URL: s.URL + "/f?signature=good", Path: "f", Size: int64(len(file)), SHA256: hex.EncodeToString(sum[:])}
	change := func(fn func(*client.Result)) *client.Result {
		r := good
		fn(&r)
		return &r
	}
	for name, tt := range map[string]struct {
		result *client.Result
		want   string // in the error; empty = none
	}{
		"good":            {&good, ""},
		"no file":         {nil, "no file"},
		"wrong signature": {change(func(r *client.Result) { r.URL = s.URL + "/f?signature=bad" }), "the signature is wrong"},
		"wrong sum":       {change(func(r *client.Result) { r.SHA256 = strings.Repeat("0", 64) }), "SHA-256"},
		"too short":       {change(func(r *client.Result) { r.Size++ }), "got 14 bytes of 15"},
		"too long":        {change(func(r *client.Result) { r.Size-- }), "got 14 bytes of 13"},
		"nobody there":    {change(func(r *client.Result) { r.URL = "http://127.0.0.1:1/f?signature=secret" }), "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			var last int64
			err := c.Download(t.Context(), &client.Task{Result: tt.result}, &got, func(n int64) { last = n })
			switch {
			case tt.want == "" && (err != nil || got.String() != file || last != int64(len(file))):
				t.Errorf("err %v, got %q, progress %d", err, got.String(), last)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("err %v, want %q in it", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "signature="):
				t.Errorf("the signature is in the error: %v", err)
			}
		})
	}
}

// store is a server with one file whose connections break.
type store struct {
	mu     sync.Mutex
	file   []byte
	tag    string
	good   string   // the signature that is good now
	breaks []int    // after how many bytes each request breaks; -1 = not
	ranges bool     // knows Range
	closed bool     // refuses whatever link
	asked  []string // what was asked of the file: Range and If-Range
	looks  int      // how often the task was asked for
	sent   int      // bytes of the file
	url    string
}

func (s *store) task() *client.Task {
	sum := sha256.Sum256(s.file)
	return &client.Task{ID: "t", Result: &client.Result{
		URL: s.url + "/f?signature=good", ManifestURL: s.url + "/m?signature=good",
		Path: "f", Size: int64(len(s.file)), SHA256: hex.EncodeToString(sum[:]),
	}}
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/tasks/t" {
		s.looks++
		result := *s.task().Result
		_, _ = fmt.Fprintf(w, `{"task_id":"t","status":"completed","result":{"url":"%s/f?signature=%s","manifest_url":"%s/m?signature=%s","size":%d,"sha256":%q}}`,
			s.url, s.good, s.url, s.good, result.Size, result.SHA256)
		return
	}
	s.asked = append(s.asked, r.Header.Get("Range")+r.Header.Get("If-Range"))
	if s.closed || r.URL.Query().Get("signature") != s.good {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if r.URL.Path == "/m" {
		_, _ = io.WriteString(w, `{"task_id":"t"}`)
		return
	}
	n := len(s.asked) - 1
	cut := &cutting{ResponseWriter: w, s: s, left: -1}
	if n < len(s.breaks) {
		cut.left = s.breaks[n]
	}
	if !s.ranges {
		r.Header.Del("Range")
	}
	w.Header().Set("ETag", s.tag)
	http.ServeContent(cut, r, "f", time.Time{}, bytes.NewReader(s.file))
}

// cutting breaks the connection after so many bytes.
type cutting struct {
	http.ResponseWriter
	s    *store
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	if c.left >= 0 && c.left < len(p) {
		n, _ := c.ResponseWriter.Write(p[:c.left])
		c.s.sent += n
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	if c.left > 0 {
		c.left -= len(p)
	}
	c.s.sent += len(p)
	return c.ResponseWriter.Write(p)
}

func (s *store) client(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, url := faked(t, o, s.ServeHTTP)
	s.url, s.good = url, "good"
	return c
}

// faked is a client of a server, whose pauses take no time, and the server's
// URL.
func faked(t *testing.T, o client.Options, h http.HandlerFunc) (*client.Client, string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.Server, o.APIKey, o.APISecret = server.URL, "k", "s"
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.Fake(time.Now, func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) })
	return c, server.URL
}

// text is a file that differs everywhere.
func text(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		_, _ = fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.Bytes()[:n]
}

func TestDownloadGoesOn(t *testing.T) {
	t.Parallel()
	const size, tag = 100_000, `"v1"`
	for name, tt := range map[string]struct {
		store   *store
		expired bool // at first
		asked   []string
		looks   int
		most    int // bytes that were sent
		fails   string
	}{
		"whole": {&store{ranges: true}, false, []string{""}, 0, size, ""},
		"broken twice": {
			&store{ranges: true, breaks: []int{40_000, 30_000}},
			false,
			[]string{"", "bytes=40000-" + tag, "bytes=70000-" + tag},
			0, size, "",
		},
		"broken at every step": { // each moves on
			&store{ranges: true, breaks: []int{20_000, 20_000, 20_000, 20_000, 10_000}},
			false,
			[]string{"", "bytes=20000-" + tag, "bytes=40000-" + tag, "bytes=60000-" + tag, "bytes=80000-" + tag, "bytes=90000-" + tag},
			0, size, "",
		},
		"broken for good": {
			&store{ranges: true, breaks: []int{20_000, 0, 0, 0, 0}},
			false,
			[]string{"", "bytes=20000-" + tag, "bytes=20000-" + tag, "bytes=20000-" + tag},
			0, size, "EOF",
		},
		"no ranges": {
			&store{breaks: []int{40_000, 60_000}},
			false,
			[]string{"", "bytes=40000-" + tag, "bytes=60000-" + tag},
			0, 3 * size, "",
		},
		"weak tag": {
			&store{ranges: true, tag: `W/"v1"`, breaks: []int{40_000}}, false, []string{"", "bytes=40000-"}, 0, size, "",
		},
		"expired link": {&store{ranges: true}, true, []string{"", ""}, 1, size, ""},
		"expired link, then broken": {
			&store{ranges: true, breaks: []int{-1, 40_000}}, true, []string{"", "", "bytes=40000-" + tag}, 1, size, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tt.store
			s.file = text(size)
			if s.tag == "" {
				s.tag = tag
			}
			c := s.client(t, client.Options{})
			task := s.task()
			if tt.expired {
				s.good = "new"
			}
			var got bytes.Buffer
			var last int64
			err := c.Download(t.Context(), task, &got, func(n int64) {
				if n <= last {
					t.Errorf("progress went from %d to %d", last, n)
				}
				last = n
			})
			switch {
			case tt.fails == "" && (err != nil || !bytes.Equal(got.Bytes(), s.file) || last != size):
				t.Errorf("err %v, got %d bytes, progress %d", err, got.Len(), last)
			case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "signature")):
				t.Errorf("err %v, want %q", err, tt.fails)
			}
			if s.sent > tt.most || s.looks != tt.looks || !slices.Equal(s.asked, tt.asked) {
				t.Errorf("%d bytes sent, task looked at %d times, asked for %q", s.sent, s.looks, s.asked)
			}
		})
	}
}

func TestDownloadEnds(t *testing.T) {
	t.Parallel()
	t.Run("LinkOfNoUse", func(t *testing.T) {
		t.Parallel()
		s := &store{file: text(10), closed: true}
		c := s.client(t, client.Options{})
		task := s.task()
		for _, id := range []string{"t", ""} { // without an id there is nobody to ask for another link
			task.ID, s.looks = id, 0
			err := c.Download(t.Context(), task, io.Discard, nil)
			if err == nil || !strings.Contains(err.Error(), "403") || s.looks != len(id) {
				t.Errorf("err %v, task looked at %d times", err, s.looks)
			}
		}
	})
	t.Run("AnotherFile", func(t *testing.T) {
		t.Parallel()
		s := &store{file: text(100), tag: `"v1"`}
		c := s.client(t, client.Options{})
		task := s.task()
		s.file = bytes.ToUpper(s.file)
		if err := c.Download(t.Context(), task, io.Discard, nil); err == nil || !strings.Contains(err.Error(), "SHA-256") {
			t.Errorf("err %v", err)
		}
		s.good = "new"
		if err := c.Download(t.Context(), task, io.Discard, nil); err == nil || !strings.Contains(err.Error(), "no file") {
			t.Errorf("err %v", err)
		}
	})
	t.Run("TaskGone", func(t *testing.T) {
		t.Parallel()
		c, url := faked(t, client.Options{}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/f" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"code":16,"message":"there is no such task"}`)
		})
		s := &store{file: text(10), url: url}
		if err := c.Download(t.Context(), s.task(), io.Discard, nil); !client.IsNotFound(err) || !strings.Contains(err.Error(), "new link") {
			t.Errorf("err %v", err)
		}
	})
	t.Run("AnotherPart", func(t *testing.T) {
		t.Parallel()
		var asked atomic.Int64
		c, url := faked(t, client.Options{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			if asked.Add(1) == 2 {
				w.Header().Set("Content-Range", "bytes 0-99/100")
				w.WriteHeader(http.StatusPartialContent)
			}
			_, _ = w.Write(text(10))
		})
		s := &store{file: text(100), url: url}
		err := c.Download(t.Context(), s.task(), io.Discard, nil)
		if err == nil || !strings.Contains(err.Error(), "another part") || asked.Load() != 2 {
			t.Errorf("err %v after %d requests", err, asked.Load())
		}
	})
	t.Run("WriterFails", func(t *testing.T) {
		t.Parallel()
		s := &store{file: text(100)}
		c := s.client(t, client.Options{})
		full := errors.New("disk full")
		err := c.Download(t.Context(), s.task(), writerFunc(func([]byte) (int, error) { return 0, full }), nil)
		if !errors.Is(err, full) || len(s.asked) != 1 {
			t.Errorf("err %v after %d requests", err, len(s.asked))
		}
	})
	t.Run("Canceled", func(t *testing.T) {
		t.Parallel()
		s := &store{file: text(100_000), breaks: []int{50_000}}
		c := s.client(t, client.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		err := c.Download(ctx, s.task(), io.Discard, func(int64) { cancel() })
		if !errors.Is(err, context.Canceled) || len(s.asked) != 1 {
			t.Errorf("err %v after %d requests", err, len(s.asked))
		}
	})
	t.Run("Stalled", func(t *testing.T) {
		t.Parallel()
		s := &store{file: text(100), ranges: true}
		var asked atomic.Int64
		c, url := faked(t, client.Options{}, func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) > 1 {
				s.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write(s.file[:10])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		s.url, s.good = url, "good"
		task := s.task()
		c.SetStall(50 * time.Millisecond)
		var got bytes.Buffer
		if err := c.Download(t.Context(), task, &got, nil); err != nil || !bytes.Equal(got.Bytes(), s.file) {
			t.Errorf("err %v, got %d bytes", err, got.Len())
		}
		if len(s.asked) == 0 || s.asked[0] != "bytes=10-" {
			t.Errorf("asked for %q", s.asked)
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestManifest(t *testing.T) {
	t.Parallel()
	s := &store{}
	c := s.client(t, client.Options{})
	task := s.task()
	s.good = "new"
	b, err := c.Manifest(t.Context(), task)
	if err != nil || string(b) != `{"task_id":"t"}` || s.looks != 1 {
		t.Errorf("got %q, %v, task looked at %d times", b, err, s.looks)
	}
	if _, err := c.Manifest(t.Context(), &client.Task{}); err == nil {
		t.Error("a task without a manifest has one")
	}
}

func TestDownloadFile(t *testing.T) {
	t.Parallel()
	const size = 100_000
	// setup gives a store, a client that gives up at once, and where to write.
	setup := func(t *testing.T) (*store, *client.Client, string) {
		t.Helper()
		s := &store{file: text(size), ranges: true, tag: `"v1"`}
		return s, s.client(t, client.Options{Retries: -1}), filepath.Join(t.TempDir(), "export.jsonl")
	}
	whole := func(t *testing.T, s *store, path string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, s.file) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
			t.Errorf("there are %v, %v", entries, err)
		}
	}
	part := func(t *testing.T, path string) string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".hansard-*.part"))
		if err != nil || len(found) != 1 {
			t.Fatalf("parts: %q, %v", found, err)
		}
		return found[0]
	}
	t.Run("Replaces", func(t *testing.T) {
		t.Parallel()
		s, c, path := setup(t)
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.DownloadFile(t.Context(), s.task(), path, nil); err != nil {
			t.Fatal(err)
		}
		whole(t, s, path)
	})
	t.Run("GoesOn", func(t *testing.T) {
		t.Parallel()
		s, c, path := setup(t)
		s.breaks = []int{70_000}
		if err := c.DownloadFile(t.Context(), s.task(), path, nil); err == nil {
			t.Fatal("no error")
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("half a file is there: %v", err)
		}
		first := int64(0)
		err := c.DownloadFile(t.Context(), s.task(), path, func(n int64) {
			if first == 0 {
				first = n
			}
		})
		if err != nil || first <= 70_000 || s.sent != size || s.asked[1] != "bytes=70000-" {
			t.Errorf("err %v, first progress %d, %d bytes sent, asked for %q", err, first, s.sent, s.asked)
		}
		whole(t, s, path)
	})
	t.Run("StartsOver", func(t *testing.T) {
		t.Parallel()
		for _, spoil := range []func([]byte) []byte{
			func(b []byte) []byte { return append(b[:0:0], bytes.ToUpper(b)...) },
			func(b []byte) []byte { return bytes.Repeat(b, 3) },
		} {
			s, c, path := setup(t)
			s.breaks = []int{50_000}
			if err := c.DownloadFile(t.Context(), s.task(), path, nil); err == nil {
				t.Fatal("no error")
			}
			was, err := os.ReadFile(part(t, path))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(part(t, path), spoil(was), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := c.DownloadFile(t.Context(), s.task(), path, nil); err != nil {
				t.Error(err)
			}
			whole(t, s, path)
		}
	})
	t.Run("WholeButForItsName", func(t *testing.T) {
		t.Parallel()
		s, c, path := setup(t)
		s.breaks = []int{1}
		_ = c.DownloadFile(t.Context(), s.task(), path, nil)
		if err := os.WriteFile(part(t, path), append(bytes.Clone(s.file), "and more"...), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.DownloadFile(t.Context(), s.task(), path, nil); err != nil || len(s.asked) != 1 {
			t.Errorf("err %v, asked for %q", err, s.asked)
		}
		whole(t, s, path)
	})
	t.Run("LeavesNothingOfNothing", func(t *testing.T) {
		t.Parallel()
		s, c, path := setup(t)
		task := s.task()
		s.file = bytes.ToUpper(s.file) // the wrong one
		for _, b := range []int{0, -1} {
			s.breaks, s.asked = []int{b}, nil
			if err := c.DownloadFile(t.Context(), task, path, nil); err == nil {
				t.Error("no error")
			}
			if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 0 {
				t.Errorf("there are %v, %v", entries, err)
			}
		}
	})
	t.Run("Refused", func(t *testing.T) {
		t.Parallel()
		s, c, path := setup(t)
		bad := s.task()
		bad.Result.SHA256 = "../../../../../../../../etc/passwd.0123456789"
		for want, err := range map[string]error{
			"SHA-256": c.DownloadFile(t.Context(), bad, path, nil),
			"folder":  c.DownloadFile(t.Context(), s.task(), filepath.Dir(path), nil),
			"no such": c.DownloadFile(t.Context(), s.task(), filepath.Join(path, "x", "y"), nil),
			"no file": c.DownloadFile(t.Context(), &client.Task{}, path, nil),
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("err %v, want %q", err, want)
			}
		}
	})
}
