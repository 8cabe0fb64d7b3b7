//go:build !unix

package render

// newMemory returns memory for users.
func newMemory(size int) (memory []byte, free func()) { return make([]byte, size), func() {} }
