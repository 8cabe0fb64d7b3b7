package test_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"hansard/internal/s3test"
	"hansard/test/harness"

	"github.com/jackc/pgx/v5"
)

// TestFaultFrozen: a worker stands still for longer than its leases last, in
// the middle of exports and an import. Another one takes over, and when the
// late one goes on it changes nothing any more: neither a file nor a task.
func TestFaultFrozen(t *testing.T) {
	t.Parallel()
	s := newSite(t, plan{messages: faultMessages()})
	ledger := s.writing()
	round := 0
	for range rounds(1, 4) {
		// A fast worker may be through with everything before it is frozen.
		for try := 1; ; try++ {
			round++
			if s.freeze(round) > 0 {
				break
			}
			if try == 10 {
				t.Fatal("the worker that was frozen had nothing in its hands, ten times")
			}
		}
	}
	ledger.closed()
	s.close()
}

// freeze has a worker stand still over exports and an import until another one
// has done all of it, and tells how many tasks were taken from the first.
func (s *site) freeze(round int) (taken int64) {
	s.t.Helper()
	const takenOver = `SELECT coalesce(sum(epoch - 1), 0)::bigint FROM tasks WHERE epoch > 1`
	taken = -s.number(takenOver)
	// All the work begins at one worker.
	s.workers[1].Kill()
	work := s.begin(round)
	<-time.After(s.moment() / 4)
	late := s.workers[0]
	late.Freeze()
	s.startWorker(1)
	s.end(work)
	taken += s.number(takenOver)
	// Whatever the late one had in hand is over, and so are the others' tasks:
	// nothing moves any more.
	tasks, files := s.taskRows(), s.files()
	before := strings.Count(late.Stderr(), "task lost")
	late.Thaw()
	harness.Until(s.t, harness.Patience, "aware of its loss: the worker that was frozen", func() bool {
		return int64(strings.Count(late.Stderr(), "task lost")-before) >= taken
	})
	again := s.final(s.ask("users")) // it is of use again
	harness.Until(s.t, harness.Patience, "rid of what the late one had begun", func() bool {
		return len(s.bucket.Uploads(s.t)) == 0 && maps.Equal(files, s.filesBut(again))
	})
	s.unchanged(tasks, files, again)
	s.t.Logf("%d tasks were taken from the worker that was frozen", taken)
	stopped(s.t, late)
	s.startWorker(0)
	return taken
}

// taskRows are the tasks as they are stored, by id.
func (s *site) taskRows() map[string]string {
	s.t.Helper()
	ctx, done := context.WithTimeout(s.t.Context(), harness.Patience)
	defer done()
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is lost with it
	rows, err := conn.Query(ctx, `SELECT id::text, t::text FROM tasks t`)
	if err != nil {
		s.t.Fatal(err)
	}
	list := map[string]string{}
	for rows.Next() {
		var id, row string
		if err := rows.Scan(&id, &row); err != nil {
			s.t.Fatal(err)
		}
		list[id] = row
	}
	if rows.Err() != nil {
		s.t.Fatal(rows.Err())
	}
	return list
}

// files is what is in the bucket.
func (s *site) files() map[string]s3test.Object {
	s.t.Helper()
	ctx, done := context.WithTimeout(s.t.Context(), harness.Patience)
	defer done()
	list, err := s.bucket.List(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// filesBut is what is in the bucket without what that one task has made.
func (s *site) filesBut(but *harness.Task) map[string]s3test.Object {
	s.t.Helper()
	list := s.files()
	maps.DeleteFunc(list, func(key string, _ s3test.Object) bool { return strings.Contains(key, but.ID) })
	return list
}

// unchanged: tasks and files are what they were, but for that one task.
func (s *site) unchanged(tasks map[string]string, files map[string]s3test.Object, but *harness.Task) {
	s.t.Helper()
	now := s.taskRows()
	delete(now, but.ID)
	for id, row := range tasks {
		if now[id] != row {
			s.t.Errorf("task %s was\n%s\nand is\n%s", id, row, now[id])
		}
	}
	if left := s.filesBut(but); !maps.Equal(files, left) {
		s.t.Errorf("the bucket had\n%v\nand has\n%v", files, left)
	}
}
