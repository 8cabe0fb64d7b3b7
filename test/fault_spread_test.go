//go:build slow

package test_test

import (
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hansard/internal/s3test"
	"hansard/test/harness"
)

// TestFaultSpread: one large export is made by two workers. Whichever of them is
// killed or frozen, and whatever happens to PostgreSQL or the object store in
// the middle, it is completed with the right bytes.
func TestFaultSpread(t *testing.T) {
	t.Parallel()
	s := newSite(t, plan{ownDatabase: true, ownObjects: true, apart: true, messages: 90_000, text: 330})
	faults := map[string]func(lead int){
		"the lead is killed":     func(lead int) { s.again(lead) },
		"a helper is killed":     func(lead int) { s.again(1 - lead) },
		"both are killed":        func(int) { s.again(0); s.again(1) },
		"PostgreSQL restarts":    func(int) { s.cluster.Restart(t) },
		"PostgreSQL crashes":     func(int) { s.cluster.Crash(t); s.cluster.Start(t) },
		"objects restart":        func(int) { s.objectFault("restart") },
		"objects are overloaded": func(int) { s.objectFault("503") },
		"parts are cut":          func(int) { s.objectFault("cut parts") },
		"the lead is frozen":     func(lead int) { s.workers[lead].Freeze() },
		"a helper is frozen":     func(lead int) { s.workers[1-lead].Freeze() },
	}
	helped := 0
	for name, fault := range faults {
		kind := []string{"v1", "v2"}[s.rnd.IntN(2)]
		// The way to the object store is slow, so that there is time for faults.
		s.proxy.Fail(func(r *http.Request) s3test.Fault {
			if r.Method == http.MethodPut && r.ContentLength > 1<<20 {
				return s3test.Fault{Rate: 24 << 20}
			}
			return s3test.Fault{}
		})
		began := time.Now()
		id := s.ask(kind)
		harness.Until(t, harness.Patience, "divided", func() bool { return s.number(`SELECT count(*) FROM spans WHERE done`) > 0 })
		<-time.After(time.Duration(s.rnd.Int64N(int64(2 * time.Second))))
		lead := s.lead()
		if s.number(`SELECT count(DISTINCT owner) FROM spans WHERE owner <> ''`) > 1 {
			helped++
		}
		fault(lead)
		task := s.final(id)
		s.proxy.Fail(nil)
		t.Logf("%s, %s: %s after %s", kind, name, task.Status, time.Since(began).Round(time.Millisecond))
		if task.Status != "completed" || task.Result.SHA256 != s.want[kind] {
			t.Errorf("%s, %s: %s: %+v", kind, name, task.Status, task.Error)
			continue
		}
		s.watch.named(task)
		if strings.HasSuffix(name, "frozen") {
			s.thawed(s.workers[map[bool]int{true: lead, false: 1 - lead}[strings.HasPrefix(name, "the lead")]])
		}
		harness.Until(t, harness.Patience, "rid of spans, and of files beside those of tasks", func() bool {
			beside := 0
			for key := range s.files() {
				if strings.Contains(key, ".reactions.") {
					beside++
				}
			}
			return beside == 0 && s.number(`SELECT count(*) FROM spans`) == 0
		})
	}
	if helped == 0 {
		t.Error("no export was made by several workers when the fault came")
	}
	t.Logf("%d of %d exports were in the hands of both workers when the fault came", helped, len(faults))
	s.close()
}

// again kills a worker and starts it once more.
func (s *site) again(i int) {
	s.t.Helper()
	s.workers[i].Kill()
	s.startWorker(i)
}

// lead is the worker that has claimed the task that runs.
func (s *site) lead() int {
	s.t.Helper()
	for i := range s.workers {
		for _, name := range harness.Files(s.t, filepath.Join(s.folders[len(s.apis)+i], "instances")) {
			owner := strings.TrimSuffix(name, ".lock")
			if s.number(`SELECT count(*) FROM tasks WHERE status = 'running' AND owner = '`+owner+`'`) > 0 {
				return i
			}
		}
	}
	return 0 // it has ended just now
}

// thawed lets a worker that was frozen go on, and looks that it changes nothing
// of what was done meanwhile.
func (s *site) thawed(late *harness.Process) {
	s.t.Helper()
	tasks, files := s.taskRows(), s.files()
	late.Thaw()
	again := s.final(s.ask("users"))
	lost := time.Now().Add(3 * time.Second) // enough for it to do what it was about to
	harness.Until(s.t, harness.Patience, "at rest", func() bool { return time.Now().After(lost) })
	maps.DeleteFunc(files, func(key string, _ s3test.Object) bool { return strings.Contains(key, ".reactions.") })
	s.unchanged(tasks, files, again)
}
