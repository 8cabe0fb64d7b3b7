package server

import (
	"context"
	"net/url"

	"hansard/internal/wire"
)

// The handlers of the data API are methods of live.Service in the main: they
// take what the request brings and give the answer. These make operations of
// them, by what the path names.

// plain serves what the path says nothing about.
func plain(fn func(ctx context.Context, app int64, body []byte) ([]byte, error)) func(*Request) (Answer, error) {
	return func(r *Request) (Answer, error) {
		body, err := fn(r.Context(), r.App.ID, r.Body)
		return Answer{Body: body}, err
	}
}

// payload is plain for a GET, whose body is the query's "payload".
func payload(fn func(ctx context.Context, app int64, body []byte) ([]byte, error)) func(*Request) (Answer, error) {
	return func(r *Request) (Answer, error) {
		body, err := fn(r.Context(), r.App.ID, []byte(r.Query.Get("payload")))
		return Answer{Body: body}, err
	}
}

// onUser serves what is about the user in the path.
func onUser(fn func(ctx context.Context, app int64, id string, q url.Values, body []byte) ([]byte, error)) func(*Request) (Answer, error) {
	return onID("user", wire.MaxUserID, fn)
}

// onMessage serves what is about the message in the path.
func onMessage(fn func(ctx context.Context, app int64, id string, q url.Values, body []byte) ([]byte, error)) func(*Request) (Answer, error) {
	return onID("message", wire.MaxMessageID, fn)
}

func onID(what string, most int, fn func(ctx context.Context, app int64, id string, q url.Values, body []byte) ([]byte, error),
) func(*Request) (Answer, error) {
	return func(r *Request) (Answer, error) {
		id := r.Path("id")
		if !wire.ValidID(id, most) {
			// Nobody can have this id, which is all there is to say.
			return Answer{}, wire.Errorf(wire.CodeNotFound, "there is no such %s", what)
		}
		body, err := fn(r.Context(), r.App.ID, id, r.Query, r.Body)
		return Answer{Body: body}, err
	}
}

// onChannel serves what is about the channel in the path.
func onChannel(fn func(ctx context.Context, app int64, typ, id string, q url.Values, body []byte) ([]byte, error),
) func(*Request) (Answer, error) {
	return func(r *Request) (Answer, error) {
		body, err := fn(r.Context(), r.App.ID, r.Path("type"), r.Path("id"), r.Query, r.Body)
		return Answer{Body: body}, err
	}
}

// queued wraps a handler that enqueues a task, so that workers know at once.
func (s *Server) queued(handle func(*Request) (Answer, error)) func(*Request) (Answer, error) {
	return func(r *Request) (Answer, error) {
		a, err := handle(r)
		if err == nil {
			s.enqueued()
		}
		return a, err
	}
}
