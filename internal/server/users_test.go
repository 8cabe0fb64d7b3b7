package server_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"hansard/internal/live"
	"hansard/internal/store"
	"hansard/internal/task"
)

// work does what a worker would with the task that an answer names, and answers
// the task.
func (r *rig) work(a reply) reply {
	r.t.Helper()
	id := a.text("task_id")
	t, err := r.store.Claim(r.t.Context(), "worker", 15e9, id)
	if err != nil || t == nil {
		r.t.Fatalf("task %s of %s: %v", id, a.body, err)
	}
	attempt := &task.Attempt{Task: *t}
	result, err := (&live.Service{Store: r.store, Now: r.clock.Now}).Handlers()[t.Kind](r.t.Context(), attempt)
	if err != nil {
		r.t.Fatal(err)
	}
	p := attempt.Current()
	o := store.Outcome{Status: store.Completed, Result: result, Done: p.Done, Total: p.Total}
	if err := r.store.Finish(r.t.Context(), id, t.Epoch, o); err != nil {
		r.t.Fatal(err)
	}
	return r.must(200, "GET", "/tasks/"+id, "")
}

// chatters makes users, channels and messages.
func (r *rig) chatters() {
	r.t.Helper()
	r.must(201, "POST", "/users", `{"users":{"ann":{"id":"ann","name":"Ann","custom":{"pet":{"z":12345678901234567890,"age":2.50}}},
		"bob":{"id":"bob","name":"Bob","role":"admin","teams":["red"]},"eve":{"id":"eve","name":"Eve"},"fay":{"id":"fay"}}}`)
	r.must(201, "POST", "/channels/messaging/general/query", `{"data":{"created_by_id":"ann","members":[{"user_id":"ann"},{"user_id":"bob"},{"user_id":"eve"}]}}`)
	r.must(201, "POST", "/channels/messaging/pair/query", `{"data":{"created_by_id":"bob","members":[{"user_id":"ann"},{"user_id":"bob"}]}}`)
	r.must(201, "POST", "/channels/messaging/general/message", `{"message":{"id":"a1","text":"one","user_id":"ann"}}`)
	r.must(201, "POST", "/channels/messaging/general/message", `{"message":{"id":"b1","text":"two","user_id":"bob"}}`)
}

func usersPayload(query string) string { return "/users?payload=" + url.QueryEscape(query) }

