// Package body is how an entity is stored: the JSON it will be exported as,
// with splices where other entities go.
//
// A body is a sequence of pieces. Most are literal JSON, copied as they stand.
// Between them stand references: a user, by the store's integer key, written
// as the whole user object or as the id alone; or a slot of the message that
// changes by other hands (its reactions, its thread, its pin, the message it
// quotes). Because users are spliced in when a body is written out, renaming
// or erasing a user touches one row, not every message of theirs; and because
// everything else is literal, an export line costs a handful of appends.
//
// [Builder] makes bodies, [Append] writes them out.
package body
