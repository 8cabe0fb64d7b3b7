package s3test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// external names a server to use instead of versitygw.
const external = "HANSARD_TEST_S3"

// shared is the server of all tests of this process.
var shared struct {
	sync.Mutex
	inMain bool
	begun  bool
	server *Server
	err    error
}

// Main runs the tests of a package and then ends the server that they shared.
// It is for TestMain.
func Main(m interface{ Run() int }) (code int) {
	shared.Lock()
	shared.inMain = true
	shared.Unlock()
	code = m.Run()
	shared.Lock()
	defer shared.Unlock()
	if s := shared.server; s != nil && s.dir != "" {
		if err := s.remove(); err != nil {
			fmt.Fprintln(os.Stderr, "removing the S3 server:", err)
			code = max(code, 1)
		}
	}
	return code
}

// sharedServer starts the shared server, once.
func sharedServer() (*Server, error) {
	shared.Lock()
	defer shared.Unlock()
	if !shared.inMain {
		return nil, errNoMain
	}
	if !shared.begun {
		shared.begun = true
		if address := os.Getenv(external); address != "" {
			shared.server, shared.err = parse(address)
		} else {
			shared.server, shared.err = newServer()
		}
	}
	return shared.server, shared.err
}

var (
	errNoMain = errors.New("s3test: TestMain must call s3test.Main")
	errNamed  = errors.New(external + " must be http://ACCESS-KEY:SECRET@HOST:PORT?region=…")
)

// parse reads the value of HANSARD_TEST_S3.
func parse(address string) (*Server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User == nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errNamed // without the address: it has a secret
	}
	s := &Server{Endpoint: u.Scheme + "://" + u.Host, Region: "us-east-1", AccessKey: u.User.Username()}
	s.SecretKey, _ = u.User.Password()
	if region := u.Query().Get("region"); region != "" {
		s.Region = region
	}
	return s, nil
}

// unavailable skips a test that has no server, or fails it where that must not
// be.
func unavailable(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errNoMain) || errors.Is(err, errNamed) || os.Getenv("CI") == "true" {
		t.Fatalf("no S3 server: %v", err)
	}
	t.Skipf("S3 IS NOT TESTED: there is no server (set CI=true to make that a failure, or %s to name one): %v", external, err)
}

// Bucket is a bucket of one test.
type Bucket struct {
	*Server
	Name string
}

// New makes a bucket on the shared server. It is removed when the test ends.
func New(t testing.TB) *Bucket {
	t.Helper()
	s, err := sharedServer()
	if err != nil {
		unavailable(t, err)
	}
	return s.Bucket(t)
}

// adminTimeout bounds each thing that is done to a bucket besides the test.
const adminTimeout = time.Minute

// Bucket makes a bucket that is removed when the test ends.
func (s *Server) Bucket(t testing.TB) *Bucket {
	t.Helper()
	b := &Bucket{Server: s, Name: "hansard-test-" + strings.ToLower(rand.Text()[:16])}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	if err := b.client(t).MakeBucket(ctx, b.Name, minio.MakeBucketOptions{Region: s.Region}); err != nil {
		t.Fatalf("making a bucket: %v", err)
	}
	t.Cleanup(func() {
		if s.dir != "" && s.running() == nil {
			return // it goes with the server
		}
		b.remove(t)
	})
	return b
}

// Named reports whether the server is one that was named, and not a versitygw
// of ours: it may check less.
func (s *Server) Named() bool { return os.Getenv(external) != "" && s.dir == "" }

// core is a client of the server.
func (s *Server) core() (*minio.Core, error) {
	host, plain := strings.CutPrefix(s.Endpoint, "http://")
	return minio.NewCore(strings.TrimPrefix(host, "https://"), &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Secure: !plain, Region: s.Region, BucketLookup: minio.BucketLookupPath,
	})
}

func (b *Bucket) client(t testing.TB) minio.Core {
	t.Helper()
	c, err := b.core()
	if err != nil {
		t.Fatal(err)
	}
	return *c
}

