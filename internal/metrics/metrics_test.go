package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/auth"
	"hansard/internal/blob"
	"hansard/internal/blob/blobtest"
	"hansard/internal/blob/disk"
	"hansard/internal/blob/s3"
	"hansard/internal/chat"
	"hansard/internal/metrics"
	"hansard/internal/server"
	"hansard/internal/store"
	"hansard/internal/store/postgres"
	"hansard/internal/store/sqlite"
	"hansard/internal/store/sqlstore"
	"hansard/internal/store/storetest/engine"
	"hansard/internal/task"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.yaml.in/yaml/v3"
)

// scrape is what Prometheus gets.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// has holds a scrape to lines that must be in it.
func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			name, _, _ = strings.Cut(name, " ")
			t.Errorf("no line %s among\n%s", line, strings.Join(regexp.MustCompile(`(?m)^`+name+`.*$`).FindAllString(text, -1), "\n"))
		}
	}
}

// newMetrics has counted one of everything that has labels.
func newMetrics(t *testing.T) *metrics.Metrics {
	t.Helper()
	m := metrics.New(metrics.Build{Version: "1.2.3", Commit: "abc", Go: "go1"})
	s := m.Store(engine.Open(t, nil))
	m.WatchQueue(t.Context(), s)
	a := store.App{Name: "app", Key: "key", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Enqueue(t.Context(), &store.Task{ID: "t", App: a.ID, Kind: task.Import, Request: []byte(`{}`)}, nil); err != nil {
		t.Fatal(err)
	}
	m.Blob(openDisk(t))
	m.Kinds(task.Kinds()...)
	done := &store.Task{Kind: task.ExportChannels, Attempt: 2, Request: []byte(`{"version":"v2","format":"csv"}`)}
	m.Started(done)
	m.Ended(done, store.Outcome{Status: store.Completed, Result: []byte(`{"size":300,"counts":{"messages":7}}`)}, time.Minute)
	m.Started(done)
	m.Lost(done)
	m.Slots(3)
	m.SpanDone()
	m.SpanTakenOver()
	m.Request("/tasks/{id}", "GET", 200, time.Second)
	m.RateLimited("export_users")
	return m
}

func openDisk(t *testing.T) *disk.Store {
	t.Helper()
	signer, err := auth.NewURLSigner(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(t.TempDir(), disk.Options{Signer: signer, PublicURL: func() string { return "http://x" }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func put(ctx context.Context, s blob.Store, key, content string) error {
	w, err := s.Create(ctx, key)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, content); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit()
}

func TestScrape(t *testing.T) {
	t.Parallel()
	text := scrape(t, newMetrics(t))
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	has(t, text,
		`hansard_build_info{commit="abc",goversion="go1",version="1.2.3"} 1`,
		`hansard_queue_tasks{app="key",kind="import",status="waiting"} 1`,
		`hansard_export_bytes_total{format="csv",kind="export.channels",version="v2"} 300`,
		`hansard_export_messages_total{format="csv",kind="export.channels",version="v2"} 7`,
		`hansard_task_attempts_total{kind="export.channels"} 2`,
		`hansard_task_retries_total{kind="export.channels"} 2`,
		`hansard_task_leases_lost_total{kind="export.channels"} 1`,
		`hansard_task_leases_lost_total{kind="import"} 0`,
		`hansard_tasks_finished_total{kind="export.channels",status="completed"} 1`,
		`hansard_tasks_running{kind="export.channels"} 0`,
		`hansard_task_attempt_duration_seconds_sum{kind="export.channels",status="completed"} 60`,
		`hansard_worker_slots 3`,
		`hansard_export_spans_done_total 1`,
		`hansard_export_spans_taken_over_total 1`,
		`hansard_http_requests_total{method="GET",route="/tasks/{id}",status="200"} 1`,
		`hansard_http_rate_limited_requests_total{limit="export_users"} 1`,
		`hansard_store_operation_duration_seconds_count{operation="enqueue"} 1`,
		`hansard_store_errors_total{operation="claim"} 0`,
		`hansard_blob_errors_total{operation="put"} 0`,
	)
}

// names are those of all metrics of ours.
func names(text string) []string {
	var all []string
	for _, found := range regexp.MustCompile(`(?m)^# TYPE (hansard_\w+) `).FindAllStringSubmatch(text, -1) {
		all = append(all, found[1])
	}
	return all
}

// The documentation has every metric, and no other.
func TestDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, found := range regexp.MustCompile("(?m)^\\| `(hansard_\\w+)`").FindAllStringSubmatch(string(doc), -1) {
		told = append(told, found[1])
	}
	slices.Sort(told)
	if diff := cmp.Diff(names(scrape(t, newMetrics(t))), told); diff != "" {
		t.Error("metrics (-) and docs/operations.md (+) differ:", diff)
	}
}

// The alerts are about metrics that there are, and are documented.
func TestAlerts(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var alerts struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(file, &alerts); err != nil || len(alerts.Groups) != 1 {
		t.Fatalf("%+v, %v", alerts, err)
	}
	known := names(scrape(t, newMetrics(t)))
	var told []string
	for _, found := range regexp.MustCompile("(?m)^\\| `(Hansard\\w+)`").FindAllStringSubmatch(string(doc), -1) {
		told = append(told, found[1])
	}
	var have []string
	for _, r := range alerts.Groups[0].Rules {
		have = append(have, r.Alert)
		if r.Expr == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
			t.Errorf("%s is not whole", r.Alert)
		}
		for _, name := range regexp.MustCompile(`hansard_\w+`).FindAllString(r.Expr, -1) {
			if !slices.Contains(known, strings.TrimSuffix(name, "_bucket")) {
				t.Errorf("%s is about %s, which there is not", r.Alert, name)
			}
		}
	}
	slices.Sort(have)
	slices.Sort(told)
	if diff := cmp.Diff(have, told); diff != "" {
		t.Error("alerts (-) and docs/operations.md (+) differ:", diff)
	}
}

// Wrapping must not hide what an engine can do: see store.As.
func TestNothingOfAStoreIsHidden(t *testing.T) {
	t.Parallel()
	s := engine.Open(t, nil)
	w := metrics.New(metrics.Build{}).Store(s)
	if engine.Postgres() {
		if got, ok := store.As[*postgres.Store](w); !ok || got != s {
			t.Errorf("got %T", got)
		}
	} else if got, ok := store.As[*sqlite.Store](w); !ok || got != s {
		t.Errorf("got %T", got)
	}
	if got, ok := store.As[interface{ NoStoreCanDoThis() }](w); ok {
		t.Errorf("got %T", got)
	}
	// What a snapshot can do beyond the interface would be hidden.
	a := store.App{Name: "app", Key: "key", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	known, engines := reflect.TypeFor[store.Snapshot](), reflect.TypeFor[sqlstore.Reader]() // which is for engines
	for m := range reflect.TypeOf(snap).Methods() {
		_, ok := known.MethodByName(m.Name)
		if _, own := engines.MethodByName(m.Name); !ok && !own {
			t.Errorf("a snapshot has the method %s, which store.Snapshot has not: a watched one hides it", m.Name)
		}
	}
}

func TestFilesKeepWhatTheyCan(t *testing.T) {
	t.Parallel()
	type both struct {
		blob.Store
		blob.Multipart
		server.Files
	}
	for name, s := range map[string]blob.Store{
		"disk": openDisk(t), "s3": &s3.Store{}, "both": &both{}, "neither": struct{ blob.Store }{},
	} {
		w := metrics.New(metrics.Build{}).Blob(s)
		_, had := s.(blob.Multipart)
		if _, has := w.(blob.Multipart); has != had {
			t.Errorf("%s: in parts: %v, want %v", name, has, had)
		}
		_, had = s.(server.Files)
		if _, has := w.(server.Files); has != had {
			t.Errorf("%s: serves: %v, want %v", name, has, had)
		}
	}
}

// A watched store of files is one of files.
func TestConformance(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Store { return metrics.New(metrics.Build{}).Blob(openDisk(t)) })
}

func TestFiles(t *testing.T) {
	t.Parallel()
	d := openDisk(t)
	m := metrics.New(metrics.Build{})
	s := m.Blob(d)
	for _, step := range []func() error{
		func() error { return put(t.Context(), s, "a/b", "hello") },
		func() error {
			w, err := blob.CreateNew(t.Context(), s, "a/b")
			if err != nil {
				return err
			}
			if err := w.Commit(); !errors.Is(err, blob.ErrExists) {
				return fmt.Errorf("the file was replaced: %w", err)
			}
			return w.Abort()
		},
		func() error {
			r, _, err := s.Open(t.Context(), "a/b")
			if err != nil {
				return err
			}
			if b, err := io.ReadAll(r); err != nil || string(b) != "hello" {
				t.Errorf("read %q, %v", b, err)
			}
			return r.Close()
		},
		func() error {
			_, err := s.Stat(t.Context(), "a/c")
			if errors.Is(err, blob.ErrNotFound) {
				return nil
			}
			return err
		},
		func() error { _, err := s.SignGet(t.Context(), "a/b", time.Minute); return err },
		func() error { _, err := s.SignPut(t.Context(), "a/b", time.Minute); return err },
		func() error { return s.Sweep(t.Context(), time.Hour) },
		func() error { return s.Delete(t.Context(), "a/b") },
	} {
		if err := step(); err != nil {
			t.Error(err)
		}
	}
	own := errors.New("own")
	if err := put(t.Context(), s, "a/b", "again"); err != nil {
		t.Fatal(err)
	}
	if err := s.List(t.Context(), "a/", func(blob.Info) error { return own }); !errors.Is(err, own) {
		t.Error(err)
	}
	text := scrape(t, m)
	for call, n := range map[string]int{"put": 3, "get": 1, "stat": 1, "delete": 1, "list": 1, "sign": 2, "sweep": 1} {
		has(t, text, fmt.Sprintf(`hansard_blob_operation_duration_seconds_count{operation=%q} %d`, call, n),
			fmt.Sprintf(`hansard_blob_errors_total{operation=%q} 0`, call))
	}
	has(t, text, "hansard_blob_written_bytes_total 10", "hansard_blob_read_bytes_total 5")

	// Faults count.
	_ = d.Close()
	if err := s.Delete(t.Context(), "a/b"); err == nil {
		t.Error("a file was deleted from a store that is closed")
	}
	if _, _, err := s.Open(t.Context(), "a/b"); err == nil {
		t.Error("a file was opened from a store that is closed")
	}
	has(t, scrape(t, m), `hansard_blob_errors_total{operation="delete"} 1`, `hansard_blob_errors_total{operation="get"} 1`)
}

func TestStoreCalls(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Build{})
	under := engine.Open(t, nil)
	s := m.Store(under)
	a := store.App{Name: "app", Key: "key", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), a.ID, func(tx store.Tx) error {
		_, err := tx.PutUser(&chat.User{ID: "ann", Role: "user", CreatedAt: 1, UpdatedAt: 1})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	// Refusals are no faults.
	for _, err := range []error{wire.Errorf(wire.CodeBadInput, "no"), wire.BadField("x", "is bad"), task.Failf("X", "x"), store.ErrNotFound, context.Canceled} {
		if got := s.View(t.Context(), a.ID, func(store.Reader) error { return fmt.Errorf("so: %w", err) }); !errors.Is(got, err) {
			t.Errorf("got %v, want %v", got, err)
		}
	}
	first, err := s.Snapshot(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Snapshot(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	has(t, scrape(t, m), "hansard_store_snapshots_open 2")
	for _, snap := range []store.Snapshot{first, second} {
		if err := snap.Close(); err != nil {
			t.Error(err)
		}
	}
	if first.Close() == nil {
		t.Error("closed twice")
	}
	if _, err := s.Heartbeat(t.Context(), "none", 1, time.Second, store.Progress{}); !errors.Is(err, store.ErrLeaseLost) {
		t.Error(err)
	}
	text := scrape(t, m)
	has(t, text, "hansard_store_snapshots_open 0",
		`hansard_store_operation_duration_seconds_count{operation="update"} 1`,
		`hansard_store_operation_duration_seconds_count{operation="view"} 5`,
		`hansard_store_operation_duration_seconds_count{operation="snapshot"} 2`,
		`hansard_store_operation_duration_seconds_count{operation="heartbeat"} 1`)
	if counted := regexp.MustCompile(`(?m)^hansard_store_errors_total.* [1-9].*$`).FindString(text); counted != "" {
		t.Errorf("refusals count as faults: %s", counted)
	}
	late, done := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer done()
	if err := s.View(late, a.ID, func(store.Reader) error { return nil }); err == nil {
		t.Error("a view after its time")
	}
	has(t, scrape(t, m), `hansard_store_errors_total{operation="view"} 1`)
}

// manyApps has a long backlog, or none that can be looked at.
type manyApps struct {
	store.Tasks
	apps  int
	looks atomic.Int64
	err   error
}

func (q *manyApps) Backlog(context.Context) ([]store.Backlog, error) {
	q.looks.Add(1)
	var rows []store.Backlog
	for i := range q.apps {
		rows = append(rows, store.Backlog{App: fmt.Sprintf("app-%04d", i), Kind: "import", Status: store.Waiting, Tasks: i + 1, Oldest: time.Second})
	}
	return rows, q.err
}

// However many apps have tasks, the metrics do not grow without bound, and the
// sum is right. Looking costs little.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Build{})
	q := &manyApps{apps: 3000}
	m.WatchQueue(t.Context(), q)
	text := scrape(t, m)
	if n := strings.Count(text, "\nhansard_queue_tasks{"); n != 501 {
		t.Errorf("%d apps are shown", n)
	}
	has(t, text, `hansard_queue_tasks{app="app-2999",kind="import",status="waiting"} 3000`,
		`hansard_queue_tasks{app="(other)",kind="import",status="waiting"} 3.12625e+06`,
		`hansard_queue_oldest_age_seconds{app="(other)",kind="import",status="waiting"} 1`)
	for range 10 {
		scrape(t, m)
	}
	if n := q.looks.Load(); n > 2 {
		t.Errorf("the queue was looked at %d times", n)
	}

	m = metrics.New(metrics.Build{})
	m.WatchQueue(t.Context(), &manyApps{apps: 1, err: errors.New("away")})
	text = scrape(t, m)
	has(t, scrape(t, m), "hansard_queue_failures_total 1")
	if strings.Contains(text, "hansard_queue_tasks{") {
		t.Error("a queue that cannot be looked at is shown")
	}
}

// Without metrics nothing is counted, and nothing breaks.
func TestNil(t *testing.T) {
	t.Parallel()
	var m *metrics.Metrics
	m.Started(nil)
	m.Ended(nil, store.Outcome{}, 0)
	m.Lost(nil)
	m.Kinds("x")
	m.Slots(1)
	m.SpanDone()
	m.SpanTakenOver()
	m.Request("", "", 0, 0)
	m.InFlight(1)
	m.RateLimited("")
	m.WatchQueue(t.Context(), nil)
	if m.Store(nil) != nil || m.Blob(nil) != nil {
		t.Error("something was wrapped")
	}
}
