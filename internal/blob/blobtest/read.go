package blobtest

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"hansard/internal/blob"
)

func seeking(t *testing.T, s blob.Store) {
	put(t, s, key, "0123456789")
	r, _, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	b := make([]byte, 3)
	if _, err := r.ReadAt(b, 4); err != nil || string(b) != "456" {
		t.Errorf("ReadAt = %q, %v", b, err)
	}
	if n, err := r.ReadAt(b, 8); err != io.EOF || string(b[:n]) != "89" {
		t.Errorf("ReadAt at the end = %q, %v, want io.EOF", b[:n], err)
	}
	if at, err := r.Seek(-2, io.SeekEnd); err != nil || at != 8 {
		t.Errorf("Seek = %d, %v", at, err)
	}
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "89" {
		t.Errorf("after Seek: %q, %v", rest, err)
	}
}

func listOrder(t *testing.T, s blob.Store) {
	keys := []string{"a/c", "a-b", "a.b", "a/b/z", "a/b.x", "ab", "B", "a/b-y", "a@b", "a_b", "z/1"}
	for _, k := range keys {
		put(t, s, k, k)
	}
	slices.Sort(keys)
	wantKeys(t, s, "", keys...)
	err := s.List(t.Context(), "", func(i blob.Info) error {
		if i.Size != int64(len(i.Key)) || i.ModTime.IsZero() {
			t.Errorf("List says %+v", i)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func listPrefix(t *testing.T, s blob.Store) {
	for _, k := range []string{"exports/a/1.json", "exports/a/1.json.gz", "exports/ab/2", "exports/b/3", "imports/a/4"} {
		put(t, s, k, k)
	}
	wantKeys(t, s, "exports/", "exports/a/1.json", "exports/a/1.json.gz", "exports/ab/2", "exports/b/3")
	wantKeys(t, s, "exports/a", "exports/a/1.json", "exports/a/1.json.gz", "exports/ab/2")
	wantKeys(t, s, "exports/a/", "exports/a/1.json", "exports/a/1.json.gz")
	wantKeys(t, s, "exports/a/1.json", "exports/a/1.json", "exports/a/1.json.gz")
	wantKeys(t, s, "imports", "imports/a/4")
	wantKeys(t, s, "exports/c")
	wantKeys(t, s, "exports/a/1.json/")
	wantKeys(t, s, "../")
}

func listStops(t *testing.T, s blob.Store) {
	put(t, s, "a/1", "")
	put(t, s, "a/2", "")
	enough := errors.New("enough")
	n := 0
	err := s.List(t.Context(), "", func(blob.Info) error { n++; return enough })
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("List called %d times and returned %v", n, err)
	}
}

func listEmpty(t *testing.T, s blob.Store) {
	wantKeys(t, s, "")
	wantKeys(t, s, "exports/")
}

func deleteTwice(t *testing.T, s blob.Store) {
	put(t, s, key, "x")
	for range 2 {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	wantMissing(t, s, key)
	wantKeys(t, s, "")
	put(t, s, key, "again")
	if got := get(t, s, key); got != "again" {
		t.Errorf("written again: %q", got)
	}
}

func neighbours(t *testing.T, s blob.Store) {
	put(t, s, "a/b/c", "1")
	put(t, s, "a/bc", "2")
	for _, k := range []string{"a/b", "a", "a/b/c/d", "a/bc/d"} {
		wantMissing(t, s, k)
		if err := s.Delete(t.Context(), k); err != nil {
			t.Errorf("Delete(%s): %v", k, err)
		}
	}
	if err := s.Delete(t.Context(), "a/b/c"); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, s, "", "a/bc")
}

func notFound(t *testing.T, s blob.Store) {
	wantMissing(t, s, key)
	wantMissing(t, s, "exports")
}

func badKeys(t *testing.T, s blob.Store) {
	for _, k := range []string{
		"", "/", "/etc/passwd", "a//b", "a/", "../x", "a/../b", "./a", "a/.", ".tmp/x", "a/.hidden",
		`a\b`, "a b", "a%2fb", "a\x00b", "ä", "a:b", strings.Repeat("n", 256), strings.Repeat("n/", 512) + "n",
	} {
		_, errCreate := s.Create(t.Context(), k)
		_, _, errOpen := s.Open(t.Context(), k)
		_, errStat := s.Stat(t.Context(), k)
		_, errGet := s.SignGet(t.Context(), k, time.Hour)
		_, errPut := s.SignPut(t.Context(), k, time.Hour)
		for name, err := range map[string]error{
			"Create": errCreate, "Open": errOpen, "Stat": errStat, "SignGet": errGet, "SignPut": errPut,
			"Delete": s.Delete(t.Context(), k),
		} {
			if !errors.Is(err, blob.ErrBadKey) {
				t.Errorf("%s(%q): %v, want ErrBadKey", name, k, err)
			}
		}
	}
	wantKeys(t, s, "")
}

func sweep(t *testing.T, s blob.Store) {
	put(t, s, key, "kept")
	w, err := s.Create(t.Context(), "later")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Abort() }()
	if _, err := w.Write(make([]byte, 3<<20)); err != nil {
		t.Fatal(err)
	}
	for _, age := range []time.Duration{time.Hour, 0} {
		if err := s.Sweep(t.Context(), age); err != nil {
			t.Fatalf("Sweep(%s): %v", age, err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Errorf("Commit after Sweep: %v", err)
	}
	wantKeys(t, s, "", key, "later")
	if got := get(t, s, key); got != "kept" {
		t.Errorf("the file is now %q", got)
	}
}

func signed(t *testing.T, s blob.Store) {
	read, err := s.SignGet(t.Context(), key, time.Hour)
	if err != nil || !strings.Contains(read, key) {
		t.Errorf("SignGet = %q, %v", read, err)
	}
	write, err := s.SignPut(t.Context(), key, time.Hour)
	if err != nil || !strings.Contains(write, key) {
		t.Errorf("SignPut = %q, %v", write, err)
	}
	if read == write {
		t.Error("one URL is for both reading and writing")
	}
}
