package progress_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"hansard/internal/progress"
)

func TestPlainLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	g := progress.New(&out, false)
	a := g.Add("import", "messages")
	a.Set(1234567, 2000000) // too soon for a line
	a.Done()
	a.Fail("too late")
	b := g.Add("export", "messages")
	b.Set(5, 10)
	b.Fail("NotFound")
	b.Set(6, 10)
	g.Wait()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("want a line for each bar, got %q", out.String())
	}
	for i, want := range [][]string{{"import", "1,234,567 messages", "/s"}, {"export", "5 messages", "failed: NotFound"}} {
		for _, w := range want {
			if !strings.Contains(lines[i], w) {
				t.Errorf("%q is missing in %q", w, lines[i])
			}
		}
	}
}

// On a terminal bars are drawn by others; they must end whatever was set, from
// many goroutines at once.
func TestTerminalBarsEnd(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	g := progress.New(&out, true)
	var wg sync.WaitGroup
	for i := range 6 {
		b := g.Add("work", "messages")
		wg.Go(func() {
			for n := range int64(50) {
				b.Set(n, 40) // the total was a guess
			}
			if i%2 == 0 {
				b.Done()
			} else {
				b.Fail("Canceled")
			}
		})
	}
	g.Add("nothing to do", "messages").Done()
	wg.Wait()
	g.Wait()
	if !strings.Contains(out.String(), "Canceled") {
		t.Errorf("the failure is not shown: %q", out.String())
	}
}
