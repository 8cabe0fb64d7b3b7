package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func (r *rig) put(url, content string) reply {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), "PUT", url, strings.NewReader(content))
	if err != nil {
		r.t.Fatal(err)
	}
	return r.send(req)
}

func TestSignedURLs(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	key := "exports/channels/" + r.app.Key + "/file.jsonl"
	r.file(key, strings.Repeat("line\n", 100))
	url, err := r.blob.SignGet(t.Context(), key, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	a := r.fetch(url)
	if a.status != 200 || len(a.body) != 500 || a.header.Get("Content-Type") != "application/x-ndjson" ||
		a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Content-Encoding") != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
	head, err := http.NewRequestWithContext(t.Context(), "HEAD", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := r.send(head); a.status != 200 || a.header.Get("Content-Length") != "500" {
		t.Errorf("HEAD: %d %v", a.status, a.header)
	}
	part, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	part.Header.Set("Range", "bytes=5-8")
	if a := r.send(part); a.status != 206 || a.body != "line" {
		t.Errorf("range: %d %q", a.status, a.body)
	}
	base, query, _ := strings.Cut(url, "?")
	for name, bad := range map[string]string{
		"no signature":    base,
		"other file":      strings.Replace(url, "file.jsonl", "file.jsonl.manifest.json", 1),
		"other app":       strings.Replace(url, r.app.Key, r.other.Key, 1),
		"other kind":      strings.Replace(url, "/channels/", "/users/", 1),
		"changed expiry":  strings.Replace(url, "expires=", "expires=9", 1),
		"cut signature":   url[:len(url)-1],
		"dots":            r.url + "/exports/channels/%2e%2e/file.jsonl?" + query,
		"slashes":         r.url + "/exports/channels%2F" + r.app.Key + "/x/file.jsonl?" + query,
		"dots and slash":  r.url + "/exports/channels/" + r.app.Key + "/..%2Ffile.jsonl?" + query,
		"nul":             r.url + "/exports/channels/" + r.app.Key + "/%00?" + query,
		"hidden":          r.url + "/exports/channels/" + r.app.Key + "/.tmp?" + query,
		"the upload door": strings.Replace(url, "/exports/channels/", "/exports/imports/", 1),
	} {
		if a := r.fetch(bad); a.status != 403 || a.get("code") != "17" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := r.put(strings.Replace(url, "/exports/", "/uploads/imports/", 1)+"/x", "x"); a.status != 403 && a.status != 404 {
		t.Errorf("a download URL takes an upload: %d %s", a.status, a.body)
	}
	if err := r.blob.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if a := r.fetch(url); a.status != 404 || a.get("code") != "16" {
		t.Errorf("a file that is gone: %d %s", a.status, a.body)
	}
	r.clock.advance(time.Hour)
	if a := r.fetch(url); a.status != 403 {
		t.Errorf("an expired URL: %d %s", a.status, a.body)
	}
}

func TestImports(t *testing.T) {
	t.Parallel()
	bothDialects(t, func(r *rig) { r.opts.MaxUpload = 1000; r.opts.StallTimeout = 200 * time.Millisecond }, func(t *testing.T, r *rig) {
		a := r.must(201, "POST", "/import_urls", `{"filename":"chat.jsonl"}`)
		url, path := a.text("upload_url"), a.text("path")
		if !strings.HasPrefix(path, "imports/"+r.app.Key+"/") {
			t.Errorf("path %q", path)
		}
		create := `{"path":"` + path + `","mode":"upsert"}`
		if a := r.do("POST", "/imports", create); a.status < 400 || a.status > 404 {
			t.Errorf("never uploaded: %d %s", a.status, a.body)
		}
		if a := r.put(url, strings.Repeat("x", 1001)); a.status != 413 || a.get("code") != "22" {
			t.Errorf("too large: %d %s", a.status, a.body)
		}
		if a := r.put(strings.Replace(url, "chat.jsonl", "other.jsonl", 1), "x"); a.status != 403 {
			t.Errorf("another name: %d %s", a.status, a.body)
		}
		stalled, err := http.NewRequestWithContext(t.Context(), "PUT", url, stall{make(chan struct{})})
		if err != nil {
			t.Fatal(err)
		}
		if a := r.send(stalled); a.status != 408 || a.get("code") != "23" {
			t.Errorf("an upload that stalls: %d %s", a.status, a.body)
		}
		if a := r.put(url, `{"type":"user","data":{"id":"kim"}}`+"\n"); a.status != 201 && a.status != 200 {
			t.Fatalf("upload: %d %s", a.status, a.body)
		}
		for _, bad := range []string{
			``, `[]`, `{}`, `{"path":7}`, `{"path":null}`, `{"path":"` + path + `","mode":"merge"}`,
			`{"path":"` + path + `","merge_custom":"yes"}`, `{"path":"../../etc/passwd"}`,
		} {
			if a := r.do("POST", "/imports", bad); a.status != 400 || a.get("code") != "4" {
				t.Errorf("%s: %d %s", bad, a.status, a.body)
			}
		}
		if a := r.as(r.other, "POST", "/imports", create); a.status != 404 && a.status != 400 {
			t.Errorf("another app's file: %d %s", a.status, a.body)
		}
		a = r.must(201, "POST", "/imports", create)
		id := a.text("import_task", "id")
		if a.get("import_task", "state") != "uploaded" || a.get("import_task", "path") != path || a.get("import_task", "mode") != "upsert" {
			t.Errorf("%s", a.body)
		}
		r.instant(a.get("import_task", "created_at"))
		if a := r.must(200, "GET", "/imports/"+id, ""); a.get("import_task", "id") != id {
			t.Errorf("%s", a.body)
		}
		if a := r.must(200, "GET", "/imports", ""); a.get("import_tasks", 0, "id") != id || a.get("import_tasks", 1) != nil {
			t.Errorf("%s", a.body)
		}
		r.must(200, "GET", "/tasks/"+id, "")
		if a := r.as(r.other, "GET", "/imports/"+id, ""); a.status != 404 || a.get("code") != "16" {
			t.Errorf("another app's import: %d %s", a.status, a.body)
		}
		if a := r.as(r.other, "GET", "/imports", ""); a.get("import_tasks", 0) != nil {
			t.Errorf("another app's imports: %s", a.body)
		}
		r.must(201, "POST", "/users", `{"users":{"ann":{"id":"ann"}}}`)
		export := r.must(201, "POST", "/export/users", `{"user_ids":["ann"]}`).text("task_id")
		if a := r.do("GET", "/imports/"+export, ""); a.status != 404 {
			t.Errorf("an export as an import: %d %s", a.status, a.body)
		}
		for _, bad := range []string{``, `{}`, `{"filename":""}`, `{"filename":7}`, `{"filename":"../x"}`, `{"filename":"a/b"}`, `{"filename":".x"}`} {
			if a := r.do("POST", "/import_urls", bad); a.status != 400 || a.get("code") != "4" {
				t.Errorf("%s: %d %s", bad, a.status, a.body)
			}
		}
	})
}

// stall is a body of which nothing ever comes.
type stall struct{ closed chan struct{} }

func (s stall) Read([]byte) (int, error) {
	<-s.closed
	return 0, io.ErrClosedPipe
}

func (s stall) Close() error {
	close(s.closed)
	return nil
}
