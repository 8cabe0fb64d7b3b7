// Package harness runs the real program for tests: it builds cmd/hansard once,
// starts it as processes on folders of their own, talks to it over HTTP with
// tokens that it signs itself, and stops, kills and reaps what it started.
//
// Nothing in it sleeps for a guess: [Until] waits for conditions, with a
// deadline. What a process logs is shown when its test fails.
package harness
