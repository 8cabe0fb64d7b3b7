package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"

	"github.com/minio/minio-go/v7"
)

// What guards the bytes of a request on their way. A SHA-256 or MD5 of each part
// costs as much as rendering it, and the server the same again. So a part is
// guarded by a CRC64NVME in a header that is signed, where the server has shown
// that it checks it; wherever it has not, the part is guarded as every request
// with a body is.

// guarded makes the body of a request that every server checks: over TLS, which
// already guards it on the way, by its Content-MD5; without it by the signature,
// which also covers what somebody might put in its place.
func (s *Store) guarded(body io.ReadSeeker, size int64) (payload, error) {
	p := payload{body: body, size: size}
	var err error
	if s.secure {
		var sum []byte
		sum, err = sumOf(md5.New(), body, size)
		p.md5 = base64.StdEncoding.EncodeToString(sum)
	} else {
		var sum []byte
		sum, err = sumOf(sha256.New(), body, size)
		p.sha256 = hex.EncodeToString(sum)
	}
	return p, err
}

// checked makes the body of a part for a server that checks its CRC64NVME.
func checked(body io.ReadSeeker, size int64) (payload, error) {
	sum, err := sumOf(minio.ChecksumCRC64NVME.Hasher(), body, size)
	return payload{body: body, size: size, crc: base64.StdEncoding.EncodeToString(sum)}, err
}

func sumOf(h hash.Hash, body io.ReadSeeker, size int64) ([]byte, error) {
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return nil, unreadable(err)
	}
	n, err := io.Copy(h, body)
	if err == nil && n != size {
		err = fmt.Errorf("it has %d bytes instead of %d", n, size)
	}
	if err != nil {
		return nil, unreadable(err)
	}
	return h.Sum(nil), nil
}

// checking is what is known of a server's checking the CRC64NVME of parts.
type checking struct {
	mu    sync.Mutex
	known bool
	does  bool
}

func (c *checking) learn(does bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.does = true, does
}

// checks reports whether the server checks the CRC64NVME of parts. It is asked
// once, by a byte in place of a part that is to be put next, with a checksum that
// is wrong: only a refusal for that reason is proof. Some servers ignore the
// header, some refuse it as unknown.
func (s *Store) checks(ctx context.Context, object, id string, number int) bool {
	c := &s.checking
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known {
		return c.does
	}
	wrong := payload{body: bytes.NewReader([]byte{'?'}), size: 1, crc: base64.StdEncoding.EncodeToString(make([]byte, 8))}
	_, err := s.api.putPart(ctx, object, id, number, wrong)
	switch {
	case refused(err, codeBadDigest):
		c.known, c.does = true, true
	case err == nil, refusedForGood(err):
		c.known = true
	}
	return c.does
}

// refusedForGood reports whether a server has refused a part in a way that may
// come of a header that it does not know, or of a body that is not signed.
func refusedForGood(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && (unknownCondition(err) || r.status == http.StatusForbidden) && !passes(err)
}
