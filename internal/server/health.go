package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"hansard/internal/blob"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// Where those look who look after this process.
const (
	healthRoute  = "/healthz"
	readyRoute   = "/readyz"
	metricsRoute = "/metrics"
)

// checkTimeout bounds the checks of readyz, which are made at once.
const checkTimeout = 2 * time.Second

// healthz says that the process answers.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) error {
	body, err := withDuration([]byte(`{"status":"ok"}`), s.took(exchangeOf(r)))
	if err == nil {
		write(w, r, http.StatusOK, body)
	}
	return err
}

// readyz says whether this process can do its work: 200 if the parts that it
// needs do answer, 503 otherwise and when it is about to stop.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	checks := []struct {
		name string
		fn   func(context.Context) error
	}{
		{"database", s.opts.Store.Ping},
		{"storage", s.checkStorage},
		{"queue", s.checkQueue},
	}
	errs := make([]error, len(checks))
	var checking sync.WaitGroup
	for i, check := range checks {
		checking.Go(func() { errs[i] = s.check(r.Context(), check.name, check.fn) })
	}
	checking.Wait()
	status, code := "ok", http.StatusOK
	var list []byte
	for i, check := range checks {
		outcome := "ok"
		if errs[i] != nil {
			s.log.Warn("not ready", "check", check.name, "error", errs[i])
			outcome, status, code = "failed", "unavailable", http.StatusServiceUnavailable
		}
		if list != nil {
			list = append(list, ',')
		}
		list = append(wire.AppendString(list, check.name), ':')
		list = wire.AppendString(list, outcome)
	}
	if s.opts.Draining != nil && s.opts.Draining() {
		status, code = "draining", http.StatusServiceUnavailable
	}
	body := wire.AppendString([]byte(`{"status":`), status)
	body = append(append(append(body, `,"checks":{`...), list...), `}}`...)
	body, err := withDuration(body, s.took(exchangeOf(r)))
	if err == nil {
		write(w, r, code, body)
	}
	return err
}

// check runs fn for all who ask meanwhile, and does not wait for one that does
// not end in time.
func (s *Server) check(ctx context.Context, name string, fn func(context.Context) error) error {
	shared := context.WithoutCancel(ctx)
	answer := s.checks.DoChan(name, func() (any, error) {
		bound, cancel := context.WithTimeout(shared, checkTimeout)
		defer cancel()
		return nil, fn(bound)
	})
	wait, cancel := context.WithTimeout(ctx, checkTimeout+checkTimeout/4)
	defer cancel()
	select {
	case a := <-answer:
		return a.Err
	case <-wait.Done():
		return wait.Err()
	}
}

// checkStorage asks for a file that is never there.
func (s *Server) checkStorage(ctx context.Context) error {
	_, err := s.opts.Blob.Stat(ctx, "exports/readyz")
	if errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	return err
}

func (s *Server) checkQueue(ctx context.Context) error {
	_, err := s.opts.Store.ListTasks(ctx, store.TaskQuery{Limit: 1})
	return err
}
