package lite

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"syscall"
	"time"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Error is what SQLite answered.
type Error struct {
	Code int    // extended result code
	Msg  string // SQLite's message; it may name tables and columns, never values
}

func (e *Error) Error() string { return fmt.Sprintf("sqlite: %s (%d)", e.Msg, e.Code) }

// primary is the result code without its extension.
func (e *Error) primary() int { return e.Code & 0xff }

// Is makes errors.Is(err, syscall.ENOSPC) true for a full disk, which others
// know under that name.
func (e *Error) Is(target error) bool {
	return target == syscall.ENOSPC && e.primary() == sqlite3.SQLITE_FULL
}

func is(err error, code int) bool {
	var e *Error
	return errors.As(err, &e) && e.primary() == code
}

// IsBusy reports whether err says that another connection held the lock for
// longer than the busy timeout.
func IsBusy(err error) bool { return is(err, sqlite3.SQLITE_BUSY) }

// IsInterrupted reports whether err comes from Interrupt.
func IsInterrupted(err error) bool { return is(err, sqlite3.SQLITE_INTERRUPT) }

// IsFull reports whether err says that the disk is full.
func IsFull(err error) bool { return is(err, sqlite3.SQLITE_FULL) }

// IsDenied reports whether err says that a file may not be opened or written to.
func IsDenied(err error) bool {
	return is(err, sqlite3.SQLITE_READONLY) || is(err, sqlite3.SQLITE_CANTOPEN) || is(err, sqlite3.SQLITE_PERM)
}

// IsDamaged reports whether err says that the file is no database, or broken.
func IsDamaged(err error) bool {
	return is(err, sqlite3.SQLITE_NOTADB) || is(err, sqlite3.SQLITE_CORRUPT)
}

// Conn is one connection to a database file.
type Conn struct {
	tls   *libc.TLS
	db    uintptr
	stmts map[string]*Stmt

	bound int // see Bound
	steps int
}

// maxStmts bounds the statements kept per connection. The texts are constants
// of the store, except for those built from filters.
const maxStmts = 256

// Open opens or makes the database file at path. Waiting for another
// connection's lock gives up after busy.
func Open(path string, busy time.Duration) (*Conn, error) {
	c := &Conn{tls: libc.NewTLS(), stmts: map[string]*Stmt{}}
	name, err := libc.CString(path)
	if err != nil {
		c.tls.Close()
		return nil, fmt.Errorf("sqlite: open: %w", err)
	}
	defer libc.Xfree(c.tls, name)
	out := c.tls.Alloc(8)
	defer c.tls.Free(8)
	const flags = sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_CREATE | sqlite3.SQLITE_OPEN_NOMUTEX
	rc := sqlite3.Xsqlite3_open_v2(c.tls, name, out, flags, 0)
	c.db = readPointer(out)
	if rc != sqlite3.SQLITE_OK {
		err := c.error(rc)
		sqlite3.Xsqlite3_close_v2(c.tls, c.db)
		c.tls.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	sqlite3.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	c.stablePlans()
	sqlite3.Xsqlite3_busy_timeout(c.tls, c.db, int32(min(busy.Milliseconds(), math.MaxInt32)))
	return c, nil
}

// stablePlans keeps the planner from looking at parameters. Otherwise many a
// statement is prepared anew each time it is bound, for a better plan that
// there is not: that was a tenth of the time of a bulk load.
func (c *Conn) stablePlans() {
	args := c.tls.Alloc(16)
	defer c.tls.Free(16)
	sqlite3.Xsqlite3_db_config(c.tls, c.db, sqlite3.SQLITE_DBCONFIG_ENABLE_QPSG, libc.VaList(args, int32(1), uintptr(0)))
}

func readPointer(p uintptr) uintptr {
	var v uintptr
	for i, b := range libc.GoBytes(p, 8) {
		v |= uintptr(b) << (8 * i)
	}
	return v
}

// Close ends the connection and rolls back what was not committed.
func (c *Conn) Close() error {
	for _, s := range c.stmts {
		s.finalize()
	}
	rc := sqlite3.Xsqlite3_close_v2(c.tls, c.db)
	c.tls.Close()
	if rc != sqlite3.SQLITE_OK {
		return &Error{Code: int(rc), Msg: "close"}
	}
	return nil
}

// Interrupt makes the statement that runs on c fail soon. It may be called
// from another goroutine, but not during or after Close.
func (c *Conn) Interrupt() {
	tls := libc.NewTLS()
	defer tls.Close()
	sqlite3.Xsqlite3_interrupt(tls, c.db)
}

// Bound keeps the pages that c holds in memory below that many bytes. PRAGMA
// cache_size does not do that by itself: a connection that has as many pages as it
// may takes those that were used longest ago from whichever connection has them,
// so that one which reads on and on ends up with the pages of all.
func (c *Conn) Bound(bytes int) { c.bound = bytes }

// boundEvery is after how many steps the bound is looked at.
const boundEvery = 1 << 13

func (c *Conn) trim() {
	out := c.tls.Alloc(8)
	defer c.tls.Free(8)
	sqlite3.Xsqlite3_db_status(c.tls, c.db, sqlite3.SQLITE_DBSTATUS_CACHE_USED, out, out+4, 0)
	if used := int32(readPointer(out)); int(used) > c.bound { //nolint:gosec // the lower half is the first number
		sqlite3.Xsqlite3_db_release_memory(c.tls, c.db)
	}
}

// InTransaction reports whether a transaction is open.
func (c *Conn) InTransaction() bool { return sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

// Changes is how many rows the last statement that wrote changed.
func (c *Conn) Changes() int { return int(sqlite3.Xsqlite3_changes(c.tls, c.db)) }

// LastInsertID is the integer key of the row inserted last.
func (c *Conn) LastInsertID() int64 { return sqlite3.Xsqlite3_last_insert_rowid(c.tls, c.db) }

func (c *Conn) error(rc int32) error {
	return &Error{Code: int(rc), Msg: libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))}
}

