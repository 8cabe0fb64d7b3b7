//go:build unix

package render

import "syscall"

// newMemory returns memory for users. Much of it comes from the system: on Go's
// heap the collector would let as much garbage pile up beside it.
func newMemory(size int) (memory []byte, free func()) {
	if size >= bulkBytes {
		memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err == nil {
			return memory, func() { _ = syscall.Munmap(memory) } // it is mapped
		}
	}
	return make([]byte, size), func() {}
}
