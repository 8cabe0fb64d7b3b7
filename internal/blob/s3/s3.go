package s3

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hansard/internal/blob"
)

// Style is how requests name the bucket.
type Style int

// The styles.
const (
	AutoStyle Style = iota // HostStyle for Amazon and Google, PathStyle for all others
	PathStyle              // in the path
	HostStyle              // in the host name
)

// MaxURLLife is the longest life of a presigned URL.
const MaxURLLife = 7 * 24 * time.Hour

// DefaultPartSize is the size of parts unless the options say otherwise.
const DefaultPartSize = 8 << 20

// Options say which bucket, and how.
type Options struct {
	Bucket string
	Prefix string // everything is kept below it; may be empty
	// Endpoint is the URL of the server, without a path; empty is Amazon's in
	// the region.
	Endpoint string
	// PublicEndpoint is the same server's URL as others reach it, for the URLs
	// that are handed out; empty is Endpoint.
	PublicEndpoint string

	Region string // by default that of AWS_REGION or AWS_DEFAULT_REGION, or us-east-1
	Style  Style
	// AccessKey, SecretKey and SessionToken are the credentials. Without them
	// they are looked for in AWS's variables and files, and asked for at the
	// services for machines and containers.
	AccessKey, SecretKey, SessionToken string

	// PartSize is how many bytes a part of a file has, and a buffer.
	// DefaultPartSize if 0, at least blob.MinPart. The second half of the parts
	// are larger, see sizeOf.
	PartSize int64
	// Parallel is how many parts of a file are on their way at once; 3 by
	// default.
	Parallel int
	// Patience is for how long writing is tried again; two minutes by default.
	// For what reads it is an eighth of that: somebody is waiting.
	Patience time.Duration
	// Stall is for how long a request may bring nothing before it is given up;
	// 30 s by default.
	Stall time.Duration

	roots *x509.CertPool // who vouches for the server; the system's if nil
}

// Store is a blob.Store in a bucket. Any number of processes may share it.
type Store struct {
	api      api
	prefix   string // empty, or with a slash at the end
	secure   bool
	partSize int64
	parallel int
	patience time.Duration
	buffers  buffers

	// live are the uploads of this process's writers, by object and id: Sweep
	// leaves them alone however slow they are.
	live     sync.Map
	checking checking // of the CRC of parts
	// unconditional says that the server does not know If-None-Match.
	unconditional atomic.Bool
}

var (
	_ blob.Store      = (*Store)(nil)
	_ blob.NewCreator = (*Store)(nil)
	_ blob.Multipart  = (*Store)(nil)
)

