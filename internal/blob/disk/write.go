package disk

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"

	"hansard/internal/blob"
)

// bufferSize is for small writes. Larger ones, such as those of exports, go
// past the buffer.
const bufferSize = 128 << 10

var buffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, bufferSize) }}

// Create implements blob.Store. When ctx ends, the writer can only be aborted.
func (s *Store) Create(ctx context.Context, key string) (blob.Writer, error) {
	return s.create(ctx, key)
}

// CreateNew implements blob.NewCreator, for the writers of one process.
func (s *Store) CreateNew(ctx context.Context, key string) (blob.Writer, error) {
	w, err := s.create(ctx, key)
	if err != nil {
		return nil, err
	}
	w.isNew = true
	return w, nil
}

func (s *Store) create(ctx context.Context, key string) (*writer, error) {
	if err := errors.Join(ctx.Err(), checkKey(key)); err != nil {
		return nil, err
	}
	name := rand.Text()
	s.live.Store(name, true)
	f, err := s.root.OpenFile(path.Join(tmpDir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if errors.Is(err, fs.ErrNotExist) {
		// Someone tidied up; the folder costs nothing to make again.
		if err = s.root.MkdirAll(tmpDir, dirMode); err == nil {
			f, err = s.root.OpenFile(path.Join(tmpDir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
		} else {
			err = cmp.Or(s.gone(), err)
		}
	}
	if err != nil {
		s.live.Delete(name)
		return nil, fmt.Errorf("creating %s: %w", key, err)
	}
	buf, _ := buffers.Get().(*bufio.Writer)
	buf.Reset(&steady{File: f})
	return &writer{ctx: ctx, store: s, key: key, tmp: name, file: f, buf: buf}, nil
}

// writer is one file on its way. buf is nil once it has ended.
type writer struct {
	//nolint:containedctx // io.Writer has no room for it, and the writer's life is the context's.
	ctx   context.Context
	store *Store
	key   string
	tmp   string // name in tmpDir
	file  *os.File
	buf   *bufio.Writer
	isNew bool // may not replace a file
}

func (w *writer) Write(p []byte) (int, error) {
	if w.buf == nil {
		return 0, w.failed(fs.ErrClosed)
	}
	if err := w.ctx.Err(); err != nil {
		return 0, w.failed(err)
	}
	n, err := w.buf.Write(p)
	if err != nil {
		err = w.failed(err)
	}
	return n, err
}

// Commit implements blob.Writer.
func (w *writer) Commit() error {
	if w.isNew {
		return w.commit(w.publishNew)
	}
	return w.commit(w.publish)
}

// commit writes everything out and then lets publish give the file its name.
// Whatever fails, nothing is left behind.
func (w *writer) commit(publish func() error) error {
	if w.buf == nil {
		return w.failed(fs.ErrClosed)
	}
	err := w.ctx.Err()
	if err == nil {
		err = w.buf.Flush()
	}
	if err == nil {
		err = w.file.Sync()
	}
	w.end()
	if cerr := w.file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = publish()
	}
	if err != nil {
		_ = w.remove() // what it cannot remove, Sweep will
		return w.failed(err)
	}
	w.store.live.Delete(w.tmp)
	return nil
}

// Abort implements blob.Writer.
func (w *writer) Abort() error {
	if w.buf == nil {
		return nil
	}
	w.end()
	_ = w.file.Close()
	if err := w.remove(); err != nil {
		return fmt.Errorf("aborting %s: %w", w.key, err)
	}
	return nil
}

// end gives the buffer back, without what it held or any error of it.
func (w *writer) end() {
	w.buf.Reset(nil)
	buffers.Put(w.buf)
	w.buf = nil
}

func (w *writer) remove() error {
	defer w.store.live.Delete(w.tmp)
	if err := w.store.root.Remove(path.Join(tmpDir, w.tmp)); err != nil && !missing(err) {
		return err
	}
	return nil
}

func (w *writer) failed(err error) error { return fmt.Errorf("writing %s: %w", w.key, err) }

// publish renames the file to its key and makes that durable.
func (w *writer) publish() error {
	s, from, dir := w.store, path.Join(tmpDir, w.tmp), path.Dir(w.key)
	// A Delete may take a folder between its making and the rename, or in the
	// midst of its making, so this is tried again; not for ever, since what is
	// missing may be the file.
	const tries = 100
	for try := 1; ; try++ {
		err := s.root.MkdirAll(dir, dirMode)
		if err == nil {
			err = s.root.Rename(from, w.key)
		}
		if err == nil {
			break
		}
		if try == tries || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	// The name of every folder on the way may be new as well. One that is gone
	// again went with the file, by a Delete.
	for ; ; dir = path.Dir(dir) {
		if err := s.syncDir(dir); err != nil && !missing(err) {
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

// publishNew is publish for a key under which nothing may be yet.
func (w *writer) publishNew() error {
	w.store.uploads.Lock()
	defer w.store.uploads.Unlock()
	_, err := w.store.root.Lstat(w.key)
	switch {
	case err == nil:
		return blob.ErrExists
	case !missing(err):
		return err
	}
	return w.publish()
}
