// Package worker is the process that does the work: it runs the tasks of the
// queue with the handlers of their kinds, and cleans up after them.
//
// Cleaning up is the purge: finished tasks and their files past the retention,
// files that no task refers to, uploads that no import wants, scratch folders
// of tasks that are over. Any number of workers may purge at the same time,
// and a purge that is cut short is made good by the next: each step only
// removes what, at that moment, nothing refers to.
package worker
