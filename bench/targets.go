package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// comparisons are what is held against what: as a rate, or by the time that
// both take.
var comparisons = []struct{ this, with, unit string }{
	{exportV2, peerLoop, "messages/s"},
	{exportV2, peerSQLite, "messages/s"},
	{exportV2, peerSQLiteFlat, "messages/s"},
	{exportV2, peerPsql, "messages/s"},
	{exportV2, peerPsqlFewer, "messages/s"},
	{exportV2, peerPsqlOwn, "messages/s"},
	{exportV2, peerCopy, "MB/s"},
	{exportV1, exportV2, "messages/s"},
	{exportUsers, exportV2, "messages/s"},
	{exportV2, exportLocal, "messages/s"},
	{exportZstd, peerZstd, "s"},
	{exportGzip, peerPigz, "s"},
	{workersMeasure(2), workersMeasure(1), "messages/s"},
	{workersMeasure(1), workerLocal, "messages/s"},
}

// values are those of a figure, in the order in which they were measured.
func (r results) values(measure, unit string) []float64 {
	for _, s := range r {
		if s.measure == measure && s.unit == unit {
			return s.values
		}
	}
	return nil
}

// median is that of a figure; false if it was not measured.
func (r results) median(measure, unit string) (float64, bool) {
	v := r.values(measure, unit)
	if len(v) == 0 {
		return 0, false
	}
	return middle(v), true
}

func middle(v []float64) float64 { return quantile(slices.Sorted(slices.Values(v)), 0.5) }

// ratios divides what was measured in the same rounds.
func ratios(this, with []float64) []float64 {
	var all []float64
	for i := range min(len(this), len(with)) {
		if with[i] > 0 { // the clock of the processor ticks a hundred times a second
			all = append(all, this[i]/with[i])
		}
	}
	return all
}

// cpu is all processor time that a measure took.
func (r results) cpu(measure string) []float64 {
	sum := slices.Clone(r.values(measure, processorTime))
	for i, theirs := range r.values(measure, processorTimePostgres) {
		if i < len(sum) {
			sum[i] += theirs
		}
	}
	return sum
}

// comparison is a table of ratios, each of two measures of the same round.
func (r results) comparison() string {
	var b strings.Builder
	for _, c := range comparisons {
		v := ratios(r.values(c.this, c.unit), r.values(c.with, c.unit))
		if len(v) == 0 {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("\n| | by | median | least | greatest | processor time |\n| --- | --- | ---: | ---: | ---: | ---: |\n")
		}
		cpu := ""
		if u := ratios(r.cpu(c.this), r.cpu(c.with)); len(u) > 0 {
			cpu = times(middle(u))
		}
		fmt.Fprintf(&b, "| %s against %s | %s | %s | %s | %s | %s |\n", c.this, c.with, c.unit, times(middle(v)), times(slices.Min(v)), times(slices.Max(v)), cpu)
	}
	return b.String()
}

func times(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) + " ×" }

// finished is what was measured with one chat on one engine.
type finished struct {
	engine string
	chat   *chatFile
	results
}

type runs []finished

// made are the runs on an engine with chats that differ only in their size, the
// smallest first.
func (all runs) made(engine string) runs {
	var some runs
	for _, f := range all {
		if f.engine == engine && f.chat.name != byFew {
			some = append(some, f)
		}
	}
	slices.SortFunc(some, func(a, b finished) int { return a.chat.messages - b.chat.messages })
	return some
}

// atMiddle reports whether the chat has the size at which, for the table of
// targets, what does not depend on the size is measured.
func (b *bench) atMiddle() bool {
	return b.chat.name != byFew && b.chat.messages == slices.Sorted(slices.Values(b.sizes))[len(b.sizes)/2]
}

// target is a line of the table.
type target struct {
	what, bound string
	got         func() (float64, bool)
	holds       func(float64) bool
	write       func(float64) string
}

func atLeast(x float64) func(float64) bool { return func(v float64) bool { return v >= x } }
func atMost(x float64) func(float64) bool  { return func(v float64) bool { return v <= x } }

