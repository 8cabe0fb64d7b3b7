package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"hansard/internal/s3test"
)

// bucket is where exports go with -storage s3, null and far.
const bucket = "hansard-bench"

// objectStore is an S3 server on this machine, which shares its processors.
type objectStore struct {
	storage string   // the setting
	env     []string // credentials
	dir     string   // where its files are; "" if it keeps none
	end     func() error
}

// startObjects starts the server that -storage names; nil is the local disk.
func startObjects(ctx context.Context, kind string) (*objectStore, error) {
	switch kind {
	case "s3":
		return startVersity(ctx)
	case "null":
		return startNull(ctx, &nullStore{})
	case "far":
		return startNull(ctx, &nullStore{delay: farDelay, rate: farRate})
	default:
		return nil, nil //nolint:nilnil // the local disk
	}
}

func storageURL(endpoint, region string) string {
	u := url.URL{Scheme: "s3", Host: bucket, RawQuery: url.Values{"endpoint": {endpoint}, "region": {region}, "path_style": {"true"}}.Encode()}
	return u.String()
}

// startVersity starts versitygw, with the settings for it that this process has
// in its environment.
func startVersity(ctx context.Context) (*objectStore, error) {
	var settings []string
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "VGW_") {
			settings = append(settings, kv)
		}
	}
	s, err := s3test.Launch(settings...)
	if err != nil {
		return nil, fmt.Errorf("starting an S3 server: %w", err)
	}
	if err := s.MakeBucket(ctx, bucket); err != nil {
		return nil, errors.Join(fmt.Errorf("making a bucket: %w", err), s.End())
	}
	return &objectStore{
		storage: storageURL(s.Endpoint, s.Region), env: s.Env(), dir: filepath.Join(s.Dir(), bucket), end: s.End,
	}, nil
}

// A store that is far away answers like Amazon S3 from a machine in its region:
// its user guide has 85 to 90 MB/s for each request, and the tens of
// milliseconds until a request is answered are what is commonly seen.
const (
	farDelay = 30 * time.Millisecond
	farRate  = 85 << 20 // bytes/s of one request
)

// nullStore is an S3 server that swallows what it is given: it takes as little
// of the processors as a server can. It keeps sizes, and small objects.
type nullStore struct {
	delay time.Duration // of every answer
	rate  int64         // bytes/s that it takes of one body; 0: as they come

	mu      sync.Mutex
	uploads map[string]nullObject
	objects map[string]nullObject
	made    int
}

type nullObject struct {
	size int64
	body []byte // nil if it was swallowed
	etag string
	meta http.Header // X-Amz-Meta-…
}

func metaOf(r *http.Request) http.Header {
	meta := http.Header{}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			meta[name] = values
		}
	}
	return meta
}

// nullKeeps is the size up to which objects are kept.
const nullKeeps = 16 << 20

func startNull(ctx context.Context, n *nullStore) (*objectStore, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n.uploads, n.objects = map[string]nullObject{}, map[string]nullObject{}
	s := &http.Server{Handler: n, ReadHeaderTimeout: answerPatience}
	go func() { _ = s.Serve(ln) }() // until it is closed
	return &objectStore{
		storage: storageURL("http://"+ln.Addr().String(), "us-east-1"), env: []string{"AWS_ACCESS_KEY_ID=null", "AWS_SECRET_ACCESS_KEY=nullnull"}, end: s.Close,
	}, nil
}

func (n *nullStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, key := r.URL.Query(), strings.TrimPrefix(r.URL.Path, "/"+bucket)
	id := q.Get("uploadId")
	if n.wait(r, n.delay) != nil {
		return
	}
	switch {
	case r.Method == http.MethodGet && strings.Trim(key, "/") == "":
		answerXML(w, `<ListBucketResult><Name>`+bucket+`</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>`)
	case r.Method == http.MethodPost && q.Has("uploads"):
		answerXML(w, `<InitiateMultipartUploadResult><Bucket>`+bucket+`</Bucket><Key>`+key[1:]+`</Key><UploadId>`+n.begin(r)+`</UploadId></InitiateMultipartUploadResult>`)
	case r.Method == http.MethodPut && id != "":
		size, _, etag := n.swallow(r, 0)
		n.part(id, size)
		w.Header().Set("ETag", etag)
	case r.Method == http.MethodPost && id != "":
		n.complete(key, id)
		answerXML(w, `<CompleteMultipartUploadResult><Bucket>`+bucket+`</Bucket><Key>`+key[1:]+`</Key><ETag>"whole-1"</ETag></CompleteMultipartUploadResult>`)
	case r.Method == http.MethodPut:
		size, body, etag := n.swallow(r, nullKeeps)
		n.put(key, nullObject{size, body, etag, metaOf(r)})
		w.Header().Set("ETag", etag)
	case r.Method == http.MethodDelete:
		n.remove(key)
		w.WriteHeader(http.StatusNoContent)
	default:
		n.get(w, key)
	}
}

// wait waits, or fails when whoever asks has gone.
func (n *nullStore) wait(r *http.Request, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.Context().Done():
		return r.Context().Err()
	}
}

// slowBody is a body that comes no faster than its store takes it.
type slowBody struct {
	io.ReadCloser
	store *nullStore
	r     *http.Request
	began time.Time
	n     int64
}

func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	due := b.began.Add(time.Duration(b.n * int64(time.Second) / b.store.rate))
	if err := b.store.wait(b.r, time.Until(due)); err != nil {
		return n, err
	}
	return n, err
}

func answerXML(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/xml")
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?>`+body) // whoever hung up knows it
}

// swallow reads a body and keeps it if it is no longer than that. The tag is
// what the sender says of its own bytes.
func (n *nullStore) swallow(r *http.Request, keep int64) (size int64, body []byte, etag string) {
	if n.rate > 0 {
		r.Body = &slowBody{ReadCloser: r.Body, store: n, r: r, began: time.Now()}
	}
	if 0 < r.ContentLength && r.ContentLength <= keep {
		body, _ = io.ReadAll(r.Body)
		size = int64(len(body))
	} else {
		size, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{r.Body}, make([]byte, 256<<10))
	}
	if decoded, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil {
		size = decoded
	}
	etag = `"null"`
	if sum, err := base64.StdEncoding.DecodeString(r.Header.Get("Content-Md5")); err == nil && len(sum) > 0 {
		etag = `"` + hex.EncodeToString(sum) + `"`
	}
	return size, body, etag
}

func (n *nullStore) begin(r *http.Request) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.made++
	id := "upload-" + strconv.Itoa(n.made)
	n.uploads[id] = nullObject{etag: `"whole-1"`, meta: metaOf(r)}
	return id
}

func (n *nullStore) part(id string, size int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	o := n.uploads[id]
	o.size += size
	n.uploads[id] = o
}

func (n *nullStore) complete(key, id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.objects[key] = n.uploads[id]
	delete(n.uploads, id)
}

func (n *nullStore) put(key string, o nullObject) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.objects[key] = o
}

func (n *nullStore) remove(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.objects, key)
}

func (n *nullStore) get(w http.ResponseWriter, key string) {
	n.mu.Lock()
	o, ok := n.objects[key]
	n.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	maps.Copy(w.Header(), o.meta)
	w.Header().Set("ETag", o.etag)
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", strconv.FormatInt(o.size, 10))
	_, _ = w.Write(o.body) // nothing of what was swallowed
}
