package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
)

// Schema is the schema of an engine, and the database that is to have it.
type Schema struct {
	Files   fs.FS // its steps are in the folder schema
	Dialect goose.Dialect
	Options []goose.ProviderOption
	DB      *sql.DB
	Name    string // what errors call the database
	// NoMigrate leaves the database as it is. That it is not current is an error.
	NoMigrate bool
	Logger    *slog.Logger
}

// Migrate brings the schema of the database up to date and returns its version.
// It fails if that is newer than this program, unless it says that it works with
// older ones.
func (s Schema) Migrate(ctx context.Context) (int64, error) {
	steps, err := fs.Sub(s.Files, "schema")
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	p, err := goose.NewProvider(s.Dialect, s.DB, steps, append(s.Options, goose.WithLogger(goose.NopLogger()))...)
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("look at the schema: %w", err)
	}
	switch {
	case have == want:
		return have, nil
	case have > want && s.worksWith(ctx, want):
		s.Logger.Info("the database has a newer schema that this program still works with", "schema", have, "own", want)
		return have, nil
	case have > want:
		return 0, fmt.Errorf("%s has schema %d, newer than this program's %d: run the newer hansard", s.Name, have, want)
	case s.NoMigrate:
		return 0, fmt.Errorf("%s has schema %d, this program needs %d: run hansard migrate", s.Name, have, want)
	}
	if _, err := p.Up(ctx); err != nil {
		// Another process may have migrated at the same moment.
		if now, _, verr := p.GetVersions(ctx); verr == nil && now == want {
			return now, nil
		}
		return 0, fmt.Errorf("migrate: %w", err)
	}
	return want, nil
}

// worksWith reports whether a program made for the schema own still works with
// the newer one of the database, which says so.
func (s Schema) worksWith(ctx context.Context, own int64) bool {
	var oldest int64
	err := s.DB.QueryRowContext(ctx, `SELECT max(schema) FROM oldest`).Scan(&oldest)
	return err == nil && oldest <= own
}
