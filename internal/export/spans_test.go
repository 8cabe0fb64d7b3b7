package export_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/blob"
	"hansard/internal/blob/s3"
	"hansard/internal/chat"
	"hansard/internal/export"
	"hansard/internal/pgtest"
	"hansard/internal/s3test"
	"hansard/internal/store"
	"hansard/internal/store/postgres"
	"hansard/internal/task"
)

func TestMain(m *testing.M) { os.Exit(s3test.Main(m)) }

// databases have the current schema.
var databases = pgtest.Template{Fill: func(ctx context.Context, dsn string) error {
	_, err := postgres.Migrate(ctx, dsn)
	return err
}}

// team is a database and a bucket with some processes on them.
type team struct {
	*fixture
	dsn    string
	bucket *s3test.Bucket
}

func newTeam(t *testing.T) *team {
	t.Helper()
	m := &team{fixture: &fixture{T: t, app: store.App{Name: "test", Key: "key", Secret: "secret"}}, dsn: databases.Database(t), bucket: s3test.New(t)}
	m.service = m.process()
	m.store, m.blob = m.service.Store, m.service.Blob
	if err := m.store.CreateApp(t.Context(), &m.app); err != nil {
		t.Fatal(err)
	}
	m.update(func(tx store.Tx) error {
		for _, id := range []string{"alice", "bob", "carol"} {
			if _, err := tx.PutUser(&chat.User{ID: id, Role: "user", Name: strings.ToUpper(id), CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
				return err
			}
		}
		return nil
	})
	return m
}

// process is a service with connections of its own. Its spans have ten
// messages.
func (m *team) process() *export.Service {
	m.Helper()
	st, err := postgres.Open(m.Context(), m.dsn, postgres.Options{})
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		if err := st.Close(); err != nil {
			m.Error(err)
		}
	})
	b, err := s3.Open(m.Context(), s3.Options{
		Bucket: m.bucket.Name, Endpoint: m.bucket.Endpoint, Region: m.bucket.Region, Style: s3.PathStyle,
		AccessKey: m.bucket.AccessKey, SecretKey: m.bucket.SecretKey, PartSize: blob.MinPart, Patience: 20 * time.Second,
	})
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		if err := b.Close(); err != nil {
			m.Error(err)
		}
	})
	return &export.Service{
		Store: st, Blob: b, Scratch: m.TempDir(), Version: "test", Logger: slog.New(slog.DiscardHandler),
		Limits: export.Limits{Channels: 25}, SpanMessages: 10,
	}
}

// fat fills a channel with n messages of some 540 KB, so that ten make a part.
// Every third has reactions.
func (m *team) fat(id string, n int) {
	m.Helper()
	m.channel(id, 0)
	text := strings.Repeat("<long> ", 31_500)
	for from := 0; from < n; from += 10 {
		m.update(func(tx store.Tx) error {
			var ms []chat.Message
			var rs []chat.Reaction
			for i := from; i < min(from+10, n); i++ {
				at := chat.Time(1e15 + int64(i)*1e6)
				msg := chat.Message{
					ID: fmt.Sprintf("%s-%d", id, i), CID: "messaging:" + id, UserID: []string{"alice", "bob"}[i%2],
					Type: chat.Regular, Text: fmt.Sprint(i, text), CreatedAt: at, UpdatedAt: at,
				}
				ms = append(ms, msg)
				if i%3 == 0 {
					rs = append(rs, chat.Reaction{MessageID: msg.ID, UserID: "carol", Type: "like", Score: 1, CreatedAt: at, UpdatedAt: at})
				}
			}
			if _, err := tx.InsertMessages(ms, false); err != nil {
				return err
			}
			_, err := tx.InsertReactions(rs, false)
			return err
		})
	}
}

// claim enqueues an export and claims it.
func (m *team) claim(body string) *store.Task {
	m.Helper()
	id, err := m.service.RequestChannels(m.Context(), m.app, []byte(body), "")
	if err != nil {
		m.Fatal(err)
	}
	t, err := m.store.Claim(m.Context(), "lead", time.Minute, id)
	if err != nil || t == nil {
		m.Fatal(t, err)
	}
	return t
}

// whole is the file as it is without spans.
func (m *team) whole(body string) (export.Result, []byte) {
	m.Helper()
	s := m.process()
	s.NoSpans = true
	was := m.service
	defer func() { m.service = was }()
	m.service = s
	return m.run(m.task(body))
}

