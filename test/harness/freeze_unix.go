//go:build unix

package harness

import (
	"os"
	"syscall"
)

var freeze, thaw os.Signal = syscall.SIGSTOP, syscall.SIGCONT
