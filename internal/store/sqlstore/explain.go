package sqlstore

import "fmt"

// explained is an error that says what to do about it. What it comes from is
// beneath.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

// Explain is err in words of one's own, which say what to do about it.
func Explain(err error, format string, args ...any) error {
	return &explained{fmt.Sprintf(format, args...), err}
}
