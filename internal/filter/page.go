package filter

import (
	"slices"
	"strings"
)

// Page picks one stretch of many objects that pass by in any order: those which
// would stand at offset, and up to limit of them, if all were sorted. It keeps at
// most offset+limit objects, however many there are.
type Page[T any] struct {
	sort   Sort
	offset int
	most   int
	kept   []entry[T] // a heap, the last one in order on top
}

type entry[T any] struct {
	key  []Value
	id   string
	item T
}

// NewPage begins a page. The caller bounds offset and limit; less than 0 is 0.
func NewPage[T any](sort Sort, offset, limit int) *Page[T] {
	p := &Page[T]{sort: sort, offset: max(offset, 0)}
	if limit > 0 {
		p.most = p.offset + limit
	}
	return p
}

// Wants reports whether Add would keep an object, so that only such are copied.
func (p *Page[T]) Wants(key []Value, id string) bool {
	if len(p.kept) < p.most {
		return true
	}
	return p.most > 0 && p.compare(entry[T]{key: key, id: id}, p.kept[0]) < 0
}

// Add shows the page an object: its key, as AppendKey of the same Sort makes
// it, an id that no other has, which orders what is equal otherwise, and what to
// give back for it. key and id are copied, item is not.
func (p *Page[T]) Add(key []Value, id string, item T) {
	if !p.Wants(key, id) {
		return
	}
	e := entry[T]{key: make([]Value, len(key)), id: strings.Clone(id), item: item}
	for i, v := range key {
		e.key[i] = v.owned()
	}
	if len(p.kept) < p.most {
		p.kept = append(p.kept, e)
		p.up(len(p.kept) - 1)
		return
	}
	p.kept[0] = e
	p.down(0)
}

// Items gives the page, in order. More may be added afterwards.
func (p *Page[T]) Items() []T {
	sorted := slices.SortedFunc(slices.Values(p.kept), p.compare)
	items := make([]T, 0, max(len(sorted)-p.offset, 0))
	for _, e := range sorted[min(p.offset, len(sorted)):] {
		items = append(items, e.item)
	}
	return items
}

func (p *Page[T]) compare(a, b entry[T]) int {
	if c := p.sort.Compare(a.key, b.key); c != 0 {
		return c
	}
	return strings.Compare(a.id, b.id)
}

// up moves an entry towards the top for as long as it comes after the one above it.
func (p *Page[T]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if p.compare(p.kept[i], p.kept[parent]) <= 0 {
			return
		}
		p.kept[i], p.kept[parent] = p.kept[parent], p.kept[i]
		i = parent
	}
}

// down moves an entry away from the top for as long as one below comes after it.
func (p *Page[T]) down(i int) {
	for {
		last := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(p.kept); child++ {
			if p.compare(p.kept[child], p.kept[last]) > 0 {
				last = child
			}
		}
		if last == i {
			return
		}
		p.kept[i], p.kept[last] = p.kept[last], p.kept[i]
		i = last
	}
}
