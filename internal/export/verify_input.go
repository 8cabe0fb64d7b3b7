package export

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// stored is the file as it is stored. It hashes and counts what is read, and
// keeps the error of reading, so that it is not taken for damage of the file.
type stored struct {
	r    io.Reader
	hash hash.Hash
	size int64
	err  error
}

func newStored(r io.Reader) *stored { return &stored{r: r, hash: sha256.New()} }

func (s *stored) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.hash.Write(p[:n])
	s.size += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func (s *stored) sum() (int64, string) { return s.size, hex.EncodeToString(s.hash.Sum(nil)) }

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// maxWindow bounds the memory that a zstd frame may ask for.
const maxWindow = 128 << 20

// unpack undoes the compression. Members and frames that follow each other are
// one stream.
func unpack(in *bufio.Reader) (r io.Reader, compression string, stop func(), err error) {
	magic, _ := in.Peek(len(zstdMagic))
	switch {
	case bytes.HasPrefix(magic, gzipMagic):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, Gzip, nil, err
		}
		return z, Gzip, func() { _ = z.Close() }, nil
	case bytes.Equal(magic, zstdMagic):
		z, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, Zstd, nil, err
		}
		return z, Zstd, z.Close, nil
	}
	return in, None, func() {}, nil
}

// damaged puts an error of a decompressor in plain words.
func damaged(compression string, err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "the " + compression + " data ends in the middle: the file is cut off"
	}
	return "the " + compression + " data is damaged: " + err.Error()
}

// plain is the file without its compression.
type plain struct {
	r    io.Reader
	size int64
	last [8]byte // the last bytes read, the newest at the end
	err  error   // other than io.EOF
}

func (p *plain) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.size += int64(n)
	if got := b[:n]; n >= len(p.last) {
		copy(p.last[:], got[n-len(p.last):])
	} else {
		copy(p.last[:], p.last[n:])
		copy(p.last[len(p.last)-n:], got)
	}
	if err != nil && err != io.EOF {
		p.err = err
	}
	return n, err
}

// errTooLarge ends the reading of an object of more than maxObject bytes.
var errTooLarge = errors.New("too large")

// bounded stops a parser that would collect more than maxObject bytes. The
// parser moves the bound on with allow.
type bounded struct {
	r        io.Reader
	n, until int64
}

// allow permits one more object after the first consumed bytes.
func (b *bounded) allow(consumed int64) { b.until = consumed + maxObject + bufferSize }

func (b *bounded) Read(p []byte) (int, error) {
	if b.n >= b.until {
		return 0, errTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.until-b.n)])
	b.n += int64(n)
	return n, err
}

// lineReader reads lines of up to maxObject bytes.
type lineReader struct {
	r   *bufio.Reader
	buf []byte
}

// next returns a line without its end; ended reports whether it had one. A
// line that is too long is passed over. The line is valid until the next call.
func (l *lineReader) next() (line []byte, ended, tooLong bool, err error) {
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		if tooLong = tooLong || len(l.buf)+len(part) > maxObject; tooLong {
			l.buf = l.buf[:0]
		}
		switch {
		case err == nil && len(l.buf) == 0:
			return part[:len(part)-1], true, tooLong, nil
		case err == nil:
			l.buf = append(l.buf, part...)
			return l.buf[:len(l.buf)-1], true, tooLong, nil
		case errors.Is(err, bufio.ErrBufferFull):
			if !tooLong {
				l.buf = append(l.buf, part...)
			}
		case err == io.EOF && (len(part) > 0 || len(l.buf) > 0 || tooLong):
			l.buf = append(l.buf, part...)
			return l.buf, false, tooLong, nil
		default:
			return nil, false, false, err
		}
	}
}
