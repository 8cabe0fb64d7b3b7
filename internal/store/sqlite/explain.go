package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"hansard/internal/store/sqlite/lite"
	"hansard/internal/store/sqlstore"

	driver "modernc.org/sqlite"
)

// explain says in one line why the store in dir cannot be used.
func explain(dir string, err error) error {
	path := filepath.Join(dir, FileName)
	answer := err
	if e, ok := errors.AsType[*driver.Error](err); ok { // of a migration
		answer = &lite.Error{Code: e.Code()}
	}
	switch {
	case lite.IsDenied(answer), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return denied(dir, path, err)
	case lite.IsDamaged(answer):
		return sqlstore.Explain(err, "%s is damaged, or no database of Hansard: restore it from a backup, or name another folder with --data", path)
	}
	return err
}

// denied says what to do about files that cannot be written to. SQLite tells
// neither which nor why, so the folder is tried.
func denied(dir, path string, err error) error {
	f, reason := os.CreateTemp(dir, ".hansard-*")
	if reason == nil {
		_ = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	info, _ := os.Stat(path)
	switch {
	case errors.Is(reason, syscall.EROFS), errors.Is(err, syscall.EROFS):
		return sqlstore.Explain(err, "the disk of %s is read-only: make it writable, or name another folder with --data", dir)
	case errors.Is(reason, fs.ErrNotExist):
		return sqlstore.Explain(err, "no permission to make the folder %s: make it for the user that runs hansard, or name another one with --data", dir)
	case info != nil && info.IsDir():
		return sqlstore.Explain(err, "%s is a folder, where the database should be: name another folder with --data", path)
	case reason != nil:
		path = dir
	}
	return sqlstore.Explain(err,
		"no permission to write to %s: the data folder and all that is in it must belong to the user that runs hansard; run it as that user, or hand them over with chown", path)
}
