package export

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"

	"hansard/internal/blob"

	"filippo.io/age"
)

// output is the finished file on its way to the blob store: what is written to
// it is compressed, encrypted, hashed, counted and stored, the last three on a
// goroutine of their own.
type output struct {
	io.Writer  // the top of the stack
	layers     []io.Closer
	compressor *compressor // nil without
	tail       *tail
	blob       blob.Writer
}

// newOutput starts the file under key.
func newOutput(ctx context.Context, store blob.Store, key string, p Packing) (*output, error) {
	w, err := store.Create(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("create the export file: %w", err)
	}
	o := &output{blob: w, tail: newTail(w)}
	o.Writer = o.tail
	if err := o.pack(p); err != nil {
		o.abort()
		return nil, err
	}
	return o, nil
}

// pack puts the layers of packing on top of the tail.
func (o *output) pack(p Packing) error {
	if p.EncryptTo != "" {
		recipient, err := age.ParseX25519Recipient(p.EncryptTo)
		if err != nil {
			return fmt.Errorf("encrypt_to: %w", err)
		}
		// age writes chunks of 64 KiB and small headers.
		buffered := bufio.NewWriterSize(o.tail, bufferSize)
		sealed, err := age.Encrypt(buffered, recipient)
		if err != nil {
			return fmt.Errorf("encrypt: %w", err)
		}
		o.layers = append(o.layers, flusher{buffered}, sealed)
		o.Writer = sealed
	}
	if p.Compression != "" {
		z, err := newCompressor(o.Writer, p.Compression)
		if err != nil {
			return err
		}
		o.compressor = z
		o.layers = append(o.layers, z)
		o.Writer = z
	}
	return nil
}

type flusher struct{ *bufio.Writer }

func (f flusher) Close() error { return f.Flush() }

// swap is Write for a buffer that is given away: it returns another one.
func (o *output) swap(b []byte) (next []byte, err error) {
	if o.Writer == io.Writer(o.tail) {
		return o.tail.swap(b)
	}
	_, err = o.Write(b)
	return b, err
}

// finish ends the stream; the file is complete but not visible yet.
func (o *output) finish() (size int64, sum string, err error) {
	for _, v := range slices.Backward(o.layers) {
		if err := v.Close(); err != nil {
			return 0, "", err
		}
	}
	o.layers = nil
	return o.tail.finish()
}

// commit makes the file visible.
func (o *output) commit() error { return o.blob.Commit() }

// abort leaves nothing behind. After commit it does nothing.
func (o *output) abort() {
	if o.compressor != nil {
		o.compressor.stop() // it writes to what is beneath
	}
	o.tail.stop()
	_ = o.blob.Abort() // what it could not remove, the sweep will
}

const (
	bufferSize = 256 << 10
	inFlight   = 4 // buffers between the goroutine that makes bytes and the one that writes them
)

// tail hashes and writes on a goroutine of its own.
type tail struct {
	w    io.Writer
	hash hash.Hash
	size int64
	full chan []byte
	free chan []byte
	done chan struct{}
	err  error // of run; read by others once done is closed
	fail chan error
	open bool
}

func newTail(w io.Writer) *tail {
	t := &tail{w: w, hash: sha256.New(), full: make(chan []byte, inFlight), free: make(chan []byte, inFlight), done: make(chan struct{}), fail: make(chan error, 1), open: true}
	for range inFlight {
		t.free <- make([]byte, 0, bufferSize+bufferSize/8) // a line goes beyond the end
	}
	go t.run()
	return t
}

func (t *tail) run() {
	defer close(t.done)
	for b := range t.full {
		if t.err == nil {
			t.hash.Write(b)
			n, err := t.w.Write(b)
			t.size += int64(n)
			if t.err = err; err != nil {
				t.fail <- err
			}
		}
		t.free <- b
	}
}

// Write copies p and hands it on, in pieces of bufferSize. An error shows in a
// later call.
func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if err := t.failure(); err != nil {
			return 0, err
		}
		piece := p[:min(len(p), bufferSize)]
		b := <-t.free
		t.full <- append(b[:0], piece...)
		p = p[len(piece):]
	}
	return n, nil
}

// swap hands b on, and gives a buffer for it.
func (t *tail) swap(b []byte) ([]byte, error) {
	if err := t.failure(); err != nil {
		return b, err
	}
	next := <-t.free
	t.full <- b
	return next, nil
}

// failure is the error of an earlier write, if there was one.
func (t *tail) failure() error {
	select {
	case err := <-t.fail:
		t.fail <- err // for every call from here on
		return err
	default:
		return nil
	}
}

func (t *tail) stop() {
	if t.open {
		t.open = false
		close(t.full)
	}
	<-t.done
}

func (t *tail) finish() (int64, string, error) {
	t.stop()
	return t.size, hex.EncodeToString(t.hash.Sum(nil)), t.err
}
