package metrics

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"hansard/internal/store"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	queueLife    = 5 * time.Second // for which one look at the queue is shown
	queueTimeout = 2 * time.Second // for a look
	queueApps    = 500             // apps that are shown one by one
	// otherApps is in place of an API key, which cannot look like this.
	otherApps = "(other)"
)

// queue looks at the queue when metrics are asked for, every few seconds at most.
type queue struct {
	look     func() ([]store.Backlog, error)
	tasks    *prometheus.Desc
	oldest   *prometheus.Desc
	failures prometheus.Counter

	mu   sync.Mutex
	at   time.Time // of the last look
	rows []store.Backlog
}

// WatchQueue shows the queue among the metrics, for as long as ctx lasts.
func (m *Metrics) WatchQueue(ctx context.Context, tasks store.Tasks) {
	if m == nil {
		return
	}
	labels := []string{"app", "kind", "status"}
	q := &queue{
		look: func() ([]store.Backlog, error) {
			ctx, done := context.WithTimeout(ctx, queueTimeout)
			defer done()
			return tasks.Backlog(ctx)
		},
		tasks:  prometheus.NewDesc("hansard_queue_tasks", "Unfinished tasks in the queue, of all processes; the first 50,000 are counted.", labels, nil),
		oldest: prometheus.NewDesc("hansard_queue_oldest_age_seconds", "Time since the oldest of these tasks was asked for.", labels, nil),
	}
	q.failures = prometheus.NewCounter(prometheus.CounterOpts{Name: "hansard_queue_failures_total", Help: "Looks at the queue, for these metrics, that failed."})
	factory{m.registry}.add(q)
}

// Describe is for the registry.
func (q *queue) Describe(descs chan<- *prometheus.Desc) {
	descs <- q.tasks
	descs <- q.oldest
	descs <- q.failures.Desc()
}

// Collect is for the registry.
func (q *queue) Collect(metrics chan<- prometheus.Metric) {
	for _, b := range q.backlog() {
		labels := []string{b.App, b.Kind, string(b.Status)}
		metrics <- prometheus.MustNewConstMetric(q.tasks, prometheus.GaugeValue, float64(b.Tasks), labels...)
		metrics <- prometheus.MustNewConstMetric(q.oldest, prometheus.GaugeValue, b.Oldest.Seconds(), labels...)
	}
	metrics <- q.failures // with the look that was just taken
}

// backlog is what the queue was at the last look. Who comes while somebody looks
// waits and sees the same.
func (q *queue) backlog() []store.Backlog {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.at.IsZero() && time.Since(q.at) < queueLife {
		return q.rows
	}
	rows, err := q.look()
	if err != nil {
		q.failures.Inc()
		rows = nil // better nothing than what was
	}
	q.rows, q.at = fold(rows), time.Now()
	return q.rows
}

// fold leaves the apps with the most tasks as they are and adds up the others.
func fold(rows []store.Backlog) []store.Backlog {
	size := map[string]int{}
	for _, b := range rows {
		size[b.App] += b.Tasks
	}
	if len(size) <= queueApps {
		return rows
	}
	apps := make([]string, 0, len(size))
	for app := range size {
		apps = append(apps, app)
	}
	slices.SortFunc(apps, func(a, b string) int { return cmp.Or(size[b]-size[a], cmp.Compare(a, b)) })
	shown := map[string]bool{}
	for _, app := range apps[:queueApps] {
		shown[app] = true
	}
	type group struct {
		kind   string
		status store.TaskStatus
	}
	others := map[group]store.Backlog{}
	kept := rows[:0]
	for _, b := range rows {
		if shown[b.App] {
			kept = append(kept, b)
			continue
		}
		g := group{b.Kind, b.Status}
		sum := others[g]
		others[g] = store.Backlog{App: otherApps, Kind: b.Kind, Status: b.Status, Tasks: sum.Tasks + b.Tasks, Oldest: max(sum.Oldest, b.Oldest)}
	}
	for _, b := range others {
		kept = append(kept, b)
	}
	return kept
}
