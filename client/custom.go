package client

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Custom holds the custom fields of an object by name, each as the JSON value
// that it is: nothing is lost of large integers, of 2.50, or of the order of
// keys in an object.
//
//	client.Custom{"cups": []byte("2"), "note": []byte(`"Earl Grey"`)}
type Custom map[string]json.RawMessage

// Get decodes a field into out as json.Unmarshal does. It leaves out as it is
// where there is no such field.
func (c Custom) Get(name string, out any) error {
	value, ok := c[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(value, out); err != nil {
		return fmt.Errorf("custom field %s: %w", name, err)
	}
	return nil
}

// Set encodes v as json.Marshal does and keeps it as a field.
func (c *Custom) Set(name string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("custom field %s: %w", name, err)
	}
	if *c == nil {
		*c = Custom{}
	}
	(*c)[name] = value
	return nil
}

// flatten encodes a struct together with its custom fields, which follow its
// own in sorted order. reserved are further names that no custom field can
// have.
func flatten(v any, custom Custom, reserved string) ([]byte, error) {
	known, err := json.Marshal(v)
	if err != nil || len(custom) == 0 {
		return known, err
	}
	own := namesOf(reflect.TypeOf(v))
	for name := range custom {
		_, taken := own[name]
		if taken || name == "custom" || slices.Contains(strings.Fields(reserved), name) {
			return nil, fmt.Errorf("custom field %s: this is the name of a built-in field", name)
		}
	}
	more, err := json.Marshal(custom)
	if err != nil || len(known) == len("{}") {
		return more, err
	}
	known[len(known)-1] = ','
	return append(known, more[1:]...), nil
}

// unflatten is the reverse of flatten: what is neither a field of the struct
// that v points to nor reserved is a custom field. Custom fields may also stand
// in an object of their own, "custom".
func unflatten(b []byte, v any, custom *Custom, reserved string) error {
	var all Custom
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	s := reflect.ValueOf(v).Elem()
	s.SetZero()
	// Field by field, since encoding/json would take "Name" for "name".
	for name, index := range namesOf(s.Type()) {
		value, ok := all[name]
		if !ok {
			continue
		}
		delete(all, name)
		if err := json.Unmarshal(value, s.FieldByIndex(index).Addr().Interface()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for name := range strings.FieldsSeq(reserved) {
		delete(all, name)
	}
	if nested, ok := all["custom"]; ok {
		delete(all, "custom")
		var inner Custom
		if err := json.Unmarshal(nested, &inner); err != nil {
			return fmt.Errorf("custom: %w", err)
		}
		maps.Copy(all, inner)
	}
	if len(all) > 0 {
		*custom = all
	}
	return nil
}

// structNames remembers namesOf of the few types there are.
var structNames sync.Map // reflect.Type to map[string][]int

// namesOf gives the JSON names of a struct's fields and where they are, those
// of embedded structs included.
func namesOf(t reflect.Type) map[string][]int {
	if known, ok := structNames.Load(t); ok {
		if names, ok := known.(map[string][]int); ok {
			return names
		}
	}
	names := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.Anonymous && name != "" && name != "-" {
			names[name] = f.Index
		}
	}
	structNames.Store(t, names)
	return names
}
