package test_test

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"hansard/test/harness"
)

// attempt is a request of one app with an id, ID, that another app's objects
// have, or nobody's: the answer must be the same.
type attempt struct {
	kind   string // of id; "" = there is none, and the answer must show nothing of the other app
	method string
	path   string
	body   string
	// taken says that the request may succeed: it finds nothing, or makes
	// something of that id for this app.
	taken bool
}

// foreigner is what the tests of tenancy know of the app that owns something.
type foreigner struct {
	*tongue
	ids map[string][]string // by kind
}

// owned fills the chat of the app that owns. Whatever it says has a word in it,
// or an id that begins with owner-.
func owned(c *tongue) *foreigner {
	c.ok("POST", "/users", `{"users":{
		"owner-ann":{"id":"owner-ann","name":"Secretly Ann","teams":["secretly"],`+c.custom(`"note":"secretly"`)+`},"owner-bob":{"id":"owner-bob"},
		"owner-gone":{"id":"owner-gone"},"owner-idle":{"id":"owner-idle"}}}`)
	c.ok("POST", "/channeltypes", `{"name":"ownertype"}`)
	c.ok("PATCH", "/app", `{"secretly":"so"}`)
	c.room("owner-room", "owner-ann", "owner-bob", "owner-idle")
	c.room("owner-dead", "owner-ann")
	c.ok("PATCH", "/channels/messaging/owner-room", `{"set":{"topic":"secretly"}}`)
	c.say("owner-room", "owner-top", "owner-ann", `"attachments":[{"title":"secretly"}]`)
	c.say("owner-room", "owner-reply", "owner-bob", `"parent_id":"owner-top"`)
	c.say("owner-room", "owner-deleted", "owner-bob")
	c.say("owner-dead", "owner-in-dead", "owner-ann")
	c.react("owner-top", "owner-bob", "secretly")
	c.ok("PUT", "/messages/owner-top", `{"set":{"text":"secretly changed"}}`)
	c.ok("DELETE", "/messages/owner-deleted", "")
	c.ok("DELETE", "/channels/messaging/owner-dead", "")
	c.ok("POST", "/channels/messaging/owner-room/message", `{"message":{"id":"owner-pending","text":"secretly","user_id":"owner-ann"},"pending":true}`)
	c.ok("POST", "/call/default/owner-call", `{"data":{"created_by_id":"owner-ann","members":[{"user_id":"owner-bob"}],`+c.custom(`"topic":"secretly"`)+`}}`)
	c.ok("POST", "/users/block", `{"user_id":"owner-ann","blocked_user_id":"owner-bob"}`)
	c.ok("POST", "/channels/messaging/owner-room/hide", `{"user_id":"owner-bob"}`)
	c.ok("POST", "/moderation/mute/channel", `{"channel_cids":["messaging:owner-room"],"user_id":"owner-ann"}`)
	c.ok("POST", "/users/owner-idle/deactivate", "")
	c.ok("DELETE", "/users/owner-gone", "")

	file := []byte(`{"type":"user","data":{"id":"owner-imported","name":"Secretly"}}` + "\n")
	path := c.Upload("owner.jsonl", bytes.NewReader(file))
	imported := c.CreateImport(c.Upload("owner.jsonl", bytes.NewReader(file)))
	c.Imported(imported)
	c.room("owner-extra", "owner-ann")
	deletion := taskOf(c.t, c.ok("POST", "/channels/delete", `{"cids":["messaging:owner-extra"],"hard_delete":true}`))
	c.finished(deletion, "messaging:owner-extra")
	export := c.Completed(c.ExportChannels(harness.Request{"channels": specs("messaging:owner-room")}))
	return &foreigner{c, map[string][]string{
		"user":    {"owner-ann", "owner-bob", "owner-gone", "owner-idle"},
		"channel": {"owner-room", "owner-dead"},
		"message": {"owner-top", "owner-reply", "owner-deleted", "owner-in-dead", "owner-pending"},
		"call":    {"owner-call"},
		"type":    {"ownertype"},
		"task":    {deletion, export.ID},
		"import":  {imported},
		"path":    {path},
	}}
}

// nobodys are ids of each kind that nobody has.
var nobodys = map[string]string{
	"user": "nobody-ann", "channel": "nowhere-room", "message": "nothing-top", "call": "nobodys-call", "type": "notype",
	"task": "00000000-0000-4000-8000-000000000000", "import": "00000000-0000-4000-8000-000000000000",
}

// state is all that there is of the app, as it sees it itself.
func (f *foreigner) state() map[string][]byte {
	cids := []string{"messaging:owner-room", "messaging:owner-dead"}
	all := f.all(cids...).everywhere()
	all["users"] = f.Users(f.ids["user"]...)
	for what, ask := range map[string][3]string{
		"all channels":     {"POST", "/export_channels", ""},
		"users found":      {"GET", "/users?payload=" + url.QueryEscape(`{"filter_conditions":{},"include_deactivated_users":true}`), ""},
		"blocks":           {"GET", "/users/block?user_id=owner-ann", ""},
		"channels of ann":  {"POST", "/channels", `{"filter_conditions":{},"user_id":"owner-ann","state":true}`},
		"channels of bob":  {"POST", "/channels", `{"filter_conditions":{"hidden":true},"user_id":"owner-bob"}`},
		"pending":          {"GET", "/messages/owner-pending", ""},
		"history":          {"POST", "/messages/history", `{"filter":{"message_id":"owner-top"}}`},
		"calls":            {"POST", "/calls", `{"filter_conditions":{}}`},
		"types":            {"GET", "/channeltypes", ""},
		"app":              {"GET", "/app", ""},
		"import":           {"GET", "/imports/" + f.ids["import"][0], ""},
		"imports":          {"GET", "/imports", ""},
		"a deletion":       {"GET", "/tasks/" + f.ids["task"][0], ""},
		"its own messages": {"GET", "/users/owner-bob/export", ""},
	} {
		if what == "all channels" {
			all[what] = f.Channels(harness.Request{"filter": harness.Request{}, "version": "v2", "export_users": true, "include_soft_deleted_channels": true})
			continue
		}
		all[what] = duration.ReplaceAll(f.ok(ask[0], ask[1], ask[2]), nil)
	}
	return all
}

