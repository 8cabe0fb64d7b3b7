// Package export makes export files: it checks requests, plans, reads, renders
// and assembles (contract sections 3, 5 and 6).
//
// A channels export goes through its channels one by one, each in a snapshot
// of its own. A file of one channel is written straight through: rows become
// JSON in a buffer, buffers are compressed, encrypted, hashed and written on
// goroutines of their own, and memory stays what it is. A file of several
// channels has sections that each channel adds to (all members before all
// messages), so they are spooled side by side and strung together at the end;
// what was spooled is the checkpoint that a later attempt goes on from, after
// the last channel that was whole. No attempt mixes two snapshots of one
// channel.
//
// A file appears whole or not at all, under a name of its attempt's own, and
// counts only once the task's row says so: an attempt that lost its lease can
// finish nothing.
package export
