package test_test

import (
	"testing"
	"time"

	"hansard/test/harness"
)

// long is a request that takes some seconds: one channel over and over, each
// time from another second on, and packed.
func long() harness.Request {
	times := 25
	if harness.Race {
		times = 6
	}
	list := make([]harness.Request, times)
	for i := range list {
		since := time.Date(2024, 1, 1, 0, 0, i, 0, time.UTC)
		list[i] = harness.Request{"cid": "messaging:room-0", "messages_since": since}
	}
	return harness.Request{"channels": list, "version": "v2", "compression": "gzip"}
}

// running asks for an export that takes some seconds and waits until it has
// begun to write. A fast machine may be through with it before that is seen:
// then it asks again. over are those that were.
func running(t *testing.T, s *harness.Server, r harness.Request) (id string, over []*harness.Task) {
	t.Helper()
	for range 10 {
		var task *harness.Task
		id = s.ExportChannels(r)
		harness.Until(t, harness.Patience, "writing: task "+id, func() bool {
			task = s.Task(id)
			return task.Final() || len(harness.Unfinished(t, s.Data)) > 0
		})
		if !task.Final() {
			return id, over
		}
		over = append(over, task)
	}
	t.Fatalf("all exports were over too soon, the last of them was task %s", id)
	return "", nil
}

// TestTerminated: a server that is asked to end hands its running export back
// and exits with 0; the next one completes it.
func TestTerminated(t *testing.T) {
	t.Parallel()
	chat := harness.Chat{Users: 20, Channels: 1, Messages: 30_000, Text: 300}
	s := store(t, madeUp(t, chat))
	want := s.Completed(s.ExportChannels(long())).Result.SHA256
	for range 10 {
		id, _ := running(t, s, long())
		s.Stop() // checks exit code and time
		if left := harness.Unfinished(t, s.Data); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}

		idle := harness.Start(t, s.Data, "--workers", "0")
		task := idle.Task(id)
		idle.Stop()
		s = s.Restart()
		if task.Status == "completed" { // it was over sooner than it was stopped
			continue
		}
		if task.Status != "waiting" || task.Result != nil || task.Error != nil {
			t.Errorf("handed back: %+v", task)
		}
		if task = s.Completed(id); task.Result.SHA256 != want {
			t.Error("other bytes than the same export left in peace")
		} else {
			s.Download(task)
		}
		return
	}
	t.Error("no export was stopped before it was over")
}

// TestCanceled: a running export stops within two seconds and leaves nothing;
// one that waits stops at once; one that is over stays as it is.
func TestCanceled(t *testing.T) {
	t.Parallel()
	chat := harness.Chat{Users: 20, Channels: 1, Messages: 30_000, Text: 300}
	s := store(t, madeUp(t, chat), "--workers", "1")
	short := harness.Request{"channels": specs(chat.CIDs()...), "version": "v2"}
	cancel := func(id string) { s.Must("POST", "/tasks/"+id+"/cancel", nil, nil) }
	over := []*harness.Task{s.Completed(s.ExportChannels(short))}
	var run, wait *harness.Task
	for range 10 {
		id, early := running(t, s, long())
		over = append(over, early...)
		next := s.ExportChannels(short)
		cancel(next)
		cancel(id)
		wait = s.Task(next)
		harness.Until(t, 2*time.Second, "canceled", func() bool {
			run = s.Task(id)
			return run.Final()
		})
		// A fast machine may be through with the long one before it is told to
		// stop, and with the short one too.
		if run.Status != "completed" {
			break
		}
		over = append(over, run)
		if wait = s.Final(next); wait.Status == "completed" {
			over = append(over, wait)
		}
	}
	for _, task := range []*harness.Task{wait, run} {
		if task.Status != "failed" || task.Error == nil || task.Error.Type != "Canceled" || task.Result != nil {
			t.Errorf("canceled: %+v, error %+v", task, task.Error)
		}
	}
	harness.Until(t, 2*time.Second, "rid of what was written", func() bool {
		return len(harness.Unfinished(t, s.Data)) == 0
	})
	cancel(over[0].ID)
	if again := s.Task(over[0].ID); again.Status != "completed" {
		t.Errorf("canceling a completed task made it %s", again.Status)
	}
	left(t, s.Data, over)
}

// TestRetention: a task past its retention is unknown at once, and its file
// goes soon.
func TestRetention(t *testing.T) {
	t.Parallel()
	chat := harness.Chat{Users: 3, Channels: 1, Messages: 10, Text: 20}
	const retention = 2 * time.Second
	s := store(t, madeUp(t, chat), "--retention", retention.String())
	task := s.Completed(s.ExportChannels(harness.Request{"channels": specs(chat.CIDs()...)}))
	end := task.UpdatedAt.Add(retention)
	if late := task.Result.ExpiresAt.Sub(end); late > 0 {
		t.Errorf("the URL outlives the file by %s", late)
	}
	gone := func() bool {
		asked := time.Now()
		resp, err := s.Do("GET", "/tasks/"+task.ID, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Status != 404 && asked.After(end.Add(100*time.Millisecond)) {
			t.Fatalf("the task is still there %s after its retention", asked.Sub(end))
		}
		return resp.Status == 404
	}
	harness.Until(t, harness.Patience, "gone", gone)
	if early := time.Until(end); early > 0 {
		t.Errorf("the task was gone %s before its retention", early)
	}
	harness.Until(t, harness.Patience, "purged", func() bool {
		return len(harness.StoredFiles(t, s.Data)) == 0
	})
	if resp, err := harness.Fetch("GET", task.Result.URL, nil); err != nil || resp.Status < 400 {
		t.Errorf("the URL of a purged file: %+v, %v", resp, err)
	}
	var list struct{ Tasks []harness.Task }
	s.Must("GET", "/tasks", nil, &list)
	for _, other := range list.Tasks {
		if other.ID == task.ID {
			t.Error("the task is still listed")
		}
	}
}
