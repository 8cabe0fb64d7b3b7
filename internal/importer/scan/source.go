package scan

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// source remembers whether reading the file itself failed, to tell that from
// a file whose compressed data is damaged.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = noEnd(err)
		return n, s.err
	}
	return n, err
}

// noEnd keeps an error from being taken for the end of the file because it
// wraps io.EOF, as that of a lost connection does.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %s", io.ErrUnexpectedEOF, err.Error())
	}
	return err
}

// maxWindow bounds the memory that a zstd frame may ask for. Frames made with
// --ultra --long can want more than any honest export needs.
const maxWindow = 128 << 20

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// decompress looks at the first bytes of the file and undoes its compression.
// name is "gzip", "zstd" or empty.
func decompress(src *source) (r io.Reader, name string, stop func(), err error) {
	in := bufio.NewReaderSize(src, 1<<18)
	magic, err := in.Peek(4)
	if err != nil && err != io.EOF {
		return nil, "", nil, err
	}
	switch {
	case bytes.HasPrefix(magic, gzipMagic):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, "gzip", nil, err
		}
		return z, "gzip", func() { _ = z.Close() }, nil
	case bytes.Equal(magic, zstdMagic):
		z, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, "zstd", nil, err
		}
		return z, "zstd", z.Close, nil
	}
	return in, "", func() {}, nil
}

// damaged puts an error of a decompressor in plain words.
func damaged(name string, err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "the " + name + " data ends in the middle: the file is cut off"
	}
	return "the " + name + " data is damaged: " + err.Error()
}
