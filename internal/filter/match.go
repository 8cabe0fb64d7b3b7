package filter

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Match reports whether an object is meant. get gives its fields, and is asked
// only for those that matter; its errors end the matching.
func (f *Filter) Match(get func(field string) (Value, error)) (bool, error) {
	for i := range f.all {
		ok, err := f.all[i].match(get)
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func (n *node) match(get func(field string) (Value, error)) (bool, error) {
	switch n.op {
	case "$and", "$or", "$nor":
		for i := range n.children {
			ok, err := n.children[i].Match(get)
			if err != nil {
				return false, err
			}
			if ok != (n.op == "$and") { // the first one that decides
				return n.op == "$or", nil
			}
		}
		return n.op != "$or", nil
	}
	v, err := get(n.field)
	if err != nil {
		return false, err
	}
	return n.compare(v)
}

func (n *node) compare(v Value) (bool, error) {
	if n.op == "$exists" {
		return (v.is != nothing) == (n.operands[0].n == 1), nil
	}
	if n.kind == Set {
		return n.holds(v)
	}
	switch n.op {
	case "$eq", "$in":
		return n.among(v), nil
	case "$ne", "$nin":
		return !n.among(v), nil
	case "$autocomplete", "$q":
		return v.is == text && n.words.begin(v.s), nil
	case "$contains":
		return v.is == list && n.listed(v.json), nil
	}
	o := n.operands[0]
	if v.is != o.is {
		return false, nil
	}
	c := order(v, o)
	switch n.op {
	case "$gt":
		return c > 0, nil
	case "$gte":
		return c >= 0, nil
	case "$lt":
		return c < 0, nil
	default:
		return c <= 0, nil
	}
}

// among reports whether v is one of the operands, which are sorted.
func (n *node) among(v Value) bool {
	_, found := slices.BinarySearchFunc(n.operands, v, order)
	return found
}

// listed reports whether one of the operands is in a JSON list.
func (n *node) listed(raw []byte) bool {
	found := false
	// What is known to be well-formed gives no error.
	_ = elements(raw, func(v jsontext.Value) error {
		found = found || n.among(JSONValue(v))
		return nil
	})
	return found
}

// holds compares a set: $in and $contains with any of the operands, $eq with
// exactly them, $nin with none.
func (n *node) holds(v Value) (bool, error) {
	hits := 0
	for _, o := range n.operands {
		if v.is != set {
			break
		}
		ok, err := v.has(o.s)
		if err != nil {
			return false, err
		}
		if ok {
			hits++
		}
		if ok && n.op != "$eq" {
			break
		}
	}
	switch n.op {
	case "$in", "$contains":
		return hits > 0, nil
	case "$nin":
		return hits == 0, nil
	default:
		return hits == len(n.operands) && int64(hits) == v.n, nil
	}
}

// Equals gives strings of which every object that is meant has one in the given
// field, or, if the field is a set, holds at least one. They are sorted and
// distinct; none means that no object is meant at all. It is for finding the
// objects by an index: they still have to be matched. ok tells whether the
// filter says any such thing.
func (f *Filter) Equals(field string) (values []string, ok bool) {
	shortest := func(v []string, given bool) {
		if given && (!ok || len(v) < len(values)) {
			values, ok = v, true
		}
	}
	for i := range f.all {
		n := &f.all[i]
		switch {
		case n.op == "$and":
			for j := range n.children {
				shortest(n.children[j].Equals(field))
			}
		case n.field == field:
			shortest(n.equals())
		}
	}
	return values, ok
}

func (n *node) equals() ([]string, bool) {
	operands := n.operands
	switch {
	case n.op == "$in":
	case n.op == "$eq" && len(operands) > 0, n.op == "$contains" && n.kind == Set:
		operands = operands[:1] // a set that is equal to all of them holds the first
	default:
		return nil, false
	}
	values := make([]string, len(operands))
	for i, o := range operands {
		if o.is != text {
			return nil, false
		}
		values[i] = o.s
	}
	return values, true
}
