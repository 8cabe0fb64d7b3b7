package pgtest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/pgtest"

	"github.com/jackc/pgx/v5/pgconn"
)

// query returns the first value of the first row.
func query(t *testing.T, dsn, sql string) (string, error) {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		return "", err
	}
	defer conn.Close(t.Context())
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		return "", err
	}
	if last := results[len(results)-1]; len(last.Rows) > 0 {
		return string(last.Rows[0][0]), nil
	}
	return "", nil
}

func must(t *testing.T, dsn, sql, want string) {
	t.Helper()
	if got, err := query(t, dsn, sql); err != nil || got != want {
		t.Errorf("%s: %q, %v; want %q", sql, got, err, want)
	}
}

func TestDatabasesAreTheTestsOwn(t *testing.T) {
	t.Parallel()
	var dsn string
	t.Run("a test", func(t *testing.T) {
		dsn = pgtest.Database(t)
		other := pgtest.Database(t)
		must(t, dsn, `CREATE TABLE a (b int); INSERT INTO a VALUES (1); SELECT b FROM a`, "1")
		must(t, other, `SELECT count(*) FROM pg_class WHERE relname = 'a'`, "0")
	})
	if _, err := query(t, dsn, `SELECT 1`); err == nil {
		t.Error("the database outlives its test")
	}
}

var filled atomic.Int64

var template = pgtest.Template{Fill: func(ctx context.Context, dsn string) (err error) {
	filled.Add(1)
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, `CREATE TABLE a (b int); INSERT INTO a VALUES (1)`).ReadAll()
	return err
}}

func TestTemplate(t *testing.T) {
	t.Parallel()
	t.Run("tests", func(t *testing.T) {
		for i := range 4 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				dsn := template.Database(t)
				must(t, dsn, `UPDATE a SET b = b + 1 RETURNING b`, "2")
			})
		}
	})
	if n := filled.Load(); n != 1 && os.Getenv("HANSARD_TEST_POSTGRES") == "" {
		t.Errorf("filled %d times", n)
	}
}

// Databases are as they are on most servers, where that matters to SQL.
func TestDefaults(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	must(t, dsn, `SHOW server_encoding`, "UTF8")
	must(t, dsn, `SHOW synchronous_commit`, "on")
	must(t, dsn, `SHOW default_transaction_isolation`, "read committed")
}

func TestClusterStopsAndStarts(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t)
	dsn := c.Database(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	tcp := c.TCP(strings.TrimPrefix(u.Path, "/"))
	must(t, dsn, `CREATE TABLE a (b int); INSERT INTO a VALUES (1); SELECT b FROM a`, "1")
	for i, stop := range []func(testing.TB){c.Stop, c.Crash, func(t testing.TB) { c.Stop(t); c.Stop(t) }} {
		stop(t)
		for _, dsn := range []string{dsn, tcp} {
			if _, err := query(t, dsn, `SELECT 1`); err == nil {
				t.Fatalf("%d: it was stopped, and answers", i)
			}
		}
		c.Start(t)
		c.Start(t)
		must(t, tcp, `UPDATE a SET b = b + 1 RETURNING b`, fmt.Sprint(i+2))
	}
	c.Restart(t)
	must(t, dsn, `SELECT b FROM a`, "4")
	if _, err := query(t, strings.Replace(tcp, superuser(t, tcp), "hansard:guess", 1), `SELECT 1`); err == nil {
		t.Error("the port takes any password")
	}
}

func superuser(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return u.User.String()
}

// TestChild is not a test: the others run it in a process of its own.
func TestChild(t *testing.T) {
	t.Parallel()
	switch os.Getenv("PGTEST_CHILD") {
	case "":
	case "hang":
		c := pgtest.Start(t)
		fmt.Println("STARTED", c.Addr(), c.DSN("postgres"))
		select {}
	case "database":
		must(t, pgtest.Database(t), `SELECT current_user`, os.Getenv("PGTEST_USER"))
		must(t, template.Database(t), `SELECT b FROM a`, "1")
	}
}

// child is this test binary, to run TestChild.
func child(t *testing.T, what string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(append(os.Environ(), "PGTEST_CHILD="+what), env...)
	return cmd
}

func TestNothingIsLeftByAProcessThatIsKilled(t *testing.T) {
	t.Parallel()
	pgtest.Start(t) // or skip
	cmd := child(t, "hang")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addr, dsn string
	for lines := bufio.NewScanner(out); dsn == "" && lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "STARTED" {
			addr, dsn = fields[1], fields[2]
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	u, err := url.Parse(dsn)
	if err != nil || addr == "" {
		t.Fatalf("%q, %v", dsn, err)
	}
	dir := u.Query().Get("host")
	gone := func() bool {
		_, err := os.Stat(dir)
		if !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}
	deadline := time.After(30 * time.Second)
	for !gone() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatalf("%s or the server behind %s is still there", dir, addr)
		}
	}
}

// A server that was named is used, and has nothing more on it afterwards.
func TestGivenServer(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t)
	admin := c.TCP("postgres")
	must(t, admin, `CREATE ROLE tester LOGIN CREATEDB PASSWORD 'pass word'`, "")
	given := strings.Replace(admin, superuser(t, admin), "tester:pass%20word", 1)
	out, err := child(t, "database", "HANSARD_TEST_POSTGRES="+given, "PGTEST_USER=tester").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	must(t, admin, `SELECT count(*) FROM pg_database`, "3")

	for _, wrong := range []string{"nonsense", "postgres://127.0.0.1:1/none", "host=localhost"} {
		out, err := child(t, "database", "HANSARD_TEST_POSTGRES="+wrong).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "HANSARD_TEST_POSTGRES") {
			t.Errorf("%s: %v\n%s", wrong, err, out)
		}
	}
}

// verdict is a test that notes how it was ended.
type verdict struct {
	testing.TB
	how string
}

func (v *verdict) Helper()                  {}
func (v *verdict) Name() string             { return "TestOfAnother" }
func (v *verdict) Skipf(f string, a ...any) { v.how += "skipped: " + fmt.Sprintf(f, a...) }
func (v *verdict) Fatalf(f string, a ...any) {
	v.how += "failed: " + fmt.Sprintf(f, a...)
	runtime.Goexit()
}

// Without PostgreSQL tests are skipped, but not in CI; and not when it is there
// and does not work.
func TestWithoutPostgreSQL(t *testing.T) {
	t.Parallel()
	none := errors.New("there is none")
	for _, c := range []struct {
		err  error
		ci   bool
		want string
	}{
		{pgtest.Missing(none), false, "skipped: pgtest: there is none"},
		{pgtest.Missing(none), true, "failed: pgtest: there is none"},
		{none, false, "failed: pgtest: there is none"},
	} {
		v := &verdict{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			pgtest.Unavailable(v, c.err, c.ci)
		}()
		<-done
		if v.how != c.want {
			t.Errorf("%v, CI %v: %s, want %s", c.err, c.ci, v.how, c.want)
		}
	}
}
