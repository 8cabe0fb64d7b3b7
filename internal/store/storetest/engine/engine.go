// Package engine opens stores for tests that do not care which engine they run
// on: SQLite, or PostgreSQL if HANSARD_TEST_ENGINE says postgres.
package engine

import (
	"context"
	"os"
	"testing"
	"time"

	"hansard/internal/pgtest"
	"hansard/internal/store"
	"hansard/internal/store/postgres"
	"hansard/internal/store/sqlite"
)

// Variable names the variable of the environment that chooses the engine.
const Variable = "HANSARD_TEST_ENGINE"

// Postgres reports whether tests are to run on PostgreSQL.
func Postgres() bool { return os.Getenv(Variable) == "postgres" }

// databases have the current schema.
var databases = pgtest.Template{Fill: func(ctx context.Context, dsn string) error {
	_, err := postgres.Migrate(ctx, dsn)
	return err
}}

// Open opens an empty store, which is closed with the test. now is its clock;
// nil means the engine's own.
func Open(t testing.TB, now func() time.Time) store.Store {
	t.Helper()
	var s store.Store
	var err error
	if Postgres() {
		s, err = postgres.Open(t.Context(), databases.Database(t), postgres.Options{Now: now, Conns: 4, SnapshotConns: 4})
	} else {
		s, err = sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{Now: now})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
