package export

import "io"

// Stash is a stash, for tests.
type Stash interface {
	io.Writer
	io.ReaderAt
	Release()
}

type testStash struct{ *stash }

func (s testStash) Release() { s.release() }

// MaxStashed is how many bytes stashes hold in memory.
const MaxStashed = maxChunks * chunkSize

// NewStash returns a stash of the service.
func NewStash(s *Service) Stash { return testStash{s.newStash()} }

// Lent is how many bytes of memory are lent to stashes.
func Lent(s *Service) int {
	s.chunks.mu.Lock()
	defer s.chunks.mu.Unlock()
	return s.chunks.lent * chunkSize
}

// Kept is how many bytes of memory there are for stashes, lent or not.
func Kept(s *Service) int {
	s.chunks.mu.Lock()
	defer s.chunks.mu.Unlock()
	return len(s.chunks.unmake) * chunkSize
}

// Begin says that somebody works with stashes until end.
func Begin(s *Service) (end func()) { return s.chunks.begin() }
