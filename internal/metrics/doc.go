// Package metrics counts what happens and shows it to Prometheus.
//
// A [Metrics] belongs to a process. It watches a store and a blob store by
// wrapping them, is told of attempts (it is a task.Observer) and of HTTP
// requests, and looks at the queue when it is asked for metrics. All methods may
// be called on a nil *Metrics, which counts nothing.
//
// Labels hold what has few values: operations, kinds, routes, and the API keys of
// apps that have tasks in the queue. No ids, no paths, nothing that a client
// sends. Nothing is counted by message.
package metrics