func TestUserRequests(t *testing.T) {
	t.Parallel()
	bad := func(name, method, path, body string, has ...string) scenario {
		return scenario{name: name, method: method, path: path, body: body, status: 400, has: append(has, `"code":4`)}
	}
	missing := func(method, path, body string, has ...string) scenario {
		return scenario{name: method + " " + path, method: method, path: path, body: body, status: 404, has: append(has, `"code":16`)}
	}
	find := func(query string, has []string, hasNot ...string) scenario {
		return scenario{name: query, method: "GET", path: usersPayload(query), status: 200, has: append(has, `{"users":[`), hasNot: hasNot}
	}
	ann, bob, eve := `{"id":"ann"`, `{"id":"bob"`, `{"id":"eve"`
	scenarios := []scenario{
		{
			name: "upsert takes what is not kept", method: "POST", path: "/users", status: 201,
			body: `{"users":{"gil":{"id":"gil","privacy_settings":{"typing_indicators":{"enabled":false}},"custom":{"hat":"red"}}}}`,
			has:  []string{`{"users":{"gil":{"id":"gil","role":"user"`, `"membership_deletion_task_id":""`, `"hat":"red"`}, hasNot: []string{"privacy_settings"},
		},
		{name: "replace", method: "POST", path: "/users", status: 201, body: `{"users":{"gil":{"id":"gil","name":"Gil"}}}`, has: []string{`"name":"Gil"`}, hasNot: []string{"hat"}},

		{
			name: "patch", method: "PATCH", path: "/users", status: 200,
			body: `{"users":[{"id":"ann","set":{"name":"Anna","pet.age":3.10,"custom.hat":"green"},"unset":["pet.x"]},{"id":"bob","unset":["teams"]}]}`,
			has:  []string{`"name":"Anna"`, `"pet":{"z":12345678901234567890,"age":3.10}`, `"hat":"green"`, `"membership_deletion_task_id":""`}, hasNot: []string{`"red"`},
		},
		bad("patch of an id", "PATCH", "/users", `{"users":[{"id":"ann","set":{"id":"x"}}]}`, `UpdateUsersPartial failed with error: \"users[0].set.id`, `"exception_fields":{"users[0].set.id":"`),
		bad("patch of nothing", "PATCH", "/users", `{"users":[]}`),
		bad("half a patch", "PATCH", "/users", `{"users":[`),
		missing("PATCH", "/users", `{"users":[{"id":"x"},{"id":"y"}]}`, "x, y"),

		find(``, []string{ann, bob, eve}),
		find(`{"filter_conditions":{"id":{"$in":["bob","nobody"]}}}`, []string{bob}, ann, eve),
		find(`{"filter_conditions":{"name":{"$autocomplete":"ann"}},"sort":[{"field":"created_at","direction":-1}]}`, []string{ann}, bob, eve),
		find(`{"filter_conditions":{"pet.age":{"$gt":3}}}`, []string{ann}, bob, eve),
		find(`{"filter_conditions":{"custom.hat":"green"},"limit":1,"offset":0}`, []string{ann}, bob, eve),
		find(`{"filter_conditions":{"custom.hat":"blue"}}`, []string{`{"users":[],`}),
		bad("unknown operator", "GET", usersPayload(`{"filter_conditions":{"id":{"$near":1}}}`), "", "filter_conditions", "$near"),
		bad("too many", "GET", usersPayload(`{"limit":101}`), "", `"limit":"`),
		bad("too far", "GET", usersPayload(`{"offset":1001}`), "", `"offset":"`),
		bad("half a query", "GET", usersPayload(`{`), "", "payload"),

		{name: "deactivate", method: "POST", path: "/users/eve/deactivate", status: 200, has: []string{`{"user":{"id":"eve"`, `"deactivated_at":`}},
		bad("deactivate again", "POST", "/users/eve/deactivate", `{"mark_messages_deleted":true}`, `DeactivateUser failed with error: \"user names who is deactivated already: eve`),
		find(`{"filter_conditions":{"id":"eve"}}`, []string{`{"users":[],`}),
		find(`{"filter_conditions":{"id":"eve"},"include_deactivated_users":true}`, []string{eve, `"deactivated_at":`}),
		bad("no writing", "POST", "/channels/messaging/general/message", `{"message":{"text":"x","user_id":"eve"}}`, "deactivated"),
		{name: "reactivate", method: "POST", path: "/users/eve/reactivate", body: `{"name":"Eva","restore_messages":true,"created_by_id":"bob"}`, status: 200, has: []string{`"name":"Eva"`}, hasNot: []string{"deactivated_at"}},
		bad("reactivate again", "POST", "/users/eve/reactivate", ``, "is not deactivated"),
		bad("by nobody", "POST", "/users/eve/deactivate", `{"created_by_id":"nobody"}`, `"created_by_id":"`),
		missing("POST", "/users/nobody/deactivate", ``),
		missing("POST", "/users/nobody/reactivate", `{}`),
		missing("POST", "/users/a%20b/deactivate", ``),
		bad("deactivate none", "POST", "/users/deactivate", `{}`, `"user_ids":"`),
		bad("reactivate who is active", "POST", "/users/reactivate", `{"user_ids":["eve"]}`, "eve"),
		missing("POST", "/users/deactivate", `{"user_ids":["ann","x","y"]}`, "x, y"),
		missing("POST", "/users/reactivate", `{"user_ids":["x"]}`),

		{name: "block", method: "POST", path: "/users/block", body: `{"blocked_user_id":"bob","user_id":"ann"}`, status: 201, has: []string{`{"blocked_by_user_id":"ann","blocked_user_id":"bob","created_at":`}},
		{name: "blocks", method: "GET", path: "/users/block?user_id=ann", status: 200, has: []string{`{"blocks":[{"user_id":"ann","user":{"id":"ann"`, `"blocked_user_id":"bob","blocked_user":{"id":"bob"`}},
		{name: "unblock", method: "POST", path: "/users/unblock", body: `{"blocked_user_id":"bob","user_id":"ann"}`, status: 200, has: []string{`{"duration":`}},
		{name: "no blocks", method: "GET", path: "/users/block?user_id=ann", status: 200, has: []string{`{"blocks":[],`}},
		bad("block oneself", "POST", "/users/block", `{"blocked_user_id":"ann","user_id":"ann"}`, `"blocked_user_id":"`),
		bad("whose blocks", "GET", "/users/block", "", `"user_id":"`),
		missing("POST", "/users/block", `{"blocked_user_id":"nobody","user_id":"ann"}`, "nobody"),
		missing("GET", "/users/block?user_id=nobody", ``),

		{name: "delete", method: "DELETE", path: "/users/eve?mark_messages_deleted=true", status: 200, has: []string{`{"user":{"id":"eve"`, `"deleted_at":`}},
		find(`{"filter_conditions":{"id":"eve"},"include_deactivated_users":true}`, []string{`{"users":[],`}),
		find(`{"filter_conditions":{"id":"eve","deleted_at":{"$exists":true}}}`, []string{eve}),
		bad("upsert of one who was deleted", "POST", "/users", `{"users":{"eve":{"id":"eve"}}}`, "restored"),
		bad("patch of one who was deleted", "PATCH", "/users", `{"users":[{"id":"eve","set":{"a":1}}]}`, "restored"),
		bad("deactivation of one who was deleted", "POST", "/users/eve/deactivate", ``, "restored"),
		bad("restore who is there", "POST", "/users/restore", `{"user_ids":["eve","ann"]}`, "ann"),
		missing("POST", "/users/restore", `{"user_ids":["eve","nobody"]}`, "nobody"),
		{name: "restore", method: "POST", path: "/users/restore", body: `{"user_ids":["eve"]}`, status: 200, has: []string{`{"duration":`}},
		find(`{"filter_conditions":{"id":"eve"}}`, []string{eve}, "deleted_at"),
		bad("odd flag", "DELETE", "/users/eve?hard_delete=maybe", ``, `"hard_delete":"`),
		missing("DELETE", "/users/nobody", ``, "nobody"),
		bad("delete none", "POST", "/users/delete", `{"user":"hard"}`, `"user_ids":"`),
		bad("delete somehow", "POST", "/users/delete", `{"user_ids":["ann"],"user":"quick"}`, `"user":"`),
		bad("delete to nobody", "POST", "/users/delete", `{"user_ids":["ann"],"new_channel_owner_id":"nobody"}`, `"new_channel_owner_id":"`),
		missing("POST", "/users/delete", `{"user_ids":["ann","x","y"]}`, "x, y"),
	}
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.chatters()
		r.run(scenarios)
		if len(r.wakes) != 0 {
			t.Error("workers were woken for nothing")
		}
	})
}

