package sqlite_test

import (
	"testing"

	"hansard/internal/store/sqlite"
	"hansard/internal/store/storetest"
)

func BenchmarkMessages(b *testing.B) {
	s, err := sqlite.Open(b.Context(), b.TempDir(), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	storetest.BenchmarkMessages(b, s)
}
