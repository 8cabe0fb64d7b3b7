package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// skewVariable names the file where a process finds by how many seconds its clock is
// off.
const skewVariable = "HARNESS_CLOCK_FILE"

// skewSource goes into the package time of the program that SkewedWorker runs.
const skewSource = `package time

import (
	"sync/atomic"
	"syscall"
)

var skewed atomic.Int64

// skew is by how many seconds the clock is off.
func skew() int64 { return skewed.Load() }

func init() {
	file, ok := syscall.Getenv("` + skewVariable + `")
	if !ok {
		return
	}
	readSkew(file)
	go func() {
		for {
			Sleep(20 * Millisecond)
			readSkew(file)
		}
	}()
}

func readSkew(file string) {
	fd, err := syscall.Open(file, syscall.O_RDONLY, 0)
	if err != nil {
		return
	}
	var b [32]byte
	size, _ := syscall.Read(fd, b[:])
	syscall.Close(fd)
	sign, n := int64(1), int64(0)
	for _, c := range b[:max(size, 0)] {
		if c == '-' {
			sign = -1
		} else if '0' <= c && c <= '9' {
			n = 10*n + int64(c-'0')
		}
	}
	skewed.Store(sign * n)
}
`

// skewed builds the program with a package time whose Now is off: so it is for
// all libraries, too, and the program itself knows nothing of it. Everything
// must be compiled anew for this, once.
var skewed = sync.OnceValues(func() (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	std := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(std, "time.go"))
	if err != nil {
		return "", err
	}
	const reads = "sec, nsec, mono := runtimeNow()\n"
	if bytes.Count(source, []byte(reads)) != 1 {
		return "", fmt.Errorf("the function Now in %s is not what it used to be", std)
	}
	dir := filepath.Dir(binary) // goes with it
	files := map[string]string{}
	for name, content := range map[string][]byte{
		"time.go":          bytes.Replace(source, []byte(reads), []byte(reads+"\tsec += skew()\n"), 1),
		"skew_of_tests.go": []byte(skewSource),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return "", err
		}
		files[filepath.Join(std, name)] = path
	}
	overlay, err := json.Marshal(map[string]any{"Replace": files})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600)
	}
	if err != nil {
		return "", err
	}
	name := binary + "-skewed"
	return name, build(name, "-overlay", filepath.Join(dir, "overlay.json"))
})

// Skew is a clock that is off.
type Skew struct{ path string }

// NewSkew makes a clock that is right until it is set.
func NewSkew(t testing.TB) *Skew {
	t.Helper()
	s := &Skew{filepath.Join(t.TempDir(), "skew")}
	s.Set(t, 0)
	return s
}

// Set puts the clock ahead by that many seconds, or back.
func (s *Skew) Set(t testing.TB, seconds int) {
	t.Helper()
	whole := s.path + ".new"
	err := os.WriteFile(whole, fmt.Append(nil, seconds), 0o600)
	if err == nil {
		err = os.Rename(whole, s.path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Worker is StartWorker for a worker that goes by the clock.
func (s *Skew) Worker(t testing.TB, data string, args ...string) *Process {
	t.Helper()
	program, err := skewed()
	if err != nil {
		t.Fatal(err)
	}
	return run(t, program, []string{skewVariable + "=" + s.path},
		append([]string{"worker", "--data", data, "--log-level", "info"}, args...)...)
}
