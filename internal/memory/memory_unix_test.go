//go:build unix

package memory_test

import (
	"runtime"
	"testing"

	"hansard/internal/memory"
)

func TestOutsideOfTheHeap(t *testing.T) {
	t.Parallel()
	const size = 256 << 20 // much more than the tests beside it use
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b, free := memory.New(size)
	defer free()
	b[0] = 'x'
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > size/2 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}
