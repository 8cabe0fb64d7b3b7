package server_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hansard/api"
	"hansard/api/apitest"
	"hansard/internal/server"
)

var named = regexp.MustCompile(`\{[^}]*\}`)

// plainPath takes the names out of a path's parameters.
func plainPath(method, path string) string { return method + " " + named.ReplaceAllString(path, "{}") }

// Every operation in the table is described, in both dialects and under the
// name that errors give it.
func TestEveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	described := map[string]string{}
	for _, op := range apitest.New(t).Operations() {
		described[plainPath(op.Method, op.Path)] = op.ID
	}
	for _, e := range server.Endpoints(newRig(t, nil).opts) {
		for prefix, name := range map[string]string{"": e.Name, e.V2: e.Name + "V2"} {
			if p := plainPath(e.Method, prefix+e.Path); described[p] != name {
				t.Errorf("%s is %s in the table, %q in api/openapi.yaml", p, name, described[p])
			}
		}
	}
}

// Every operation that is described is served, and those with an app ask for
// its key first.
func TestEveryDescribedOperationIsServed(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { watched(r) })
	open := map[string]int{
		"/healthz": 200, "/readyz": 200, "/metrics": 200, "/openapi.yaml": 200, "/docs": 200, "/docs/{file}": 200,
		"/exports/{kind}/{app}/{file}": 403, "/uploads/imports/{app}/{uuid}/{file}": 403,
	}
	for _, op := range apitest.New(t).Operations() {
		path := strings.ReplaceAll(op.Path, "{file}", "docs.js")
		req, err := http.NewRequestWithContext(t.Context(), op.Method, r.url+named.ReplaceAllString(path, "x"), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		a := r.send(req)
		want, isOpen := open[op.Path]
		if !isOpen {
			want = 401
		}
		if a.status != want || !isOpen && a.get("code") != "2" {
			t.Errorf("%s %s is described, but not served: %d %.200s", op.Method, op.Path, a.status, a.body)
		}
	}
}

// get asks for what needs no app.
func (r *rig) get(path string, headers ...string) reply {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), "GET", r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return r.send(req)
}

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	want, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	a := r.get("/openapi.yaml", "Accept-Encoding", "identity")
	if a.status != 200 || a.body != string(want) || a.header.Get("Content-Type") != "application/yaml" ||
		a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v, %d bytes, want %d", a.status, a.header, len(a.body), len(want))
	}
	tag := a.header.Get("ETag")
	packed := r.get("/openapi.yaml", "Accept-Encoding", "gzip")
	if packed.header.Get("Content-Encoding") != "gzip" || len(packed.body) > len(want)/5 {
		t.Errorf("%v, %d bytes", packed.header, len(packed.body))
	}
	if got := packed.header.Get("ETag"); got == tag {
		t.Errorf("two forms have the same ETag %s", got)
	}
	for match, status := range map[string]int{tag: 304, `"x", W/` + tag: 304, "*": 304, `"x"`: 200} {
		a := r.get("/openapi.yaml", "Accept-Encoding", "identity", "If-None-Match", match)
		if a.status != status || a.status == 304 && (a.body != "" || a.header.Get("ETag") != tag) {
			t.Errorf("If-None-Match %s: %d %v, %d bytes", match, a.status, a.header, len(a.body))
		}
	}
}

// The page loads what is served here and nothing else.
func TestDocs(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a := r.get("/docs")
	policy := a.header.Get("Content-Security-Policy")
	if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(policy, "default-src 'none'") ||
		strings.Contains(policy, "unsafe") {
		t.Fatalf("%d %v", a.status, a.header)
	}
	var loaded []string
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
		loaded = append(loaded, m[1])
	}
	if want := "docs/swagger-ui-bundle.js"; !slices.Contains(loaded, want) {
		t.Errorf("the page loads %v, but not %s", loaded, want)
	}
	for _, address := range loaded {
		f := r.get("/" + address)
		if strings.Contains(address, ":") || f.status != 200 || f.body == "" || f.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", address, f.status, f.header)
		}
	}
	if strings.Contains(a.body, "<style") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(a.body) {
		t.Error("the page has styles or scripts of its own, which its policy forbids")
	}
	for _, path := range []string{"/docs/openapi.yaml", "/docs/swagger-ui.js", "/docs/..%2Fdocs.js", "/docs/x", "/docs/"} {
		if a := r.get(path); a.status != 404 || a.get("code") != "16" {
			t.Errorf("%s: %d %.100s", path, a.status, a.body)
		}
	}
}
