package harness

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hansard/api/apitest"
)

// Client calls the API of a server with the token of one app.
type Client struct {
	t   testing.TB
	URL string // of the server
	App App
}

// As is a client of the same server as another app.
func (c *Client) As(app App) *Client { return &Client{t: c.t, URL: c.URL, App: app} }

// Token signs a server token. It is made here, by hand, so that the program
// does not check its tokens with what made them.
func (a App) Token() string {
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString([]byte(`{"server":true}`))
	mac := hmac.New(sha256.New, []byte(a.Secret))
	mac.Write([]byte(signed))
	return signed + "." + enc.EncodeToString(mac.Sum(nil))
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

var httpClient = &http.Client{Timeout: Patience}

// Fetch does a request without the API's authentication; headers come in
// pairs.
func Fetch(method, address string, body io.Reader, headers ...string) (*Response, error) {
	req, err := http.NewRequest(method, address, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return &Response{resp.StatusCode, resp.Header, b}, err
}

// fetch is Fetch that holds request and answer against the description of the
// API.
func (c *Client) fetch(method, address string, body []byte, headers ...string) (*Response, error) {
	c.t.Helper()
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	resp, err := Fetch(method, address, r, headers...)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(method, address, nil)
	if err != nil {
		return nil, err
	}
	apitest.New(c.t).Exchange(c.t, req, body, resp.Status, resp.Header, resp.Body)
	return resp, nil
}

// Do calls the API. A body of nil is none, bytes and strings are sent as they
// are, anything else as JSON; further headers come in pairs. It may be used from
// any goroutine.
func (c *Client) Do(method, path string, body any, headers ...string) (*Response, error) {
	c.t.Helper()
	var sent []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		sent = b
	case string:
		sent = []byte(b)
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = encoded
	}
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return c.fetch(method, c.URL+path+sep+"api_key="+url.QueryEscape(c.App.Key), sent,
		append(headers, "Authorization", c.App.Token(), "Stream-Auth-Type", "jwt", "Content-Type", "application/json")...)
}

// Try is Do that decodes the answer into out, and gives an error unless the
// status is below 400.
func (c *Client) Try(method, path string, body, out any) error {
	resp, err := c.Do(method, path, body)
	if err != nil {
		return err
	}
	if resp.Status >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %d %s", method, path, resp.Status, resp.Body)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(resp.Body, out)
}

// Must is Try that fails the test.
func (c *Client) Must(method, path string, body, out any) {
	c.t.Helper()
	if err := c.Try(method, path, body, out); err != nil {
		c.t.Fatal(err)
	}
}

// Request is the body of a request, as one writes it.
type Request map[string]any

// Task is a task as the API shows it.
type Task struct {
	ID        string    `json:"task_id"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Result    *File     `json:"result"`
	Error     *struct{ Type, Description string }
	Progress  struct{ Done, Total, Percent int64 }
}

// Final reports whether the task will not change again.
func (t *Task) Final() bool { return t.Status == "completed" || t.Status == "failed" }

// File is what a finished export says of its file.
type File struct {
	URL         string           `json:"url"`
	Path        string           `json:"path"`
	Size        int64            `json:"size"`
	SHA256      string           `json:"sha256"`
	Counts      map[string]int64 `json:"counts"`
	ExpiresAt   time.Time        `json:"expires_at"`
	ManifestURL string           `json:"manifest_url"`
}

// ExportChannels asks for an export of channels and returns the task's id.
func (c *Client) ExportChannels(r Request) string {
	c.t.Helper()
	return c.enqueue("/export_channels", r)
}

// ExportUsers asks for an export of users and returns the task's id.
func (c *Client) ExportUsers(ids ...string) string {
	c.t.Helper()
	return c.enqueue("/export/users", Request{"user_ids": ids})
}

func (c *Client) enqueue(path string, r Request) string {
	c.t.Helper()
	var answer struct {
		ID string `json:"task_id"`
	}
	c.Must("POST", path, r, &answer)
	return answer.ID
}

// Task asks for a task.
func (c *Client) Task(id string) *Task {
	c.t.Helper()
	var t Task
	c.Must("GET", "/tasks/"+id, nil, &t)
	return &t
}

// Final waits for the end of a task.
func (c *Client) Final(id string) *Task {
	c.t.Helper()
	var t *Task
	Until(c.t, Patience, "final: task "+id, func() bool {
		t = c.Task(id)
		return t.Final()
	})
	return t
}

// Completed waits until a task is completed, and fails the test if it fails.
func (c *Client) Completed(id string) *Task {
	c.t.Helper()
	t := c.Final(id)
	if t.Status != "completed" {
		c.t.Fatalf("task %s %s: %+v", id, t.Status, t.Error)
	}
	return t
}

// Download fetches the file of a completed task and checks it against size and
// checksum.
func (c *Client) Download(t *Task) []byte {
	c.t.Helper()
	b := c.Get(t.Result.URL)
	sum := sha256.Sum256(b)
	if got := hex.EncodeToString(sum[:]); got != t.Result.SHA256 || int64(len(b)) != t.Result.Size {
		c.t.Fatalf("task %s: the file has %d bytes and sha256 %s, the task says %d and %s",
			t.ID, len(b), got, t.Result.Size, t.Result.SHA256)
	}
	return b
}

// Get fetches a signed URL, which may lead to an object store.
func (c *Client) Get(address string) []byte {
	c.t.Helper()
	var resp *Response
	var err error
	if strings.HasPrefix(address, c.URL) {
		resp, err = c.fetch("GET", address, nil)
	} else {
		resp, err = Fetch("GET", address, nil) // not what the description is of
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.Status != http.StatusOK {
		c.t.Fatalf("GET %s: %d %s", address, resp.Status, resp.Body)
	}
	return resp.Body
}

// Channels is ExportChannels, Completed and Download.
func (c *Client) Channels(r Request) []byte {
	c.t.Helper()
	return c.Download(c.Completed(c.ExportChannels(r)))
}

// Users is ExportUsers, Completed and Download.
func (c *Client) Users(ids ...string) []byte {
	c.t.Helper()
	return c.Download(c.Completed(c.ExportUsers(ids...)))
}

// Import is an import as the API shows it.
type Import struct {
	ID     string          `json:"id"`
	State  string          `json:"state"`
	Result json.RawMessage `json:"result"`
}

// Ended reports whether the import will not change again.
func (i *Import) Ended() bool {
	return i.State == "completed" || i.State == "failed" || i.State == "analyze_failed"
}

// Upload puts a file where imports take it from and returns its path.
func (c *Client) Upload(name string, file io.Reader) string {
	c.t.Helper()
	var at struct {
		URL  string `json:"upload_url"`
		Path string `json:"path"`
	}
	c.Must("POST", "/import_urls", Request{"filename": name}, &at)
	resp, err := Fetch("PUT", at.URL, file)
	if err != nil || resp.Status >= http.StatusBadRequest {
		c.t.Fatalf("upload: %v %+v", err, resp)
	}
	return at.Path
}

// CreateImport asks for the import of an uploaded file and returns its id.
func (c *Client) CreateImport(path string) string {
	c.t.Helper()
	var answer struct {
		Import Import `json:"import_task"`
	}
	c.Must("POST", "/imports", Request{"path": path, "mode": "upsert"}, &answer)
	return answer.Import.ID
}

// ImportState asks for an import.
func (c *Client) ImportState(id string) *Import {
	c.t.Helper()
	var answer struct {
		Import Import `json:"import_task"`
	}
	c.Must("GET", "/imports/"+id, nil, &answer)
	return &answer.Import
}

// Imported waits until an import is completed, and fails the test if it is
// not to be.
func (c *Client) Imported(id string) {
	c.t.Helper()
	var i *Import
	Until(c.t, 2*Patience, "imported: "+id, func() bool {
		i = c.ImportState(id)
		return i.Ended()
	})
	if i.State != "completed" {
		c.t.Fatalf("import %s: %s %s", id, i.State, i.Result)
	}
}

// Import uploads and imports a file.
func (c *Client) Import(file []byte) {
	c.t.Helper()
	c.Imported(c.CreateImport(c.Upload("chat.jsonl", bytes.NewReader(file))))
}
