package filter

import (
	"cmp"
	"slices"
	"strings"

	"hansard/internal/chat"
)

// Value is what a field of an object holds. The zero Value is a field that is
// not there.
type Value struct {
	given bool
	s     string
	n     int64
	has   func(string) (bool, error)
}

// StringValue is a string; "" counts as not there.
func StringValue(s string) Value { return Value{given: s != "", s: s} }

// BoolValue is a truth value.
func BoolValue(b bool) Value {
	v := Value{given: true}
	if b {
		v.n = 1
	}
	return v
}

// IntValue is a number.
func IntValue(n int64) Value { return Value{given: true, n: n} }

// TimeValue is an instant; one that is not set counts as not there.
func TimeValue(t chat.Time) Value { return Value{given: t != 0, n: int64(t)} }

// SetValue is a set of n strings that is asked for one at a time.
func SetValue(n int, has func(string) (bool, error)) Value {
	return Value{given: n > 0, n: int64(n), has: has}
}

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
		return v.given == (n.operands[0].n == 1), nil
	}
	if n.kind == Set {
		return n.contains(v)
	}
	equal := func(o operand) bool { return v.given && n.order(v, o) == 0 }
	switch n.op {
	case "$eq", "$in":
		return slices.ContainsFunc(n.operands, equal), nil
	case "$ne", "$nin":
		return !slices.ContainsFunc(n.operands, equal), nil
	}
	if !v.given {
		return false, nil
	}
	c := n.order(v, n.operands[0])
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

func (n *node) order(v Value, o operand) int {
	if n.kind == String {
		return strings.Compare(v.s, o.s)
	}
	return cmp.Compare(v.n, o.n)
}

// contains compares a set: $in with any of the operands, $eq with exactly
// them, $nin with none.
func (n *node) contains(v Value) (bool, error) {
	distinct := map[string]struct{}{}
	hits := 0
	for _, o := range n.operands {
		if _, seen := distinct[o.s]; seen {
			continue
		}
		distinct[o.s] = struct{}{}
		if !v.given {
			continue
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
	case "$in":
		return hits > 0, nil
	case "$nin":
		return hits == 0, nil
	default:
		return hits == len(distinct) && int64(hits) == v.n, nil
	}
}
