package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"hansard/internal/blob"
)

// List implements blob.Store. It holds the names of one folder of each level in
// memory. A file that goes meanwhile is left out.
func (s *Store) List(ctx context.Context, prefix string, fn func(blob.Info) error) error {
	if err := s.list(ctx, ".", "", prefix, fn); err != nil {
		return fmt.Errorf("listing %q: %w", prefix, err)
	}
	return nil
}

// list walks one folder, whose keys begin with base.
func (s *Store) list(ctx context.Context, dir, base, prefix string, fn func(blob.Info) error) error {
	entries, err := s.readDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		key := base + e.name
		switch {
		case !e.IsDir():
			if !strings.HasPrefix(key, prefix) {
				continue
			}
			info, err := e.Info()
			if missing(err) || err == nil && !info.Mode().IsRegular() {
				continue
			}
			if err != nil {
				return err
			}
			if err := fn(blob.Info{Key: key, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
				return err
			}
		case strings.HasPrefix(key, prefix), strings.HasPrefix(prefix, key):
			if err := s.list(ctx, strings.TrimSuffix(key, "/"), key, prefix, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry is one name in a folder; that of a folder ends with a slash.
type entry struct {
	fs.DirEntry
	name string
}

// readDir lists what may be part of a key, in the order of keys, in which a
// folder's name counts with its slash: "a-b" comes before "a/c".
func (s *Store) readDir(dir string) ([]entry, error) {
	d, err := s.root.Open(dir)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names, err := d.ReadDir(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(names))
	for _, e := range names {
		name := e.Name()
		if !blob.ValidKey(name) {
			continue
		}
		if e.IsDir() {
			name += "/"
		}
		entries = append(entries, entry{e, name})
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return entries, nil
}

// Sweep implements blob.Store. The writers of this process are left alone; of
// those of others one counts as dead when it has written nothing for olderThan.
func (s *Store) Sweep(ctx context.Context, olderThan time.Duration) error {
	d, err := s.root.Open(tmpDir)
	if missing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweeping the file store: %w", err)
	}
	defer func() { _ = d.Close() }()
	names, err := d.ReadDir(-1)
	if err != nil {
		return fmt.Errorf("sweeping the file store: %w", err)
	}
	before := s.clock.Now().Add(-olderThan)
	for _, e := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, live := s.live.Load(e.Name()); live || e.IsDir() {
			continue
		}
		info, err := e.Info()
		if missing(err) || err == nil && info.ModTime().After(before) {
			continue
		}
		if err == nil {
			err = s.root.Remove(path.Join(tmpDir, e.Name()))
		}
		if err != nil && !missing(err) {
			return fmt.Errorf("sweeping the file store: %w", err)
		}
	}
	return nil
}
