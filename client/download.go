package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxManifest bounds a manifest; even one of a million channels is smaller.
const maxManifest = 256 << 20

// Download streams the file of an export to w and checks its size and SHA-256
// against the result; what w got is good only if it returns nil. progress,
// unless nil, is called with the bytes so far.
func (c *Client) Download(ctx context.Context, r *Result, w io.Writer, progress func(done int64)) error {
	if r == nil {
		return errors.New("the task has no file")
	}
	body, err := c.fetch(ctx, r.URL)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	sum := sha256.New()
	into := io.MultiWriter(w, sum)
	if progress != nil {
		into = io.MultiWriter(w, sum, &meter{fn: progress})
	}
	// One byte more than expected is enough to know that it is too long.
	n, err := io.CopyBuffer(into, io.LimitReader(body, r.Size+1), make([]byte, 256<<10))
	if err != nil {
		return fmt.Errorf("downloading %s: %w", r.Path, plain(err))
	}
	if n != r.Size {
		return fmt.Errorf("downloading %s: got %d bytes of %d", r.Path, n, r.Size)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(got, r.SHA256) {
		return fmt.Errorf("downloading %s: its SHA-256 is %s, not %s as the task says", r.Path, got, r.SHA256)
	}
	return nil
}

// Manifest fetches the manifest of an export, a JSON object.
func (c *Client) Manifest(ctx context.Context, r *Result) ([]byte, error) {
	if r == nil || r.ManifestURL == "" {
		return nil, errors.New("the task has no manifest")
	}
	body, err := c.fetch(ctx, r.ManifestURL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	b, err := io.ReadAll(io.LimitReader(body, maxManifest))
	if err != nil {
		return nil, fmt.Errorf("downloading the manifest: %w", plain(err))
	}
	return b, nil
}

// fetch gets a signed URL. It must not carry a token: the URL may lead to an
// object store that belongs to somebody else.
func (c *Client) fetch(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errors.New("the download URL is malformed")
	}
	// Keep net/http from inflating on its own: the checksum is of the bytes
	// as they are stored.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("downloading from %s: %w", req.URL.Host, plain(err))
	}
	if resp.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		_ = resp.Body.Close()
		return nil, failure(resp, answer)
	}
	return resp.Body, nil
}

// meter counts what passes.
type meter struct {
	n  int64
	fn func(int64)
}

func (m *meter) Write(b []byte) (int, error) {
	m.n += int64(len(b))
	m.fn(m.n)
	return len(b), nil
}