// table is the targets that this run could have measured, and whether they hold.
func (all runs) table(o *options) string {
	var b strings.Builder
	b.WriteString("| | target | got | holds |\n| --- | ---: | ---: | --- |\n")
	for _, t := range all.targets(o) {
		v, ok := t.got()
		switch {
		case !ok:
			fmt.Fprintf(&b, "| %s | %s | | not measured |\n", t.what, t.bound)
		case t.holds(v):
			fmt.Fprintf(&b, "| %s | %s | %s | yes |\n", t.what, t.bound, t.write(v))
		default:
			fmt.Fprintf(&b, "| %s | %s | %s | **no** |\n", t.what, t.bound, t.write(v))
		}
	}
	return b.String()
}

func (all runs) targets(o *options) (list []target) {
	lite, pg := all.made(onSQLite), all.made(onPostgres)
	unit := func(u string) func(float64) string { return func(v float64) string { return grouped(v) + u } }
	add := func(possible bool, what, bound string, got func() (float64, bool), holds func(float64) bool, write func(float64) string) {
		if possible {
			list = append(list, target{what, bound, got, holds, write})
		}
	}
	onLite, onPG := slices.Contains(o.engines, onSQLite), slices.Contains(o.engines, onPostgres)
	local, two, three := o.storage == onDisk, len(o.sizes) >= 2, len(o.sizes) >= 3
	add(onLite, "SQLite, v2, plain: messages/s against the Go loop", "≥ 5 ×", lite.ratio(exportV2, peerLoop, "messages/s"), atLeast(5), times)
	add(onLite && onPG, "… against `psql COPY (SELECT row_to_json…)`", "≥ 8 ×", all.across(onSQLite, exportV2, onPostgres, peerPsql), atLeast(8), times)
	add(onLite, "… MB/s against `cp` of the same file, and fsync", "≥ 0.35 ×", lite.ratio(exportV2, peerCopy, "MB/s"), atLeast(0.35), times)
	add(onPG, "PostgreSQL, v2, plain, against `psql COPY (SELECT row_to_json…)`", "≥ 4 ×", pg.ratio(exportV2, peerPsql, "messages/s"), atLeast(4), times)
	add(onLite, "v1 against v2, SQLite", "≥ 0.9 ×", lite.ratio(exportV1, exportV2, "messages/s"), atLeast(0.9), times)
	add(onPG, "v1 against v2, PostgreSQL", "≥ 0.9 ×", pg.ratio(exportV1, exportV2, "messages/s"), atLeast(0.9), times)
	for _, e := range []struct {
		name, engine string
		runs         runs
	}{{"SQLite", onSQLite, lite}, {"PostgreSQL", onPostgres, pg}} {
		on := slices.Contains(o.engines, e.engine)
		add(on, "export of 25 users × 10,000 messages against a channel export, "+e.name, "≥ 0.5 ×", all.users(e.engine), atLeast(0.5), times)
		add(on, "zstd: time against `zstd -1 -T2`, "+e.name, "≤ 1.3 ×", e.runs.ratio(exportZstd, peerZstd, "s"), atMost(1.3), times)
		add(on, "gzip: time against `pigz -1`, "+e.name, "≤ 1.3 ×", e.runs.ratio(exportGzip, peerPigz, "s"), atMost(1.3), times)
		add(on && two, "peak memory, largest chat against smallest, "+e.name, "≤ 1.1 ×", e.runs.growth(exportV2, memoryAtMost), atMost(1.1), times)
		add(on, "peak memory, largest chat, "+e.name, "≤ 96 MiB", e.runs.largest(exportV2, memoryAtMost, 1e6/(1<<20)), atMost(96), unit(" MiB"))
		add(on, "import, largest chat, "+e.name, "≥ 70,000 messages/s", e.runs.largest("import", "messages/s", 1), atLeast(70_000), unit(" messages/s"))
		add(on && two, "import, largest chat against the one before, "+e.name, "flat: ≥ 0.9 ×", e.runs.last("import", "messages/s"), atLeast(0.9), times)
		add(on && local, "first byte on disk, whatever the size, "+e.name, "≤ 50 ms", e.runs.worst(exportV2, firstByteOnDisk), atMost(50), unit(" ms"))
		add(on && three, "cost of one more message, up to the largest against up to the one before, "+e.name, "≤ 1.1 ×", e.runs.oneMore("s"), atMost(1.1), times)
		add(on && three, "… in processor time, "+e.name, "≤ 1.1 ×", e.runs.oneMore(processorTime), atMost(1.1), times)
		add(on && !local, "to an object store against the local disk, "+e.name, "≥ 0.7 ×", e.runs.ratio(exportV2, exportLocal, "messages/s"), atLeast(0.7), times)
		add(on && !local && e.engine == onPostgres, "… by a worker with 0.15 of a core", "≥ 0.7 ×", e.runs.ratio(workersMeasure(1), workerLocal, "messages/s"), atLeast(0.7), times)
		add(on && !local && e.engine == onPostgres, "two workers against one, each with 0.15 of a core, "+e.name, "≥ 1.7 ×", e.runs.ratio(workersMeasure(2), workersMeasure(1), "messages/s"), atLeast(1.7), times)
	}
	add(onLite, "messages sent while four exports run, of the speed without, SQLite", "≥ 80 %", lite.any(sendingBeside, "% of the speed without exports"), atLeast(80), unit(" %"))
	add(onLite, "… p99", "< 100 ms", lite.any(sendingBeside, "ms, p99"), atMost(100), unit(" ms"))
	return list
}

