package format

import (
	"cmp"
	"fmt"
	"strconv"

	"hansard/internal/chat"
	"hansard/internal/store"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// Parquet is a table of messages as a Parquet file, compressed with zstd. All
// columns are optional. Memory is bounded by a row group; what grows with the
// file is its footer, by some kilobytes per row group.
type Parquet struct {
	// Columns are the names of the columns in their order; empty means the
	// default ones.
	Columns []string
	// A row group ends with that many rows or bytes of values, whichever
	// comes first; 0 means 50,000 and 32 MiB.
	GroupRows, GroupBytes int

	table  *table
	kinds  []content
	writer *parquet.GenericWriter[any]
	sink   bufferWriter
	row    []parquet.Row // one
	arena  []byte        // what the row's values are parts of, if not of the message
	rows   int           // of the row group
	bytes  int
}

var _ Format = (*Parquet)(nil)

// Resumable reports false: the footer says where everything is.
func (*Parquet) Resumable() bool { return false }

// Begin starts the file.
func (f *Parquet) Begin(out Out) error {
	f.table = newTable(f.Columns)
	f.kinds = make([]content, len(f.table.names))
	root := columnGroup{Group: parquet.Group{}}
	options := []parquet.WriterOption{
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedDefault}),
		parquet.CreatedBy("hansard", "1", ""), // not the version of this program: the same data gives the same bytes
	}
	for i, name := range f.table.names {
		f.kinds[i] = builtIn[name]
		root.Group[name] = parquet.Optional(nodeOf(f.kinds[i]))
		if unordered(name, f.kinds[i]) {
			// The library writes bounds whole, into every page and the footer.
			options = append(options, parquet.SkipPageBounds(name), parquet.SkipPageStatistics(name))
		}
	}
	fields := map[string]parquet.Field{}
	for _, field := range root.Group.Fields() {
		fields[field.Name()] = field
	}
	for _, name := range f.table.names {
		root.fields = append(root.fields, fields[name])
	}
	f.row = []parquet.Row{make(parquet.Row, len(f.kinds))}
	f.sink.b = out.To(Messages)
	f.writer = parquet.NewGenericWriter[any](&f.sink, append(options, parquet.NewSchema("message", root))...)
	return nil
}

// Steps is one: channels stand one after the other.
func (f *Parquet) Steps() []Step { return []Step{f.channel} }

// End writes the last row group and the footer.
func (f *Parquet) End(out Out) error {
	f.sink.b = out.To(Messages)
	if err := f.writer.Close(); err != nil {
		return fmt.Errorf("end the parquet file: %w", err)
	}
	return nil
}

func (f *Parquet) channel(src *Source, out Out) error {
	f.sink.b = out.To(Messages)
	f.table.begin(&src.Row.Channel)
	src.Counts.Channels++
	return src.Messages(func(row *store.MessageRow) error {
		if err := f.table.read(src.Render, row); err != nil {
			return err
		}
		f.arena = f.arena[:0]
		for i, v := range f.table.values {
			value, err := f.value(f.kinds[i], v)
			if err != nil {
				return fmt.Errorf("message %s: %s: %w", row.ID, f.table.names[i], err)
			}
			present := 0
			if v != nil {
				present = 1
			}
			f.row[0][i] = value.Level(0, present, i)
			f.bytes += len(v)
		}
		if _, err := f.writer.WriteRows(f.row); err != nil {
			return fmt.Errorf("write a parquet row: %w", err)
		}
		if f.rows++; f.rows < cmp.Or(f.GroupRows, 50_000) && f.bytes < cmp.Or(f.GroupBytes, 32<<20) {
			return nil
		}
		f.rows, f.bytes = 0, 0
		if err := f.writer.Flush(); err != nil {
			return fmt.Errorf("end a parquet row group: %w", err)
		}
		return nil
	})
}

// value turns what a message has into what its column holds.
func (f *Parquet) value(kind content, v jsontext.Value) (_ parquet.Value, err error) {
	if v == nil {
		return parquet.NullValue(), nil
	}
	switch kind {
	case text, instant:
		var s []byte
		if s, f.arena, err = plain(v, f.arena); err != nil || kind == text {
			return parquet.ByteArrayValue(s), err
		}
		t, err := chat.ParseTime(string(s))
		return parquet.Int64Value(int64(t)), err
	case flag:
		return parquet.BooleanValue(v.Kind() == 't'), nil
	case count:
		n, err := strconv.ParseInt(string(v), 10, 64)
		return parquet.Int64Value(n), err
	default:
		return parquet.ByteArrayValue(v), nil
	}
}

func nodeOf(kind content) parquet.Node {
	switch kind {
	case text:
		return parquet.String()
	case instant:
		return parquet.Timestamp(parquet.Microsecond)
	case flag:
		return parquet.Leaf(parquet.BooleanType)
	case count:
		return parquet.Int(64)
	default:
		return parquet.JSON()
	}
}

// unordered reports whether nobody looks for a range of values in a column.
func unordered(name string, kind content) bool {
	return kind == document || name == "text" || name == "html" || name == "mml"
}

// columnGroup is a parquet.Group that keeps its fields in the order they were
// asked for instead of sorting them by name.
type columnGroup struct {
	parquet.Group
	fields []parquet.Field
}

// Fields returns the fields in order.
func (g columnGroup) Fields() []parquet.Field { return g.fields }

// bufferWriter writes to a Buffer.
type bufferWriter struct{ b *Buffer }

// Write appends p.
func (w *bufferWriter) Write(p []byte) (int, error) {
	w.b.B = append(w.b.B, p...)
	return len(p), w.b.Flush()
}
