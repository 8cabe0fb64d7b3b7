//go:build unix

package render

import "syscall"

// newRing returns memory for a ring. A large one comes from the system: on Go's
// heap the collector would let as much garbage pile up beside it.
func newRing(size int) (ring []byte, free func()) {
	if size >= bulkBytes {
		ring, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err == nil {
			return ring, func() { _ = syscall.Munmap(ring) } // it is mapped
		}
	}
	return make([]byte, size), func() {}
}
