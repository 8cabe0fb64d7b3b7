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

// others are formats that people may take for one of ours, by how they begin.
var others = []struct{ magic, name string }{
	{"PK\x03\x04", "a zip archive"},
	{"PK\x05\x06", "a zip archive"},
	{"\xfd7zXZ\x00", "compressed with xz"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive"},
	{"\x04\x22\x4d\x18", "compressed with lz4"},
	{"BZh", "compressed with bzip2"}, // a digit, and then:
	{"PAR1", "in Parquet"},
	{"age-encryption.org/", "encrypted with age"},
}

const bzip2Block = "1AY&SY"

// other names the format of a file that is none of ours, or is empty.
func other(head []byte) string {
	for _, o := range others {
		if !bytes.HasPrefix(head, []byte(o.magic)) {
			continue
		}
		if o.magic != "BZh" || len(head) >= 10 && string(head[4:10]) == bzip2Block {
			return o.name
		}
	}
	return ""
}

// otherError says that the file is of another format.
type otherError string

func (e otherError) Error() string {
	return "the file is " + string(e) + ", and must be JSON that is plain or compressed with gzip or zstd"
}

// decompress looks at the first bytes of the file and undoes its compression.
// name is "gzip", "zstd" or empty.
func decompress(src *source) (r io.Reader, name string, stop func(), err error) {
	in := bufio.NewReaderSize(src, 1<<18)
	head, err := in.Peek(32)
	if err != nil && err != io.EOF {
		return nil, "", nil, err
	}
	if name := other(head); name != "" {
		return nil, "", nil, otherError(name)
	}
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, "gzip", nil, err
		}
		z.Multistream(false)
		return &members{in: in, z: z}, "gzip", func() { _ = z.Close() }, nil
	case bytes.HasPrefix(head, zstdMagic):
		z, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, "zstd", nil, err
		}
		return z, "zstd", z.Close, nil
	}
	return in, "", func() {}, nil
}

// members reads gzip data, of which several may follow each other, and tells what
// follows besides from data that is cut off.
type members struct {
	in *bufio.Reader
	z  *gzip.Reader
}

var errTrailing = errors.New("no gzip data")

func (m *members) Read(p []byte) (int, error) {
	for {
		n, err := m.z.Read(p)
		switch {
		case !errors.Is(err, io.EOF):
			return n, err
		case n > 0:
			return n, nil
		}
		head, err := m.in.Peek(len(gzipMagic))
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return 0, err
		case len(head) == 0:
			return 0, io.EOF
		case !bytes.Equal(head, gzipMagic):
			return 0, errTrailing
		}
		if err := m.z.Reset(m.in); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		m.z.Multistream(false)
	}
}

// damaged puts an error of a decompressor in plain words.
func damaged(name string, err error) string {
	switch {
	case errors.Is(err, errTrailing):
		return "the " + name + " data is followed by something else"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the " + name + " data ends in the middle: the file is cut off"
	}
	return "the " + name + " data is damaged: " + err.Error()
}
