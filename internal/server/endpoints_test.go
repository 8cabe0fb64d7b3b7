package server_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"hansard/internal/store"
)

// scenario is one request and what its answer must and must not hold. Bodies
// and paths are the same in both dialects.
type scenario struct {
	name   string
	method string
	path   string
	body   string
	status int
	has    []string
	hasNot []string
}

// many makes n entries of a list; %d in the text is the entry's number.
func many(n int, text string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = strings.ReplaceAll(text, "%d", fmt.Sprint(i))
	}
	return strings.Join(list, ",")
}

func (r *rig) run(scenarios []scenario) {
	r.t.Helper()
	for _, s := range scenarios {
		a := r.do(s.method, s.path, s.body)
		if a.status != s.status {
			r.t.Errorf("%s: %d %s, want %d", s.name, a.status, a.body, s.status)
		}
		for _, want := range s.has {
			if !strings.Contains(a.body, want) {
				r.t.Errorf("%s: %q is not in %s", s.name, want, a.body)
			}
		}
		for _, not := range s.hasNot {
			if strings.Contains(a.body, not) {
				r.t.Errorf("%s: %q is in %s", s.name, not, a.body)
			}
		}
	}
}

func TestExportRequests(t *testing.T) {
	t.Parallel()
	bad := func(name, body string, has ...string) scenario {
		return scenario{
			name: name, method: "POST", path: "/export_channels", body: body, status: 400,
			has: append(has, `"code":4`, `ExportChannels failed with error: \"`), hasNot: []string{"task_id"},
		}
	}
	one := `{"channels":[{"type":"messaging","id":"general"}],`
	missing := scenario{
		name: "unknown channels", method: "POST", path: "/export_channels", status: 404,
		body: `{"channels":[{"cid":"messaging:general"},{"cid":"messaging:x"},{"cid":"messaging:y"}]}`,
		has:  []string{`"code":16`, `"exception_fields":{"messaging:x":"`, `"messaging:y":"`}, hasNot: []string{`"messaging:general":"`, "task_id"},
	}
	scenarios := []scenario{
		bad("no body", ``),
		bad("half a body", `{"channels":`),
		bad("a list", `[]`),
		bad("null", `null`),
		bad("no channels", `{}`, "channels"),
		bad("null channels", `{"channels":null}`, "channels"),
		bad("0 channels", `{"channels":[]}`, "channels"),
		bad("26 channels", `{"channels":[`+many(26, `{"cid":"messaging:c%d"}`)+`]}`, "25"),
		bad("channels of another type", `{"channels":"messaging:general"}`, "channels"),
		bad("a string for a channel", `{"channels":["messaging:general"]}`, "channels[0]"),
		bad("an empty channel", `{"channels":[{}]}`, "channels[0]"),
		bad("a channel without id", `{"channels":[{"type":"messaging"}]}`, "channels[0].id"),
		bad("a number for an id", `{"channels":[{"type":"messaging","id":7}]}`, "channels[0].id"),
		bad("contradictory cid", `{"channels":[{"cid":"messaging:general","type":"team","id":"general"}]}`, "channels[0].cid"),
		bad("path tricks", `{"channels":[{"cid":"messaging:../../x"}]}`, "channels[0]"),
		bad("impossible window", `{"channels":[{"cid":"messaging:general","messages_since":"2021-01-02T00:00:00Z","messages_until":"2021-01-01T00:00:00Z"}]}`, "messages_since"),
		bad("impossible window before all chats", `{"channels":[{"cid":"messaging:general","messages_since":"1969-01-01T00:00:00Z","messages_until":"1960-01-01T00:00:00Z"}]}`, "messages_since"),
		bad("impossible window within a microsecond", `{"channels":[{"cid":"messaging:general","messages_since":"2021-01-01T00:00:00.0000002Z","messages_until":"2021-01-01T00:00:00.0000001Z"}]}`, "messages_since"),
		bad("no time", `{"channels":[{"cid":"messaging:general","messages_since":"yesterday"}]}`, "messages_since"),
		bad("unknown version", one+`"version":"v3"}`, "version"),
		bad("unknown format", one+`"version":"v2","format":"xml"}`, "format"),
		bad("csv as v1", one+`"format":"csv"}`, "v2"),
		bad("wrong type", one+`"export_users":"yes"}`, "export_users"),
		bad("unknown compression", one+`"compression":"rar"}`, "compression"),
		bad("no recipient", one+`"encrypt_to":"me"}`, "encrypt_to"),
		missing,
		{
			name: "deleted channel", method: "POST", path: "/export_channels", body: `{"channels":[{"cid":"messaging:old"}]}`,
			status: 404, has: []string{`"code":16`, `"messaging:old":"`},
		},
	}
	taken := []scenario{
		{name: "plain", body: `{"channels":[{"type":"messaging","id":"general"}]}`},
		{name: "deleted channel, wanted", body: `{"channels":[{"cid":"messaging:old"}],"include_soft_deleted_channels":true}`},
		{name: "nulls and unknown fields", body: one + `"version":null,"format":null,"include_fields":null,"export_users":null,"color":"red"}`},
		{name: "everything", body: `{"channels":[{"cid":"messaging:general","messages_since":"2020-01-01T00:00:00+02:00","messages_until":1700000000000000000}],"version":"v2","export_users":true,"compression":"gzip","clear_deleted_message_text":true,"include_truncated_messages":true}`},
		{name: "25 times the same", body: `{"channels":[` + many(25, `{"cid":"messaging:general"}`) + `]}`},
	}
	for _, s := range taken {
		s.method, s.path, s.status, s.has = "POST", "/export_channels", 201, []string{`{"task_id":"`, `"duration":"`}
		scenarios = append(scenarios, s)
	}
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		r.run(scenarios)
		tasks, err := r.store.ListTasks(t.Context(), store.TaskQuery{App: r.app.ID, Limit: 100})
		if err != nil || len(tasks) != len(taken) {
			t.Errorf("%d tasks, want %d: %v", len(tasks), len(taken), err)
		}
	})
}

