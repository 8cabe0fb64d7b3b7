package export_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"hansard/internal/export"
)

// What does not fit the memory that all stashes share is kept in files, which
// nobody sees.
func TestStash(t *testing.T) {
	t.Parallel()
	s := &export.Service{Scratch: filepath.Join(t.TempDir(), "scratch")}
	rnd := rand.New(rand.NewPCG(1, 2))
	random := rand.NewChaCha8([32]byte{})
	stashes := []export.Stash{export.NewStash(s), export.NewStash(s), export.NewStash(s)}
	want := make([][]byte, len(stashes))
	for total := 0; total < export.MaxStashed*3/2; {
		i := rnd.IntN(2)
		b := make([]byte, rnd.IntN(3<<20))
		_, _ = random.Read(b)
		if n, err := stashes[i].Write(b); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
		want[i] = append(want[i], b...)
		total += len(b)
	}
	if export.Lent(s) != export.MaxStashed {
		t.Errorf("%d bytes are in memory", export.Lent(s))
	}
	for i, stash := range stashes {
		size := int64(len(want[i]))
		if got, err := io.ReadAll(io.NewSectionReader(stash, 0, size+1)); err != nil || !bytes.Equal(got, want[i]) {
			t.Errorf("stash %d: read %d bytes of %d, %v", i, len(got), size, err)
		}
		for range 100 {
			if size == 0 {
				break
			}
			off := rnd.Int64N(size)
			got := make([]byte, rnd.Int64N(size-off)+1)
			if _, err := stash.ReadAt(got, off); err != nil || !bytes.Equal(got, want[i][off:off+int64(len(got))]) {
				t.Errorf("stash %d: %d bytes at %d: %v", i, len(got), off, err)
			}
		}
		if n, err := stash.ReadAt(make([]byte, 2), size); n != 0 || err != io.EOF {
			t.Errorf("beyond the end there are %d bytes, %v", n, err)
		}
	}
	if left, err := os.ReadDir(s.Scratch); err != nil || len(left) > 0 {
		t.Errorf("files can be seen: %v, %v", left, err)
	}
	for _, stash := range stashes {
		stash.Release()
	}
	if export.Lent(s) != 0 {
		t.Errorf("%d bytes are still lent", export.Lent(s))
	}
	if export.Kept(s) != 0 {
		t.Errorf("%d bytes are kept", export.Kept(s))
	}
}

// While somebody is at work memory is used again, and then there is none.
func TestStashMemoryIsKept(t *testing.T) {
	t.Parallel()
	s := &export.Service{Scratch: t.TempDir()}
	one, other := export.Begin(s), export.Begin(s)
	for range 3 {
		stash := export.NewStash(s)
		if _, err := stash.Write(make([]byte, export.MaxStashed/2)); err != nil {
			t.Fatal(err)
		}
		stash.Release()
		if got := export.Kept(s); got != export.MaxStashed/2 {
			t.Fatalf("%d bytes are kept, want %d", got, export.MaxStashed/2)
		}
	}
	one()
	if export.Kept(s) == 0 {
		t.Error("memory is gone while somebody is at work")
	}
	last := export.NewStash(s)
	if _, err := last.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	other()
	if export.Kept(s) == 0 {
		t.Error("memory is gone while some of it is lent")
	}
	last.Release()
	if got := export.Kept(s); got != 0 {
		t.Errorf("%d bytes are kept for nobody", got)
	}
}
