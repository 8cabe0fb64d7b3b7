// Package storetest is the suite that every store engine passes: what the
// comments of package store promise, as tests. An engine's own test calls
// RunApps, RunTasks and the others with a function that opens an empty store.
package storetest
