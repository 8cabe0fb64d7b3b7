package importer

import (
	"errors"
	"hash/maphash"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"hansard/internal/importer/refs"
	"hansard/internal/importer/scan"
	"hansard/internal/wire"
)

// fieldPos is where the value of the first of those fields stands that the
// record has, and which of them it is. If it has none, it is where the record begins,
// and len(names).
func fieldPos(rec *scan.Record, names []string) (at scan.Pos, which int) {
	best, offset := len(names), int64(0)
	err := wire.Object(rec.Raw, func(name string, v jsontext.Value, at int64) error {
		if i := slices.Index(names, name); i >= 0 && i < best && !wire.IsNull(v) {
			best, offset = i, at
		}
		return nil
	})
	if err != nil {
		best, offset = len(names), 0
	}
	return rec.At(offset), best
}

// problem adds a decoder's error about a part of the record.
func (c *checker) problem(err error, base int64) {
	if field, ok := errors.AsType[*wire.FieldError](err); ok {
		c.problems.add(fieldProblem(c.rec, base, field))
		return
	}
	c.problems.add(problemAt(c.rec.At(base), "", "%s", err))
}

// seen remembers byte strings it was shown, in bounded memory: it may forget
// one, but it never takes one for another.
type seen struct {
	seed  maphash.Seed
	slots []uint64
}

const seenSlots = 1 << 16

func newSeen() seen { return seen{seed: maphash.MakeSeed(), slots: make([]uint64, seenSlots)} }

// before reports whether it was shown b before.
func (s *seen) before(b []byte) bool {
	h := maphash.Bytes(s.seed, b) | 1 // never the zero of an empty slot
	slot := &s.slots[(h>>1)%seenSlots]
	if *slot == h {
		return true
	}
	*slot = h
	return false
}

func posOf(n *refs.Note) scan.Pos { return scan.Pos{Line: n.Line, Column: int64(n.Column)} }
