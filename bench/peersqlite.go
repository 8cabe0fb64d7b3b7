package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	_ "modernc.org/sqlite" // the driver
)

var sqliteTypes = map[string]string{"text": "TEXT NOT NULL", "null": "TEXT", "number": "INTEGER NOT NULL", "json": "TEXT", "time": "TEXT"}

// openSQLite opens a database the way most programs do.
func openSQLite(path string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
}

// sqliteInserts fills tables of SQLite.
type sqliteInserts struct {
	ctx   context.Context //nolint:containedctx // that of one call
	tx    *sql.Tx
	ready map[*peerTable]*sql.Stmt // end with the transaction
	args  []any
}

// loadSQLite makes the peers' tables in a new file.
func loadSQLite(ctx context.Context, path, chat string) (err error) {
	db, err := openSQLite(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	in := &sqliteInserts{ctx: ctx, tx: tx, ready: map[*peerTable]*sql.Stmt{}}
	for _, t := range peerTables {
		if _, err := tx.ExecContext(ctx, t.create(sqliteTypes)); err != nil {
			return fmt.Errorf("making %s: %w", t.name, err)
		}
		insert := fmt.Sprintf("INSERT INTO %s VALUES (?%s)", t.name, strings.Repeat(",?", len(t.columns)-1))
		if in.ready[t], err = tx.PrepareContext(ctx, insert); err != nil { //nolint:sqlclosecheck // ends with the transaction
			return fmt.Errorf("filling %s: %w", t.name, err)
		}
	}
	if err := loadPeer(ctx, chat, in); err != nil {
		return err
	}
	for _, t := range peerTables {
		for _, index := range t.indexes() {
			if _, err := tx.ExecContext(ctx, index); err != nil {
				return fmt.Errorf("%s: %w", index, err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	for _, sql := range []string{"ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := db.ExecContext(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

func (s *sqliteInserts) add(t *peerTable, values []sql.NullString) error {
	s.args = s.args[:0]
	for _, v := range values {
		s.args = append(s.args, v)
	}
	if _, err := s.ready[t].ExecContext(s.ctx, s.args...); err != nil {
		return fmt.Errorf("filling %s: %w", t.name, err)
	}
	return nil
}
