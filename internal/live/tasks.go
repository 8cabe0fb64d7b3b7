package live

import (
	"context"

	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"

	"github.com/google/uuid"
)

// Handlers run the tasks that requests of the data API enqueue.
func (s *Service) Handlers() map[string]task.Handler {
	return map[string]task.Handler{
		task.DeleteUsers:     s.runDeleteUsers,
		task.DeactivateUsers: s.runDeactivateUsers,
		task.ReactivateUsers: s.runReactivateUsers,
		task.DeleteChannels:  s.runDeleteChannels,
		task.DeleteCalls:     s.runCallDeletion,
	}
}

// enqueue stores a task and gives the answer that names it.
func (s *Service) enqueue(ctx context.Context, app int64, kind string, request []byte) ([]byte, error) {
	t, err := s.Store.Enqueue(ctx, &store.Task{ID: uuid.NewString(), App: app, Kind: kind, Request: request}, nil)
	if err != nil {
		return nil, err
	}
	return append(wire.AppendString([]byte(`{"task_id":`), t.ID), '}'), nil
}

// allOK is the result of a task that did the same to each of ids.
func allOK(ids []string) []byte {
	out := []byte{'{'}
	for i, id := range ids {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(wire.AppendString(out, id), `:{"status":"ok"}`...)
	}
	return append(out, '}')
}
