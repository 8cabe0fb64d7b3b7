package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/auth"
	"hansard/internal/blob"
	"hansard/internal/metrics"
	"hansard/internal/server"
	"hansard/internal/task"
)

// watched gives the rig metrics, as serve does.
func watched(r *rig) *metrics.Metrics {
	m := metrics.New(metrics.Build{Version: "1.2.3"})
	r.opts.Metrics = m
	r.opts.Store, r.opts.Blob = m.Store(r.opts.Store), m.Blob(r.blob)
	r.exports.Store, r.exports.Blob = r.opts.Store, r.opts.Blob
	m.WatchQueue(context.Background(), r.opts.Store)
	return m
}

// scrape asks for the metrics as Prometheus does.
func (r *rig) scrape() string {
	r.t.Helper()
	req := httptest.NewRequest("GET", r.url+"/metrics", nil)
	req.RequestURI = ""
	res, err := r.client.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		r.t.Fatalf("%d %s: %s", res.StatusCode, res.Header.Get("Content-Type"), body)
	}
	return string(body)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	bothDialects(t, func(r *rig) {
		watched(r)
		r.opts.RateLimit = 2
	}, func(t *testing.T, r *rig) {
		r.people()
		first := r.must(201, "POST", "/export_channels", `{"channels":[{"cid":"messaging:general"}],"version":"v2"}`).text("task_id")
		r.must(201, "POST", "/export_channels", `{"channels":[{"cid":"messaging:general"}]}`)
		r.must(429, "POST", "/export_channels", `{"channels":[{"cid":"messaging:general"}]}`)
		runner := &task.Runner{
			Store: r.opts.Store, Handlers: map[string]task.Handler{task.ExportChannels: r.exports.RunChannels}, Observer: r.opts.Metrics,
		}
		if _, err := runner.RunOne(t.Context(), r.app.ID, first); err != nil {
			t.Fatal(err)
		}
		r.must(200, "GET", "/tasks/"+first, "")
		text := r.scrape()
		for _, want := range []string{
			`hansard_http_requests_total{method="POST",route="` + r.path("/export_channels") + `",status="201"} 2`,
			`hansard_http_requests_total{method="POST",route="` + r.path("/export_channels") + `",status="429"} 1`,
			`hansard_http_requests_total{method="GET",route="` + r.path("/tasks/{id}") + `",status="200"} 1`,
			`hansard_http_rate_limited_requests_total{limit="export_channels"} 1`,
			`hansard_http_requests_in_flight 1`,
			`hansard_queue_tasks{app="` + r.app.Key + `",kind="export.channels",status="waiting"} 1`,
			`hansard_tasks_finished_total{kind="export.channels",status="completed"} 1`,
			`hansard_export_messages_total{format="json",kind="export.channels",version="v2"} 1`,
			`hansard_store_snapshots_open 0`,
			`hansard_blob_operation_duration_seconds_count{operation="put"} 2`, // file and manifest
			`hansard_build_info{commit="",goversion="",version="1.2.3"} 1`,
		} {
			if !strings.Contains(text, "\n"+want+"\n") {
				name, _, _ := strings.Cut(want, "{")
				t.Errorf("no line %s, but\n%s", want, strings.Join(regexp.MustCompile(`(?m)^`+name+`.*`).FindAllString(text, -1), "\n"))
			}
		}
		if wrong := regexp.MustCompile(`(?m)^hansard_\w+_errors_total.* [1-9].*$`).FindAllString(text, -1); wrong != nil {
			t.Errorf("faults: %s", wrong)
		}
	})
}

// What clients send makes no series, and nothing of it is shown.
func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { watched(r) })
	r.people()
	series := func() []string {
		text := r.scrape()
		for _, secret := range []string{r.app.Secret, r.token(r.app, auth.Claims{Server: true})[:20], "hello", "general", "m1", "curious"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is among the metrics", secret)
			}
		}
		return regexp.MustCompile(`(?m)^hansard_[^ ]+`).FindAllString(text, -1)
	}
	ask := func(i int) {
		for _, path := range []string{
			fmt.Sprintf("/curious/%d", i), fmt.Sprintf("/tasks/curious%d", i), fmt.Sprintf("/users/curious-%d/export", i),
			fmt.Sprintf("/channels/curious%d/x/query", i), fmt.Sprintf("//curious%d", i), fmt.Sprintf("/exports/channels/curious/%d.json", i),
		} {
			for _, method := range []string{"GET", "POST", fmt.Sprintf("CURIOUS%d", i)} {
				req := httptest.NewRequest(method, r.url+path+"?curious="+fmt.Sprint(i), nil)
				req.RequestURI = ""
				req.Header.Set("X-Api-Key", fmt.Sprintf("curious%d", i))
				res, err := r.client.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		}
	}
	r.scrape()
	ask(0)
	before := series()
	for i := range 20 {
		ask(i + 1)
	}
	after := series()
	for _, name := range after {
		if !slices.Contains(before, name) {
			t.Errorf("new: %s", name)
		}
	}
	if len(after) > 3000 {
		t.Errorf("%d series", len(after))
	}
}

func TestMonitor(t *testing.T) {
	t.Parallel()
	var draining atomic.Bool
	var monitor *server.Server
	r := newRig(t, func(r *rig) {
		watched(r)
		r.opts.OwnMetrics = true
		r.opts.Draining = draining.Load
		monitor = server.NewMonitor(server.Options{Store: r.opts.Store, Blob: r.opts.Blob, Metrics: r.opts.Metrics, Draining: draining.Load})
	})
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		monitor.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/tasks": 404, "/docs": 404, "/": 404} {
		if status, body := ask(path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if a := r.do("GET", "/metrics", ""); a.status != 404 {
		t.Errorf("metrics are beside the API: %d", a.status)
	}
	draining.Store(true)
	if status, body := ask("/readyz"); status != 503 || !strings.HasPrefix(body, `{"status":"draining","checks":{"database":"ok","storage":"ok","queue":"ok"},`) {
		t.Errorf("%d %s", status, body)
	}
	if status, body := ask("/healthz"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if a := r.do("GET", "/readyz", ""); a.status != 503 || a.get("status") != "draining" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// frozen is a file storage that does not answer, whatever happens.
type frozen struct {
	blob.Store
	stats atomic.Int64
	thaw  chan struct{}
}

func (f *frozen) Stat(context.Context, string) (blob.Info, error) {
	f.stats.Add(1)
	<-f.thaw
	return blob.Info{}, errors.New("secret of the storage")
}

// A part that does not answer at all must not keep readyz from it, nor be asked
// again and again.
func TestReadyInTime(t *testing.T) {
	t.Parallel()
	stuck := &frozen{thaw: make(chan struct{})}
	defer close(stuck.thaw)
	r := newRig(t, func(r *rig) {
		stuck.Store = r.blob
		r.opts.Blob = stuck
	})
	began := time.Now()
	answers := make(chan string, 5)
	for range cap(answers) {
		req := r.request(r.app, "GET", "/readyz", nil)
		go func() { answers <- r.send(req).body }()
	}
	for range cap(answers) {
		if body := <-answers; !strings.HasPrefix(body, `{"status":"unavailable","checks":{"database":"ok","storage":"failed","queue":"ok"},`) || strings.Contains(body, "secret") {
			t.Errorf("got %s", body)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if n := stuck.stats.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
