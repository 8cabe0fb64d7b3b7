// Package export makes export files: it checks requests, plans, reads, renders
// and assembles (contract sections 3, 5 and 6).
//
// Rows become JSON in a buffer, buffers are compressed, encrypted, hashed and
// written on goroutines of their own, and memory stays what it is however much
// is exported. Up to some eight million messages are written straight through, in
// the order of the file, from one snapshot. A larger export goes channel by
// channel, each in a snapshot of its own. Its file has sections that every
// channel adds to (all members before all messages), so these are spooled side
// by side and strung together at the end; what was spooled is the checkpoint
// that a later attempt goes on from, after the last channel that was whole. No
// attempt mixes two snapshots of one channel.
//
// A file appears whole or not at all, under a name of its attempt's own, and
// counts only once the task's row says so: an attempt that lost its lease can
// finish nothing.
//
// Verify reads such a file back, from anywhere, and says what is wrong with it.
package export
