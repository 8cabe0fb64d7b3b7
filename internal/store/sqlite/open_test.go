package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"hansard/internal/store"
	"hansard/internal/store/sqlite"
)

// Chats and secrets are for the user alone who runs the program.
func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	dir := filepath.Join(t.TempDir(), "data")
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.CreateApp(t.Context(), &store.App{Name: "a", Key: "a", Secret: "s"}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, path := range append(files, dir) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
	}
}

// A program starts on a newer schema that says it still works with it.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version, err := sqlite.Migrate(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	change := func(sqlText string, args ...any) {
		t.Helper()
		db, err := sql.Open("sqlite", filepath.Join(dir, sqlite.FileName))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), sqlText, args...); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	change(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, true)`, version+1)
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	change(`UPDATE oldest SET schema = ?`, version+1)
	if _, err := sqlite.Open(t.Context(), dir, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "run the newer hansard") {
		t.Errorf("a schema for newer programs alone: %v", err)
	}
}

// A folder that cannot be used stops the start with a line that says what to do,
// and no answer of SQLite in it.
func TestUnusableFolder(t *testing.T) {
	t.Parallel()
	made := func(t *testing.T) string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "data")
		if _, err := sqlite.Migrate(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	chmod := func(path string, mode os.FileMode) error {
		t.Cleanup(func() { _ = os.Chmod(path, 0o700) })
		return os.Chmod(path, mode)
	}
	for name, c := range map[string]struct {
		spoil func(dir string) error
		want  string
		modes bool // only where modes bind us: not those who may write anywhere
	}{
		"damaged": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, sqlite.FileName), bytes.Repeat([]byte("chat"), 5000), 0o600)
		}, "is damaged, or no database of Hansard", false},
		"folder": {func(dir string) error {
			path := filepath.Join(dir, sqlite.FileName)
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
		}, "is a folder, where the database should be", false},
		"folder of others":   {func(dir string) error { return chmod(dir, 0o500) }, "run it as that user", true},
		"database of others": {func(dir string) error { return chmod(filepath.Join(dir, sqlite.FileName), 0) }, "run it as that user", true},
	} {
		if c.modes && (runtime.GOOS == "windows" || os.Geteuid() == 0) {
			continue
		}
		dir := made(t)
		if err := c.spoil(dir); err != nil {
			t.Fatal(err)
		}
		s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
		if err == nil {
			// With nothing to make anew it can be read, and not be written to.
			err = s.CreateApp(t.Context(), &store.App{Name: "a", Key: "a", Secret: "s"})
			if cerr := s.Close(); cerr != nil {
				t.Error(cerr)
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "sqlite:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// held is a lock on the database, as another process might hold it.
func held(t *testing.T, dir, how string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, sqlite.FileName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c, err := db.Conn(t.Context())
	if err == nil {
		_, err = c.ExecContext(t.Context(), how)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := c.ExecContext(t.Context(), `ROLLBACK`); err != nil {
			t.Error(err)
		}
		if err := errors.Join(c.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	}
}

// While another process holds the database, opening it and writing to it wait
// for as long as the caller does, and no longer.
func TestWaitsForAnotherProcess(t *testing.T) {
	t.Parallel()
	const patience = 3 * time.Second
	hasty := func() context.Context {
		ctx, done := context.WithTimeout(t.Context(), 100*time.Millisecond)
		t.Cleanup(done)
		return ctx
	}
	dir := t.TempDir()
	release := held(t, dir, `CREATE TABLE other (x); BEGIN EXCLUSIVE`)
	s, err := sqlite.Open(hasty(), dir, sqlite.Options{Busy: patience})
	if !errors.Is(err, context.DeadlineExceeded) {
		if err == nil {
			_ = s.Close()
		}
		t.Errorf("opened while another process holds the database: %v", err)
	}
	release()
	if s, err = sqlite.Open(t.Context(), dir, sqlite.Options{Busy: patience}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	app := store.App{Name: "a", Key: "a", Secret: "s"}
	release = held(t, dir, `BEGIN IMMEDIATE`)
	if err := s.CreateApp(hasty(), &app); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wrote while another process does: %v", err)
	}
	made := make(chan error, 1)
	go func() { made <- s.CreateApp(t.Context(), &app) }()
	release()
	if err := <-made; err != nil {
		t.Errorf("once it has ended: %v", err)
	}
}
