package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// SmallDisk gives a folder that is a disk of its own, with room for that many
// bytes. Where none can be made the test is skipped, and fails if CI=true.
func SmallDisk(t testing.TB, size int64) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0700", size), "tmpfs", dir).CombinedOutput()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no small disk, which needs Linux and the right to mount: %v: %s", err, out)
		}
		_, _ = fmt.Fprintf(os.Stderr, "harness: %s IS SKIPPED: no small disk, which needs Linux and the right to mount: %v\n", t.Name(), err)
		t.Skipf("no small disk: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// Ballast is a file that takes up the room of a disk.
type Ballast struct{ path string }

// Fill fills the disk of a folder until no more than spare bytes are left, about.
func Fill(t testing.TB, dir string, spare int64) *Ballast {
	t.Helper()
	b := &Ballast{filepath.Join(dir, "ballast")}
	f, err := os.OpenFile(b.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for block := make([]byte, 64<<10); len(block) > 0; {
		n, err := f.Write(block)
		if err != nil || n < len(block) {
			block = block[:len(block)/2] // until not a byte has room
		}
	}
	info, err := f.Stat()
	if err == nil {
		err = f.Truncate(max(info.Size()-spare, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Shrink makes room for that many bytes.
func (b *Ballast) Shrink(t testing.TB, by int64) {
	t.Helper()
	info, err := os.Stat(b.path)
	if err == nil {
		err = os.Truncate(b.path, max(info.Size()-by, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Drop makes room again.
func (b *Ballast) Drop(t testing.TB) {
	t.Helper()
	if err := os.Remove(b.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}
