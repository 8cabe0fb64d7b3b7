// Package sqlite is the embedded store: one SQLite database in WAL mode, one
// writer, many readers.
//
// Writers queue for one goroutine that owns the writing connection. It takes
// whoever waits into one transaction, each in a savepoint of its own, and
// commits once for all of them: durability costs one fsync for the group.
// Readers have connections of their own and never wait.
//
// Messages are clustered by channel and time, so that exporting a channel is
// one scan, with pages large enough that bodies rarely overflow them. All SQL
// goes through package lite; only migrations (goose) use database/sql.
package sqlite
