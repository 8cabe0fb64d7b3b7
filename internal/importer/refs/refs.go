package refs

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Kind is what an id is of, less than 15. Ids of different kinds never meet.
type Kind uint8

// kinds is how many kinds there can be.
const kinds = 16

// Note is one definition of an id or one reference to it.
type Note struct {
	hash   [2]uint64
	Line   int64
	Column int32
	Kind   Kind
	Ref    bool  // a reference, not a definition
	Field  uint8 // the caller's: where it stood
	Flags  uint8 // the caller's
	Extra  uint64
	name   int64 // where the id is spooled; -1 = it is not
}

// noteSize is the length of a Note on disk.
const noteSize = 16 + 8 + 4 + 4 + 8 + 8

// Table gathers notes. It is for one goroutine.
type Table struct {
	dir     string
	most    int // notes in memory
	seeds   [kinds][2]maphash.Seed
	notes   []Note
	runs    []string
	made    int
	names   spool
	defined [kinds]*memory // what is known to be defined
	spooled []spooledName
}

type spooledName struct {
	hash uint64
	at   int64
}

// remembered is how many hashes a Table keeps at hand; a power of two.
const remembered = 1 << 16

// memory remembers up to remembered hashes, and forgets old ones for new ones
// that fall on the same place.
type memory [remembered / 2][2]uint64

func (m *memory) at(h [2]uint64) *[2]uint64 { return &m[h[0]%uint64(len(m))] }

func (m *memory) add(h [2]uint64) {
	if two := m.at(h); two[0] != h[1] {
		two[0], two[1] = h[1], two[0]
	}
}

func (m *memory) has(h [2]uint64) bool {
	two := m.at(h)
	return two[0] == h[1] || two[1] == h[1]
}

// DefaultMemory is how many bytes of notes are kept before a run is written.
const DefaultMemory = 16 << 20

// fewNotes is how many notes a small file makes at most.
const fewNotes = 1 << 14

// New returns an empty Table. dir must exist; files are made there only when
// memory bytes do not suffice (0 = DefaultMemory). Close removes them.
func New(dir string, memory int) *Table {
	if memory <= 0 {
		memory = DefaultMemory
	}
	t := &Table{
		dir: dir, most: max(memory/noteSize, 16),
		names:   spool{dir: dir},
		spooled: make([]spooledName, remembered),
	}
	for i := range t.seeds {
		t.seeds[i] = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	}
	return t
}

func (t *Table) hash(k Kind, id string) [2]uint64 {
	seeds := &t.seeds[k]
	return [2]uint64{maphash.String(seeds[0], id), maphash.String(seeds[1], id)}
}

// Hash is a number for a string that is the same throughout this Table, to be
// carried as Extra.
func (t *Table) Hash(s string) uint64 { return maphash.String(t.seeds[kinds-1][0], s) }

// Define notes a definition. Later references to it cost nothing for as long
// as it is remembered, unless they ask for its Extra.
func (t *Table) Define(id string, n Note) error {
	n.hash, n.Ref, n.name = t.hash(n.Kind, id), false, -1
	if t.defined[n.Kind] == nil {
		t.defined[n.Kind] = new(memory)
	}
	t.defined[n.Kind].add(n.hash)
	return t.add(n)
}

// Known reports whether the id is remembered as defined. False says nothing.
func (t *Table) Known(k Kind, id string) bool {
	return t.defined[k] != nil && t.defined[k].has(t.hash(k, id))
}

// Refer notes a reference. name is what Name gives back for it.
func (t *Table) Refer(id string, n Note, name string) error {
	n.hash, n.Ref = t.hash(n.Kind, id), true
	key := t.Hash(name)
	slot := &t.spooled[key%remembered]
	if slot.hash == key && slot.at > 0 {
		n.name = slot.at - 1
	} else {
		at, err := t.names.add(name)
		if err != nil {
			return err
		}
		n.name = at
		*slot = spooledName{hash: key, at: at + 1}
	}
	return t.add(n)
}

