package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hansard/client"

	"github.com/golang-jwt/jwt/v5"
)

func serve(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := client.New(client.Options{
		Server: s.URL + "/", APIKey: "shop", APISecret: "s3cret", HTTP: s.Client(), Retries: -1, Poll: time.Millisecond, Patience: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]client.Options{
		"server": {Server: "localhost:3030", APIKey: "k", APISecret: "s"},
		"key":    {Server: "http://localhost:3030", APISecret: "s"},
		"secret": {Server: "http://localhost:3030", APIKey: "k"},
	} {
		if _, err := client.New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRequestsAreSigned(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		claims := jwt.MapClaims{}
		_, err := jwt.ParseWithClaims(r.Header.Get("Authorization"), claims, func(*jwt.Token) (any, error) {
			return []byte("s3cret"), nil
		}, jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
		if err != nil || claims["server"] != true || r.URL.Query().Get("api_key") != "shop" || r.Header.Get("Stream-Auth-Type") != "jwt" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/export_channels" || r.Header.Get("Idempotency-Key") != "once" {
			w.WriteHeader(http.StatusTeapot)
		}
		body := new(bytes.Buffer)
		_, _ = body.ReadFrom(r.Body)
		if want := `{"channels":[{"cid":"messaging:general"}],"version":"v2"}`; body.String() != want {
			t.Errorf("body = %s, want %s", body, want)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{"task_id":"t1","duration":"1ms"}`)
	})
	id, err := c.ExportChannels(t.Context(), client.ChannelsRequest{
		Channels: []client.ChannelWindow{{CID: "messaging:general"}}, Version: "v2", IdempotencyKey: "once",
	})
	if err != nil || id != "t1" {
		t.Errorf("got %q, %v", id, err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "r-1")
		switch r.URL.Path {
		case "/export/users":
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"code":16,"message":"no such user","StatusCode":404,"details":[],"exception_fields":{"bob":"does not exist"}}`)
		case "/tasks/page":
			w.WriteHeader(http.StatusBadGateway)
			_, _ = fmt.Fprint(w, `<html>nope</html>`)
		default:
			_, _ = fmt.Fprint(w, `<html>hello</html>`)
		}
	})
	_, err := c.ExportUsers(t.Context(), client.UsersRequest{UserIDs: []string{"bob"}})
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Code != 16 || e.Status != 404 || e.Fields["bob"] != "does not exist" || e.Error() != "no such user" {
		t.Errorf("err = %#v", err)
	}
	if _, err := c.Task(t.Context(), "page"); err == nil || !strings.Contains(err.Error(), "502") || !strings.Contains(err.Error(), "r-1") {
		t.Errorf("a proxy's page: %v", err)
	}
	if _, err := c.Task(t.Context(), "t2"); err == nil || !strings.Contains(err.Error(), "did not answer as Hansard does") {
		t.Errorf("no JSON: %v", err)
	}
	if _, err := c.Task(t.Context(), "../users"); err == nil || !strings.Contains(err.Error(), "UUID") {
		t.Errorf("a path for an id: %v", err)
	}
}

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

func TestWait(t *testing.T) {
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

func TestDownload(t *testing.T) {
	t.Parallel()
	const file = "line 1\nline 2\n"
	sum := sha256.Sum256([]byte(file))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a download must not carry a token")
		}
		if r.URL.Query().Get("signature") != "good" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `{"code":17,"message":"the signature is wrong","StatusCode":403}`)
			return
		}
		_, _ = fmt.Fprint(w, file)
	}))
	t.Cleanup(s.Close)
	c, err := client.New(client.Options{Server: s.URL, APIKey: "k", APISecret: "s", Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	good := client.Result{URL: s.URL + "/f?signature=good", Path: "f", Size: int64(len(file)), SHA256: hex.EncodeToString(sum[:])}
	change := func(fn func(*client.Result)) *client.Result {
		r := good
		fn(&r)
		return &r
	}
	for name, tt := range map[string]struct {
		result *client.Result
		want   string // in the error; empty = none
	}{
		"good":            {&good, ""},
		"no file":         {nil, "no file"},
		"wrong signature": {change(func(r *client.Result) { r.URL = s.URL + "/f?signature=bad" }), "the signature is wrong"},
		"wrong sum":       {change(func(r *client.Result) { r.SHA256 = strings.Repeat("0", 64) }), "SHA-256"},
		"too short":       {change(func(r *client.Result) { r.Size++ }), "got 14 bytes of 15"},
		"too long":        {change(func(r *client.Result) { r.Size-- }), "got 14 bytes of 13"},
		"nobody there":    {change(func(r *client.Result) { r.URL = "http://127.0.0.1:1/f?signature=secret" }), "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			var last int64
			err := c.Download(t.Context(), &client.Task{Result: tt.result}, &got, func(n int64) { last = n })
			switch {
			case tt.want == "" && (err != nil || got.String() != file || last != int64(len(file))):
				t.Errorf("err %v, got %q, progress %d", err, got.String(), last)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("err %v, want %q in it", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "signature="):
				t.Errorf("the signature is in the error: %v", err)
			}
		})
	}
}
