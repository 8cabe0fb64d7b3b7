package harness

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"hansard/internal/pgtest"
	"hansard/internal/s3test"
	"hansard/internal/store/postgres"
	"hansard/internal/store/storetest/engine"
)

// Large reports whether the tests run on PostgreSQL and an object store instead
// of the data folder: see package engine.
func Large() bool { return engine.Postgres() }

// Embedded skips a test that is about the files in the data folder where there
// are none.
func Embedded(t testing.TB) {
	t.Helper()
	if Large() {
		t.Skip("this is about the embedded store and local files")
	}
}

// databases have the current schema.
var databases = pgtest.Template{Fill: func(ctx context.Context, dsn string) error {
	_, err := postgres.Migrate(ctx, dsn)
	return err
}}

// place is what stands for a data folder when the tests run on PostgreSQL and
// an object store.
type place struct {
	once     sync.Once
	database string
	bucket   *s3test.Bucket
}

var places sync.Map // of *place, by data folder

// store gives the settings that lead a process to PostgreSQL and an object
// store, if the tests run on these and the process is not told where to go. All
// processes on one data folder share them.
func store(t testing.TB, args []string) []string {
	t.Helper()
	i := slices.Index(args, "--data") + 1
	if !Large() || i == 0 || slices.Contains(args, "--database") {
		return nil
	}
	p := placeOf(t, args[i])
	return append(p.bucket.Env(), "HANSARD_DATABASE="+p.database, "HANSARD_STORAGE="+p.bucket.Storage(""))
}

func placeOf(t testing.TB, data string) *place {
	t.Helper()
	v, _ := places.LoadOrStore(data, &place{})
	p := v.(*place)
	p.once.Do(func() {
		p.database, p.bucket = databases.Database(t), s3test.New(t)
	})
	return p
}

// Unfinished lists the files that are being written, or that writers left
// behind.
func Unfinished(t testing.TB, data string) []string {
	t.Helper()
	if !Large() {
		return Files(t, filepath.Join(data, "files", ".tmp"))
	}
	return placeOf(t, data).bucket.Uploads(t)
}

// StoredFiles lists the files of exports and imports that are stored for a data
// folder, in order.
func StoredFiles(t testing.TB, data string) []string {
	t.Helper()
	if !Large() {
		return slices.DeleteFunc(Files(t, filepath.Join(data, "files")), func(name string) bool { return strings.HasPrefix(name, ".") })
	}
	return placeOf(t, data).bucket.Objects(t)
}
