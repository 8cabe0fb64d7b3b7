package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Build says what this program was built from.
type Build struct {
	Version, Commit, Go string
}

// Metrics counts. Make one with New.
type Metrics struct {
	registry *prometheus.Registry

	storeTime   *prometheus.HistogramVec
	storeErrors *prometheus.CounterVec
	snapshots   prometheus.Gauge

	blobTime    *prometheus.HistogramVec
	blobErrors  *prometheus.CounterVec
	blobWritten prometheus.Counter
	blobRead    prometheus.Counter

	attempts    *prometheus.CounterVec
	retries     *prometheus.CounterVec
	attemptTime *prometheus.HistogramVec
	finished    *prometheus.CounterVec
	leasesLost  *prometheus.CounterVec
	running     *prometheus.GaugeVec
	slots       prometheus.Gauge

	exportBytes    *prometheus.CounterVec
	exportMessages *prometheus.CounterVec
	spansDone      prometheus.Counter
	spansTakenOver prometheus.Counter

	requests    *prometheus.CounterVec
	requestTime *prometheus.HistogramVec
	inFlight    prometheus.Gauge
	limited     *prometheus.CounterVec
}

// From a transaction on a fast disk to a request that is retried for a minute.
var callBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// Routes are many, so their histograms have fewer steps.
var requestBuckets = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30}

// From the export of a small channel to that of everything.
var taskBuckets = []float64{.05, .25, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600}

// New makes metrics with everything at zero.
func New(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	f := factory{m.registry}
	f.add(collectors.NewGoCollector())
	f.add(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	f.gauges("hansard_build_info", "What this process was built from; always 1.", "version", "commit", "goversion").
		WithLabelValues(b.Version, b.Commit, b.Go).Set(1)

	m.storeTime = f.histograms("hansard_store_operation_duration_seconds",
		"Time that calls of the store took; of view and update with the work in the transaction.", callBuckets, "operation")
	m.storeErrors = f.counters("hansard_store_errors_total", "Calls of the store that failed, other than by a refusal.", "operation")
	m.snapshots = f.gauge("hansard_store_snapshots_open", "Snapshots of the store that this process holds open.")

	m.blobTime = f.histograms("hansard_blob_operation_duration_seconds",
		"Time that operations on files took; of put all the time that one file was waited for, of get until it was opened.", callBuckets, "operation")
	m.blobErrors = f.counters("hansard_blob_errors_total", "Operations on files that failed; a file that is not there is no error.", "operation")
	m.blobWritten = f.counter("hansard_blob_written_bytes_total", "Bytes of files that were written, before they were complete too.")
	m.blobRead = f.counter("hansard_blob_read_bytes_total", "Bytes of files that were read; downloads are not among them.")

	m.attempts = f.counters("hansard_task_attempts_total", "Attempts at tasks that were begun.", "kind")
	m.retries = f.counters("hansard_task_retries_total", "Attempts at tasks that had failed before, or whose worker was lost.", "kind")
	m.attemptTime = f.histograms("hansard_task_attempt_duration_seconds",
		"Time that attempts took, by what became of the task: waiting is handed back, pending is to be tried again.", taskBuckets, "kind", "status")
	m.finished = f.counters("hansard_tasks_finished_total", "Tasks that workers completed or failed.", "kind", "status")
	m.leasesLost = f.counters("hansard_task_leases_lost_total", "Attempts that were given up, since another worker may have taken the task over.", "kind")
	m.running = f.gauges("hansard_tasks_running", "Tasks that this process runs.", "kind")
	m.slots = f.gauge("hansard_worker_slots", "Tasks that this process runs at once, at most.")

	m.exportBytes = f.counters("hansard_export_bytes_total", "Size of the export files that were completed.", "kind", "version", "format")
	m.exportMessages = f.counters("hansard_export_messages_total", "Messages in the export files that were completed.", "kind", "version", "format")
	m.spansDone = f.counter("hansard_export_spans_done_total", "Spans of large exports that were done.")
	m.spansTakenOver = f.counter("hansard_export_spans_taken_over_total", "Spans of large exports that were taken over from a worker that was lost.")

	m.requests = f.counters("hansard_http_requests_total",
		"HTTP requests by the pattern of their route; the status is 0 if the connection was cut before an answer.", "route", "method", "status")
	m.requestTime = f.histograms("hansard_http_request_duration_seconds", "Time until HTTP requests were answered.", requestBuckets, "route", "method")
	m.inFlight = f.gauge("hansard_http_requests_in_flight", "HTTP requests that are being answered.")
	m.limited = f.counters("hansard_http_rate_limited_requests_total", "Requests that were refused by the rate limit, by what it counts together.", "limit")
	return m
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 8,
	})
}

// Request counts a request that was answered.
func (m *Metrics) Request(route, method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.requestTime.WithLabelValues(route, method).Observe(took.Seconds())
}

// InFlight adds to the requests that are being answered.
func (m *Metrics) InFlight(n int) {
	if m != nil {
		m.inFlight.Add(float64(n))
	}
}

// RateLimited counts a request that was refused by that limit.
func (m *Metrics) RateLimited(limit string) {
	if m != nil {
		m.limited.WithLabelValues(limit).Inc()
	}
}

// Slots says how many tasks this process runs at once.
func (m *Metrics) Slots(n int) {
	if m != nil {
		m.slots.Set(float64(n))
	}
}

// SpanDone counts a span of a large export that was done.
func (m *Metrics) SpanDone() {
	if m != nil {
		m.spansDone.Inc()
	}
}

// SpanTakenOver counts a span that was taken over from a worker that was lost.
func (m *Metrics) SpanTakenOver() {
	if m != nil {
		m.spansTakenOver.Inc()
	}
}

// factory makes what is counted and registers it.
type factory struct{ registry *prometheus.Registry }

// add registers c. Names are constants, so that this cannot fail.
func (f factory) add(c prometheus.Collector) { f.registry.MustRegister(c) }

func (f factory) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	f.add(c)
	return c
}

func (f factory) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	f.add(c)
	return c
}

func (f factory) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	f.add(g)
	return g
}

func (f factory) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	f.add(g)
	return g
}

func (f factory) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	f.add(h)
	return h
}

// operation is one kind of call that is watched.
type operation struct {
	time   prometheus.Observer
	errors prometheus.Counter
}

// operations makes those of the given names, all at zero: a rate of errors
// begins at the first one.
func operations[K ~string](time *prometheus.HistogramVec, errors *prometheus.CounterVec, names ...K) map[K]operation {
	all := make(map[K]operation, len(names))
	for _, name := range names {
		all[name] = operation{time.WithLabelValues(string(name)), errors.WithLabelValues(string(name))}
	}
	return all
}

// ended notes a call that began at start.
func (o operation) ended(start time.Time, failed bool) {
	o.time.Observe(time.Since(start).Seconds())
	if failed {
		o.errors.Inc()
	}
}
