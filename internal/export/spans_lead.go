package export

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"hansard/internal/blob"
	"hansard/internal/store"
)

// errWhole says that an export cannot be divided after all.
var errWhole = errors.New("the export is made whole")

const (
	// aheadSpans are cut ahead of the workers, so that none has to wait, a few
	// at a time, so that the first does not either.
	aheadSpans = 32
	cutAtOnce  = 8
	// dropPatience bounds the tidying after an attempt.
	dropPatience = 5 * time.Second
)

// lead sees to it that all spans of an export are done: it cuts them, works on
// them like everybody else, and makes a file of the parts.
type lead struct {
	*job
	sharer store.Sharer
	parts  blob.Multipart
	of     store.SpansOf
	base   unit
	cutter cutter

	cut   int  // spans so far
	ended bool // there will be no more
	made  []made
	shown int64 // progress

	sum  hash.Hash
	size int64
	list []blob.Part
	kept kept
}

// spanSize is how many messages a span has.
func (j *job) spanSize() int {
	return int(max(int64(cmp.Or(j.SpanMessages, spanMessages)), j.total/(maxSpans*9/10)))
}

// divisible reports whether it is possible, and worth while, to divide the
// export into spans.
func (j *job) divisible() bool {
	q := &j.request
	if _, _, ok := j.spanning(); !ok || q.Format != JSON || q.Packing != (Packing{}) || q.ExportUsers && q.Version == V2 || q.Filter != nil {
		return false
	}
	var c checkpoint
	if len(j.attempt.Task.Checkpoint) > 0 && (json.Unmarshal(j.attempt.Task.Checkpoint, &c) != nil || c.Whole || c.Done > 0) {
		return false
	}
	return j.oneSnapshot() && j.total >= int64(worthSpans*j.spanSize())
}

// whole notes that the export is not to be divided, nor in later attempts.
func (j *job) whole() {
	if b, err := json.Marshal(checkpoint{Epoch: j.attempt.Task.Epoch, Whole: true}); err == nil {
		j.attempt.Checkpoint(b)
	}
}

// spread makes the export together with all workers that are idle.
func (j *job) spread(ctx context.Context, key string) (result []byte, err error) {
	t := &j.attempt.Task
	l := &lead{job: j, of: store.SpansOf{App: t.App, Task: t.ID, Epoch: t.Epoch}}
	l.sharer, l.parts, _ = j.spanning()
	snap, err := l.sharer.ShareSnapshot(ctx, t.App)
	if err != nil {
		return nil, err
	}
	defer j.closeSnapshot(snap)
	defer j.chunks.begin()()
	l.kept.dir = j.Scratch
	defer l.kept.close()
	// Whoever helps in this process leaves reactions here too.
	j.leads.Store(l.of, &l.kept)
	defer j.leads.Delete(l.of)
	w := j.newSpanWorker(l.sharer, l.parts, l.of, snap, &j.request)
	defer w.render.Close()
	if err := l.prepare(snap, w); err != nil {
		return nil, err
	}
	// What earlier attempts have left is of no use.
	if err := l.sharer.DropSpans(ctx, l.of); err != nil {
		return nil, err
	}
	upload, err := l.parts.Begin(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("create the export file: %w", err)
	}
	defer l.clear(ctx, key, upload, &err)
	options := j.request
	options.Channels = nil
	l.base = unit{
		Key: key, Upload: upload, Snapshot: snap.ID(), Request: options,
		Scratch: fmt.Sprintf("%s/%s.%d.reactions.", key[:strings.LastIndexByte(key, '/')], t.ID, t.Epoch),
	}
	w.look, w.keep = l.look, l.kept.add
	w.rendered = func(n int64) { l.show(l.done() + n) }
	if err := w.run(ctx); err != nil {
		return nil, err
	}
	return l.publish(ctx, key, upload, snap)
}

// prepare finds the entries of the request in the snapshot.
func (l *lead) prepare(snap store.SharedSnapshot, w *spanWorker) error {
	l.cutter = cutter{snap: snap, specs: l.request.Channels, span: l.spanSize()}
	for _, spec := range l.request.Channels {
		src, err := l.request.source(snap, w.render, spec, nil, nil)
		if err != nil {
			return err
		}
		l.cutter.sources = append(l.cutter.sources, src)
	}
	return nil
}

// clear leaves nothing of an attempt but its file, if it has made one.
func (l *lead) clear(ctx context.Context, key, upload string, err *error) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), dropPatience)
	defer done()
	if derr := l.sharer.DropSpans(ctx, l.of); derr != nil {
		l.Logger.Warn("drop spans, the purge will do it", "task", l.of.Task, "error", derr)
	}
	if *err != nil {
		if aerr := l.parts.AbortUpload(ctx, key, upload); aerr != nil {
			l.Logger.Warn("abort an upload, the sweep will do it", "task", l.of.Task, "error", aerr)
		}
	}
}

