// Package pgtest gives tests a real PostgreSQL.
//
// [Database] hands a test a database of its own, on a server that is started
// when the first test of the process asks for one. [Template] does the same
// with tables that are made once and copied. [Start] hands out a whole server
// that a test may stop and start as it likes.
//
// A server runs as an unprivileged user in a temporary folder. A small shell
// process watches over it, and takes both away when the test process ends, be it
// by a panic or a kill.
//
// The programs of the server are looked for in PATH, and where Debian, the
// PostgreSQL packages and Homebrew put them. If HANSARD_TEST_POSTGRES is set,
// it is the URL of a server where databases may be made, and used for Database
// and Template. Where there is no PostgreSQL, tests are skipped; with CI=true
// they fail.
package pgtest
