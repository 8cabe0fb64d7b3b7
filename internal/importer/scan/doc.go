// Package scan cuts an import file into records, one chat entity each,
// whatever the file looks like: plain, gzip or zstd; JSON lines, one array of
// the same objects, or the array of channels that a v1 export is. It tells the
// forms apart by content, never by name.
//
// A file of any size costs the memory of its largest entity, and an entity or
// line over the limit is skipped without being held. The scanner finds where
// values begin and end and knows the line and column of each; whether the
// value of a record is good JSON and makes sense is for the decoders.
package scan
