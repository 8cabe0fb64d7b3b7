package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"testing"

	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/task"
)

// userFixture is a fixture for tests about users.
type userFixture struct{ *fixture }

func newUserFixture(t *testing.T) *userFixture { return &userFixture{newFixture(t)} }

type plainCall func(ctx context.Context, app int64, body []byte) ([]byte, error)

// call binds a method that takes a body.
func (f *userFixture) call(fn plainCall) call {
	return func(body string) ([]byte, error) { return fn(f.t.Context(), f.app, []byte(body)) }
}

type userCall func(ctx context.Context, app int64, id string, q url.Values, body []byte) ([]byte, error)

// onUser binds a method that takes a user, a query and a body.
func (f *userFixture) onUser(fn userCall, id, query string) call {
	return func(body string) ([]byte, error) {
		q, err := url.ParseQuery(query)
		if err != nil {
			f.t.Fatal(err)
		}
		return fn(f.t.Context(), f.app, id, q, []byte(body))
	}
}

// taskOf is the task that an answer names.
func (f *userFixture) taskOf(answer map[string]any) *task.Attempt {
	f.t.Helper()
	id, _ := answer["task_id"].(string)
	t, err := f.store.Task(f.t.Context(), f.app, id)
	if err != nil {
		f.t.Fatal(err)
	}
	return &task.Attempt{Task: *t}
}

// run does what a worker would, and returns the task's result.
func (f *userFixture) run(a *task.Attempt) map[string]any {
	f.t.Helper()
	out, err := f.live.Handlers()[a.Task.Kind](f.t.Context(), a)
	if err != nil {
		f.t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(out, &v); err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (f *userFixture) view(fn func(store.Reader) error) {
	f.t.Helper()
	if err := f.store.View(f.t.Context(), f.app, fn); err != nil {
		f.t.Fatal(err)
	}
}

// userNow is a user as exports show it; nil if there is none with that id.
func (f *userFixture) userNow(id string) map[string]any {
	f.t.Helper()
	var v map[string]any
	f.view(func(r store.Reader) error {
		key, err := r.UserKey(id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		_, object, err := r.UserByKey(key)
		if err == nil {
			err = json.Unmarshal(object, &v)
		}
		return err
	})
	return v
}

// messageNow is a message as exports show it; nil if there is none.
func (f *userFixture) messageNow(id string) map[string]any {
	f.t.Helper()
	var v map[string]any
	f.view(func(r store.Reader) error {
		row, err := r.Message(id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		object, err := render.New(r).Message(nil, &row)
		if err == nil {
			err = json.Unmarshal(object, &v)
		}
		return err
	})
	return v
}

func (f *userFixture) key(user string) (key int64) {
	f.t.Helper()
	f.view(func(r store.Reader) (err error) {
		key, err = r.UserKey(user)
		return err
	})
	return key
}

func (f *userFixture) idOf(key int64) (id string) {
	f.t.Helper()
	f.view(func(r store.Reader) (err error) {
		id, _, err = r.UserByKey(key)
		return err
	})
	return id
}

func newUsers(t *testing.T) *userFixture {
	f := newUserFixture(t)
	f.must(f.users, `{"users":{"ann":{"id":"ann","name":"Ann"},"bob":{"id":"bob"},"eve":{"id":"eve"}}}`)
	return f
}