// Script runs statements without parameters, separated by semicolons.
func (c *Conn) Script(sql string) error {
	text, err := libc.CString(sql)
	if err != nil {
		return fmt.Errorf("sqlite: script: %w", err)
	}
	defer libc.Xfree(c.tls, text)
	if rc := sqlite3.Xsqlite3_exec(c.tls, c.db, text, 0, 0, 0); rc != sqlite3.SQLITE_OK {
		return c.error(rc)
	}
	return nil
}

// Exec runs one statement. Parameters are $1, $2 …: int64, int, bool, string,
// []byte (nil = NULL), nil, or an integer type of package chat.
func (c *Conn) Exec(sql string, args ...any) error {
	return c.Query(sql, args, nil)
}

// Query runs one statement and calls row for each row. An error from row ends
// the statement and is returned as it is.
func (c *Conn) Query(sql string, args []any, row func(*Stmt) error) error {
	s, err := c.Stmt(sql)
	if err != nil {
		return err
	}
	defer s.Release()
	s.Bind(args)
	for {
		more, err := s.Step()
		if err != nil || !more {
			return err
		}
		if row == nil {
			continue
		}
		if err := row(s); err != nil {
			return err
		}
	}
}

// Stmt returns the prepared statement of that text, ready for Bind and Step.
// It must be given back with Release. A statement that is in use already (a
// callback of a Query running the same Query) is prepared anew.
func (c *Conn) Stmt(sql string) (*Stmt, error) {
	if s := c.stmts[sql]; s != nil && !s.busy {
		s.busy = true
		return s, nil
	}
	s, err := c.prepare(sql)
	if err != nil {
		return nil, err
	}
	s.busy = true
	if c.stmts[sql] == nil {
		c.makeRoom()
		s.kept = true
		c.stmts[sql] = s
	}
	return s, nil
}

func (c *Conn) makeRoom() {
	if len(c.stmts) < maxStmts {
		return
	}
	for text, s := range c.stmts {
		if !s.busy {
			s.finalize()
			delete(c.stmts, text)
		}
	}
}

var param = regexp.MustCompile(`\$(\d+)`)

func (c *Conn) prepare(sql string) (*Stmt, error) {
	// To SQLite $2 is a name, numbered by where it first stands; ?2 is a number.
	numbered := param.ReplaceAllString(sql, "?$1")
	text, err := libc.CString(numbered)
	if err != nil {
		return nil, fmt.Errorf("sqlite: prepare: %w", err)
	}
	defer libc.Xfree(c.tls, text)
	out := c.tls.Alloc(8)
	defer c.tls.Free(8)
	rc := sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, text, int32(len(numbered)+1), sqlite3.SQLITE_PREPARE_PERSISTENT, out, 0)
	if rc != sqlite3.SQLITE_OK {
		return nil, fmt.Errorf("prepare %q: %w", sql, c.error(rc))
	}
	return &Stmt{conn: c, ptr: readPointer(out)}, nil
}
