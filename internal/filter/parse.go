package filter

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

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
	Set  // of strings, such as the members of a channel
	JSON // any value of JSON, such as a custom field
)

// Bounds on one filter: enough for what people write, little enough that none
// is a burden.
const (
	maxDepth    = 16
	maxOperands = 1000
	maxClauses  = 200
	maxName     = 255  // bytes in the name of a custom field
	maxSteps    = 16   // dots in it
	maxNumber   = 1000 // bytes in a number, and digits before or after its point
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
	operands []Value // sorted and distinct
	words    words   // instead, of a search
}

// Options say what a filter or a sort may ask for.
type Options struct {
	// Fields are the built-in fields.
	Fields map[string]Kind
	// Custom takes every other name for a custom field of kind JSON. Otherwise
	// it is a mistake.
	Custom bool
	// Reserved, if set, reports whether no custom field can have a name, so that
	// to ask for it is a mistake all the same.
	Reserved func(name string) bool
}

// parser reads a filter over certain fields.
type parser struct {
	Options
	basic   bool // only the operators of exports
	clauses int
}

// Parse reads a filter over the given fields, with the operators of exports
// (contract section 11). Its errors name field and operator.
func Parse(raw []byte, fields map[string]Kind) (*Filter, error) {
	p := &parser{Options: Options{Fields: fields}, basic: true}
	return p.parse(raw)
}

// ParseWith reads a filter with the operators of the data API: those of Parse;
// $autocomplete and $q for strings, $contains for sets and for lists in custom
// fields; null is what is not there. No filter, and null, mean every object. Its
// errors name field and operator.
//
// Search is for words: each one looked for must begin a word of the string, in
// capitals or not.
func ParseWith(raw []byte, options Options) (*Filter, error) {
	if absent(raw) {
		return &Filter{}, nil
	}
	p := &parser{Options: options}
	return p.parse(raw)
}

func absent(raw []byte) bool { return len(raw) == 0 || string(bytes.TrimSpace(raw)) == "null" }

func (p *parser) parse(raw []byte) (*Filter, error) {
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
	JSON:   {"$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$exists"},
}

// more are those that it takes where they are not of an export.
var more = map[Kind][]string{
	String: {"$autocomplete", "$q"},
	Set:    {"$contains"},
	JSON:   {"$autocomplete", "$q", "$contains"},
}

// lookUp finds a field by the name that a request gives it. label is how it
// stands in errors.
func (o Options) lookUp(given string) (name, label string, kind Kind, err error) {
	if kind, ok := o.Fields[given]; ok {
		return given, given, kind, nil
	}
	if !o.Custom || o.Reserved != nil && o.Reserved(given) {
		known := slices.Sorted(maps.Keys(o.Fields))
		return "", "", 0, fmt.Errorf("asks for the unknown field %s; the fields are %s", shown(given), strings.Join(known, ", "))
	}
	// Custom fields stand under "custom" in one of the dialects.
	name = strings.TrimPrefix(given, "custom.")
	if name == "" || len(name) > maxName || strings.Count(name, ".") > maxSteps {
		return "", "", 0, fmt.Errorf("asks for the field %s; a name has 1 to %d bytes and at most %d dots", shown(given), maxName, maxSteps)
	}
	return name, shown(given), JSON, nil
}

func (p *parser) field(given string, value jsontext.Value) ([]node, error) {
	name, label, kind, err := p.lookUp(given)
	if err != nil {
		return nil, err
	}
	var nodes []node
	add := func(op string, operand jsontext.Value) error {
		n := node{op: op, field: name, kind: kind}
		err := p.compare(&n, label, operand)
		nodes = append(nodes, n)
		return err
	}
	if value.Kind() != '{' {
		err := add("$eq", value)
		return nodes, err
	}
	err = members(value, func(op string, operand jsontext.Value) error {
		if p.clauses++; p.clauses > maxClauses {
			return fmt.Errorf("has more than %d conditions", maxClauses)
		}
		return add(op, operand)
	})
	if err == nil && len(nodes) == 0 {
		err = within(label, errors.New("needs an operator"))
	}
	return nodes, err
}

