// Package thin is a thin connection to PostgreSQL, right above its wire
// protocol: it hands out column values as they came, binds parameters without
// tables of types, and reads long results in bounded batches, so that a
// callback may run other statements on the same connection.
//
// A [Conn] is for one goroutine at a time, and runs one transaction after the
// other. Statements are prepared once per text and kept. Connecting, TLS and
// logging in are the business of pgx, and so is pooling.
package thin
