package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"
)

// ImportState is where an import stands.
type ImportState string

// The states of an import.
const (
	ImportUploaded      ImportState = "uploaded"
	ImportAnalyzing     ImportState = "analyzing"
	ImportAnalyzeFailed ImportState = "analyze_failed" // final: the file is bad
	ImportImporting     ImportState = "importing"
	ImportCompleted     ImportState = "completed" // final
	ImportFailed        ImportState = "failed"    // final
)

// Final reports whether an import with state s will never change again.
func (s ImportState) Final() bool {
	return s == ImportCompleted || s == ImportFailed || s == ImportAnalyzeFailed
}

// Import is the loading of a file.
type Import struct {
	ID          string      `json:"id"`
	State       ImportState `json:"state"`
	Mode        string      `json:"mode"`
	MergeCustom bool        `json:"merge_custom"`
	Path        string      `json:"path"`
	Size        int64       `json:"size"` // bytes
	// RawResult is the result as the server sent it: the counts of a completed
	// import, or what Problem says of one that failed.
	RawResult json.RawMessage `json:"result"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
	History   []ImportStep    `json:"history"`
}

// ImportStep is a change of an import's state.
type ImportStep struct {
	CreatedAt time.Time   `json:"created_at"`
	PrevState ImportState `json:"prev_state"`
	NextState ImportState `json:"next_state"`
}

// ImportError says why an import failed.
type ImportError struct {
	// Problems is what is wrong with the file, the first 100; More says that
	// there is more.
	Problems []ImportProblem `json:"errors"`
	More     bool            `json:"more_errors"`
	// Failure is another reason than the file.
	Failure *TaskError `json:"error"`
}

// ImportProblem is one thing that is wrong with a file.
type ImportProblem struct {
	Line   int64  `json:"line"`   // from 1
	Column int64  `json:"column"` // from 1, in bytes
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

func (e *ImportError) Error() string {
	switch {
	case e.Failure != nil:
		return e.Failure.Error()
	case len(e.Problems) == 0:
		return "the import failed without saying why"
	}
	p := e.Problems[0]
	s := fmt.Sprintf("line %d, column %d: %s %s", p.Line, p.Column, p.Field, p.Reason)
	if len(e.Problems) > 1 || e.More {
		s += " (there is more)"
	}
	return s
}

// ImportURL is where to upload a file, and what it is called afterwards.
type ImportURL struct {
	UploadURL string `json:"upload_url"` // signed, good for one file
	Path      string `json:"path"`
}

// CreateImportURL asks for a place to upload a file to.
func (c *Client) CreateImportURL(ctx context.Context, filename string) (*ImportURL, error) {
	return call[ImportURL](ctx, c, repost(map[string]string{"filename": filename}, "import_urls"))
}

// Upload sends a file of so many bytes, -1 if that is not known; servers that
// keep their files in an object store need to know. It is not tried again:
// after a failure ask for a new URL.
func (c *Client) Upload(ctx context.Context, to *ImportURL, file io.Reader, size int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, to.UploadURL, io.NopCloser(file))
	if err != nil {
		return errors.New("the upload URL is malformed")
	}
	req.ContentLength = size
	if size == 0 {
		req.Body = http.NoBody // net/http takes 0 for unknown
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("uploading to %s: %w", req.URL.Host, plain(err))
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode >= http.StatusMultipleChoices {
		return c.failure(resp, answer)
	}
	return nil
}

// ImportRequest asks for a file that was uploaded to be loaded.
type ImportRequest struct {
	Path        string `json:"path"`                   // of the ImportURL
	Mode        string `json:"mode,omitempty"`         // "upsert", the default, or "insert"
	MergeCustom bool   `json:"merge_custom,omitempty"` // keep custom fields that the file does not give
}

// CreateImport begins to load a file.
func (c *Client) CreateImport(ctx context.Context, r ImportRequest) (*Import, error) {
	answer, err := call[importAnswer](ctx, c, post(r, "imports"))
	if err != nil {
		return nil, err
	}
	return &answer.Import, nil
}

type importAnswer struct {
	Import Import `json:"import_task"`
}

// Import returns an import; an unknown id gives an *Error of code 16.
func (c *Client) Import(ctx context.Context, id string) (*Import, error) {
	answer, err := call[importAnswer](ctx, c, get("imports", id))
	if err != nil {
		return nil, err
	}
	return &answer.Import, nil
}

// ListImports returns one page of imports, newest first. A page has 25 if limit
// is 0, and 100 at most.
func (c *Client) ListImports(ctx context.Context, p Page) ([]Import, error) {
	r, err := get("imports").with(p)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Imports []Import `json:"import_tasks"`
	}
	err = c.do(ctx, r, &answer)
	return answer.Imports, err
}

// Imports goes through all imports, newest first. An error comes last.
func (c *Client) Imports(ctx context.Context) iter.Seq2[*Import, error] {
	return pages(maxPage, 0, func(limit, offset int) ([]Import, error) {
		return c.ListImports(ctx, Page{Limit: limit, Offset: offset})
	}, func(i *Import) string { return i.ID })
}

// WaitForImport is WaitForTask for an import. One that failed is returned with
// an *ImportError as the error.
func (c *Client) WaitForImport(ctx context.Context, id string, seen func(*Import)) (*Import, error) {
	answer, err := poll(ctx, c, get("imports", id), func(a *importAnswer) bool {
		if seen != nil {
			seen(&a.Import)
		}
		return a.Import.State.Final()
	})
	switch {
	case err != nil:
		return nil, err
	case answer.Import.State == ImportCompleted:
		return &answer.Import, nil
	}
	failed := &ImportError{}
	// What cannot be read says nothing, and Error says so.
	_ = json.Unmarshal(answer.Import.RawResult, failed)
	return &answer.Import, failed
}
