package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// output is where a file is to go. It is opened before the work begins, so
// that a place that cannot be written to is known before a long wait.
type output struct {
	shown string    // as the user named it
	std   io.Writer // standard output, instead of a file
	real  string    // without symbolic links; empty if there is no name yet
	temp  *os.File  // beside real, until it is whole; nil if written straight
}

// openOutput looks at path: "-" is stdout, "" a file in the working directory
// whose name comes later. Close must be called.
func openOutput(path string, stdout io.Writer) (*output, error) {
	o := &output{shown: path}
	dir := "."
	switch path {
	case "-":
		o.std, o.shown = stdout, "standard output"
		return o, nil
	case "":
		o.shown = "the working directory"
	default:
		special, err := o.resolve(path)
		if err != nil || special {
			return o, err
		}
		dir = filepath.Dir(o.real)
	}
	var err error
	// The name is not made of path's: it may be as long as a name can be.
	o.temp, err = os.CreateTemp(dir, ".hansard-*")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("writing %s: its folder does not exist", o.shown)
	}
	return o, o.failed(err)
}

// maxLinks bounds how many symbolic links are followed.
const maxLinks = 40

// resolve follows symbolic links to where the file is or will be. special
// reports that something is there that is no regular file: a pipe or a device
// is written to, not replaced.
func (o *output) resolve(path string) (special bool, err error) {
	at := path
	for range maxLinks {
		info, err := os.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(at, string(filepath.Separator)):
			return false, fmt.Errorf("writing %s: that folder does not exist", path)
		case errors.Is(err, fs.ErrNotExist):
			o.real = at
			return false, nil
		case err != nil:
			return false, o.failed(err)
		case info.IsDir():
			return false, fmt.Errorf("%s is a folder", path)
		case info.Mode()&fs.ModeSocket != 0:
			return false, fmt.Errorf("%s is a socket: it cannot be opened as a file", path)
		case info.Mode()&fs.ModeSymlink == 0:
			o.real = at
			return !info.Mode().IsRegular(), nil
		}
		// What a link such as /dev/stdout leads to may have no name of its own.
		if info, err := os.Stat(at); err == nil && !info.Mode().IsRegular() && !info.IsDir() && info.Mode()&fs.ModeSocket == 0 {
			o.real = at
			return true, nil
		}
		to, err := os.Readlink(at)
		if err != nil {
			return false, o.failed(err)
		}
		if !filepath.IsAbs(to) {
			// Links on the way must go first: ".." is that of where they lead.
			dir, err := filepath.EvalSymlinks(filepath.Dir(at))
			if err != nil {
				return false, o.failed(err)
			}
			to = filepath.Join(dir, to)
		}
		at = to
	}
	return false, fmt.Errorf("writing %s: too many symbolic links", path)
}

// failed says of an error what the user named, and not what it led to.
func (o *output) failed(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	} else if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("writing %s: %w", o.shown, err)
}

// name gives a name to an output that had none.
func (o *output) name(name string) {
	if o.std == nil && o.real == "" {
		o.real, o.shown = name, name
	}
}

// save lets write fill the output. A regular file appears whole or not at all.
func (o *output) save(ctx context.Context, write func(io.Writer) error) error {
	if o.std != nil {
		return write(o.std)
	}
	f := o.temp
	if f == nil {
		var err error
		if f, err = openSpecial(ctx, o.real); err != nil {
			return o.failed(err)
		}
		defer func() { _ = f.Close() }()                         // a second time does no harm
		defer context.AfterFunc(ctx, func() { _ = f.Close() })() // a pipe may be full for ever
	}
	// Errors of the writer below are ours, others are write's own.
	to := &failing{w: f}
	w := bufio.NewWriterSize(to, 256<<10)
	err := write(w)
	if err == nil {
		err = w.Flush()
	}
	switch {
	case to.err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case to.err != nil:
		return o.failed(to.err)
	case err != nil:
		return err
	case o.temp == nil:
		return o.failed(f.Close())
	}
	if err := errors.Join(f.Chmod(0o640), f.Sync(), f.Close()); err != nil {
		return o.failed(err)
	}
	if err := os.Rename(f.Name(), o.real); err != nil {
		return o.failed(err)
	}
	o.temp = nil
	return nil
}

// Close removes what is not whole.
func (o *output) Close() error {
	if o == nil || o.temp == nil {
		return nil
	}
	_ = o.temp.Close() // a second time does no harm
	return o.failed(os.Remove(o.temp.Name()))
}

// openSpecial opens a pipe or a device. A pipe opens once somebody reads it,
// which may be never, so ctx ends the wait.
func openSpecial(ctx context.Context, path string) (*os.File, error) {
	type answer struct {
		f   *os.File
		err error
	}
	opened := make(chan answer)
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		select {
		case opened <- answer{f, err}:
		case <-ctx.Done():
			if err == nil {
				_ = f.Close()
			}
		}
	}()
	select {
	case a := <-opened:
		return a.f, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// failing remembers why it could not write.
type failing struct {
	w   io.Writer
	err error
}

func (f *failing) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		f.err = err
	}
	return n, err
}
