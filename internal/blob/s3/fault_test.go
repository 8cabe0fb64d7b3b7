package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/blob"
	"hansard/internal/blob/s3"
	"hansard/internal/s3test"
)

const key = "exports/channels/app/task.jsonl"

// content is bytes that are the same for the same size and seed.
func content(size int, seed uint64) []byte {
	b := make([]byte, size)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := 0; i+8 <= size; i += 8 {
		v := random.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	return b
}

func write(ctx context.Context, s *s3.Store, key string, b []byte) error {
	return writeTo(func() (blob.Writer, error) { return s.Create(ctx, key) }, b)
}

func writeTo(create func() (blob.Writer, error), b []byte) error {
	w, err := create()
	if err != nil {
		return err
	}
	defer func() { _ = w.Abort() }()
	if _, err := w.Write(b); err != nil {
		return err
	}
	return w.Commit()
}

func read(t *testing.T, s *s3.Store, key string) []byte {
	t.Helper()
	r, _, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rig is a store behind a proxy that makes faults, and what is really there.
type rig struct {
	bucket *s3test.Bucket
	proxy  *s3test.Proxy
	store  *s3.Store // through the proxy
	direct *s3.Store
}

func setup(t *testing.T, b *s3test.Bucket, change func(*s3.Options)) *rig {
	t.Helper()
	r := &rig{bucket: b, proxy: s3test.NewProxy(t, b.Server)}
	o := options(b.Via(r.proxy))
	o.PartSize, o.Patience, o.Stall = blob.MinPart, 40*time.Second, 10*time.Second
	if change != nil {
		change(&o)
	}
	r.store, r.direct = open(t, o), open(t, options(b))
	return r
}

// expect checks that the file is whole and nothing else is left.
func (r *rig) expect(t *testing.T, key string, want []byte) {
	t.Helper()
	if got := read(t, r.direct, key); !bytes.Equal(got, want) {
		t.Errorf("the file has %d bytes, want %d, or others", len(got), len(want))
	}
	if left := r.bucket.Uploads(t); len(left) > 0 {
		t.Errorf("uploads are left: %v", left)
	}
}

// times lets fault happen to the first n requests that match.
func times(n int64, match func(*http.Request) bool, fault s3test.Fault) func(*http.Request) s3test.Fault {
	var seen atomic.Int64
	return func(r *http.Request) s3test.Fault {
		if match(r) && seen.Add(1) <= n {
			return fault
		}
		return s3test.Fault{}
	}
}

func anyRequest(*http.Request) bool { return true }

func isPart(number string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == number }
}

func isPut(r *http.Request) bool { return r.Method == http.MethodPut && r.URL.RawQuery == "" }
func isBegin(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploads")
}

func isComplete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}
func isGet(r *http.Request) bool { return r.Method == http.MethodGet && r.URL.RawQuery == "" }

