package export

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"hansard/internal/chat"
	"hansard/internal/export/format"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// Report is what Verify found.
type Report struct {
	// Format is "v1", "v2", "users", "csv" or "parquet", or "import" for an
	// import file, which is no export; empty if it cannot be told, as with an
	// encrypted file.
	Format string `json:"format"`
	// Compression is "none", "gzip" or "zstd"; empty for an encrypted file.
	Compression string `json:"compression"`
	Encrypted   bool   `json:"encrypted"`
	Size        int64  `json:"size"`   // bytes of the file as it is stored
	SHA256      string `json:"sha256"` // of the file as it is stored, in hex
	// Counts is what is in the file, as far as it could be read. A csv file
	// has only messages; with parquet and encrypted files nothing is counted.
	Counts format.Counts `json:"counts"`
	// Compared reports whether there was a manifest to compare with.
	Compared bool `json:"compared"`
	// Problems says in plain words what is wrong, and where. At most 20 are
	// listed; More is how many there are beyond these.
	Problems []string `json:"problems"`
	More     int64    `json:"more_problems,omitempty"`
	// Notes says what could not be checked.
	Notes []string `json:"notes,omitempty"`
}

// OK reports whether nothing is wrong with the file.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

// usersFile is the format of a users export; the others are V1, V2, CSV and
// Parquet.
const usersFile = "users"

const (
	maxProblems = 20
	maxText     = 300      // runes of one problem
	maxObject   = 64 << 20 // bytes of one line, or of one object of a v1 file
)

var (
	ageMagic     = []byte("age-encryption.org/v1\n")
	ageArmor     = []byte("-----BEGIN AGE ENCRYPT")
	parquetMagic = []byte("PAR1")
	byteOrder    = []byte("\ufeff")
)

// Verify reads an export file to its end and checks it against the contract
// (section 5): that it is whole and well-formed, that every object has what it
// must have and stands in its place. With a manifest, size, checksum and
// counts are compared too; nil means that there is none. Memory does not
// depend on the size of the file, only on that of the manifest.
//
// What is wrong with the file or its manifest is in the report. The error is
// that of reading r.
func Verify(r io.Reader, manifest []byte) (*Report, error) {
	v := &verifier{stored: newStored(r)}
	if manifest != nil {
		claims, err := readClaims(manifest)
		if err != nil {
			v.complain(&v.grave, "the manifest %v", err)
		}
		v.claims = claims
	}
	v.file()
	_, err := io.Copy(io.Discard, v.stored) // what was left when something broke
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	v.report.Size, v.report.SHA256 = v.stored.sum()
	if v.claims != nil {
		v.compare()
	}
	all := slices.Concat(v.grave, v.problems)
	if all == nil {
		all = []string{} // in JSON a list, never null
	}
	v.report.Problems = all[:min(len(all), maxProblems)]
	v.report.More += int64(len(all) - len(v.report.Problems))
	return &v.report, nil
}

// verifier checks one file.
type verifier struct {
	stored *stored
	plain  *plain // what is inside of the compression
	claims *claims
	report Report
	// grave are the problems of the file as a whole. They come first: they are
	// often why the others are there.
	grave, problems []string
	// counted is set when the whole file was gone through, so that its counts
	// mean something.
	counted bool
}

// problem notes something wrong with a place in the file.
func (v *verifier) problem(format string, args ...any) { v.complain(&v.problems, format, args...) }

// complain adds a problem to a list. Names and keys in it come from the file:
// what would confuse a terminal is taken out.
func (v *verifier) complain(list *[]string, format string, args ...any) {
	if len(*list) == maxProblems {
		v.report.More++
		return
	}
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, fmt.Sprintf(format, args...))
	*list = append(*list, clip(text, maxText))
}

