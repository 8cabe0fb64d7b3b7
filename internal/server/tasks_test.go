package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/task"
)

// claim takes the oldest task, as a worker would.
func (r *rig) claim() *store.Task {
	r.t.Helper()
	t, err := r.store.Claim(r.t.Context(), "worker", time.Hour, "")
	if err != nil || t == nil {
		r.t.Fatalf("claim: %v, %v", t, err)
	}
	return t
}

func (r *rig) finish(t *store.Task, o store.Outcome) {
	r.t.Helper()
	if err := r.store.Finish(r.t.Context(), t.ID, t.Epoch, o); err != nil {
		r.t.Fatal(err)
	}
}

// file stores a file and returns the result that names it.
func (r *rig) file(key, content string) []byte {
	r.t.Helper()
	for k, c := range map[string]string{key: content, key + ".manifest.json": `{}`} {
		w, err := r.blob.Create(r.t.Context(), k)
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := io.WriteString(w, c); err != nil {
			r.t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			r.t.Fatal(err)
		}
	}
	result, err := json.Marshal(map[string]any{
		"path": key, "size": len(content), "sha256": "ab12",
		"counts": map[string]int{"channels": 1, "members": 0, "messages": 1, "reactions": 0, "users": 0}, "manifest_path": key + ".manifest.json",
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return result
}

// fetch follows a signed URL.
func (r *rig) fetch(url string) reply {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), "GET", url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.send(req)
}

// instant checks that a value is a time of the rig's dialect, and gives it.
func (r *rig) instant(v any) time.Time {
	r.t.Helper()
	s, _ := v.(string)
	if !r.v2 {
		at, err := chat.ParseTime(s)
		if err != nil {
			r.t.Errorf("%v is not a classic time", v)
		}
		return at.Std()
	}
	ns, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		r.t.Errorf("%v is not a time of the v2 dialect", v)
	}
	return time.Unix(0, ns)
}

func TestTaskLife(t *testing.T) {
	t.Parallel()
	bothDialects(t, func(r *rig) { r.opts.URLTTL = time.Hour; r.opts.Retention = 90 * time.Minute }, func(t *testing.T, r *rig) {
		r.people()
		id := r.must(201, "POST", "/export_channels", `{"channels":[{"type":"messaging","id":"general"}]}`).text("task_id")
		select {
		case <-r.wakes:
		default:
			t.Error("nobody was told of the task")
		}
		for _, path := range []string{"/tasks/" + id, "/export_channels/" + id} {
			a := r.must(200, "GET", path, "")
			if a.get("task_id") != id || a.get("status") != "waiting" || a.get("result") != nil || a.get("error") != nil ||
				a.get("progress", "percent") != "0" {
				t.Errorf("%s: %s", path, a.body)
			}
			if at := r.instant(a.get("created_at")); r.clock.Now().Sub(at).Abs() > time.Minute {
				t.Errorf("created_at %v", at)
			}
		}
		claimed := r.claim()
		_, err := r.store.Heartbeat(t.Context(), id, claimed.Epoch, time.Hour, store.Progress{Done: 50, Total: 40})
		if err != nil {
			t.Fatal(err)
		}
		a := r.must(200, "GET", "/tasks/"+id, "")
		if a.get("status") != "running" || a.get("progress", "percent") != "99" || a.get("progress", "total") != "50" {
			t.Errorf("%s", a.body)
		}
		key := "exports/channels/" + r.app.Key + "/" + id + ".json"
		r.finish(claimed, store.Outcome{Status: store.Completed, Result: r.file(key, "[]"), Done: 50, Total: 50})
		a = r.must(200, "GET", "/export_channels/"+id, "")
		if a.get("status") != "completed" || a.get("progress", "percent") != "100" || a.get("result", "path") != key ||
			a.get("result", "size") != "2" || a.get("result", "sha256") != "ab12" || a.get("result", "counts", "messages") != "1" {
			t.Errorf("%s", a.body)
		}
		if left := r.instant(a.get("result", "expires_at")).Sub(r.clock.Now()); left > time.Hour || left < 59*time.Minute {
			t.Errorf("the URL lives for %s", left)
		}
		url := a.text("result", "url")
		if got := r.fetch(url); got.status != 200 || got.body != "[]" || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%d %s %v", got.status, got.body, got.header)
		}
		if got := r.fetch(a.text("result", "manifest_url")); got.status != 200 || got.body != "{}" {
			t.Errorf("%d %s", got.status, got.body)
		}
		// An hour later the URL is over and a new one is to be had, but only
		// for as long as there is a file.
		r.clock.advance(time.Hour)
		if got := r.fetch(url); got.status != 403 || got.get("code") != "17" {
			t.Errorf("%d %s", got.status, got.body)
		}
		a = r.must(200, "GET", "/tasks/"+id, "")
		if left := r.instant(a.get("result", "expires_at")).Sub(r.clock.Now()); left > 30*time.Minute || left < 29*time.Minute {
			t.Errorf("the URL lives for %s", left)
		}
		if got := r.fetch(a.text("result", "url")); got.status != 200 {
			t.Errorf("%d %s", got.status, got.body)
		}
		r.clock.advance(30 * time.Minute)
		for _, path := range []string{"/tasks/", "/export_channels/"} {
			gone, never := r.do("GET", path+id, ""), r.do("GET", path+"11111111-2222-4333-8444-555555555555", "")
			if gone.status != 404 || gone.get("code") != "16" || gone.get("message") != never.get("message") {
				t.Errorf("%s and %s", gone.body, never.body)
			}
		}
		if a := r.must(200, "GET", "/tasks", ""); a.get("tasks", 0) != nil {
			t.Errorf("%s", a.body)
		}
	})
}

