package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"hansard/internal/blob"
)

const key = "exports/channels/app/task.jsonl"

func committed(t *testing.T, s blob.Store) {
	put(t, s, key, "hello\n")
	if got := get(t, s, key); got != "hello\n" {
		t.Errorf("got %q", got)
	}
	info, err := s.Stat(t.Context(), key)
	if err != nil || info.Key != key || info.Size != 6 || info.ModTime.IsZero() {
		t.Errorf("Stat = %+v, %v", info, err)
	}
	wantKeys(t, s, "", key)
}

func notBeforeCommit(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Abort() }()
	if _, err := w.Write(make([]byte, 3<<20)); err != nil {
		t.Fatal(err)
	}
	wantMissing(t, s, key)
	wantKeys(t, s, "")
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, s, "", key)
}

func abort(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 3<<20)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Abort(); err != nil {
			t.Errorf("Abort: %v", err)
		}
	}
	wantMissing(t, s, key)
	wantKeys(t, s, "")
}

func endsOnce(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("Abort after Commit: %v", err)
	}
	if err := w.Commit(); err == nil {
		t.Error("a second Commit succeeded")
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("Write after Commit succeeded")
	}
	if got := get(t, s, key); got != "" {
		t.Errorf("the file is %q", got)
	}

	w, err = s.Create(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err == nil {
		t.Error("Commit after Abort succeeded")
	}
	wantMissing(t, s, "other")
}

func emptyFile(t *testing.T, s blob.Store) {
	put(t, s, key, "")
	if got := get(t, s, key); got != "" {
		t.Errorf("got %q", got)
	}
}

func replace(t *testing.T, s blob.Store) {
	put(t, s, key, "the old one, and longer")
	w, err := s.Create(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Abort() }()
	if _, err := io.WriteString(w, "the new one"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, key); got != "the old one, and longer" {
		t.Errorf("before Commit: %q", got)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, key); got != "the new one" {
		t.Errorf("after Commit: %q", got)
	}
	wantKeys(t, s, "", key)

	w, err = s.Create(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, key); got != "the new one" {
		t.Errorf("after another's Abort: %q", got)
	}
}

func readersKeep(t *testing.T, s blob.Store) {
	old := strings.Repeat("old ", 1<<18)
	put(t, s, key, old)
	r, _, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	head := make([]byte, 1000)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	put(t, s, key, strings.Repeat("new ", 1<<18))
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("reading on: %v", err)
	}
	if string(head)+string(rest) != old {
		t.Error("the reader got some of the new file")
	}
}

