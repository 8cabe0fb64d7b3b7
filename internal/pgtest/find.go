package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// oldest is the first major version that Hansard works with.
const oldest = 14

// places are the folders with the server's programs, as patterns.
var places = []string{
	"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                                   // RPMs of postgresql.org
	"/usr/lib/postgresql*/bin",                           // SUSE
	"/usr/libexec/postgresql*",                           // Alpine
	"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew on Apple silicon
	"/usr/local/opt/postgresql*/bin",                     // Homebrew on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew on Linux
	"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
	"/Library/PostgreSQL/*/bin",                          // EDB's installers
	"/opt/PostgreSQL/*/bin",
	"/usr/local/pgsql/bin", // built from source
}

// binaries are the server's programs.
type binaries struct {
	dir   string
	major int
}

func (b *binaries) path(name string) string { return filepath.Join(b.dir, name) }

// find looks for the server's programs: those in PATH, or else the newest ones
// in the usual places.
func find(ctx context.Context, path string, places []string) (*binaries, error) {
	var tooOld []string
	look := func(dir string) *binaries {
		for _, name := range []string{"postgres", "initdb"} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
				return nil
			}
		}
		// Distributions put links to them into PATH; what belongs to a server
		// is found beside the real file.
		if program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil {
			if _, err := os.Stat(filepath.Join(filepath.Dir(program), "initdb")); err == nil {
				dir = filepath.Dir(program)
			}
		}
		b := &binaries{dir: dir}
		out, err := exec.CommandContext(ctx, b.path("postgres"), "--version").Output()
		if err != nil {
			return nil
		}
		if b.major = majorOf(string(out)); b.major < oldest {
			tooOld = append(tooOld, fmt.Sprintf("%s in %s", strings.TrimSpace(string(out)), dir))
			return nil
		}
		return b
	}
	for _, dir := range filepath.SplitList(path) {
		if b := look(dir); b != nil {
			return b, nil
		}
	}
	var newest *binaries
	for _, place := range places {
		dirs, err := filepath.Glob(place)
		if err != nil {
			return nil, err
		}
		for _, dir := range dirs {
			if b := look(dir); b != nil && (newest == nil || b.major > newest.major) {
				newest = b
			}
		}
	}
	switch {
	case newest != nil:
		return newest, nil
	case tooOld != nil:
		return nil, fmt.Errorf("PostgreSQL %d or later is needed; here is %s", oldest, strings.Join(tooOld, ", "))
	}
	return nil, errors.New("no PostgreSQL server is installed (its programs postgres and initdb are neither in PATH nor in the usual places)")
}

var versionNumber = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// majorOf is the major version in what postgres --version says; 0 if there is
// none.
func majorOf(version string) int {
	m := versionNumber.FindStringSubmatch(version)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}