// What goes wrong on the way is made good: the file is whole, and there once.
func TestFaultsOnTheWay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size int
		fail func(*http.Request) s3test.Fault
		left int // uploads that nobody can know of
	}{
		"503 to everything at first": {size: 12 << 20, fail: times(4, anyRequest, s3test.Fault{Status: 503})},
		"500 to a part":              {size: 12 << 20, fail: times(2, isPart("2"), s3test.Fault{Status: 500})},
		"502 to a small file":        {size: 1000, fail: times(2, isPut, s3test.Fault{Status: 502})},
		"503 to completing":          {size: 6 << 20, fail: times(2, isComplete, s3test.Fault{Status: 503})},
		"cut within a part":          {size: 12 << 20, fail: times(2, isPart("1"), s3test.Fault{CutBody: 3 << 20})},
		"cut within a small file":    {size: 200_000, fail: times(2, isPut, s3test.Fault{CutBody: 100_000})},
		"a damaged part":             {size: 12 << 20, fail: times(1, isPart("2"), s3test.Fault{Flip: true})},
		"a damaged small file":       {size: 1000, fail: times(1, isPut, s3test.Fault{Flip: true})},
		"answer to a part lost":      {size: 12 << 20, fail: times(2, isPart("2"), s3test.Fault{LoseAnswer: true})},
		"answer to completing lost":  {size: 12 << 20, fail: times(2, isComplete, s3test.Fault{LoseAnswer: true})},
		"answer to a put lost":       {size: 1000, fail: times(2, isPut, s3test.Fault{LoseAnswer: true})},
		"answer to beginning lost":   {size: 6 << 20, fail: times(1, isBegin, s3test.Fault{LoseAnswer: true}), left: 1},
		"a slow line":                {size: 6 << 20, fail: times(1, isPart("1"), s3test.Fault{Rate: 4 << 20})},
	} {
		for kind, create := range map[string]func(*s3.Store) func() (blob.Writer, error){
			"": func(s *s3.Store) func() (blob.Writer, error) {
				return func() (blob.Writer, error) { return s.Create(t.Context(), key) }
			},
			", new": func(s *s3.Store) func() (blob.Writer, error) {
				return func() (blob.Writer, error) { return s.CreateNew(t.Context(), key) }
			},
		} {
			if kind != "" && !strings.Contains(name, "lost") {
				continue
			}
			t.Run(name+kind, func(t *testing.T) {
				t.Parallel()
				r := setup(t, s3test.New(t), nil)
				want := content(test.size, 1)
				var fail sync.Once
				r.proxy.Fail(func(req *http.Request) s3test.Fault {
					f := test.fail(req)
					if f != (s3test.Fault{}) {
						fail.Do(func() { t.Logf("a fault: %s %s", req.Method, req.URL.RequestURI()) })
					}
					return f
				})
				if err := writeTo(create(r.store), want); err != nil {
					t.Fatal(err)
				}
				if len(r.bucket.Uploads(t)) == test.left && test.left > 0 {
					if err := r.direct.Sweep(t.Context(), -time.Hour); err != nil {
						t.Fatal(err)
					}
				}
				r.expect(t, key, want)
			})
		}
	}
}

