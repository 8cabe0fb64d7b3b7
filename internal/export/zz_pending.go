package export

// Temporary stand-ins so that others compile: delete this file when the real ones arrive.

import "io"

func checkColumns(string, []string) error { return nil }

type Report struct{}

func Verify(io.Reader, []byte) (*Report, error) { return &Report{}, nil }
