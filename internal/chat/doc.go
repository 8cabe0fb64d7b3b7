// Package chat holds the vocabulary of Hansard: users, channels, members,
// messages, reactions, reads and calls, and the rules about them that need no
// I/O (what counts as truncated, which ids are well-formed, how big custom
// data may be).
//
// Entities refer to each other by id, never by pointer. Times are [Time]:
// microseconds since the Unix epoch, UTC, zero meaning "not set". Custom
// fields are [Custom]: raw JSON kept byte for byte, sorted by name.
package chat
