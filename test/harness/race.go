//go:build race

package harness

// Race says that tests and program run with the race detector, several times
// slower than without.
const Race = true
