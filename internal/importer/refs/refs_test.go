package refs_test

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"hansard/internal/importer/refs"
)

// describe lists what Each yields, group by group, in an order that does not
// depend on hashes.
func describe(t rapid.TB, table *refs.Table) []string {
	t.Helper()
	var groups []string
	group := ""
	err := table.Each(func(n *refs.Note, first bool) error {
		if first && group != "" {
			groups, group = append(groups, group), ""
		}
		name, err := table.Name(n)
		if err != nil {
			return err
		}
		group += fmt.Sprintf("kind %d ref %t line %d column %d field %d flags %d extra %d name %q\n",
			n.Kind, n.Ref, n.Line, n.Column, n.Field, n.Flags, n.Extra, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if group != "" {
		groups = append(groups, group)
	}
	slices.Sort(groups)
	return groups
}

// The same notes give the same groups, however little memory there is.
func TestMemoryMakesNoDifference(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() // Close leaves it empty each time
	rapid.Check(t, func(t *rapid.T) {
		var err error
		roomy, tight := refs.New(dir, 0), refs.New(dir, 1)
		for line := range rapid.IntRange(0, 2000).Draw(t, "notes") {
			id := fmt.Sprint("id-", line*7919%61)
			n := refs.Note{Line: int64(line), Column: int32(line % 5), Kind: refs.Kind(line % 3), Field: 2, Flags: uint8(line % 2), Extra: uint64(line % 4)}
			for _, table := range []*refs.Table{roomy, tight} {
				if line%4 == 0 {
					err = table.Define(id, n)
				} else {
					err = table.Refer(id, n, "name of "+id)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		a, b := describe(t, roomy), describe(t, tight)
		if !slices.Equal(a, b) {
			t.Fatalf("in memory:\n%s\nsorted on disk:\n%s", a, b)
		}
		for _, table := range []*refs.Table{roomy, tight} {
			if err := table.Close(); err != nil {
				t.Fatal(err)
			}
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Fatalf("Close left %v behind (%v)", left, err)
		}
	})
}

func TestDefinitionsComeFirst(t *testing.T) {
	t.Parallel()
	table := refs.New(t.TempDir(), 0)
	defer table.Close()
	note := func(line int64) refs.Note { return refs.Note{Line: line, Kind: 1} }
	for _, err := range []error{
		table.Refer("a", note(1), "a"), table.Define("a", note(3)), table.Refer("a", note(2), "a"), table.Define("a", note(9)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !table.Known(1, "a") || table.Known(2, "a") || table.Known(1, "b") {
		t.Error("Known does not tell what was defined")
	}
	var lines []int64
	if err := table.Each(func(n *refs.Note, _ bool) error { lines = append(lines, n.Line); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := []int64{3, 9, 1, 2}; !slices.Equal(lines, want) {
		t.Errorf("lines in order %v, want %v", lines, want)
	}
}

func TestNamesBeyondTheBuffer(t *testing.T) {
	t.Parallel()
	table := refs.New(t.TempDir(), 0)
	defer table.Close()
	const many = 60_000 // more than a megabyte of names
	for i := range many {
		id := fmt.Sprintf("%040d", i)
		if err := table.Refer(id, refs.Note{Line: int64(i)}, id); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	err := table.Each(func(n *refs.Note, first bool) error {
		seen++
		name, err := table.Name(n)
		if err == nil && name != fmt.Sprintf("%040d", n.Line) {
			err = fmt.Errorf("note %d has the name %q", n.Line, name)
		}
		return err
	})
	if err != nil || seen != many {
		t.Errorf("saw %d of %d names: %v", seen, many, err)
	}
}
