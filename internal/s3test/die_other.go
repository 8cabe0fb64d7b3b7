//go:build !linux

package s3test

import "os/exec"

// dieWithParent is what this system does not have.
func dieWithParent(*exec.Cmd) {}
