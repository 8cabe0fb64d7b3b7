package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// superuser owns all databases of a cluster.
	superuser = "hansard"
	// patience is how long a server may take to start.
	patience = 60 * time.Second
)

// Cluster is a PostgreSQL server of the tests' own.
type Cluster struct {
	dir      string
	port     int
	password string
	guard    *guard
	log      int64 // how much of the log was there before the last start

	mu sync.Mutex
	up bool
}

// Start starts a cluster that is the test's own. It ends with the test.
func Start(t testing.TB) *Cluster {
	t.Helper()
	c, err := launch(context.WithoutCancel(t.Context()))
	if err != nil {
		unavailable(t, err, os.Getenv("CI") == "true")
	}
	t.Cleanup(func() {
		if err := c.guard.end(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return c
}

// missingError says that there is no PostgreSQL to be had.
type missingError struct{ reason error }

func (e *missingError) Error() string { return e.reason.Error() }
func (e *missingError) Unwrap() error { return e.reason }

// unavailable ends a test that gets no PostgreSQL.
func unavailable(t testing.TB, err error, ci bool) {
	t.Helper()
	var missing *missingError
	if !errors.As(err, &missing) || ci {
		t.Fatalf("pgtest: %v", err)
	}
	_, _ = fmt.Fprintf(os.Stderr, "pgtest: %s IS SKIPPED: %v\n", t.Name(), err)
	t.Skipf("pgtest: %v", err)
}

// Launch starts a cluster outside of tests, with settings such as "fsync=on"
// in addition to those that tests have. It is taken away by End, or with the
// process.
func Launch(ctx context.Context, settings ...string) (*Cluster, error) {
	return launch(ctx, settings...)
}

// End takes away a cluster that Launch has started.
func (c *Cluster) End() error { return c.guard.end() }

func launch(ctx context.Context, settings ...string) (*Cluster, error) {
	who, err := unprivileged()
	if err != nil {
		return nil, &missingError{err}
	}
	bin, err := find(ctx, os.Getenv("PATH"), places)
	if err != nil {
		return nil, &missingError{err}
	}
	dir, err := folder(who)
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, password: rand.Text()}
	// What a crash of the machine would do to the data does not matter. All
	// else is as servers have it by default, for tests to find what users would.
	server := []string{
		bin.path("postgres"), "-D", c.data(), "-k", dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_permissions=0700", "-c", "max_connections=400",
		"-c", "shared_buffers=64MB", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "log_min_messages=warning",
	}
	for _, s := range settings {
		server = append(server, "-c", s) // the last one counts
	}
	c.guard, err = watch(ctx, who, dir, server...)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := c.initialize(ctx, bin, who); err != nil {
		return nil, errors.Join(err, c.guard.end())
	}
	// A port that is free now may be taken before the server gets there.
	for range 5 {
		if c.port, err = freePort(ctx); err == nil {
			if err = c.start(ctx); err == nil {
				return c, nil
			}
		}
	}
	return nil, errors.Join(err, c.guard.end())
}

// folder makes a folder of a short name, since the path of a socket in it may
// have no more than some 100 bytes, where the server's account gets to.
func folder(who *account) (string, error) {
	base := os.TempDir()
	if who != nil || len(base) > 60 {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "hansard-pg-")
	if err != nil {
		return "", err
	}
	if err := who.own(dir); err != nil {
		return "", errors.Join(err, os.Remove(dir))
	}
	return dir, nil
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// initialize makes the files of a server.
func (c *Cluster) initialize(ctx context.Context, bin *binaries, who *account) error {
	secret := filepath.Join(c.dir, "password")
	if err := os.WriteFile(secret, []byte(c.password), 0o600); err != nil {
		return err
	}
	if err := who.own(secret); err != nil {
		return err
	}
	initdb := func(more ...string) error {
		args := append([]string{
			"-D", c.data(), "-U", superuser, "-E", "UTF8", "--locale=C", "--no-sync",
			"--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile=" + secret,
		}, more...)
		if out, err := command(ctx, who, c.dir, bin.path("initdb"), args...).CombinedOutput(); err != nil {
			return fmt.Errorf("initdb: %w: %s", err, out)
		}
		return nil
	}
	// Texts are sorted the way people do, and not by their bytes, as is the case
	// with most servers: a statement that needs the latter has to say so.
	if bin.major >= 15 && initdb("--locale-provider=icu", "--icu-locale=en-US") == nil {
		return nil
	}
	return initdb() // an older server, or one that was built without ICU
}

func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// start starts the server and waits until it can be used.
func (c *Cluster) start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.up {
		return nil
	}
	if info, err := os.Stat(c.logFile()); err == nil {
		c.log = info.Size()
	}
	if err := c.guard.tell("start " + strconv.Itoa(c.port)); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	for {
		err := execute(ctx, c.DSN("postgres"), "SELECT 1")
		if err == nil {
			c.up = true
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("PostgreSQL does not start within %s: %w", patience, err), c.stop("QUIT"))
		}
		if failure := c.failure(); failure != nil {
			return failure
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (c *Cluster) logFile() string { return filepath.Join(c.dir, "log") }

// failure is what the server has logged, if it has ended.
func (c *Cluster) failure() error {
	if _, err := os.Stat(filepath.Join(c.data(), "postmaster.pid")); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	log, err := os.ReadFile(c.logFile())
	if err != nil || c.log > int64(len(log)) {
		return nil //nolint:nilerr // it has not begun yet
	}
	if log = log[c.log:]; bytes.Contains(log, []byte("FATAL:")) {
		return fmt.Errorf("PostgreSQL does not start: %s", log)
	}
	return nil
}

// stop ends the server by that signal.
func (c *Cluster) stop(signal string) error {
	c.up = false
	return c.guard.tell(signal)
}

// Start starts the server again, at the same address, and waits until it can
// be used.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	if err := c.start(t.Context()); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

// Stop ends the server's connections and then the server, as an administrator
// would.
func (c *Cluster) Stop(t testing.TB) {
	t.Helper()
	c.end(t, "INT")
}

// Crash ends the server on the spot; when it starts again it has to recover.
func (c *Cluster) Crash(t testing.TB) {
	t.Helper()
	c.end(t, "QUIT")
}

// Restart is Stop and Start.
func (c *Cluster) Restart(t testing.TB) {
	t.Helper()
	c.Stop(t)
	c.Start(t)
}

func (c *Cluster) end(t testing.TB, signal string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.up {
		return
	}
	if err := c.stop(signal); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

// DSN is the URL of a database of the cluster. It leads through a socket.
func (c *Cluster) DSN(database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.User(superuser), Path: "/" + database,
		RawQuery: url.Values{"host": {c.dir}, "port": {strconv.Itoa(c.port)}}.Encode(),
	}).String()
}

// TCP is DSN by way of the address Addr, with a password.
func (c *Cluster) TCP(database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, c.password), Host: c.Addr(), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}).String()
}

// Addr is the host and port where the server listens.
func (c *Cluster) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) }

// execute runs one statement on a connection of its own.
func execute(ctx context.Context, dsn, sql string) (err error) {
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, sql).ReadAll()
	return err
}
