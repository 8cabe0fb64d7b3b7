package s3

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"hansard/internal/blob"
	"hansard/internal/clock"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// markKey is the name of an object's mark in its metadata.
const markKey = "Hansard-Mark"

// client is the api on minio-go.
type client struct {
	core      *minio.Core
	signer    *minio.Core // for the URLs that are handed out
	name      string      // of the bucket
	secure    bool
	stall     time.Duration
	transport *http.Transport
	skew      atomic.Int64 // nanoseconds by which the server is ahead
}

var _ api = (*client)(nil)

func newClient(o Options) (*client, error) {
	endpoint := cmp.Or(o.Endpoint, "https://s3."+o.Region+".amazonaws.com")
	c := &client{name: o.Bucket, secure: strings.HasPrefix(endpoint, "https:"), stall: o.Stall, transport: transport(o)}
	creds := newCredentials(o)
	var err error
	if c.core, err = c.at(endpoint, o, creds); err != nil {
		return nil, err
	}
	c.signer = c.core
	if o.PublicEndpoint != "" {
		if c.signer, err = c.at(o.PublicEndpoint, o, creds); err != nil {
			return nil, fmt.Errorf("the public endpoint: %w", err)
		}
	}
	return c, nil
}

// at is a client of an endpoint.
func (c *client) at(endpoint string, o Options, creds *credentials.Credentials) (*minio.Core, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the endpoint must be http://HOST:PORT or https://HOST:PORT")
	}
	lookup := minio.BucketLookupAuto
	switch o.Style {
	case PathStyle:
		lookup = minio.BucketLookupPath
	case HostStyle:
		lookup = minio.BucketLookupDNS
	case AutoStyle:
	}
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds: creds, Secure: u.Scheme == "https", Region: o.Region, BucketLookup: lookup,
		Transport:  clocked{c.transport, creds, &c.skew},
		MaxRetries: 1, // the store knows better
	})
	if err != nil {
		return nil, err
	}
	core.SetS3EnableDualstack(false)
	return core, nil
}

// bufferSize is that of connections: the default of 4 KiB means many calls of
// the system for a part of some MiB.
const bufferSize = 64 << 10

func transport(o Options) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.roots},
		MaxIdleConnsPerHost: 4 * o.Parallel,
		IdleConnTimeout:     time.Minute,
		WriteBufferSize:     bufferSize,
		ReadBufferSize:      bufferSize,
		DisableCompression:  true, // files come as they are stored
	}
}

func (c *client) now() time.Time { return time.Now().Add(time.Duration(c.skew.Load())) }
func (c *client) close()         { c.transport.CloseIdleConnections() }

// try makes a request that may take as long as limit.
func (c *client) try(ctx context.Context, limit time.Duration, request func(context.Context) error) error {
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return plain(ctx, request(inner))
}

// tryMoving makes a request with a body, which may take as long as it needs
// while bytes of the body go out.
func (c *client) tryMoving(ctx context.Context, p payload, request func(context.Context, io.Reader) error) error {
	if _, err := p.body.Seek(0, io.SeekStart); err != nil {
		return unreadable(err)
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(c.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	body := &moving{r: p.body, watch: watch, stall: c.stall}
	err := request(inner, body)
	if err := body.end(); err != nil {
		return unreadable(err)
	}
	if ctx.Err() == nil && inner.Err() != nil {
		return errStalled
	}
	return plain(ctx, err)
}

// moving is a body that tells the watch of each read. A transport may still be
// reading when a request has failed; from its end on it gets nothing.
type moving struct {
	watch *time.Timer
	stall time.Duration

	mu  sync.Mutex
	r   io.Reader // nil after the end
	err error     // of r
}

func (m *moving) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.r == nil {
		return 0, errOver
	}
	m.watch.Reset(m.stall)
	n, err := m.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}

// errOver is what a transport gets that reads on.
var errOver = errors.New("the request is over")

// end waits for a read that is going on, and has nobody read any more. It
// returns the error of the one who was read.
func (m *moving) end() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.r = nil
	return m.err
}

// plain turns what minio-go returns into a refusal or another error without
// URLs in it. The end of ctx comes first.
func plain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if r, ok := errors.AsType[minio.ErrorResponse](err); ok {
		return &refusal{status: r.StatusCode, code: r.Code, message: oneLine(r.Message), region: r.Region}
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return errStalled
	case strings.HasPrefix(err.Error(), "Connection closed by foreign host"):
		return errors.New("the connection was cut")
	}
	return err
}

