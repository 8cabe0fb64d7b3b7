package apitest_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"hansard/api/apitest"
)

const (
	user   = `{"id":"ada","role":"user","created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","banned":false,"online":false,"shoe":41.50}`
	userV2 = `{"id":"ada","role":"user","created_at":1613549869000000000,"updated_at":1613549869000000000,"banned":false,"online":false,` +
		`"language":"","shadow_banned":false,"invisible":false,"blocked_user_ids":[],"teams":[],"custom":{"shoe":41.50}}`
	task   = `{"task_id":"11111111-2222-4333-8444-555555555555","duration":"0.10ms"}`
	noTask = `{"code":16,"message":"no","StatusCode":404,"duration":"0.10ms","more_info":"x","details":[]}`
)

func answered(user string) string { return `{"user":` + user + `,"duration":"0.10ms"}` }

func header(pairs ...string) http.Header {
	h := http.Header{
		"Content-Type": {"application/json"}, "X-Ratelimit-Limit": {"1"}, "X-Ratelimit-Remaining": {"1"}, "X-Ratelimit-Reset": {"1"},
		"X-Request-Id": {"x"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			h.Del(pairs[i])
		}
	}
	return h
}

func TestCheck(t *testing.T) {
	t.Parallel()
	v := apitest.New(t)
	for name, tt := range map[string]struct {
		request string // method and address
		body    string
		status  int
		header  http.Header
		answer  string
		err     string // "" = all is well
	}{
		"classic":          {"POST /users/ada/deactivate?api_key=k", `{"mark_messages_deleted":true}`, 200, header(), answered(user), ""},
		"v2":               {"POST /api/v2/users/ada/deactivate", `{"mark_messages_deleted":null,"more":1}`, 200, header(), answered(userV2), ""},
		"dialects mixed":   {"POST /users/ada/deactivate", ``, 200, header(), answered(userV2), "created_at"},
		"the other way":    {"POST /api/v2/users/ada/deactivate", ``, 200, header(), answered(user), "custom"},
		"request":          {"POST /users/ada/deactivate", `{"mark_messages_deleted":1}`, 200, header(), answered(user), "request's body"},
		"request refused":  {"POST /export/users", `{"user_ids":7}`, 404, header(), noTask, ""},
		"no body":          {"POST /export/users", ``, 201, header(), task, "no body"},
		"strange body":     {"GET /tasks", `{}`, 200, header(), `{"tasks":[],"duration":"0.10ms"}`, "body"},
		"strange answer":   {"POST /export/users", `{"user_ids":["ada"]}`, 201, header(), strings.Replace(task, "{", `{"x":1,`, 1), "additional properties 'x'"},
		"twice":            {"POST /export/users", `{"user_ids":["ada"]}`, 201, header(), strings.Replace(task, "{", `{"duration":"0.10ms",`, 1), "valid JSON"},
		"missing":          {"POST /export/users", `{"user_ids":["ada"]}`, 201, header(), `{"duration":"0.10ms"}`, "task_id"},
		"null list":        {"GET /tasks", ``, 200, header(), `{"tasks":null,"duration":"0.10ms"}`, "want array"},
		"integer":          {"POST /users/ada/deactivate", ``, 404, header(), strings.Replace(noTask, "[]", "[1.0]", 1), "want integer"},
		"status":           {"POST /export/users", `{"user_ids":["ada"]}`, 200, header(), task, "status 200"},
		"wrong code":       {"POST /export/users", ``, 404, header(), strings.Replace(noTask, "16", "4", 1), "code"},
		"media type":       {"GET /tasks", ``, 200, header("Content-Type", "text/plain"), `{"tasks":[],"duration":"0.10ms"}`, "media type"},
		"no media type":    {"GET /tasks", ``, 200, header("Content-Type", ""), `{"tasks":[],"duration":"0.10ms"}`, "media type"},
		"no request id":    {"GET /tasks", ``, 200, header("X-Request-Id", ""), `{"tasks":[],"duration":"0.10ms"}`, "X-Request-Id"},
		"header":           {"GET /tasks", ``, 200, header("X-RateLimit-Reset", "soon"), `{"tasks":[],"duration":"0.10ms"}`, "X-RateLimit-Reset"},
		"no Retry-After":   {"POST /export/users", ``, 429, header(), strings.NewReplacer("16", "9", "404", "429").Replace(noTask), "Retry-After"},
		"query":            {"GET /tasks?limit=5&offset=0&status=waiting&type=", ``, 200, header(), `{"tasks":[],"duration":"0.10ms"}`, ""},
		"bad query":        {"GET /tasks?limit=101", ``, 200, header(), `{"tasks":[],"duration":"0.10ms"}`, "query limit"},
		"strange query":    {"GET /tasks?limits=1", ``, 200, header(), `{"tasks":[],"duration":"0.10ms"}`, "limits"},
		"boolean query":    {"DELETE /users/ada?hard_delete=true", ``, 200, header(), answered(user), ""},
		"no boolean":       {"DELETE /users/ada?hard_delete=maybe", ``, 200, header(), answered(user), "hard_delete"},
		"JSON query":       {"GET /users?payload=%7B%22limit%22:1%7D", ``, 200, header(), `{"users":[],"duration":"0.10ms"}`, ""},
		"bad JSON query":   {"GET /users?payload=%7B%22limit%22:-1%7D", ``, 200, header(), `{"users":[],"duration":"0.10ms"}`, "payload"},
		"missing query":    {"GET /members", ``, 200, header(), `{"members":[],"duration":"0.10ms"}`, "payload is missing"},
		"path":             {"POST /users/a%2Fda/deactivate", ``, 200, header(), answered(user), "path id"},
		"literal first":    {"POST /users/deactivate", `{"user_ids":["ada"]}`, 201, header(), task, ""},
		"no such route":    {"GET /nothing/here", ``, 404, header(), noTask, ""},
		"undescribed":      {"GET /nothing/here", ``, 200, header(), `{}`, "not described"},
		"method":           {"PATCH /tasks", ``, 405, header(), ``, "not described"},
		"dots":             {"GET /tasks/..", ``, 404, header(), noTask, ""},
		"HEAD":             {"HEAD /tasks", ``, 200, header(), ``, ""},
		"HEAD of nothing":  {"HEAD /tasks", ``, 404, header(), ``, "404"},
		"file":             {"GET /exports/users/app/f.jsonl?expires=1&signature=x", ``, 200, fileHeader(), "not JSON", ""},
		"file, no ETag":    {"GET /exports/users/app/f.jsonl?expires=1&signature=x", ``, 200, header("Content-Type", "text/csv"), "not JSON", "ETag"},
		"part of a file":   {"GET /exports/users/app/f.jsonl?expires=1&signature=x", ``, 206, fileHeader(), "not", ""},
		"not modified":     {"GET /exports/users/app/f.jsonl?expires=1&signature=x", ``, 304, header("Content-Type", ""), "", ""},
		"body that is due": {"GET /exports/users/app/f.jsonl?expires=1&signature=x", ``, 304, header(), "x", "not described"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method, address, _ := strings.Cut(tt.request, " ")
			var body []byte
			if tt.body != "" {
				body = []byte(tt.body)
			}
			req, err := http.NewRequestWithContext(t.Context(), method, "http://x"+address, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			err = v.Check(req, body, tt.status, tt.header, []byte(tt.answer))
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

func fileHeader() http.Header {
	return header("Content-Type", "application/x-ndjson", "ETag", `"x"`, "Accept-Ranges", "bytes",
		"Content-Disposition", "attachment; filename=f", "X-Content-Type-Options", "nosniff")
}

func TestPackedAnswersAndUnknownBodies(t *testing.T) {
	t.Parallel()
	v := apitest.New(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, task); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	// The body is a stream, of which nobody knows what it held.
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://x/export/users", io.LimitReader(strings.NewReader("x"), 1))
	if err != nil {
		t.Fatal(err)
	}
	v.Exchange(t, req, nil, 201, header("Content-Encoding", "gzip"), packed.Bytes())
	if err := v.Check(req, nil, 201, header("Content-Encoding", "gzip"), []byte(task)); err == nil {
		t.Error("an answer that is not packed as it says went through")
	}
}

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	v := apitest.New(t)
	if err := v.CheckSchema("User", []byte(user)); err != nil {
		t.Error(err)
	}
	if err := v.CheckSchema("Nobody", []byte(user)); err == nil {
		t.Error("there is a schema Nobody")
	}
}

// A test that goes wrong says so, and nothing is described twice.
func TestExchangeFails(t *testing.T) {
	t.Parallel()
	v := apitest.New(t)
	seen := map[apitest.Operation]bool{}
	for _, op := range v.Operations() {
		if seen[op] {
			t.Errorf("%v comes twice", op)
		}
		seen[op] = true
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://x/tasks", nil)
	if err != nil {
		t.Fatal(err)
	}
	failed := &failures{TB: t}
	v.Exchange(failed, req, nil, 200, header(), []byte(`{"tasks":[{}],"duration":"0.10ms"}`))
	if len(failed.said) != 1 || !strings.Contains(failed.said[0], "at '/tasks/0': missing properties") {
		t.Errorf("it says %q", failed.said)
	}
	failed = &failures{TB: t}
	v.Exchange(failed, req, nil, 200, header(), []byte(`{"tasks":[],"duration":"`+strings.Repeat("x", 5000)+`"}`))
	if len(failed.said) != 1 || len(failed.said[0]) > 6000 {
		t.Errorf("it says %.10000q", failed.said)
	}
}

// failures takes down what a test would fail with.
type failures struct {
	testing.TB
	said []string
}

func (f *failures) Errorf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

func (f *failures) Helper() {}
