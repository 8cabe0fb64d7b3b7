package server_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"hansard/internal/auth"
)

// callUsers makes the users of calls.
func (r *rig) callUsers() {
	r.t.Helper()
	r.must(201, "POST", "/users", `{"users":{"ann":{"id":"ann","name":"Ann"},"bob":{"id":"bob"},"kim":{"id":"kim"}}}`)
}

func TestCallRequests(t *testing.T) {
	t.Parallel()
	const daily = "/call/default/daily"
	bad := func(name, method, path, body string, has ...string) scenario {
		return scenario{name: name, method: method, path: path, body: body, status: 400, has: append(has, `"code":4`)}
	}
	missing := func(method, path, body string) scenario {
		return scenario{name: method + " " + path, method: method, path: path, body: body, status: 404, has: []string{`"code":16`}, hasNot: []string{`"call":`}}
	}
	scenarios := []scenario{
		bad("no creator", "POST", daily, `{"data":{}}`, `GetOrCreateCall failed with error: \"either data.created_by`),
		bad("unknown creator", "POST", daily, `{"data":{"created_by_id":"x"}}`, `"exception_fields":{"data.created_by_id":"`),
		bad("unknown members", "POST", daily, `{"data":{"created_by_id":"ann","members":[{"user_id":"x"},{"user_id":"y"}]}}`, "x, y"),
		bad("half a body", "POST", daily, `{"data":`),
		bad("impossible id", "POST", "/call/default/a%2Fb", `{"data":{"created_by_id":"ann"}}`, `"exception_fields":{"id":`),
		bad("impossible type", "POST", "/call/de%20fault/x", `{"data":{"created_by_id":"ann"}}`, `"exception_fields":{"type":`),
		missing("GET", daily, ""),
		missing("PATCH", daily, `{"custom":{}}`),
		missing("POST", daily+"/members", `{"update_members":[{"user_id":"bob"}]}`),
		missing("POST", daily+"/mark_ended", ""),
		missing("POST", daily+"/delete", `{"hard":true}`),
		{
			name: "create", method: "POST", path: daily, status: 201,
			body: `{"data":{"created_by_id":"ann","members":[{"user_id":"bob","role":"host","custom":{"seat":2.50}}],"custom":{"topic":{"z":1,"a":12345678901234567890}},"team":"red"},"ring":true}`,
			has: []string{
				`{"call":{"type":"default","id":"daily","cid":"default:daily","created_by":{"id":"ann"`, `"created":true`, `"own_capabilities":[]`,
				`{"z":1,"a":12345678901234567890}`, `2.50`, `"team":"red"`, `"user":{"id":"bob"`,
			},
		},
		{name: "get or create", method: "POST", path: daily, status: 201, has: []string{`"created":false`, `"topic":{`}},
		{name: "get", method: "GET", path: daily, status: 200, has: []string{`"topic":{`, `"members":[{"user_id":"bob"`}, hasNot: []string{`"created":`}},
		{name: "get without members", method: "GET", path: daily + "?members_limit=0", status: 200, has: []string{`"members":[],"own_capabilities":[]`}, hasNot: []string{`"user_id":"bob"`}},
		bad("odd limit", "GET", daily+"?members_limit=x", "", "members_limit"),
		{name: "update", method: "PATCH", path: daily, body: `{"starts_at":"2031-02-17T09:17:49+01:00","custom":{"topic":"tea"}}`, status: 200, has: []string{`"topic":"tea"`, `"starts_at":`, `"members":[{`}},
		bad("no update", "PATCH", daily, ``),
		bad("odd time", "PATCH", daily, `{"starts_at":"x"}`, "starts_at"),
		{name: "members", method: "POST", path: daily + "/members", body: `{"update_members":[{"user_id":"kim","role":"speaker"}],"remove_members":["bob"]}`, status: 200, has: []string{`{"members":[{"user_id":"kim","user":{"id":"kim"`}, hasNot: []string{`"user_id":"bob"`}},
		bad("nobody", "POST", daily+"/members", `{"update_members":[{"user_id":"x"}]}`, `"update_members":"`),
		bad("nothing", "POST", daily+"/members", `{}`),
		{name: "end", method: "POST", path: daily + "/mark_ended", status: 200, has: []string{`{"duration":`}},
		{name: "ended", method: "GET", path: daily, status: 200, has: []string{`"ended_at":`}},
		{name: "found", method: "POST", path: "/calls", body: `{"filter_conditions":{"members":{"$in":["kim"]},"custom.topic":"tea"}}`, status: 200, has: []string{`{"calls":[{"call":{"type":"default"`, `"own_capabilities":[]}]`}},
		{name: "not found", method: "POST", path: "/calls", body: `{"filter_conditions":{"type":"none"}}`, status: 200, has: []string{`{"calls":[],`}},
		{name: "all", method: "POST", path: "/calls", status: 200, has: []string{`"cid":"default:daily"`}},
		bad("odd filter", "POST", "/calls", `{"filter_conditions":{"created_at":{"$near":1}}}`, "filter_conditions"),
		{name: "export", method: "GET", path: "/users/kim/export", status: 200, has: []string{`"user":{"id":"kim"`}},
		{name: "delete", method: "POST", path: daily + "/delete", status: 200, has: []string{`{"call":{"type":"default"`, `"deleted_at":`}, hasNot: []string{"task_id"}},
		missing("GET", daily, ""),
		missing("POST", daily+"/delete", ``),
		{name: "gone", method: "POST", path: "/calls", status: 200, has: []string{`{"calls":[],`}},
		{name: "delete for good", method: "POST", path: daily + "/delete", body: `{"hard":true}`, status: 200, has: []string{`{"call":{"type":"default"`, `"task_id":"`}},
		missing("POST", daily+"/delete", `{"hard":true}`),
	}
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.callUsers()
		r.run(scenarios)
		if len(r.wakes) == 0 {
			t.Error("the workers were not told of the deletion")
		}
	})
}

