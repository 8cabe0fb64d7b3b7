package s3test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

// patience is for how long a server may take to start or to end.
const patience = 30 * time.Second

// Server is an S3 server.
type Server struct {
	Endpoint  string // such as http://127.0.0.1:7070
	Region    string
	AccessKey string
	SecretKey string

	dir      string
	address  string
	sidecar  bool     // metadata in files: the file system has no extended attributes
	settings []string // of the program, as NAME=value

	mu   sync.Mutex
	proc *process // nil: stopped
}

// Start starts a server for one test, which may stop and start it.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := newServer()
	if err != nil {
		unavailable(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			s.log(t)
		}
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Launch starts a server outside of tests, with settings of its own in its
// environment (NAME=value). It is taken away by End, or with the process.
func Launch(settings ...string) (*Server, error) { return newServer(settings...) }

// End takes away a server that Launch has started.
func (s *Server) End() error { return s.remove() }

// MakeBucket makes a bucket that is there as long as the server is.
func (s *Server) MakeBucket(ctx context.Context, name string) error {
	c, err := s.core()
	if err != nil {
		return err
	}
	return c.MakeBucket(ctx, name, minio.MakeBucketOptions{Region: s.Region})
}

// Dir is the folder where a server of this process keeps its objects: each is
// the file of its bucket and key.
func (s *Server) Dir() string { return s.data() }

// rootKeys are the credentials of all servers of this process, so that what
// the tests start can have them in its environment.
var rootKeys = sync.OnceValues(func() (access, secret string) {
	if s, err := parse(os.Getenv(external)); err == nil {
		return s.AccessKey, s.SecretKey
	}
	return rand.Text(), rand.Text()
})

// newServer makes the folder of a server and starts it.
func newServer(settings ...string) (*Server, error) {
	if _, err := binary(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hansard-s3-")
	if err != nil {
		return nil, err
	}
	s := &Server{Region: "us-east-1", dir: dir, settings: settings}
	s.AccessKey, s.SecretKey = rootKeys()
	for _, name := range []string{s.data(), s.meta()} {
		err = errors.Join(err, os.Mkdir(name, 0o700))
	}
	// Somebody else may take the port before the server does.
	for range 5 {
		if err != nil {
			break
		}
		if s.address, err = freeAddress(); err != nil {
			break
		}
		s.Endpoint = "http://" + s.address
		if err = s.start(); err == nil {
			return s, nil
		}
		if s.sidecar = strings.Contains(err.Error(), "xattr"); s.sidecar {
			err = s.start()
		}
		if err == nil {
			return s, nil
		}
		err = fmt.Errorf("versitygw does not start: %w", err)
	}
	return nil, errors.Join(err, os.RemoveAll(dir))
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }
func (s *Server) meta() string { return filepath.Join(s.dir, "meta") }

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// start starts the program and waits until it answers.
func (s *Server) start() error {
	path, err := binary()
	if err != nil {
		return err
	}
	args := []string{"--quiet", "--port", s.address, "--region", s.Region, "--health", "/healthz", "posix"}
	if s.sidecar {
		args = append(args, "--sidecar", s.meta())
	}
	cmd := exec.Command(path, append(args, s.data())...)
	cmd.Dir = s.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.dir,
		"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey,
	}
	cmd.Env = append(cmd.Env, s.settings...)
	p, err := startProcess(cmd)
	if err != nil {
		return err
	}
	if err := p.ready(s.Endpoint + "/healthz"); err != nil {
		p.kill()
		return errors.Join(err, tail(p.out.bytes()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc = p
	return nil
}

// Start starts the server again, on the same port and with what it had.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if s.running() != nil {
		t.Fatal("the S3 server is running")
	}
	if err := s.start(); err != nil {
		t.Fatalf("starting the S3 server again: %v", err)
	}
}

// Stop ends the server the hard way: requests that run are cut off.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	p := s.running()
	if p == nil {
		t.Fatal("the S3 server is not running")
	}
	p.kill()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc = nil
}

// Freeze stops the server's process (SIGSTOP): it keeps its connections and
// answers nothing until Thaw.
func (s *Server) Freeze(t testing.TB) {
	t.Helper()
	s.signal(t, freeze)
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw(t testing.TB) {
	t.Helper()
	s.signal(t, thaw)
}

func (s *Server) signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if sig == nil {
		t.Skip("this system cannot freeze a process")
	}
	p := s.running()
	if p == nil {
		t.Fatal("the S3 server is not running")
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) running() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

// log shows what the server printed.
func (s *Server) log(t testing.TB) {
	t.Helper()
	if p := s.running(); p != nil {
		if err := tail(p.out.bytes()); err != nil {
			t.Logf("the S3 server: %v", err)
		}
	}
}

// remove ends the server and removes its folder.
func (s *Server) remove() error {
	if p := s.running(); p != nil {
		p.kill()
	}
	return os.RemoveAll(s.dir)
}

// process is a running versitygw.
type process struct {
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed once it was reaped
}

// startProcess starts a command that ends with this process at the latest,
// where the system can do that.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	dieWithParent(cmd)
	started := make(chan error)
	go func() {
		// On Linux the child dies with the thread that started it, so that
		// thread is kept.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in ProcessState
		}
	}()
	return p, <-started
}

// ready waits until the server answers.
func (p *process) ready(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("it answers %s", resp.Status)
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended: %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// output keeps what a process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.buf.Bytes())
}
