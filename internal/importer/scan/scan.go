package scan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// DefaultLimit is how many bytes a line, or an entity of an array, may have.
const DefaultLimit = 16 << 20

// Scanner reads the records of one file in order. It is for one goroutine.
type Scanner struct {
	src     *source
	limit   int
	name    string // of the compression
	stop    func()
	win     *window
	pending error // returned by the first Next
	next    func() (*Record, error)
	rec     Record
	arr     array
	inLines bool
	foreign bool // the first byte begins neither an object nor an array
}

// New starts to read r. limit is how many bytes a line or an entity may have;
// 0 is DefaultLimit. Close must be called.
func New(r io.Reader, limit int) *Scanner {
	if limit <= 0 {
		limit = DefaultLimit
	}
	s := &Scanner{src: &source{r: r}, limit: limit, stop: func() {}}
	s.next = s.detect
	in, name, stop, err := decompress(s.src)
	s.name = name
	if err != nil {
		s.win, s.pending = newWindow(bytes.NewReader(nil)), err
		return s
	}
	s.win, s.stop = newWindow(in), stop
	return s
}

// Close releases what decompression needs. It does not close the file.
func (s *Scanner) Close() {
	s.next = s.end
	s.stop()
	s.stop = func() {}
}

// Bytes is how much decompressed data has been read so far.
func (s *Scanner) Bytes() int64 { return s.win.bytes }

// Lines reports whether the file turned out to be lines, which is known with the
// first record.
func (s *Scanner) Lines() bool { return s.inLines }

// Plain reports whether the file is not compressed.
func (s *Scanner) Plain() bool { return s.name == "" }

// Next returns the next record, or io.EOF after the last. A *[Error] says what
// is wrong with the file; any other error says that it could not be read.
func (s *Scanner) Next() (*Record, error) {
	rec, err := s.next()
	if err == nil || errors.Is(err, io.EOF) {
		return rec, err
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return nil, err
	}
	s.next = s.end
	switch {
	case s.src.err != nil:
		return nil, fmt.Errorf("read import file: %w", s.src.err)
	case s.name != "":
		return nil, &Error{Pos: s.win.pos, Reason: damaged(s.name, err)}
	}
	return nil, fmt.Errorf("read import file: %w", err)
}

func (s *Scanner) end() (*Record, error) { return nil, io.EOF }

// stopAt reports an error after which nothing more can be told.
func (s *Scanner) stopAt(at Pos, format string, args ...any) error {
	s.next = s.end
	return &Error{Pos: at, Reason: fmt.Sprintf(format, args...)}
}

var (
	bom     = []byte("\ufeff")
	utf16le = []byte{0xff, 0xfe}
	utf16be = []byte{0xfe, 0xff}
)

// detect tells lines from an array by the first byte that is not white space.
func (s *Scanner) detect() (*Record, error) {
	if foreign, ok := errors.AsType[otherError](s.pending); ok {
		return nil, s.stopAt(s.win.pos, "%s", foreign)
	}
	if s.pending != nil {
		return nil, s.pending
	}
	for s.win.end < len(bom) {
		if err := s.win.more(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	head := s.win.unread()
	switch {
	case bytes.HasPrefix(head, bom):
		s.win.start += len(bom)
	case bytes.HasPrefix(head, utf16le), bytes.HasPrefix(head, utf16be):
		return nil, s.stopAt(s.win.pos, "the file must be UTF-8, this looks like UTF-16")
	}
	c, err := s.win.peek()
	switch {
	case errors.Is(err, io.EOF):
		return nil, s.stopAt(s.win.pos, "the file is empty")
	case err != nil:
		return nil, err
	case c == '[':
		s.win.take(1)
		s.next = s.array
	default:
		s.foreign = c != '{'
		s.next, s.inLines = s.lines, true
	}
	return s.next()
}

// lines reads JSON lines. A bad line says nothing about the next one.
func (s *Scanner) lines() (*Record, error) {
	for {
		line, at, tooLong, err := s.win.line(s.limit)
		switch {
		case errors.Is(err, io.EOF):
			s.next = s.end
			return nil, io.EOF
		case err != nil:
			return nil, err
		case tooLong:
			return nil, &Error{Pos: at, Reason: fmt.Sprintf("the line is longer than %d bytes", s.limit), Foreign: s.foreign}
		}
		i := space(line, 0)
		if i == len(line) {
			continue
		}
		if s.envelope(line, i, at) {
			s.rec.End = s.win.read()
			return &s.rec, nil
		}
		rec, err := s.oddEnvelope(line, at)
		if err == nil {
			rec.End = s.win.read()
		}
		return rec, err
	}
}
