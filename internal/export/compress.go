package export

import (
	"fmt"
	"io"
	"runtime"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// packSize is how many bytes are compressed at a time. It decides what the file
// looks like, so that it is the same on every machine.
const packSize = 1 << 20

// compressor compresses on all cores: each packSize bytes become a gzip member
// or a zstd frame of their own, and the file has them one after the other. Every
// common tool reads that as one (docs/formats.md).
type compressor struct {
	w     io.Writer
	piece *piece
	// jobs has the pieces that wait to be compressed, order all that are not
	// written yet. Their number is bounded by free.
	jobs, order, free chan *piece
	written           chan struct{} // closed when the last piece was written
	err               error         // of writing; for others once written is closed
	failed            chan struct{} // closed when err is set
	any               bool          // something was written, or will be
	stopped           bool
}

type piece struct {
	plain, packed []byte
	err           error
	done          chan struct{} // gets a value when packed is there
}

// packer compresses pieces, one after the other.
type packer func(dst, plain []byte) ([]byte, error)

// newCompressor starts goroutines that end with Close.
func newCompressor(w io.Writer, compression string) (*compressor, error) {
	workers := min(runtime.GOMAXPROCS(0), 8)
	pieces := workers + 2
	c := &compressor{
		w: w, jobs: make(chan *piece, pieces), order: make(chan *piece, pieces), free: make(chan *piece, pieces),
		written: make(chan struct{}), failed: make(chan struct{}),
	}
	packers := make([]packer, workers)
	for i := range packers {
		var err error
		if packers[i], err = newPacker(compression); err != nil {
			return nil, err
		}
	}
	for range pieces {
		c.free <- &piece{done: make(chan struct{}, 1)}
	}
	for _, pack := range packers {
		go func() {
			for p := range c.jobs {
				p.packed, p.err = pack(p.packed[:0], p.plain)
				p.done <- struct{}{}
			}
		}()
	}
	go c.write()
	return c, nil
}

func newPacker(compression string) (packer, error) {
	switch compression {
	case Gzip:
		out := &appender{}
		z, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
		if err != nil {
			return nil, err
		}
		return func(dst, plain []byte) ([]byte, error) {
			out.b = dst
			z.Reset(out)
			if _, err := z.Write(plain); err != nil {
				return nil, err
			}
			err := z.Close()
			return out.b, err
		}, nil
	case Zstd:
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(packSize))
		if err != nil {
			return nil, err
		}
		return func(dst, plain []byte) ([]byte, error) { return z.EncodeAll(plain, dst), nil }, nil
	default:
		return nil, fmt.Errorf("unknown compression %q", compression)
	}
}

type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// write writes the pieces in their order.
func (c *compressor) write() {
	defer close(c.written)
	for p := range c.order {
		<-p.done
		if c.err == nil {
			if c.err = p.err; c.err == nil {
				_, c.err = c.w.Write(p.packed)
			}
			if c.err != nil {
				close(c.failed)
			}
		}
		c.free <- p
	}
}

// Write copies p. An error of the writer beneath shows in a later call.
func (c *compressor) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		select {
		case <-c.failed:
			return 0, c.err
		default:
		}
		if c.piece == nil {
			c.piece = <-c.free
			c.piece.plain = c.piece.plain[:0]
		}
		take := min(len(p), packSize-len(c.piece.plain))
		c.piece.plain = append(c.piece.plain, p[:take]...)
		p = p[take:]
		if len(c.piece.plain) == packSize {
			c.send()
		}
	}
	return n, nil
}

func (c *compressor) send() {
	c.order <- c.piece
	c.jobs <- c.piece
	c.piece, c.any = nil, true
}

// Close compresses what is left and waits until all is written. Nothing at all
// becomes a member, or a frame, of nothing.
func (c *compressor) Close() error {
	if c.stopped {
		return c.err
	}
	if c.piece == nil && !c.any {
		c.piece = <-c.free
	}
	if c.piece != nil {
		c.send()
	}
	c.stop()
	return c.err
}

// stop ends the goroutines. What was not sent is lost.
func (c *compressor) stop() {
	if c.stopped {
		return
	}
	c.stopped = true
	close(c.jobs)
	close(c.order)
	<-c.written
}
