package progress

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// lineEvery is how often a bar without a terminal says where it is.
const lineEvery = time.Second

// Group is a set of bars, one below the other.
type Group struct {
	w    io.Writer
	bars *mpb.Progress // nil without a terminal
	mu   sync.Mutex    // one line at a time
}

// New returns a group that writes to w; tty says whether w is a terminal.
func New(w io.Writer, tty bool) *Group {
	g := &Group{w: w}
	if tty {
		g.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(32), mpb.WithRefreshRate(100*time.Millisecond), mpb.WithAutoRefresh())
	}
	return g
}

// Add adds a bar. label says what is done, unit what is counted.
func (g *Group) Add(label, unit string) *Bar {
	b := &Bar{group: g, label: label, unit: unit, begun: time.Now()}
	if g.bars == nil {
		return b
	}
	b.bar = g.bars.New(0,
		mpb.BarStyle().Lbound("").Filler("━").Tip("━").Padding("─").Rbound(""),
		mpb.PrependDecorators(decor.Name(label, decor.WC{W: 24, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + b.status() })),
	)
	return b
}

// Wait returns when every bar has ended and was drawn for the last time.
func (g *Group) Wait() {
	if g.bars != nil {
		g.bars.Wait()
	}
}

func (g *Group) line(b *Bar) {
	g.mu.Lock()
	defer g.mu.Unlock()
	// Nothing depends on a line that could not be shown.
	_, _ = fmt.Fprintf(g.w, "%-24s %s\n", b.label, b.status())
}

// Bar is one piece of work. Its methods may be called from any goroutine.
type Bar struct {
	group *Group
	label string
	unit  string
	begun time.Time
	bar   *mpb.Bar // nil without a terminal

	mu          sync.Mutex
	done, total int64
	shown       time.Time
	ended       time.Duration // how long it took, once it has ended
	failure     string
}

// Set says how much is done, of a total that may still be a guess; 0 = not
// known.
func (b *Bar) Set(done, total int64) {
	b.mu.Lock()
	if b.ended != 0 {
		b.mu.Unlock()
		return
	}
	b.done, b.total = done, max(done, total)
	show := b.bar == nil && time.Since(b.shown) >= lineEvery && time.Since(b.begun) >= lineEvery
	if show {
		b.shown = time.Now()
	}
	b.mu.Unlock()
	if b.bar != nil {
		b.bar.SetTotal(max(total, done, 1), false)
		b.bar.SetCurrent(done)
	}
	if show {
		b.group.line(b)
	}
}

// Done ends the bar. What comes after is ignored.
func (b *Bar) Done() { b.end("") }

// Fail ends the bar and shows why.
func (b *Bar) Fail(reason string) { b.end(reason) }

func (b *Bar) end(failure string) {
	b.mu.Lock()
	if b.ended != 0 {
		b.mu.Unlock()
		return
	}
	b.ended, b.failure = max(time.Since(b.begun), 1), failure
	done := b.done
	b.mu.Unlock()
	switch {
	case b.bar == nil:
		b.group.line(b)
	case failure != "":
		b.bar.Abort(false)
	default:
		b.bar.SetTotal(max(done, 1), false)
		b.bar.SetCurrent(max(done, 1))
		b.bar.SetTotal(max(done, 1), true)
	}
}

// status is what stands to the right of the bar.
func (b *Bar) status() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	took := b.ended
	if took == 0 {
		took = time.Since(b.begun)
	}
	rate := float64(b.done) / max(took.Seconds(), 1e-3)
	switch {
	case b.failure != "":
		return fmt.Sprintf("%s %s  failed: %s", group(b.done), b.unit, b.failure)
	case b.ended != 0:
		return fmt.Sprintf("%s %s  in %s  %s/s", group(b.done), b.unit, short(took), group(int64(rate)))
	case b.total == 0:
		return fmt.Sprintf("%s %s  %s/s", group(b.done), b.unit, group(int64(rate)))
	}
	eta := "–"
	if rate > 0 {
		eta = short(time.Duration(float64(b.total-b.done) / rate * float64(time.Second)))
	}
	return fmt.Sprintf("%3d%%  %s/%s %s  %s/s  %s left",
		b.done*100/b.total, group(b.done), group(b.total), b.unit, group(int64(rate)), eta)
}

// short is a duration as people say it.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// group writes 1234567 as 1,234,567.
func group(n int64) string {
	s := strconv.FormatInt(max(n, 0), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
