package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"hansard/internal/blob"
	"hansard/internal/chat"
	"hansard/internal/importer/scan"
	"hansard/internal/store"
	"hansard/internal/task"
)

// InvalidImport is the type of the failure of an import whose file is bad.
const InvalidImport = "InvalidImport"

// FileReplaced is the type of the failure of an import whose file was replaced
// by another meanwhile.
const FileReplaced = "FileReplaced"

// Deleted is the type of the failure of an import that refers to a user or a
// channel which was there, in the store or in the file, and was deleted while the
// file was being loaded.
const Deleted = "Deleted"

// checkpoint is what a later attempt goes on from. There is none before the
// file was found good.
type checkpoint struct {
	Plan plan `json:"plan"`
	// Version is that of the file that was checked: where an upload URL can be
	// used again, another may lie there now.
	Version string `json:"version,omitempty"`

	Pass   int   `json:"pass"`
	Done   int64 `json:"done"`            // records of this pass
	Early  int64 `json:"early,omitempty"` // and from the reactions on; see early
	Loaded bool  `json:"loaded"`          // all that is left is to tidy up
	// Messages are those among Done, of the pass that loads messages.
	Messages int64   `json:"messages"`
	Counts   Counts  `json:"counts"`
	Skipped  Skipped `json:"skipped"`
}

// attempt is one run of an import.
type attempt struct {
	s      *Service
	a      *task.Attempt
	req    request
	point  checkpoint
	detail detail
}

// Run is the task.Handler of imports. A bad file fails for good with
// InvalidImport, and the detail of the task lists what is wrong with it. A
// cancel is heeded until the first record is written; from then on the import
// is finished, since half a file would be worse than a whole one.
func (s *Service) Run(ctx context.Context, a *task.Attempt) ([]byte, error) {
	r := &attempt{s: s, a: a, detail: readDetail(&a.Task)}
	if err := json.Unmarshal(a.Task.Request, &r.req); err != nil {
		return nil, fmt.Errorf("read the request of the import: %w", err)
	}
	if len(a.Task.Checkpoint) > 0 {
		if err := json.Unmarshal(a.Task.Checkpoint, &r.point); err != nil {
			return nil, fmt.Errorf("read the checkpoint of the import: %w", err)
		}
	} else if err := r.check(ctx); err != nil {
		if errors.Is(context.Cause(ctx), task.ErrCanceled) {
			r.discard(a.Life())
		}
		return nil, err
	}
	ctx = a.Life()
	if !r.point.Loaded {
		if err := r.load(ctx); err != nil {
			return nil, err
		}
	}
	r.discard(ctx)
	now, err := s.Store.Now(ctx)
	if err != nil {
		return nil, err
	}
	began := a.Task.CreatedAt
	if len(r.detail.History) > 0 {
		began = r.detail.History[0].CreatedAt
	}
	return json.Marshal(result{
		Counts: r.point.Counts, Skipped: r.point.Skipped,
		Seconds: float64((now-began)/1000) / 1000,
	})
}

// to moves the import to another state and tells those who poll it.
func (r *attempt) to(ctx context.Context, next State) error {
	now, err := r.s.Store.Now(ctx)
	if err != nil {
		return err
	}
	r.detail.to(next, now)
	r.a.Detail(mustMarshal(r.detail))
	return nil
}

// open opens the file, and a scanner on it that begins at an offset.
func (r *attempt) open(ctx context.Context, offset int64) (*input, error) {
	file, info, err := r.s.Blob.Open(ctx, r.req.Path)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, task.Failf("NotFound", "The uploaded file is gone.")
	}
	if err != nil {
		return nil, fmt.Errorf("open the import file: %w", err)
	}
	in := &input{ctx: ctx, file: file, size: info.Size, version: info.Version}
	if offset > 0 {
		if _, err := file.Seek(offset, io.SeekStart); err != nil {
			return nil, errors.Join(fmt.Errorf("find the reactions in the import file: %w", err), file.Close())
		}
	}
	in.Scanner = scan.New(in, r.s.limit())
	return in, nil
}

