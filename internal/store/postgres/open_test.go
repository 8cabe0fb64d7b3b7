package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"hansard/internal/pgtest"
	"hansard/internal/store/postgres"

	"github.com/jackc/pgx/v5"
)

// ask runs statements on a database from beside the store.
func ask(t *testing.T, dsn, sql string) (value string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	results, err := c.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if last := results[len(results)-1]; len(last.Rows) == 1 {
		value = string(last.Rows[0][0])
	}
	return value
}

func TestMigrates(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	if _, err := postgres.Open(t.Context(), dsn, postgres.Options{NoMigrate: true}); err == nil || !strings.Contains(err.Error(), "hansard migrate") {
		t.Errorf("an empty database: %v", err)
	}
	// Processes that start at once.
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := postgres.Open(t.Context(), dsn, postgres.Options{Conns: 2})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := openStore(t, dsn, postgres.Options{NoMigrate: true})
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	version, err := postgres.Migrate(t.Context(), dsn)
	if err != nil || version < 2 {
		t.Errorf("version %d, %v", version, err)
	}
	ask(t, dsn, fmt.Sprintf(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, true)`, version+1))
	for _, noMigrate := range []bool{false, true} {
		openStore(t, dsn, postgres.Options{NoMigrate: noMigrate}) // older programs still work with it
	}
	ask(t, dsn, fmt.Sprintf(`UPDATE oldest SET schema = %d`, version+1))
	if _, err := postgres.Open(t.Context(), dsn, postgres.Options{}); err == nil || !strings.Contains(err.Error(), "run the newer hansard") {
		t.Errorf("a newer schema: %v", err)
	}
}

// What cannot be reached or read is explained without the password.
func TestCannotOpen(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]string{
		"nonsense":    "postgres://somebody:geheim@host:port/name",
		"nobody":      "postgres://somebody:geheim@127.0.0.1:1/name?connect_timeout=2",
		"bad setting": "postgres://somebody:geheim@127.0.0.1:1/name?sslmode=sometimes",
	} {
		_, err := postgres.Open(t.Context(), dsn, postgres.Options{})
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := postgres.Migrate(t.Context(), dsn); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What keeps the database from being used is said in one line, with what to do.
func TestSaysWhy(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t)
	u, err := url.Parse(c.TCP("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*url.URL)) string {
		v := *u
		change(&v)
		return v.String()
	}
	stranger := with(func(v *url.URL) { v.User = url.UserPassword("stranger", "geheim") })
	for name, c := range map[string]struct{ dsn, want string }{
		"no database": {with(func(v *url.URL) { v.Path = "/nothing" }), "there is no database nothing: make it with createdb"},
		"no server":   {with(func(v *url.URL) { v.Host = "127.0.0.1:1" }), "the database at 127.0.0.1:1 cannot be reached: connect: connection refused"},
		"no user":     {stranger, "the database refuses the user stranger"},
	} {
		_, err := postgres.Open(t.Context(), c.dsn, postgres.Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n\t") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A commit is waited for even where the database says that it need not be.
func TestCommitsAreDurable(t *testing.T) {
	t.Parallel()
	dsn := databases.Database(t)
	name := ask(t, dsn, `SELECT current_database()`)
	ask(t, dsn, `ALTER DATABASE `+name+` SET synchronous_commit = off`)
	if got := ask(t, dsn, `SHOW synchronous_commit`); got != "off" {
		t.Fatalf("synchronous_commit is %s", got)
	}
	s := openStore(t, dsn, postgres.Options{})
	if got := postgres.Show(t.Context(), s, "synchronous_commit"); got != "on" {
		t.Errorf("synchronous_commit is %s", got)
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	dsn := databases.Database(t)
	secrets := make([]string, 8)
	var wg sync.WaitGroup
	for i := range secrets {
		s := openStore(t, dsn, postgres.Options{Conns: 1})
		wg.Go(func() {
			b, err := s.Secret(t.Context(), "urls")
			if err != nil {
				t.Error(err)
			}
			secrets[i] = string(b)
		})
	}
	wg.Wait()
	for _, s := range secrets {
		if s != secrets[0] || len(s) != 32 {
			t.Errorf("a secret of %d bytes is not the first one", len(s))
		}
	}
}
