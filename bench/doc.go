// Command bench measures Hansard from the outside, as real processes on real
// files: how fast it imports and exports, what that costs in processor time
// and memory, how long its API takes to answer meanwhile, how fast messages
// are sent through it, alone and beside exports, and how all that compares with
// what else could be used.
//
//	go run ./bench                        20,000 and 200,000 messages, SQLite, the local disk
//	go run ./bench -sizes 2000000         two million
//	go run ./bench -file chat.jsonl.gz    a chat of your own, in Stream's import format
//	go run ./bench -engine both           PostgreSQL too, on a server that it starts
//	go run ./bench -storage s3            to an object store on this machine, beside the local disk
//	go run ./bench -storage far           to one that takes what a cloud's takes of each request
//	go run ./bench -only sent             only the measures of sending messages
//	go run ./bench -targets               all that the table of targets needs, and the table
//
// The chats it makes are the same on every machine: a number of messages
// alone determines every byte. Each measure is repeated, in a process of its
// own, and reported as a table in Markdown with median, least and greatest
// value. What is compared is measured in turn, and the ratios are of measures
// of the same round.
//
// Peers are other programs with the same messages in tables as people have
// them: psql with COPY, the sqlite3 shell, a loop written by hand (peerloop.go),
// and for files cp, zstd and pigz. Those that are not installed are left out.
// The first time each is measured, its output must have the ids and texts of
// the messages in Hansard's.
//
// The processor time of PostgreSQL is that of all processes of the server; it is
// known if the bench has started it.
package main
