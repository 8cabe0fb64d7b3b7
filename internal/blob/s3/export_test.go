package s3

import (
	"crypto/x509"
	"net/http"
	"time"
)

// Trusting is o with a certificate authority of the test.
func Trusting(o Options, roots *x509.CertPool) Options {
	o.roots = roots
	return o
}

// SizeOf is the size of the part with that number.
func SizeOf(s *Store, number int) int64 { return s.sizeOf(number) }

// Resigned is a request with a signature of another time.
func Resigned(r *http.Request, secret string, at time.Time) *http.Request {
	return resigned(r, secret, at)
}

// ChecksCRC reports whether the server has shown that it checks the CRC of parts.
func ChecksCRC(s *Store) bool {
	s.checking.mu.Lock()
	defer s.checking.mu.Unlock()
	return s.checking.does
}
