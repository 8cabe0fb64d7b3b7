package filter

import "slices"

// Asks reports whether the filter looks at a field.
func (f *Filter) Asks(field string) bool {
	return slices.ContainsFunc(f.all, func(n node) bool {
		return n.field == field || slices.ContainsFunc(n.children, func(f Filter) bool { return f.Asks(field) })
	})
}
