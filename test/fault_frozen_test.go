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
	for round := range rounds(1, 4) {
		// All the work begins at one worker.
		s.workers[1].Kill()
		work := s.begin(round + 1)
		harness.Until(t, harness.Patience, "begun", func() bool {
			return s.number(`SELECT count(*) FROM tasks WHERE status = 'running'`) == 2
		})
		<-time.After(s.moment() / 4)
		late := s.workers[0]
		late.Freeze()
		owned := s.number(`SELECT count(*) FROM tasks WHERE status = 'running'`)
		s.startWorker(1)
		s.end(work)
		// Whatever the late one had in hand is over, and so are the others' tasks:
		// nothing moves any more.
		tasks, files := s.taskRows(), s.files()
		before := strings.Count(late.Stderr(), "task lost")
		late.Thaw()
		harness.Until(t, harness.Patience, "aware of its loss: the worker that was frozen", func() bool {
			return int64(strings.Count(late.Stderr(), "task lost")-before) >= owned
		})
		again := s.final(s.ask("users")) // it is of use again
		harness.Until(t, harness.Patience, "rid of what the late one had begun", func() bool {
			return len(s.bucket.Uploads(t)) == 0
		})
		s.unchanged(tasks, files, again)
		t.Logf("%d tasks were in the hands of the worker that was frozen", owned)
		stopped(t, late)
		s.startWorker(0)
	}
	ledger.closed()
	s.close()
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
	left := s.files()
	maps.DeleteFunc(left, func(key string, _ s3test.Object) bool { return strings.Contains(key, but.ID) })
	if !maps.Equal(files, left) {
		s.t.Errorf("the bucket had\n%v\nand has\n%v", files, left)
	}
}
