package export

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"hansard/internal/export/format"
)

// manifestChannels is the section after those of the file: the manifest's
// entries for channels, each followed by a comma. It is kept like the others
// because it grows with the request.
const manifestChannels = format.Section(format.Sections)

// sections holds what a file is made of until it can be put in order. Sections
// live in memory until they grow, then in files of the scratch folder. In
// direct mode what comes in file order goes straight to the output, and only
// what does not (reactions, the manifest's entries) is held.
type sections struct {
	dir    string
	epoch  int64
	direct *format.Buffer
	held   [format.Sections + 1]spool
}

var _ format.Out = (*sections)(nil)

// spool is one held section: a file, and what is not in it yet.
type spool struct {
	buf  format.Buffer
	file *os.File
	size int64 // bytes in the file
}

// newSections makes empty sections. direct takes what comes in file order; it
// may be nil.
func newSections(dir string, epoch int64, direct *format.Buffer) *sections {
	s := &sections{dir: dir, epoch: epoch, direct: direct}
	for i := range s.held {
		s.held[i].buf.Sink = func(b []byte) error { return s.spill(format.Section(i), b) }
	}
	return s
}

// To gives the buffer of a section.
func (s *sections) To(section format.Section) *format.Buffer {
	if s.direct != nil && section != format.Reactions && section != manifestChannels {
		return s.direct
	}
	return &s.held[section].buf
}

// path names a section's file by the attempt: one that lost its lease and does
// not know it yet may still write to its own.
func (s *sections) path(section format.Section, epoch int64) string {
	return filepath.Join(s.dir, fmt.Sprintf("section-%d.%d", section, epoch))
}

func (s *sections) spill(section format.Section, b []byte) error {
	sp := &s.held[section]
	if sp.file == nil {
		f, err := s.create(section)
		if err != nil {
			return err
		}
		sp.file = f
	}
	n, err := sp.file.Write(b)
	sp.size += int64(n)
	return err
}

func (s *sections) create(section format.Section) (*os.File, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(s.path(section, s.epoch), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
}

// sync makes all sections durable and returns their sizes.
func (s *sections) sync() (sizes [format.Sections + 1]int64, err error) {
	for i := range s.held {
		sp := &s.held[i]
		if err := sp.buf.FlushAll(); err != nil {
			return sizes, err
		}
		if sp.file != nil {
			if err := sp.file.Sync(); err != nil {
				return sizes, err
			}
		}
		sizes[i] = sp.size
	}
	return sizes, nil
}

// restore takes over what an earlier attempt had synced. The files are copied:
// that attempt may not know yet that it is over.
func (s *sections) restore(epoch int64, sizes [format.Sections + 1]int64) error {
	for i, size := range sizes {
		if size == 0 {
			continue
		}
		old, err := os.Open(s.path(format.Section(i), epoch))
		if err != nil {
			return err
		}
		sp := &s.held[i]
		if sp.file, err = s.create(format.Section(i)); err == nil {
			sp.size, err = io.CopyN(sp.file, old, size)
		}
		if err = errors.Join(err, old.Close()); err != nil {
			return err
		}
	}
	return nil
}

// size is how many bytes are held for the file.
func (s *sections) size() (n int64) {
	for i := range format.Sections {
		n += s.held[i].size + int64(len(s.held[i].buf.B))
	}
	return n
}

// writeTo writes a section to w.
func (s *sections) writeTo(w io.Writer, section format.Section) error {
	sp := &s.held[section]
	if sp.file != nil {
		if _, err := sp.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{sp.file}, make([]byte, 256<<10)); err != nil {
			return err
		}
		if _, err := sp.file.Seek(0, io.SeekEnd); err != nil {
			return err
		}
	}
	_, err := w.Write(sp.buf.B)
	return err
}

// close gives the files up; they stay for a later attempt until the scratch
// folder is removed.
func (s *sections) close() {
	for i := range s.held {
		if f := s.held[i].file; f != nil {
			_ = f.Close() // nothing is lost: what counts has been synced
		}
	}
}
