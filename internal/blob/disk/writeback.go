package disk

import "os"

// writebackEvery is how much may be written before the kernel is asked to
// begin writing it to the disk. Left alone it would let a large file pile up
// in memory until the sync at the end, and the commits of the database on the
// same disk would have to wait for all of it.
const writebackEvery = 1 << 20

// steady is a file that is written to the disk as it grows.
type steady struct {
	*os.File
	written int64
	begun   int64 // of written
}

func (s *steady) Write(p []byte) (int, error) {
	n, err := s.File.Write(p)
	s.written += int64(n)
	if s.written-s.begun >= writebackEvery {
		startWriteback(s.File, s.begun, s.written-s.begun)
		s.begun = s.written
	}
	return n, err
}
