package s3

import "crypto/x509"

// Trusting is o with a certificate authority of the test.
func Trusting(o Options, roots *x509.CertPool) Options {
	o.roots = roots
	return o
}

// SizeOf is the size of the part with that number.
func SizeOf(s *Store, number int) int64 { return s.sizeOf(number) }
