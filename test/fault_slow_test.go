//go:build slow

package test_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"hansard/internal/s3test"
	"hansard/test/harness"
)

// TestFaultObjectsAway: an object store that refuses everything for good fails
// the exports that need it, in words that a person understands, and leaves
// nothing behind; the next export works.
func TestFaultObjectsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t, plan{ownObjects: true, messages: 3000})
	s.proxy.Fail(func(r *http.Request) s3test.Fault {
		if r.Method == http.MethodPut || r.Method == http.MethodPost {
			return s3test.Fault{Status: http.StatusServiceUnavailable}
		}
		return s3test.Fault{}
	})
	id := s.ask("v2")
	var task *harness.Task
	harness.Until(t, 12*time.Minute, "over", func() bool {
		task = s.apis[0].Task(id)
		return task.Final()
	})
	if task.Error == nil || task.Error.Type != "StorageUnavailable" || !strings.HasPrefix(task.Error.Description, "The object store or folder that keeps the server's files could not be reached, or refused to serve it") {
		t.Errorf("the task is %s: %+v", task.Status, task.Error)
	}
	s.proxy.Fail(nil)
	if again := s.final(s.ask("v2")); again.Status != "completed" || again.Result.SHA256 != s.want["v2"] {
		t.Errorf("the next export is %s: %+v", again.Status, again.Error)
	}
	s.close()
}

// TestFaultClock: the clock of a worker is off by an hour, from the start or all
// of a sudden. Its exports and imports are right all the same, it loses no lease,
// and what others have begun is not swept away.
func TestFaultClock(t *testing.T) {
	t.Parallel()
	s := newSite(t, plan{messages: faultMessages()})
	ledger := s.writing()
	round := 0
	for _, off := range []int{3600, -3600} {
		for _, sudden := range []bool{false, true} {
			// The one whose clock is right is away, so that the other one does it all.
			for _, w := range s.workers {
				w.Kill()
			}
			clock := harness.NewSkew(t)
			if !sudden {
				clock.Set(t, off)
			}
			s.workers[0] = clock.Worker(t, s.folders[2], append([]string{"--workers", "2"}, s.flags...)...)
			harness.Until(t, harness.Patience, "working", func() bool {
				if !s.workers[0].Running() {
					t.Fatalf("off by %d s: the worker ended", off)
				}
				return strings.Contains(s.workers[0].Stderr(), `"working"`)
			})
			round++
			work := s.begin(round)
			if sudden {
				<-time.After(s.moment())
				clock.Set(t, off)
			}
			began := time.Now()
			s.end(work)
			t.Logf("off by %d s, suddenly %t: done after %s", off, sudden, time.Since(began).Round(time.Millisecond))
			if log := s.workers[0].Stderr(); strings.Contains(log, "task lost") {
				t.Errorf("off by %d s: a lease was lost", off)
			}
			stopped(t, s.workers[0])
			s.startWorker(0)
			s.startWorker(1)
		}
	}
	ledger.closed()
	s.close()
}
