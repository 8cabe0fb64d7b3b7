package memory_test

import (
	"bytes"
	"testing"

	"hansard/internal/memory"
)

func TestNew(t *testing.T) {
	t.Parallel()
	const size = 3<<20 + 5
	for range 3 {
		b, free := memory.New(size)
		if len(b) != size || !bytes.Equal(b, make([]byte, size)) {
			t.Errorf("%d bytes, or not zeroes", len(b))
		}
		for i := range b {
			b[i] = 'x'
		}
		free()
	}
}
