package disk

import (
	"os"
	"syscall"
)

// startWriteback asks the kernel to begin writing a part of the file now. If
// it will not, the sync at the end does all of it.
func startWriteback(f *os.File, offset, n int64) {
	const syncFileRangeWrite = 2
	_ = syscall.SyncFileRange(int(f.Fd()), offset, n, syncFileRangeWrite)
}
