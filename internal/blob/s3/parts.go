package s3

import (
	"sync"

	"hansard/internal/blob"
)

// maxPartSize bounds the buffers.
const maxPartSize = 1 << 30

// sizeOf is the size of a part by its number. With parts of 8 MiB a file can
// have 156 GiB: the first 5,000 have that size, then parts have two and from
// 7,500 on four times as much, since their number is limited.
func (s *Store) sizeOf(number int) int64 {
	switch {
	case number <= blob.MaxParts/2:
		return s.partSize
	case number <= blob.MaxParts*3/4:
		return 2 * s.partSize
	}
	return 4 * s.partSize
}

// slots are how many parts may be on their way: fewer of the larger ones, so
// that memory stays about the same. now are those of the part before; when
// their number changes, the parts in them end by themselves.
func (s *Store) slots(now chan struct{}, number int) chan struct{} {
	most := max(1, int(int64(s.parallel)*s.partSize/s.sizeOf(number)))
	if cap(now) != most {
		return make(chan struct{}, most)
	}
	return now
}

// buffer is the bytes of one part.
type buffer struct{ b []byte }

func (b *buffer) len() int { return len(b.b) }

// fill takes of p what fits into size bytes, and returns how much that is.
func (b *buffer) fill(p []byte, size int64) int {
	n := min(len(p), int(size)-len(b.b))
	if need := len(b.b) + n; need > cap(b.b) {
		// A manifest needs no buffer of some MiB.
		grow := int(size)
		for _, small := range []int{64 << 10, 1 << 20} {
			if need <= small {
				grow = min(small, grow)
				break
			}
		}
		b.b = append(make([]byte, 0, grow), b.b...)
	}
	b.b = append(b.b, p[:n]...)
	return n
}

// buffers keeps some buffers of the usual size for the next part. The garbage
// collector would let several times as many pile up.
type buffers struct {
	size int
	most int

	mu   sync.Mutex
	free [][]byte
}

// get is a buffer for a part of that size, at once for all of it if full.
func (s *buffers) get(size int64, full bool) *buffer {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &buffer{}
	switch n := len(s.free); {
	case n > 0 && size == int64(s.size):
		b.b, s.free = s.free[n-1], s.free[:n-1]
	case full:
		b.b = make([]byte, 0, size)
	}
	return b
}

// put takes a buffer back.
func (s *buffers) put(b *buffer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cap(b.b) == s.size && len(s.free) < s.most {
		s.free = append(s.free, b.b[:0])
	}
	b.b = nil
}
