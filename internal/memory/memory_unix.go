//go:build unix

package memory

import "syscall"

// New returns zeroed memory, which takes up room from its first use on, and what
// gives it back. Nobody may touch it after that.
func New(size int) (memory []byte, free func()) {
	memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, size), func() {}
	}
	return memory, func() { _ = syscall.Munmap(memory) } // it is mapped
}
