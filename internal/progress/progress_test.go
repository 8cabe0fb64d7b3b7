package progress_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"hansard/internal/clock/clocktest"
	"hansard/internal/progress"

	"github.com/google/go-cmp/cmp"
)

// buffer may be written and read at the same time.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func lines(t *testing.T, out *buffer) []string {
	t.Helper()
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	return got
}

func TestPlainLines(t *testing.T) {
	t.Parallel()
	var out buffer
	clock := clocktest.New(time.Unix(0, 0))
	g := progress.NewGroup(&out, false, clock)
	a := g.Add("import", "messages")
	a.Set(10, 2000000) // too soon for a line
	clock.Advance(time.Second)
	a.Set(500000, 2000000)
	a.Set(500001, 2000000)
	clock.Advance(time.Second)
	a.Set(2000000, 1000000) // the total was a guess
	clock.Advance(time.Second)
	a.Done()
	a.Fail("too late")
	a.Done()
	a.Set(1, 2)

	b := g.Add("export\x1b[2J", "messages")
	clock.Advance(100 * time.Second)
	b.Set(1, 10)
	clock.Advance(time.Second)
	b.Set(5, 0) // the total is not known
	b.Fail("Not\nFound")
	c := g.Add("exporting messaging:planning", "messages")
	clock.Advance(99 * time.Millisecond)
	c.Set(588, 588)
	c.Done() // too soon for a rate
	d := g.Add("loading", "records")
	d.Set(554, 554)
	d.Done() // at once: nobody saw how long it took
	e := g.Add("exporting", "messages")
	e.Since(clock.Now().Add(-2 * time.Second)) // over when it was first looked at
	e.Set(300, 300)
	e.Done()
	g.Note("a note")
	g.Wait()
	b.Set(6, 10)
	g.Add("late", "messages").Done()

	want := []string{
		"import 25% 500,000/2,000,000 messages 500,000/s 3s left",
		"import 2,000,000 messages in 3s 666,666/s",
		"export?[2J 10% 1/10 messages 15m0s left",
		"export?[2J 5 messages",
		"export?[2J 5 messages failed: Not?Found",
		"exporting messaging:pla… 588 messages in 99ms",
		"loading 554 records",
		"exporting 300 messages in 2s 150/s",
		"a note",
	}
	if diff := cmp.Diff(want, lines(t, &out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOddNumbers(t *testing.T) {
	t.Parallel()
	for _, tty := range []bool{false, true} {
		var out buffer
		clock := clocktest.New(time.Unix(0, 0))
		g := progress.NewGroup(&out, tty, clock)
		for _, n := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
			for _, total := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
				b := g.Add("", "")
				clock.Advance(2 * time.Second)
				b.Set(n, total)
				if n > 0 {
					b.Done()
				}
			}
		}
		g.Wait()
	}
	var none *progress.Bar
	none.Set(1, 2)
	none.Done()
	none.Fail("x")
}

// On a terminal bars are drawn on another goroutine. They show how it ended,
// whatever was set, from however many goroutines, and Wait waits for no bar
// that nobody ends.
func TestBarsOnATerminal(t *testing.T) {
	t.Parallel()
	var out buffer
	clock := clocktest.New(time.Unix(0, 0))
	g := progress.NewGroup(&out, true, clock)
	var wg sync.WaitGroup
	for i := range 6 {
		b := g.Add("work", "messages")
		clock.Advance(time.Millisecond)
		wg.Go(func() {
			for n := range int64(50) {
				b.Set(n, 40)
			}
			if i%2 == 0 {
				b.Done()
			} else {
				b.Fail("Canceled")
			}
		})
	}
	g.Add("nothing to do", "messages").Done()
	g.Add("abandoned", "messages").Set(7, 14)
	wg.Wait()
	g.Wait()
	g.Wait()
	late := g.Add("late", "messages")
	late.Set(1, 2)
	late.Done()
	got := out.String()
	for _, want := range []string{"49 messages  in ", "49 messages  failed: Canceled", "0 messages", "7/14 messages", "nothing to do"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not shown in %q", want, got)
		}
	}
	if strings.Contains(got, "late") {
		t.Error("a bar was shown after the end")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("the terminal is gone") }

func TestWorkGoesOnWithoutItsTerminal(t *testing.T) {
	t.Parallel()
	for _, tty := range []bool{false, true} {
		g := progress.New(broken{}, tty)
		b := g.Add("work", "messages")
		for n := range int64(100) {
			b.Set(n, 100)
		}
		b.Done()
		g.Add("more", "messages").Done()
		g.Wait()
	}
}
