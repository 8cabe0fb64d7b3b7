package lite

import (
	"fmt"

	"hansard/internal/chat"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Stmt is a prepared statement of a Conn.
type Stmt struct {
	conn *Conn
	ptr  uintptr
	busy bool
	kept bool // stays prepared in the connection
	err  error

	// Bound strings and bytes are copied here, outside of Go's memory, where
	// SQLite may look at them until the statement is reset.
	arena      uintptr
	arenaSize  int
	arenaUsed  int
	oldArenas  []uintptr
	paramsUsed bool
}

func (s *Stmt) finalize() {
	sqlite3.Xsqlite3_finalize(s.conn.tls, s.ptr)
	s.freeOld()
	if s.arena != 0 {
		libc.Xfree(s.conn.tls, s.arena)
		s.arena = 0
	}
}

func (s *Stmt) freeOld() {
	for _, p := range s.oldArenas {
		libc.Xfree(s.conn.tls, p)
	}
	s.oldArenas = s.oldArenas[:0]
}

// Release resets the statement and gives it back to its connection.
func (s *Stmt) Release() {
	s.Reset()
	s.busy = false
	if !s.kept {
		s.finalize()
	}
}

// Reset makes the statement ready to be bound and run again; bindings are
// gone.
func (s *Stmt) Reset() {
	sqlite3.Xsqlite3_reset(s.conn.tls, s.ptr)
	if s.paramsUsed {
		sqlite3.Xsqlite3_clear_bindings(s.conn.tls, s.ptr)
		s.paramsUsed = false
	}
	s.freeOld()
	s.arenaUsed, s.err = 0, nil
}

func (s *Stmt) check(rc int32) {
	s.paramsUsed = true
	if rc != sqlite3.SQLITE_OK && s.err == nil {
		s.err = s.conn.error(rc)
	}
}

// BindInt binds parameter i, counted from 1. Errors of binding come out of
// Step.
func (s *Stmt) BindInt(i int, v int64) {
	s.check(sqlite3.Xsqlite3_bind_int64(s.conn.tls, s.ptr, int32(i), v))
}

// BindNull binds NULL.
func (s *Stmt) BindNull(i int) {
	s.check(sqlite3.Xsqlite3_bind_null(s.conn.tls, s.ptr, int32(i)))
}

// BindText binds a string.
func (s *Stmt) BindText(i int, v string) {
	p := s.hold(len(v))
	copy(libc.GoBytes(p, len(v)), v)
	s.check(sqlite3.Xsqlite3_bind_text(s.conn.tls, s.ptr, int32(i), p, int32(len(v)), sqlite3.SQLITE_STATIC))
}

// BindTextBytes binds a string that is given as bytes.
func (s *Stmt) BindTextBytes(i int, v []byte) {
	p := s.hold(len(v))
	copy(libc.GoBytes(p, len(v)), v)
	s.check(sqlite3.Xsqlite3_bind_text(s.conn.tls, s.ptr, int32(i), p, int32(len(v)), sqlite3.SQLITE_STATIC))
}

// BindBytes binds a blob; nil binds NULL.
func (s *Stmt) BindBytes(i int, v []byte) {
	if v == nil {
		s.BindNull(i)
		return
	}
	p := s.hold(len(v))
	copy(libc.GoBytes(p, len(v)), v)
	s.check(sqlite3.Xsqlite3_bind_blob(s.conn.tls, s.ptr, int32(i), p, int32(len(v)), sqlite3.SQLITE_STATIC))
}

// hold returns n bytes (at least one, so that an empty string is not NULL)
// that stay until Reset.
func (s *Stmt) hold(n int) uintptr {
	n = max(n, 1)
	if s.arenaUsed+n > s.arenaSize {
		if s.arena != 0 {
			s.oldArenas = append(s.oldArenas, s.arena)
		}
		s.arenaSize = max(2*s.arenaSize, 2*n, 512)
		s.arena = libc.Xmalloc(s.conn.tls, libc.Tsize_t(s.arenaSize))
		s.arenaUsed = 0
	}
	p := s.arena + uintptr(s.arenaUsed)
	s.arenaUsed += n
	return p
}

// Bind binds all parameters, see Conn.Exec.
func (s *Stmt) Bind(args []any) {
	for i, a := range args {
		s.bind(i+1, a)
	}
}

func (s *Stmt) bind(i int, v any) {
	switch v := v.(type) {
	case nil:
		s.BindNull(i)
	case int64:
		s.BindInt(i, v)
	case int:
		s.BindInt(i, int64(v))
	case chat.Time:
		s.BindInt(i, int64(v))
	case bool:
		if v {
			s.BindInt(i, 1)
		} else {
			s.BindInt(i, 0)
		}
	case string:
		s.BindText(i, v)
	case []byte:
		s.BindBytes(i, v)
	default:
		if s.err == nil {
			s.err = fmt.Errorf("sqlite: cannot bind a %T", v)
		}
	}
}

// Step runs the statement up to its next row; false means that it is done.
func (s *Stmt) Step() (bool, error) {
	if s.err != nil {
		return false, s.err
	}
	if s.conn.steps++; s.conn.bound > 0 && s.conn.steps%boundEvery == 0 {
		s.conn.trim()
	}
	switch rc := sqlite3.Xsqlite3_step(s.conn.tls, s.ptr); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, s.conn.error(rc)
	}
}

// Int is column i, counted from 0, as an integer; NULL is 0.
func (s *Stmt) Int(i int) int64 {
	return sqlite3.Xsqlite3_column_int64(s.conn.tls, s.ptr, int32(i))
}

// Time is column i as a time; NULL is "not set".
func (s *Stmt) Time(i int) chat.Time { return chat.Time(s.Int(i)) }

// Bool is column i as a truth value.
func (s *Stmt) Bool(i int) bool { return s.Int(i) != 0 }

// Null reports whether column i is NULL.
func (s *Stmt) Null(i int) bool {
	return sqlite3.Xsqlite3_column_type(s.conn.tls, s.ptr, int32(i)) == sqlite3.SQLITE_NULL
}

// Bytes is column i where SQLite keeps it: valid until the next Step, never
// to be changed. NULL and the empty blob are nil.
func (s *Stmt) Bytes(i int) []byte {
	p := sqlite3.Xsqlite3_column_blob(s.conn.tls, s.ptr, int32(i))
	n := sqlite3.Xsqlite3_column_bytes(s.conn.tls, s.ptr, int32(i))
	if p == 0 || n == 0 {
		return nil
	}
	return libc.GoBytes(p, int(n))
}

// Copy is column i as bytes of the caller's own.
func (s *Stmt) Copy(i int) []byte {
	b := s.Bytes(i)
	if b == nil {
		return nil
	}
	return append([]byte(nil), b...)
}

// Text is column i as a string of the caller's own.
func (s *Stmt) Text(i int) string { return string(s.Bytes(i)) }
