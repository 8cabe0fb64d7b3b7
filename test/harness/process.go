package harness

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a running hansard.
type Process struct {
	t    testing.TB
	cmd  *exec.Cmd
	err  *log
	done chan struct{} // closed once the process was reaped

	mu  sync.Mutex
	out bytes.Buffer
}

// Exec starts the program with the given arguments, in a working directory of
// its own and without the settings of the environment. The process ends with
// the test at the latest.
func Exec(t testing.TB, args ...string) *Process {
	t.Helper()
	return run(t, binary, nil, args...)
}

func run(t testing.TB, program string, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, err: &log{}, done: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append(append(environment(), store(t, args)...), env...)
	p.cmd.Stderr = p.err
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		for lines := bufio.NewReader(stdout); ; {
			line, err := lines.ReadString('\n')
			p.mu.Lock()
			p.out.WriteString(line)
			p.mu.Unlock()
			if err != nil {
				break
			}
		}
		_ = p.cmd.Wait() // the exit code is in ProcessState
	}()
	t.Cleanup(func() {
		p.Kill()
		if p.err.raced() {
			t.Errorf("hansard %s: a data race", strings.Join(args, " "))
		}
		if t.Failed() {
			t.Logf("hansard %s: exit code %d\n%s", strings.Join(args, " "), p.cmd.ProcessState.ExitCode(), p.err.tail())
		}
	})
	return p
}

var setenv sync.Map // name: value

// Setenv sets a variable for the processes that are started from now on.
func Setenv(name, value string) { setenv.Store(name, value) }

// environment is that of the tests without any settings of hansard.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if _, ours := setenv.Load(name); !ours && !strings.HasPrefix(name, "HANSARD_") {
			env = append(env, v)
		}
	}
	setenv.Range(func(name, value any) bool {
		env = append(env, fmt.Sprintf("%s=%s", name, value))
		return true
	})
	return env
}

// Run runs one command to its end and returns its standard output; it fails
// the test if the command does.
func Run(t testing.TB, args ...string) string {
	t.Helper()
	p := Exec(t, args...)
	if code := p.Wait(); code != 0 {
		t.Fatalf("hansard %s: exit code %d\n%s", strings.Join(args, " "), code, p.Stderr())
	}
	return p.Stdout()
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stdout is what the process has written to standard output so far.
func (p *Process) Stdout() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// Stderr is what the process has written to standard error so far.
func (p *Process) Stderr() string { return p.err.String() }

// Wait waits for the end of the process and returns its exit code.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(2 * Patience):
		p.t.Fatalf("hansard %s does not end", strings.Join(p.cmd.Args[1:], " "))
	}
	return p.cmd.ProcessState.ExitCode()
}

// Running reports whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends the process the hard way (SIGKILL) and reaps it. It may be called
// more than once.
func (p *Process) Kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("kill: %v", err)
	}
	<-p.done
}

// Freeze stops the process where it stands (SIGSTOP) until Thaw.
func (p *Process) Freeze() { p.t.Helper(); p.signal(freeze) }

// Thaw lets a frozen process go on.
func (p *Process) Thaw() { p.t.Helper(); p.signal(thaw) }

func (p *Process) signal(sig os.Signal) {
	p.t.Helper()
	if sig == nil {
		p.t.Skip("this system cannot freeze a process")
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("%s: %v", sig, err)
	}
}

// Terminate asks the process to end (SIGTERM) and returns its exit code and
// how long it took.
func (p *Process) Terminate() (code int, took time.Duration) {
	p.t.Helper()
	start := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("terminate: %v", err)
	}
	code = p.Wait()
	return code, time.Since(start)
}

// Files lists the regular files under dir, relative to it, in order.
func Files(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(dir, path)
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// log keeps what a process writes to standard error.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *log) raced() bool { return strings.Contains(l.String(), "WARNING: DATA RACE") }

// tail is the end of the log, all of it if there was a race.
func (l *log) tail() string {
	s := l.String()
	const most = 6000
	if len(s) > most && !l.raced() {
		s = "…" + s[len(s)-most:]
	}
	return s
}
