package test_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/s3test"
)

// TestFaultObjects: the object store is restarted, slow, overloaded, and cuts
// connections, in the middle of parts and of answers. Exports and imports take
// longer, and are done.
func TestFaultObjects(t *testing.T) {
	t.Parallel()
	s := newSite(t, plan{ownObjects: true, messages: faultMessages()})
	ledger := s.writing()
	faults := []string{"slow", "503", "cut parts", "cut answers", "lost answers", "restart", "frozen"}
	s.rnd.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	for round := range rounds(3, 2*len(faults)) {
		fault := faults[round%len(faults)]
		work := s.begin(round + 1)
		<-time.After(s.moment() / 2)
		began := time.Now()
		s.objectFault(fault)
		s.end(work)
		t.Logf("%s: done after %s; left in peace it takes %s", fault, time.Since(began).Round(time.Millisecond), s.took.Round(time.Millisecond))
	}
	ledger.closed()
	s.close()
}

// objectFault makes a fault, which is over after a while.
func (s *site) objectFault(fault string) {
	s.t.Helper()
	if fault == "restart" {
		s.bucket.Stop(s.t)
		<-time.After(s.moment())
		s.bucket.Start(s.t)
		return
	}
	if fault == "frozen" {
		s.bucket.Freeze(s.t)
		<-time.After(s.moment())
		s.bucket.Thaw(s.t)
		return
	}
	seed := s.rnd.Int64N(1 << 20)
	var n atomic.Int64
	s.proxy.Fail(func(r *http.Request) s3test.Fault {
		i := n.Add(1) + seed
		part := r.Method == http.MethodPut && r.ContentLength > 1<<20
		switch {
		case fault == "slow" && r.Method == http.MethodPut:
			return s3test.Fault{Rate: 4 << 20}
		case fault == "503" && i%3 != 0:
			return s3test.Fault{Status: http.StatusServiceUnavailable}
		case fault == "cut parts" && part && i%2 == 0:
			return s3test.Fault{CutBody: 1 + (i*7919)%r.ContentLength}
		case fault == "cut answers" && r.Method == http.MethodGet && i%2 == 0:
			return s3test.Fault{CutAnswer: 1 + i%5000}
		case fault == "lost answers" && r.Method != http.MethodGet && i%2 == 0:
			return s3test.Fault{LoseAnswer: true}
		}
		return s3test.Fault{}
	})
	<-time.After(2*s.took + s.moment())
	s.proxy.Fail(nil)
}
