package export

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"hansard/internal/wire"
)

// What include_fields may hold. Columns cost memory in both formats.
const (
	maxColumns     = 200
	maxColumnBytes = 255
)

// checkColumns checks the form of include_fields for that format; whether any
// message has such fields is looked up later. It fails with a *wire.Error.
func checkColumns(format string, columns []string) error {
	if len(columns) > maxColumns {
		return wire.BadField("include_fields", "must name at most %d columns for %s", maxColumns, format)
	}
	for i, name := range columns {
		field := fmt.Sprintf("include_fields[%d]", i)
		switch {
		case name == "":
			return wire.BadField(field, "must not be empty")
		case len(name) > maxColumnBytes:
			return wire.BadField(field, "must have at most %d bytes", maxColumnBytes)
		case strings.ContainsFunc(name, unicode.IsControl):
			return wire.BadField(field, "must not contain control characters")
		case slices.Contains(columns[:i], name):
			return wire.BadField(field, "names a column for the second time")
		}
	}
	return nil
}
