package disk_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hansard/internal/auth"
	"hansard/internal/blob"
	"hansard/internal/blob/blobtest"
	"hansard/internal/blob/disk"
	"hansard/internal/clock/clocktest"
)

func options(t *testing.T) disk.Options {
	t.Helper()
	signer, err := auth.NewURLSigner(bytes.Repeat([]byte{7}, auth.URLKeySize))
	if err != nil {
		t.Fatal(err)
	}
	return disk.Options{Signer: signer, PublicURL: func() string { return "http://hansard.test/base/" }}
}

func open(t *testing.T, dir string, o disk.Options) *disk.Store {
	t.Helper()
	s, err := disk.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func put(t *testing.T, s *disk.Store, key, content string) {
	t.Helper()
	w, err := s.Create(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

// files are all the files under dir, temporary ones too.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestConformance(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Store {
		t.Helper()
		dir := t.TempDir()
		s := open(t, filepath.Join(dir, "data", "files"), options(t))
		t.Cleanup(func() {
			// Every test ends its writers, so nothing half-written may be left.
			if left := files(t, filepath.Join(dir, "data", "files", ".tmp")); len(left) > 0 {
				t.Errorf("temporary files are left: %v", left)
			}
		})
		return s
	})
}

func TestFilesAreNobodyElsesBusiness(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "files")
	put(t, open(t, dir, options(t)), "a/b", "secret")
	for _, name := range []string{".", "a", "a/b", ".tmp"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
	}
}

func TestSymbolicLinksDoNotLeadOut(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "out")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, options(t))
	for _, key := range []string{"out/secret", "link"} {
		if r, _, err := s.Open(t.Context(), key); err == nil {
			_ = r.Close()
			t.Errorf("%s was opened", key)
		}
		if _, err := s.Stat(t.Context(), key); err == nil {
			t.Errorf("%s was found", key)
		}
	}
	if w, err := s.Create(t.Context(), "out/new"); err == nil {
		if err := w.Commit(); err == nil {
			t.Error("a file was written outside")
		}
	}
	if err := s.Delete(t.Context(), "out/secret"); err == nil {
		t.Error("a file outside was deleted")
	}
	err := s.List(t.Context(), "", func(i blob.Info) error {
		t.Errorf("the list has %s", i.Key)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got := files(t, outside); len(got) != 1 {
		t.Errorf("outside there is now %v", got)
	}
	if left := files(t, filepath.Join(dir, ".tmp")); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

func TestSweepTakesWhatDeadWritersLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(t)
	now := time.Now()
	fake := clocktest.New(now)
	o.Clock = fake
	mine, other := open(t, dir, o), open(t, dir, o)
	w, err := mine.Create(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Abort() }()
	if _, err := io.WriteString(w, "hello"); err != nil {
		t.Fatal(err)
	}
	sweep := func(left int) {
		t.Helper()
		if err := other.Sweep(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := files(t, filepath.Join(dir, ".tmp")); len(got) != left {
			t.Fatalf("%d temporary files are left, want %d", len(got), left)
		}
	}
	fake.Advance(30 * time.Minute)
	sweep(1)
	fake.Advance(31 * time.Minute)
	sweep(0)
	// The writer was only slow; it must notice.
	if err := w.Commit(); err == nil {
		t.Error("Commit of a file that was swept succeeded")
	}
	if _, err := mine.Stat(t.Context(), "a"); err == nil {
		t.Error("the file is there")
	}
}

func TestWritingGoesOnWithoutTheTemporaryFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, options(t))
	if err := os.RemoveAll(filepath.Join(dir, ".tmp")); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context(), 0); err != nil {
		t.Errorf("Sweep: %v", err)
	}
	put(t, s, "a/b", "hello")
}

// A folder that was taken away must be told from one without the file: readyz asks
// for one that is never there.
func TestTheFolderIsGone(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(dir string) error{
		"removed":            func(string) error { return nil },
		"replaced":           func(dir string) error { return os.Mkdir(dir, 0o700) },
		"replaced by a file": func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
	} {
		dir := filepath.Join(t.TempDir(), "files")
		s := open(t, dir, options(t))
		if _, err := s.Stat(t.Context(), "a/b"); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%s: before, got %v", name, err)
		}
		if err := errors.Join(os.RemoveAll(dir), then(dir)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Stat(t.Context(), "a/b"); !errors.Is(err, blob.ErrUnavailable) || errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%s: Stat: got %v", name, err)
		}
		if _, err := s.Create(t.Context(), "a/b"); !errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("%s: Create: got %v", name, err)
		}
	}
}

func TestDeleteLeavesNoEmptyFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, options(t))
	put(t, s, "imports/app/uuid/file", "x")
	put(t, s, "imports/other", "x")
	if err := s.Delete(t.Context(), "imports/app/uuid/file"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "imports", "app")); !os.IsNotExist(err) {
		t.Errorf("imports/app: %v, want it gone", err)
	}
	if _, err := s.Stat(t.Context(), "imports/other"); err != nil {
		t.Error(err)
	}
}

func TestOpenNeedsAFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := disk.Open(file, options(t)); err == nil {
		_ = s.Close()
		t.Error("a file was opened as a folder")
	}
}

func TestSigningNeedsASigner(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), disk.Options{})
	if u, err := s.SignGet(t.Context(), "a", time.Hour); err == nil {
		t.Errorf("SignGet without a signer: %s", u)
	}
	if err := s.Verify("GET", "a", nil); err == nil {
		t.Error("Verify without a signer lets everyone in")
	}
}

// Check says what Open would, and makes nothing.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		dir:                               true,
		filepath.Join(dir, "new"):         true,
		filepath.Join(dir, "new", "deep"): true,
		file:                              false,
		filepath.Join(file, "below"):      false,
	} {
		if err := disk.Check(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