// ratio is of two measures at the largest size at which both were taken.
func (all runs) ratio(this, with, unit string) func() (float64, bool) {
	return func() (float64, bool) {
		for _, f := range slices.Backward(all) {
			if v := ratios(f.values(this, unit), f.values(with, unit)); len(v) > 0 {
				return middle(v), true
			}
		}
		return 0, false
	}
}

// across is a ratio of measures of two engines.
func (all runs) across(engine, this, other, with string) func() (float64, bool) {
	return func() (float64, bool) {
		for _, f := range slices.Backward(all.made(engine)) {
			for _, g := range all.made(other) {
				if g.chat.messages != f.chat.messages {
					continue
				}
				a, ok := f.median(this, "messages/s")
				b, too := g.median(with, "messages/s")
				if ok && too {
					return a / b, true
				}
			}
		}
		return 0, false
	}
}

func (all runs) users(engine string) func() (float64, bool) {
	return func() (float64, bool) {
		for _, f := range all {
			if f.engine == engine && f.chat.name == byFew {
				v := ratios(f.values(exportUsers, "messages/s"), f.values(exportV2, "messages/s"))
				return middleOr(v)
			}
		}
		return 0, false
	}
}

func middleOr(v []float64) (float64, bool) {
	if len(v) == 0 {
		return 0, false
	}
	return middle(v), true
}

// growth is a figure of the largest chat against that of the smallest.
func (all runs) growth(measure, unit string) func() (float64, bool) {
	return func() (float64, bool) {
		if len(all) < 2 {
			return 0, false
		}
		a, ok := all[0].median(measure, unit)
		b, too := all[len(all)-1].median(measure, unit)
		return b / a, ok && too
	}
}

// last is like growth, from the last but one on.
func (all runs) last(measure, unit string) func() (float64, bool) {
	if len(all) < 2 {
		return func() (float64, bool) { return 0, false }
	}
	return all[len(all)-2:].growth(measure, unit)
}

// largest is a figure of the largest chat.
func (all runs) largest(measure, unit string, factor float64) func() (float64, bool) {
	return func() (float64, bool) {
		if len(all) == 0 {
			return 0, false
		}
		v, ok := all[len(all)-1].median(measure, unit)
		return v * factor, ok
	}
}

// worst is the greatest of a figure's medians.
func (all runs) worst(measure, unit string) func() (float64, bool) {
	return func() (worst float64, ok bool) {
		for _, f := range all {
			if v, too := f.median(measure, unit); too {
				worst, ok = max(worst, v), true
			}
		}
		return worst, ok
	}
}

func (all runs) any(measure, unit string) func() (float64, bool) {
	return func() (float64, bool) {
		for _, f := range all {
			if v, ok := f.median(measure, unit); ok {
				return v, true
			}
		}
		return 0, false
	}
}

// oneMore is what a message costs between the last two sizes, against what one
// costs between the two before.
func (all runs) oneMore(unit string) func() (float64, bool) {
	return func() (float64, bool) {
		if len(all) < 3 {
			return 0, false
		}
		cost := func(a, b finished) float64 {
			x, _ := a.median(exportV2, unit)
			y, _ := b.median(exportV2, unit)
			return (y - x) / float64(b.chat.messages-a.chat.messages)
		}
		some := all[len(all)-3:]
		before, after := cost(some[0], some[1]), cost(some[1], some[2])
		return after / before, before > 0 && after > 0
	}
}
