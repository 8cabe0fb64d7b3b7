package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"hansard/internal/config"
)

var metricsAddress = regexp.MustCompile(`"msg":"metrics","address":"([^"]+)"`)

// monitor is where a command says that its metrics are.
func (b *background) monitor() string {
	b.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if found := metricsAddress.FindStringSubmatch(b.log()); found != nil {
			return "http://" + found[1]
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("no metrics: %s", b.log())
		}
	}
}

func ask(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// With an address of their own, metrics are there and nowhere else; a worker has
// no other.
func TestMetricsListen(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	serve := start(t, "serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--data", data, "--workers", "0",
		"--api-key", "shop", "--api-secret", "s3cret-s3cret")
	url := strings.TrimPrefix(serve.until("listening on ")[0], "listening on ")
	worker := start(t, "worker", "--data", data, "--workers", "2", "--metrics-listen", "127.0.0.1:0")
	ok(t, "import", sampleFile, "--data", data)
	ok(t, "export", "channels", "--filter", `{"type":"team"}`, "--server", url, "--api-key", "shop", "--api-secret", "s3cret-s3cret", "-o", "-")

	if status, body := ask(t, url+"/metrics"); status != 404 {
		t.Errorf("metrics beside the API: %d %.100s", status, body)
	}
	for _, monitor := range []string{serve.monitor(), worker.monitor()} {
		for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/tasks": 404} {
			if status, body := ask(t, monitor+path); status != want {
				t.Errorf("%s: %d %.100s", path, status, body)
			}
		}
	}
	_, text := ask(t, serve.monitor()+"/metrics")
	if !strings.Contains(text, `hansard_http_requests_total{method="POST",route="/export_channels",status="201"} 1`) {
		t.Error("the request for the export was not counted")
	}
	_, text = ask(t, worker.monitor()+"/metrics")
	for _, want := range []string{
		`hansard_tasks_finished_total{kind="export.channels",status="completed"} 1`, "hansard_worker_slots 2",
		`hansard_store_operation_duration_seconds_count{operation="finish"} 1`, `hansard_blob_operation_duration_seconds_count{operation="put"} 2`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("no line %s of the worker", want)
		}
	}
	if strings.Contains(text, "s3cret") {
		t.Error("the secret is among the metrics")
	}
	for _, b := range []*background{worker, serve} {
		if code := b.end(); code != exitOK {
			t.Errorf("exit %d\n%s", code, b.log())
		}
	}
}

// Without an address of their own they are beside the API.
func TestMetricsBesideTheAPI(t *testing.T) {
	t.Parallel()
	_, flags := serving(t, t.TempDir())
	if status, body := ask(t, flags[1]+"/metrics"); status != 200 || !strings.Contains(body, "hansard_build_info{") {
		t.Errorf("%d %.100s", status, body)
	}
}

// While a process stops it is alive and not ready.
func TestMonitorWhileStopping(t *testing.T) {
	t.Parallel()
	b, err := openBackend(t.Context(), config.Settings{Data: t.TempDir(), MetricsListen: "127.0.0.1:0", Workers: 1},
		slog.New(slog.DiscardHandler), makeStore, "http://x")
	if err != nil {
		t.Fatal(err)
	}
	log := &background{t: t}
	b.log = slog.New(slog.NewJSONHandler(log, nil))
	ctx, end := context.WithCancel(t.Context())
	stop, err := b.monitor(ctx)
	if err != nil {
		t.Fatal(err)
	}
	url := log.monitor()
	if status, body := ask(t, url+"/readyz"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	end()
	if status, body := ask(t, url+"/readyz"); status != 503 || !strings.Contains(body, `"status":"draining"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, body := ask(t, url+"/metrics"); status != 200 || !strings.Contains(body, "hansard_queue_failures_total 0") {
		t.Errorf("%d %.100s", status, body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
