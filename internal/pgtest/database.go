package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
)

// Database makes an empty database for a test, and returns its URL. It is
// removed with the test, along with what is still connected to it.
func Database(t testing.TB) string {
	t.Helper()
	return database(t, shared(t), blank)
}

// Template makes databases that are alike. It is meant to be a package's
// variable.
type Template struct {
	// Fill makes what is to be in the databases. The connections that it makes
	// must be closed when it returns.
	Fill func(ctx context.Context, dsn string) error

	once sync.Once
	name string
	err  error
}

// Database is like the function of that name; the database has in it what Fill
// has made.
func (f *Template) Database(t testing.TB) string {
	t.Helper()
	s := shared(t)
	ctx := context.WithoutCancel(t.Context())
	if s.foreign {
		// A template would be left on that server for good.
		dsn := database(t, s, blank)
		if err := f.Fill(ctx, dsn); err != nil {
			t.Fatalf("pgtest: fill a database: %v", err)
		}
		return dsn
	}
	f.once.Do(func() {
		f.name = newName()
		if f.err = s.create(ctx, f.name, blank); f.err == nil {
			f.err = f.Fill(ctx, s.dsn(f.name))
		}
	})
	if f.err != nil {
		t.Fatalf("pgtest: make a template: %v", f.err)
	}
	return database(t, s, f.name)
}

// Database makes an empty database on the cluster, and returns its URL.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	s, name := c.server(), newName()
	if err := s.create(t.Context(), name, blank); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return s.dsn(name)
}

func (c *Cluster) server() *server { return &server{admin: c.DSN("postgres"), dsn: c.DSN} }

// blank is the template that every server has.
const blank = "template1"

// server is where databases are made.
type server struct {
	admin   string // URL of the database from which that is done
	dsn     func(database string) string
	foreign bool // not of our making
}

func (s *server) create(ctx context.Context, name, template string) error {
	if err := execute(ctx, s.admin, "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		return fmt.Errorf("make a database: %w", err)
	}
	return nil
}

func (s *server) drop(ctx context.Context, name string) error {
	if err := execute(ctx, s.admin, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("remove a database: %w", err)
	}
	return nil
}

func newName() string { return "hansard_test_" + strings.ToLower(rand.Text()[:16]) }

// database makes a database that goes with the test.
func database(t testing.TB, s *server, template string) string {
	t.Helper()
	name, ctx := newName(), context.WithoutCancel(t.Context())
	if err := s.create(ctx, name, template); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := s.drop(ctx, name); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return s.dsn(name)
}

// shared is the server that all tests of the process share.
func shared(t testing.TB) *server {
	t.Helper()
	s, err := theServer()
	if err != nil {
		unavailable(t, err, os.Getenv("CI") == "true")
	}
	return s
}

// theServer starts a cluster, or finds the server that was given.
var theServer = sync.OnceValues(func() (*server, error) {
	ctx := context.Background()
	given := os.Getenv("HANSARD_TEST_POSTGRES")
	if given == "" {
		c, err := launch(ctx)
		if err != nil {
			return nil, err
		}
		return c.server(), nil
	}
	u, err := url.Parse(given)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("HANSARD_TEST_POSTGRES must be a URL, postgres://…")
	}
	if err := execute(ctx, given, "SELECT 1"); err != nil {
		return nil, fmt.Errorf("the server that HANSARD_TEST_POSTGRES names: %w", err)
	}
	return &server{admin: given, foreign: true, dsn: func(database string) string {
		at := *u
		at.Path = "/" + database
		return at.String()
	}}, nil
})
