package refs

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
)

// spool keeps the ids themselves, of which only a few are ever read again:
// those that have to be looked up or named in an error.
type spool struct {
	dir     string
	f       *os.File
	flushed int64  // bytes on disk
	buf     []byte // what follows them
}

const spoolBuffer = 1 << 20

// add appends a name and returns its place.
func (s *spool) add(name string) (int64, error) {
	if len(s.buf) >= spoolBuffer {
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	at := s.flushed + int64(len(s.buf))
	s.buf = binary.AppendUvarint(s.buf, uint64(len(name)))
	s.buf = append(s.buf, name...)
	return at, nil
}

func (s *spool) flush() error {
	if s.f == nil {
		f, err := os.OpenFile(filepath.Join(s.dir, "ids.names"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("keep ids: %w", err)
		}
		s.f = f
	}
	if _, err := s.f.WriteAt(s.buf, s.flushed); err != nil {
		return fmt.Errorf("keep ids: %w", err)
	}
	s.flushed += int64(len(s.buf))
	s.buf = s.buf[:0]
	return nil
}

// at returns the name at a place that add returned.
func (s *spool) at(place int64) (string, error) {
	if place >= s.flushed {
		b := s.buf[place-s.flushed:]
		size, n := binary.Uvarint(b)
		return string(b[n : n+int(size)]), nil
	}
	var head [binary.MaxVarintLen64]byte
	got, err := s.f.ReadAt(head[:], place)
	size, n := binary.Uvarint(head[:got])
	if n <= 0 {
		return "", fmt.Errorf("read an id back: %w", err)
	}
	name := make([]byte, size)
	if _, err := s.f.ReadAt(name, place+int64(n)); err != nil {
		return "", fmt.Errorf("read an id back: %w", err)
	}
	return string(name), nil
}

func (s *spool) close() error {
	if s.f == nil {
		return nil
	}
	name := s.f.Name()
	err := s.f.Close()
	if removeErr := os.Remove(name); err == nil {
		err = removeErr
	}
	s.f = nil
	return err
}
