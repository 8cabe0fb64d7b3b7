// Package postgres is the store for more than one machine: a PostgreSQL
// database, version 14 or later, that any number of processes share.
//
// The rules and the statements are those of package sqlstore. What is added
// here is what many writers at once ask for: a transaction locks the channels
// that it looks at before it reads what is in them, and is run again when it
// ran into another one.
//
// Reading for exports copies the messages of a channel in binary form over a
// connection of its own, while look-ups go over another one that shares its
// snapshot.
package postgres
