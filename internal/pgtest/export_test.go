package pgtest

import "context"

// Find is find; it returns the folder and the major version.
func Find(ctx context.Context, path string, places []string) (dir string, major int, err error) {
	b, err := find(ctx, path, places)
	if err != nil {
		return "", 0, err
	}
	return b.dir, b.major, nil
}
