package export

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"hansard/internal/chat"
	"hansard/internal/export/format"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/task"
)

// errEnd ends a loop over rows early.
var errEnd = errors.New("end")

// job is one attempt of a channels export.
type job struct {
	*Service
	app     store.App
	attempt *task.Attempt
	request ChannelsRequest
	filter  *channelFilter
	format  format.Format

	out    *output
	secs   *sections
	users  *userSet // with export_users
	held   map[string]store.Snapshot
	counts format.Counts
	asOf   chat.Time // of the first snapshot
	total  int64
	// Where the job is: entries of the request done, and the cid of the last
	// one, which is what a filter goes on from.
	done int
	last string

	savedAt time.Time
}

// checkpoint is what a later attempt goes on from.
type checkpoint struct {
	Epoch  int64                      `json:"epoch"`
	Done   int                        `json:"done"`
	Last   string                     `json:"last"`
	Sizes  [format.Sections + 1]int64 `json:"sizes"`
	Counts format.Counts              `json:"counts"`
	AsOf   chat.Time                  `json:"as_of"`
	// Whole says that the export cannot be divided into spans.
	Whole bool `json:"whole,omitempty"`
}

// RunChannels carries out a task of the kind task.ExportChannels.
func (s *Service) RunChannels(ctx context.Context, a *task.Attempt) ([]byte, error) {
	result, err := s.runChannels(ctx, a)
	return result, cause(ctx, err)
}

// cause prefers the reason why the context ended to what it broke.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (s *Service) runChannels(ctx context.Context, a *task.Attempt) (result []byte, err error) {
	j := &job{Service: s, attempt: a, held: map[string]store.Snapshot{}}
	if err := json.Unmarshal(a.Task.Request, &j.request); err != nil {
		return nil, fmt.Errorf("the stored request: %w", err)
	}
	if j.app, err = s.app(ctx, a.Task.App); err != nil {
		return nil, err
	}
	defer s.pacer.begin()()
	defer s.tidy(ctx, a.Task.ID, &err)
	if err := j.plan(ctx); err != nil {
		return nil, err
	}
	key := fileKey("channels", j.app, &a.Task, j.request.ext()+j.request.suffix())
	if j.divisible() {
		result, err := j.spread(ctx, key)
		if !errors.Is(err, errWhole) {
			return result, err
		}
		j.whole()
	}
	if j.out, err = newOutput(ctx, s.Blob, key, j.request.Packing); err != nil {
		return nil, err
	}
	defer j.out.abort()
	if err := j.begin(); err != nil {
		return nil, err
	}
	defer j.secs.close()
	defer j.releaseAll()
	if err := j.channels(ctx); err != nil {
		return nil, err
	}
	return j.publish(ctx, key)
}

// tidy removes what was spooled once no later attempt can use it.
func (s *Service) tidy(ctx context.Context, id string, err *error) {
	var failure *task.Failure
	if *err == nil || errors.As(*err, &failure) || errors.Is(context.Cause(ctx), task.ErrCanceled) {
		if rerr := os.RemoveAll(s.scratch(id)); rerr != nil {
			s.Logger.Warn("remove a scratch folder", "task", id, "error", rerr)
		}
	}
}

// plan counts what is to be done, and makes sure that it can be.
func (j *job) plan(ctx context.Context) (err error) {
	if j.request.Filter != nil {
		if j.filter, err = parseFilter(j.request.Filter); err != nil {
			return err
		}
	}
	err = j.Store.View(ctx, j.app.ID, func(r store.Reader) error {
		if j.filter != nil {
			return r.Channels("", func(row *store.ChannelRow) error {
				ok, err := j.matches(r, row)
				if ok {
					j.total += j.estimate(row)
				}
				return err
			})
		}
		for _, spec := range j.request.Channels {
			row, err := j.request.channel(r, spec.CID)
			if err != nil {
				return err
			}
			j.total += j.estimate(&row)
		}
		return nil
	})
	j.attempt.Progress(0, j.total)
	return err
}

// estimate is how many messages of a channel are exported if it is exported
// from end to end: an upper bound for a window.
func (j *job) estimate(row *store.ChannelRow) int64 {
	if j.request.IncludeTruncated || row.Channel.TruncatedAt == 0 {
		return int64(row.TotalMessages)
	}
	return int64(row.MessageCount)
}

