package server

import (
	"context"
	"strconv"

	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"
)

// maxIdempotencyKey is the longest Idempotency-Key, in bytes.
const maxIdempotencyKey = 255

func (s *Server) exportChannels(r *Request) (Answer, error) {
	return s.request(r, s.opts.Exports.RequestChannels)
}

func (s *Server) exportUsers(r *Request) (Answer, error) {
	return s.request(r, s.opts.Exports.RequestUsers)
}

// request hands a request for an export on, and answers the task's id.
func (s *Server) request(r *Request, enqueue func(context.Context, store.App, []byte, string) (string, error)) (Answer, error) {
	key := r.http.Header.Get("Idempotency-Key")
	if len(key) > maxIdempotencyKey {
		return Answer{}, wire.Errorf(wire.CodeBadInput, "Idempotency-Key must have at most %d bytes", maxIdempotencyKey)
	}
	id, err := enqueue(r.Context(), r.App, r.Body, key)
	if err != nil {
		return Answer{}, err
	}
	s.enqueued()
	body := wire.AppendString([]byte(`{"task_id":`), id)
	return Answer{Body: append(body, '}')}, nil
}

func (s *Server) enqueued() {
	if s.opts.OnEnqueue != nil {
		s.opts.OnEnqueue()
	}
}

// exportStatus answers the task of a channels export, and knows no other.
func (s *Server) exportStatus(r *Request) (Answer, error) {
	t, err := s.task(r, r.Path("id"))
	if err != nil {
		return Answer{}, err
	}
	if t.Kind != task.ExportChannels {
		return Answer{}, errNoTask()
	}
	return s.answerTask(r, t)
}

func (s *Server) exportUser(r *Request) (Answer, error) {
	id := r.Path("id")
	if !wire.ValidID(id, wire.MaxUserID) {
		// Nobody can have this id, which is all there is to say.
		return Answer{}, wire.Errorf(wire.CodeNotFound, "there is no such user")
	}
	body, err := s.opts.Exports.UserExport(r.Context(), r.App, id)
	return Answer{Body: body}, err
}

// intParam reads a whole number between 0 and most from the query.
func intParam(r *Request, name string, fallback, most int) (int, error) {
	text := r.Query.Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, wire.BadField(name, "must be a whole number between 0 and %d", most)
	}
	return n, nil
}
