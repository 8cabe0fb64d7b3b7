package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/postgres"
	"hansard/internal/store/storetest"
)

// spansFixture is a store with a clock, and a task that runs.
type spansFixture struct {
	*testing.T
	*postgres.Store
	clock *storetest.Clock
	dsn   string
	of    store.SpansOf
}

func newSpans(t *testing.T, n int) *spansFixture {
	t.Helper()
	f := &spansFixture{T: t, clock: storetest.NewClock(), dsn: databases.Database(t)}
	f.Store = openStore(t, f.dsn, postgres.Options{Now: f.clock.Now})
	f.of = f.running(newApp(t, f.Store, "app"), "task")
	f.add(f.of, 0, n)
	return f
}

// running enqueues a task and claims it for an hour.
func (f *spansFixture) running(app int64, id string) store.SpansOf {
	f.Helper()
	enqueue(f.T, f.Store, app, id, "k")
	return f.claimTask(id)
}

func (f *spansFixture) claimTask(id string) store.SpansOf {
	f.Helper()
	got, err := f.Claim(f.Context(), "lead", time.Hour, id)
	if err != nil || got == nil {
		f.Fatal(got, err)
	}
	return store.SpansOf{App: got.App, Task: id, Epoch: got.Epoch}
}

func (f *spansFixture) add(of store.SpansOf, first, n int) {
	f.Helper()
	requests := make([][]byte, n)
	for i := range requests {
		requests[i] = fmt.Append(nil, "request ", first+i)
	}
	if err := f.AddSpans(f.Context(), of, first, requests); err != nil {
		f.Fatal(err)
	}
}

// claim claims a span for a minute; -1 is none.
func (f *spansFixture) claim(of store.SpansOf, below int) (number int, span *store.Span) {
	f.Helper()
	span, err := f.ClaimSpan(f.Context(), of, "worker", time.Minute, below)
	if err != nil {
		f.Fatal(err)
	}
	if span == nil {
		return -1, nil
	}
	if want := fmt.Sprint("request ", span.Number); string(span.Request) != want || span.SpansOf != of {
		f.Errorf("claimed %+v with %q, want %q", span, span.Request, want)
	}
	return span.Number, span
}