func pieces(t *testing.T, s blob.Store) {
	random := rand.New(rand.NewPCG(1, 2))
	for i, size := range []int{1, 4095, 1 << 20, 1<<20 + 1, 10<<20 + 12345} {
		content := make([]byte, size)
		for j := range content {
			content[j] = byte(random.Uint32())
		}
		k := fmt.Sprintf("large/%d.bin", i)
		w, err := s.Create(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		for left := content; len(left) > 0; {
			n := min(len(left), 1+random.IntN(2<<20))
			if wrote, err := w.Write(left[:n]); err != nil || wrote != n {
				t.Fatalf("Write = %d, %v, want %d", wrote, err, n)
			}
			left = left[n:]
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal([]byte(get(t, s, k)), content) {
			t.Errorf("%d bytes came back as others", size)
		}
	}
}

func endedContext(t *testing.T, s blob.Store) {
	put(t, s, key, "x")
	ctx := ended(t)
	_, errCreate := s.Create(ctx, key)
	_, _, errOpen := s.Open(ctx, key)
	_, errStat := s.Stat(ctx, key)
	for name, err := range map[string]error{
		"Create": errCreate, "Open": errOpen, "Stat": errStat,
		"Delete": s.Delete(ctx, key),
		"List":   s.List(ctx, "", func(blob.Info) error { return nil }),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	if got := get(t, s, key); got != "x" {
		t.Errorf("the file is now %q", got)
	}
}

func endBeforeCommit(t *testing.T, s blob.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w, err := s.Create(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "x"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Commit(); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit: %v, want context.Canceled", err)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("Abort: %v", err)
	}
	wantMissing(t, s, key)
	wantKeys(t, s, "")
}

func concurrentKeys(t *testing.T, s blob.Store) {
	var wg sync.WaitGroup
	var want []string
	for i := range 16 {
		k := fmt.Sprintf("many/%02d/file", i)
		want = append(want, k)
		wg.Go(func() {
			if err := write(t.Context(), s, k, k); err != nil {
				t.Errorf("%s: %v", k, err)
			}
		})
	}
	wg.Wait()
	wantKeys(t, s, "many/", want...)
	for _, k := range want {
		if got := get(t, s, k); got != k {
			t.Errorf("%s holds %q", k, got)
		}
	}
}

// concurrentKey has readers look at a key that writers fight over: whatever
// they see is whole.
func concurrentKey(t *testing.T, s blob.Store) {
	content := func(i int) string { return strings.Repeat(string(rune('a'+i)), 100_000+i) }
	put(t, s, key, content(0))
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for i := range 4 {
		writers.Go(func() {
			for range 5 {
				if err := write(t.Context(), s, key, content(i)); err != nil {
					t.Errorf("writing: %v", err)
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got, err := read(t.Context(), s, key)
				if err != nil {
					t.Errorf("reading: %v", err)
					return
				}
				if len(got) < 100_000 || got != content(int(got[0]-'a')) {
					t.Errorf("saw a file of %d bytes that nobody wrote", len(got))
					return
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	wantKeys(t, s, "", key)
}

// createDelete has one writer make files in a folder that another keeps
// emptying: where folders are real, they come and go.
func createDelete(t *testing.T, s blob.Store) {
	var wg sync.WaitGroup
	for _, k := range []string{"a/b/c/one", "a/b/c/two", "a/b/three"} {
		wg.Go(func() {
			for range 50 {
				if err := write(t.Context(), s, k, k); err != nil {
					t.Errorf("writing %s: %v", k, err)
				}
				if got, err := read(t.Context(), s, k); err != nil || got != k {
					t.Errorf("reading %s: %q, %v", k, got, err)
				}
				if err := s.Delete(t.Context(), k); err != nil {
					t.Errorf("deleting %s: %v", k, err)
				}
			}
		})
	}
	wg.Wait()
	wantKeys(t, s, "")
}

func write(ctx context.Context, s blob.Store, k, content string) error {
	w, err := s.Create(ctx, k)
	if err != nil {
		return err
	}
	defer func() { _ = w.Abort() }()
	if _, err := io.WriteString(w, content); err != nil {
		return err
	}
	return w.Commit()
}

func read(ctx context.Context, s blob.Store, k string) (string, error) {
	r, _, err := s.Open(ctx, k)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

func createNew(t *testing.T, s blob.Store) {
	if _, ok := s.(blob.NewCreator); !ok {
		t.Skip("this store does not promise it")
	}
	for i, want := range []error{nil, blob.ErrExists} {
		w, err := blob.CreateNew(t.Context(), s, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(w, "number %d", i); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); !errors.Is(err, want) {
			t.Errorf("Commit %d: %v, want %v", i, err, want)
		}
		if err := w.Abort(); err != nil {
			t.Errorf("Abort: %v", err)
		}
	}
	if got := get(t, s, key); got != "number 0" {
		t.Errorf("the file is now %q", got)
	}
	wantKeys(t, s, "", key)
	put(t, s, key, "replaced")
	if err := s.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	w, err := blob.CreateNew(t.Context(), s, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Errorf("Commit where there is no file any more: %v", err)
	}
}

// concurrentNew has many writers make the same new file: one of them succeeds,
// and it is that one's.
func concurrentNew(t *testing.T, s blob.Store) {
	if _, ok := s.(blob.NewCreator); !ok {
		t.Skip("this store does not promise it")
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var made []string
	for i := range 8 {
		wg.Go(func() {
			content := fmt.Sprintf("writer %d", i)
			w, err := blob.CreateNew(t.Context(), s, key)
			if err == nil {
				defer func() { _ = w.Abort() }()
				_, err = io.WriteString(w, content)
			}
			if err == nil {
				err = w.Commit()
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made = append(made, content)
			} else if !errors.Is(err, blob.ErrExists) {
				t.Errorf("%s: %v", content, err)
			}
		})
	}
	wg.Wait()
	if len(made) != 1 || get(t, s, key) != made[0] {
		t.Errorf("%q say that the file is theirs; it is %q", made, get(t, s, key))
	}
}
