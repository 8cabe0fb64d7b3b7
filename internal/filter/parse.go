package filter

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hansard/internal/chat"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind is what a field holds.
type Kind int

// The kinds of fields.
const (
	String Kind = iota
	Bool
	Int
	Time
	Set // of strings, such as the members of a channel
)

// Bounds on one filter: enough for what people write, little enough that none
// is a burden.
const (
	maxDepth    = 16
	maxOperands = 1000
	maxClauses  = 200
)

// Filter is a parsed filter. The zero value, like the filter {}, means every
// object.
type Filter struct {
	all []node // all must match
}

// node is one condition: a group of others, or a comparison of a field.
type node struct {
	op       string // $and, $or, $nor, or the operator of a comparison
	children []Filter
	field    string
	kind     Kind
	operands []operand
}

// operand is a value to compare with, in the form its field's kind needs.
type operand struct {
	s string
	n int64 // a number, a time in µs, or 0 and 1 for false and true
}

// parser reads a filter over certain fields.
type parser struct {
	fields  map[string]Kind
	clauses int
}

// Parse reads a filter over the given fields. Its errors name field and
// operator.
func Parse(raw []byte, fields map[string]Kind) (*Filter, error) {
	p := &parser{fields: fields}
	if !jsontext.Value(raw).IsValid() {
		return nil, errors.New("is not valid JSON")
	}
	f, err := p.object(raw, 0)
	if err != nil {
		return nil, err
	}
	return &f, nil
}

// members calls fn with the members of an object.
func members(raw []byte, fn func(name string, value jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if d.PeekKind() != '{' {
		return errors.New("must be an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return errors.New("is not valid JSON")
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return errors.New("is not valid JSON")
		}
		key := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return errors.New("is not valid JSON")
		}
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return nil
}

func elements(raw []byte, fn func(value jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if d.PeekKind() != '[' {
		return errors.New("must be a list")
	}
	if _, err := d.ReadToken(); err != nil {
		return errors.New("is not valid JSON")
	}
	for d.PeekKind() != ']' {
		value, err := d.ReadValue()
		if err != nil {
			return errors.New("is not valid JSON")
		}
		if err := fn(value); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) object(raw []byte, depth int) (f Filter, err error) {
	if depth > maxDepth {
		return f, fmt.Errorf("is nested more than %d levels deep", maxDepth)
	}
	err = members(raw, func(name string, value jsontext.Value) error {
		if p.clauses++; p.clauses > maxClauses {
			return fmt.Errorf("has more than %d conditions", maxClauses)
		}
		if !strings.HasPrefix(name, "$") {
			nodes, err := p.field(name, value)
			f.all = append(f.all, nodes...)
			return err
		}
		if !slices.Contains([]string{"$and", "$or", "$nor"}, name) {
			return fmt.Errorf("has the unknown operator %s; at this place it takes $and, $or and $nor", shown(name))
		}
		n := node{op: name}
		err := elements(value, func(v jsontext.Value) error {
			child, err := p.object(v, depth+1)
			n.children = append(n.children, child)
			return err
		})
		if err != nil {
			return within(name, err)
		}
		if len(n.children) == 0 {
			return fmt.Errorf("%s needs at least one filter", name)
		}
		f.all = append(f.all, n)
		return nil
	})
	return f, err
}

// shown is a name out of the request as it can stand in an error.
func shown(name string) string {
	if len(name) > 64 {
		name = name[:64] + "…"
	}
	return strconv.QuoteToGraphic(name)
}

func within(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }

// operators are those that a kind takes.
var operators = map[Kind][]string{
	String: {"$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$exists"},
	Bool:   {"$eq", "$ne", "$exists"},
	Int:    {"$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$exists"},
	Time:   {"$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$exists"},
	Set:    {"$eq", "$in", "$nin", "$exists"},
}

func (p *parser) field(name string, value jsontext.Value) ([]node, error) {
	kind, ok := p.fields[name]
	if !ok {
		known := make([]string, 0, len(p.fields))
		for f := range p.fields {
			known = append(known, f)
		}
		slices.Sort(known)
		return nil, fmt.Errorf("asks for the unknown field %s; the fields are %s", shown(name), strings.Join(known, ", "))
	}
	if value.Kind() != '{' {
		n, err := p.compare(name, kind, "$eq", value)
		return []node{n}, err
	}
	var nodes []node
	err := members(value, func(op string, operand jsontext.Value) error {
		if p.clauses++; p.clauses > maxClauses {
			return fmt.Errorf("has more than %d conditions", maxClauses)
		}
		n, err := p.compare(name, kind, op, operand)
		nodes = append(nodes, n)
		return err
	})
	if err == nil && len(nodes) == 0 {
		err = within(name, errors.New("needs an operator"))
	}
	return nodes, err
}

func (p *parser) compare(field string, kind Kind, op string, value jsontext.Value) (node, error) {
	n := node{op: op, field: field, kind: kind}
	if !slices.Contains(operators[kind], op) {
		return n, within(field, fmt.Errorf("does not take the operator %s; it takes %s", shown(op), strings.Join(operators[kind], " ")))
	}
	read := func(kind Kind) func(jsontext.Value) error {
		return func(v jsontext.Value) error {
			if len(n.operands) >= maxOperands {
				return fmt.Errorf("takes at most %d values", maxOperands)
			}
			o, err := readOperand(kind, v)
			n.operands = append(n.operands, o)
			return err
		}
	}
	one := kind
	if kind == Set {
		one = String
	}
	var err error
	switch {
	case op == "$exists":
		err = read(Bool)(value)
	case op == "$in", op == "$nin", kind == Set && value.Kind() == '[':
		err = elements(value, read(one))
	default:
		err = read(one)(value)
	}
	if err != nil {
		return n, within(field+" "+op, err)
	}
	return n, nil
}

func readOperand(kind Kind, v jsontext.Value) (o operand, err error) {
	text := func() (string, error) {
		if v.Kind() != '"' {
			return "", errors.New("must be a string")
		}
		b, err := jsontext.AppendUnquote(nil, v)
		return string(b), err
	}
	switch kind {
	case Bool:
		if v.Kind() != 't' && v.Kind() != 'f' {
			return o, errors.New("must be true or false")
		}
		if v.Kind() == 't' {
			o.n = 1
		}
	case Int:
		if o.n, err = strconv.ParseInt(string(v), 10, 64); err != nil {
			return o, errors.New("must be a whole number")
		}
	case Time:
		if ns, err := strconv.ParseInt(string(v), 10, 64); err == nil { // the v2 dialect
			if o.n = ns / 1000; !chat.Time(o.n).Valid() {
				return o, errors.New("must be a time between 1970 and 9999")
			}
			return o, nil
		}
		s, err := text()
		if err != nil {
			return o, errors.New("must be a time")
		}
		t, err := chat.ParseTime(s)
		if err != nil {
			return o, err
		}
		o.n = int64(t)
	case String, Set:
		o.s, err = text()
	}
	return o, err
}
