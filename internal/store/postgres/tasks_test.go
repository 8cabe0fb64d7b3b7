package postgres_test

import (
	"context"
	"testing"

	"hansard/internal/pgtest"
	"hansard/internal/store/postgres"
	"hansard/internal/store/storetest"
)

// databases have the current schema.
var databases = pgtest.Template{Fill: func(ctx context.Context, dsn string) error {
	_, err := postgres.Migrate(ctx, dsn)
	return err
}}

// openStore opens the store in a database. Several on one are what several
// processes are.
func openStore(t testing.TB, dsn string, opts postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), dsn, opts)
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

func openQueue(t *testing.T) storetest.Opened {
	t.Helper()
	clock := storetest.NewClock()
	return storetest.Opened{Store: openStore(t, databases.Database(t), postgres.Options{Now: clock.Now}), Advance: clock.Advance}
}

func TestApps(t *testing.T)  { t.Parallel(); storetest.RunApps(t, openQueue) }
func TestTasks(t *testing.T) { t.Parallel(); storetest.RunTasks(t, openQueue) }

func TestTaskModel(t *testing.T) { storetest.RunTaskModel(t, openQueue) }
