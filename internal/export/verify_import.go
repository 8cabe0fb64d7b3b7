package export

import (
	"errors"

	"hansard/internal/export/format"
)

// importFile is the Format of a documented import file. It is easily taken for
// an export, whose lines look much the same, and would then have a problem in
// every line.
const importFile = "import"

// errImportFile ends the check of a file that turns out to be one.
var errImportFile = errors.New("this is an import file, not an export file")

var (
	// importKeys are the keys of the objects in the array form.
	importKeys = []string{"type", "item", "data"}
	// importTypes are the types that no export has.
	importTypes = []string{"device", "future_channel_ban"}
)

// ofImport reports whether an object is as only import files have it: they
// name users by id where exports have the user, and know nothing of what is
// derived.
func ofImport(typ string, o *object) bool {
	if typ == "user" {
		return o.given&(hasOnline|hasBanned|hasDeleted) == 0
	}
	return o.named
}

// importFile makes the report that of an import file: what was found wrong so
// far was measured by the wrong rules.
func (v *verifier) importFile() {
	v.problems, v.report.More = nil, 0
	v.report.Format, v.report.Counts = importFile, format.Counts{}
	v.complain(&v.grave, "%v", errImportFile)
}