// oneLine is what a server says, fit for a log: some answer with a web page.
func oneLine(s string) string {
	const most = 200
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if strings.HasPrefix(s, "<") {
		return ""
	}
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// permanent reports whether an error that is no refusal will not pass.
func permanent(err error) bool {
	if errors.Is(err, errUnreadable) || errors.Is(err, errNoCredentials) || errors.Is(err, blob.ErrExists) {
		return true
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	return errors.As(err, &unknown) || errors.As(err, &name) || errors.As(err, &invalid) || errors.As(err, &record) ||
		strings.Contains(err.Error(), plainHTTP)
}

// plainHTTP is what net/http says of a server that does not speak TLS.
const plainHTTP = "server gave HTTP response to HTTPS client"

// bucket lists the bucket: unlike to HEAD, the answer says what is wrong.
func (c *client) bucket(ctx context.Context) error {
	return c.try(ctx, c.stall, func(ctx context.Context) error {
		for info := range c.core.ListObjectsIter(ctx, c.name, minio.ListObjectsOptions{MaxKeys: 1}) {
			return info.Err
		}
		return ctx.Err()
	})
}

func (c *client) head(ctx context.Context, object string) (a attrs, err error) {
	err = c.try(ctx, c.stall, func(ctx context.Context) error {
		info, err := c.core.StatObject(ctx, c.name, object, minio.StatObjectOptions{})
		a = attrsOf(&info)
		return err
	})
	return a, err
}

func attrsOf(o *minio.ObjectInfo) attrs {
	return attrs{size: o.Size, modTime: o.LastModified, etag: o.ETag, mark: o.UserMetadata[markKey]}
}

func (c *client) get(ctx context.Context, object string, from, n int64, etag string) (io.ReadCloser, attrs, error) {
	var o minio.GetObjectOptions
	var err error
	switch {
	case n >= 0:
		err = o.SetRange(from, from+n-1)
	case from > 0:
		err = o.SetRange(from, 0)
	}
	if err == nil && etag != "" {
		err = o.SetMatchETag(etag)
	}
	if err != nil {
		return nil, attrs{}, err
	}
	inner, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(c.stall, func() { cancel(errStalled) })
	body, info, _, err := c.core.GetObject(inner, c.name, object, o)
	watch.Stop()
	if err != nil {
		cancel(nil)
		return nil, attrs{}, plain(ctx, err)
	}
	return &incoming{body: body, ctx: ctx, cancel: cancel, watch: watch, stall: c.stall}, attrsOf(&info), nil
}

// incoming is the body of an answer, which must keep coming while it is read.
type incoming struct {
	body   io.ReadCloser
	ctx    context.Context //nolint:containedctx // io.Reader has no room for it
	cancel context.CancelCauseFunc
	watch  *time.Timer
	stall  time.Duration
}

func (i *incoming) Read(p []byte) (int, error) {
	i.watch.Reset(i.stall)
	n, err := i.body.Read(p)
	i.watch.Stop() // who reads may take their time
	if err != nil && !errors.Is(err, io.EOF) {
		err = plain(i.ctx, err)
	}
	return n, err
}

func (i *incoming) Close() error {
	i.watch.Stop()
	i.cancel(nil) // rather than reading the rest
	return i.body.Close()
}

func (c *client) options(h header) minio.PutObjectOptions {
	o := minio.PutObjectOptions{
		ContentType: h.contentType, ContentDisposition: h.disposition, UserMetadata: map[string]string{markKey: h.mark},
		DisableContentSha256: true, // it would be a chunked signature
	}
	if h.isNew {
		o.SetMatchETagExcept("*")
	}
	return o
}

func (c *client) put(ctx context.Context, object string, p payload, h header) error {
	return c.tryMoving(ctx, p, func(ctx context.Context, body io.Reader) error {
		_, err := c.core.PutObject(ctx, c.name, object, body, p.size, p.md5, p.sha256, c.options(h))
		return err
	})
}

func (c *client) remove(ctx context.Context, object string) error {
	return c.try(ctx, c.stall, func(ctx context.Context) error {
		return c.core.RemoveObject(ctx, c.name, object, minio.RemoveObjectOptions{})
	})
}

func (c *client) list(ctx context.Context, prefix, after string, fn func(string, attrs) error) error {
	noOwner := false
	o := minio.ListObjectsOptions{Prefix: prefix, StartAfter: after, Recursive: true, FetchOwner: &noOwner}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(c.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	for info := range c.core.ListObjectsIter(inner, c.name, o) {
		watch.Stop()
		if info.Err != nil {
			return plain(ctx, info.Err)
		}
		if err := fn(info.Key, attrsOf(&info)); err != nil {
			return err
		}
		watch.Reset(c.stall)
	}
	if ctx.Err() == nil && inner.Err() != nil {
		return errStalled
	}
	return ctx.Err()
}

// lingerFor is how long the answers to begin and complete are waited for at
// shutdown.
const lingerFor = 3 * time.Second

// begin starts an upload. The parts of one whose id nobody knows stay until the
// sweep, so the answer is waited for a little beyond the end of ctx.
func (c *client) begin(ctx context.Context, object string, h header) (id string, err error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	ctx, done := clock.Linger(ctx, lingerFor)
	defer done()
	h.isNew = false // is asked for when the upload is completed
	err = c.try(ctx, c.stall, func(ctx context.Context) error {
		id, err = c.core.NewMultipartUpload(ctx, c.name, object, c.options(h))
		return err
	})
	if err == nil && id == "" {
		err = errors.New("the object store gave no id for an upload")
	}
	return id, err
}

func (c *client) putPart(ctx context.Context, object, id string, number int, p payload) (etag string, err error) {
	o := minio.PutObjectPartOptions{Md5Base64: p.md5, Sha256Hex: p.sha256, DisableContentSha256: true}
	if p.crc != "" {
		o.CustomHeader = http.Header{minio.ChecksumCRC64NVME.KeyCapitalized(): {p.crc}}
	}
	err = c.tryMoving(ctx, p, func(ctx context.Context, body io.Reader) error {
		part, err := c.core.PutObjectPart(ctx, c.name, object, id, number, body, p.size, o)
		etag = part.ETag
		return err
	})
	return etag, err
}

// completeRate is what a store must at least do in bytes a second when it puts
// parts together; some copy them.
const completeRate = 16 << 20

// complete makes a file of the parts. Whether there is one now has to be known, so
// that it can be removed: the answer is waited for a little beyond the end of ctx.
func (c *client) complete(ctx context.Context, object, id string, parts []blob.Part, isNew bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ctx, done := clock.Linger(ctx, lingerFor)
	defer done()
	list := make([]minio.CompletePart, len(parts))
	var size int64
	for i, p := range parts {
		list[i] = minio.CompletePart{PartNumber: p.Number, ETag: p.ETag}
		size += p.Size
	}
	var o minio.PutObjectOptions
	if isNew {
		o.SetMatchETagExcept("*")
	}
	limit := 2*c.stall + time.Duration(size/completeRate)*time.Second
	return c.try(ctx, limit, func(ctx context.Context) error {
		_, err := c.core.CompleteMultipartUpload(ctx, c.name, object, id, list, o)
		return err
	})
}

func (c *client) abort(ctx context.Context, object, id string) error {
	return c.try(ctx, c.stall, func(ctx context.Context) error {
		return c.core.AbortMultipartUpload(ctx, c.name, object, id)
	})
}

// pageSize is how many entries a page of a list has at most.
const pageSize = 1000

// uploads asks for those of the whole bucket: MinIO takes a prefix for a whole
// key.
func (c *client) uploads(ctx context.Context, after upload) (page []upload, next upload, err error) {
	err = c.try(ctx, c.stall, func(ctx context.Context) error {
		r, err := c.core.ListMultipartUploads(ctx, c.name, "", after.object, after.id, "", pageSize)
		if err != nil {
			return err
		}
		for _, u := range r.Uploads {
			page = append(page, upload{object: u.Key, id: u.UploadID, begun: u.Initiated})
		}
		if r.IsTruncated {
			next = upload{object: r.NextKeyMarker, id: r.NextUploadIDMarker}
		}
		return nil
	})
	return page, next, err
}

func (c *client) lastPart(ctx context.Context, object, id string, after int) (at time.Time, next int, err error) {
	err = c.try(ctx, c.stall, func(ctx context.Context) error {
		r, err := c.core.ListObjectParts(ctx, c.name, object, id, after, pageSize)
		if err != nil {
			return err
		}
		for _, p := range r.ObjectParts {
			if p.LastModified.After(at) {
				at = p.LastModified
			}
		}
		if r.IsTruncated {
			next = r.NextPartNumberMarker
		}
		return nil
	})
	return at, next, err
}

func (c *client) presign(ctx context.Context, method, object string, ttl time.Duration, query url.Values) (string, error) {
	u, err := c.signer.Presign(ctx, method, c.name, object, ttl, query)
	if err != nil {
		return "", plain(ctx, err)
	}
	return u.String(), nil
}
