package s3test

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the child killed when this process dies, however it does.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
