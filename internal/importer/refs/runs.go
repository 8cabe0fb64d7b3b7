package refs

import (
	"bufio"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxWays is how many runs are merged at once, each with a buffer of its own.
const maxWays = 64

const runBuffer = 1 << 16

// spill writes the notes in memory as a sorted run.
func (t *Table) spill() error {
	if len(t.notes) == 0 {
		return nil
	}
	t.sort()
	err := t.run(func(write func(*Note) error) error {
		for i := range t.notes {
			if err := write(&t.notes[i]); err != nil {
				return err
			}
		}
		return nil
	})
	t.notes = t.notes[:0]
	return err
}

// run writes a new run.
func (t *Table) run(fill func(write func(*Note) error) error) error {
	name := t.runName()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("sort ids: %w", err)
	}
	t.runs = append(t.runs, name)
	out := bufio.NewWriterSize(f, runBuffer)
	buf := make([]byte, 0, noteSize)
	err = fill(func(n *Note) error {
		_, err := out.Write(n.append(buf))
		return err
	})
	if err == nil {
		err = out.Flush()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("sort ids: %w", err)
	}
	return nil
}

// narrow merges runs until few enough are left for one merge.
func (t *Table) narrow() error {
	for len(t.runs) > maxWays {
		few := t.runs[:maxWays:maxWays]
		if err := t.run(func(write func(*Note) error) error { return merge(few, write) }); err != nil {
			return err
		}
		for _, name := range few {
			if err := os.Remove(name); err != nil {
				return fmt.Errorf("sort ids: %w", err)
			}
		}
		t.runs = t.runs[maxWays:]
	}
	return nil
}

// way is one run in a merge.
type way struct {
	in   *bufio.Reader
	note Note
}

// next reads the run's next note; false is its end.
func (w *way) next() (bool, error) {
	var buf [noteSize]byte
	switch _, err := io.ReadFull(w.in, buf[:]); {
	case errors.Is(err, io.EOF):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("sort ids: %w", err)
	}
	w.note.read(buf[:])
	return true, nil
}

type ways []*way

func (h ways) Len() int           { return len(h) }
func (h ways) Less(i, j int) bool { return compare(&h[i].note, &h[j].note) < 0 }
func (h ways) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ways) Push(x any)        { *h = append(*h, x.(*way)) } //nolint:errcheck // nothing else is pushed
func (h *ways) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// merge calls fn with the notes of all runs in order.
func merge(names []string, fn func(*Note) error) error {
	var h ways
	open := make([]*os.File, 0, len(names))
	defer func() {
		for _, f := range open {
			_ = f.Close() // only read from
		}
	}()
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("sort ids: %w", err)
		}
		open = append(open, f)
		w := &way{in: bufio.NewReaderSize(f, runBuffer)}
		if more, err := w.next(); err != nil {
			return err
		} else if more {
			h = append(h, w)
		}
	}
	heap.Init(&h)
	for len(h) > 0 {
		if err := fn(&h[0].note); err != nil {
			return err
		}
		more, err := h[0].next()
		switch {
		case err != nil:
			return err
		case more:
			heap.Fix(&h, 0)
		default:
			heap.Pop(&h)
		}
	}
	return nil
}