// remove removes the bucket with all that is in it.
func (b *Bucket) remove(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	c := b.client(t)
	for _, key := range b.Objects(t) {
		if err := c.RemoveObject(ctx, b.Name, key, minio.RemoveObjectOptions{}); err != nil {
			t.Errorf("emptying the bucket: %v", err)
		}
	}
	uploads, err := b.uploads(ctx, c)
	for _, u := range uploads {
		err = errors.Join(err, c.AbortMultipartUpload(ctx, b.Name, u.Key, u.UploadID))
	}
	if err = errors.Join(err, c.RemoveBucket(ctx, b.Name)); err != nil {
		t.Errorf("removing the bucket: %v", err)
	}
}

// Storage is the --storage setting for the bucket, with everything under
// prefix, which may be empty. The server's credentials are in Env.
func (b *Bucket) Storage(prefix string) string {
	u := url.URL{Scheme: "s3", Host: b.Name}
	if prefix != "" {
		u.Path = "/" + prefix
	}
	u.RawQuery = url.Values{"endpoint": {b.Endpoint}, "region": {b.Region}, "path_style": {"true"}}.Encode()
	return u.String()
}

// Env is the environment that programs find the server's credentials in. It is
// the same for all servers of this process.
func (s *Server) Env() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey}
}

// Via is the bucket as seen through a proxy.
func (b *Bucket) Via(p *Proxy) *Bucket {
	return &Bucket{
		Server: &Server{Endpoint: p.Endpoint, Region: b.Region, AccessKey: b.AccessKey, SecretKey: b.SecretKey},
		Name:   b.Name,
	}
}

// Objects lists the keys of everything in the bucket.
func (b *Bucket) Objects(t testing.TB) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(b.Sizes(t)))
}

// Sizes are the sizes of everything in the bucket, in bytes, by key.
func (b *Bucket) Sizes(t testing.TB) map[string]int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	sizes := map[string]int64{}
	for o := range b.client(t).ListObjectsIter(ctx, b.Name, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatalf("listing the bucket: %v", o.Err)
		}
		sizes[o.Key] = o.Size
	}
	return sizes
}

// Object is what a list says of an object.
type Object struct {
	Size    int64
	ETag    string
	ModTime time.Time
}

// List lists the bucket by key. Unlike what else there is it may fail, and be
// called from any goroutine: for those who look while the server has a fault.
func (b *Bucket) List(ctx context.Context) (map[string]Object, error) {
	c, err := b.core()
	if err != nil {
		return nil, err
	}
	list := map[string]Object{}
	for o := range c.ListObjectsIter(ctx, b.Name, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			return nil, o.Err
		}
		list[o.Key] = Object{o.Size, o.ETag, o.LastModified}
	}
	return list, ctx.Err()
}

// Read reads an object, as List lists. Without it the content is nil.
func (b *Bucket) Read(ctx context.Context, key string) ([]byte, error) {
	c, err := b.core()
	if err != nil {
		return nil, err
	}
	r, _, _, err := c.GetObject(ctx, b.Name, key, minio.GetObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	return content, errors.Join(err, r.Close())
}

// AgeUploads makes the multipart uploads that are neither completed nor aborted
// older, as if they had been left alone for that long. It reports whether it
// can: on a server that was named it cannot.
func (b *Bucket) AgeUploads(t testing.TB, by time.Duration) bool {
	t.Helper()
	if b.dir == "" {
		return false
	}
	at := time.Now().Add(-by)
	err := filepath.WalkDir(filepath.Join(b.data(), b.Name, ".sgwtmp"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = os.Chtimes(path, at, at)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has just ended, or there never was one
		}
		return err
	})
	if err != nil {
		t.Fatalf("making uploads older: %v", err)
	}
	return true
}

// Uploads lists the keys of the multipart uploads that are neither completed
// nor aborted.
func (b *Bucket) Uploads(t testing.TB) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	uploads, err := b.uploads(ctx, b.client(t))
	if err != nil {
		t.Fatalf("listing uploads: %v", err)
	}
	var keys []string
	for _, u := range uploads {
		keys = append(keys, u.Key)
	}
	slices.Sort(keys)
	return keys
}

func (b *Bucket) uploads(ctx context.Context, c minio.Core) (all []minio.ObjectMultipartInfo, err error) {
	for key, id := "", ""; ; {
		page, err := c.ListMultipartUploads(ctx, b.Name, "", key, id, "", 1000)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Uploads...)
		if !page.IsTruncated {
			return all, nil
		}
		key, id = page.NextKeyMarker, page.NextUploadIDMarker
	}
}
