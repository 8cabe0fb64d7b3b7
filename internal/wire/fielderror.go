package wire

import (
	"bytes"
	"errors"
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
	}
	return &FieldError{Offset: offset, Reason: reason}
}
