package metrics

import (
	"encoding/json"
	"slices"
	"time"

	"hansard/internal/store"
	"hansard/internal/task"
)

var _ task.Observer = (*Metrics)(nil)

// Kinds puts the kinds of tasks at zero, for those that a worker runs.
func (m *Metrics) Kinds(kinds ...string) {
	if m == nil {
		return
	}
	for _, kind := range kinds {
		m.attempts.WithLabelValues(kind)
		m.retries.WithLabelValues(kind)
		m.leasesLost.WithLabelValues(kind)
		m.running.WithLabelValues(kind)
		for _, status := range []store.TaskStatus{store.Completed, store.Failed} {
			m.finished.WithLabelValues(kind, string(status))
		}
	}
}

// Started counts an attempt that begins.
func (m *Metrics) Started(t *store.Task) {
	if m == nil {
		return
	}
	m.attempts.WithLabelValues(t.Kind).Inc()
	if t.Attempt > 1 {
		m.retries.WithLabelValues(t.Kind).Inc()
	}
	m.running.WithLabelValues(t.Kind).Inc()
}

// Ended counts an attempt whose end the store has.
func (m *Metrics) Ended(t *store.Task, o store.Outcome, took time.Duration) {
	if m == nil {
		return
	}
	m.running.WithLabelValues(t.Kind).Dec()
	m.attemptTime.WithLabelValues(t.Kind, string(o.Status)).Observe(took.Seconds())
	if o.Status.Final() {
		m.finished.WithLabelValues(t.Kind, string(o.Status)).Inc()
	}
	if o.Status == store.Completed && (t.Kind == task.ExportChannels || t.Kind == task.ExportUsers) {
		m.exported(t, o.Result)
	}
}

// Lost counts an attempt that was given up.
func (m *Metrics) Lost(t *store.Task) {
	if m == nil {
		return
	}
	m.running.WithLabelValues(t.Kind).Dec()
	m.leasesLost.WithLabelValues(t.Kind).Inc()
}

// exported counts what is in the file of a finished export, as its result says.
func (m *Metrics) exported(t *store.Task, result []byte) {
	request := struct {
		Version string `json:"version"`
		Format  string `json:"format"`
	}{"v2", "json"} // exports of users do not say
	var r struct {
		Size   int64 `json:"size"`
		Counts struct {
			Messages int64 `json:"messages"`
		} `json:"counts"`
	}
	if json.Unmarshal(t.Request, &request) != nil || json.Unmarshal(result, &r) != nil {
		return
	}
	labels := []string{t.Kind, among(request.Version, "v1", "v2"), among(request.Format, "json", "csv", "parquet")}
	m.exportBytes.WithLabelValues(labels...).Add(float64(max(r.Size, 0)))
	m.exportMessages.WithLabelValues(labels...).Add(float64(max(r.Counts.Messages, 0)))
}

// among is v if it is one of the known values: a newer process may have stored
// another.
func among(v string, known ...string) string {
	if slices.Contains(known, v) {
		return v
	}
	return "other"
}
