package export

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"hansard/internal/blob"
	"hansard/internal/clock"
	"hansard/internal/export/format"
	"hansard/internal/render"
	"hansard/internal/store"

	"github.com/google/uuid"
)

const (
	// maxHeld is how many spans a worker has ready at most while they are uploaded,
	// or the one before them is not done. It then takes only those that somebody else
	// has lost. Object stores take some 85 MB/s of one upload: with two of them it is
	// they, and not the worker, that set the pace.
	maxHeld = 4
	// How long to wait between looks at what others do.
	minLook = 5 * time.Millisecond
	maxLook = 50 * time.Millisecond
	// joinPatience is how long a worker waits for its turn to open a snapshot.
	joinPatience = 2 * time.Second
	// lingerFor is how long the answer to a claim is waited for at shutdown.
	lingerFor = 2 * time.Second
	// releasePatience bounds the handing back of spans.
	releasePatience = 2 * time.Second
)

// errOver ends the context of a worker on spans that is done.
var errOver = errors.New("no more spans")

// spanWorker works on the spans of one attempt. The caller's goroutine claims
// and renders; each unit is uploaded on a goroutine of its own; one more brings
// them to the checksum of the file, in order.
type spanWorker struct {
	*Service
	spans  store.Spans
	parts  blob.Multipart
	of     store.SpansOf
	owner  string
	lease  time.Duration
	snap   store.Snapshot
	render *render.Renderer
	pace   func(context.Context) error

	// enough reports that there is something better to do; nil: there never is.
	enough func() bool
	// look, of the one who sees to all of it, reports that everything is done.
	look func(context.Context) (done bool, err error)
	// keep, in the process of the same one, keeps the reactions of a unit.
	keep func(span int, reactions *stash) error
	// rendered is told how many messages of a unit are rendered.
	rendered func(messages int64)

	fail  context.CancelCauseFunc
	group sync.WaitGroup
	main  format.Buffer
	side  format.Buffer

	mu     sync.Mutex
	held   []*work       // by number
	moved  chan struct{} // something is held no longer
	ready  chan struct{} // something more can go to the checksum
	last   int           // the last span that was done here
	state  []byte        // of the checksum after it
	worked bool
}

var _ format.Out = (*spanWorker)(nil)

// work is one span that is being worked on.
type work struct {
	span    store.Span
	unit    unit
	ctx     context.Context //nolint:containedctx // ends when the span is lost
	lose    context.CancelCauseFunc
	bytes   *stash
	side    *stash // reactions
	made    made
	ready   bool // it is rendered
	uploads chan error
}

func (s *Service) newSpanWorker(sharer store.Sharer, parts blob.Multipart, of store.SpansOf, snap store.Snapshot, r *ChannelsRequest) *spanWorker {
	return &spanWorker{
		Service: s, spans: sharer, parts: parts, of: of, owner: cmp.Or(s.Owner, uuid.NewString()), lease: cmp.Or(s.SpanLease, spanLease),
		snap: snap, render: r.renderer(snap), pace: s.pace(), moved: make(chan struct{}, 1), ready: make(chan struct{}, 1), last: -1,
	}
}

// spanning gives what it takes to divide exports, if it is all there.
func (s *Service) spanning() (store.Sharer, blob.Multipart, bool) {
	sharer, ok := store.As[store.Sharer](s.Store)
	parts, also := s.Blob.(blob.Multipart)
	return sharer, parts, ok && also && !s.NoSpans && sharer.Shares()
}

// Help works on a large export that somebody else in this process or another
// one has begun, until there is no more of it to do, ctx ends, or enough says
// that there is something better to do; it then ends what it has begun. It
// reports whether it has done anything.
func (s *Service) Help(ctx context.Context, enough func() bool) (worked bool) {
	sharer, parts, ok := s.spanning()
	if !ok {
		return false
	}
	worked, err := s.help(ctx, sharer, parts, enough)
	if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrLeaseLost) {
		s.Logger.Warn("help with an export", "error", err)
	}
	return worked
}