// expectNothing looks that an attempt has left no spans and no parts.
func (m *team) expectNothing(t *store.Task) {
	m.Helper()
	status, err := m.store.(store.Spans).SpanStatus(m.Context(), store.SpansOf{App: t.App, Task: t.ID, Epoch: t.Epoch}, 0)
	if err != nil || status.Open != 0 || len(status.Done) != 0 {
		m.Errorf("spans are left: %+v, %v", status, err)
	}
	if uploads := m.bucket.Uploads(m.T); len(uploads) != 0 {
		m.Errorf("uploads are left: %v", uploads)
	}
}

// several run an export, one of them as its lead.
func (m *team) several(t *store.Task, services ...*export.Service) ([]byte, error) {
	m.Helper()
	ctx, done := context.WithCancel(m.Context())
	var group sync.WaitGroup
	for _, s := range services {
		group.Go(func() {
			for ctx.Err() == nil {
				if !s.Help(ctx, func() bool { return false }) {
					select {
					case <-ctx.Done():
					case <-time.After(time.Millisecond):
					}
				}
			}
		})
	}
	result, err := m.service.RunChannels(m.Context(), &task.Attempt{Task: *t})
	done()
	group.Wait()
	return result, err
}

func TestSpans(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.fat("a", 25)
	m.fat("b", 3)
	m.channel("empty", 0)
	m.fat("c", 41)
	const two = `{"cid":"messaging:c","messages_until":"2001-09-09T01:46:50Z"},{"cid":"messaging:c","messages_since":"2001-09-09T01:46:50Z"}`
	for name, body := range map[string]string{
		"v2":         `{"channels":[{"cid":"messaging:c"},{"cid":"messaging:empty"},{"cid":"messaging:b"},{"cid":"messaging:a"}],"version":"v2"}`,
		"v1":         `{"channels":[{"cid":"messaging:empty"},{"cid":"messaging:a"},{"cid":"messaging:b"},{"cid":"messaging:c"}]}`,
		"v2 windows": `{"channels":[` + two + `],"version":"v2"}`,
		"v1 windows": `{"channels":[` + two + `,{"cid":"messaging:empty"}]}`,
		"v2 single":  `{"channels":[{"cid":"messaging:c"}],"version":"v2"}`,
		"v1 users":   `{"channels":[{"cid":"messaging:c"}],"export_users":true}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &team{fixture: &fixture{T: t, store: m.store, blob: m.blob, app: m.app, service: m.process()}, dsn: m.dsn, bucket: m.bucket}
			want, file := m.whole(body)
			var led, helped atomic.Int64
			m.service.SpanDone = func(bool) { led.Add(1) }
			others := []*export.Service{m.process(), m.process()}
			for _, o := range others {
				o.SpanDone = func(bool) { helped.Add(1) }
			}
			claimed := m.claim(body)
			result, err := m.several(claimed, others...)
			if err != nil {
				t.Fatal(err)
			}
			got, same := m.result(result)
			if !bytes.Equal(file, same) || got.SHA256 != want.SHA256 || got.Counts != want.Counts {
				t.Errorf("%d bytes, %+v; want %d, %+v", len(same), got.Counts, len(file), want.Counts)
			}
			// Who is called away when the file is there may not have counted its last.
			if led.Load()+helped.Load() < 2 {
				t.Errorf("the lead did %d spans, others %d", led.Load(), helped.Load())
			}
		})
	}
}

// TestSpansManyReactions: reactions that fill several parts, of all processes.
func TestSpansManyReactions(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.fat("c", 41)
	essay := chat.Custom{{Name: "essay", Value: []byte(`"` + strings.Repeat("why ", 60_000) + `"`)}}
	for i := range 41 {
		m.update(func(tx store.Tx) error {
			var rs []chat.Reaction
			for k, id := range []string{"alice", "bob", "carol"} {
				at := chat.Time(2e15 + int64(10*i+k)*1e6)
				rs = append(rs, chat.Reaction{
					MessageID: fmt.Sprintf("c-%d", i), UserID: id, Type: "wow", Score: 1, Custom: essay, CreatedAt: at, UpdatedAt: at,
				})
			}
			_, err := tx.InsertReactions(rs, false)
			return err
		})
	}
	want, file := m.whole(allOfC)
	helped := make(chan struct{}, 10)
	other := m.process()
	other.SpanDone = func(bool) { helped <- struct{}{} }
	// The lead could have all spans on its way before the other one has any.
	var has sync.WaitGroup
	has.Add(1)
	m.service.Store = &generousStore{Store: m.service.Store.(*postgres.Store), others: &has}
	other.Store = &claimingStore{other.Store.(*postgres.Store), sync.OnceFunc(has.Done)}
	claimed := m.claim(allOfC)
	result, err := m.several(claimed, other)
	if err != nil {
		t.Fatal(err)
	}
	got, same := m.result(result)
	if !bytes.Equal(file, same) || got.SHA256 != want.SHA256 || got.Counts != want.Counts {
		t.Errorf("%d bytes, %+v; want %d, %+v", len(same), got.Counts, len(file), want.Counts)
	}
	if want.Counts.Reactions != 41*3+14 || len(helped) == 0 {
		t.Errorf("%d reactions, %d spans by the other", want.Counts.Reactions, len(helped))
	}
	m.expectNothing(claimed)
}

// await waits for a condition. It may be called from any goroutine.
func (m *team) await(what string, is func() bool) {
	m.Helper()
	deadline := time.After(time.Minute)
	for !is() {
		select {
		case <-deadline:
			m.Errorf("waited in vain: %s", what)
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// grab claims a span of the export, as a process does that then dies.
func (m *team) grab(t *store.Task, lease time.Duration) (span *store.Span) {
	m.Helper()
	of := store.SpansOf{App: t.App, Task: t.ID, Epoch: t.Epoch}
	m.await("a span", func() bool {
		var err error
		if span, err = m.store.(store.Spans).ClaimSpan(m.Context(), of, "dead", lease, -1); err != nil {
			m.Error(err)
		}
		return span != nil || err != nil
	})
	return span
}

const allOfC = `{"channels":[{"cid":"messaging:c"}],"version":"v2"}`

// generousStore claims a second span only once others have some.
type generousStore struct {
	*postgres.Store
	claims atomic.Int64
	others *sync.WaitGroup
}

func (s *generousStore) ClaimSpan(ctx context.Context, of store.SpansOf, owner string, lease time.Duration, below int) (*store.Span, error) {
	if s.claims.Add(1) > 1 {
		s.others.Wait()
	}
	return s.Store.ClaimSpan(ctx, of, owner, lease, below)
}

// A worker that dies over a span holds the others up for as long as its lease,
// also when it has the first one.
func TestSpanOfTheDead(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.fat("c", 45)
	_, want := m.whole(allOfC)
	claimed := m.claim(allOfC)
	var span *store.Span
	var grabbed sync.WaitGroup
	grabbed.Go(func() { span = m.grab(claimed, 300*time.Millisecond) })
	m.service.Store = &generousStore{Store: m.service.Store.(*postgres.Store), others: &grabbed}
	var over atomic.Int64
	m.service.SpanDone = func(taken bool) {
		if taken {
			over.Add(1)
		}
	}
	result, err := m.several(claimed)
	if err != nil {
		t.Fatal(err)
	}
	_, got := m.result(result)
	if !bytes.Equal(got, want) || over.Load() != 1 {
		t.Errorf("%d bytes, want %d; %d spans were taken over", len(got), len(want), over.Load())
	}
	if err := m.store.(store.Spans).FinishSpan(t.Context(), span, []byte("{}"), nil); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("a span was finished that is gone: %v", err)
	}
	m.expectNothing(claimed)
}

// claimingStore tells when a span was claimed.
type claimingStore struct {
	*postgres.Store
	claimed func()
}

func (s *claimingStore) ClaimSpan(ctx context.Context, of store.SpansOf, owner string, lease time.Duration, below int) (*store.Span, error) {
	span, err := s.Store.ClaimSpan(ctx, of, owner, lease, below)
	if span != nil {
		s.claimed()
	}
	return span, err
}

// frozenStore stands still when it is to say that a span is done.
type frozenStore struct {
	claimingStore
	froze chan *store.Span
	thaw  chan struct{}
	ended chan error
}

func (s *frozenStore) BeatSpans(context.Context, []store.Span, time.Duration) ([]int, error) {
	return nil, nil
}

func (s *frozenStore) FinishSpan(ctx context.Context, p *store.Span, result, state []byte) error {
	select {
	case s.froze <- p:
	default:
	}
	<-s.thaw
	err := s.Store.FinishSpan(ctx, p, result, state)
	select {
	case s.ended <- err:
	default:
	}
	return err
}

// A worker that was frozen finds its span taken, and spoils nothing.
func TestSpanOfTheFrozen(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.fat("c", 55)
	_, want := m.whole(allOfC)
	claimed := m.claim(allOfC)
	slow := m.process()
	var has sync.WaitGroup
	has.Add(1)
	m.service.Store = &generousStore{Store: m.service.Store.(*postgres.Store), others: &has}
	frozen := &frozenStore{
		claimingStore: claimingStore{slow.Store.(*postgres.Store), sync.OnceFunc(has.Done)},
		froze:         make(chan *store.Span, 1), thaw: make(chan struct{}), ended: make(chan error, 1),
	}
	slow.Store, slow.SpanLease = frozen, 300*time.Millisecond

	// The lead waits until the other one is frozen, and that one until the lead
	// has done what it had.
	var begun atomic.Bool
	var thaw sync.Once
	m.service.SpanDone = func(taken bool) {
		if taken {
			thaw.Do(func() {
				close(frozen.thaw)
				if err := <-frozen.ended; !errors.Is(err, store.ErrLeaseLost) {
					t.Errorf("a span that was taken over ends with %v", err)
				}
			})
		} else if begun.CompareAndSwap(false, true) {
			<-frozen.froze
		}
	}
	result, err := m.several(claimed, slow)
	if err != nil {
		t.Fatal(err)
	}
	if _, got := m.result(result); !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	select {
	case <-frozen.thaw:
	default:
		t.Error("no span was taken over")
	}
	m.expectNothing(claimed)
}

func TestSpansCanceled(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.fat("c", 55)
	claimed := m.claim(allOfC)
	ctx, cancel := context.WithCancelCause(t.Context())
	m.service.SpanDone = func(bool) { cancel(task.ErrCanceled) }
	if _, err := m.service.RunChannels(ctx, &task.Attempt{Task: *claimed}); !errors.Is(err, task.ErrCanceled) {
		t.Errorf("error %v", err)
	}
	m.expectNothing(claimed)
	if left, err := os.ReadDir(m.service.Scratch); err != nil && !errors.Is(err, os.ErrNotExist) || len(left) != 0 {
		t.Errorf("scratch files are left: %v, %v", left, err)
	}
}

// Whoever is called away ends what it has begun. Whoever shuts down hands back
// what it has.
func TestSpansOfTheBusy(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.fat("c", 55)
	_, want := m.whole(allOfC)
	claimed := m.claim(allOfC)
	called, down := m.process(), m.process()
	var done atomic.Int64
	called.SpanDone = func(bool) { done.Add(1) }
	down.SpanLease = time.Hour
	var have sync.WaitGroup
	have.Add(2)
	haveOne := [2]func(){sync.OnceFunc(have.Done), sync.OnceFunc(have.Done)}
	m.service.Store = &generousStore{Store: m.service.Store.(*postgres.Store), others: &have}
	var helped sync.WaitGroup
	helped.Go(func() {
		m.await("a span", func() bool {
			n := 0
			return called.Help(t.Context(), func() bool {
				if n++; n > 1 {
					haveOne[0]()
				}
				return n > 1
			})
		})
	})
	helped.Go(func() {
		m.await("a span", func() bool {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n := 0
			return down.Help(ctx, func() bool {
				if n++; n > 1 {
					haveOne[1]()
				}
				if n > 2 {
					cancel()
				}
				return false
			})
		})
	})
	result, err := m.several(claimed)
	if err != nil {
		t.Fatal(err)
	}
	helped.Wait()
	if _, got := m.result(result); !bytes.Equal(got, want) || done.Load() != 1 {
		t.Errorf("%d bytes, want %d; who was called away did %d spans", len(got), len(want), done.Load())
	}
	m.expectNothing(claimed)
}

// Spans that are too small for parts make the export whole, in later attempts
// at once.
func TestSmallSpans(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.channel("c", 60)
	_, want := m.whole(allOfC)
	claimed := m.claim(allOfC)
	a := &task.Attempt{Task: *claimed}
	for i := range 2 {
		result, err := m.service.RunChannels(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := m.result(result); !bytes.Equal(got, want) {
			t.Errorf("%d bytes, want %d", len(got), len(want))
		}
		m.expectNothing(claimed)
		if i > 0 {
			return
		}
		again := *claimed
		again.Epoch++
		if again.Checkpoint = a.Current().Checkpoint; !strings.Contains(string(again.Checkpoint), `"whole":true`) {
			t.Errorf("the checkpoint is %s", again.Checkpoint)
		}
		m.service.Store = &noSpans{Store: m.service.Store.(*postgres.Store), t: t}
		a = &task.Attempt{Task: again}
	}
}

// noSpans is a store in which nobody is to add spans.
type noSpans struct {
	*postgres.Store
	t *testing.T
}

func (s *noSpans) AddSpans(context.Context, store.SpansOf, int, [][]byte) error {
	s.t.Error("spans are added")
	return nil
}

// An attempt that failed is of no use to the next one, and in nobody's way.
func TestSpansOfTwoAttempts(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.fat("c", 55)
	_, want := m.whole(allOfC)
	first := m.claim(allOfC)
	ctx, fail := context.WithCancelCause(t.Context())
	m.service.SpanDone = func(bool) { fail(task.ErrUnreachable) }
	if _, err := m.service.RunChannels(ctx, &task.Attempt{Task: *first}); !errors.Is(err, task.ErrUnreachable) {
		t.Errorf("error %v", err)
	}
	m.service.SpanDone = nil
	// Its units were not dropped, if it was killed.
	of := store.SpansOf{App: first.App, Task: first.ID, Epoch: first.Epoch}
	if err := m.store.(store.Spans).AddSpans(t.Context(), of, 0, [][]byte{[]byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	if err := m.store.ExpireOwner(t.Context(), "lead"); err != nil {
		t.Fatal(err)
	}
	second, err := m.store.Claim(t.Context(), "lead", time.Minute, first.ID)
	if err != nil || second == nil || second.Epoch != first.Epoch+1 {
		t.Fatal(second, err)
	}
	result, err := m.several(second, m.process())
	if err != nil {
		t.Fatal(err)
	}
	if _, got := m.result(result); !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	m.expectNothing(first)
	m.expectNothing(second)
}

// pickyFiles is a store that takes only parts of one size.
type pickyFiles struct {
	*s3.Store
	err error
}

func (p pickyFiles) Complete(context.Context, string, string, []blob.Part) error { return p.err }

// A store that refuses the parts gets the file whole, at once.
func TestSpansRefused(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.fat("c", 45)
	_, want := m.whole(allOfC)
	claimed := m.claim(allOfC)
	m.service.Blob = pickyFiles{m.blob.(*s3.Store), fmt.Errorf("completing: %w: InvalidPart", blob.ErrParts)}
	a := &task.Attempt{Task: *claimed}
	result, err := m.service.RunChannels(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if _, got := m.result(result); !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	if c := string(a.Current().Checkpoint); !strings.Contains(c, `"whole":true`) {
		t.Errorf("the checkpoint is %s", c)
	}
	m.expectNothing(claimed)
}

// A store that does not complete the parts for whatever reason gets the file
// whole, from the next attempt on.
func TestSpansNotCompleted(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.fat("c", 45)
	claimed := m.claim(allOfC)
	m.service.Blob = pickyFiles{m.blob.(*s3.Store), errors.New("out of order")}
	a := &task.Attempt{Task: *claimed}
	if _, err := m.service.RunChannels(t.Context(), a); err == nil {
		t.Error("a file was made of parts that were refused")
	}
	m.expectNothing(claimed)
	claimed.Checkpoint = a.Current().Checkpoint
	claimed.Epoch++
	result, err := m.service.RunChannels(t.Context(), &task.Attempt{Task: *claimed})
	if err != nil {
		t.Fatal(err)
	}
	m.result(result)
}

// lossyStore says once of each span that it was lost.
type lossyStore struct {
	*generousStore
	mu   sync.Mutex
	lost map[int]bool
}

func (s *lossyStore) BeatSpans(ctx context.Context, spans []store.Span, lease time.Duration) ([]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range spans {
		if n := spans[i].Number; !s.lost[n] {
			s.lost[n] = true
			return []int{i}, nil
		}
	}
	return s.Store.BeatSpans(ctx, spans, lease)
}

// Who learns that a span is lost drops it at once, and it is done again.
func TestSpansLost(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.fat("c", 45)
	_, want := m.whole(allOfC)
	claimed := m.claim(allOfC)
	var grabbed sync.WaitGroup
	m.service.Store = &lossyStore{&generousStore{Store: m.store.(*postgres.Store), others: &grabbed}, sync.Mutex{}, map[int]bool{}}
	m.service.SpanLease = 500 * time.Millisecond
	// The first span is with somebody who dies: the lead holds others meanwhile,
	// until it is told that they are lost.
	grabbed.Go(func() { m.grab(claimed, 2*time.Second) })
	var done, again atomic.Int64
	m.service.SpanDone = func(taken bool) {
		done.Add(1)
		if taken {
			again.Add(1)
		}
	}
	result, err := m.several(claimed)
	if err != nil {
		t.Fatal(err)
	}
	if _, got := m.result(result); !bytes.Equal(got, want) || done.Load() != 4 || again.Load() == 0 {
		t.Errorf("%d bytes, want %d; %d spans, %d of them again", len(got), len(want), done.Load(), again.Load())
	}
	m.expectNothing(claimed)
}
