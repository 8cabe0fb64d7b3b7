package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// results collects what was measured, in the order in which each figure first
// appeared.
type results []*series

type series struct {
	measure, unit string
	values        []float64
}

// add records one value of a figure.
func (r *results) add(measure, unit string, value float64) {
	for _, s := range *r {
		if s.measure == measure && s.unit == unit {
			s.values = append(s.values, value)
			return
		}
	}
	*r = append(*r, &series{measure: measure, unit: unit, values: []float64{value}})
}

// table is all figures in Markdown: a line each, a measure's name once.
func (r results) table() string {
	var b strings.Builder
	b.WriteString("| measure | median | least | greatest | |\n| --- | ---: | ---: | ---: | --- |\n")
	last := ""
	for _, s := range r {
		name := s.measure
		if name == last {
			name = ""
		}
		last = s.measure
		v := slices.Sorted(slices.Values(s.values))
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, grouped(quantile(v, 0.5)), grouped(v[0]), grouped(v[len(v)-1]), s.unit)
	}
	return b.String()
}

// quantile is the value below which the share q of the sorted values lies,
// interpolated between neighbours.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// grouped writes v with three significant digits or, from 100 on, whole with
// commas between thousands.
func grouped(v float64) string {
	if v < 99.5 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