func (t *Table) add(n Note) error {
	switch {
	case len(t.notes) == t.most:
		if err := t.spill(); err != nil {
			return err
		}
	case len(t.notes) >= fewNotes && cap(t.notes) < t.most:
		// All the room at once: growing bit by bit has the notes in memory
		// twice, and what is not written to yet costs nothing.
		t.notes = append(make([]Note, 0, t.most), t.notes...)
	}
	t.notes = append(t.notes, n)
	return nil
}

// compare puts the notes about one id together: definitions first, then
// references, both in the order of the file.
func compare(a, b *Note) int {
	switch {
	case a.hash[0] != b.hash[0]:
		return cmp.Compare(a.hash[0], b.hash[0])
	case a.hash[1] != b.hash[1]:
		return cmp.Compare(a.hash[1], b.hash[1])
	case a.Ref != b.Ref:
		if b.Ref {
			return -1
		}
		return 1
	case a.Line != b.Line:
		return cmp.Compare(a.Line, b.Line)
	}
	return cmp.Compare(a.Column, b.Column)
}

// sort sorts the notes, on two cores: those whose hash begins with a zero come
// before the others, and are about half of them.
func (t *Table) sort() {
	low := 0
	for i := range t.notes {
		if t.notes[i].hash[0] < 1<<63 {
			t.notes[low], t.notes[i] = t.notes[i], t.notes[low]
			low++
		}
	}
	byHash := func(a, b Note) int { return compare(&a, &b) }
	var other sync.WaitGroup
	other.Go(func() { slices.SortFunc(t.notes[low:], byHash) })
	slices.SortFunc(t.notes[:low], byHash)
	other.Wait()
}

// Each calls fn with every note, all about one id together, definitions first.
// first says that the note is about another id than the one before.
func (t *Table) Each(fn func(n *Note, first bool) error) error {
	var last [2]uint64
	begun := false
	each := func(n *Note) error {
		first := !begun || n.hash != last
		begun, last = true, n.hash
		return fn(n, first)
	}
	if len(t.runs) == 0 {
		t.sort()
		for i := range t.notes {
			if err := each(&t.notes[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := t.spill(); err != nil {
		return err
	}
	t.notes = nil
	if err := t.narrow(); err != nil {
		return err
	}
	return merge(t.runs, each)
}

// Name is what was given as name to Refer.
func (t *Table) Name(n *Note) (string, error) {
	if n.name < 0 {
		return "", nil
	}
	return t.names.at(n.name)
}

// Close removes all files.
func (t *Table) Close() error {
	err := t.names.close()
	for _, run := range t.runs {
		if removeErr := os.Remove(run); err == nil && !errors.Is(removeErr, fs.ErrNotExist) {
			err = removeErr
		}
	}
	t.runs, t.notes = nil, nil
	if err != nil {
		return fmt.Errorf("clean up after the check of ids: %w", err)
	}
	return nil
}

func (t *Table) runName() string {
	t.made++
	return filepath.Join(t.dir, fmt.Sprintf("ids-%d.run", t.made))
}

func (n *Note) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, n.hash[0])
	b = binary.LittleEndian.AppendUint64(b, n.hash[1])
	b = binary.LittleEndian.AppendUint64(b, uint64(n.Line))
	b = binary.LittleEndian.AppendUint32(b, uint32(n.Column))
	ref := byte(0)
	if n.Ref {
		ref = 1
	}
	b = append(b, byte(n.Kind), ref, n.Field, n.Flags)
	b = binary.LittleEndian.AppendUint64(b, n.Extra)
	return binary.LittleEndian.AppendUint64(b, uint64(n.name))
}

func (n *Note) read(b []byte) {
	n.hash[0] = binary.LittleEndian.Uint64(b)
	n.hash[1] = binary.LittleEndian.Uint64(b[8:])
	n.Line = int64(binary.LittleEndian.Uint64(b[16:]))
	n.Column = int32(binary.LittleEndian.Uint32(b[24:]))
	n.Kind, n.Ref, n.Field, n.Flags = Kind(b[28]), b[29] == 1, b[30], b[31]
	n.Extra = binary.LittleEndian.Uint64(b[32:])
	n.name = int64(binary.LittleEndian.Uint64(b[40:]))
}
