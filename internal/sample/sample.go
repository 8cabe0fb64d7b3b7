package sample

import (
	_ "embed"
	"slices"
)

//go:embed chat.jsonl
var file []byte

// Name is what the file is called.
const Name = "chat.jsonl"

// File returns the sample chat as an import file: JSON lines, uncompressed.
// The caller owns the bytes.
func File() []byte { return slices.Clone(file) }

// Channels are the cids of two channels worth exporting: one of messages,
// members, read states, threads and reactions, and one livestream.
func Channels() []string { return []string{"messaging:general", "livestream:petrel-launch"} }

// Users are the ids of two users worth exporting: they write in many scripts
// and channels, and one was in both calls.
func Users() []string { return []string{"noor", "takumi"} }
