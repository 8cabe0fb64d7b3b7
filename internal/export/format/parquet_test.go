package format_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/export/format"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/store/sqlite"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
)

// single is an Out that sends all sections to one place.
type single struct{ format.Buffer }

func (s *single) To(format.Section) *format.Buffer { return &s.Buffer }

// source opens a channel with n messages.
func source(tb testing.TB, n int) *format.Source {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), tb.TempDir(), sqlite.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	app := store.App{Name: "test", Key: "key", Secret: "secret"}
	if err := s.CreateApp(tb.Context(), &app); err != nil {
		tb.Fatal(err)
	}
	err = s.Update(tb.Context(), app.ID, func(tx store.Tx) error {
		if _, err := tx.PutUser(&chat.User{ID: "alice", Role: "user", Name: "Alice", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
			return err
		}
		if _, err := tx.PutChannel(&chat.Channel{Type: "messaging", ID: "one", CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
			return err
		}
		ms := make([]chat.Message, n)
		for i := range ms {
			at := chat.Time(1e15 + int64(i)*1e6)
			ms[i] = chat.Message{
				ID: fmt.Sprint(i), CID: "messaging:one", UserID: "alice", Type: chat.Regular, CreatedAt: at, UpdatedAt: at,
				Text: fmt.Sprintf("message %d %s", i, strings.Repeat("word \"quoted\" ", i%20)),
			}
		}
		_, err := tx.InsertMessages(ms, false)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	snap, err := s.Snapshot(tb.Context(), app.ID)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := snap.Close(); err != nil {
			tb.Error(err)
		}
	})
	row, err := snap.Channel("messaging:one")
	if err != nil {
		tb.Fatal(err)
	}
	r := render.NewBulk(snap)
	tb.Cleanup(r.Close)
	return &format.Source{Reader: snap, Render: r, Row: row, Counts: &format.Counts{}, Progress: func() error { return nil }}
}

// export runs a format over a channel.
func export(f format.Format, src *format.Source, sink func([]byte) error) error {
	out := &single{format.Buffer{Sink: sink}}
	if err := f.Begin(out); err != nil {
		return err
	}
	for _, step := range f.Steps() {
		if err := step(src, out); err != nil {
			return err
		}
	}
	if err := f.End(out); err != nil {
		return err
	}
	return out.FlushAll()
}

func TestParquetRowGroups(t *testing.T) {
	t.Parallel()
	src := source(t, 1000)
	for name, c := range map[string]struct {
		f    format.Parquet
		rows []int64
	}{
		"default": {format.Parquet{}, []int64{1000}},
		"rows":    {format.Parquet{GroupRows: 300, Columns: []string{"id"}}, []int64{300, 300, 300, 100}},
		"even":    {format.Parquet{GroupRows: 500, Columns: []string{"id"}}, []int64{500, 500}},
		// A channel's type is 11 bytes with its quotes.
		"bytes": {format.Parquet{GroupBytes: 11 * 400, Columns: []string{"channel_type"}}, []int64{400, 400, 200}},
	} {
		var files [2]bytes.Buffer
		for i := range files {
			f := c.f
			err := export(&f, src, func(b []byte) error {
				_, err := files[i].Write(b)
				return err
			})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if !bytes.Equal(files[0].Bytes(), files[1].Bytes()) {
			t.Errorf("%s: the same data gave other bytes", name)
		}
		p, err := parquet.OpenFile(bytes.NewReader(files[0].Bytes()), int64(files[0].Len()))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var rows []int64
		for _, g := range p.RowGroups() {
			rows = append(rows, g.NumRows())
		}
		if d := cmp.Diff(c.rows, rows); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// A table that cannot be written ends with the reason.
func TestTableSinkFails(t *testing.T) {
	t.Parallel()
	src, broken := source(t, 1000), errors.New("the disk broke")
	for _, f := range []format.Format{&format.Parquet{}, &format.CSV{}} {
		if err := export(f, src, func([]byte) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("%T: %v", f, err)
		}
	}
}

func BenchmarkTables(b *testing.B) {
	src := source(b, 20000)
	for name, layout := range map[string]func() format.Format{
		"v2":      func() format.Format { return format.V2{} },
		"csv":     func() format.Format { return &format.CSV{} },
		"parquet": func() format.Format { return &format.Parquet{} },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := export(layout(), src, func([]byte) error { return nil }); err != nil {
					b.Fatal(err)
				}
				n += 20000
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
