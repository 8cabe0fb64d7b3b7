package main

import (
	"fmt"
	"strings"
)

// How numbers are written for people, everywhere the same. Durations are
// progress.Duration.

// size writes a number of bytes.
func size(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return count(n, units[0])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// count writes how many of something there are; what is its plural, in s.
func count(n int64, what string) string {
	if n == 1 {
		what = strings.TrimSuffix(what, "s")
	}
	return fmt.Sprintf("%d %s", n, what)
}
