package export

import (
	"time"

	"hansard/internal/blob"
	"hansard/internal/export/format"
	"hansard/internal/store"
)

// A large export is cut into spans, in the order of the file, which all workers
// that are idle render and upload side by side, each as one part of the file.
// Package store keeps what is to be done and what came of it. How it is done is
// in spans_work.go and spans_link.go, who sees to it that it is in spans_lead.go.

const (
	// spanMessages is how many messages a span has at least: a part of 5 MiB,
	// the least that object stores take, if messages have 512 bytes in a file.
	// Nearly all have: one with a short text and an author of few fields has 600.
	// Where they are smaller still, the export is made whole. More messages would
	// fill the memory with fewer spans.
	spanMessages = 10 << 10
	// maxSpans leaves numbers of parts for each try of a span, and for the
	// reactions.
	maxSpans = 2000
	// worthSpans is from how many spans on an export is divided.
	worthSpans = 4
	// spanLease is for how long a worker that is not heard of keeps a span.
	spanLease = 15 * time.Second
)

// unit is what is to be done for a span.
type unit struct {
	Key      string          `json:"key"` // of the file
	Upload   string          `json:"upload"`
	Scratch  string          `json:"scratch"` // begins the keys of files for reactions
	Snapshot string          `json:"snapshot"`
	Request  ChannelsRequest `json:"request"` // with the channels only where the unit begins the file
	Pieces   []stretch       `json:"pieces"`
	End      bool            `json:"end,omitempty"` // of the file, reactions aside
}

// stretch is some of the messages, one after the other, of one entry of the request.
type stretch struct {
	Entry   int              `json:"entry"`
	Channel ChannelSpec      `json:"channel"`
	After   store.MessageKey `json:"after,omitzero"`
	Before  store.MessageKey `json:"before,omitzero"`
}

// made is what came of a unit.
type made struct {
	Part      blob.Part     `json:"part"` // none if it has a size that no part may have
	Size      int64         `json:"size"`
	Counts    format.Counts `json:"counts"`
	Messages  map[int]int64 `json:"messages"`            // by entry of the request
	Reactions string        `json:"reactions,omitempty"` // key of the file they are in; none: the lead has them
	Held      int64         `json:"held,omitempty"`      // bytes in it
}

// part is the number of the part that a try of a span is uploaded as. No two
// tries have the same: what a worker sends that was given up for dead replaces
// nothing.
func part(span, try int) int { return 1 + span*store.MaxSpanTries + try - 1 }

// cutter cuts a request into pieces.
type cutter struct {
	snap    store.SharedSnapshot
	specs   []ChannelSpec
	sources []*format.Source
	span    int // messages

	entry int
	after store.MessageKey
	held  []stretch // cut, but it may have to take the rest
}

// next gives the pieces of the next unit; last says that there are no more. All
// units have at least as many messages as a span should, unless there are fewer
// in all.
func (c *cutter) next() (pieces []stretch, last bool, err error) {
	if c.held == nil {
		first, full, err := c.cut()
		if err != nil || !full {
			return first, true, err
		}
		c.held = first
	}
	following, full, err := c.cut()
	if err != nil {
		return nil, false, err
	}
	if !full {
		return append(c.held, following...), true, nil
	}
	pieces, c.held = c.held, following
	return pieces, false, nil
}

// cut gives pieces with as many messages as a span should have, or all that are
// left.
func (c *cutter) cut() (pieces []stretch, full bool, err error) {
	for need := c.span; need > 0; {
		if c.entry == len(c.specs) {
			return pieces, false, nil
		}
		src := c.sources[c.entry]
		src.After = c.after
		n, last, next, err := c.snap.Stride(src.Range(), need)
		if err != nil {
			return nil, false, err
		}
		p := stretch{Entry: c.entry, Channel: c.specs[c.entry], After: c.after, Before: next}
		pieces = append(pieces, p)
		need -= n
		if next.ID != "" {
			c.after = last
		} else {
			c.entry, c.after = c.entry+1, store.MessageKey{}
		}
	}
	return pieces, true, nil
}
