package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed schema/*.sql
var schema embed.FS

// Migrate brings the schema of the database up to date and returns its
// version.
func Migrate(ctx context.Context, dsn string) (int64, error) {
	s := &Store{dsn: dsn, opts: Options{Logger: slog.New(slog.DiscardHandler)}}
	if err := s.migrate(ctx); err != nil {
		return 0, err
	}
	p, db, err := s.provider()
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	version, err := p.GetDBVersion(ctx)
	return version, errors.Join(err, db.Close())
}

func (s *Store) provider() (*goose.Provider, *sql.DB, error) {
	dir, err := fs.Sub(schema, "schema")
	if err != nil {
		return nil, nil, err
	}
	config, err := pgx.ParseConfig(s.dsn)
	if err != nil {
		return nil, nil, errDSN
	}
	// Settings of the pool are no parameters of the server.
	for name := range config.RuntimeParams {
		if len(name) > 5 && name[:5] == "pool_" {
			delete(config.RuntimeParams, name)
		}
	}
	// Processes that start at once migrate one after the other.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600))
	if err != nil {
		return nil, nil, err
	}
	db := stdlib.OpenDB(*config)
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithLogger(goose.NopLogger()), goose.WithSessionLocker(locker))
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return p, db, nil
}

func (s *Store) migrate(ctx context.Context) (err error) {
	p, db, err := s.provider()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return explain(s.dsn, fmt.Errorf("look at the schema: %w", err))
	}
	switch {
	case have == want:
		return nil
	case have > want && worksWith(ctx, db, want):
		s.opts.Logger.Info("the database has a newer schema that this program still works with", "schema", have, "own", want)
		return nil
	case have > want:
		return fmt.Errorf("the database has schema %d, newer than this program's %d: run the newer hansard", have, want)
	case s.opts.NoMigrate:
		return fmt.Errorf("the database has schema %d, this program needs %d: run hansard migrate", have, want)
	}
	if _, err := p.Up(ctx); err != nil {
		// Another process may have migrated at the same moment.
		if now, _, verr := p.GetVersions(ctx); verr == nil && now == want {
			return nil
		}
		return explain(s.dsn, fmt.Errorf("migrate: %w", err))
	}
	return nil
}

// worksWith reports whether a program made for the schema own still works with
// the newer one of the database, which says so.
func worksWith(ctx context.Context, db *sql.DB, own int64) bool {
	var oldest int64
	err := db.QueryRowContext(ctx, `SELECT max(schema) FROM oldest`).Scan(&oldest)
	return err == nil && oldest <= own
}