// done is how many messages are in spans that are done.
func (l *lead) done() (n int64) {
	for i := range l.made {
		n += l.made[i].Counts.Messages
	}
	return n
}

// show reports progress, which never goes back.
func (l *lead) show(n int64) {
	l.shown = max(l.shown, n)
	l.attempt.Progress(l.shown, max(l.total, l.shown))
}

// look takes in what is done, cuts more spans, and reports that all are done.
func (l *lead) look(ctx context.Context) (done bool, err error) {
	status, err := l.sharer.SpanStatus(ctx, l.of, len(l.made))
	if err != nil {
		return false, err
	}
	for _, d := range status.Done {
		var m made
		if d.Number != len(l.made) {
			return false, store.ErrLeaseLost
		}
		if err := json.Unmarshal(d.Result, &m); err != nil {
			return false, fmt.Errorf("the stored result of span %d: %w", d.Number, err)
		}
		if m.Part.Number == 0 {
			l.Logger.Info("an export is made whole: its spans have no size for parts of a file",
				"task", l.of.Task, "span", d.Number, "size", m.Size)
			return false, errWhole
		}
		l.made = append(l.made, m)
	}
	if len(status.Done) > 0 {
		l.show(l.done())
	}
	switch {
	case status.Stuck:
		return false, fmt.Errorf("a span was begun %d times in vain", store.MaxSpanTries)
	case status.Open != l.cut-len(l.made):
		return false, store.ErrLeaseLost // somebody has dropped them
	case l.ended:
		return status.Open == 0, nil
	case status.Waiting < aheadSpans:
		return false, l.more(ctx)
	}
	return false, nil
}

// more cuts some more spans.
func (l *lead) more(ctx context.Context) error {
	var requests [][]byte
	for !l.ended && len(requests) < cutAtOnce {
		u, number := l.base, l.cut+len(requests)
		var err error
		if u.Pieces, l.ended, err = l.cutter.next(); err != nil {
			return err
		}
		u.End = l.ended
		switch {
		case number == 0 && l.ended, number == maxSpans:
			return errWhole // it is smaller than it seemed, or larger
		case number == 0:
			u.Request.Channels = l.request.Channels
		}
		b, err := json.Marshal(&u)
		if err != nil {
			return err
		}
		requests = append(requests, b)
	}
	if err := l.sharer.AddSpans(ctx, l.of, l.cut, requests); err != nil {
		return err
	}
	l.cut += len(requests)
	return nil
}

// publish makes a file of the parts.
func (l *lead) publish(ctx context.Context, key, upload string, snap store.Snapshot) ([]byte, error) {
	state, err := l.sharer.SpanState(ctx, l.of, l.cut-1)
	if err != nil {
		return nil, err
	}
	if l.sum, err = resume(l.cut, state); err != nil {
		return nil, err
	}
	j := l.job
	j.secs = newSections(j.scratch(l.of.Task), l.of.Epoch, nil)
	defer j.secs.close()
	m := manifest{Kind: "channels", Version: j.request.Version, Format: j.request.Format, AsOf: snap.AsOf(), Channels: j.secs}
	messages := make([]int64, len(j.request.Channels))
	var held int64
	for i := range l.made {
		d := &l.made[i]
		l.list = append(l.list, d.Part)
		l.size += d.Size
		held += d.Held
		m.Counts.Add(&d.Counts)
		for entry, n := range d.Messages {
			messages[entry] += n
		}
	}
	for i, spec := range j.request.Channels {
		if err := j.note(spec.CID, messages[i], snap.AsOf()); err != nil {
			return nil, err
		}
	}
	if held > 0 {
		if l.made[l.cut-1].Size < blob.MinPart {
			return nil, errWhole // only the last part may be as small
		}
		if err := l.reactions(ctx, key, upload, held); err != nil {
			return nil, err
		}
	}
	l.show(m.Counts.Messages)
	j.attempt.Progress(m.Counts.Messages, m.Counts.Messages)
	return j.finish(ctx, j.attempt, j.app, key, &spreadFile{l, func() error {
		err := l.parts.Complete(ctx, key, upload, l.list)
		if err != nil && ctx.Err() == nil {
			l.whole() // the store may not take parts of several sizes
		}
		if errors.Is(err, blob.ErrParts) {
			l.Logger.Info("an export is made whole: the object store does not take its parts", "task", l.of.Task, "error", err)
			return fmt.Errorf("%w: %w", errWhole, err)
		}
		return err
	}}, Packing{}, &m)
}

// spreadFile is a file of parts that are all there.
type spreadFile struct {
	lead     *lead
	complete func() error
}

func (f *spreadFile) finish() (size int64, sum string, err error) {
	return f.lead.size, hex.EncodeToString(f.lead.sum.Sum(nil)), nil
}

func (f *spreadFile) commit() error { return f.complete() }
