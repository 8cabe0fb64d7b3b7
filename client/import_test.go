package client_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"hansard/client"
)

func TestWaitForImport(t *testing.T) {
	t.Parallel()
	const importing = `{"import_task":{"id":"i","state":"importing","result":{},"history":[{"created_at":"2024-01-01T00:00:00Z","prev_state":"uploaded","next_state":"importing"}]}}`
	for name, tt := range map[string]struct {
		last string
		err  string
	}{
		"completed":  {`{"import_task":{"id":"i","state":"completed","result":{"counts":{"users":2}}}}`, ""},
		"bad file":   {`{"import_task":{"id":"i","state":"analyze_failed","result":{"errors":[{"line":3,"column":7,"field":"data.id","reason":"is required"},{}]}}}`, "line 3, column 7: data.id is required (there is more)"},
		"one error":  {`{"import_task":{"id":"i","state":"analyze_failed","result":{"errors":[{"line":1,"column":1,"field":"type","reason":"is unknown"}],"more_errors":false}}}`, "line 1, column 1: type is unknown"},
		"failed":     {`{"import_task":{"id":"i","state":"failed","result":{"error":{"type":"Canceled","description":"it was canceled"}}}}`, "Canceled: it was canceled"},
		"no reason":  {`{"import_task":{"id":"i","state":"failed","result":null}}`, "without saying why"},
		"is unknown": {`404 {"code":16,"message":"there is no such task"}`, "no such task"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, answers(importing, fault, importing, tt.last))
			var seen []client.ImportState
			i, err := c.WaitForImport(t.Context(), "i", func(i *client.Import) { seen = append(seen, i.State) })
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("err %v, want %q", err, tt.err)
			}
			if client.IsNotFound(err) {
				return
			}
			if len(seen) != 3 || i == nil || i.State != seen[2] || !i.State.Final() {
				t.Errorf("seen %v, import %+v", seen, i)
			}
			if _, ok := errors.AsType[*client.ImportError](err); ok != (tt.err != "") {
				t.Errorf("err %#v", err)
			}
		})
	}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	const file = "{}\n{}\n"
	for name, tt := range map[string]struct {
		path string
		file string
		size int64
		sent int64 // Content-Length
		err  string
	}{
		"known size":   {"/up", file, int64(len(file)), int64(len(file)), ""},
		"unknown size": {"/up", file, -1, -1, ""},
		"empty":        {"/up", "", 0, 0, ""},
		"too short":    {"/up", file, 100, 100, "uploading to"},
		"refused":      {"/used", file, -1, -1, "uploaded already"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				if r.URL.Path == "/used" {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = io.WriteString(w, `{"code":4,"message":"uploaded already","StatusCode":400}`)
					return
				}
				if r.URL.Path == "/import_urls" {
					_, _ = io.WriteString(w, `{"upload_url":"http://`+r.Host+tt.path+`?signature=secret"}`)
					return
				}
				if r.Method != http.MethodPut || r.Header.Get("Authorization") != "" || r.ContentLength != tt.sent || err == nil && string(b) != tt.file {
					t.Errorf("%s of %q, %d bytes, %v", r.Method, b, r.ContentLength, err)
				}
				w.WriteHeader(http.StatusCreated)
			})
			to, err := c.CreateImportURL(t.Context(), "f")
			if err != nil {
				t.Fatal(err)
			}
			err = c.Upload(t.Context(), to, strings.NewReader(tt.file), tt.size)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("err %v, want %q", err, tt.err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the signature is in the error: %v", err)
			}
		})
	}
}
