package server_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"hansard/internal/auth"
)

func TestSetUpRequests(t *testing.T) {
	t.Parallel()
	bad := func(name, method, path, body string, has ...string) scenario {
		return scenario{name: name, method: method, path: path, body: body, status: 400, has: append(has, `"code":4`)}
	}
	missing := func(name, method, path, body string) scenario {
		return scenario{name: name, method: method, path: path, body: body, status: 404, has: []string{`"code":16`}}
	}
	const event = "/channels/messaging/general/event"
	scenarios := []scenario{
		{
			name: "types", method: "GET", path: "/channeltypes", status: 200,
			has:    []string{`{"channel_types":{"messaging":{`, `},"livestream":{`, `},"team":{`, `},"gaming":{`, `},"commerce":{`, `"permissions":[],"grants":{}`},
			hasNot: []string{"null"},
		},
		{name: "type", method: "GET", path: "/channeltypes/messaging", status: 200, has: []string{`"name":"messaging"`, `"commands":[]`}},
		missing("unknown type", "GET", "/channeltypes/support", ""),
		missing("impossible type", "GET", "/channeltypes/a%2Fb", ""),
		missing("update of an unknown type", "PUT", "/channeltypes/support", `{}`),
		{name: "new type", method: "POST", path: "/channeltypes", body: `{"name":"support","commands":["ban"],"reactions":false}`, status: 201, has: []string{`"name":"support"`, `"commands":["ban"]`, `"reactions":false`}},
		bad("twice", "POST", "/channeltypes", `{"name":"support"}`, "CreateChannelType failed with error", `"exception_fields":{"name":"`),
		bad("no name", "POST", "/channeltypes", `{}`, "name"),
		{name: "got type", method: "GET", path: "/channeltypes/support", status: 200, has: []string{`"commands":[{"name":"ban","description":"Ban a user"`}},
		{name: "update", method: "PUT", path: "/channeltypes/support", body: `{"max_message_length":100,"grants":{"user":["x"]}}`, status: 200, has: []string{`"max_message_length":100`, `"reactions":false`, `"grants":{"user":["x"]}`}},
		bad("too long", "PUT", "/channeltypes/support", `{"max_message_length":20481}`, "max_message_length"),
		{name: "channel of the type", method: "POST", path: "/channels/support/x/query", body: `{"data":{"created_by_id":"ann"}}`, status: 201, has: []string{`"max_message_length":100`}, hasNot: []string{"grants"}},
		bad("delete with channels", "DELETE", "/channeltypes/support", "", "channels"),
		bad("delete a built-in type", "DELETE", "/channeltypes/team", "", "cannot be deleted"),
		{name: "another type", method: "POST", path: "/channeltypes", body: `{"name":"idle"}`, status: 201},
		{name: "delete", method: "DELETE", path: "/channeltypes/idle", status: 200, has: []string{`{"duration":`}},
		missing("delete again", "DELETE", "/channeltypes/idle", ""),

		{
			name: "app", method: "GET", path: "/app", status: 200,
			has: []string{`{"app":{"id":`, `"name":"test"`, `"suspended":false`, `"channel_configs":{"messaging":{`, `},"support":{`, `"commands":["ban"]`}, hasNot: []string{"null"},
		},
		{name: "app settings", method: "PATCH", path: "/app", body: `{"webhook_url":"https://example.com","color":"red"}`, status: 200, has: []string{`{"duration":`}},
		{name: "app settings kept", method: "GET", path: "/app", status: 200, has: []string{`"webhook_url":"https://example.com"`, `"color":"red"`}},
		bad("no checks", "PATCH", "/app", `{"disable_auth_checks":true}`, `"exception_fields":{"disable_auth_checks":"`),
		bad("no settings", "PATCH", "/app", ``),

		{name: "event", method: "POST", path: event, body: `{"event":{"type":"wave","user_id":"ann","custom":{"hand":2.50}}}`, status: 201, has: []string{`{"event":{"type":"wave","cid":"messaging:general"`, `"user":{"id":"ann"`, `2.50`}},
		bad("no type", "POST", event, `{"event":{"user_id":"ann"}}`, "event.type"),
		bad("nobody's event", "POST", event, `{"event":{"type":"wave"}}`, "SendEvent failed with error"),
		missing("event in no channel", "POST", "/channels/messaging/none/event", `{"event":{"type":"wave","user_id":"ann"}}`),
		missing("event in a deleted channel", "POST", "/channels/messaging/old/event", `{"event":{"type":"wave","user_id":"ann"}}`),

		{name: "guest", method: "POST", path: "/guest", body: `{"user":{"id":"tom","name":"Tom"}}`, status: 201, has: []string{`{"user":{"id":"guest-`, `-tom"`, `"role":"guest"`, `"access_token":"`}},
		bad("no guest", "POST", "/guest", `{}`, "CreateGuest failed with error"),
	}
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		r.run(scenarios)
	})
}

