package export

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"unicode"
	"unicode/utf8"

	"hansard/internal/chat"
)

// isHeader reports whether a file that begins so may be a table in CSV.
func isHeader(head []byte) bool {
	line, _, whole := bytes.Cut(head, []byte("\n"))
	if !whole && len(head) == 512 { // may end within a rune
		line = line[:len(line)-utf8.UTFMax]
	}
	return utf8.Valid(line) && !bytes.ContainsFunc(line, func(r rune) bool {
		return unicode.IsControl(r) && r != '\r' && r != '\t'
	})
}

// table checks a CSV file. Which rows are messages of which channel is known
// only if the columns were asked for, and where a channel may begin anew only
// from the manifest.
func (v *verifier) table(data io.Reader) error {
	ends := &rowEnds{r: data}
	in := &bounded{r: ends}
	r := csv.NewReader(in)
	r.ReuseRecord = true
	in.allow(0)
	header, err := r.Read()
	if err != nil {
		return v.tableError(err)
	}
	header = slices.Clone(header)
	for i, name := range header {
		switch {
		case name == "" || !utf8.ValidString(name):
			v.problem("line 1: the column %d has no proper name", i+1)
		case slices.Contains(header[:i], name):
			v.problem("line 1: the column %s is there twice", quote(name))
		}
	}
	id, cid, created := slices.Index(header, "id"), slices.Index(header, "cid"), slices.Index(header, "created_at")
	var order *channelOrder
	if v.claims != nil && id >= 0 && cid >= 0 && created >= 0 {
		order = v.claims.order()
	}
	if cid < 0 && v.claims != nil {
		v.claims.perChannel = false
	}
	var t track
	for {
		in.allow(r.InputOffset())
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, csv.ErrFieldCount) {
			return v.tableError(err)
		}
		line, _ := r.FieldPos(0)
		if err != nil {
			v.problem("line %d: the row has %d fields, the header %d", line, len(row), len(header))
			v.add("message", &object{})
			continue
		}
		o := object{}
		if cid >= 0 {
			o.cid = row[cid]
		}
		v.add("message", &o)
		for i, field := range row {
			if !utf8.ValidString(field) {
				v.problem("line %d: the column %s is not valid UTF-8", line, quote(header[i]))
			}
		}
		if id >= 0 && row[id] == "" {
			v.problem("line %d: the message has no id", line)
		}
		if created < 0 {
			continue
		}
		at, err := chat.ParseTime(row[created])
		if err != nil {
			v.problem("line %d: created_at %v", line, err)
			continue
		}
		if order == nil {
			continue
		}
		if wrong := t.step(order, row[cid], at, row[id]); wrong != "" {
			v.problem("line %d: the message %s %s", line, quote(row[id]), wrong)
		}
	}
	if ends.bare > 0 {
		v.problem("line %d: rows must end with a carriage return and a line feed", ends.bare)
	}
	if !bytes.HasSuffix(v.plain.last[:], []byte("\r\n")) {
		v.problem("the last row has no end: the file is cut off")
	}
	return nil
}

// tableError puts an error of the parser in plain words; others it passes on.
func (v *verifier) tableError(err error) error {
	var bad *csv.ParseError
	if v.plain.err != nil || !errors.As(err, &bad) {
		return err
	}
	return errors.New(bad.Error()) // line, column and rule; nothing of the text
}

// rowEnds looks for rows that do not end with \r\n: the parser takes either.
type rowEnds struct {
	r      io.Reader
	line   int64 // finished
	bare   int64 // the first line that ends with a line feed alone, or 0
	quoted bool
	cr     bool // the last byte was \r
}

func (e *rowEnds) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	for _, b := range p[:n] {
		switch b {
		case '"':
			e.quoted = !e.quoted
		case '\n':
			e.line++
			if !e.quoted && !e.cr && e.bare == 0 {
				e.bare = e.line
			}
		}
		e.cr = b == '\r'
	}
	return n, err
}

// parquet looks at the frame of a Parquet file: its content stands behind a
// footer, which cannot be had from a stream.
func (v *verifier) parquet(data io.Reader) error {
	if _, err := io.Copy(io.Discard, data); err != nil {
		return err
	}
	v.note("of a Parquet file only the frame is checked; its content by the checksum")
	// magic, rows, footer, length of the footer, magic
	end := v.plain.last
	footer := int64(binary.LittleEndian.Uint32(end[:4]))
	if !bytes.Equal(end[4:], parquetMagic) || footer == 0 || footer > v.plain.size-12 {
		v.problem("the Parquet footer is missing or damaged: the file may be cut off")
	}
	return nil
}
