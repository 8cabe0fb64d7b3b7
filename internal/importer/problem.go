package importer

import (
	"cmp"
	"fmt"
	"slices"

	"hansard/internal/importer/scan"
	"hansard/internal/wire"
)

// MaxProblems is how many problems of a file are told.
const MaxProblems = 100

// Problem is one thing that is wrong with a file.
type Problem struct {
	Line   int64  `json:"line"`   // from 1
	Column int64  `json:"column"` // from 1, in bytes
	Field  string `json:"field"`  // path inside the record; empty for the record
	Reason string `json:"reason"`
}

func (p Problem) String() string {
	if p.Field == "" {
		return fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, p.Reason)
	}
	return fmt.Sprintf("line %d, column %d: %s %s", p.Line, p.Column, p.Field, p.Reason)
}

// problems keeps the first MaxProblems in the order of the file.
type problems struct {
	list    []Problem
	more    bool
	notChat bool // the file is something else altogether
}

func (ps *problems) add(p Problem) {
	at, _ := slices.BinarySearchFunc(ps.list, p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Field, b.Field))
	})
	// What each of many stored replies takes exception to is told once.
	if at < len(ps.list) && ps.list[at] == p {
		return
	}
	if len(ps.list) == MaxProblems {
		ps.more = true
		if at == MaxProblems {
			return
		}
		ps.list = ps.list[:MaxProblems-1]
	}
	ps.list = slices.Insert(ps.list, at, p)
}

// badRecord is a record that cannot be used; reading goes on after it.
type badRecord struct {
	Problem
	// partly is what was decoded of it, as far as that came; nil if nothing
	// was. Its id counts as defined, so that the one fault is told once.
	partly *record
	// notJSON and foreign are those of a scan.Error.
	notJSON, foreign bool
}

func (b *badRecord) Error() string { return b.String() }

func problemAt(at scan.Pos, field, format string, args ...any) Problem {
	return Problem{Line: at.Line, Column: at.Column, Field: field, Reason: fmt.Sprintf(format, args...)}
}

// fieldProblem places a decoder's error in the file.
func fieldProblem(rec *scan.Record, base int64, e *wire.FieldError) Problem {
	reason := e.Reason
	if e.Field == "" {
		reason = "the value " + reason
	}
	return problemAt(rec.At(base+e.Offset), e.Field, "%s", reason)
}
