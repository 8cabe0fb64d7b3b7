package test_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"hansard/test/harness"
)

// TestFaultDatabase: PostgreSQL is restarted, and crashes, in the middle of
// exports, imports, writes and polls.
func TestFaultDatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t, plan{ownDatabase: true, messages: faultMessages()})
	ledger := s.writing()
	for round := range rounds(2, 10) {
		work := s.begin(round + 1)
		for range 1 + s.rnd.IntN(2) {
			<-time.After(s.moment())
			if s.rnd.IntN(2) == 0 {
				s.cluster.Restart(t)
				continue
			}
			s.cluster.Crash(t)
			s.cluster.Start(t)
		}
		began := time.Now()
		s.end(work)
		t.Logf("all done %s after the database was back; left in peace it takes %s", time.Since(began).Round(time.Millisecond), s.took.Round(time.Millisecond))
	}
	ledger.closed()
	s.close()
}

// TestFaultDatabaseAway: PostgreSQL is away for a while. Everybody says so, and
// waits; who is asked to end does; and all is done once it is back.
func TestFaultDatabaseAway(t *testing.T) {
	t.Parallel()
	s := newSite(t, plan{ownDatabase: true, messages: faultMessages()})
	ledger := s.writing()
	for round := range rounds(1, 3) {
		away := 5 * time.Second
		if slow {
			away = 20 * time.Second
		}
		work := s.begin(round + 1)
		<-time.After(s.moment())
		s.cluster.Stop(t)
		began := time.Now()
		for _, api := range s.apis {
			if status := statusOf(t, api, "/healthz"); status != http.StatusOK {
				t.Errorf("healthz without a database: %d", status)
			}
			if status := statusOf(t, api, "/readyz"); status != http.StatusServiceUnavailable {
				t.Errorf("readyz without a database: %d", status)
			}
		}
		asked := time.Now()
		resp, err := s.apis[0].Do("GET", "/tasks/"+work.exports["v1"], nil)
		if err != nil || !s.faulty(resp) || !strings.Contains(string(resp.Body), "the server cannot reach its database, please try again later; request id ") || time.Since(asked) > 10*time.Second {
			t.Errorf("a poll without a database: %+v, %v after %s", resp, err, time.Since(asked))
		}
		// One of each ends while the database is away.
		stopped(t, s.workers[0])
		stopped(t, s.apis[1].Process)
		<-time.After(away - time.Since(began))
		s.cluster.Start(t)
		s.startAPI(1)
		s.startWorker(0)
		back := time.Now()
		if status := statusOf(t, s.apis[0], "/readyz"); status != http.StatusOK {
			t.Errorf("readyz once the database is back: %d", status)
		}
		s.end(work)
		t.Logf("all done %s after the database was back", time.Since(back))
	}
	ledger.closed()
	s.close()
}

// statusOf is the status of the answer to a GET.
func statusOf(t *testing.T, s *harness.Server, path string) int {
	t.Helper()
	resp, err := harness.Fetch("GET", s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Status
}