// TestUsersOfOthers holds every endpoint to the rule that what is another app's
// is unknown.
func TestUsersOfOthers(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.chatters()
		for _, s := range []scenario{
			{method: "PATCH", path: "/users", body: `{"users":[{"id":"ann"}]}`},
			{method: "POST", path: "/users/ann/deactivate"},
			{method: "POST", path: "/users/ann/reactivate"},
			{method: "POST", path: "/users/deactivate", body: `{"user_ids":["ann"]}`},
			{method: "POST", path: "/users/reactivate", body: `{"user_ids":["ann"]}`},
			{method: "POST", path: "/users/restore", body: `{"user_ids":["ann"]}`},
			{method: "POST", path: "/users/delete", body: `{"user_ids":["ann"]}`},
			{method: "DELETE", path: "/users/ann?hard_delete=true"},
			{method: "POST", path: "/users/block", body: `{"blocked_user_id":"ann","user_id":"bob"}`},
			{method: "GET", path: "/users/block?user_id=ann"},
		} {
			if a := r.as(r.other, s.method, s.path, s.body); a.status != 404 || a.get("code") != "16" {
				t.Errorf("%s %s: %d %s", s.method, s.path, a.status, a.body)
			}
		}
		if a := r.as(r.other, "GET", "/users", ""); !strings.HasPrefix(a.body, `{"users":[],`) {
			t.Errorf("got %s", a.body)
		}
		a := r.must(200, "GET", usersPayload(`{"filter_conditions":{"id":"ann"}}`), "")
		if a.get("users", 0, "deleted_at") != nil || a.get("users", 0, "deactivated_at") != nil {
			t.Errorf("got %s", a.body)
		}
	})
}

