package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxManifest bounds a manifest; even one of a million channels is smaller.
const maxManifest = 256 << 20

var errNoFile = errors.New("the task has no file")

// Download streams the file of an export to w and checks its size and SHA-256
// against the task; what w got is good only if it returns nil. progress, unless
// nil, is called with the bytes so far.
//
// A connection that breaks, or brings nothing for a minute, is made anew and
// goes on where it was (Options.Retries); a link that has expired is replaced.
func (c *Client) Download(ctx context.Context, t *Task, w io.Writer, progress func(done int64)) error {
	if t == nil || t.Result == nil {
		return errNoFile
	}
	return c.download(ctx, t, &sink{w: w, sum: sha256.New(), progress: progress})
}

// DownloadFile downloads the file of an export to path, which appears whole or
// not at all, in place of what may be there. Meanwhile its content is in a file
// next to it, .hansard-….part, which stays if the download fails: the next call
// for the same file goes on with it, in another process too.
func (c *Client) DownloadFile(ctx context.Context, t *Task, path string, progress func(done int64)) (err error) {
	if t == nil || t.Result == nil {
		return errNoFile
	}
	if sum, err := hex.DecodeString(t.Result.SHA256); err != nil || len(sum) != sha256.Size {
		return errors.New("the task has no good SHA-256 for its file")
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("writing %s: it is a folder", path)
	}
	// Named after what it will hold, so that no other file is gone on with.
	part := filepath.Join(filepath.Dir(path), ".hansard-"+strings.ToLower(t.Result.SHA256[:32])+".part")
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = f.Close() }() // a second time does no harm
	if err := c.downloadPart(ctx, t, f, progress); err != nil {
		if info, stat := f.Stat(); stat == nil && info.Size() == 0 {
			err = errors.Join(err, f.Close(), os.Remove(part))
		}
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// downloadPart fills f, going on with what is in it.
func (c *Client) downloadPart(ctx context.Context, t *Task, f *os.File, progress func(int64)) error {
	for {
		s := &sink{w: f, sum: sha256.New(), progress: progress}
		had, err := io.Copy(s.sum, io.LimitReader(f, t.Result.Size))
		if err != nil {
			return fmt.Errorf("reading %s: %w", f.Name(), err)
		}
		s.n = had
		err = c.download(ctx, t, s)
		if _, spoiled := errors.AsType[*sumError](err); spoiled {
			// It may have been what was there before: once more from the start.
			if _, seek := f.Seek(0, io.SeekStart); seek != nil {
				return errors.Join(err, seek)
			}
			if trunc := f.Truncate(0); trunc != nil {
				return errors.Join(err, trunc)
			}
			if had > 0 {
				continue
			}
		}
		if err != nil {
			return err
		}
		return f.Truncate(s.n) // of a longer file that was there
	}
}

// sumError is a file that is not the one that was promised.
type sumError struct{ msg string }

func (e *sumError) Error() string { return e.msg }

// download fills s with the rest of a file and checks all of it.
func (c *Client) download(ctx context.Context, t *Task, s *sink) error {
	tag := ""
	err := c.fetch(ctx, t, func(ctx context.Context, r *Result) (moved bool, err error) {
		before := s.n
		if before < r.Size || r.Size == 0 {
			tag, err = c.resume(ctx, r, tag, s)
		}
		return s.n > before, err
	})
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(s.sum.Sum(nil)); !strings.EqualFold(got, t.Result.SHA256) {
		return &sumError{fmt.Sprintf("downloading %s: its SHA-256 is %s, not %s as the task says", t.Result.Path, got, t.Result.SHA256)}
	}
	return nil
}

// resume asks for what s does not have yet and streams it there. It returns the
// tag of the file's version, for the next time.
func (c *Client) resume(ctx context.Context, r *Result, tag string, s *sink) (string, error) {
	header := http.Header{}
	if s.n > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", s.n))
		if tag != "" {
			header.Set("If-Range", tag)
		}
	}
	resp, err := c.open(ctx, r.URL, header)
	if err != nil {
		return tag, err
	}
	defer func() { _ = resp.Body.Close() }()
	if tag = resp.Header.Get("ETag"); strings.HasPrefix(tag, "W/") {
		tag = "" // does not say that the bytes are the same
	}
	at := s.n
	if resp.StatusCode == http.StatusPartialContent {
		if !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", at)) {
			return tag, fmt.Errorf("downloading %s: the server sent another part than was asked for", r.Path)
		}
	} else {
		at = 0
	}
	if resp.ContentLength >= 0 && at+resp.ContentLength != r.Size {
		return tag, wrongSize(r, at+resp.ContentLength)
	}
	// The whole file from its start again: what is there already is skipped. If
	// it was another one, the checksum tells.
	if _, err := io.CopyN(io.Discard, resp.Body, s.n-at); err != nil {
		return tag, &broken{fmt.Errorf("downloading %s: %w", r.Path, plain(err)), true}
	}
	// One byte more than expected is enough to know that it is too long.
	_, err = io.CopyBuffer(s, io.LimitReader(resp.Body, r.Size-s.n+1), make([]byte, 256<<10))
	switch {
	case s.err != nil:
		return tag, s.err
	case err != nil:
		return tag, &broken{fmt.Errorf("downloading %s: %w", r.Path, plain(err)), true}
	case s.n < r.Size:
		return tag, &broken{wrongSize(r, s.n), true}
	case s.n > r.Size:
		return tag, wrongSize(r, s.n)
	}
	return tag, nil
}