// What the v2 dialect must hold, and in which form.
func TestSetUpDialects(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		a := r.must(201, "POST", "/channels/messaging/general/event", `{"event":{"type":"wave","user_id":"ann","hand":1,"custom":{"at":"2021-02-17T08:17:49Z"}}}`)
		path := []any{"event", "custom", "at"}
		if !r.v2 {
			path = []any{"event", "at"}
		}
		if a.text(path...) != "2021-02-17T08:17:49Z" {
			t.Errorf("%s", a.body)
		}
		times := []string{
			r.must(200, "GET", "/channeltypes", "").text("channel_types", "team", "created_at"),
			r.must(200, "GET", "/channeltypes/team", "").text("created_at"),
			r.must(200, "PUT", "/channeltypes/team", `{}`).text("created_at"),
			r.must(200, "GET", "/app", "").text("app", "channel_configs", "team", "created_at"),
		}
		want := "2020-01-01T00:00:00Z"
		if r.v2 {
			want = "1577836800000000000"
		}
		for i, got := range times {
			if got != want {
				t.Errorf("time %d is %q, want %s", i, got, want)
			}
		}
		if r.v2 {
			for _, body := range []string{r.must(200, "GET", "/channeltypes/gaming", "").body, r.must(201, "POST", "/channels/messaging/general/query", "{}").body} {
				for _, key := range []string{"polls", "mark_messages_pending", "skip_last_msg_update_for_system_msgs"} {
					if !strings.Contains(body, `"`+key+`":false`) {
						t.Errorf("no %s in %s", key, body)
					}
				}
			}
		}
		// A guest is let in nowhere that is for servers.
		token := r.must(201, "POST", "/guest", `{"user":{"id":"tom"}}`).text("access_token")
		req := r.request(r.app, "GET", r.path("/app"), nil)
		req.Header.Set("Authorization", token)
		if a := r.send(req); a.status != http.StatusForbidden || a.text("code") != "17" {
			t.Errorf("%d %s", a.status, a.body)
		}
		claims, err := auth.Verify(token, r.clock.Now(), r.app.Secret)
		if err != nil || claims.Server || !strings.HasSuffix(claims.UserID, "-tom") {
			t.Errorf("a token for %+v, %v", claims, err)
		}
		if strings.Contains(r.log.String(), token) {
			t.Error("the log has the token")
		}
	})
}

// Rate limits are what the headers say, and asking for them uses none up.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	limited := func(r *rig) { r.opts.RateLimit, r.opts.RateWindow = 5, time.Hour }
	bothDialects(t, limited, func(t *testing.T, r *rig) {
		r.people()
		for range 2 {
			r.must(201, "POST", "/export/users", `{"user_ids":["ann"]}`)
		}
		for range 2 { // the second time is no different
			a := r.must(200, "GET", "/rate_limits", "")
			for name, want := range map[string][2]int{
				"ExportUsers": {5, 3}, "ExportChannels": {5, 5}, "ExportUser": {5, 5}, "GetApp": {10000, 10000}, "SendMessage": {10000, 10000},
			} {
				limit, remaining := a.text("server_side", name, "limit"), a.text("server_side", name, "remaining")
				if limit != strconv.Itoa(want[0]) || remaining != strconv.Itoa(want[1]) {
					t.Errorf("%s: %s of %s, want %v", name, remaining, limit, want)
				}
				reset, err := strconv.ParseInt(a.text("server_side", name, "reset"), 10, 64)
				if ahead := time.Unix(reset, 0).Sub(r.clock.Now()); err != nil || ahead <= 0 || ahead > time.Hour {
					t.Errorf("%s: reset %v ahead, %v", name, ahead, err)
				}
			}
			for _, p := range []string{"android", "ios", "web"} {
				if m, ok := a.get(p).(map[string]any); !ok || len(m) != 0 {
					t.Errorf("%s: %v", p, a.get(p))
				}
			}
		}
		a := r.must(200, "GET", "/rate_limits?server_side=true&endpoints=ExportUsers,%20GetTask,Unknown", "")
		if m, _ := a.get("server_side").(map[string]any); len(m) != 2 || a.get("ios") != nil {
			t.Errorf("%s", a.body)
		}
		if a = r.must(200, "GET", "/rate_limits?ios=1&web=0", ""); a.get("server_side") != nil || a.get("web") != nil || a.get("ios") == nil {
			t.Errorf("%s", a.body)
		}
		if a = r.do("GET", "/rate_limits?ios=maybe", ""); a.status != 400 {
			t.Errorf("%d %s", a.status, a.body)
		}
		// Another app's count is its own.
		if a = r.as(r.other, "GET", "/rate_limits", ""); a.text("server_side", "ExportUsers", "remaining") != "5" {
			t.Errorf("%s", a.body)
		}
	})
	bothDialects(t, func(r *rig) { r.opts.RateLimit = 0 }, func(t *testing.T, r *rig) {
		if a := r.must(200, "GET", "/rate_limits", ""); a.text("server_side", "ExportUsers", "limit") != "10000" {
			t.Errorf("%s", a.body)
		}
	})
}
