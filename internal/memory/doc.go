// Package memory gives large pieces of memory that lie outside of Go's heap:
// there the collector would let as much garbage pile up beside them.
package memory
