package filter

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// maxOrders bounds what one sort goes by.
const maxOrders = 10

// Order is one field that objects are sorted by.
type Order struct {
	Field      string
	Descending bool
}

// Sort is an order of objects: by its first field, where that is equal by the
// second, and so on. An empty Sort leaves all of them equal.
type Sort []Order

// ParseSort reads [{"field":"created_at","direction":-1}, …], or the shorter
// {"created_at":-1}; without a direction it is 1, the smallest first. No sort,
// and null, give an empty Sort. Sets cannot be sorted by. Its errors name the
// field.
func ParseSort(raw []byte, options Options) (Sort, error) {
	if absent(raw) {
		return nil, nil
	}
	if !jsontext.Value(raw).IsValid() {
		return nil, errors.New("is not valid JSON")
	}
	var s Sort
	var err error
	switch jsontext.Value(raw).Kind() {
	case '{':
		err = members(raw, func(name string, direction jsontext.Value) error { return s.add(name, direction, options) })
	case '[':
		err = elements(raw, func(entry jsontext.Value) error { return s.addEntry(entry, options) })
	default:
		err = errors.New("must be a list")
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// addEntry adds an entry of the list. Other members, such as a type, say
// nothing that the values do not say themselves.
func (s *Sort) addEntry(entry jsontext.Value, options Options) error {
	var field string
	var direction jsontext.Value
	err := members(entry, func(name string, v jsontext.Value) (err error) {
		switch name {
		case "field":
			if field, err = readText(v); err != nil {
				return within("field", err)
			}
		case "direction":
			direction = v.Clone()
		}
		return nil
	})
	if err != nil {
		return within("entry", err)
	}
	if field == "" {
		return errors.New("entry: needs a field")
	}
	return s.add(field, direction, options)
}

func (s *Sort) add(given string, direction jsontext.Value, options Options) error {
	name, label, kind, err := options.lookUp(given)
	if err != nil {
		return err
	}
	if kind == Set {
		return within(label, errors.New("cannot be sorted by"))
	}
	by := Order{Field: name, Descending: string(direction) == "-1"}
	if !by.Descending && !absent(direction) && string(direction) != "1" {
		return within(label, errors.New("direction must be 1 or -1"))
	}
	for _, earlier := range *s {
		if earlier.Field == name {
			return within(label, errors.New("stands there twice"))
		}
	}
	if len(*s) >= maxOrders {
		return fmt.Errorf("goes by more than %d fields", maxOrders)
	}
	*s = append(*s, by)
	return nil
}

// AppendKey appends to key what an object is sorted by: a value for each field.
// get gives the fields, as for Match. The values may refer to what get gave them
// from; a Page copies what it keeps.
func (s Sort) AppendKey(key []Value, get func(field string) (Value, error)) ([]Value, error) {
	for _, by := range s {
		v, err := get(by.Field)
		if err != nil {
			return key, err
		}
		key = append(key, v)
	}
	return key, nil
}

// Compare orders two objects by their keys: negative if a comes first. Values
// that are not there come last, whatever the direction; different kinds have an
// order too (false, true, numbers, times, strings, lists, objects), lists and
// objects among themselves have none.
func (s Sort) Compare(a, b []Value) int {
	for i, by := range s {
		x, y := at(a, i), at(b, i)
		c := order(x, y)
		if c != 0 && (by.Descending || x.is == nothing || y.is == nothing) {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func at(key []Value, i int) Value {
	if i >= len(key) {
		return Value{}
	}
	return key[i]
}