func wrongSize(r *Result, got int64) error {
	return fmt.Errorf("downloading %s: got %d bytes of %d", r.Path, got, r.Size)
}

// Manifest fetches the manifest of an export, a JSON object.
func (c *Client) Manifest(ctx context.Context, t *Task) ([]byte, error) {
	if t == nil || t.Result == nil || t.Result.ManifestURL == "" {
		return nil, errors.New("the task has no manifest")
	}
	var b []byte
	err := c.fetch(ctx, t, func(ctx context.Context, r *Result) (bool, error) {
		resp, err := c.open(ctx, r.ManifestURL, nil)
		if err != nil {
			return false, err
		}
		defer func() { _ = resp.Body.Close() }()
		b, err = io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
		if err != nil {
			return false, &broken{fmt.Errorf("downloading the manifest: %w", plain(err)), true}
		}
		if len(b) > maxManifest {
			return false, fmt.Errorf("the manifest is larger than %d MiB", maxManifest>>20)
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// fetch lets try use the links of a task's file until it succeeds, as often as
// Options.Retries says since it has last moved on, and gives it new ones when
// they have expired.
func (c *Client) fetch(ctx context.Context, t *Task, try func(context.Context, *Result) (moved bool, err error)) error {
	links, fresh := t.Result, false
	for failures := 0; ; {
		moved, err := try(ctx, links)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if moved {
			failures, fresh = 0, false
		}
		if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusForbidden && t.ID != "" && !fresh {
			now, err := c.Task(ctx, t.ID)
			if err != nil {
				return fmt.Errorf("asking for a new link: %w", err)
			}
			if now.Result == nil || now.Result.SHA256 != t.Result.SHA256 {
				return errNoFile
			}
			links, fresh = now.Result, true
			continue
		}
		if failures++; failures > c.retries || !passes(err) {
			return err
		}
		if err := c.pause(ctx, failures, err); err != nil {
			return err
		}
	}
}

// open gets a signed URL. It must not carry a token: the URL may lead to an
// object store that belongs to somebody else. The connection is cut when it
// brings nothing for too long.
func (c *Client) open(ctx context.Context, url string, header http.Header) (*http.Response, error) {
	ctx, cut := context.WithCancelCause(ctx)
	body := &lively{ctx: ctx, cut: cut, stall: c.stall}
	body.watch = time.AfterFunc(c.stall, func() { cut(fmt.Errorf("nothing came for %s", c.stall)) })
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errors.Join(errors.New("the download URL is malformed"), body.Close())
	}
	if header != nil {
		req.Header = header
	}
	// Keep net/http from inflating on its own: the checksum is of the bytes
	// as they are stored.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.http.Do(req)
	if err != nil {
		err = &broken{err: fmt.Errorf("downloading from %s: %w", req.URL.Host, body.reason(plain(err)))}
		return nil, errors.Join(err, body.Close())
	}
	body.ReadCloser = resp.Body
	resp.Body = body
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		_ = resp.Body.Close()
		return nil, c.failure(resp, answer)
	}
	return resp, nil
}

// lively is a body that must keep coming.
type lively struct {
	io.ReadCloser
	ctx   context.Context
	cut   context.CancelCauseFunc
	watch *time.Timer
	stall time.Duration
}

func (l *lively) Read(p []byte) (int, error) {
	l.watch.Reset(l.stall)
	n, err := l.ReadCloser.Read(p)
	l.watch.Stop() // whoever takes what was read may take their time
	if err != nil && !errors.Is(err, io.EOF) {
		err = l.reason(err)
	}
	return n, err
}

// reason says why the connection was cut, if it was.
func (l *lively) reason(err error) error {
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	return err
}

func (l *lively) Close() error {
	l.watch.Stop()
	l.cut(nil)
	if l.ReadCloser == nil {
		return nil
	}
	return l.ReadCloser.Close()
}

// sink is where a download goes.
type sink struct {
	w        io.Writer
	sum      hash.Hash
	n        int64 // bytes so far
	progress func(int64)
	err      error // why w took no more
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	_, _ = s.sum.Write(p[:n])
	s.n += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if s.err = err; err == nil && s.progress != nil {
		s.progress(s.n)
	}
	return n, err
}
