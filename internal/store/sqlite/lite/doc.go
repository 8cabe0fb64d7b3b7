// Package lite is a thin connection to SQLite, below database/sql: it hands
// out column values without copying them and binds parameters without boxing
// them. Reading stored bodies this way is twice as fast as through
// database/sql, and exporting is little else.
//
// A [Conn] is for one goroutine at a time. Statements are prepared once per
// text and kept. The engine is the one of modernc.org/sqlite, so there is no
// cgo, and a database opened here is the same as one opened there.
package lite
