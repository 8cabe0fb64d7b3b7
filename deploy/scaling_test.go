package deploy_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/scaling.md says of every table where it goes, when the database is
// spread over machines: those whose keys all lead with the app are distributed.
func TestEveryTableHasItsPlace(t *testing.T) {
	t.Parallel()
	text := read(t, "../docs/scaling.md")
	var distributed, local []string
	for _, m := range regexp.MustCompile(`create_distributed_table\('([a-z_]+)', 'app'`).FindAllStringSubmatch(text, -1) {
		distributed = append(distributed, m[1])
	}
	line := regexp.MustCompile(`(?m)^-- Local: (.*)\.$`).FindStringSubmatch(text)
	if line == nil {
		t.Fatal("the local tables are not named")
	}
	local = append(local, strings.Split(line[1], ", ")...)
	if !slices.Contains(local, "goose_db_version") {
		t.Error("the table of the schema's version is not named")
	}

	paths, err := filepath.Glob(filepath.FromSlash("../internal/store/postgres/schema/*.sql"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no schema, %v", err)
	}
	var tables []string
	for _, path := range paths {
		up, _, _ := strings.Cut(read(t, filepath.ToSlash(path)), "-- +goose Down")
		for _, m := range regexp.MustCompile(`(?s)CREATE TABLE ([a-z_]+) \((.*?)\n\)`).FindAllStringSubmatch(up, -1) {
			name := m[1]
			tables = append(tables, name)
			if slices.Contains(distributed, name) == slices.Contains(local, name) {
				t.Errorf("the table %s must be in one of the two lists", name)
			}
			if key := strings.Contains(m[2], "PRIMARY KEY (app, "); slices.Contains(distributed, name) && !key {
				t.Errorf("%s cannot be distributed: its key does not lead with the app", name)
			}
		}
	}
	for _, name := range distributed {
		if !slices.Contains(tables, name) {
			t.Errorf("there is no table %s", name)
		}
	}
}
