package importer_test

import (
	"errors"
	"testing"

	"hansard/internal/importer"
)

// Whatever the file, the import ends: with success, or with problems that have
// places.
func FuzzImport(f *testing.F) {
	f.Add([]byte(chatFile))
	f.Add([]byte(world))
	f.Add([]byte(`[{"channel":{"cid":"team:c"},"messages":[{"id":"m","user":{"id":"u","created_at":"2024-01-01T00:00:00Z"}}],"members":[{"user_id":"u"}],"read":[]}]`))
	f.Add([]byte(`[{"type":"user","item":{"id":"u"}}]`))
	f.Add([]byte("{\"type\":\"user\",\"data\":{\"id\":\"\xff\"}}"))
	p := newPlace(f)
	p.MaxEntity = 1 << 16
	f.Fuzz(func(t *testing.T, file []byte) {
		_, err := p.importFile(t.Context(), string(file), importer.FileOptions{})
		if err == nil {
			return
		}
		var bad *importer.FileError
		if !errors.As(err, &bad) || bad.Failure.Type != importer.InvalidImport || len(bad.Problems) == 0 {
			t.Fatalf("the import ended with %v", err)
		}
		for _, problem := range bad.Problems {
			if problem.Line < 1 || problem.Column < 1 || problem.Reason == "" {
				t.Fatalf("a problem without a place: %+v", problem)
			}
		}
	})
}