func TestFailedAndCanceledTasks(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		export := func() string {
			return r.must(201, "POST", "/export/users", `{"user_ids":["ann"]}`).text("task_id")
		}
		id := export()
		r.finish(r.claim(), store.Outcome{Status: store.Failed, Error: task.Failf("NotFound", "gone").JSON()})
		a := r.must(200, "GET", "/tasks/"+id, "")
		if a.get("status") != "failed" || a.get("error", "type") != "NotFound" || a.get("error", "description") != "gone" ||
			a.get("error", "version") != "1.2.3" || a.get("result") != nil {
			t.Errorf("%s", a.body)
		}
		if a := r.do("GET", "/export_channels/"+id, ""); a.status != 404 {
			t.Errorf("a users export as a channels export: %d %s", a.status, a.body)
		}
		id = export()
		if a := r.as(r.other, "POST", "/tasks/"+id+"/cancel", ""); a.status != 404 || a.get("code") != "16" {
			t.Errorf("another app cancels: %d %s", a.status, a.body)
		}
		a = r.must(200, "POST", "/tasks/"+id+"/cancel", "")
		if a.get("status") != "failed" || a.get("error", "type") != "Canceled" {
			t.Errorf("%s", a.body)
		}
		// Again, and of a running one.
		if again := r.must(200, "POST", "/tasks/"+id+"/cancel", `{}`); again.get("error", "type") != "Canceled" {
			t.Errorf("%s", again.body)
		}
		id = export()
		claimed := r.claim()
		if a = r.must(200, "POST", "/tasks/"+id+"/cancel", ""); a.get("status") != "running" {
			t.Errorf("%s", a.body)
		}
		cancel, err := r.store.Heartbeat(t.Context(), id, claimed.Epoch, time.Hour, store.Progress{})
		if err != nil || !cancel {
			t.Errorf("the worker was not told: %v", err)
		}
	})
}

func TestListTasks(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		var ids []string
		for range 3 {
			ids = append(ids, r.must(201, "POST", "/export_channels", `{"channels":[{"cid":"messaging:general"}]}`).text("task_id"))
			r.clock.advance(time.Second)
		}
		ids = append(ids, r.must(201, "POST", "/export/users", `{"user_ids":["ann"]}`).text("task_id"))
		r.finish(r.claim(), store.Outcome{Status: store.Completed, Result: r.file("exports/channels/x/y.json", "[]")})
		// list asks with the query and gives the places of the tasks in ids.
		list := func(query string) (got string) {
			t.Helper()
			req := r.request(r.app, "GET", r.path("/tasks"), nil)
			req.URL.RawQuery += "&" + query
			a := r.send(req)
			if a.status != 200 {
				return a.text("code") + " " + a.text("message")
			}
			for i := 0; a.get("tasks", i) != nil; i++ {
				r.instant(a.get("tasks", i, "created_at"))
				for j, id := range ids {
					if a.get("tasks", i, "task_id") == id {
						got += strconv.Itoa(j)
					}
				}
			}
			return got
		}
		for query, want := range map[string]string{
			"": "3210", "limit=2": "32", "limit=2&offset=1": "21", "offset=9": "", "limit=0": "", "limit=100": "3210",
			"type=export.users": "3", "type=export.channels&limit=1": "2", "type=import": "",
			"status=completed": "0", "status=waiting": "321", "status=waiting&type=export.users": "3",
		} {
			if got := list(query); got != want {
				t.Errorf("%q: tasks %q, want %q", query, got, want)
			}
		}
		for _, query := range []string{"limit=101", "limit=-1", "limit=x", "offset=-1", "offset=99999999999999999999", "type=x", "status=done"} {
			if got := list(query); !strings.HasPrefix(got, "4 ListTasks failed") {
				t.Errorf("%q: %q", query, got)
			}
		}
		if a := r.as(r.other, "GET", "/tasks", ""); a.get("tasks", 0) != nil {
			t.Errorf("another app sees %s", a.body)
		}
	})
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		post := func(key, body string) reply {
			req := r.request(r.app, "POST", r.path("/export/users"), strings.NewReader(body))
			req.Header.Set("Idempotency-Key", key)
			return r.send(req)
		}
		first, second := post("k", `{"user_ids":["ann"]}`), post("k", `{ "user_ids": ["ann"] }`)
		if first.status != 201 || first.text("task_id") == "" || second.text("task_id") != first.text("task_id") {
			t.Errorf("%s and %s", first.body, second.body)
		}
		if a := post("k", `{"user_ids":["bob"]}`); a.status != 400 || a.get("code") != "4" {
			t.Errorf("another body: %d %s", a.status, a.body)
		}
		if a := post("l", `{"user_ids":["ann"]}`); a.text("task_id") == first.text("task_id") {
			t.Error("another key gave the same task")
		}
		if a := post(strings.Repeat("x", 256), `{"user_ids":["ann"]}`); a.status != 400 || a.get("code") != "4" {
			t.Errorf("a long key: %d %s", a.status, a.body)
		}
	})
}