// Open makes a store of a bucket that is there, and looks whether it is.
func Open(ctx context.Context, o Options) (*Store, error) {
	o.Region = cmp.Or(o.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
	o.PartSize = cmp.Or(o.PartSize, DefaultPartSize)
	o.Parallel = cmp.Or(o.Parallel, 3)
	o.Patience = cmp.Or(o.Patience, 2*time.Minute)
	o.Stall = cmp.Or(o.Stall, 30*time.Second)
	switch {
	case o.PartSize < blob.MinPart || o.PartSize > maxPartSize:
		return nil, fmt.Errorf("opening the object store: parts must have %d to %d bytes", blob.MinPart, int64(maxPartSize))
	case o.Parallel < 1:
		return nil, errors.New("opening the object store: parts must be uploaded at least one at a time")
	case o.Prefix != "" && !blob.ValidKey(o.Prefix):
		return nil, fmt.Errorf("opening the object store: %w: the prefix %q", blob.ErrBadKey, o.Prefix)
	}
	c, err := newClient(o)
	if err != nil {
		return nil, fmt.Errorf("opening the object store: %w", err)
	}
	s := &Store{
		api: c, secure: c.secure, partSize: o.PartSize, parallel: o.Parallel, patience: o.Patience,
		buffers: buffers{size: int(o.PartSize), most: 2 * (o.Parallel + 1)},
	}
	if o.Prefix != "" {
		s.prefix = o.Prefix + "/"
	}
	if err := s.check(ctx, o); err != nil {
		s.api.close()
		return nil, fmt.Errorf("opening the object store: %w", err)
	}
	return s, nil
}

// check finds out at once what would make everything fail later.
func (s *Store) check(ctx context.Context, o Options) error {
	err := s.retry(ctx, s.readPatience(), func(ctx context.Context) error { return s.api.bucket(ctx) })
	if err != nil && strings.Contains(err.Error(), plainHTTP) {
		return fmt.Errorf("%s speaks plain HTTP: write endpoint=http://… (%w)", o.Endpoint, err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return fmt.Errorf("%s cannot be reached: is the endpoint right, and does the server run? (%w)", cmp.Or(o.Endpoint, "the object store"), err)
	}
	r, ok := errors.AsType[*refusal](err)
	switch {
	case !ok:
		return err
	case r.code == codeNoBucket:
		return fmt.Errorf("there is no bucket %s", o.Bucket)
	case r.region != "" && r.region != o.Region:
		return fmt.Errorf("the bucket %s is in the region %s, not in %s", o.Bucket, r.region, o.Region)
	case refused(err, codeSkewed):
		return fmt.Errorf("the clock of this machine is off: %w", err)
	}
	return fmt.Errorf("the bucket %s does not let us in; are the credentials and the region right, and may they list it? %w", o.Bucket, err)
}

// Close ends idle connections.
func (s *Store) Close() error {
	s.api.close()
	return nil
}

// object is the name of a key's object.
func (s *Store) object(key string) (string, error) {
	// 1024 bytes is the most that S3 takes.
	if !blob.ValidKey(key) || len(s.prefix)+len(key) > 1024 {
		return "", fmt.Errorf("%w: %q", blob.ErrBadKey, key)
	}
	return s.prefix + key, nil
}

// start is what every method begins with.
func (s *Store) start(ctx context.Context, key string) (object string, err error) {
	object, err = s.object(key)
	return object, errors.Join(ctx.Err(), err)
}

// failed says what could not be done to which file.
func failed(doing, key string, err error) error {
	switch {
	case err == nil:
		return nil
	case absent(err):
		err = blob.ErrNotFound
	case refused(err, codeSkewed):
		err = fmt.Errorf("%w: the clock of this machine is off: %w", blob.ErrUnavailable, err)
	case unavailable(err):
		err = fmt.Errorf("%w: %w", blob.ErrUnavailable, err)
	}
	return fmt.Errorf("%s %s: %w", doing, key, err)
}

// unavailable reports whether the fault is with the server or the way to it.
func unavailable(err error) bool {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.code != codeNoUpload
	}
	for _, ours := range []error{
		context.Canceled, context.DeadlineExceeded, fs.ErrClosed, fs.ErrInvalid, errUnreadable, errFull, blob.ErrExists, blob.ErrBadKey, errReplaced,
	} {
		if errors.Is(err, ours) {
			return false
		}
	}
	return true
}

func info(key string, a attrs) blob.Info {
	return blob.Info{Key: key, Size: a.size, ModTime: a.modTime, Version: a.etag}
}

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	object, err := s.start(ctx, key)
	if err != nil {
		return blob.Info{}, err
	}
	a, err := s.head(ctx, object, s.readPatience())
	if err != nil {
		return blob.Info{}, failed("looking up", key, err)
	}
	return info(key, a), nil
}

func (s *Store) head(ctx context.Context, object string, patience time.Duration) (a attrs, err error) {
	err = s.retry(ctx, patience, func(ctx context.Context) error {
		a, err = s.api.head(ctx, object)
		return err
	})
	return a, err
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	object, err := s.start(ctx, key)
	if err != nil {
		return err
	}
	err = s.retry(ctx, s.readPatience(), func(ctx context.Context) error { return s.api.remove(ctx, object) })
	if absent(err) {
		return nil
	}
	return failed("deleting", key, err)
}

// SignGet implements blob.Store. The URL leads to the object store and is good
// for seven days at most.
func (s *Store) SignGet(ctx context.Context, key string, ttl time.Duration) (string, error) {
	return s.sign(ctx, http.MethodGet, key, ttl, url.Values{
		"response-content-type":        {blob.ContentType(key)},
		"response-content-disposition": {disposition(key)},
	})
}

// SignPut implements blob.Store. The URL is good for any number of files of up
// to 5 GiB, one after the other: that only the first be taken would have to be
// said by a header that nobody sends.
func (s *Store) SignPut(ctx context.Context, key string, ttl time.Duration) (string, error) {
	return s.sign(ctx, http.MethodPut, key, ttl, nil)
}

func (s *Store) sign(ctx context.Context, method, key string, ttl time.Duration, query url.Values) (string, error) {
	object, err := s.start(ctx, key)
	if err != nil {
		return "", err
	}
	if ttl > MaxURLLife {
		return "", fmt.Errorf("signing a URL for %s: it cannot be good for more than %s", key, MaxURLLife)
	}
	// They count in seconds, of which there must be one.
	signed, err := s.api.presign(ctx, method, object, max(ttl, time.Second), query)
	return signed, failed("signing a URL for", key, err)
}

// disposition makes browsers save a file under its own name. Nothing in a valid
// key needs quoting.
func disposition(key string) string { return `attachment; filename="` + path.Base(key) + `"` }

// newHeader is what the object of a key is stored with. Type and disposition
// are for those who get it by other ways than our URLs, and for servers that
// do not let URLs say them.
func newHeader(key string, isNew bool) header {
	return header{
		contentType: blob.ContentType(key), disposition: disposition(key),
		mark: strings.ToLower(rand.Text()), isNew: isNew,
	}
}