func (s *Service) help(ctx context.Context, sharer store.Sharer, parts blob.Multipart, enough func() bool) (worked bool, err error) {
	found, err := sharer.FindSpan(ctx)
	if err != nil || found == nil {
		return false, err
	}
	var u unit
	if err := json.Unmarshal(found.Request, &u); err != nil {
		return false, fmt.Errorf("the stored span: %w", err)
	}
	join, done := context.WithTimeout(ctx, joinPatience)
	defer done()
	snap, err := sharer.JoinSnapshot(join, found.App, u.Snapshot)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil // this process has no connections to spare
		}
		return false, err
	}
	defer func() { err = errors.Join(err, snap.Close()) }()
	defer s.pacer.begin()()
	defer s.chunks.begin()()
	w := s.newSpanWorker(sharer, parts, found.SpansOf, snap, &u.Request)
	defer w.render.Close()
	w.enough = enough
	if lead, ok := s.leads.Load(found.SpansOf); ok {
		w.keep = lead.(*kept).add //nolint:errcheck // nothing else is stored
	}
	err = w.run(ctx)
	if errors.Is(err, store.ErrLeaseLost) {
		s.clearUp(ctx, sharer, parts, found.SpansOf, &u)
	}
	return w.worked, err
}

// clearUp aborts the upload of an attempt that is over, once more: a part of
// this process may have come after its lead did so. Of a file that is whole
// there is nothing to abort.
func (s *Service) clearUp(ctx context.Context, sharer store.Sharer, parts blob.Multipart, of store.SpansOf, u *unit) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), dropPatience)
	defer done()
	if _, err := sharer.SpanState(ctx, of, 0); !errors.Is(err, store.ErrLeaseLost) {
		return // it goes on
	}
	if err := parts.AbortUpload(ctx, u.Key, u.Upload); err != nil {
		s.Logger.Warn("abort an upload, the sweep will do it", "task", of.Task, "error", err)
	}
}

// run works until there is nothing more to do.
func (w *spanWorker) run(parent context.Context) error {
	ctx, fail := context.WithCancelCause(parent)
	w.fail = fail
	interrupt := context.AfterFunc(ctx, w.snap.Interrupt)
	w.group.Go(func() { w.follow(ctx, parent) })
	w.group.Go(func() { w.beat(ctx) })
	err := w.loop(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	interrupt()
	fail(errOver)
	w.group.Wait()
	w.giveBack(context.WithoutCancel(parent), parent.Err() != nil)
	return err
}

func (w *spanWorker) loop(ctx context.Context) error {
	pause := minLook
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if w.look != nil {
			done, err := w.look(ctx)
			if err != nil || done {
				return err
			}
		}
		span, err := w.claim(ctx)
		if err != nil {
			return err
		}
		if span != nil {
			if err := w.take(ctx, span); err != nil {
				return err
			}
			pause = minLook
			continue
		}
		if w.look == nil && w.holding() == 0 {
			return nil
		}
		if pause, err = await(ctx, w.moved, pause); err != nil {
			return err
		}
	}
}

// await waits for news, or for the pause. It returns how long to pause next.
func await(ctx context.Context, news <-chan struct{}, pause time.Duration) (time.Duration, error) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-news:
		return minLook, nil
	case <-timer.C:
		return min(2*pause, maxLook), nil
	case <-ctx.Done():
		return pause, ctx.Err()
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (w *spanWorker) holding() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.held)
}

// claim claims a span, if one is to be worked on. Whoever has enough of them
// waiting takes only what comes before: it was lost by somebody else, and all
// wait for it.
func (w *spanWorker) claim(ctx context.Context) (*store.Span, error) {
	if w.enough != nil && w.enough() {
		return nil, nil
	}
	w.mu.Lock()
	below := -1
	if len(w.held) >= maxHeld {
		below = w.held[0].span.Number
	}
	w.mu.Unlock()
	if below == 0 {
		return nil, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	ctx, done := clock.Linger(ctx, lingerFor)
	defer done()
	return w.spans.ClaimSpan(ctx, w.of, w.owner, w.lease, below)
}

// take renders a span and sends it on its way.
func (w *spanWorker) take(ctx context.Context, span *store.Span) error {
	k := &work{span: *span, bytes: w.newStash(), side: w.newStash(), uploads: make(chan error, 1)}
	k.ctx, k.lose = context.WithCancelCause(ctx)
	w.hold(k)
	err := json.Unmarshal(span.Request, &k.unit)
	if err == nil {
		err = w.renderUnit(k)
	}
	if err != nil {
		w.check(k)
		if errors.Is(context.Cause(k.ctx), store.ErrLeaseLost) {
			w.drop(k)
			return nil
		}
		return fmt.Errorf("span %d: %w", span.Number, err)
	}
	w.group.Go(func() { k.uploads <- w.upload(k) })
	w.mu.Lock()
	k.ready, w.worked = true, true
	w.mu.Unlock()
	signal(w.ready)
	return nil
}

func (w *spanWorker) hold(k *work) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, _ := slices.BinarySearchFunc(w.held, k.span.Number, func(k *work, n int) int { return k.span.Number - n })
	w.held = slices.Insert(w.held, i, k)
}

