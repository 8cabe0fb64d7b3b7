//go:build !slow

package test_test

// slow says that time does not matter.
const slow = false
