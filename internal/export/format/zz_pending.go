package format

// Temporary stand-ins so that others compile: delete this file when the real ones arrive.

import "hansard/internal/store"

type CSV struct {
	V2
	Columns []string
}
type Parquet struct {
	V2
	Columns []string
}

func Unknown(store.Reader, []store.ChannelRow, []string) ([]string, error) { return nil, nil }