func TestUserExports(t *testing.T) {
	t.Parallel()
	bad := func(name, body string, has ...string) scenario {
		return scenario{
			name: name, method: "POST", path: "/export/users", body: body, status: 400,
			has: append(has, `"code":4`, `ExportUsers failed with error: \"`), hasNot: []string{"task_id"},
		}
	}
	scenarios := []scenario{
		bad("no body", ``),
		bad("half a body", `{"user_ids":[`),
		bad("no ids", `{}`, "user_ids"),
		bad("null ids", `{"user_ids":null}`, "user_ids"),
		bad("0 ids", `{"user_ids":[]}`, "user_ids"),
		bad("26 ids", `{"user_ids":[`+many(26, `"u%d"`)+`]}`, "25"),
		bad("a number", `{"user_ids":[7]}`, "user_ids[0]"),
		bad("an empty id", `{"user_ids":[""]}`, "user_ids[0]"),
		bad("path tricks", `{"user_ids":["../ann"]}`, "user_ids[0]"),
		{
			name: "unknown", method: "POST", path: "/export/users", body: `{"user_ids":["ann","x","y"]}`, status: 404,
			has: []string{`"code":16`, `"x":"`, `"y":"`}, hasNot: []string{`"ann":"`},
		},
		{name: "twice", method: "POST", path: "/export/users", body: `{"user_ids":["ann","ann","bob"]}`, status: 201, has: []string{`"task_id":"`}},
		{
			name: "at once", method: "GET", path: "/users/ann/export", status: 200,
			has: []string{`{"user":{"id":"ann"`, `"messages":[{"id":"m1"`, `"user":null`, `"reactions":[]`, `41.50`},
		},
		{name: "nobody at once", method: "GET", path: "/users/nobody/export", status: 404, has: []string{`"code":16`}},
		{name: "tricks at once", method: "GET", path: "/users/..%2Fann/export", status: 404, has: []string{`"code":16`}},
	}
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		r.run(scenarios)
	})
	bothDialects(t, func(r *rig) { r.exports.Limits.UserMessages = 1 }, func(t *testing.T, r *rig) {
		r.people()
		r.must(200, "GET", "/users/ann/export", "")
		r.must(201, "POST", "/channels/messaging/general/message", `{"message":{"text":"more","user_id":"ann"}}`)
		r.run([]scenario{{name: "too many", method: "GET", path: "/users/ann/export", status: 400, has: []string{`"code":4`, "ann"}}})
	})
}