func (j *job) matches(r store.Reader, row *store.ChannelRow) (bool, error) {
	if row.Channel.DeletedAt != 0 && !j.request.IncludeSoftDeleted {
		return false, nil
	}
	return j.filter.match(r, row)
}

// channel reads a requested channel. One that is gone since the request was
// taken fails the task.
func (r *ChannelsRequest) channel(v store.Reader, cid string) (store.ChannelRow, error) {
	row, err := v.Channel(cid)
	if errors.Is(err, store.ErrNotFound) || err == nil && row.Channel.DeletedAt != 0 && !r.IncludeSoftDeleted {
		return row, task.Failf("NotFound", "The channel %s was deleted before it could be exported.", cid)
	}
	return row, err
}

// begin lays out the sections, and takes up an earlier attempt's.
func (j *job) begin() error {
	r := &j.request
	switch r.Format {
	case CSV:
		j.format = &format.CSV{Columns: r.IncludeFields}
	case Parquet:
		j.format = &format.Parquet{Columns: r.IncludeFields}
	default:
		j.format = r.pieces()
	}
	if r.ExportUsers && r.Version == V2 {
		j.users = &userSet{}
	}
	var direct *format.Buffer
	if j.straight() {
		direct = &format.Buffer{Swap: j.out.swap}
	}
	j.secs = newSections(j.scratch(j.attempt.Task.ID), j.attempt.Task.Epoch, direct)
	j.savedAt = time.Now()
	if direct == nil && j.resume() {
		return nil
	}
	// What earlier attempts have spooled is of no use, and takes up room.
	if err := os.RemoveAll(j.secs.dir); err != nil {
		return fmt.Errorf("remove what was spooled: %w", err)
	}
	return j.format.Begin(j.secs)
}

// pieces is the format of the request, of those that have versions.
func (r *ChannelsRequest) pieces() format.Pieces {
	if r.Version == V1 {
		return &format.V1{}
	}
	return format.V2{}
}

// spoolAbove is from how many messages on an export of several channels is
// spooled. Fewer are exported within half a minute: starting over costs less
// than writing everything twice, and one snapshot of all channels does no harm.
const spoolAbove int64 = 8 << 20

// straight reports whether the file can be written straight through. With
// users it cannot: who appears is known at the end and stands at the start.
func (j *job) straight() bool {
	if !j.format.Resumable() {
		return true
	}
	if j.users != nil || j.filter != nil {
		return false
	}
	return j.oneSnapshot()
}

// oneSnapshot reports whether all channels are exported from one snapshot.
func (j *job) oneSnapshot() bool {
	return len(j.request.Channels) == 1 || j.total <= cmp.Or(j.SpoolAbove, spoolAbove)
}

// resume goes on from the checkpoint, if there is one and its files are here.
func (j *job) resume() bool {
	var c checkpoint
	if len(j.attempt.Task.Checkpoint) == 0 || json.Unmarshal(j.attempt.Task.Checkpoint, &c) != nil || c.Done == 0 {
		return false
	}
	err := j.secs.restore(c.Epoch, c.Sizes)
	if err == nil && j.users != nil {
		err = j.users.load(j.usersPath(c.Epoch, c.Done))
	}
	if err != nil {
		j.Logger.Info("an export starts over: what was spooled is not here", "task", j.attempt.Task.ID, "error", err)
		j.secs.close()
		j.secs = newSections(j.secs.dir, j.secs.epoch, nil)
		if j.users != nil {
			j.users = &userSet{}
		}
		return false
	}
	j.done, j.last, j.counts, j.asOf = c.Done, c.Last, c.Counts, c.AsOf
	if v1, ok := j.format.(*format.V1); ok {
		v1.More = true
	}
	return true
}

// save makes a checkpoint, now and then. A channel that comes again later must
// come from the same snapshot, which does not outlive the attempt.
func (j *job) save() error {
	if j.done == 0 || j.secs.direct != nil || len(j.held) > 0 || time.Since(j.savedAt) < cmp.Or(j.CheckpointEvery, 2*time.Second) {
		return nil
	}
	sizes, err := j.secs.sync()
	if err != nil {
		return err
	}
	epoch := j.attempt.Task.Epoch
	if j.users != nil {
		if err := j.users.save(j.usersPath(epoch, j.done)); err != nil {
			return err
		}
	}
	b, err := json.Marshal(checkpoint{Epoch: epoch, Done: j.done, Last: j.last, Sizes: sizes, Counts: j.counts, AsOf: j.asOf})
	if err != nil {
		return err
	}
	j.attempt.Checkpoint(b)
	j.savedAt = time.Now()
	return nil
}

