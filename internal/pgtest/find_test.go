package pgtest_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"hansard/internal/pgtest"
)

func TestFind(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("programs are shell scripts here")
	}
	root := t.TempDir()
	install := func(dir, version string, programs ...string) {
		t.Helper()
		dir = filepath.Join(root, dir)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, program := range programs {
			script := "#!/bin/sh\necho '" + program + " (PostgreSQL) " + version + "'\n"
			if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o700); err != nil { //nolint:gosec // a program
				t.Fatal(err)
			}
		}
	}
	install("usr/lib/9/bin", "9.6.24", "postgres", "initdb")
	install("usr/lib/15/bin", "15.8 (Debian 15.8-0+deb12u1)", "postgres", "initdb")
	install("usr/lib/17/bin", "17beta1", "postgres", "initdb")
	install("usr/lib/18/bin", "18.0", "initdb")
	install("odd/bin", "of some kind", "postgres", "initdb")
	install("old/bin", "13.1", "postgres", "initdb")
	install("local/bin", "14.2", "postgres", "initdb")
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"postgres", "initdb"} {
		if err := os.Symlink(filepath.Join(root, "local", "bin", program), filepath.Join(root, "bin", program)); err != nil {
			t.Fatal(err)
		}
	}
	at := func(dirs ...string) []string {
		for i := range dirs {
			dirs[i] = filepath.Join(root, dirs[i])
		}
		return dirs
	}
	for _, c := range []struct {
		name         string
		path, places []string
		want         string
		major        int
		err          string
	}{
		{name: "the newest", places: at("usr/lib/*/bin", "local/bin"), want: "usr/lib/17/bin", major: 17},
		{name: "a link in PATH", path: at("none", "bin"), places: at("usr/lib/*/bin"), want: "local/bin", major: 14},
		{name: "too old in PATH", path: at("usr/lib/9/bin"), places: at("usr/lib/15/bin"), want: "usr/lib/15/bin", major: 15},
		{name: "too old", path: at("odd/bin"), places: at("usr/lib/9/bin"), err: "PostgreSQL 14 or later is needed"},
		{name: "in part", places: at("usr/lib/18/bin"), err: "no PostgreSQL server is installed"},
		{name: "none", places: at("none/*"), err: "no PostgreSQL server is installed"},
	} {
		dir, major, err := pgtest.Find(t.Context(), strings.Join(c.path, string(os.PathListSeparator)), c.places)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %s, %v; want %s", c.name, dir, err, c.err)
			}
			continue
		}
		if err != nil || !strings.HasSuffix(dir, c.want) || major != c.major {
			t.Errorf("%s: %s, %d, %v; want %s", c.name, dir, major, err, c.want)
		}
	}
}