// clip keeps the first n runes of s.
func clip(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// quote shows an id from the file.
func quote(id string) string { return fmt.Sprintf("%q", clip(id, 100)) }

func (v *verifier) note(text string) { v.report.Notes = append(v.report.Notes, text) }

// file looks at the outermost layer.
func (v *verifier) file() {
	in := bufio.NewReaderSize(v.stored, bufferSize)
	magic, _ := in.Peek(len(ageMagic)) // a short file is no failure, and the others stay with v.stored
	if bytes.Equal(magic, ageMagic) || bytes.Equal(magic, ageArmor) {
		v.report.Encrypted = true
		v.note("the file is encrypted: only its size and its checksum can be checked")
		return
	}
	unpacked, compression, stop, err := unpack(in)
	v.report.Compression = compression
	if err != nil {
		v.broken(err)
		return
	}
	defer stop()
	v.plain = &plain{r: unpacked}
	data := bufio.NewReaderSize(v.plain, bufferSize)
	if err := v.content(data); errors.Is(err, errImportFile) {
		v.importFile()
		return
	} else if err != nil {
		v.broken(err)
		return
	}
	// An object may be whole and the checksum after it wrong.
	if _, err := io.Copy(io.Discard, data); err != nil {
		v.broken(err)
		return
	}
	v.counted = v.report.Format != "" && v.report.Format != Parquet
}

// content tells the format and checks it. The error is why the file could not
// be gone through.
func (v *verifier) content(data *bufio.Reader) error {
	head, err := data.Peek(512)
	if err != nil && err != io.EOF {
		return err
	}
	if bytes.HasPrefix(head, byteOrder) {
		v.problem("the file begins with a byte order mark")
		_, _ = data.Discard(len(byteOrder)) // they are there: they were peeked at
		head = head[len(byteOrder):]
	}
	begin := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(head) == 0:
		v.empty()
		return nil
	case bytes.HasPrefix(head, parquetMagic):
		v.report.Format = Parquet
		return v.parquet(data)
	case bytes.HasPrefix(begin, []byte("[")):
		v.report.Format = V1
		return v.array(data)
	case bytes.HasPrefix(begin, []byte("{")):
		return v.lines(data)
	case isHeader(head):
		v.report.Format = CSV
		return v.table(data)
	}
	v.problem("the file is of no format that exports have")
	return nil
}

// empty is a file of no bytes: a v2 export whose filter found no channel.
func (v *verifier) empty() {
	if v.claims != nil && v.claims.file() == V2 {
		v.report.Format = V2
		return
	}
	v.problem("the file is empty")
}

// broken says why the file could not be read on. A failure of the reader below
// is no problem of the file: Verify returns it.
func (v *verifier) broken(err error) {
	var syntax *jsontext.SyntacticError
	isSyntax := errors.As(err, &syntax)
	switch {
	case v.stored.err != nil:
	case v.plain == nil || v.plain.err != nil: // the decompressor's own error, however it got here
		if v.plain != nil {
			err = v.plain.err
		}
		v.complain(&v.grave, "%s", damaged(v.report.Compression, err))
	case errors.Is(err, errTooLarge):
		v.complain(&v.grave, "byte %d: something here is larger than %d MiB", v.plain.size, maxObject>>20)
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		v.complain(&v.grave, "the file ends in the middle: it is cut off")
	case isSyntax && errors.Is(err, jsontext.ErrDuplicateName):
		v.complain(&v.grave, "byte %d: a key is given twice", syntax.ByteOffset)
	case isSyntax:
		v.complain(&v.grave, "byte %d: not valid JSON", syntax.ByteOffset)
	default:
		v.complain(&v.grave, "%v", err)
	}
}

// blame notes an error of a decoder; offset is where what it decoded begins.
// unit is "line 7, column" or "byte".
func (v *verifier) blame(unit string, err error, offset int64) {
	var f *wire.FieldError
	switch {
	case !errors.As(err, &f):
		v.problem("%s %d: %v", unit, offset, err)
	case f.Field == "":
		v.problem("%s %d: %s", unit, offset+f.Offset, f.Reason)
	default:
		v.problem("%s %d: %s %s", unit, offset+f.Offset, f.Field, f.Reason)
	}
}

// object notes what an object of that type lacks or contradicts. also names
// keys that it must have besides; unit and n say where it is.
func (v *verifier) object(unit string, n int64, typ string, o *object, also keys) {
	if missing := (required[typ] | also) &^ o.given; missing != 0 {
		v.problem("%s %d: the %s has no %s", unit, n, typ, missing)
	}
	if typ == "user" && o.given&(hasCreated|hasDeleted) == 0 {
		v.problem("%s %d: the user has neither created_at nor deleted_at", unit, n)
	}
	if o.differ != "" {
		v.problem("%s %d: the %s contradicts itself: %s", unit, n, typ, o.differ)
	}
}

// add counts an object.
func (v *verifier) add(typ string, o *object) {
	c := &v.report.Counts
	switch typ {
	case "user":
		c.Users++
	case "channel":
		c.Channels++
	case "member":
		c.Members++
	case "message":
		c.Messages++
		if v.claims != nil {
			v.claims.seen(o.cid)
		}
	case "reaction":
		c.Reactions++
	case "call":
		c.Calls++
	}
}

// later reports whether (at, id) comes after (at2, id2) in the order of
// messages.
func later(at chat.Time, id string, at2 chat.Time, id2 string) bool {
	return at > at2 || at == at2 && id > id2
}
