package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"hansard/internal/clock"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

const (
	refresh    = 100 * time.Millisecond
	barWidth   = 24
	labelWidth = 24
)

// Group is a set of bars, one below the other. Its methods may be called from
// any goroutine.
type Group struct {
	clock clock.Clock
	drawn *mpb.Progress // nil without a terminal

	mu    sync.Mutex // guards what follows, and keeps lines apart
	w     io.Writer
	bars  []*Bar
	ended bool
}

// New returns a group that writes to w; tty says whether w is a terminal.
func New(w io.Writer, tty bool) *Group { return newGroup(w, tty, clock.System) }

func newGroup(w io.Writer, tty bool, c clock.Clock) *Group {
	g := &Group{w: w, clock: c}
	if tty {
		g.drawn = mpb.New(mpb.WithOutput(w), mpb.WithRefreshRate(refresh), mpb.WithAutoRefresh())
	}
	return g
}

// Add adds a bar. label says what is done, unit what is counted. A label that is
// too long for its column is cut. After Wait the bar is there but shows nothing.
func (g *Group) Add(label, unit string) *Bar {
	now := g.clock.Now()
	b := &Bar{group: g, label: fit(printable(label)), unit: unit, begun: now, shown: now}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		b.end(failed, "")
		return b
	}
	g.bars = append(g.bars, b)
	if g.drawn != nil {
		// Its only error is that the group has ended, and then nil is right.
		b.drawn, _ = g.drawn.Add(0,
			b.filler(mpb.BarStyle().Lbound("").Filler("━").Tip("━").Padding("─").Rbound("").Build()),
			mpb.BarWidth(barWidth),
			mpb.PrependDecorators(decor.Name(b.label, decor.WC{W: labelWidth, C: decor.DindentRight})),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + b.status() })),
		)
	}
	return b
}

// Wait ends the group once everything is drawn for the last time. Bars that
// have not ended stay as they are: it does not wait for the work.
func (g *Group) Wait() {
	g.mu.Lock()
	g.ended = true
	bars := g.bars
	g.bars = nil
	g.mu.Unlock()
	if g.drawn == nil {
		return
	}
	for _, b := range bars {
		if b.drawn != nil {
			b.drawn.Abort(false) // of one that has ended it is nothing
		}
	}
	g.drawn.Wait()
}

// Note writes a line of text, above the bars. After Wait it goes where they
// were.
func (g *Group) Note(text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.drawn != nil && !g.ended {
		_, _ = fmt.Fprintln(g.drawn, text)
		return
	}
	_, _ = fmt.Fprintln(g.w, text)
}

// line writes where b is, unless the group has ended. That it cannot be shown
// is no reason to stop the work.
func (g *Group) line(b *Bar) {
	status := b.status()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ended {
		_, _ = fmt.Fprintf(g.w, "%-*s %s\n", labelWidth, b.label, status)
	}
}

// fit cuts a label to the width of its column.
func fit(label string) string {
	if utf8.RuneCountInString(label) <= labelWidth {
		return label
	}
	return string([]rune(label)[:labelWidth-1]) + "…"
}

// printable keeps what names a file or a channel from moving the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
