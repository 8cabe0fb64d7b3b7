package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// FieldError says what is wrong with one field of a JSON object.
type FieldError struct {
	// Field is the path to the field, such as "mentioned_users[2]"; empty
	// for the object itself.
	Field string
	// Offset is where the offending value begins, in bytes from the start of
	// what was decoded. What is missing is blamed on the object that lacks it.
	Offset int64
	// Reason continues a sentence that begins with the field's name. It never
	// repeats the value.
	Reason string
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return "the value " + e.Reason
	}
	return e.Field + " " + e.Reason
}

// AsError makes the answer to a request of it (code 4). prefix is the path to
// the object in the request, such as "message"; it may be empty.
func (e *FieldError) AsError(prefix string) *Error {
	field := join(prefix, e.Field)
	if field == "" {
		return Errorf(CodeBadInput, "the request body %s", e.Reason)
	}
	return BadField(field, "%s", e.Reason)
}

// Within turns a FieldError about a part into one about the whole: the part is
// the field named, and begins at offset. Any other error is returned as it is.
func Within(err error, field string, offset int64) error {
	var e *FieldError
	if !errors.As(err, &e) {
		return err
	}
	return &FieldError{Field: join(field, e.Field), Offset: offset + e.Offset, Reason: e.Reason}
}

func join(prefix, field string) string {
	switch {
	case prefix == "":
		return field
	case field == "" || field[0] == '[':
		return prefix + field
	default:
		return prefix + "." + field
	}
}

// syntaxError says why raw is not one valid JSON value.
func syntaxError(raw []byte) *FieldError {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw))
	_, err := d.ReadValue()
	if err == nil {
		end := d.InputOffset()
		if _, err = d.ReadToken(); err == nil || errors.Is(err, io.EOF) {
			return &FieldError{Offset: end, Reason: "is followed by something else"}
		}
	}
	reason := "is not valid JSON"
	offset := d.InputOffset()
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		offset = syntactic.ByteOffset
	}
	fault := SyntaxFault(raw, syntactic)
	switch {
	case !utf8.Valid(raw):
		reason = "is not valid UTF-8"
	case errors.Is(err, jsontext.ErrDuplicateName):
		field := strings.ReplaceAll(strings.TrimPrefix(string(syntactic.JSONPointer), "/"), "/", ".")
		return &FieldError{Field: field, Offset: offset, Reason: "is given twice"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		offset, reason = int64(len(raw)), "is not valid JSON: it ends too early"
	case errors.Is(err, io.EOF):
		reason = "is empty"
	case fault != "":
		reason = fault
	}
	return &FieldError{Offset: offset, Reason: reason}
}

// maxDepth is how deep the JSON decoder goes.
const maxDepth = 10000

// SyntaxFault says what is wrong where raw is well-formed JSON to the eye: there is
// half of a surrogate pair, or a value in too many others. It is "" where it is
// something else, and raw is simply no JSON. e may be nil.
func SyntaxFault(raw []byte, e *jsontext.SyntacticError) string {
	if e == nil || e.ByteOffset < 0 || e.ByteOffset >= int64(len(raw)) {
		return ""
	}
	switch at := raw[e.ByteOffset:]; {
	case len(at) >= 6 && at[0] == '\\' && at[1] == 'u' && (at[2] == 'd' || at[2] == 'D') && at[3] >= '8' && isHex(at[3]) && isHex(at[4]) && isHex(at[5]):
		return "has half of a surrogate pair here, which is no character"
	case (at[0] == '{' || at[0] == '[') && strings.Count(string(e.JSONPointer), "/") >= maxDepth:
		return fmt.Sprintf("is nested deeper than %d levels here", maxDepth)
	}
	return ""
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
