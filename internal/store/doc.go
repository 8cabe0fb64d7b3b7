// Package store says how chat data, apps and tasks are kept: the interfaces
// that the engines implement (store/sqlite, and others) and the types that
// cross them. The suite in store/storetest runs against every engine.
//
// The nouns: an [App] is a tenant; every other row belongs to one. A [Reader]
// reads chat data of one app as of one instant; a [Snapshot] is a Reader that
// holds its instant until it is closed; a [Tx] is a Reader that also writes.
// Messages, members and the like come out as rows whose bodies (package body)
// are already JSON; writing them out is the business of
// package render.
//
// Users are known by an integer key inside the store, so that bodies refer to
// them without naming them. Keys never leave the process.
package store
