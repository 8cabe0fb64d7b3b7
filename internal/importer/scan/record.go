package scan

import (
	"bytes"
	"fmt"
)

// Pos is a place in the decompressed file. Lines and columns count from 1;
// columns are bytes, and a byte order mark is none of them.
type Pos struct {
	Line   int64
	Column int64
}

// Record is one entity of the file.
type Record struct {
	Type    string // as in the file: "user", "channel", "message" …
	Raw     []byte // the entity's value; valid until the next call of Next
	Pos     Pos    // where Raw begins
	TypePos Pos    // where the type stands
	// Item says that the value stood under "item", as in older import files.
	Item bool
	// Group counts the channel objects of a v1 export from 1; it is 0 in the
	// other forms. Members and read states there belong to the channel object
	// around them and name no channel themselves.
	Group int64
	// End is where the line of the record ends in the decompressed file, counted
	// in bytes; it is 0 where the file is not lines.
	End int64
}

// At is the place of the byte at that offset of Raw, which may span lines.
func (r *Record) At(offset int64) Pos {
	offset = min(max(offset, 0), int64(len(r.Raw)))
	return r.Pos.after(r.Raw[:offset])
}

func (p Pos) after(b []byte) Pos {
	if last := bytes.LastIndexByte(b, '\n'); last >= 0 {
		return Pos{Line: p.Line + int64(bytes.Count(b, newline)), Column: int64(len(b) - last)}
	}
	p.Column += int64(len(b))
	return p
}

var newline = []byte{'\n'}

// Error is something wrong with the file. Unless it is the last thing that
// Next returns before io.EOF, the scanner goes on with the next record.
type Error struct {
	Pos
	Field  string // the key it is about, if any
	Reason string
	// NotJSON says that the record is no JSON at all, or no object.
	NotJSON bool
	// Foreign says that the file does not even begin like one of ours.
	Foreign bool
}

func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
	}
	return fmt.Sprintf("line %d, column %d: %s %s", e.Line, e.Column, e.Field, e.Reason)
}

// typeName gives the usual types without allocating: a record's type costs
// no memory.
func typeName(b []byte) string {
	switch string(b) {
	case "user":
		return "user"
	case "device":
		return "device"
	case "future_channel_ban":
		return "future_channel_ban"
	case "channel":
		return "channel"
	case "member":
		return "member"
	case "read":
		return "read"
	case "message":
		return "message"
	case "reaction":
		return "reaction"
	case "call":
		return "call"
	}
	return string(b)
}
