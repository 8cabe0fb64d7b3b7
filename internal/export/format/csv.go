package format

import (
	"bytes"

	"hansard/internal/store"

	"github.com/go-json-experiment/json/jsontext"
)

// CSV is a table of messages after RFC 4180: a header, then a row for each
// message. Text is kept as it is, also where a spreadsheet would take it for a
// formula: an export that changes what people wrote is worth nothing.
type CSV struct {
	// Columns are the names of the columns in their order; empty means the
	// default ones.
	Columns []string

	table   *table
	scratch []byte
}

var _ Format = (*CSV)(nil)

// Resumable reports true.
func (*CSV) Resumable() bool { return true }

// Begin writes the header.
func (f *CSV) Begin(out Out) error {
	t, b := f.columns(), out.To(Messages)
	for i, name := range t.names {
		if i > 0 {
			b.B = append(b.B, ',')
		}
		b.B = appendField(b.B, []byte(name))
	}
	b.B = append(b.B, "\r\n"...)
	return b.Flush()
}

// Steps is one: channels stand one after the other.
func (f *CSV) Steps() []Step { return []Step{f.channel} }

// End does nothing.
func (*CSV) End(Out) error { return nil }

// columns is the table. A CSV that goes on after a channel was not begun.
func (f *CSV) columns() *table {
	if f.table == nil {
		f.table = newTable(f.Columns)
	}
	return f.table
}

func (f *CSV) channel(src *Source, out Out) error {
	t, b := f.columns(), out.To(Messages)
	t.begin(&src.Row.Channel)
	src.Counts.Channels++
	return src.Messages(func(row *store.MessageRow) (err error) {
		if err := t.read(src.Render, row); err != nil {
			return err
		}
		start := len(b.B)
		for i, v := range t.values {
			if i > 0 {
				b.B = append(b.B, ',')
			}
			if b.B, err = f.appendValue(b.B, v); err != nil {
				return err
			}
		}
		if len(b.B) == start {
			// The one column there is has nothing. Readers skip empty lines.
			b.B = append(b.B, `""`...)
		}
		b.B = append(b.B, "\r\n"...)
		return b.Flush()
	})
}

func (f *CSV) appendValue(dst []byte, v jsontext.Value) (_ []byte, err error) {
	s := []byte(v)
	if v.Kind() == '"' {
		if s, f.scratch, err = plain(v, f.scratch[:0]); err != nil {
			return dst, err
		}
	}
	return appendField(dst, s), nil
}

// appendField appends a field, in quotes if it needs them. Spaces at its ends
// do, because some readers trim what is bare.
func appendField(dst, s []byte) []byte {
	if len(s) == 0 {
		return dst
	}
	quote := s[0] == ' ' || s[len(s)-1] == ' '
	for i := 0; i < len(s) && !quote; i++ {
		c := s[i]
		quote = c == ',' || c == '"' || c == '\n' || c == '\r'
	}
	if !quote {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for {
		i := bytes.IndexByte(s, '"')
		if i < 0 {
			dst = append(dst, s...)
			return append(dst, '"')
		}
		dst = append(dst, s[:i]...)
		dst = append(dst, `""`...)
		s = s[i+1:]
	}
}