// The rules of writing are tested in package live; here is what HTTP adds.
func TestDataEndpoints(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		r.run([]scenario{
			{
				name: "users", method: "POST", path: "/users", body: `{"users":{"kim":{"id":"kim","custom":{"pet":"cat"}}}}`, status: 201,
				has: []string{`{"users":{"kim":{"id":"kim"`, `"membership_deletion_task_id":""`, `"pet":"cat"`},
			},
			{
				name: "no users", method: "POST", path: "/users", body: `{"users":{}}`, status: 400,
				has: []string{`"code":4`, `UpdateUsers failed with error: \"users`, `"exception_fields":{"users":"`},
			},
			{
				name: "channel", method: "POST", path: "/channels/team/x/query", body: `{"data":{"created_by":{"id":"ann"}}}`, status: 201,
				has: []string{`"cid":"team:x"`, `"watcher_count":0`, `"membership":null`},
			},
			{name: "channel again, without a body", method: "POST", path: "/channels/team/x/query", status: 201, has: []string{`"cid":"team:x"`}},
			{
				name: "nobody's channel", method: "POST", path: "/channels/team/y/query", body: `{}`, status: 400,
				has: []string{`"code":4`, "must be provided when using server side auth"},
			},
			{name: "channel of tricks", method: "POST", path: "/channels/team/%2e%2e/query", body: `{"data":{"created_by_id":"ann"}}`, status: 400, has: []string{`"code":4`}},
			{
				name: "message", method: "POST", path: "/channels/messaging/general/message",
				body: `{"message":{"id":"m2","text":"hi","user_id":"bob","mood":2.50}}`, status: 201, has: []string{`{"message":{"id":"m2"`, `"mood":2.50`},
			},
			{
				name: "message again", method: "POST", path: "/channels/messaging/general/message",
				body: `{"message":{"id":"m2","text":"hi","user_id":"bob"}}`, status: 400, has: []string{`"code":4`, "m2"},
			},
			{
				name: "message to nowhere", method: "POST", path: "/channels/messaging/none/message",
				body: `{"message":{"text":"hi","user_id":"bob"}}`, status: 404, has: []string{`"code":16`},
			},
			{
				name: "long text", method: "POST", path: "/channels/messaging/general/message",
				body: `{"message":{"text":"` + strings.Repeat("x", 20<<10+1) + `","user_id":"bob"}}`, status: 400, has: []string{`"code":20`},
			},
			{
				name: "reply", method: "POST", path: "/channels/messaging/general/message",
				body: `{"message":{"id":"m3","text":"hi","user_id":"bob","parent_id":"m1"}}`, status: 201, has: []string{`"type":"reply"`},
			},
			{
				name: "reply to a reply", method: "POST", path: "/channels/messaging/general/message",
				body: `{"message":{"text":"hi","user_id":"bob","parent_id":"m3"}}`, status: 400, has: []string{`"code":21`},
			},
			{
				name: "reaction", method: "POST", path: "/messages/m1/reaction", body: `{"reaction":{"type":"like","user_id":"bob"}}`, status: 201,
				has: []string{`{"message":{"id":"m1"`, `"reaction":{"message_id":"m1"`},
			},
			{name: "reaction to nothing", method: "POST", path: "/messages/none/reaction", body: `{"reaction":{"type":"like","user_id":"bob"}}`, status: 404, has: []string{`"code":16`}},
			{name: "reaction to tricks", method: "POST", path: "/messages/..%2Fm1/reaction", body: `{"reaction":{"type":"like","user_id":"bob"}}`, status: 404, has: []string{`"code":16`}},
		})
		a := r.must(201, "POST", "/channels/messaging/general/query", `{"state":true}`)
		r.instant(a.get("channel", "created_at"))
		r.instant(a.get("messages", 0, "user", "created_at"))
		r.instant(a.get("messages", 0, "latest_reactions", 0, "created_at"))
		topic, shoe := a.get("channel", "topic"), a.get("messages", 0, "user", "shoe")
		if r.v2 {
			topic, shoe = a.get("channel", "custom", "topic"), a.get("messages", 0, "user", "custom", "shoe")
		}
		if topic != "all" || shoe != "41.50" {
			t.Errorf("custom fields %v and %v in %s", topic, shoe, a.body)
		}
		err := r.store.View(t.Context(), r.app.ID, func(v store.Reader) error {
			var cids []string
			err := v.Channels("", func(row *store.ChannelRow) error {
				cids = append(cids, row.Channel.CID())
				return nil
			})
			if len(cids) != 3 {
				t.Errorf("the channels are %v", cids)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// In the v2 dialect a plus in a path is a space; in the classic one it is itself.
// Neither can be part of an id.
func TestPlusInPaths(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		for _, id := range []string{"gen+eral", "gen%2Beral", "gen%20eral"} {
			a := r.do("POST", "/channels/messaging/"+id+"/query", `{"data":{"created_by_id":"ann"}}`)
			if a.status != 400 || a.get("code") != "4" {
				t.Errorf("%s: %d %s", id, a.status, a.body)
			}
		}
	})
}

var varying = regexp.MustCompile(`"duration":"[^"]*"|[0-9a-f]{8}-[0-9a-f-]{27}`)

// What belongs to another app is answered as what does not exist.
func TestTenantsAreStrangers(t *testing.T) {
	t.Parallel()
	bothDialects(t, nil, func(t *testing.T, r *rig) {
		r.people()
		id := r.must(201, "POST", "/export_channels", `{"channels":[{"cid":"messaging:general"}]}`).text("task_id")
		const none = "11111111-2222-4333-8444-555555555555"
		for _, pair := range [][2]scenario{
			{{method: "GET", path: "/tasks/" + id}, {path: "/tasks/" + none}},
			{{method: "GET", path: "/export_channels/" + id}, {path: "/export_channels/" + none}},
			{{method: "POST", path: "/tasks/" + id + "/cancel"}, {path: "/tasks/" + none + "/cancel"}},
			{{method: "GET", path: "/imports/" + id}, {path: "/imports/" + none}},
			{{method: "GET", path: "/users/ann/export"}, {path: "/users/eva/export"}},
			{{method: "POST", path: "/export/users", body: `{"user_ids":["ann"]}`}, {path: "/export/users", body: `{"user_ids":["eva"]}`}},
			{
				{method: "POST", path: "/export_channels", body: `{"channels":[{"cid":"messaging:general"}]}`},
				{path: "/export_channels", body: `{"channels":[{"cid":"messaging:special"}]}`},
			},
			{
				{method: "POST", path: "/channels/messaging/general/message", body: `{"message":{"text":"x","user_id":"ann"}}`},
				{path: "/channels/messaging/special/message", body: `{"message":{"text":"x","user_id":"ann"}}`},
			},
			{
				{method: "POST", path: "/messages/m1/reaction", body: `{"reaction":{"type":"x","user_id":"ann"}}`},
				{path: "/messages/m9/reaction", body: `{"reaction":{"type":"x","user_id":"ann"}}`},
			},
		} {
			foreign := r.as(r.other, pair[0].method, pair[0].path, pair[0].body)
			unknown := r.as(r.other, pair[0].method, pair[1].path, pair[1].body)
			plain := func(a reply) string {
				s := varying.ReplaceAllString(a.body, "")
				return strings.NewReplacer("general", "special", "ann", "eva").Replace(s)
			}
			if foreign.status != 404 || unknown.status != 404 || plain(foreign) != plain(unknown) {
				t.Errorf("%s: %d %s, but unknown: %d %s", pair[0].path, foreign.status, foreign.body, unknown.status, unknown.body)
			}
		}
		// The same ids are free for the other app.
		err := r.store.View(context.Background(), r.other.ID, func(v store.Reader) error {
			_, err := v.UserKey("ann")
			return err
		})
		if err == nil {
			t.Error("the other app has the user")
		}
	})
}

func TestLogsKeepSecrets(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.people()
	r.must(201, "POST", "/channels/messaging/general/message", `{"message":{"text":"rosebud","user_id":"ann"}}`)
	r.do("POST", "/channels/messaging/general/message", `{"message":{"text":"rosebud","user_id":"nobody"}}`)
	r.do("POST", "/channels/messaging/general/message", `{"message":{"text":"rosebud"`)
	key := "exports/channels/" + r.app.Key + "/f.json"
	r.file(key, "[]")
	url, err := r.blob.SignGet(t.Context(), key, 1e12)
	if err != nil {
		t.Fatal(err)
	}
	r.fetch(url)
	_, signature, _ := strings.Cut(url, "signature=")
	log := r.log.String()
	for _, secret := range []string{"rosebud", r.app.Secret, signature, "eyJ"} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log:\n%s", secret, log)
		}
	}
	for _, want := range []string{"route=/channels/{type}/{id}/message", "status=201", "app=" + r.app.Key, "method=POST", "route=/exports/{kind}/{app}/{file}"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
}
