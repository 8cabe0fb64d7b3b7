package thin

import (
	"encoding/binary"

	"hansard/internal/chat"
)

// Row is a row of a result, in binary form.
type Row struct {
	values [][]byte // nil = NULL
}

// Int is column i, counted from 0, as an integer; NULL is 0.
func (r *Row) Int(i int) int64 {
	switch v := r.values[i]; len(v) {
	case 8:
		return int64(binary.BigEndian.Uint64(v)) //nolint:gosec // the bits as they are
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v))) //nolint:gosec // the bits as they are
	case 2:
		return int64(int16(binary.BigEndian.Uint16(v))) //nolint:gosec // the bits as they are
	case 1:
		return int64(v[0]) // a truth value
	default:
		return 0
	}
}

// Time is column i as a time; NULL is "not set".
func (r *Row) Time(i int) chat.Time { return chat.Time(r.Int(i)) }

// Bool is column i as a truth value; of an integer, whether it is not 0.
func (r *Row) Bool(i int) bool { return r.Int(i) != 0 }

// Null reports whether column i is NULL.
func (r *Row) Null(i int) bool { return r.values[i] == nil }

// Bytes is column i as it came: valid until the callback returns, never to be
// changed. NULL and the empty value are nil.
func (r *Row) Bytes(i int) []byte {
	if v := r.values[i]; len(v) > 0 {
		return v
	}
	return nil
}

// Copy is column i as bytes of the caller's own.
func (r *Row) Copy(i int) []byte {
	if v := r.values[i]; len(v) > 0 {
		return append([]byte(nil), v...)
	}
	return nil
}

// Text is column i as a string of the caller's own.
func (r *Row) Text(i int) string { return string(r.values[i]) }

// batch holds some rows of a result while callbacks look at them.
type batch struct {
	buf  []byte
	ends []int // of each value in buf; -1 - end = NULL
	cols int
	row  Row
}

func (b *batch) reset() { b.buf, b.ends, b.cols = b.buf[:0], b.ends[:0], 0 }

func (b *batch) add(values [][]byte) {
	b.cols = len(values)
	for _, v := range values {
		b.buf = append(b.buf, v...)
		if v == nil {
			b.ends = append(b.ends, -1-len(b.buf))
		} else {
			b.ends = append(b.ends, len(b.buf))
		}
	}
}

func (b *batch) rows() int {
	if b.cols == 0 {
		return 0
	}
	return len(b.ends) / b.cols
}

// at returns row i, which is valid until the next call.
func (b *batch) at(i int) *Row {
	b.row.values = b.row.values[:0]
	start := 0
	if i > 0 {
		start = end(b.ends[i*b.cols-1])
	}
	for _, e := range b.ends[i*b.cols : (i+1)*b.cols] {
		stop := end(e)
		var v []byte
		if e >= 0 {
			v = b.buf[start:stop:stop]
		}
		b.row.values = append(b.row.values, v)
		start = stop
	}
	return &b.row
}

func end(e int) int {
	if e < 0 {
		return -1 - e
	}
	return e
}
