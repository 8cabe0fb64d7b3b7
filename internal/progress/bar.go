package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// lineEvery is how often a bar without a terminal says where it is.
const lineEvery = time.Second

// rateFrom is how long something must take for its rate to mean anything.
const rateFrom = 100 * time.Millisecond

type state int

const (
	going state = iota
	done
	failed
)

// Bar is one piece of work. Its methods may be called from any goroutine, and
// on a nil Bar, which shows nothing.
type Bar struct {
	group *Group
	label string
	unit  string
	begun time.Time
	drawn *mpb.Bar // nil without a terminal

	mu          sync.Mutex
	done, total int64
	shown       time.Time // when the last line was written
	state       state
	took        time.Duration
	failure     string
}

// Set says how much is done, of a total that may still be a guess; 0 means that
// it is not known.
func (b *Bar) Set(count, total int64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	if b.state != going {
		b.mu.Unlock()
		return
	}
	b.done, b.total = max(count, 0), max(total, 0)
	if b.total > 0 {
		b.total = max(b.done, b.total)
	}
	// On a terminal the bar is drawn from these fields several times a second,
	// so there is nothing to be told.
	now := b.group.clock.Now()
	// Nor need anybody be told that all is done just before Done says so.
	show := b.drawn == nil && now.Sub(b.shown) >= lineEvery && (b.total == 0 || b.done < b.total)
	if show {
		b.shown = now
	}
	b.mu.Unlock()
	if show {
		b.group.line(b)
	}
}

// Since says when the work began, if that was before the bar was added.
func (b *Bar) Since(began time.Time) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = began
}

// Done ends the bar: all is done. What comes after is ignored.
func (b *Bar) Done() {
	if b != nil && b.end(done, "") {
		b.finish()
	}
}

// Fail ends the bar and shows why. What comes after is ignored.
func (b *Bar) Fail(reason string) {
	if b != nil && b.end(failed, printable(reason)) {
		b.finish()
	}
}

// Took is how long it took to the end of the bar, as the bar shows it; 0 while
// it goes on.
func (b *Bar) Took() time.Duration {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.took
}

// counted is what is counted, of one or of many.
func (b *Bar) counted() string {
	if b.done == 1 {
		return strings.TrimSuffix(b.unit, "s")
	}
	return b.unit
}

// end reports whether it was the one that ended the bar.
func (b *Bar) end(s state, failure string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != going {
		return false
	}
	b.state, b.failure, b.took = s, failure, b.group.clock.Now().Sub(b.begun)
	return true
}

func (b *Bar) finish() {
	if b.drawn == nil {
		b.group.line(b)
		return
	}
	b.drawn.SetTotal(1, true)
}

// filler draws the bar from our own numbers: so Set need not pass them on.
func (b *Bar) filler(base mpb.BarFiller) mpb.BarFiller {
	return mpb.BarFillerFunc(func(w io.Writer, st decor.Statistics) error {
		b.mu.Lock()
		st.Current, st.Total = b.done, max(b.total, 1)
		switch {
		case b.state == done:
			st.Current, st.Total = 1, 1
		case b.total == 0:
			st.Current = 0
		}
		b.mu.Unlock()
		return base.Fill(w, st)
	})
}

// status is what stands to the right of the bar.
func (b *Bar) status() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	took := b.took
	if b.state == going {
		took = b.group.clock.Now().Sub(b.begun)
	}
	rate := 0.0
	perSecond := "" // nothing, of so little that it would be an accident
	if took >= rateFrom && b.done > 0 {
		rate = float64(b.done) / took.Seconds()
	}
	if rate >= 1 {
		perSecond = "  " + group(int64(rate)) + "/s"
	}
	switch {
	case b.state == failed:
		return fmt.Sprintf("%s %s  failed: %s", group(b.done), b.counted(), b.failure)
	case b.state == done && took < time.Millisecond: // over before anybody looked: that is no time it took
		return group(b.done) + " " + b.counted()
	case b.state == done:
		return fmt.Sprintf("%s %s  in %s%s", group(b.done), b.counted(), Duration(took), perSecond)
	case b.total == 0:
		return fmt.Sprintf("%s %s%s", group(b.done), b.counted(), perSecond)
	}
	return fmt.Sprintf("%3d%%  %s/%s %s%s  %s left", int(float64(b.done)/float64(b.total)*100),
		group(b.done), group(b.total), b.unit, perSecond, left(float64(b.total-b.done), rate))
}
