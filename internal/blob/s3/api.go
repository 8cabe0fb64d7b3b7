package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"hansard/internal/blob"
)

// api is what a store needs of an S3 client. Every method but list makes one
// request, once; whether to try again is the store's business. What fails at
// the server is a *refusal.
type api interface {
	bucket(ctx context.Context) error
	head(ctx context.Context, object string) (attrs, error)
	// get gets n bytes from an offset on, all if n is negative, of the object
	// with that etag, or of any if it is empty. The context governs the body.
	get(ctx context.Context, object string, from, n int64, etag string) (io.ReadCloser, attrs, error)
	put(ctx context.Context, object string, p payload, h header) error
	remove(ctx context.Context, object string) error
	// list calls fn with what comes after a key, in order.
	list(ctx context.Context, prefix, after string, fn func(object string, a attrs) error) error

	begin(ctx context.Context, object string, h header) (id string, err error)
	putPart(ctx context.Context, object, id string, number int, p payload) (etag string, err error)
	complete(ctx context.Context, object, id string, parts []blob.Part, isNew bool) error
	abort(ctx context.Context, object, id string) error
	// uploads gives a page of the bucket's uploads that come after one, and
	// where the next page begins, which is nowhere at the end.
	uploads(ctx context.Context, after upload) (page []upload, next upload, err error)
	// lastPart is when a part was last put, of those that come after a number,
	// and from where to go on; 0 is the end.
	lastPart(ctx context.Context, object, id string, after int) (at time.Time, next int, err error)

	presign(ctx context.Context, method, object string, ttl time.Duration, query url.Values) (string, error)
	// now is the server's time, as far as it is known.
	now() time.Time
	close()
}

// attrs are what is known of an object.
type attrs struct {
	size    int64
	modTime time.Time
	etag    string
	mark    string // of who wrote it; empty where objects are listed
}

// header is what an object is stored with.
type header struct {
	contentType string
	disposition string
	mark        string
	isNew       bool // refuse to replace an object
}

// upload is a multipart upload that is neither completed nor aborted.
type upload struct {
	object, id string
	begun      time.Time
}

// payload is the body of a request.
type payload struct {
	body   io.ReadSeeker // read from its start
	size   int64
	sha256 string // hex; empty: not signed
	md5    string // base64; empty: none
	crc    string // base64, CRC64NVME; empty: none; of parts only
}

// refusal is an error that the server answered.
type refusal struct {
	status  int
	code    string // such as SlowDown
	message string
	region  string // where the bucket is, if the server says so
}

func (r *refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the object store answered %d", r.status)
	if r.code != "" && r.code != http.StatusText(r.status) {
		b.WriteString(" " + r.code)
	}
	if r.message != "" {
		b.WriteString(": " + r.message)
	}
	return b.String()
}

// The codes of refusals that mean something here.
const (
	codeNoBucket     = "NoSuchBucket"
	codeNoUpload     = "NoSuchUpload"
	codePrecondition = "PreconditionFailed"
	codeSkewed       = "RequestTimeTooSkewed"
	codeBadDigest    = "BadDigest"
	codeInvalidPart  = "InvalidPart"
	codeTooSmall     = "EntityTooSmall"
)

// refused reports whether err is a refusal with that code.
func refused(err error, code string) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.code == code
}

// absent reports whether err says that there is no such object.
func absent(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.status == http.StatusNotFound && r.code != codeNoBucket && r.code != codeNoUpload
}

// preconditionFailed reports whether err says that the object is there already,
// or is another one than was asked for.
func preconditionFailed(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.status == http.StatusPreconditionFailed
}

// Is makes a full store look like a full disk.
func (r *refusal) Is(target error) bool {
	return target == syscall.ENOSPC && (r.status == http.StatusInsufficientStorage || r.code == "QuotaExceeded")
}

// errUnreadable is wrapped where the fault is with what is to be uploaded.
var errUnreadable = errors.New("reading what is to be uploaded")

func unreadable(err error) error { return fmt.Errorf("%w: %w", errUnreadable, err) }

// errStalled is why a request was given up on which nothing moved.
var errStalled = errors.New("the object store does not answer")
