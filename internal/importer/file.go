package importer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"
)

// FileOptions say how ImportFile imports.
type FileOptions struct {
	Name        string // of the file, for people; may be empty
	Mode        string // Upsert (the default) or Insert
	MergeCustom bool
	// Instances, if set, lets the import be taken over at once, should this
	// process die.
	Instances *task.Instances
	// Progress, if set, is told now and then how far the import is.
	Progress func(Progress)
	// Notice, if set, is told in a line what happens besides.
	Notice func(string)
}

// Progress is how far an import is: in state Uploaded in bytes copied, Total
// being 0; then in records, which are counted anew in each state.
type Progress struct {
	State State
	Done  int64
	Total int64 // an estimate while Analyzing
}

// Report is what an import did.
type Report struct {
	Records int64 // in the file
	Counts  Counts
	Skipped Skipped
	Seconds float64
}

// FileError says that the file was not imported, or not with success.
type FileError struct {
	Failure  task.Failure
	Problems []Problem // of a bad file (InvalidImport), in its order
	More     bool      // there are more
	NotChat  bool      // it is something else than a chat file, from its first line on
}

func (e *FileError) Error() string { return e.Failure.Description }

// Interrupted says that the context ended before the import did. It unwraps to
// the context's error.
type Interrupted struct {
	// Task is the import that goes on without this process, since it has begun
	// to write; empty if the import was canceled and nothing was changed.
	Task string
	// Running says that another process has taken it over already.
	Running bool

	cause error
}

func (e *Interrupted) Error() string {
	if e.Task == "" {
		return "the import was canceled and nothing was changed: " + e.cause.Error()
	}
	return "the import was interrupted while it wrote and will be finished by the next worker: " + e.cause.Error()
}

func (e *Interrupted) Unwrap() error { return e.cause }

// progressEvery is how often progress is told.
const progressEvery = 200 * time.Millisecond

// ImportFile imports what r holds straight into the store. It is the import
// over HTTP without HTTP: the file is copied to the blob store and a task made
// for it, which this process runs. Should the process die, whoever works on the
// store next finishes the task. When ctx ends first the task is handed back
// for that too, unless nothing was written yet: then it is canceled. Either is
// an *[Interrupted].
//
// Imports of an app happen in the order in which they were made, so those that
// are not finished are seen to first. If the last of these is of the same file,
// with the same options, it is taken up, and there is no second one: a command
// that was killed can be given again.
//
// A file that cannot be imported is a *[FileError].
func (s *Service) ImportFile(ctx context.Context, app store.App, r io.Reader, o FileOptions) (*Report, error) {
	o.Mode = cmp.Or(o.Mode, Upsert)
	if o.Mode != Upsert && o.Mode != Insert {
		return nil, wire.BadField("mode", "must be upsert or insert")
	}
	if o.MergeCustom && o.Mode == Insert {
		return nil, wire.BadField("merge_custom", "needs mode upsert")
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	name, err := cleanName(filepath.Base(cmp.Or(o.Name, "import")))
	if err != nil {
		name = "import"
	}
	path := uploadKey(app, name)
	req := request{Path: path, Mode: o.Mode, MergeCustom: o.MergeCustom, Given: true}
	if req.Size, err = s.copyIn(ctx, path, r, o.Progress); err != nil {
		if ctx.Err() != nil {
			err = &Interrupted{cause: ctx.Err()}
		}
		return nil, err
	}
	id, err := s.takeUp(ctx, app, &req, o)
	if err == nil && id == "" {
		id, err = s.enqueue(ctx, app, req)
	}
	if err != nil {
		return nil, errors.Join(err, s.Blob.Delete(context.WithoutCancel(ctx), path))
	}
	err = s.finishOlder(ctx, app, id, o)
	var t *store.Task
	if err == nil {
		t, err = s.watched(ctx, app, id, o)
	}
	if err != nil {
		if ctx.Err() == nil {
			return nil, fmt.Errorf("run the import: %w", err)
		}
		if t, err = s.abandon(context.WithoutCancel(ctx), app, id, ctx.Err()); err != nil {
			return nil, err
		}
	}
	d := readDetail(t)
	if t.Status != store.Completed {
		fail := &FileError{Problems: d.Errors, More: d.More, NotChat: d.NotChat}
		if err := json.Unmarshal(t.Error, &fail.Failure); err != nil {
			return nil, fmt.Errorf("read the failure of the import: %w", err)
		}
		return nil, fail
	}
	var res result
	if err := json.Unmarshal(t.Result, &res); err != nil {
		return nil, fmt.Errorf("read the result of the import: %w", err)
	}
	return &Report{Records: d.Of, Counts: res.Counts, Skipped: res.Skipped, Seconds: res.Seconds}, nil
}

// copyIn copies the file into the blob store.
func (s *Service) copyIn(ctx context.Context, path string, r io.Reader, progress func(Progress)) (size int64, err error) {
	w, err := s.Blob.Create(ctx, path)
	if err != nil {
		return 0, fmt.Errorf("copy the file: %w", err)
	}
	defer func() { _ = w.Abort() }()
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return size, err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return size, fmt.Errorf("copy the file: %w", err)
			}
			size += int64(n)
			progress(Progress{State: Uploaded, Done: size})
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return size, fmt.Errorf("read the file: %w", err)
		}
	}
	if err := w.Commit(); err != nil {
		return size, fmt.Errorf("copy the file: %w", err)
	}
	return size, nil
}
