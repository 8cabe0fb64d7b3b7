package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"hansard/internal/blob"
	"hansard/internal/chat"
	"hansard/internal/export/format"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"
)

// manifest is what is said about a file (contract section 5).
type manifest struct {
	Kind     string
	Version  string
	Format   string
	AsOf     chat.Time
	Counts   format.Counts
	Channels *sections // holds the entries for channels; nil in a users export
}

// note adds a channel to the manifest.
func (j *job) note(cid string, messages int64, asOf chat.Time) error {
	b := j.secs.To(manifestChannels)
	b.B = append(b.B, `{"cid":`...)
	b.B = wire.AppendString(b.B, cid)
	b.B = append(b.B, `,"messages":`...)
	b.B = strconv.AppendInt(b.B, messages, 10)
	b.B = append(b.B, `,"as_of":`...)
	b.B = asOf.AppendJSON(b.B)
	b.B = append(b.B, "},"...)
	return b.Flush()
}

// manifestSuffix is what the name of a manifest has after that of its file.
const manifestSuffix = ".manifest.json"

// product is a file that is written but not visible yet.
type product interface {
	// finish ends the file.
	finish() (size int64, sum string, err error)
	// commit makes it visible.
	commit() error
}

// finish ends the file, makes it and its manifest visible, and gives the
// task's result.
func (s *Service) finish(ctx context.Context, a *task.Attempt, app store.App, key string, out product, p Packing, m *manifest) (b []byte, err error) {
	size, sum, err := out.finish()
	if err != nil {
		return nil, fmt.Errorf("write the export file: %w", err)
	}
	if err := a.Flush(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil && !errors.Is(err, errWhole) { // else it is made anew under this name
			s.withdraw(ctx, a.Task.ID, key)
		}
	}()
	if err := out.commit(); err != nil {
		return nil, fmt.Errorf("finish the export file: %w", err)
	}
	if ctx.Err() != nil { // the task was lost, or canceled, at the last moment
		return nil, context.Cause(ctx)
	}
	result := Result{Path: key, Size: size, SHA256: sum, Counts: m.Counts, ManifestPath: key + manifestSuffix}
	if err := s.writeManifest(ctx, a.Task.ID, app, &result, p, m); err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	return json.Marshal(&result)
}

// withdraw removes the files of an attempt that has failed although they may have
// become visible. Nobody knows of them: another attempt has names of its own.
func (s *Service) withdraw(ctx context.Context, taskID, key string) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), dropPatience)
	defer done()
	for _, key := range []string{key, key + manifestSuffix} {
		if err := s.Blob.Delete(ctx, key); err != nil {
			s.Logger.Warn("remove a file of an attempt that has failed, the sweep will do it", "task", taskID, "file", key, "error", err)
		}
	}
}

func (s *Service) writeManifest(ctx context.Context, taskID string, app store.App, r *Result, p Packing, m *manifest) error {
	w, err := blob.CreateNew(ctx, s.Blob, r.ManifestPath)
	if err != nil {
		return err
	}
	defer func() { _ = w.Abort() }() // what it cannot remove, the sweep will
	compression, encryption := None, None
	if p.Compression != "" {
		compression = p.Compression
	}
	if p.EncryptTo != "" {
		encryption = "age"
	}
	counts, err := json.Marshal(&r.Counts)
	if err != nil {
		return err
	}
	var asOf chat.Raw = m.AsOf.AppendJSON(nil)
	if m.AsOf == 0 { // a filter that found nothing
		asOf = chat.Raw("null")
	}
	_, err = fmt.Fprintf(w, `{"task_id":%q,"app":%q,"kind":%q,"version":%q,"format":%q,"as_of":%s,"size":%d,"sha256":%q,"compression":%q,"encryption":%q,"counts":%s,"channels":[`,
		taskID, app.Key, m.Kind, m.Version, m.Format, asOf, r.Size, r.SHA256, compression, encryption, counts)
	if err != nil {
		return err
	}
	if m.Channels != nil {
		if err := m.Channels.writeTo(&lastByteHeld{w: w}, manifestChannels); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(w, `],"created_by":%q}`+"\n", "hansard "+s.Version); err != nil {
		return err
	}
	return w.Commit()
}

// lastByteHeld leaves out the last byte of what is written to it: the comma
// after the last entry.
type lastByteHeld struct {
	w    io.Writer
	held bool
	last byte
}

func (l *lastByteHeld) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if l.held {
		if _, err := l.w.Write([]byte{l.last}); err != nil {
			return 0, err
		}
	}
	l.held, l.last = true, p[len(p)-1]
	if _, err := l.w.Write(p[:len(p)-1]); err != nil {
		return 0, err
	}
	return len(p), nil
}
