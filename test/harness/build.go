package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// binary is the program under test; Build sets it before any test runs.
var binary string

// Build compiles the program into a temporary folder, with the race detector
// if the tests have it, and returns what removes it. It is for TestMain.
func Build() (remove func(), err error) {
	dir, err := os.MkdirTemp("", "hansard-test-")
	if err != nil {
		return nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) } // a leftover in the system's temporary folder is no failure
	name := filepath.Join(dir, "hansard")
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if err := build(name); err != nil {
		remove()
		return nil, err
	}
	binary = name
	return remove, nil
}

func build(name string, flags ...string) error {
	args := append([]string{"build", "-o", name}, flags...)
	if Race {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "hansard/cmd/hansard")...).CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}
