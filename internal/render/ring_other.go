//go:build !unix

package render

// newRing returns memory for a ring.
func newRing(size int) (ring []byte, free func()) { return make([]byte, size), func() {} }