// drop forgets a span. Nobody reads its bytes any more.
func (w *spanWorker) drop(k *work) {
	w.mu.Lock()
	w.held = slices.DeleteFunc(w.held, func(o *work) bool { return o == k })
	w.mu.Unlock()
	k.lose(errOver)
	k.bytes.release()
	k.side.release()
	signal(w.moved)
}

// To gives the buffers of a unit.
func (w *spanWorker) To(s format.Section) *format.Buffer {
	if s == format.Reactions {
		return &w.side
	}
	return &w.main
}

func (w *spanWorker) renderUnit(k *work) error {
	u, m := &k.unit, &k.made
	w.main = format.Buffer{B: w.main.B[:0], Sink: sink(k.bytes)}
	w.side = format.Buffer{B: w.side.B[:0], Sink: sink(k.side)}
	m.Messages = map[int]int64{}
	each := progress(k.ctx, &m.Counts, w.pace, func(done int64) {
		if w.rendered != nil {
			w.rendered(done)
		}
	})
	f := u.Request.pieces()
	if len(u.Request.Channels) > 0 {
		if err := f.Begin(w); err != nil {
			return err
		}
		for _, step := range f.Head() {
			for _, spec := range u.Request.Channels {
				src, err := u.Request.source(w.snap, w.render, spec, &m.Counts, each)
				if err == nil {
					err = step(src, w)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	for i := range u.Pieces {
		if err := w.renderPiece(k, f, &u.Pieces[i], each); err != nil {
			return err
		}
	}
	if u.End {
		if err := f.End(w); err != nil {
			return err
		}
	}
	if err := errors.Join(w.main.FlushAll(), w.side.FlushAll()); err != nil {
		return err
	}
	m.Size, m.Held = k.bytes.size, k.side.size
	return k.ctx.Err()
}

func sink(to io.Writer) func([]byte) error {
	return func(b []byte) error {
		_, err := to.Write(b)
		return err
	}
}

func (w *spanWorker) renderPiece(k *work, f format.Pieces, p *stretch, each func() error) error {
	src, err := k.unit.Request.source(w.snap, w.render, p.Channel, &k.made.Counts, each)
	if err != nil {
		return err
	}
	src.After, src.Before = p.After, p.Before
	if v1, ok := f.(*format.V1); ok {
		v1.More = p.Entry > 0
	}
	before := k.made.Counts.Messages
	if err := f.Piece(src, w, p.After.ID == "", p.Before.ID == ""); err != nil {
		return err
	}
	k.made.Messages[p.Entry] += k.made.Counts.Messages - before
	return nil
}

// beat keeps the leases of what is held, until ctx ends.
func (w *spanWorker) beat(ctx context.Context) {
	ticker := time.NewTicker(w.lease / 5)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		w.mu.Lock()
		held := slices.Clone(w.held)
		w.mu.Unlock()
		if len(held) == 0 {
			continue
		}
		spans := make([]store.Span, len(held))
		for i, k := range held {
			spans[i] = k.span
		}
		lost, err := w.spans.BeatSpans(ctx, spans, w.lease)
		if err != nil && ctx.Err() == nil {
			w.Logger.Warn("heartbeat of spans failed, trying on", "task", w.of.Task, "error", err)
		}
		for _, i := range lost {
			held[i].lose(store.ErrLeaseLost) // or it is done
		}
		if len(lost) > 0 {
			signal(w.ready)
		}
	}
}

// giveBack lets others have what is not done. It is no fault of a span that
// this process shuts down.
func (w *spanWorker) giveBack(ctx context.Context, shutdown bool) {
	ctx, done := context.WithTimeout(ctx, releasePatience)
	defer done()
	for _, k := range slices.Clone(w.held) {
		if w.look == nil { // otherwise all of them will be dropped
			if err := w.spans.ReleaseSpan(ctx, &k.span, shutdown); err != nil {
				w.Logger.Warn("hand back a span", "task", w.of.Task, "error", err)
			}
		}
		w.drop(k)
	}
}