// A store that goes on refusing is an error in the end, in words that say so,
// and nothing is left.
func TestFaultsThatStay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size  int
		match func(*http.Request) bool
		fault s3test.Fault
		want  string
	}{
		"503 to parts":        {12 << 20, isPart("2"), s3test.Fault{Status: 503}, "503 SlowDown"},
		"403 to parts":        {12 << 20, isPart("2"), s3test.Fault{Status: 403}, "403"},
		"507 to a small file": {1000, isPut, s3test.Fault{Status: 507}, "507"},
		"503 to completing":   {6 << 20, isComplete, s3test.Fault{Status: 503}, "503 SlowDown"},
		"cut":                 {6 << 20, isPart("1"), s3test.Fault{CutBody: 1 << 20}, "connection"},
		"stalled":             {6 << 20, isPart("1"), s3test.Fault{Rate: 1}, "does not answer"},
		"damaged":             {6 << 20, isPart("1"), s3test.Fault{Flip: true}, "answered 400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, s3test.New(t), func(o *s3.Options) { o.Patience, o.Stall = 2*time.Second, time.Second })
			r.proxy.Fail(times(1<<40, test.match, test.fault))
			err := write(t.Context(), r.store, key, content(test.size, 2))
			if err == nil {
				t.Fatal("the file was written")
			}
			for _, want := range []string{key, test.want} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			for _, secret := range []string{r.bucket.SecretKey, r.bucket.AccessKey, "Signature", "\n"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q says too much", err)
				}
			}
			if left := append(r.bucket.Uploads(t), r.bucket.Objects(t)...); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// Some servers answer 500 when the upload to be completed is gone, and call it an
// object that is missing when they are asked for its parts. That does not pass,
// so it is not waited for.
func TestCompletingWhatIsGone(t *testing.T) {
	t.Parallel()
	isParts := func(r *http.Request) bool { return r.Method == http.MethodGet && r.URL.Query().Has("uploadId") }
	for name, missing := range map[string]s3test.Fault{"known by its code": {}, "known by its status": {Status: http.StatusNotFound}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, s3test.New(t), nil)
			upload, err := r.store.Begin(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			part, err := r.store.PutPart(t.Context(), key, upload, 1, strings.NewReader("x"), 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.store.AbortUpload(t.Context(), key, upload); err != nil {
				t.Fatal(err)
			}
			var asked atomic.Int64
			r.proxy.Fail(func(req *http.Request) s3test.Fault {
				switch {
				case isComplete(req):
					asked.Add(1)
					return s3test.Fault{Status: http.StatusInternalServerError}
				case isParts(req):
					return missing
				}
				return s3test.Fault{}
			})
			err = r.store.Complete(t.Context(), key, upload, []blob.Part{part})
			if err == nil || errors.Is(err, blob.ErrUnavailable) || asked.Load() != 1 {
				t.Errorf("after %d requests: %v", asked.Load(), err)
			}
			if left := append(r.bucket.Uploads(t), r.bucket.Objects(t)...); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// Whoever waits for a store that is gone can stop waiting.
func TestTheContextEndsTheWaiting(t *testing.T) {
	t.Parallel()
	r := setup(t, s3test.New(t), nil)
	r.proxy.Fail(times(1<<40, isPart("1"), s3test.Fault{Status: 503}))
	ctx, cancel := context.WithCancel(t.Context())
	w, err := r.store.Create(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content(6<<20, 3)); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	if err := w.Commit(); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit: %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	if left := append(r.bucket.Uploads(t), r.bucket.Objects(t)...); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// Who is told to stop while an upload is begun hears of it still, and aborts it.
func TestStoppedWhileBeginning(t *testing.T) {
	t.Parallel()
	r := setup(t, s3test.New(t), nil)
	writing, stopWriting := context.WithCancel(t.Context())
	defer stopWriting()
	beginning, stopBeginning := context.WithCancel(t.Context())
	defer stopBeginning()
	stop := stopWriting
	r.proxy.Answered(func(r *http.Request) {
		if isBegin(r) {
			stop()
		}
	})
	if err := write(writing, r.store, key, content(11<<20, 3)); !errors.Is(err, context.Canceled) {
		t.Errorf("writing: %v", err)
	}
	stop = stopBeginning
	upload, err := r.store.Begin(beginning, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.AbortUpload(t.Context(), key, upload); err != nil {
		t.Error(err)
	}
	if left := append(r.bucket.Uploads(t), r.bucket.Objects(t)...); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A stream that breaks is taken up where it broke.
func TestReadingGoesOn(t *testing.T) {
	t.Parallel()
	r := setup(t, s3test.New(t), nil)
	want := content(3<<20, 4)
	if err := write(t.Context(), r.direct, key, want); err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	r.proxy.Fail(func(req *http.Request) s3test.Fault {
		switch i := n.Add(1); {
		case !isGet(req) || i > 8:
			return s3test.Fault{}
		case i%2 == 0:
			return s3test.Fault{Status: 503}
		}
		return s3test.Fault{CutAnswer: 300_000}
	})
	if got := read(t, r.store, key); !bytes.Equal(got, want) {
		t.Error("other bytes came back")
	}
	f, _, err := r.store.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	n.Store(0)
	b := make([]byte, 1<<20)
	if _, err := f.ReadAt(b, 1000); err != nil || !bytes.Equal(b, want[1000:1000+len(b)]) {
		t.Errorf("ReadAt: %v", err)
	}
}

// A reader never gets some of one file and some of another.
func TestReadingNeverMixes(t *testing.T) {
	t.Parallel()
	r := setup(t, s3test.New(t), func(o *s3.Options) { o.Patience = 4 * time.Second })
	if err := write(t.Context(), r.direct, key, content(3<<20, 5)); err != nil {
		t.Fatal(err)
	}
	r.proxy.Fail(times(1, isGet, s3test.Fault{CutAnswer: 300_000}))
	f, _, err := r.store.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for what, change := range map[string]func() error{
		"replaced": func() error { return write(t.Context(), r.direct, key, content(3<<20, 6)) },
		"deleted":  func() error { return r.direct.Delete(t.Context(), key) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Seek(1, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(f)
		if err == nil || !strings.Contains(err.Error(), "replaced or deleted") || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The server is stopped in the middle of a file, and frozen in the middle of
// another. Both are whole in the end.
func TestTheServerGoesAway(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]struct {
		away, back func(*s3test.Server, testing.TB)
	}{
		"killed": {(*s3test.Server).Stop, (*s3test.Server).Start},
		"frozen": {(*s3test.Server).Freeze, (*s3test.Server).Thaw},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := s3test.Start(t)
			r := setup(t, server.Bucket(t), func(o *s3.Options) { o.Stall = time.Second })
			w, err := r.store.Create(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = w.Abort() }()
			want := content(32<<20, 7)
			if _, err := w.Write(want[:11<<20]); err != nil {
				t.Fatal(err)
			}
			away.away(server, t)
			back := make(chan struct{})
			time.AfterFunc(3*time.Second, func() { away.back(server, t); close(back) })
			if _, err := w.Write(want[11<<20:]); err != nil {
				t.Fatal(err)
			}
			if err := w.Commit(); err != nil {
				t.Fatal(err)
			}
			<-back
			r.expect(t, key, want)
		})
	}
}

// A server that knows no conditions still gets its files, and files are not
// replaced that should not be.
func TestWithoutConditions(t *testing.T) {
	t.Parallel()
	r := setup(t, s3test.New(t), nil)
	conditional := 0
	r.proxy.Fail(func(req *http.Request) s3test.Fault {
		if req.Header.Get("If-None-Match") != "" {
			conditional++
			return s3test.Fault{Status: 501}
		}
		return s3test.Fault{}
	})
	for i, want := range []error{nil, blob.ErrExists, blob.ErrExists} {
		err := writeTo(func() (blob.Writer, error) { return r.store.CreateNew(t.Context(), key) }, content(6<<20+i, 8))
		if !errors.Is(err, want) {
			t.Errorf("file %d: %v, want %v", i, err, want)
		}
	}
	if conditional != 1 {
		t.Errorf("the server was asked %d times", conditional)
	}
	r.expect(t, key, content(6<<20, 8))
}

// Who has put a part may use its bytes for something else, also if that failed:
// where the answer comes early, the transport is in the middle of reading them.
func TestNobodyReadsOn(t *testing.T) {
	t.Parallel()
	r := setup(t, s3test.New(t), nil)
	name, err := r.store.Begin(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.direct.AbortUpload(context.WithoutCancel(t.Context()), key, name) }()
	whole := content(blob.MinPart, 1)
	if _, err := r.store.PutPart(t.Context(), key, name, 1, bytes.NewReader(whole), blob.MinPart); err != nil {
		t.Fatal(err)
	}
	r.proxy.Fail(times(1, isPart("2"), s3test.Fault{Status: http.StatusNotFound, Early: true}))
	body := &readOn{Reader: bytes.NewReader(whole), returned: make(chan struct{}), over: make(chan struct{})}
	if _, err = r.store.PutPart(t.Context(), key, name, 2, body, blob.MinPart); err == nil {
		t.Error("a part was put although the server refuses it")
	}
	close(body.returned)
	if body.begun.Load() {
		<-body.over
	}
	if body.late.Load() {
		t.Error("the bytes are read after the part was given up")
	}
}

// readOn is a body of which a read in the middle of the request takes until there
// is an answer, and a little more. Its checksum is taken by WriteTo.
type readOn struct {
	*bytes.Reader
	returned, over chan struct{}
	begun, late    atomic.Bool
}

func (b *readOn) Read(p []byte) (int, error) {
	if b.Len() < blob.MinPart-256<<10 && b.begun.CompareAndSwap(false, true) {
		defer close(b.over)
		select {
		case <-b.returned:
		case <-time.After(300 * time.Millisecond):
		}
	}
	select {
	case <-b.returned:
		b.late.Store(true)
	default:
	}
	return b.Reader.Read(p)
}
