package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"hansard/internal/blob"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// checkTimeout bounds each check of readyz.
const checkTimeout = 2 * time.Second

// healthz says that the process answers.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) error {
	body, err := withDuration([]byte(`{"status":"ok"}`), s.took(exchangeOf(r)))
	if err == nil {
		write(w, r, http.StatusOK, body)
	}
	return err
}

// readyz says whether the parts that requests need do answer: 200 if all of
// them, 503 otherwise.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	checks := []struct {
		name string
		fn   func(context.Context) error
	}{
		{"database", s.opts.Store.Ping},
		{"storage", s.checkStorage},
		{"queue", s.checkQueue},
	}
	status, code := "ok", http.StatusOK
	var list []byte
	for _, check := range checks {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		err := check.fn(ctx)
		cancel()
		outcome := "ok"
		if err != nil {
			s.log.Warn("not ready", "check", check.name, "error", err)
			outcome, status, code = "failed", "unavailable", http.StatusServiceUnavailable
		}
		if list != nil {
			list = append(list, ',')
		}
		list = append(wire.AppendString(list, check.name), ':')
		list = wire.AppendString(list, outcome)
	}
	body := wire.AppendString([]byte(`{"status":`), status)
	body = append(append(append(body, `,"checks":{`...), list...), `}}`...)
	body, err := withDuration(body, s.took(exchangeOf(r)))
	if err == nil {
		write(w, r, code, body)
	}
	return err
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
