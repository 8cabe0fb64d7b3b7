package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// binary builds the program once for all tests that need a process.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hansard-test-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	path := filepath.Join(dir, "hansard")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return path, nil
})

var binaryDir string

func TestMain(m *testing.M) {
	// The tests must not see the settings of whoever runs them.
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "HANSARD_") && !strings.HasPrefix(name, "HANSARD_TEST_") {
			_ = os.Unsetenv(name)
		}
	}
	code := m.Run()
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir)
	}
	os.Exit(code)
}

// result is how a command ended.
type result struct {
	code        int
	out, errOut string
}

// run runs the program in this process, with stdin as its input.
func run(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	m := &Main{Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errOut}
	code := m.Run(t.Context(), args)
	return result{code, out.String(), errOut.String()}
}

// ok runs a command that must succeed and returns its output.
func ok(t *testing.T, args ...string) string {
	t.Helper()
	r := run(t, "", args...)
	if r.code != exitOK {
		t.Fatalf("hansard %s: exit %d\n%s", strings.Join(args, " "), r.code, r.errOut)
	}
	return r.out
}

// background is a command that runs until it is stopped.
type background struct {
	t      *testing.T
	stop   context.CancelFunc
	code   chan int
	mu     sync.Mutex
	errOut bytes.Buffer
	lines  chan string
}

// start runs a command in this process and hands out the lines of its output.
func start(t *testing.T, args ...string) *background {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	b := &background{t: t, stop: stop, code: make(chan int, 1), lines: make(chan string, 1000)}
	r, w := io.Pipe()
	go func() {
		defer close(b.lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			b.lines <- s.Text()
		}
	}()
	go func() {
		m := &Main{Stdin: strings.NewReader(""), Stdout: w, Stderr: b}
		code := m.Run(ctx, args)
		_ = w.Close()
		b.code <- code
	}()
	t.Cleanup(func() { b.end() })
	return b
}

// Write collects what goes to standard error.
func (b *background) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.errOut.Write(p)
}

func (b *background) log() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.errOut.String()
}

// until reads lines up to one that contains text.
func (b *background) until(text string) []string {
	b.t.Helper()
	var lines []string
	deadline := time.After(30 * time.Second)
	for {
		select {
		case line, more := <-b.lines:
			if !more {
				b.t.Fatalf("ended without saying %q: %s\n%s", text, strings.Join(lines, "\n"), b.log())
			}
			lines = append(lines, line)
			if strings.Contains(line, text) {
				return lines
			}
		case <-deadline:
			b.t.Fatalf("did not say %q in time", text)
		}
	}
}

// end asks the command to end and returns its exit code.
func (b *background) end() int {
	b.stop()
	select {
	case code := <-b.code:
		b.code <- code
		return code
	case <-time.After(15 * time.Second):
		b.t.Errorf("did not end within 15 s")
		return -1
	}
}

// serving starts a server on a store of its own and returns its URL and the
// flags with which commands find it.
func serving(t *testing.T, data string) (b *background, flags []string) {
	t.Helper()
	b = start(t, "serve", "--listen", "127.0.0.1:0", "--data", data, "--api-key", "shop", "--api-secret", "s3cret-s3cret")
	lines := b.until("listening on ")
	if len(lines) != 1 {
		t.Errorf("more than one line: %q", lines)
	}
	url := strings.TrimPrefix(lines[0], "listening on ")
	return b, []string{"--server", url, "--api-key", "shop", "--api-secret", "s3cret-s3cret"}
}

const sampleFile = "../../internal/sample/chat.jsonl"
