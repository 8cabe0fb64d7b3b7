package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"

	"hansard/internal/store/sqlstore"

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
	return s.migrate(ctx)
}

func (s *Store) migrate(ctx context.Context) (version int64, err error) {
	config, err := pgx.ParseConfig(s.dsn)
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", errDSN)
	}
	// Settings of the pool are no parameters of the server.
	for name := range config.RuntimeParams {
		if len(name) > 5 && name[:5] == "pool_" {
			delete(config.RuntimeParams, name)
		}
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectPatience
	}
	if err := own(ctx, &config.Config); err != nil {
		return 0, explain(s.dsn, err)
	}
	// Processes that start at once migrate one after the other.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600))
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	version, err = sqlstore.Schema{
		Files: schema, Dialect: goose.DialectPostgres, Options: []goose.ProviderOption{goose.WithSessionLocker(locker)},
		DB: db, Name: "the database", NoMigrate: s.opts.NoMigrate, Logger: s.opts.Logger,
	}.Migrate(ctx)
	return version, explain(s.dsn, err)
}
