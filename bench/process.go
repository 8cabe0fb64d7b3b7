package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// buildHansard builds the product of this module into dir.
func buildHansard(ctx context.Context, dir string) (string, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("asking go for the module: %w", err)
	}
	path := filepath.Join(dir, "hansard")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/hansard")
	cmd.Dir = filepath.Dir(strings.TrimSpace(string(mod)))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building hansard: %w\n%s", err, out)
	}
	return path, nil
}

// program is the binary that is measured.
type program struct {
	path string
	env  []string // beside that of this process
}

func (p program) command(ctx context.Context, args ...string) (*exec.Cmd, *tail) {
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Env = nil
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "HANSARD_") { // settings of the person, not of the benchmark
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, p.env...)
	// Asked to stop first, so that it leaves no children or files.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	stderr := &tail{}
	cmd.Stderr = stderr
	return cmd, stderr
}

// run runs a command to its end and says what it printed and used.
func (p program) run(ctx context.Context, args ...string) ([]byte, usage, error) {
	cmd, stderr := p.command(ctx, args...)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		return nil, usage{}, err
	}
	done, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- watchPeak(cmd.Process.Pid, done) }()
	err := cmd.Wait()
	close(done)
	u := usage{peak: <-peak}
	if err != nil {
		return nil, u, fmt.Errorf("hansard %s: %w\n%s", args[0], err, stderr)
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return stdout.Bytes(), u, nil
}

// watchPeak looks at a process until done and returns the most memory it had.
// The system's own figure for an ended child counts its parent's memory too.
func watchPeak(pid int, done <-chan struct{}) (peak int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if u, ok := usageOf(pid); ok {
			peak = max(peak, u.peak)
		}
		select {
		case <-done:
			return peak
		case <-tick.C:
		}
	}
}

// watchSize looks at a file until done and returns how large it got.
func watchSize(path string, done <-chan struct{}) (largest int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if info, err := os.Stat(path); err == nil {
			largest = max(largest, info.Size())
		}
		select {
		case <-done:
			return largest
		case <-tick.C:
		}
	}
}

// server is a running hansard serve.
type server struct {
	url    string
	cmd    *exec.Cmd
	ended  chan struct{}
	err    error // once ended
	killed bool
	stderr *tail
}

// serve starts a server on a free port of this machine, without limits that
// would get in the way of measuring.
func (p program) serve(ctx context.Context, more ...string) (*server, error) {
	cmd, stderr := p.command(ctx, append([]string{
		"serve", "--listen", "127.0.0.1:0",
		"--rate-limit", "0", "--max-channels", "0", "--max-users", "0", "--max-user-messages", "0",
	}, more...)...)
	out, in := io.Pipe()
	cmd.Stdout = in
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, ended: make(chan struct{}), stderr: stderr}
	go func() {
		s.err = cmd.Wait()
		_ = in.Close() // a pipe; never fails
		close(s.ended)
	}()
	url := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if u, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				url <- u
				break
			}
		}
		_, _ = io.Copy(io.Discard, out) // never let it block on its output
	}()
	select {
	case s.url = <-url:
		return s, nil
	case <-s.ended:
		return nil, fmt.Errorf("hansard serve ended at once: %w\n%s", s.err, stderr)
	case <-time.After(30 * time.Second):
		return nil, errors.Join(errors.New("hansard serve was not ready after 30 s"), s.stop())
	}
}

func (s *server) usage() (usage, bool) { return usageOf(s.cmd.Process.Pid) }

// kill ends the server without giving it a chance to do anything more.
func (s *server) kill() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("killing hansard serve: %w", err)
	}
	<-s.ended
	s.killed = true
	return nil
}

// stop asks the server to end and waits until it has.
func (s *server) stop() error {
	if s.killed {
		return nil
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping hansard serve: %w", err)
	}
	select {
	case <-s.ended:
	case <-time.After(15 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
		return fmt.Errorf("hansard serve did not stop within 15 s\n%s", s.stderr)
	}
	if s.err != nil {
		return fmt.Errorf("hansard serve: %w\n%s", s.err, s.stderr)
	}
	return nil
}

// tail keeps the end of what is written to it, to be shown when something
// fails.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - 4<<10; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