func (f *spansFixture) expect(what string, got, want any) {
	f.Helper()
	if got != want {
		f.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (f *spansFixture) expectClaim(of store.SpansOf, below, want int) *store.Span {
	f.Helper()
	n, span := f.claim(of, below)
	f.expect("the next span", n, want)
	return span
}

func (f *spansFixture) expectLost(what string, err error) {
	f.Helper()
	if !errors.Is(err, store.ErrLeaseLost) {
		f.Errorf("%s: %v, want that the lease was lost", what, err)
	}
}

func (f *spansFixture) status(of store.SpansOf, from int) (s store.SpanStatus, done []int) {
	f.Helper()
	s, err := f.SpanStatus(f.Context(), of, from)
	if err != nil {
		f.Fatal(err)
	}
	for _, d := range s.Done {
		done = append(done, d.Number)
		f.expect("the result", string(d.Result), fmt.Sprint("result ", d.Number))
	}
	return s, done
}

func (f *spansFixture) finish(p *store.Span) {
	f.Helper()
	if err := f.FinishSpan(f.Context(), p, fmt.Append(nil, "result ", p.Number), fmt.Append(nil, "state ", p.Number)); err != nil {
		f.Fatal(err)
	}
}

// rows is how many spans the table has.
func (f *spansFixture) rows() (n int) {
	f.Helper()
	if err := connect(f.T, f.dsn).QueryRow(f.Context(), `SELECT count(*) FROM spans`).Scan(&n); err != nil {
		f.Fatal(err)
	}
	return n
}

func TestSpanLife(t *testing.T) {
	t.Parallel()
	f := newSpans(t, 3)
	f.add(f.of, 0, 3) // once more, which changes nothing
	first, second := f.expectClaim(f.of, -1, 0), f.expectClaim(f.of, -1, 1)
	if state, err := f.SpanState(t.Context(), f.of, 0); state != nil || err != nil {
		t.Errorf("the state of what is not done is %q, %v", state, err)
	}
	f.finish(first)
	state, err := f.SpanState(t.Context(), f.of, 0)
	f.expect("state", fmt.Sprintf("%s %v", state, err), "state 0 <nil>")
	f.expectLost("finishing twice", f.FinishSpan(t.Context(), first, nil, nil))
	status, done := f.status(f.of, 0)
	f.expect("status", fmt.Sprint(status.Open, status.Waiting, status.Stuck, done), "2 1 false [0]")
	f.finish(second)
	if _, done = f.status(f.of, 1); !slices.Equal(done, []int{1}) {
		t.Errorf("done from 1 on: %v", done)
	}
	f.finish(f.expectClaim(f.of, -1, 2))
	f.expectClaim(f.of, -1, -1)
	status, done = f.status(f.of, 0)
	f.expect("status", fmt.Sprint(status.Open, status.Waiting, done), "0 0 [0 1 2]")
	if err := f.DropSpans(t.Context(), f.of); err != nil {
		t.Fatal(err)
	}
	f.expect("rows", f.rows(), 0)
	_, err = f.SpanState(t.Context(), f.of, 0)
	f.expectLost("the state of what is gone", err)
}

func TestSpanLeases(t *testing.T) {
	t.Parallel()
	f := newSpans(t, 3)
	zero, one := f.expectClaim(f.of, -1, 0), f.expectClaim(f.of, -1, 1)
	f.clock.Advance(30 * time.Second)
	lost, err := f.BeatSpans(t.Context(), []store.Span{*zero, *one}, time.Minute)
	if err != nil || len(lost) != 0 {
		t.Errorf("lost %v, %v", lost, err)
	}
	f.clock.Advance(59 * time.Second)
	f.expectClaim(f.of, 2, -1)
	f.clock.Advance(time.Second)
	f.expectClaim(f.of, 0, -1)
	again := f.expectClaim(f.of, 1, 0)
	f.expect("claim and try", fmt.Sprint(again.Claim, again.Try), "2 2")
	// One that was not claimed anew may still be kept.
	if lost, err = f.BeatSpans(t.Context(), []store.Span{*zero, *one, *again}, time.Minute); err != nil || !slices.Equal(lost, []int{0}) {
		t.Errorf("lost %v, %v", lost, err)
	}
	f.expectLost("finishing what somebody else has", f.FinishSpan(t.Context(), zero, nil, nil))
	if err := f.ReleaseSpan(t.Context(), zero, true); err != nil {
		t.Fatal(err)
	}
	f.expectClaim(f.of, 2, -1)
	for range 10 { // handing back does not count
		if err := errors.Join(f.ReleaseSpan(t.Context(), again, true), f.ReleaseSpan(t.Context(), again, true)); err != nil {
			t.Fatal(err)
		}
		again = f.expectClaim(f.of, -1, 0)
		f.expect("try", again.Try, 2)
	}
	for try := 3; try <= store.MaxSpanTries; try++ {
		if err := f.ReleaseSpan(t.Context(), again, false); err != nil {
			t.Fatal(err)
		}
		again = f.expectClaim(f.of, -1, 0)
		f.expect("try", again.Try, try)
	}
	if owners, err := f.Owners(t.Context()); err != nil || !slices.Equal(owners, []string{"lead", "worker"}) {
		t.Errorf("owners %v, %v", owners, err)
	}
	if err := f.ExpireOwner(t.Context(), "worker"); err != nil {
		t.Fatal(err)
	}
	f.expectClaim(f.of, -1, 1)
	status, _ := f.status(f.of, 0)
	f.expect("stuck", status.Stuck, true)
	if _, err := f.BeatSpans(t.Context(), []store.Span{*again}, time.Minute); err != nil {
		t.Fatal(err)
	}
	status, _ = f.status(f.of, 0)
	f.expect("stuck while it is tried", status.Stuck, false)
	f.clock.Advance(time.Minute)
	f.expectClaim(f.of, 1, -1)
	status, _ = f.status(f.of, 0)
	f.expect("stuck", status.Stuck, true)
}

// Spans are there for the attempt that runs, and for nobody else.
func TestSpansOfTasks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	f := newSpans(t, 2)
	other := f.running(newApp(t, f.Store, "other"), "second")
	f.add(other, 0, 1)
	f.finish(f.expectClaim(other, -1, 0))
	crossed := f.of
	crossed.App = other.App
	f.expectClaim(crossed, -1, -1)
	f.expectLost("spans of another app's task", f.AddSpans(ctx, crossed, 5, [][]byte{{1}}))
	_, err := f.SpanState(ctx, crossed, 0)
	f.expectLost("a state of another app", err)
	status, _ := f.status(crossed, 0)
	f.expect("another app's spans", status.Open, 0)
	if err := f.DropSpans(ctx, crossed); err != nil {
		t.Fatal(err)
	}
	f.expect("rows", f.rows(), 3)

	// The oldest task comes first.
	f.add(other, 1, 1)
	find := func() string {
		found, err := f.FindSpan(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if found == nil {
			return ""
		}
		return fmt.Sprintf("%s %d %s", found.Task, found.Number, found.Request)
	}
	f.expect("found", find(), "task 0 request 0")
	f.finish(f.expectClaim(f.of, -1, 0))
	held := f.expectClaim(f.of, -1, 1)
	f.expect("found", find(), "second 1 request 1")

	// Who cancels a task keeps others from its spans.
	if _, err := f.CancelTask(ctx, f.of.App, f.of.Task, nil); err != nil {
		t.Fatal(err)
	}
	lost, err := f.BeatSpans(ctx, []store.Span{*held}, time.Minute)
	if err != nil || !slices.Equal(lost, []int{0}) {
		t.Errorf("lost %v, %v", lost, err)
	}
	if err := f.Finish(ctx, f.of.Task, f.of.Epoch, store.Outcome{Status: store.Failed}); err != nil {
		t.Fatal(err)
	}
	f.expect("rows", f.rows(), 2)
	f.expectLost("adding to what is over", f.AddSpans(ctx, f.of, 9, [][]byte{{1}}))

	// So does a lease that has run out, and a new attempt drops them.
	f.clock.Advance(time.Hour)
	f.expect("found", find(), "")
	f.expectClaim(other, -1, -1)
	next := f.claimTask("second")
	f.expect("rows", f.rows(), 0)
	f.expectLost("adding to a lost attempt", f.AddSpans(ctx, other, 9, [][]byte{{1}}))
	f.add(next, 0, 1)
	if err := f.DropSpans(ctx, other); err != nil { // of the attempt before
		t.Fatal(err)
	}
	f.expectClaim(next, -1, 0)

	// What a lost attempt has added too late is purged, and so is what is left
	// of an app.
	execute(t, connect(t, f.dsn), `INSERT INTO spans (app, task, epoch, number, due_at, request) SELECT app, task, epoch - 1, number, 0, '' FROM spans`)
	if err := f.DeleteTasks(ctx, nil); err != nil {
		t.Fatal(err)
	}
	f.expect("rows", f.rows(), 1)
	if err := errors.Join(f.DeleteApp(ctx, "other"), f.DeleteTasks(ctx, nil)); err != nil {
		t.Fatal(err)
	}
	f.expect("rows", f.rows(), 0)
}

// No span is worked on by two, and none is left out, also when some are handed
// back.
func TestSpansOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	stores, _ := several(t, 3)
	app := newApp(t, stores[0], "app")
	enqueue(t, stores[0], app, "task", "k")
	got, err := stores[0].Claim(t.Context(), "lead", time.Hour, "task")
	if err != nil {
		t.Fatal(err)
	}
	of := store.SpansOf{App: app, Task: "task", Epoch: got.Epoch}
	const n = 100
	if err := stores[0].AddSpans(t.Context(), of, 0, make([][]byte, n)); err == nil {
		t.Fatal("spans without requests are added")
	}
	requests := slices.Repeat([][]byte{{1}}, n)
	if err := stores[0].AddSpans(t.Context(), of, 0, requests); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	held, done := map[int]bool{}, map[int]int{}
	note := func(number int, holds, ended bool) {
		mu.Lock()
		defer mu.Unlock()
		if holds && held[number] {
			t.Errorf("span %d is worked on by two", number)
		}
		held[number] = holds
		if ended {
			done[number]++
		}
	}
	var group sync.WaitGroup
	for i, s := range stores {
		for w := range 3 {
			group.Go(func() {
				for turn := 0; ; turn++ {
					p, err := s.ClaimSpan(t.Context(), of, fmt.Sprint(i, w), time.Hour, -1)
					if err != nil {
						t.Error(err)
						return
					}
					if p == nil {
						return
					}
					note(p.Number, true, false)
					if lost, err := s.BeatSpans(t.Context(), []store.Span{*p}, time.Hour); err != nil || len(lost) > 0 {
						t.Error(lost, err)
					}
					if turn%5 == 4 {
						note(p.Number, false, false)
						err = s.ReleaseSpan(t.Context(), p, true)
					} else {
						note(p.Number, false, true)
						err = s.FinishSpan(t.Context(), p, []byte("r"), nil)
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	group.Wait()
	for number := range n {
		if done[number] != 1 {
			t.Errorf("span %d was done %d times", number, done[number])
		}
	}
}

// A snapshot that was joined shows what the first one does, and walks along it.
func TestJoinedSnapshot(t *testing.T) {
	t.Parallel()
	const n = 100
	s, app, channel := filled(t, postgres.Options{}, n)
	snap, err := s.ShareSnapshot(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), app, func(tx store.Tx) error { return tx.DeleteMessage("m'5") }); err != nil {
		t.Fatal(err)
	}
	joined, err := openStore(t, postgres.DSN(s), postgres.Options{}).JoinSnapshot(t.Context(), app, snap.ID())
	if err != nil {
		t.Fatal(err)
	}
	read := func(r store.Reader, q store.MessageRange) (ids []string) {
		q.Channel = channel
		if err := r.Messages(q, func(m *store.MessageRow) error {
			ids = append(ids, string(m.ID))
			return nil
		}); err != nil {
			t.Error(err)
		}
		return ids
	}
	all := read(joined, store.MessageRange{})
	if len(all) != n || !slices.Equal(all, read(snap, store.MessageRange{})) {
		t.Errorf("%d messages are read", len(all))
	}
	at := func(i int) store.MessageKey {
		return store.MessageKey{CreatedAt: chat.Time(1e15 + i), ID: fmt.Sprint("m'", i)}
	}
	for _, c := range []struct {
		since, until, after, n int
		walked, last, next     int // -1 = none
	}{
		{-1, -1, -1, 1, 1, 0, 1},
		{-1, -1, -1, 30, 30, 29, 30},
		{-1, -1, 29, 30, 30, 59, 60},
		{-1, -1, 69, 30, 30, 99, -1},
		{-1, -1, 69, 31, 30, -1, -1},
		{-1, -1, 99, 1, 0, -1, -1},
		{50, 60, -1, 10, 10, 59, -1},
		{50, 60, -1, 9, 9, 58, 59},
		{50, 60, 54, 9, 5, -1, -1},
	} {
		q := store.MessageRange{Channel: channel}
		if c.since >= 0 {
			q.Since, q.Until = at(c.since).CreatedAt, at(c.until).CreatedAt
		}
		if c.after >= 0 {
			q.AfterTime, q.AfterID = at(c.after).CreatedAt, at(c.after).ID
		}
		walked, last, next, err := snap.Stride(q, c.n)
		if err != nil {
			t.Fatal(err)
		}
		var wantLast, wantNext store.MessageKey
		if c.last >= 0 {
			wantLast = at(c.last)
		}
		if c.next >= 0 {
			wantNext = at(c.next)
		}
		if walked != c.walked || last != wantLast || next != wantNext {
			t.Errorf("%+v: walked %d, to %v, before %v", c, walked, last, next)
		}
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
	if len(read(joined, store.MessageRange{})) != n {
		t.Error("messages are missing once the first snapshot is closed")
	}
	if err := joined.Close(); err != nil {
		t.Error(err)
	}
	_, err = s.JoinSnapshot(t.Context(), app, snap.ID())
	if !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("joining what is closed: %v", err)
	}
	alone := openStore(t, postgres.DSN(s), postgres.Options{OneConn: true})
	if _, err := alone.JoinSnapshot(t.Context(), app, "x"); err == nil || alone.Shares() {
		t.Error("a database that does not share snapshots has shared one")
	}
}
