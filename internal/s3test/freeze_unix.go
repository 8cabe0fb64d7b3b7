//go:build unix

package s3test

import (
	"os"
	"syscall"
)

var freeze, thaw os.Signal = syscall.SIGSTOP, syscall.SIGCONT
