package pgtest

import (
	"context"
	"testing"
)

// Missing makes err one that says there is no PostgreSQL.
func Missing(err error) error { return &missingError{err} }

// Unavailable is unavailable.
func Unavailable(t testing.TB, err error, ci bool) { unavailable(t, err, ci) }

// Find is find; it returns the folder and the major version.
func Find(ctx context.Context, path string, places []string) (dir string, major int, err error) {
	b, err := find(ctx, path, places)
	if err != nil {
		return "", 0, err
	}
	return b.dir, b.major, nil
}
