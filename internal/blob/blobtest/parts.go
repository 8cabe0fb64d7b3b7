package blobtest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"hansard/internal/blob"
)

// multipart goes through the life of a file that is written in parts.
func multipart(t *testing.T, s blob.Store) {
	m, ok := s.(blob.Multipart)
	if !ok {
		t.Skip("this store has no parts")
	}
	ctx := t.Context()
	name, err := m.Begin(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	part := func(number int, content string) blob.Part {
		t.Helper()
		p, err := m.PutPart(ctx, key, name, number, strings.NewReader(content), int64(len(content)))
		if err != nil || p.Number != number || p.Size != int64(len(content)) || p.ETag == "" {
			t.Fatalf("part %d: %+v, %v", number, p, err)
		}
		return p
	}
	// Out of order, one twice, one number left out.
	fill := func(c string, more int) string { return strings.Repeat(c, blob.MinPart+more) }
	last := part(9, "the end")
	second := part(2, fill("b", 0))
	part(1, fill("x", 1))
	first := part(1, fill("a", 3))
	wantMissing(t, s, key)
	wantKeys(t, s, "")
	if err := s.Sweep(ctx, time.Hour); err != nil { // spares what is new
		t.Fatal(err)
	}
	want := fill("a", 3) + fill("b", 0) + "the end"
	for range 2 { // the second time as if the first one's answer had been lost
		if err := m.Complete(ctx, key, name, []blob.Part{first, second, last}); err != nil {
			t.Fatalf("Complete: %v", err)
		}
		if get(t, s, key) != want {
			t.Error("the file is not what was put")
		}
	}
	if err := m.AbortUpload(ctx, key, name); err != nil {
		t.Errorf("AbortUpload after Complete: %v", err)
	}
	wantKeys(t, s, "", key)

	// Another file under the key, given up; and one swept.
	for _, end := range []func(name string) error{
		func(name string) error { return m.AbortUpload(ctx, key, name) },
		func(string) error { return s.Sweep(ctx, 0) },
	} {
		if name, err = m.Begin(ctx, key); err != nil {
			t.Fatal(err)
		}
		p := part(1, fill("c", 0))
		// Times may count in seconds.
		deadline := time.Now().Add(10 * time.Second)
		for gone := false; !gone; {
			if time.Now().After(deadline) {
				t.Fatal("parts that were removed can still be completed")
			}
			if err := end(name); err != nil {
				t.Fatal(err)
			}
			_, err := m.PutPart(ctx, key, name, 2, bytes.NewReader(nil), 0)
			gone = err != nil
		}
		if err := m.Complete(ctx, key, name, []blob.Part{p}); err == nil {
			t.Error("a file was completed of parts that were removed")
		}
		if err := m.AbortUpload(ctx, key, name); err != nil {
			t.Errorf("AbortUpload twice: %v", err)
		}
		if get(t, s, key) != want {
			t.Error("the file has changed")
		}
	}

	if name, err = m.Begin(ctx, key); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"no parts":       m.Complete(ctx, key, name, nil),
		"wrong order":    m.Complete(ctx, key, name, []blob.Part{second, first}),
		"number 0":       putPart(m, t, name, 0, strings.NewReader("x"), 1),
		"number 10001":   putPart(m, t, name, blob.MaxParts+1, strings.NewReader("x"), 1),
		"a short body":   putPart(m, t, name, 1, strings.NewReader("x"), 2),
		"a failing body": putPart(m, t, name, 1, failing{}, 2),
		"another upload": putPart(m, t, "x.unknown", 1, strings.NewReader("x"), 1),
		"no upload":      putPart(m, t, "", 1, strings.NewReader("x"), 1),
	} {
		if err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if err := m.AbortUpload(ctx, key, name); err != nil {
		t.Error(err)
	}
}

func putPart(m blob.Multipart, t *testing.T, name string, number int, body io.ReadSeeker, size int64) error {
	t.Helper()
	_, err := m.PutPart(t.Context(), key, name, number, body, size)
	return err
}

type failing struct{}

func (failing) Read([]byte) (int, error)       { return 0, errors.New("a broken disk") }
func (failing) Seek(int64, int) (int64, error) { return 0, nil }
