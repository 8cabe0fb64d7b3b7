package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"

	"hansard/internal/store/sqlstore"

	"github.com/pressly/goose/v3"
)

//go:embed schema/*.sql
var schema embed.FS

func (s *Store) migrate(ctx context.Context) (version int64, err error) {
	dsn := (&url.URL{
		Scheme: "file", Opaque: (&url.URL{Path: s.path}).EscapedPath(),
		RawQuery: fmt.Sprintf("_pragma=busy_timeout(%d)&_txlock=immediate", s.opts.Busy.Milliseconds()),
	}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return sqlstore.Schema{
		Files: schema, Dialect: goose.DialectSQLite3, DB: db, Name: "the database " + s.path, NoMigrate: s.opts.NoMigrate, Logger: s.opts.Logger,
	}.Migrate(ctx)
}