// What the v2 dialect must hold, and in which form.
func TestCallDialects(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.callUsers()
		a := r.must(201, "POST", "/call/default/c", `{"data":{"created_by_id":"ann","members":[{"user_id":"bob","custom":{"seat":1}}],
			"starts_at":"2031-02-17T08:17:49.745857123Z","custom":{"topic":"tea"},"team":"red","settings_override":{"audio":{"on":true}}}}`)
		if !r.v2 {
			if a.text("call", "topic") != "tea" || a.text("call", "starts_at") != "2031-02-17T08:17:49.745857Z" || a.text("members", 0, "seat") != "1" {
				t.Errorf("%s", a.body)
			}
			return
		}
		for _, key := range []string{
			"type", "id", "cid", "current_session_id", "backstage", "recording", "transcribing", "translating", "captioning", "created_at",
			"updated_at", "created_by", "custom", "settings", "ingress", "egress", "blocked_user_ids",
		} {
			if a.get("call", key) == nil {
				t.Errorf("no %s in %s", key, a.body)
			}
		}
		if a.text("call", "starts_at") != "1929082669745857000" || a.text("call", "custom", "topic") != "tea" || a.text("call", "team") != "red" ||
			a.get("call", "settings", "audio", "on") != true || a.text("members", 0, "custom", "seat") != "1" {
			t.Errorf("%s", a.body)
		}
		for _, key := range []string{"user_id", "user", "role", "created_at", "updated_at", "custom"} {
			if a.get("members", 0, key) == nil {
				t.Errorf("no %s in %s", key, a.body)
			}
		}
		created := a.text("call", "created_at")
		a = r.must(200, "POST", "/calls", `{"filter_conditions":{"created_at":{"$eq":`+created+`}}}`)
		if a.text("calls", 0, "members", 0, "custom", "seat") != "1" || a.text("calls", 0, "call", "created_at") != created {
			t.Errorf("%s", a.body)
		}
		a = r.must(200, "POST", "/call/default/c/members", `{"update_members":[{"user_id":"kim"}]}`)
		if a.text("members", 1, "user", "id") != "kim" || a.get("members", 1, "custom") == nil {
			t.Errorf("%s", a.body)
		}
	})
}

func TestCallPages(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.callUsers()
		for i := range 7 {
			r.must(201, "POST", fmt.Sprintf("/call/default/c%d", i), `{"data":{"created_by_id":"ann"}}`)
		}
		var ids []string
		cursor := ""
		for range 4 {
			a := r.must(200, "POST", "/calls", `{"limit":2,"sort":[{"field":"id"}]`+cursor+`}`)
			for i := 0; a.text("calls", i, "call", "id") != ""; i++ {
				ids = append(ids, a.text("calls", i, "call", "id"))
			}
			cursor = fmt.Sprintf(`,"next":%q`, a.text("next"))
			if a.text("next") == "" {
				break
			}
		}
		if got := strings.Join(ids, " "); got != "c0 c1 c2 c3 c4 c5 c6" {
			t.Errorf("pages hold %s", got)
		}
	})
}

// The calls of an app are nobody else's, and none of users' tokens.
func TestCallsAreTheAppsOwn(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.callUsers()
		r.must(201, "POST", "/call/default/c", `{"data":{"created_by_id":"ann"}}`)
		for path, body := range map[string]string{"": "", "/members": `{"remove_members":["ann"]}`, "/mark_ended": "", "/delete": `{"hard":true}`} {
			method := "POST"
			if path == "" {
				method = "GET"
			}
			if a := r.as(r.other, method, "/call/default/c"+path, body); a.status != 404 || a.text("code") != "16" {
				t.Errorf("%s of a foreign call: %d %s", path, a.status, a.body)
			}
		}
		if a := r.as(r.other, "POST", "/calls", ""); a.status != 200 || a.get("calls", 0) != nil {
			t.Errorf("foreign calls: %d %s", a.status, a.body)
		}
		req := r.request(r.app, "GET", r.path("/call/default/c"), nil)
		req.Header.Set("Authorization", r.token(r.app, auth.Claims{UserID: "ann"}))
		if a := r.send(req); a.status != 403 || a.text("code") != "17" {
			t.Errorf("a user's token: %d %s", a.status, a.body)
		}
		r.must(200, "GET", "/call/default/c?"+url.Values{"members_limit": {"1"}}.Encode(), "")
	})
}
