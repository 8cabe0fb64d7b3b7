package export

import (
	"errors"
	"io"
	"os"
	"sync"

	"hansard/internal/memory"
)

const (
	chunkSize = 1 << 20
	maxChunks = 24 // of all spans that a process works on
)

// chunks lends memory, so much and no more. It is kept for the next one who needs
// it, until nobody is at work.
type chunks struct {
	mu     sync.Mutex
	free   [][]byte
	unmake []func() // of all that were made
	lent   int
	users  int // who are at work
}

// begin says that somebody is at work until end.
func (c *chunks) begin() (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.users--
		c.tidy()
	}
}

// tidy gives all memory back once nobody needs it.
func (c *chunks) tidy() {
	if c.users > 0 || c.lent > 0 {
		return
	}
	for _, unmake := range c.unmake {
		unmake()
	}
	c.free, c.unmake = nil, nil
}

// get lends a chunk; nil when there are no more.
func (c *chunks) get() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lent == maxChunks {
		return nil
	}
	c.lent++
	if n := len(c.free); n > 0 {
		b := c.free[n-1]
		c.free = c.free[:n-1]
		return b
	}
	b, unmake := memory.New(chunkSize)
	c.unmake = append(c.unmake, unmake)
	return b
}

// put takes chunks back.
func (c *chunks) put(bs [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lent -= len(bs)
	c.free = append(c.free, bs...)
	c.tidy()
}

// stash holds bytes that will be read again: in chunks, and when there are no
// more of them, the rest in a file without a name.
type stash struct {
	chunks *chunks // nil if all of it goes to the file
	dir    string
	held   [][]byte
	inMem  int64
	file   *os.File
	size   int64 // in all
}

func (s *Service) newStash() *stash { return &stash{chunks: &s.chunks, dir: s.Scratch} }

// newSpill makes a stash that takes no memory.
func (s *Service) newSpill() *stash { return &stash{dir: s.Scratch} }

func (s *stash) Write(p []byte) (n int, err error) {
	for n < len(p) && s.file == nil {
		at := int(s.inMem % chunkSize)
		if at == 0 {
			var b []byte
			if s.chunks != nil {
				b = s.chunks.get()
			}
			if b == nil {
				if s.file, err = unnamed(s.dir); err != nil {
					return n, err
				}
				break
			}
			s.held = append(s.held, b)
		}
		k := copy(s.held[len(s.held)-1][at:], p[n:])
		n += k
		s.inMem += int64(k)
		s.size += int64(k)
	}
	if n < len(p) {
		k, err := s.file.Write(p[n:])
		n += k
		s.size += int64(k)
		return n, err
	}
	return n, nil
}

// ReadAt implements io.ReaderAt.
func (s *stash) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < s.inMem {
		b := s.held[off/chunkSize]
		b = b[:min(chunkSize, s.inMem-off/chunkSize*chunkSize)]
		k := copy(p[n:], b[off%chunkSize:])
		n += k
		off += int64(k)
	}
	switch {
	case n == len(p):
		return n, nil
	case s.file == nil:
		return n, io.EOF
	}
	k, err := s.file.ReadAt(p[n:], off-s.inMem)
	return n + k, err
}

// WriteTo implements io.WriterTo: what is in memory is not copied.
func (s *stash) WriteTo(w io.Writer) (n int64, err error) {
	for i, b := range s.held {
		k, err := w.Write(b[:min(chunkSize, s.inMem-int64(i)*chunkSize)])
		n += int64(k)
		if err != nil {
			return n, err
		}
	}
	if s.file == nil {
		return n, nil
	}
	k, err := io.Copy(w, io.NewSectionReader(s.file, 0, s.size-s.inMem))
	return n + k, err
}

// copyTo gives all of it away in pieces as large as b, which is taken for the
// first; swap gives a buffer for each. It returns the last one.
func (s *stash) copyTo(b []byte, swap func([]byte) ([]byte, error)) ([]byte, error) {
	for off := int64(0); off < s.size; {
		b = b[:min(int64(cap(b)), s.size-off)]
		n, err := s.ReadAt(b, off)
		if n < len(b) {
			return b, err
		}
		off += int64(n)
		if b, err = swap(b); err != nil {
			return b, err
		}
	}
	return b, nil
}

// reader reads all of it.
func (s *stash) reader() io.ReadSeeker { return &stashReader{io.NewSectionReader(s, 0, s.size), s} }

type stashReader struct {
	*io.SectionReader
	stash *stash
}

// WriteTo implements io.WriterTo.
func (r *stashReader) WriteTo(w io.Writer) (int64, error) {
	if at, err := r.Seek(0, io.SeekCurrent); at != 0 || err != nil {
		return io.Copy(w, struct{ io.Reader }{r.SectionReader})
	}
	n, err := r.stash.WriteTo(w)
	if _, serr := r.Seek(n, io.SeekStart); err == nil {
		err = serr
	}
	return n, err
}

// release gives everything back. It leaves an empty stash.
func (s *stash) release() {
	if s.chunks != nil {
		s.chunks.put(s.held)
	}
	discard(s.file)
	*s = stash{chunks: s.chunks, dir: s.dir}
}

// discard is the end of a file that unnamed has opened, if there is one.
func discard(f *os.File) {
	if f != nil {
		_ = f.Close()           // nobody needs what is in it
		_ = os.Remove(f.Name()) // it is gone already where that is possible
	}
}

// unnamed opens a file that goes with the process.
func unnamed(dir string) (*os.File, error) {
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "span-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil && !errors.Is(err, os.ErrPermission) {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
