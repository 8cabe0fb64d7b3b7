package wire

import (
	"errors"
	"fmt"
	"net/http"
)

// Code is an error code of the contract (section 2).
type Code int

// The codes, with the HTTP status each is answered with.
const (
	CodeInternal       Code = -1 // 500
	CodeUnknownAPIKey  Code = 2  // 401
	CodeBadInput       Code = 4  // 400
	CodeBadToken       Code = 5  // 401
	CodeRateLimited    Code = 9  // 429
	CodeNotFound       Code = 16 // 404
	CodeForbidden      Code = 17 // 403
	CodeTextTooLong    Code = 20 // 400
	CodeThreadTooDeep  Code = 21 // 400
	CodeTooLarge       Code = 22 // 413
	CodeTimeout        Code = 23 // 408
	CodeTokenExpired   Code = 40 // 401
	CodeTokenNotYet    Code = 41 // 401
	CodeTokenFuture    Code = 42 // 401
	CodeTokenSignature Code = 43 // 401
)

var statuses = map[Code]int{
	CodeInternal:       http.StatusInternalServerError,
	CodeUnknownAPIKey:  http.StatusUnauthorized,
	CodeBadInput:       http.StatusBadRequest,
	CodeBadToken:       http.StatusUnauthorized,
	CodeRateLimited:    http.StatusTooManyRequests,
	CodeNotFound:       http.StatusNotFound,
	CodeForbidden:      http.StatusForbidden,
	CodeTextTooLong:    http.StatusBadRequest,
	CodeThreadTooDeep:  http.StatusBadRequest,
	CodeTooLarge:       http.StatusRequestEntityTooLarge,
	CodeTimeout:        http.StatusRequestTimeout,
	CodeTokenExpired:   http.StatusUnauthorized,
	CodeTokenNotYet:    http.StatusUnauthorized,
	CodeTokenFuture:    http.StatusUnauthorized,
	CodeTokenSignature: http.StatusUnauthorized,
}

// Status is the HTTP status that c is answered with.
func (c Code) Status() int {
	if s, ok := statuses[c]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// Error is an answer to a request that failed. Its message is for the client:
// it never carries secrets, message text or internals.
type Error struct {
	Code    Code
	Message string
	Fields  map[string]string // exception_fields: field → what is wrong with it
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// BadField makes an Error of code 4 about one field of the request.
func BadField(field, format string, args ...any) *Error {
	reason := fmt.Sprintf(format, args...)
	return &Error{Code: CodeBadInput, Message: field + " " + reason, Fields: map[string]string{field: reason}}
}

// AsError finds the Error in err's chain; anything else gives nil.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return nil
}