// input is the file being scanned.
type input struct {
	*scan.Scanner
	ctx  context.Context
	file blob.Reader
	size int64
	read atomic.Int64
	// version tells it from another file under its key.
	version string
}

// Read reads the file as it is stored, until the context ends.
func (in *input) Read(p []byte) (int, error) {
	if err := in.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := in.file.Read(p)
	in.read.Add(int64(n))
	return n, err
}

func (in *input) Close() {
	in.Scanner.Close()
	_ = in.file.Close() // it was only read
}

// estimate guesses how many of something the file has from how many there
// were so far.
func (in *input) estimate(n int64) int64 {
	read := in.read.Load()
	if read == 0 {
		return n
	}
	return max(n, int64(float64(n)*float64(in.size)/float64(read)))
}

// progress tells how far the task is in messages, and the state it is in in
// records. An attempt that starts over does not go back behind an earlier one.
func (r *attempt) progress(messages, ofMessages, records, ofRecords int64) {
	done := max(messages, r.a.Current().Done)
	r.a.Progress(done, max(done, ofMessages))
	r.detail.Records, r.detail.Of = records, ofRecords
	r.a.Detail(mustMarshal(r.detail))
}

// check checks the file and notes that it may be loaded. A message that is
// checked is half of the work, and half a message in the progress.
func (r *attempt) check(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := r.to(ctx, Analyzing); err != nil {
		return err
	}
	scratch, err := r.scratch()
	if err != nil {
		return err
	}
	defer r.clean(scratch)
	in, err := r.open(ctx, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	// What was needed to get here is not to be in memory beside the notes.
	debug.FreeOSMemory()
	view := func(fn func(store.Reader) error) error { return r.s.Store.View(ctx, r.a.Task.App, fn) }
	plan, problems, err := check(ctx, in.Scanner, r.now(), scratch, r.s.SortMemory, r.req.Mode == Insert, view, func(records, messages int64) {
		r.progress(messages/2, in.estimate(messages), records, in.estimate(records))
	})
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("check the import file: %w", err)
	}
	if len(problems.list) > 0 {
		r.detail.Errors, r.detail.More, r.detail.NotChat = problems.list, problems.more, problems.notChat
		if err := r.to(ctx, AnalyzeFailed); err != nil {
			return err
		}
		r.discard(ctx)
		return task.Failf(InvalidImport, "%s", summary(problems))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// What the check needed is much, and loading needs other memory beside it.
	debug.FreeOSMemory()
	r.point = checkpoint{Plan: plan, Version: in.version}
	r.detail.Records, r.detail.Of = 0, plan.Records
	if err := r.to(ctx, Importing); err != nil {
		return err
	}
	return r.note(ctx)
}

// now is created_at for what does not bring one: the same in every attempt.
func (r *attempt) now() chat.Time { return r.a.Task.CreatedAt }

// summary is the failure of a bad file in one line.
func summary(ps problems) string {
	if ps.notChat {
		return fmt.Sprintf("This is not a chat file: line %d is not JSON.", ps.list[0].Line)
	}
	count := strconv.Itoa(len(ps.list))
	switch {
	case ps.more:
		count = "more than " + count + " errors"
	case len(ps.list) == 1:
		count = "1 error"
	default:
		count += " errors"
	}
	return fmt.Sprintf("The file has %s and nothing of it was imported. The first: %s.", count, ps.list[0])
}

// note notes how far the import is, durably.
func (r *attempt) note(ctx context.Context) error {
	r.a.Checkpoint(mustMarshal(r.point))
	if err := r.a.Flush(ctx); err != nil {
		return fmt.Errorf("note how far the import is: %w", err)
	}
	return nil
}

// noteEvery is how often the checkpoint is renewed while loading.
const noteEvery = 2 * time.Second

// load writes what the file holds, from where an earlier attempt stopped.
func (r *attempt) load(ctx context.Context) error {
	p := &r.point
	w := &writer{insert: r.req.Mode == Insert, merge: r.req.MergeCustom}
	for ; p.Pass < p.Plan.Form.loads(); p.Pass, p.Done, p.Early = p.Pass+1, 0, 0 {
		if err := r.loadPass(ctx, w); err != nil {
			return err
		}
	}
	if p.Plan.LastRead {
		if err := countUnread(ctx, r.s.Store, r.a.Task.App); err != nil {
			return fmt.Errorf("count unread messages: %w", err)
		}
	}
	r.progress(p.Plan.Messages, p.Plan.Messages, p.Plan.Records, p.Plan.Records)
	// These were written twice, and count once.
	if w.insert {
		p.Skipped.Existing -= p.Plan.Again
	} else {
		p.Counts.Reactions -= p.Plan.Again
	}
	p.Loaded = true
	return r.note(ctx)
}

func (r *attempt) loadPass(ctx context.Context, w *writer) error {
	p := &r.point
	in, err := r.open(ctx, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	replaced := in.version != p.Version
	var behind *scan.Scanner
	if p.Plan.Reactions > 0 {
		more, err := r.open(ctx, p.Plan.ReactionsAt)
		if err != nil {
			return err
		}
		defer more.Close()
		behind, replaced = more.Scanner, replaced || more.version != p.Version
	}
	if replaced {
		return task.Failf(FileReplaced, "The uploaded file was replaced by another after it had been checked. What was loaded of it by then stays.")
	}
	noted := time.Now()
	l := loading{form: p.Plan.Form, pass: p.Pass, from: p.Done, pace: newPace(r.s.BatchRecords), reactions: p.Plan.Reactions, early: p.Early}
	err = load(ctx, in.Scanner, behind, r.now(), l, func(ctx context.Context, b *batch) error {
		err := r.s.Store.Update(store.Load(ctx), r.a.Task.App, func(tx store.Tx) error { return w.write(tx, b) })
		if err != nil {
			return err
		}
		p.Done += b.records
		p.Early += b.early
		p.Counts.add(&w.counts)
		p.Skipped.Devices += b.skipped.Devices
		p.Skipped.FutureChannelBans += b.skipped.FutureChannelBans
		p.Skipped.Existing += w.existing
		if p.Pass == passAll {
			p.Messages += int64(len(b.messages))
			r.progress((p.Plan.Messages+p.Messages)/2, p.Plan.Messages, p.Done+p.Early, p.Plan.Records)
		}
		r.a.Checkpoint(mustMarshal(p))
		if time.Since(noted) < noteEvery {
			return nil // the next heartbeat takes it along
		}
		noted = time.Now()
		return r.note(ctx)
	})
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, store.ErrNotFound) {
		// Another attempt would find no more. To bring them back is not for the
		// import: who deletes for good means it.
		return task.Failf(Deleted, "What the file refers to was deleted while it was being loaded: %s. What was loaded by then stays; import the file again to load all of it.", err)
	}
	return fmt.Errorf("load the import file: %w", err)
}

func (c *Counts) add(more *Counts) {
	c.Users += more.Users
	c.Channels += more.Channels
	c.Members += more.Members
	c.Reads += more.Reads
	c.Messages += more.Messages
	c.Reactions += more.Reactions
	c.Calls += more.Calls
}

// discard deletes the uploaded file, which has served.
func (r *attempt) discard(ctx context.Context) {
	if err := r.s.Blob.Delete(ctx, r.req.Path); err != nil {
		r.s.logger().Warn("delete an imported file", "task", r.a.Task.ID, "error", err)
	}
}

// scratch makes the folder for the check of ids.
func (r *attempt) scratch() (string, error) {
	if r.s.Scratch == "" {
		return os.MkdirTemp("", "hansard-import-")
	}
	dir := filepath.Join(r.s.Scratch, r.a.Task.ID, strconv.FormatInt(r.a.Task.Epoch, 10))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a folder for the check of ids: %w", err)
	}
	return dir, nil
}

func (r *attempt) clean(dir string) {
	err := os.RemoveAll(dir)
	if r.s.Scratch != "" && err == nil {
		// The folder of the task, unless another attempt is in it.
		_ = os.Remove(filepath.Dir(dir))
	}
	if err != nil {
		r.s.logger().Warn("remove the folder for the check of ids", "task", r.a.Task.ID, "error", err)
	}
}

var _ io.Reader = (*input)(nil)
