package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"hansard/internal/auth"
	"hansard/internal/blob"
	"hansard/internal/clock"
)

const (
	tmpDir = ".tmp"
	// The files are people's messages: nobody else's business.
	dirMode  = 0o700
	fileMode = 0o600
)

// Options are what a Store needs besides its folder.
type Options struct {
	// Signer signs the URLs and checks them; without one there are none.
	Signer *auth.URLSigner
	// PublicURL is what the URLs begin with, such as "https://host/hansard".
	// It is asked each time, since a server that takes any free port learns
	// its own only after the store is open.
	PublicURL func() string
	// Clock is clock.System if nil.
	Clock clock.Clock
}

// Store is a blob.Store in a folder. Several processes may share the folder.
type Store struct {
	root      *os.Root
	signer    *auth.URLSigner
	publicURL func() string
	clock     clock.Clock

	// live are the temporary files of this process's writers, by name: Sweep
	// leaves them alone however slow they are.
	live sync.Map
	// uploads lets one upload, or file that may not replace another, at a time
	// become visible, so that of two to one key only the first does.
	uploads sync.Mutex
}

var (
	_ blob.Store      = (*Store)(nil)
	_ blob.NewCreator = (*Store)(nil)
)

// Open opens the folder, making it if it is missing.
func Open(dir string, o Options) (*Store, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("opening the file store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the file store: %w", err)
	}
	s := &Store{root: root, signer: o.Signer, publicURL: o.PublicURL, clock: o.Clock}
	if s.clock == nil {
		s.clock = clock.System
	}
	if err := root.MkdirAll(tmpDir, dirMode); err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("opening the file store: %w", err)
	}
	return s, nil
}

// Check finds out whether the folder is there, or could be made, and leaves
// nothing behind. One that is there may be used also while it is full.
func Check(dir string) error {
	there := filepath.Clean(dir)
	info, err := os.Stat(there)
	for errors.Is(err, fs.ErrNotExist) && filepath.Dir(there) != there {
		there = filepath.Dir(there)
		info, err = os.Stat(there)
	}
	switch {
	case err != nil:
	case !info.IsDir():
		err = fmt.Errorf("%s is not a folder", there)
	case there != filepath.Clean(dir):
		var made string
		if made, err = os.MkdirTemp(there, ".hansard-"); err == nil {
			err = os.Remove(made)
		} else if e, ok := errors.AsType[*fs.PathError](err); ok { // its path is of no interest
			err = fmt.Errorf("it cannot be made in %s: %w", there, e.Err)
		}
	}
	if err != nil {
		return fmt.Errorf("opening the file store: %w", err)
	}
	return nil
}

// Close gives the folder back. Files that are open stay readable.
func (s *Store) Close() error { return s.root.Close() }

func checkKey(key string) error {
	if !blob.ValidKey(key) {
		return fmt.Errorf("%w: %q", blob.ErrBadKey, key)
	}
	return nil
}

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, key string) (blob.Reader, blob.Info, error) {
	f, info, err := s.open(ctx, key)
	if err != nil {
		return nil, blob.Info{}, err
	}
	return f, blob.Info{Key: key, Size: info.Size(), ModTime: info.ModTime()}, nil
}

func (s *Store) open(ctx context.Context, key string) (*os.File, fs.FileInfo, error) {
	if err := errors.Join(ctx.Err(), checkKey(key)); err != nil {
		return nil, nil, err
	}
	f, err := s.root.Open(key)
	if err != nil {
		return nil, nil, failed("opening", key, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, failed("opening", key, err)
	}
	return f, info, nil
}

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := errors.Join(ctx.Err(), checkKey(key)); err != nil {
		return blob.Info{}, err
	}
	info, err := s.root.Stat(key)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if missing(err) {
		// readyz hears it this way too.
		err = cmp.Or(s.gone(), err)
	}
	if err != nil {
		return blob.Info{}, failed("looking up", key, err)
	}
	return blob.Info{Key: key, Size: info.Size(), ModTime: info.ModTime()}, nil
}

// Delete implements blob.Store. Folders that it leaves empty go too.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := errors.Join(ctx.Err(), checkKey(key)); err != nil {
		return err
	}
	// Remove would take an empty folder as well, which is no file.
	if _, err := s.Stat(ctx, key); errors.Is(err, blob.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if err := s.root.Remove(key); err != nil && !missing(err) {
		return failed("deleting", key, err)
	}
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		// It fails for a folder that still holds something, and that is right.
		if s.root.Remove(dir) != nil {
			break
		}
	}
	return nil
}

// gone says that the folder was removed or replaced while it was open, or what it
// lies on is not mounted any more: nobody would find what is written into it.
func (s *Store) gone() error {
	mine, err := s.root.Stat(".")
	if err == nil {
		var now fs.FileInfo
		if now, err = os.Stat(s.root.Name()); err == nil && os.SameFile(mine, now) {
			return nil
		}
	}
	if err == nil || missing(err) {
		return fmt.Errorf("%w: the folder %s was removed or replaced, start again", blob.ErrUnavailable, s.root.Name())
	}
	return err
}

// failed says what could not be done to which file; nothing there is
// blob.ErrNotFound, whichever way the system puts it.
func failed(doing, key string, err error) error {
	if missing(err) {
		return fmt.Errorf("%s %s: %w", doing, key, blob.ErrNotFound)
	}
	return fmt.Errorf("%s %s: %w", doing, key, err)
}

// missing reports whether err says that there is no such file, be it that a
// part of its path is itself a file.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// syncDir makes the names in a folder durable. Windows has no such thing: there
// a folder cannot be opened for it, and names are journalled.
func (s *Store) syncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := s.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