// TestUserTasks deletes and deactivates users in the background, and looks at
// what an export shows afterwards.
func TestUserTasks(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.chatters()
		export := func(id string) reply { return r.must(200, "GET", "/users/"+id+"/export", "") }
		ok := func(a reply, ids ...string) {
			t.Helper()
			for _, id := range ids {
				if a.get("status") != "completed" || a.get("result", id, "status") != "ok" || a.get("progress", "percent") != "100" {
					t.Errorf("got %s", a.body)
				}
			}
		}
		ok(r.work(r.must(201, "POST", "/users/deactivate", `{"user_ids":["ann","bob"],"mark_messages_deleted":true}`)), "ann", "bob")
		if a := export("ann"); a.get("user", "deactivated_at") == nil || a.get("messages", 0, "type") != "deleted" || a.get("messages", 0, "text") != "one" {
			t.Errorf("got %s", a.body)
		}
		ok(r.work(r.must(201, "POST", "/users/reactivate", `{"user_ids":["ann","bob"],"restore_messages":true}`)), "ann", "bob")
		if a := export("ann"); a.get("user", "deactivated_at") != nil || a.get("messages", 0, "type") != "regular" {
			t.Errorf("got %s", a.body)
		}
		a := r.must(201, "POST", "/users/delete", `{"user_ids":["ann"],"user":"hard","messages":"hard","conversations":"soft","new_channel_owner_id":"eve"}`)
		ok(r.work(a), "ann")
		if a := r.do("GET", "/users/ann/export", ""); a.status != 404 {
			t.Errorf("got %d %s", a.status, a.body)
		}
		a = r.must(201, "POST", "/channels/messaging/general/query", `{"state":true}`)
		if a.text("channel", "created_by", "id") != "eve" || a.text("messages", 0, "id") != "b1" || strings.Contains(a.body, `"ann"`) {
			t.Errorf("got %s", a.body)
		}
		if a := r.do("POST", "/channels/messaging/pair/message", `{"message":{"text":"x","user_id":"bob"}}`); a.status != 404 {
			t.Errorf("got %d %s", a.status, a.body)
		}
		if len(r.wakes) != 3 {
			t.Errorf("the workers were woken %d times", len(r.wakes))
		}
	})
}

// TestUsersInV2 looks at the form of what the v2 dialect answers.
func TestUsersInV2(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.v2 = true
	r.chatters()
	whole := func(what string, v any) {
		t.Helper()
		u, _ := v.(map[string]any)
		for _, name := range []string{"created_at", "updated_at"} {
			if n, _ := u[name].(fmt.Stringer); n == nil || len(n.String()) != len("1613549869745857000") {
				t.Errorf("%s: %s is %v", what, name, u[name])
			}
		}
		for _, name := range []string{"teams", "blocked_user_ids"} {
			if _, ok := u[name].([]any); !ok {
				t.Errorf("%s: %s is %v", what, name, u[name])
			}
		}
		if _, ok := u["custom"].(map[string]any); !ok {
			t.Errorf("%s: custom is %v", what, u["custom"])
		}
	}
	whole("patch", r.must(200, "PATCH", "/users", `{"users":[{"id":"fay","set":{"custom":{"a":{"b":1}}}}]}`).get("users", "fay"))
	whole("query", r.must(200, "GET", "/users", "").get("users", 0))
	a := r.must(200, "POST", "/users/fay/deactivate", "")
	whole("deactivate", a.get("user"))
	if at := a.text("user", "deactivated_at"); len(at) != len("1613549869745857000") {
		t.Errorf("deactivated_at %q", at)
	}
	whole("reactivate", r.must(200, "POST", "/users/fay/reactivate", "").get("user"))
	a = r.must(201, "POST", "/users/block", `{"blocked_user_id":"bob","user_id":"fay"}`)
	if at := a.text("created_at"); len(at) != len("1613549869745857000") {
		t.Errorf("created_at %q", at)
	}
	a = r.must(200, "GET", "/users/block?user_id=fay", "")
	if at := a.text("blocks", 0, "created_at"); len(at) != len("1613549869745857000") {
		t.Errorf("created_at %q", at)
	}
	whole("block", a.get("blocks", 0, "user"))
	whole("blocked", a.get("blocks", 0, "blocked_user"))
	a = r.must(200, "DELETE", "/users/fay", "")
	whole("delete", a.get("user"))
	if a.text("user", "custom", "a", "b") != "1" {
		t.Errorf("got %s", a.body)
	}
}
