// Package format lays out export files (contract section 5): which objects
// stand where, and in what order they are read. A format is driven channel by
// channel, or user by user, and appends to the sections of the file; the
// engine in package export puts the sections in their place.
package format