// random is what differs from one answer to the next that is otherwise the same.
var random = regexp.MustCompile(`"duration":"[^"]*"|"access_token":"[^"]*"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|` +
	`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\b1\d{18}\b`)

// TestLiveForeign: on every endpoint an id of another app is like one that
// nobody has, and the other app's chat stays as it is.
func TestLiveForeign(t *testing.T) {
	t.Parallel()
	routes := documented(t)
	bothTongues(t, func(t *testing.T, s *harness.Server, c *tongue) {
		other := harness.App{Key: "other", Secret: "another-secret-of-the-tests"}
		harness.Run(t, "app", "create", "--data", s.Data, "--api-key", other.Key, "--api-secret", other.Secret)
		owner := owned(c)
		before := owner.state()
		stranger := &tongue{t, s.As(other), c.v2}
		stranger.users("zoe", "zed")
		stranger.room("zoe-room", "zoe", "zed")
		stranger.say("zoe-room", "zoe-m", "zoe")
		stranger.ok("POST", "/call/default/zoe-call", `{"data":{"created_by_id":"zoe"}}`)

		tried := map[string]bool{}
		for _, a := range attempts() {
			tried[routes.of(t, a)] = true
			if a.kind == "" {
				owner.silent(a, stranger.try(a, "").body, "")
				continue
			}
			unknown := nobodys[a.kind]
			if a.kind == "path" {
				unknown = "imports/other/00000000-0000-4000-8000-000000000000/chat.jsonl"
			}
			want := stranger.try(a, unknown)
			for _, id := range owner.ids[a.kind] {
				got := stranger.try(a, id)
				owner.silent(a, got.body, id)
				if got != want {
					t.Errorf("%s %s %s: of another app (%s)\n%d %s\nof nobody\n%d %s", a.method, a.path, a.body, id, got.status, got.body, want.status, want.body)
				}
			}
			if refused := want.code == "4" && want.status == 400 || want.code == "16" && want.status == 404; !refused && !a.taken {
				t.Errorf("%s %s %s with an id of nobody: %d %s", a.method, a.path, a.body, want.status, want.body)
			}
		}
		for _, route := range routes.list {
			if !tried[route] {
				t.Errorf("%s is in docs/api.md and was not tried", route)
			}
		}
		for what, now := range owner.state() {
			equal(t, what+" of the owner", before[what], now)
		}
		// What the stranger has made under the owner's ids is the stranger's.
		f := stranger.export(nil, "messaging:owner-room")
		f.messages("nothing-top", "owner-top", "owner-reply", "owner-deleted", "owner-in-dead", "owner-pending")
		nowhere(t, f.everywhere(), "ecretly")
	})
}

// outcome is an answer without what is different each time, and with ID where
// the id stood.
type outcome struct {
	status     int
	code, body string
}

func (c *tongue) try(a attempt, id string) outcome {
	c.t.Helper()
	fill := func(s string) string { return strings.ReplaceAll(s, "ID", id) }
	path := fill(a.path)
	if before, payload, found := strings.Cut(path, "?payload="); found {
		path = before + "?payload=" + url.QueryEscape(payload)
	}
	resp := c.call(a.method, path, fill(a.body))
	body := string(resp.Body)
	if id != "" {
		body = strings.ReplaceAll(body, id, "ID")
	}
	body = random.ReplaceAllString(body, "X")
	_, code, _ := strings.Cut(body, `{"code":`)
	code, _, _ = strings.Cut(code, ",")
	return outcome{resp.Status, code, body}
}

// silent checks that an answer to a stranger shows nothing of the owner.
func (f *foreigner) silent(a attempt, body, id string) {
	f.t.Helper()
	// What the stranger has made under the owner's ids may be shown to it.
	mine := strings.ReplaceAll(body, `"messaging:owner-room"`, "")
	if strings.Contains(body, "ecretly") || strings.Contains(mine, "owner-") {
		f.t.Errorf("%s %s %s (%s) shows another app's: %s", a.method, a.path, a.body, id, body)
	}
}

// routing finds the route that a request takes.
type routing struct {
	mux  *http.ServeMux
	list []string
}

// documented are the routes of docs/api.md, but for those that take no key.
func documented(t *testing.T) *routing {
	t.Helper()
	doc, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	r := &routing{mux: http.NewServeMux()}
	_, endpoints, _ := strings.Cut(string(doc), "## Every endpoint")
	for _, m := range regexp.MustCompile("(?m)^\\| (GET|POST|PUT|PATCH|DELETE) \\| `([^`]+)` \\| [^|]* \\| `/api/v2").FindAllStringSubmatch(endpoints, -1) {
		route := m[1] + " " + m[2]
		r.list = append(r.list, route)
		r.mux.HandleFunc(route, func(http.ResponseWriter, *http.Request) {})
	}
	if len(r.list) < 60 {
		t.Fatalf("docs/api.md has the routes %v", r.list)
	}
	return r
}

func (r *routing) of(t *testing.T, a attempt) string {
	t.Helper()
	path, _, _ := strings.Cut(a.path, "?")
	req, err := http.NewRequest(a.method, "http://x"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, route := r.mux.Handler(req)
	if route == "" {
		t.Errorf("%s %s is not in docs/api.md", a.method, a.path)
	}
	return route
}
