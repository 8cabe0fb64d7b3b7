package blobtest

import (
	"context"
	"errors"
	"io"
	"testing"

	"hansard/internal/blob"

	"github.com/google/go-cmp/cmp"
)

// Run runs the suite. open returns an empty store that is not shared with any
// other test and whose end the test's cleanup sees to.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	tests := map[string]func(*testing.T, blob.Store){
		"what is committed is there":          committed,
		"nothing is there before Commit":      notBeforeCommit,
		"Abort leaves nothing":                abort,
		"a writer ends once":                  endsOnce,
		"an empty file is a file":             emptyFile,
		"a file replaces another":             replace,
		"readers keep what they opened":       readersKeep,
		"many sizes and pieces":               pieces,
		"seeking and reading at":              seeking,
		"the list is in order":                listOrder,
		"the list knows prefixes":             listPrefix,
		"the list stops at an error":          listStops,
		"the list is empty":                   listEmpty,
		"deleting twice is no error":          deleteTwice,
		"names that share a beginning":        neighbours,
		"missing files are not found":         notFound,
		"bad keys are refused everywhere":     badKeys,
		"a context that has ended":            endedContext,
		"an end of context before Commit":     endBeforeCommit,
		"writers of different keys":           concurrentKeys,
		"writers of one key":                  concurrentKey,
		"writing and deleting in one folder":  createDelete,
		"Sweep spares files and live writers": sweep,
		"signed URLs":                         signed,
		"a new file replaces none":            createNew,
		"one of many new files":               concurrentNew,
		"many parts":                          multipart,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// put stores content under key.
func put(t *testing.T, s blob.Store, key, content string) {
	t.Helper()
	w, err := s.Create(t.Context(), key)
	if err != nil {
		t.Fatalf("Create(%s): %v", key, err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatalf("writing %s: %v", key, err)
	}
	if err := w.Commit(); err != nil {
		t.Fatalf("Commit(%s): %v", key, err)
	}
}

// get reads all of key.
func get(t *testing.T, s blob.Store, key string) string {
	t.Helper()
	r, info, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("Open(%s): %v", key, err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("reading %s: %v", key, err)
	}
	if info.Key != key || info.Size != int64(len(b)) || info.ModTime.IsZero() {
		t.Errorf("Open(%s) said %+v of %d bytes", key, info, len(b))
	}
	return string(b)
}

func wantKeys(t *testing.T, s blob.Store, prefix string, want ...string) {
	t.Helper()
	var got []string
	err := s.List(t.Context(), prefix, func(i blob.Info) error {
		got = append(got, i.Key)
		return nil
	})
	if err != nil {
		t.Fatalf("List(%q): %v", prefix, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List(%q) (-want +got):\n%s", prefix, diff)
	}
}

func wantMissing(t *testing.T, s blob.Store, key string) {
	t.Helper()
	if _, err := s.Stat(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Stat(%s): %v, want ErrNotFound", key, err)
	}
	if r, _, err := s.Open(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open(%s): %v, want ErrNotFound", key, err)
		if err == nil {
			_ = r.Close()
		}
	}
}

// ended is a context that is over.
func ended(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
