package format_test

import (
	"testing"

	"hansard/internal/chat"
	"hansard/internal/export/format"
	"hansard/internal/render"
	"hansard/internal/store/storetest"
	"hansard/internal/store/storetest/engine"
)

// lively opens a channel with n messages of all kinds, by many authors.
func lively(tb testing.TB, n int) *format.Source {
	tb.Helper()
	s := engine.Open(tb, nil)
	snap, row := storetest.LivelySnapshot(tb, s, storetest.Lively(tb, s, n))
	r := render.NewBulk(snap)
	tb.Cleanup(r.Close)
	return &format.Source{Reader: snap, Render: r, Row: row, Counts: &format.Counts{}, Progress: func() error { return nil }}
}

// layouts are the formats whose hot path is our own.
var layouts = map[string]func() format.Format{
	"v1": func() format.Format { return &format.V1{} },
	"v2": func() format.Format { return format.V2{} },
}

// What an export allocates does not depend on how many messages it has. On
// PostgreSQL quoted messages are asked for some hundred at a time, which takes a
// handful of allocations for each.
func TestNothingIsAllocatedPerMessage(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts for the whole process
	const n = 4000
	limit := 0.01
	if engine.Postgres() {
		limit = 1
	}
	src := lively(t, n)
	for name, layout := range layouts {
		allocs := func(messages int) float64 {
			src.Until = chat.Time(1e15 + int64(messages)*1e6)
			return testing.AllocsPerRun(5, func() {
				if err := export(layout(), src, func([]byte) error { return nil }); err != nil {
					t.Fatal(err)
				}
			})
		}
		few, many := allocs(n/2), allocs(n)
		if per := (many - few) / (n / 2); per >= limit {
			t.Errorf("%s: %.2f allocations per message (%.0f for %d messages, %.0f for %d)", name, per, few, n/2, many, n)
		}
	}
}

func BenchmarkLines(b *testing.B) {
	const n = 20000
	src := lively(b, n)
	for name, layout := range layouts {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			done, bytes := 0, 0
			for b.Loop() {
				err := export(layout(), src, func(piece []byte) error {
					bytes += len(piece)
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
				done += n
			}
			b.SetBytes(int64(bytes / (done / n)))
			b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
