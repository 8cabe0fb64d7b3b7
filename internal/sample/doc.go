// Package sample is the chat that the demo shows: some weeks in the life of a
// small group that builds a weather buoy, written for this purpose.
//
// chat.jsonl is the source, in the documented import format (contract section
// 8). It has a bit of everything that an export has to get right: threads,
// quotes, pins, silent, system and deleted messages, custom fields with
// numbers that no float holds, right-to-left text, CJK, code, a distinct, a
// truncated and a soft-deleted channel, and calls.
package sample
