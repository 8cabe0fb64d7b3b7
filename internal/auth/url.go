package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Access is what a signed URL lets one do.
type Access string

// The kinds of access. One never stands in for the other.
const (
	Read  Access = "read"  // GET and HEAD
	Write Access = "write" // PUT
)

// What is wrong with a signed URL.
var (
	// ErrURLSignature means that the signature is missing or wrong, or that
	// something it covers was changed.
	ErrURLSignature = errors.New("auth: the signature of the URL is missing or wrong")
	// ErrURLExpired means that the URL was good once.
	ErrURLExpired = errors.New("auth: the URL has expired")
)

// URLKeySize is the size in bytes of a URLSigner's key.
const URLKeySize = 32

// URLSigner signs URLs and checks them. Processes that share the key accept
// each other's.
type URLSigner struct {
	key [URLKeySize]byte
}

// NewURLSigner returns a signer with that key of URLKeySize random bytes.
func NewURLSigner(key []byte) (*URLSigner, error) {
	if len(key) != URLKeySize {
		return nil, fmt.Errorf("auth: the key for signed URLs has %d bytes and must have %d", len(key), URLKeySize)
	}
	return &URLSigner{key: [URLKeySize]byte(key)}, nil
}

// nonceSize is the length in hex of what makes each signature a new one.
const nonceSize = 16

// Sign returns a signature, lower-case hex, that gives that access to path
// until expires, in Unix seconds. No two are the same, so that a link that was
// handed out can be told from the next one.
func (s *URLSigner) Sign(a Access, path string, expires int64) string {
	var nonce [nonceSize / 2]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return s.sign(a, path, expires, hex.EncodeToString(nonce[:]))
}

func (s *URLSigner) sign(a Access, path string, expires int64, nonce string) string {
	mac := hmac.New(sha256.New, s.key[:])
	// The path comes last, so that nothing in it can pass for another field.
	_, _ = fmt.Fprintf(mac, "%s\n%d\n%s\n%s", a, expires, nonce, path)
	return nonce + hex.EncodeToString(mac.Sum(nil))
}

// Verify checks what a URL carries: expires as it stands there and the
// signature. The error is ErrURLSignature or, of a URL that was properly
// signed, ErrURLExpired.
func (s *URLSigner) Verify(a Access, path, expires, signature string, now time.Time) error {
	at, err := strconv.ParseInt(expires, 10, 64)
	// Only the one way of writing the number: "+5" and "05" were never signed.
	if err != nil || strconv.FormatInt(at, 10) != expires {
		return ErrURLSignature
	}
	// The texts are compared, not the bytes they stand for, so that changing
	// the case of a digit is a change too.
	nonce := signature[:min(nonceSize, len(signature))]
	if subtle.ConstantTimeCompare([]byte(s.sign(a, path, at, nonce)), []byte(signature)) != 1 {
		return ErrURLSignature
	}
	if now.Unix() >= at {
		return ErrURLExpired
	}
	return nil
}
