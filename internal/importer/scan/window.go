package scan

import (
	"bytes"
	"errors"
	"io"
)

// window is the part of the decompressed file that is in memory. It knows the
// place of its first unread byte.
type window struct {
	r     io.Reader
	buf   []byte
	start int // first unread byte
	end   int
	eof   bool
	pos   Pos // of buf[start]
	bytes int64
}

const firstWindow = 1 << 18

func newWindow(r io.Reader) *window {
	return &window{r: r, buf: make([]byte, firstWindow), pos: Pos{Line: 1, Column: 1}}
}

// unread is what is in memory and not yet taken; the next more may move it.
func (w *window) unread() []byte { return w.buf[w.start:w.end] }

// read is how many bytes have been taken.
func (w *window) read() int64 { return w.bytes - int64(w.end-w.start) }

// take marks n bytes as read.
func (w *window) take(n int) {
	w.pos = w.pos.after(w.buf[w.start : w.start+n])
	w.start += n
}

// more reads on, keeping what is unread; io.EOF at the end of the file.
func (w *window) more() error {
	if w.eof {
		return io.EOF
	}
	switch {
	case w.start == w.end:
		w.start, w.end = 0, 0
	case w.end < len(w.buf):
	case w.start >= len(w.buf)/2:
		w.end = copy(w.buf, w.unread())
		w.start = 0
	default:
		grown := make([]byte, 2*len(w.buf))
		w.end = copy(grown, w.unread())
		w.start = 0
		w.buf = grown
	}
	for range 100 {
		n, err := w.r.Read(w.buf[w.end:])
		w.end += n
		w.bytes += int64(n)
		if err == io.EOF {
			w.eof = true
			if n > 0 {
				return nil
			}
			return io.EOF
		}
		if n > 0 || err != nil {
			if n > 0 {
				return nil // the error comes again
			}
			return err
		}
	}
	return io.ErrNoProgress
}

// line returns the next line without its end. A line of more than limit bytes
// is passed over and reported as too long. io.EOF comes after the last line.
func (w *window) line(limit int) (line []byte, at Pos, tooLong bool, err error) {
	at = w.pos
	seen := 0
	for {
		b := w.unread()
		if i := bytes.IndexByte(b[seen:], '\n'); i >= 0 {
			n := seen + i
			w.start += n + 1
			w.pos = Pos{Line: at.Line + 1, Column: 1}
			return b[:n], at, tooLong || n > limit, nil
		}
		if seen = len(b); seen > limit {
			tooLong = true
			w.start, seen = w.end, 0
		}
		switch err := w.more(); {
		case errors.Is(err, io.EOF):
			b := w.unread()
			w.start = w.end
			w.pos.Column += int64(len(b))
			if len(b) == 0 && !tooLong {
				return nil, at, false, io.EOF
			}
			return b, at, tooLong || len(b) > limit, nil
		case err != nil:
			return nil, w.pos, false, err
		}
	}
}

// peek passes over white space and returns the byte after it without taking it.
func (w *window) peek() (byte, error) {
	for {
		b := w.unread()
		i := space(b, 0)
		w.take(i)
		if i < len(b) {
			return b[i], nil
		}
		if err := w.more(); err != nil {
			return 0, err
		}
	}
}

// value takes the value that begins at the first unread byte. One of more than
// limit bytes is passed over and reported as too long. The value is valid until
// the window moves.
func (w *window) value(limit int) (v []byte, at Pos, tooLong bool, err error) {
	at = w.pos
	var k skipper
	seen := 0
	for {
		n, done := k.scan(w.unread()[seen:])
		seen += n
		if seen > limit {
			tooLong = true
		}
		if done {
			v = w.unread()[:seen]
			w.take(seen)
			return v, at, tooLong, nil
		}
		if tooLong {
			w.take(seen)
			seen = 0
		}
		if err := w.more(); errors.Is(err, io.EOF) {
			if k.scalar {
				v = w.unread()[:seen]
				w.take(seen)
				return v, at, tooLong, nil
			}
			w.take(seen)
			return nil, w.pos, tooLong, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, w.pos, tooLong, err
		}
	}
}
