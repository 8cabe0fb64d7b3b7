package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status":"ok"}`) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"status":"unavailable","checks":{"storage":"failed"}}`)
	})
	mux.HandleFunc("GET /moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/healthz", http.StatusFound) })
	mux.HandleFunc("GET /slow", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		close(hang)
		server.Close()
	})
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"well":       {[]string{server.URL + "/healthz"}, exitOK, `"ok"`},
		"not ready":  {[]string{server.URL + "/readyz"}, exitFailed, `503 Service Unavailable: {"status":"unavailable","checks":{"storage":"failed"}}`},
		"elsewhere":  {[]string{server.URL + "/moved"}, exitFailed, "302"},
		"too slow":   {[]string{"--timeout", "10ms", server.URL + "/slow"}, exitFailed, "/slow"},
		"nobody":     {[]string{"http://127.0.0.1:1/healthz"}, exitFailed, "connection refused"},
		"no URL":     {[]string{"localhost"}, exitUsage, "not a URL"},
		"two URLs":   {[]string{"a", "b"}, exitUsage, "one URL, not 2"},
		"no time":    {[]string{"--timeout", "0s"}, exitUsage, "more than 0"},
		"other file": {[]string{"file:///etc/hostname"}, exitUsage, "not a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, "", append([]string{"health"}, tt.args...)...)
			if r.code != tt.code || !strings.Contains(r.out+r.errOut, tt.want) {
				t.Errorf("exit %d, said %q; want exit %d and %q", r.code, r.out+r.errOut, tt.code, tt.want)
			}
		})
	}
}