func (j *job) usersPath(epoch int64, done int) string {
	return fmt.Sprintf("%s/users.%d.%d", j.secs.dir, epoch, done)
}

// channels exports what the request names, or what the filter finds, one by
// one.
func (j *job) channels(ctx context.Context) error {
	if j.secs.direct != nil && j.filter == nil {
		return j.together(ctx)
	}
	if j.filter == nil {
		for ; j.done < len(j.request.Channels); j.done++ {
			if err := j.save(); err != nil {
				return err
			}
			spec := j.request.Channels[j.done]
			if err := j.one(ctx, spec); err != nil {
				return err
			}
			j.last = spec.CID
		}
		return nil
	}
	for {
		if err := j.save(); err != nil {
			return err
		}
		cid, err := j.next(ctx)
		if err != nil || cid == "" {
			return err
		}
		err = j.one(ctx, ChannelSpec{CID: cid})
		var gone *task.Failure
		if err != nil && !errors.As(err, &gone) {
			return err
		}
		j.done, j.last = j.done+1, cid
	}
}

// next is the channel after the last one that the filter finds; "" at the end.
func (j *job) next(ctx context.Context) (cid string, err error) {
	err = j.Store.View(ctx, j.app.ID, func(r store.Reader) error {
		err := r.Channels(j.last, func(row *store.ChannelRow) error {
			ok, err := j.matches(r, row)
			if err != nil || !ok {
				return err
			}
			cid = row.Channel.CID()
			return errEnd
		})
		if errors.Is(err, errEnd) {
			return nil
		}
		return err
	})
	return cid, err
}

// source is one entry of the request as of snap.
func (j *job) source(ctx context.Context, snap store.Snapshot, r *render.Renderer, spec ChannelSpec) (*format.Source, error) {
	if j.asOf == 0 {
		j.asOf = snap.AsOf()
	}
	return j.request.source(snap, r, spec, &j.counts, j.progress(ctx))
}

func (r *ChannelsRequest) source(snap store.Snapshot, rr *render.Renderer, spec ChannelSpec, counts *format.Counts, progress func() error) (*format.Source, error) {
	row, err := r.channel(snap, spec.CID)
	if err != nil {
		return nil, err
	}
	return &format.Source{
		Reader: snap, Render: rr, Row: row, Counts: counts, Progress: progress, Until: spec.Until,
		Since: since(spec, &row.Channel, r.IncludeTruncated), Hide: since(ChannelSpec{}, &row.Channel, r.IncludeTruncated),
	}, nil
}

func (r *ChannelsRequest) renderer(snap store.Snapshot) *render.Renderer {
	rr := render.NewBulk(snap)
	rr.Clear = r.ClearDeletedText
	return rr
}

// together exports all entries of the request from one snapshot, step by step,
// so that everything comes in the order of the file.
func (j *job) together(ctx context.Context) error {
	snap, err := j.Store.Snapshot(ctx, j.app.ID)
	if err != nil {
		return err
	}
	defer j.closeSnapshot(snap)
	stop := context.AfterFunc(ctx, snap.Interrupt)
	defer stop()
	r := j.request.renderer(snap)
	defer r.Close()
	sources := make([]*format.Source, len(j.request.Channels))
	for i, spec := range j.request.Channels {
		if sources[i], err = j.source(ctx, snap, r, spec); err != nil {
			return err
		}
	}
	messages := make([]int64, len(sources))
	for _, step := range j.format.Steps() {
		for i, src := range sources {
			before := j.counts.Messages
			if err := step(src, j.secs); err != nil {
				return err
			}
			messages[i] += j.counts.Messages - before
		}
	}
	for i, spec := range j.request.Channels {
		if err := j.note(spec.CID, messages[i], snap.AsOf()); err != nil {
			return err
		}
	}
	return nil
}

// one exports one entry of the request from a snapshot of its own.
func (j *job) one(ctx context.Context, spec ChannelSpec) error {
	snap, err := j.snapshot(ctx, spec.CID)
	if err != nil {
		return err
	}
	defer j.release(spec.CID, snap)
	stop := context.AfterFunc(ctx, snap.Interrupt)
	defer stop()
	r := j.request.renderer(snap)
	defer r.Close()
	if j.users != nil {
		j.users.begin()
		r.Seen = j.users.add
	}
	src, err := j.source(ctx, snap, r, spec)
	if err != nil {
		return err
	}
	before := j.counts.Messages
	for _, step := range j.format.Steps() {
		if err := step(src, j.secs); err != nil {
			return err
		}
	}
	if j.users != nil {
		n, err := j.users.write(snap, r, j.secs.To(format.Users))
		if err != nil {
			return err
		}
		j.counts.Users += n
	}
	return j.note(spec.CID, j.counts.Messages-before, snap.AsOf())
}

