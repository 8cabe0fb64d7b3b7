package scan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"hansard/internal/wire"
)

// envelope reads {"type":"…","data":{…}} in the form in which nearly all lines
// are written. It reports false for any other, good or bad.
func (s *Scanner) envelope(line []byte, i int, at Pos) bool {
	word := func(w string) bool {
		if !bytes.HasPrefix(line[i:], []byte(w)) {
			return false
		}
		i = space(line, i+len(w))
		return true
	}
	if !word(`{`) || !word(`"type"`) || !word(`:`) || i == len(line) || line[i] != '"' {
		return false
	}
	typeAt := i
	n := bytes.IndexByte(line[i+1:], '"')
	if n < 0 {
		return false
	}
	typ := line[i+1 : i+1+n]
	for _, c := range typ {
		if c < 0x20 || c == '\\' || c >= 0x7f {
			return false
		}
	}
	i = space(line, i+n+2)
	if !word(`,`) {
		return false
	}
	item := false
	if !word(`"data"`) {
		if item = word(`"item"`); !item {
			return false
		}
	}
	if !word(`:`) || i == len(line) || line[i] != '{' {
		return false
	}
	dataAt := i
	end := objectEnd(line, i)
	if end < 0 {
		return false
	}
	i = space(line, end)
	if !word(`}`) || i != len(line) {
		return false
	}
	s.rec = Record{
		Type: typeName(typ), Raw: line[dataAt:end], Item: item,
		Pos:     Pos{at.Line, at.Column + int64(dataAt)},
		TypePos: Pos{at.Line, at.Column + int64(typeAt)},
	}
	return true
}

// oddEnvelope reads a line with care: its keys in any order, others between
// them, escapes in them. It says exactly what is wrong with a bad line.
func (s *Scanner) oddEnvelope(line []byte, at Pos) (*Record, error) {
	fail := func(offset int64, field, reason string) (*Record, error) {
		return nil, &Error{
			Pos: at.after(line[:min(max(offset, 0), int64(len(line)))]), Field: field, Reason: reason,
			NotJSON: field == "", Foreign: s.foreign,
		}
	}
	if !utf8.Valid(line) {
		return fail(invalidUTF8(line), "", "the line is not valid UTF-8")
	}
	start := int64(space(line, 0))
	dec := jsontext.NewDecoder(bytes.NewBuffer(line))
	if kind := dec.PeekKind(); kind != '{' && kind != 0 {
		return fail(start, "", `the line must be an object with "type" and "data"`)
	}
	if _, err := dec.ReadToken(); err != nil {
		return fail(syntax(dec, line, err))
	}
	var env element
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return fail(syntax(dec, line, err))
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return fail(syntax(dec, line, err))
		}
		offset := dec.InputOffset() - int64(len(value))
		env.set(key, line[offset:dec.InputOffset()], at.after(line[:offset]))
	}
	if _, err := dec.ReadToken(); err != nil {
		return fail(syntax(dec, line, err))
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return fail(int64(space(line, int(dec.InputOffset()))), "", "the line goes on after its object")
	}
	rec, err := env.record(at.after(line[:start]))
	if err != nil {
		return nil, err
	}
	s.rec = *rec
	return &s.rec, nil
}

// element is an object with a type and data, as it is being read.
type element struct {
	typ, data     []byte
	typPos, dtPos Pos
	item          bool
	both          bool // data and item
}

func (e *element) set(key string, value []byte, at Pos) {
	switch key {
	case "type":
		e.typ, e.typPos = value, at
	case "data", "item":
		e.both = e.both || e.data != nil
		e.data, e.dtPos, e.item = value, at, key == "item"
	}
}

// record is the record that the object is; at is where the object begins.
func (e *element) record(at Pos) (*Record, error) {
	if e.typ == nil {
		return nil, &Error{Pos: at, Field: "type", Reason: "is missing"}
	}
	name, err := jsontext.AppendUnquote(nil, e.typ)
	if err != nil || e.typ[0] != '"' {
		return nil, &Error{Pos: e.typPos, Field: "type", Reason: "must be a string"}
	}
	switch {
	case e.both:
		return nil, &Error{Pos: e.dtPos, Field: "data", Reason: `stands beside "item": give one of them`}
	case e.data == nil:
		return nil, &Error{Pos: at, Field: "data", Reason: "is missing"}
	case e.data[0] != '{':
		return nil, &Error{Pos: e.dtPos, Field: "data", Reason: "must be an object"}
	}
	return &Record{Type: typeName(name), Raw: e.data, Pos: e.dtPos, TypePos: e.typPos, Item: e.item}, nil
}

// syntax puts an error of the JSON decoder in plain words: where, which field
// and what.
func syntax(dec *jsontext.Decoder, line []byte, err error) (offset int64, field, reason string) {
	offset = dec.InputOffset()
	var bad *jsontext.SyntacticError
	if errors.As(err, &bad) {
		offset = bad.ByteOffset
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		field = strings.ReplaceAll(strings.TrimPrefix(string(bad.JSONPointer), "/"), "/", ".")
		return offset, field, "is given twice"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return int64(len(line)), "", "the JSON ends too early"
	}
	if fault := wire.SyntaxFault(line, bad); fault != "" {
		return offset, "", "the JSON " + fault
	}
	if offset >= 0 && offset < int64(len(line)) && line[offset] < 0x20 {
		return offset, "", fmt.Sprintf("the JSON has an unexpected control character 0x%02x", line[offset])
	}
	return offset, "", "the JSON is not valid here"
}

func invalidUTF8(b []byte) int64 {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return int64(i)
		}
		i += n
	}
	return int64(len(b))
}
