package test_test

import (
	"testing"
	"time"

	"hansard/test/harness"
)

// rounds is how often a fault is made, in the middle of everything.
func rounds(quick, long int) int {
	if slow {
		return long
	}
	return quick
}

// faultMessages is how many messages the chats of the fault tests have.
func faultMessages() int {
	switch {
	case slow:
		return 12_000
	case harness.Race:
		return 3_000
	default:
		return 6_000
	}
}

// TestFaultKilled: a worker, an API process or all at once are killed in the
// middle of exports, imports and writes. Nothing that was acknowledged is lost,
// and everything that was asked for is done once.
func TestFaultKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, plan{messages: faultMessages()})
	ledger := s.writing()
	for round := range rounds(2, 12) {
		work := s.begin(round + 1)
		for range 1 + s.rnd.IntN(2) {
			<-time.After(s.moment())
			s.kill()
		}
		s.end(work)
	}
	ledger.closed()
	s.close()
}

// kill kills some processes, and starts them again.
func (s *site) kill() {
	s.t.Helper()
	var apis, workers []int
	switch victim := s.rnd.IntN(4); victim {
	case 0:
		apis = []int{s.rnd.IntN(2)}
	case 1, 2:
		workers = []int{s.rnd.IntN(2)}
	default:
		apis, workers = []int{0, 1}, []int{0, 1}
	}
	s.t.Logf("killed: APIs %v, workers %v", apis, workers)
	for _, i := range apis {
		s.apis[i].Kill()
	}
	for _, i := range workers {
		s.workers[i].Kill()
	}
	for _, i := range apis {
		s.startAPI(i)
	}
	for _, i := range workers {
		s.startWorker(i)
	}
}
