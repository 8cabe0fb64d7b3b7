package s3test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// buildTimeout is for a cold cache on a small machine: it downloads and
// compiles some two hundred packages.
const buildTimeout = 8 * time.Minute

// binary is the path of the server's program.
var binary = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	mod, err := run(ctx, "", "go", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	root := filepath.Dir(mod)
	modfile := filepath.Join(root, "tools", "go.mod")
	if _, err := os.Stat(modfile); err != nil {
		return "", fmt.Errorf("versitygw is pinned in tools/go.mod: %w", err)
	}
	// Go's cache does not keep two processes from compiling the same at the
	// same time, which takes twice as long. Any file that Go itself does not
	// lock will do.
	lock := flock.New(filepath.Join(root, "internal", "s3test", "doc.go"), flock.SetFlag(os.O_RDONLY))
	if ok, err := lock.TryLockContext(ctx, 100*time.Millisecond); err == nil && ok {
		defer func() { _ = lock.Close() }()
	}
	// With -n the tool is compiled and its command line printed.
	path, err := run(ctx, root, "go", "tool", "-modfile="+modfile, "-n", "versitygw")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("go tool names no file: %w", err)
	}
	return path, nil
})

// run runs a command and returns what it prints. The environment is that of a
// plain build for this machine, whatever the tests are built for: so there is
// one build in the cache.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	for _, kv := range os.Environ() {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "GOOS", "GOARCH", "CGO_ENABLED":
		default:
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), errors.Join(err, tail(stderr.Bytes())))
	}
	return strings.TrimSpace(string(out)), nil
}

// tail is the end of some output, as an error.
func tail(out []byte) error {
	const most = 2000
	if out = bytes.TrimSpace(out); len(out) == 0 {
		return nil
	}
	return errors.New(string(out[max(0, len(out)-most):]))
}
