package live_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"hansard/internal/live"
	"hansard/internal/store"
	"hansard/internal/store/storetest"
	"hansard/internal/store/storetest/engine"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// fixture is a store with one app, and a clock that stands still.
type fixture struct {
	t     *testing.T
	store store.Store
	live  *live.Service
	app   int64

	mu  sync.Mutex
	now time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	s := engine.Open(t, nil)
	app := store.App{Name: "test", Key: "test", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	f.store, f.app = s, app.ID
	f.live = &live.Service{Store: storetest.Rerun(s), Now: f.time}
	return f
}

func (f *fixture) time() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

type call func(body string) ([]byte, error)

func (f *fixture) users(body string) ([]byte, error) {
	return f.live.UpsertUsers(f.t.Context(), f.app, []byte(body))
}

func (f *fixture) query(cid string) call {
	typ, id, _ := strings.Cut(cid, ":")
	return func(body string) ([]byte, error) {
		return f.live.GetOrCreateChannel(f.t.Context(), f.app, typ, id, nil, []byte(body))
	}
}

func (f *fixture) send(cid string) call {
	typ, id, _ := strings.Cut(cid, ":")
	return func(body string) ([]byte, error) {
		return f.live.SendMessage(f.t.Context(), f.app, typ, id, nil, []byte(body))
	}
}

func (f *fixture) react(message string) call {
	return func(body string) ([]byte, error) {
		return f.live.SendReaction(f.t.Context(), f.app, message, nil, []byte(body))
	}
}

// must calls and decodes the answer.
func (f *fixture) must(c call, body string) map[string]any {
	f.t.Helper()
	out, err := c(body)
	if err != nil {
		f.t.Fatalf("%s: %v", body, err)
	}
	var v map[string]any
	if err := json.Unmarshal(out, &v); err != nil {
		f.t.Fatalf("%v in %s", err, out)
	}
	return v
}

// refused calls and wants a refusal of that code whose message holds all words.
func (f *fixture) refused(c call, body string, code wire.Code, words ...string) {
	f.t.Helper()
	_, err := c(body)
	e := wire.AsError(err)
	if e == nil {
		f.t.Errorf("%.200s: error %v, want a refusal", body, err)
		return
	}
	if e.Code != code {
		f.t.Errorf("%.200s: code %d (%s), want %d", body, e.Code, e.Message, code)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			f.t.Errorf("%.200s: message %q does not say %q", body, e.Message, w)
		}
	}
}

// get walks into a decoded answer.
func get(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func (f *fixture) want(v any, want any, path ...any) {
	f.t.Helper()
	if diff := cmp.Diff(want, get(v, path...)); diff != "" {
		f.t.Errorf("%v: %s", path, diff)
	}
}

// peopled makes the users ann and bob, and the channel messaging:general.
func peopled(t *testing.T) *fixture {
	f := newFixture(t)
	f.must(f.users, `{"users":{"ann":{"id":"ann","name":"Ann"},"bob":{"id":"bob"}}}`)
	f.must(f.query("messaging:general"), `{"data":{"created_by_id":"ann","members":["ann","bob"],"topic":"all"}}`)
	return f
}

func (f *fixture) put(fn func(store.Tx) error) {
	f.t.Helper()
	if err := f.store.Update(f.t.Context(), f.app, fn); err != nil {
		f.t.Fatal(err)
	}
}
