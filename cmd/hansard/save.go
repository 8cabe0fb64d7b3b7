package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hansard/client"
)

// saveFile downloads the file of an export to path.
func saveFile(ctx context.Context, c *client.Client, r *client.Result, path string) error {
	return save(path, func(w io.Writer) error { return c.Download(ctx, r, w, nil) })
}

// saveManifest downloads the manifest of an export to path.
func saveManifest(ctx context.Context, c *client.Client, r *client.Result, path string) error {
	return save(path, func(w io.Writer) error {
		b, err := c.Manifest(ctx, r)
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	})
}

// save writes a temporary file beside path and renames it once it is whole.
// What is at path is never half of a file.
func save(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("making the file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close() // a second time does no harm
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriterSize(f, 256<<10)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the file: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing the file: %w", err)
	}
	if err := f.Chmod(0o640); err != nil {
		return fmt.Errorf("writing the file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing the file: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("writing the file: %w", err)
	}
	return nil
}

// fields lists what a refusal says about single fields, unless its message
// says it already.
func fields(e *client.Error) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		if !strings.Contains(e.Message, name) {
			fmt.Fprintf(&b, "; %s %s", name, e.Fields[name])
		}
	}
	return b.String()
}
