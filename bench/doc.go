// Command bench measures Hansard from the outside, as real processes on real
// files: how fast it imports and exports, what that costs in processor time
// and memory, how long its API takes to answer meanwhile, and how fast messages
// are sent through it, alone and beside exports.
//
//	go run ./bench                        20,000 and 200,000 messages
//	go run ./bench -sizes 2000000         two million
//	go run ./bench -file chat.jsonl.gz    a chat of your own, in Stream's import format
//	go run ./bench -only sent             only the measures of sending messages
//
// The chats it makes are the same on every machine: a number of messages
// alone determines every byte. Each measure is repeated, in a process of its
// own, and reported as a table in Markdown with median, least and greatest
// value; the speed of an export also as a share of that of cp on the finished
// file, which no export can beat.
package main