// compare reads what n compares its field with.
func (p *parser) compare(n *node, label string, value jsontext.Value) error {
	op := n.op
	takes := operators[n.kind]
	if !p.basic {
		takes = slices.Concat(takes, more[n.kind])
	}
	if !slices.Contains(takes, op) {
		return within(label, fmt.Errorf("does not take the operator %s; it takes %s", shown(op), strings.Join(takes, " ")))
	}
	read := func(kind Kind, v jsontext.Value) error {
		if len(n.operands) >= maxOperands {
			return fmt.Errorf("takes at most %d values", maxOperands)
		}
		o, err := readOperand(kind, op, v)
		n.operands = append(n.operands, o)
		return err
	}
	null := !p.basic && value.Kind() == 'n'
	var err error
	switch {
	case null && (op == "$eq" || op == "$ne"):
		n.op, n.operands = "$exists", []Value{BoolValue(op == "$ne")}
	case op == "$exists":
		err = read(Bool, value)
	case op == "$autocomplete", op == "$q":
		n.words, err = readWords(value)
	case op == "$eq" && n.kind == Set && value.Kind() != '[':
		// One name asks for a set that has it, a list for one that is it.
		n.op = "$in"
		err = read(n.kind, value)
	case op == "$in", op == "$nin", op == "$eq" && n.kind == Set:
		err = elements(value, func(v jsontext.Value) error { return read(n.kind, v) })
	default:
		err = read(n.kind, value)
	}
	if err != nil {
		return within(label+" "+op, err)
	}
	slices.SortFunc(n.operands, order)
	n.operands = slices.CompactFunc(n.operands, func(a, b Value) bool { return order(a, b) == 0 })
	return nil
}

// readOperand reads a value to compare with. "" and false are values like others
// here; null is the zero Value.
func readOperand(kind Kind, op string, v jsontext.Value) (o Value, err error) {
	switch kind {
	case Bool:
		if v.Kind() != 't' && v.Kind() != 'f' {
			return o, errors.New("must be true or false")
		}
		return BoolValue(v.Kind() == 't'), nil
	case Int:
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil {
			return o, errors.New("must be a whole number")
		}
		return IntValue(n), nil
	case Time:
		t, err := readTime(op, v)
		return Value{is: instant, n: int64(t)}, err
	case JSON:
		return readScalar(op, v)
	default: // a string, or one of a set
		s, err := readText(v)
		return Value{is: text, s: s}, err
	}
}

func readText(v jsontext.Value) (string, error) {
	if v.Kind() != '"' {
		return "", errors.New("must be a string")
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err
}

// readTime reads an instant, also one that no chat has, and rounds it to the side
// on which op is as true of what is stored as before.
func readTime(op string, v jsontext.Value) (chat.Time, error) {
	var t time.Time
	if ns, err := strconv.ParseInt(string(v), 10, 64); err == nil { // the v2 dialect
		t = time.Unix(0, ns)
	} else if s, err := readText(v); err != nil {
		return 0, errors.New("must be a time")
	} else if t, err = chat.ParseStd(s); err != nil {
		return 0, err
	}
	if op == "$gte" || op == "$lt" {
		return chat.Bound(t), nil
	}
	return chat.Bound(t.Add(time.Nanosecond - time.Microsecond)), nil
}

// readScalar reads what a custom field can be compared with by op.
func readScalar(op string, v jsontext.Value) (Value, error) {
	takes, want := `"0tf`, "must be a string, a number, true or false"
	switch op {
	case "$in", "$nin":
		takes, want = `"0tfn`, "must be a string, a number, true, false or null"
	case "$gt", "$gte", "$lt", "$lte":
		takes, want = `"0`, "must be a string or a number"
	}
	if !strings.ContainsRune(takes, rune(v.Kind())) {
		return Value{}, errors.New(want)
	}
	if v.Kind() == '0' && len(v) > maxNumber {
		return Value{}, fmt.Errorf("must be a number of at most %d characters", maxNumber)
	}
	o := JSONValue(v)
	if o.is == number && o.s != "" && (o.n > maxNumber || o.n < -maxNumber) {
		return Value{}, fmt.Errorf("must be a number between -1e%d and 1e%[1]d, and not closer to 0 than 1e-%[1]d", maxNumber)
	}
	return o, nil
}

func readWords(v jsontext.Value) (words, error) {
	s, err := readText(v)
	if err != nil {
		return nil, err
	}
	return splitWords(s)
}
