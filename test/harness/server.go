package harness

import (
	"strings"
	"testing"
	"time"
)

// App is a tenant, as clients know it.
type App struct{ Key, Secret string }

// TestApp is the app of every server that is started without another.
var TestApp = App{"harbour", "a-secret-of-the-tests-only"}

// Server is a running `hansard serve`, and a client of it as TestApp.
type Server struct {
	*Process
	*Client
	Data string
	args []string
}

// Start starts a server on the data folder and waits until it is ready. args
// are further flags; rate limits are off and logs are terse unless they say
// otherwise.
func Start(t testing.TB, data string, args ...string) *Server {
	t.Helper()
	s := &Server{Data: data, args: args}
	s.Process = Exec(t, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--data", data, "--rate-limit", "0", "--log-level", "warn",
		"--api-key", TestApp.Key, "--api-secret", TestApp.Secret,
	}, args...)...)
	const ready = "listening on "
	var url string
	Until(t, Patience, "listening", func() bool {
		_, rest, found := strings.Cut(s.Stdout(), ready)
		line, _, whole := strings.Cut(rest, "\n")
		if url = line; found && whole {
			return true
		}
		if !s.Running() {
			t.Fatalf("serve ended with exit code %d:\n%s", s.Wait(), s.Stderr())
		}
		return false
	})
	s.Client = &Client{t: t, URL: url, App: TestApp}
	return s
}

// Restart starts a server on the same data and with the same flags; this one
// must have ended.
func (s *Server) Restart() *Server {
	s.Process.t.Helper()
	return Start(s.Process.t, s.Data, s.args...)
}

// Stop ends the server and fails the test unless that goes as it should: exit
// code 0 within ten seconds.
func (s *Server) Stop() {
	t := s.Process.t
	t.Helper()
	if code, took := s.Terminate(); code != 0 || took > 10*time.Second {
		t.Fatalf("SIGTERM: exit code %d after %s\n%s", code, took, s.Stderr())
	}
}
