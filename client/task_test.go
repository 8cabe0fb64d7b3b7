package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"hansard/client"
)

// answers replies to each request with the next of the list, and with the last
// from then on.
func answers(list ...string) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) {
		a := list[min(int(n.Add(1)), len(list))-1]
		if status, body, ok := strings.Cut(a, " "); ok && len(status) == 3 {
			if status == "429" {
				w.Header().Set("Retry-After", "0")
			}
			var code int
			_, _ = fmt.Sscan(status, &code)
			w.WriteHeader(code)
			a = body
		}
		_, _ = fmt.Fprint(w, a)
	}
}

const (
	running = `{"task_id":"t","status":"running","created_at":"2024-01-01T00:00:00Z","updated_at":"2024-01-01T00:00:00.5Z","result":null,"error":null,"progress":{"done":1,"total":2,"percent":50}}`
	done    = `{"task_id":"t","status":"completed","result":{"url":"http://x/y","path":"exports/y","size":2,"sha256":"00","counts":{"messages":2},"manifest_url":"http://x/m"},"error":null,"progress":{"done":2,"total":2,"percent":100}}`
	failed  = `{"task_id":"t","status":"failed","result":null,"error":{"type":"TooManyMessages","description":"alice has 12000","version":"1"},"progress":{"done":0,"total":0,"percent":0}}`
	fault   = `503 {"code":-1,"message":"the database is away","StatusCode":503}`
	limited = `429 {"code":9,"message":"slow down","StatusCode":429}`
)

func TestWaitForTask(t *testing.T) {
	t.Parallel()
	t.Run("UntilCompleted", func(t *testing.T) {
		t.Parallel()
		c := serve(t, answers(running, fault, limited, running, done))
		var seen []int64
		task, err := c.WaitForTask(t.Context(), "t", func(t *client.Task) { seen = append(seen, t.Progress.Done) })
		if err != nil || task.Result == nil || task.Result.Counts["messages"] != 2 || fmt.Sprint(seen) != "[1 1 2]" {
			t.Errorf("task %+v, err %v, seen %v", task, err, seen)
		}
	})
	t.Run("UntilFailed", func(t *testing.T) {
		t.Parallel()
		task, err := serve(t, answers(running, failed)).WaitForTask(t.Context(), "t", nil)
		e, ok := errors.AsType[*client.TaskError](err)
		if task == nil || !ok || e.Type != "TooManyMessages" {
			t.Errorf("task %+v, err %v", task, err)
		}
	})
	t.Run("RefusedIsFinal", func(t *testing.T) {
		t.Parallel()
		_, err := serve(t, answers(`404 {"code":16,"message":"no such task","StatusCode":404}`)).WaitForTask(t.Context(), "t", nil)
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != 16 {
			t.Errorf("err %v", err)
		}
	})
	t.Run("PatienceEnds", func(t *testing.T) {
		t.Parallel()
		_, err := serve(t, answers(fault)).WaitForTask(t.Context(), "t", nil)
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 503 {
			t.Errorf("err %v", err)
		}
	})
	t.Run("CanceledContext", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		c := serve(t, answers(running))
		_, err := c.WaitForTask(ctx, "t", func(*client.Task) { cancel() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("err %v", err)
		}
	})
}

// listed is a server with tasks that says which pages were asked for; asked is
// called before each of them is answered.
func listed(t *testing.T, path, list, id string, ids func(page int) []string) (*client.Client, *[]string) {
	t.Helper()
	var pages []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		q.Del("api_key")
		pages = append(pages, q.Encode())
		limit, _ := strconv.Atoi(q.Get("limit"))
		offset, _ := strconv.Atoi(q.Get("offset"))
		all := ids(len(pages) - 1)
		all = all[min(offset, len(all)):min(offset+limit, len(all))]
		if r.URL.Path != path {
			t.Errorf("asked for %s", r.URL.Path)
		}
		for i := range all {
			all[i] = fmt.Sprintf(`{%q:%q}`, id, all[i])
		}
		_, _ = fmt.Fprintf(w, `{%q:[%s]}`, list, strings.Join(all, ","))
	})
	return c, &pages
}

func TestTasks(t *testing.T) {
	t.Parallel()
	five := []string{"e", "d", "c", "b", "a"}
	t.Run("AllPages", func(t *testing.T) {
		t.Parallel()
		c, pages := listed(t, "/tasks", "tasks", "task_id", func(int) []string { return slices.Clone(five) })
		var got []string
		for task, err := range c.Tasks(t.Context(), client.TaskQuery{Limit: 2, Offset: 1, Status: client.Failed, Type: "export.users"}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, task.ID)
		}
		want := "limit=2&offset=1&status=failed&type=export.users"
		if !slices.Equal(got, five[1:]) || len(*pages) != 3 || (*pages)[0] != want {
			t.Errorf("got %v with %q", got, *pages)
		}
	})
	t.Run("NewOnesMeanwhile", func(t *testing.T) {
		t.Parallel()
		c, _ := listed(t, "/tasks", "tasks", "task_id", func(page int) []string {
			return append(slices.Clone([]string{"g", "f"}[2-min(page, 2):]), five...)
		})
		var got []string
		for task, err := range c.Tasks(t.Context(), client.TaskQuery{Limit: 3}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, task.ID)
		}
		if !slices.Equal(got, five) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("StopsWhenAsked", func(t *testing.T) {
		t.Parallel()
		c, pages := listed(t, "/tasks", "tasks", "task_id", func(int) []string { return slices.Clone(five) })
		for range c.Tasks(t.Context(), client.TaskQuery{Limit: 1000}) {
			break
		}
		if len(*pages) != 1 || (*pages)[0] != "limit=100" {
			t.Errorf("asked for %q", *pages)
		}
	})
	t.Run("ErrorComesLast", func(t *testing.T) {
		t.Parallel()
		c := serve(t, answers(`{"tasks":[{"task_id":"a"}]}`, fault))
		var got []string
		for task, err := range c.Tasks(t.Context(), client.TaskQuery{}) {
			if err != nil {
				got = append(got, err.Error())
				continue
			}
			got = append(got, task.ID)
		}
		if fmt.Sprint(got) != "[a the database is away]" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("Imports", func(t *testing.T) {
		t.Parallel()
		c, _ := listed(t, "/imports", "import_tasks", "id", func(int) []string { return slices.Clone(five) })
		var got []string
		for i, err := range c.Imports(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, i.ID)
		}
		if !slices.Equal(got, five) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("OnePage", func(t *testing.T) {
		t.Parallel()
		c, pages := listed(t, "/tasks", "tasks", "task_id", func(int) []string { return slices.Clone(five) })
		list, err := c.ListTasks(t.Context(), client.TaskQuery{Limit: 3})
		if err != nil || len(list) != 3 || !slices.Equal(*pages, []string{"limit=3"}) {
			t.Errorf("%v, %v, asked for %q", list, err, *pages)
		}
	})
}
