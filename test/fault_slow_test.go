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
	if task.Error == nil || task.Error.Type != "StorageUnavailable" || !strings.HasPrefix(task.Error.Description, "The object store that keeps the server's files could not be reached, or refused to serve it") {
		t.Errorf("the task is %s: %+v", task.Status, task.Error)
	}
	s.proxy.Fail(nil)
	if again := s.final(s.ask("v2")); again.Status != "completed" || again.Result.SHA256 != s.want["v2"] {
		t.Errorf("the next export is %s: %+v", again.Status, again.Error)
	}
	s.close()
}