// progress gives what is called after each message.
func (j *job) progress(ctx context.Context) func() error {
	return progress(ctx, &j.counts, j.pace(), func(done int64) { j.tell(done, 0) })
}

// tell reports how many messages are in the file. What is only spooled counts
// half; the other half comes with the share of the bytes that were strung
// together.
func (j *job) tell(done int64, share float64) {
	total := max(j.total, done)
	if j.secs.direct == nil {
		done = done/2 + int64(share*float64(done-done/2))
	}
	j.attempt.Progress(done, total)
}

// progress tells every so often how far an export is, and ends it when the
// context does. Now and then it steps aside: an export keeps a core
// busy for as long as it is let, and requests must not wait for that.
func progress(ctx context.Context, counts *format.Counts, pace func(context.Context) error, tell func(done int64)) func() error {
	return func() error {
		if counts.Messages%64 != 0 {
			return nil
		}
		runtime.Gosched()
		if counts.Messages%256 == 0 {
			if err := pace(ctx); err != nil {
				return err
			}
		}
		if counts.Messages%1024 != 0 {
			return nil
		}
		tell(counts.Messages)
		return ctx.Err()
	}
}

// snapshot opens the snapshot of a channel. Entries of one channel with
// several windows share it, and so does every channel that comes while it is
// held: a job needs one snapshot at a time, however many others there are.
func (j *job) snapshot(ctx context.Context, cid string) (store.Snapshot, error) {
	if snap := j.held[cid]; snap != nil {
		return snap, nil
	}
	for _, snap := range j.held {
		return snap, nil
	}
	return j.Store.Snapshot(ctx, j.app.ID)
}

func (j *job) release(cid string, snap store.Snapshot) {
	delete(j.held, cid)
	if j.filter == nil {
		for _, later := range j.request.Channels[j.done+1:] {
			if later.CID == cid {
				j.held[cid] = snap
				return
			}
		}
	}
	for _, held := range j.held {
		if held == snap {
			return
		}
	}
	j.closeSnapshot(snap)
}

func (j *job) releaseAll() {
	closed := map[store.Snapshot]bool{}
	for _, snap := range j.held {
		if !closed[snap] {
			closed[snap] = true
			j.closeSnapshot(snap)
		}
	}
}

func (j *job) closeSnapshot(snap store.Snapshot) {
	if err := snap.Close(); err != nil {
		j.Logger.Warn("close a snapshot", "task", j.attempt.Task.ID, "error", err)
	}
}

// publish puts the file in order, makes it visible and gives the result. That
// the task is still this attempt's is looked up last: from there on only the
// task's row, guarded by the epoch, makes the file count.
func (j *job) publish(ctx context.Context, key string) ([]byte, error) {
	if err := j.format.End(j.secs); err != nil {
		return nil, err
	}
	if d := j.secs.direct; d != nil {
		if err := d.FlushAll(); err != nil {
			return nil, err
		}
	}
	w := &assembler{ctx: ctx, job: j, size: max(j.secs.size(), 1)}
	for s := range format.Section(format.Sections) {
		if err := j.secs.writeTo(w, s); err != nil {
			return nil, err
		}
	}
	j.attempt.Progress(j.counts.Messages, j.counts.Messages)
	m := manifest{
		Kind: "channels", Version: j.request.Version, Format: j.request.Format,
		AsOf: j.asOf, Counts: j.counts, Channels: j.secs,
	}
	return j.finish(ctx, j.attempt, j.app, key, j.out, j.request.Packing, &m)
}

// assembler writes what was spooled to the file, and says how far it is. It
// stops when the context ends.
type assembler struct {
	ctx  context.Context //nolint:containedctx // io.Writer has no room for it
	job  *job
	size int64 // bytes in all
	n    int64 // bytes written
}

func (a *assembler) Write(p []byte) (int, error) {
	if err := a.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := a.job.out.Write(p)
	a.n += int64(n)
	a.job.tell(a.job.counts.Messages, float64(a.n)/float64(a.size))
	return n, err
}
