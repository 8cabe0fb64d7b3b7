package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"

	"pgregory.net/rapid"
)

type cidMethod func(ctx context.Context, app int64, typ, id string, q url.Values, body []byte) ([]byte, error)

// aimed calls a method about the call with that cid.
func (f *fixture) aimed(method cidMethod, cid string) call {
	typ, id, _ := strings.Cut(cid, ":")
	return func(body string) ([]byte, error) {
		return method(f.t.Context(), f.app, typ, id, nil, []byte(body))
	}
}

func (f *fixture) calls(body string) ([]byte, error) {
	return f.live.QueryCalls(f.t.Context(), f.app, []byte(body))
}

// exported gives the calls in the exports of a user.
func (f *fixture) exported(user string) (calls []string) {
	f.t.Helper()
	err := f.store.View(f.t.Context(), f.app, func(r store.Reader) error {
		key, err := r.UserKey(user)
		if err != nil {
			return err
		}
		return r.UserCalls(key, func(row *store.CallRow) error {
			b, err := render.New(r).Call(nil, row)
			calls = append(calls, string(b))
			return err
		})
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return calls
}

// callers makes some users.
func callers(t *testing.T) *fixture {
	f := newFixture(t)
	f.must(f.users, `{"users":{"ann":{"id":"ann","name":"Ann"},"bob":{"id":"bob"},"eve":{"id":"eve"},"kim":{"id":"kim"}}}`)
	return f
}

func TestGetOrCreateCall(t *testing.T) {
	t.Parallel()
	f := callers(t)
	create := f.aimed(f.live.GetOrCreateCall, "default:daily")
	v := f.must(create, `{"data":{"created_by_id":"ann","members":[{"user_id":"ann","role":"host","custom":{"seat":1,"big":12345678901234567890}},{"user_id":"bob"}],
		"starts_at":"2026-03-02T09:00:00+01:00","team":"red","custom":{"topic":"plans","price":2.50},"settings_override":{"audio":{"mic_default_on":false}},"video":true},
		"ring":true,"notify":false,"video":true,"members_limit":1}`)
	f.want(v, true, "created")
	f.want(v, []any{}, "own_capabilities")
	f.want(v, "default:daily", "call", "cid")
	f.want(v, "Ann", "call", "created_by", "name")
	f.want(v, "2026-03-01T12:00:00Z", "call", "created_at")
	f.want(v, "2026-03-02T08:00:00Z", "call", "starts_at")
	f.want(v, "red", "call", "team")
	f.want(v, "plans", "call", "topic")
	f.want(v, nil, "call", "video")
	f.want(v, false, "call", "settings", "audio", "mic_default_on")
	f.want(v, map[string]any{
		"user_id": "ann", "user": get(v, "call", "created_by"), "role": "host", "created_at": "2026-03-01T12:00:00Z",
		"updated_at": "2026-03-01T12:00:00Z", "seat": 1.0, "big": 12345678901234567890.0,
	}, "members", 0)
	f.want(v, nil, "members", 1)
	f.want(v, nil, "call", "members", 1)

	// What exists is not changed, apart from members who are missing.
	f.pass(time.Minute)
	v = f.must(create, `{"data":{"created_by_id":"bob","custom":{"topic":"other"},"members":[{"user_id":"bob","role":"host"},"kim"]}}`)
	f.want(v, false, "created")
	f.want(v, "ann", "call", "created_by", "id")
	f.want(v, "plans", "call", "topic")
	f.want(v, "2026-03-01T12:01:00Z", "call", "updated_at")
	f.want(v, "user", "members", 1, "role")
	f.want(v, "kim", "members", 2, "user_id")
	f.want(v, "2026-03-01T12:01:00Z", "members", 2, "created_at")
	f.pass(time.Minute)
	v = f.must(create, ``)
	f.want(v, false, "created")
	f.want(v, "2026-03-01T12:01:00Z", "call", "updated_at")

	// Exports have it byte for byte, without what they do not show.
	export := f.exported("kim")
	if len(export) != 1 || !strings.Contains(export[0], `"members":[{"user_id":"ann","role":"host","created_at":"2026-03-01T12:00:00Z"},`) ||
		!strings.HasSuffix(export[0], `],"price":2.50,"team":"red","topic":"plans"}`) {
		t.Errorf("exported: %s", export)
	}
	out, err := f.aimed(f.live.GetCall, "default:daily")("")
	if err != nil || !strings.Contains(string(out), `"big":12345678901234567890`) || !strings.Contains(string(out), `"price":2.50`) {
		t.Errorf("%s, %v", out, err)
	}
	get := func(limit string) call {
		return func(string) ([]byte, error) {
			return f.live.GetCall(t.Context(), f.app, "default", "daily", url.Values{"members_limit": {limit}}, nil)
		}
	}
	v = f.must(get("2"), "")
	f.want(v, nil, "created")
	f.want(v, "bob", "members", 1, "user_id")
	f.want(v, nil, "members", 2)
	f.want(f.must(get("0"), ""), []any{}, "members")
	for _, bad := range []string{"101", "-1", "x"} {
		f.refused(get(bad), "", wire.CodeBadInput, "members_limit")
	}
}

func TestGetOrCreateCallRefuses(t *testing.T) {
	t.Parallel()
	f := callers(t)
	create := f.aimed(f.live.GetOrCreateCall, "default:new")
	by := `{"data":{"created_by_id":"ann",`
	for _, tt := range []struct {
		body  string
		words []string
	}{
		{``, []string{"either data.created_by or data.created_by_id must be provided when using server side auth."}},
		{`{"data":{}}`, []string{"created_by_id"}},
		{`{"data":7}`, []string{"data", "object"}},
		{`[]`, []string{"object"}},
		{`{"data":{"created_by_id":"x"}}`, []string{"data.created_by_id", "does not exist: x"}},
		{`{"data":{"created_by_id":"ann","created_by":{"id":"bob"}}}`, []string{"data.created_by"}},
		{by + `"members":[{"user_id":"ann"},{"user_id":"x"},{"user_id":"y"}]}}`, []string{"data.members", "x, y"}},
		{by + `"members":[{}]}}`, []string{"data.members[0].user_id", "required"}},
		{by + `"members":[{"user_id":"bob"},{"user_id":"bob"}]}}`, []string{"data.members[1]", "bob"}},
		{by + `"members":{}}}`, []string{"data.members", "array"}},
		{by + `"members":[{"user_id":"bob","role":"a b"}]}}`, []string{"data.members[0].role"}},
		{by + `"members":[{"user_id":"bob","custom":[]}]}}`, []string{"data.members[0].custom", "object"}},
		{by + `"members":[{"user_id":"bob","custom":{"x":"` + strings.Repeat("x", 5<<10) + `"}}]}}`, []string{"data.members[0]", "custom"}},
		{by + `"members":[` + manyOf(101, `{"user_id":"u%d"}`) + `]}}`, []string{"data.members", "100"}},
		{by + `"starts_at":"tomorrow"}}`, []string{"data.starts_at"}},
		{by + `"team":7}}`, []string{"data.team", "string"}},
		{by + `"custom":{"cid":"x"}}}`, []string{"data.custom.cid", "built-in"}},
		{by + `"custom":7}}`, []string{"data.custom", "object"}},
		{by + `"custom":{"x":"` + strings.Repeat("x", 5<<10) + `"}}}`, []string{"data", "custom"}},
		{by + `"settings_override":[]}}`, []string{"data.settings_override", "object"}},
		{by + `"settings_override":{"x":"` + strings.Repeat("x", 64<<10) + `"}}}`, []string{"data.settings_override", "65536"}},
		{by + `"settings_override":{"x":` + tooDeep + `}}}`, []string{"data.settings_override", "5000"}},
		{by + `"members":[{"user_id":"bob","x":` + tooDeep + `}]}}`, []string{"data.members[0].x", "5000"}},
		{by + `"type":"other"}}`, []string{"data.type", "path"}},
		{by + `"cid":"default:other"}}`, []string{"data.id", "path"}},
		{by + `"created_at":"2001-01-01T00:00:00Z"}}`, []string{"data.created_at", "server"}},
		{by + `"ended_at":1}}`, []string{"data.ended_at", "server"}},
		{by + `"session":{}}}`, []string{"data.session", "server"}},
		{by + `"video":1}}`, []string{"data.video", "true or false"}},
		{`{"members_limit":101}`, []string{"members_limit", "100"}},
		{`{"ring":"yes"}`, []string{"ring", "true or false"}},
	} {
		f.refused(create, tt.body, wire.CodeBadInput, tt.words...)
	}
	for _, cid := range []string{"default:a/b", "default:", "de fault:x", ":x", "default:" + strings.Repeat("x", 65)} {
		f.refused(f.aimed(f.live.GetOrCreateCall, cid), `{"data":{"created_by_id":"ann"}}`, wire.CodeBadInput)
	}
	f.want(f.must(f.calls, ``), []any{}, "calls")
	f.must(create, `{"data":{"created_by":{"id":"ann"},"members":null,"custom":null,"starts_at":null,"team":null},"members_limit":null,"other":1}`)
}

// tooDeep is a value of more levels than any may have.
var tooDeep = strings.Repeat("[", 5001) + strings.Repeat("]", 5001)

func manyOf(n int, text string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = strings.ReplaceAll(text, "%d", fmt.Sprint(i))
	}
	return strings.Join(list, ",")
}

func TestUpdateCall(t *testing.T) {
	t.Parallel()
	f := callers(t)
	f.must(f.aimed(f.live.GetOrCreateCall, "default:c"),
		`{"data":{"created_by_id":"ann","members":[{"user_id":"bob"}],"team":"red","custom":{"a":1,"b":2},"settings_override":{"x":1}}}`)
	f.pass(time.Minute)
	update := f.aimed(f.live.UpdateCall, "default:c")
	v := f.must(update, `{"starts_at":1772355600000000000,"custom":null}`)
	f.want(v, "2026-03-01T09:00:00Z", "call", "starts_at")
	f.want(v, 1.0, "call", "a")
	f.want(v, "2026-03-01T12:01:00Z", "call", "updated_at")
	f.want(v, "bob", "members", 0, "user_id")
	f.want(v, []any{}, "own_capabilities")
	// Within one microsecond of the clock, a later change is later all the same.
	v = f.must(update, `{"custom":{"c":{"z":1,"a":[2.50]}},"starts_at":null}`)
	f.want(v, "2026-03-01T12:01:00.000001Z", "call", "updated_at")
	f.want(v, nil, "call", "a")
	f.want(v, "red", "call", "team")
	f.want(v, "2026-03-01T09:00:00Z", "call", "starts_at")
	f.want(v, map[string]any{"x": 1.0}, "call", "settings")
	v = f.must(update, `{"custom":{"team":"blue"},"settings_override":{"y":2}}`)
	f.want(v, "blue", "call", "team")
	f.want(v, nil, "call", "c")
	f.want(v, map[string]any{"y": 2.0}, "call", "settings")
	v = f.must(update, `{"custom":{}}`)
	f.want(v, "blue", "call", "team")

	for _, tt := range []struct {
		body  string
		words []string
	}{
		{`[]`, []string{"object"}},
		{`{"starts_at":true}`, []string{"starts_at"}},
		{`{"custom":[]}`, []string{"custom", "object"}},
		{`{"custom":{"id":1}}`, []string{"custom.id", "built-in"}},
		{`{"custom":{"x":"` + strings.Repeat("x", 5<<10) + `"}}`, []string{"custom", "5120"}},
		{`{"created_by_id":"bob"}`, []string{"created_by_id", "cannot be changed"}},
		{`{"members":[]}`, nil},
		{`{"members":["bob"]}`, []string{"members", "cannot be changed"}},
		{`{"id":"other"}`, []string{"id", "path"}},
		{`{"ended_at":"2026-03-01T09:00:00Z"}`, []string{"ended_at", "server"}},
	} {
		if tt.words == nil {
			f.must(update, tt.body)
			continue
		}
		f.refused(update, tt.body, wire.CodeBadInput, tt.words...)
	}
	f.refused(f.aimed(f.live.UpdateCall, "default:none"), `{"custom":{}}`, wire.CodeNotFound, "default:none")
	f.refused(f.aimed(f.live.GetCall, "default:none"), ``, wire.CodeNotFound, "default:none")
}

func TestUpdateCallMembers(t *testing.T) {
	t.Parallel()
	f := callers(t)
	f.must(f.aimed(f.live.GetOrCreateCall, "default:c"), `{"data":{"created_by_id":"ann","members":[{"user_id":"bob"},{"user_id":"eve","role":"host","custom":{"a":1}}]}}`)
	f.pass(time.Minute)
	change := f.aimed(f.live.UpdateCallMembers, "default:c")
	v := f.must(change, `{"update_members":[{"user_id":"eve","role":"guest","custom":{"b":2}},{"user_id":"kim"}],"remove_members":["bob","ann"]}`)
	f.want(v, nil, "members", 2)
	f.want(v, map[string]any{
		"user_id": "eve", "user": get(v, "members", 0, "user"), "role": "guest", "created_at": "2026-03-01T12:00:00Z",
		"updated_at": "2026-03-01T12:01:00Z", "b": 2.0,
	}, "members", 0)
	f.want(v, "eve", "members", 0, "user", "id")
	f.want(v, "kim", "members", 1, "user_id")
	f.want(v, "user", "members", 1, "role")
	f.want(v, "2026-03-01T12:01:00Z", "members", 1, "created_at")
	f.want(f.must(f.aimed(f.live.GetCall, "default:c"), ""), get(v, "members"), "members")
	for user, want := range map[string]int{"ann": 1, "bob": 0, "eve": 1, "kim": 1} {
		if got := len(f.exported(user)); got != want {
			t.Errorf("%s has %d calls, want %d", user, got, want)
		}
	}
	f.want(f.must(change, `{"remove_members":["eve","kim"],"update_members":null}`), []any{}, "members")

	for _, tt := range []struct {
		body  string
		words []string
	}{
		{`{}`, []string{"update_members", "required"}},
		{`{"update_members":[],"remove_members":[]}`, []string{"update_members", "required"}},
		{`{"update_members":[{"user_id":"x"},{"user_id":"y"}]}`, []string{"update_members", "x, y"}},
		{`{"update_members":[{"role":"host"}]}`, []string{"update_members[0].user_id", "required"}},
		{`{"update_members":{}}`, []string{"update_members", "array"}},
		{`{"update_members":[{"user_id":"bob"},{"user_id":"bob"}]}`, []string{"update_members[1]"}},
		{`{"update_members":[` + manyOf(101, `"u%d"`) + `]}`, []string{"update_members", "100"}},
		{`{"remove_members":["x"]}`, []string{"remove_members", "does not exist: x"}},
		{`{"remove_members":["a b"]}`, []string{"remove_members[0]", "user id"}},
		{`{"remove_members":[7]}`, []string{"remove_members[0]", "string"}},
		{`{"remove_members":[` + manyOf(101, `"u%d"`) + `]}`, []string{"remove_members", "100"}},
		{`{"update_members":["bob"],"remove_members":["bob"]}`, []string{"remove_members", "bob"}},
	} {
		f.refused(change, tt.body, wire.CodeBadInput, tt.words...)
	}
	f.refused(f.aimed(f.live.UpdateCallMembers, "default:none"), `{"update_members":["bob"]}`, wire.CodeNotFound)
}

// A call takes a thousand members and no more.
func TestFullCall(t *testing.T) {
	t.Parallel()
	f := callers(t)
	f.must(f.aimed(f.live.GetOrCreateCall, "default:c"), `{"data":{"created_by_id":"ann"}}`)
	for i := range 11 {
		users := make([]string, 100)
		members := make([]string, 100)
		for j := range users {
			id := fmt.Sprintf("u%d", 100*i+j)
			users[j], members[j] = fmt.Sprintf(`%q:{"id":%[1]q}`, id), fmt.Sprintf(`{"user_id":%q}`, id)
		}
		f.must(f.users, `{"users":{`+strings.Join(users, ",")+`}}`)
		add := `{"update_members":[` + strings.Join(members, ",") + `]}`
		if i < 10 {
			f.must(f.aimed(f.live.UpdateCallMembers, "default:c"), add)
		} else {
			f.refused(f.aimed(f.live.UpdateCallMembers, "default:c"), add, wire.CodeBadInput, "members", "1000")
		}
	}
}

func TestEndCall(t *testing.T) {
	t.Parallel()
	f := callers(t)
	f.must(f.aimed(f.live.GetOrCreateCall, "default:c"), `{"data":{"created_by_id":"ann"}}`)
	end, show := f.aimed(f.live.EndCall, "default:c"), f.aimed(f.live.GetCall, "default:c")
	f.want(f.must(show, ""), nil, "call", "ended_at")
	f.pass(time.Minute)
	f.want(f.must(end, ""), map[string]any{})
	f.pass(time.Minute)
	f.must(end, "{}")
	v := f.must(show, "")
	f.want(v, "2026-03-01T12:01:00Z", "call", "ended_at")
	f.want(v, "2026-03-01T12:01:00Z", "call", "updated_at")
	f.refused(f.aimed(f.live.EndCall, "default:none"), ``, wire.CodeNotFound)
}

func TestSoftDeleteCall(t *testing.T) {
	t.Parallel()
	f := callers(t)
	create := f.aimed(f.live.GetOrCreateCall, "default:c")
	f.must(create, `{"data":{"created_by_id":"ann","members":["bob"],"custom":{"topic":"old"},"settings_override":{"x":1}}}`)
	f.pass(time.Minute)
	v := f.must(f.aimed(f.live.DeleteCall, "default:c"), ``)
	f.want(v, "2026-03-01T12:01:00Z", "call", "deleted_at")
	f.want(v, "old", "call", "topic")
	f.want(v, nil, "task_id")
	for name, method := range map[string]cidMethod{
		"get": f.live.GetCall, "update": f.live.UpdateCall, "end": f.live.EndCall, "delete": f.live.DeleteCall,
	} {
		f.t.Log(name)
		f.refused(f.aimed(method, "default:c"), `{}`, wire.CodeNotFound, "default:c")
	}
	f.refused(f.aimed(f.live.UpdateCallMembers, "default:c"), `{"update_members":["bob"]}`, wire.CodeNotFound, "default:c")
	f.want(f.must(f.calls, `{"filter_conditions":{"cid":"default:c"}}`), []any{}, "calls")
	// It is still what its users did.
	for _, user := range []string{"ann", "bob"} {
		if got := f.exported(user); len(got) != 1 || !strings.Contains(got[0], `"deleted_at":"2026-03-01T12:01:00Z","members":[`) {
			t.Errorf("%s: %s", user, got)
		}
	}
	// It needs a creator again, and keeps nothing.
	f.refused(create, `{}`, wire.CodeBadInput, "created_by_id")
	v = f.must(create, `{"data":{"created_by_id":"kim"}}`)
	f.want(v, true, "created")
	f.want(v, nil, "call", "topic")
	f.want(v, nil, "call", "settings")
	f.want(v, nil, "call", "deleted_at")
	f.want(v, []any{}, "members")
	if got := f.exported("bob"); len(got) != 0 {
		t.Errorf("bob has %s", got)
	}
}

func TestHardDeleteCall(t *testing.T) {
	t.Parallel()
	f := callers(t)
	create := f.aimed(f.live.GetOrCreateCall, "default:c")
	remove := f.aimed(f.live.DeleteCall, "default:c")
	f.refused(remove, `{"hard":true}`, wire.CodeNotFound)
	f.must(create, `{"data":{"created_by_id":"ann","members":["bob"],"custom":{"topic":"old"}}}`)
	f.refused(remove, `{"hard":"yes"}`, wire.CodeBadInput, "hard")
	f.refused(remove, `[]`, wire.CodeBadInput, "object")
	v := f.must(remove, `{"hard":true}`)
	f.want(v, "old", "call", "topic")
	f.want(v, nil, "call", "deleted_at")
	id, _ := get(v, "task_id").(string)
	f.refused(f.aimed(f.live.GetCall, "default:c"), ``, wire.CodeNotFound)
	if got := f.exported("bob"); len(got) != 0 {
		t.Errorf("bob has %s", got)
	}

	// Whatever the task does, and however often, it does to that call only.
	queued, err := f.store.Task(t.Context(), f.app, id)
	if err != nil || queued.Kind != task.DeleteCalls {
		t.Fatalf("%+v, %v", queued, err)
	}
	run := func() {
		t.Helper()
		result, err := f.live.Handlers()[task.DeleteCalls](t.Context(), &task.Attempt{Task: *queued})
		if err != nil || string(result) != `{"default:c":{"status":"ok"}}` {
			t.Fatalf("%s, %v", result, err)
		}
	}
	run()
	f.must(create, `{"data":{"created_by_id":"ann"}}`) // the clock stands still
	f.put(func(tx store.Tx) error {
		c := chat.Call{Type: "default", ID: "c", CreatedBy: "ann", CreatedAt: chat.TimeOf(f.time()) + 1, UpdatedAt: 1e15}
		return tx.PutCall(&c)
	})
	run()
	f.must(f.aimed(f.live.GetCall, "default:c"), ``)
	// One that is still there goes.
	var q struct {
		CreatedAt string `json:"created_at"`
	}
	if err := json.Unmarshal(queued.Request, &q); err != nil || q.CreatedAt != "2026-03-01T12:00:00Z" {
		t.Fatalf("%s, %v", queued.Request, err)
	}
	f.put(func(tx store.Tx) error {
		c := chat.Call{Type: "default", ID: "c", CreatedBy: "ann", CreatedAt: chat.TimeOf(f.time()), UpdatedAt: 1e15}
		return tx.PutCall(&c)
	})
	run()
	f.refused(f.aimed(f.live.GetCall, "default:c"), ``, wire.CodeNotFound)

	// A soft-deleted call can be removed, too.
	f.must(create, `{"data":{"created_by_id":"ann"}}`)
	f.must(remove, `{}`)
	f.must(remove, `{"hard":true}`)
	if got := f.exported("ann"); len(got) != 0 {
		t.Errorf("ann has %s", got)
	}
	damaged := *queued
	damaged.Request = []byte(`{`)
	if _, err := f.live.Handlers()[task.DeleteCalls](t.Context(), &task.Attempt{Task: damaged}); err == nil {
		t.Error("a damaged request was taken")
	}
}

// manyCalls makes calls c0…c11, one a minute.
func manyCalls(t *testing.T) *fixture {
	f := callers(t)
	for i := range 12 {
		typ := []string{"default", "livestream", "audio_room"}[i%3]
		by := []string{"ann", "bob"}[i%2]
		members := []string{`"eve"`, `"eve","kim"`, ``, `"kim"`}[i%4]
		f.must(f.aimed(f.live.GetOrCreateCall, fmt.Sprintf("%s:c%d", typ, i)),
			fmt.Sprintf(`{"data":{"created_by_id":%q,"members":[%s],"team":"t%d","starts_at":"2026-04-01T%02d:00:00Z","custom":{"n":%d,"tag":{"a":"x%d"}}}}`,
				by, members, i%2, i, i%4, i%3))
		f.pass(time.Minute)
	}
	f.must(f.aimed(f.live.EndCall, "default:c0"), "")
	f.must(f.aimed(f.live.DeleteCall, "livestream:c1"), "")
	f.put(func(tx store.Tx) error {
		c := chat.Call{Type: "default", ID: "live", CreatedBy: "ann", CreatedAt: 1e15, UpdatedAt: 1e15, Session: chat.Raw(`{"participants":["kim"],"ended_at":null}`)}
		return tx.PutCall(&c)
	})
	return f
}

func callIDs(v any) string {
	list, _ := get(v, "calls").([]any)
	ids := make([]string, len(list))
	for i := range list {
		ids[i], _ = get(list[i], "call", "id").(string)
	}
	return strings.Join(ids, " ")
}

func TestQueryCalls(t *testing.T) {
	t.Parallel()
	f := manyCalls(t)
	for _, tt := range []struct{ body, want string }{
		{``, "c11 c10 c9 c8 c7 c6 c5 c4 c3 c2 c0 live"},
		{`{"filter_conditions":{},"watch":true}`, "c11 c10 c9 c8 c7 c6 c5 c4 c3 c2 c0 live"},
		{`{"limit":2}`, "c11 c10"},
		{`{"limit":0}`, ""},
		{`{"filter_conditions":{"id":"c4"}}`, "c4"},
		{`{"filter_conditions":{"cid":{"$in":["livestream:c4","default:c3","livestream:c1","default:none"]}}}`, "c4 c3"},
		{`{"filter_conditions":{"type":"livestream"}}`, "c10 c7 c4"},
		{`{"filter_conditions":{"team":"t1","type":{"$in":["default"]}}}`, "c9 c3"},
		{`{"filter_conditions":{"created_by_user_id":"bob"}}`, "c11 c9 c7 c5 c3"},
		{`{"filter_conditions":{"created_by_user_id":"nobody"}}`, ""},
		{`{"filter_conditions":{"members":{"$in":["kim"]}}}`, "c11 c9 c7 c5 c3"},
		{`{"filter_conditions":{"members":{"$in":[]}}}`, ""},
		{`{"filter_conditions":{"members":{"$in":["kim","eve"]}}}`, "c11 c9 c8 c7 c5 c4 c3 c0"},
		{`{"filter_conditions":{"members":{"$eq":["eve","kim"]}}}`, "c9 c5"},
		{`{"filter_conditions":{"members":{"$exists":false}}}`, "c10 c6 c2 live"},
		{`{"filter_conditions":{"ended_at":{"$exists":true}}}`, "c0"},
		{`{"filter_conditions":{"ended_at":null,"starts_at":{"$gte":"2026-04-01T10:00:00Z"}}}`, "c11 c10"},
		{`{"filter_conditions":{"starts_at":{"$lt":1775005200000000000}}}`, "c0"},
		{`{"filter_conditions":{"created_at":{"$gt":"2026-03-01T12:08:00Z"}}}`, "c11 c10 c9"},
		{`{"filter_conditions":{"updated_at":{"$gt":"2026-03-01T12:10:30Z"}}}`, "c11 c0"},
		{`{"filter_conditions":{"n":3}}`, "c11 c7 c3"},
		{`{"filter_conditions":{"custom.n":{"$lte":0}}}`, "c8 c4 c0"},
		{`{"filter_conditions":{"custom.tag.a":"x2"}}`, "c11 c8 c5 c2"},
		{`{"filter_conditions":{"$or":[{"id":"c2"},{"$and":[{"type":"default"},{"n":1}]}]}}`, "c9 c2"},
		{`{"filter_conditions":{"ongoing":true}}`, "live"},
		{`{"filter_conditions":{"backstage":true}}`, ""},
		{`{"filter_conditions":{"type":"default"},"sort":[{"field":"starts_at","direction":1}]}`, "c0 c3 c6 c9 live"},
		{`{"sort":[{"field":"n","direction":-1},{"field":"created_at"}],"limit":5}`, "c3 c7 c11 c2 c6"},
		{`{"filter_conditions":{"team":"t0"},"sort":[{"field":"id","direction":1}]}`, "c0 c10 c2 c4 c6 c8"},
	} {
		v := f.must(f.calls, tt.body)
		if got := callIDs(v); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.body, got, tt.want)
		}
	}
	v := f.must(f.calls, `{"filter_conditions":{"id":"c9"}}`)
	f.want(v, "bob", "calls", 0, "call", "created_by", "id")
	f.want(v, "kim", "calls", 0, "members", 1, "user", "id")
	f.want(v, []any{}, "calls", 0, "own_capabilities")
	f.want(v, nil, "next")
	f.want(v, nil, "prev")

	for _, tt := range []struct {
		body  string
		words []string
	}{
		{`[]`, []string{"object"}},
		{`{"filter_conditions":[]}`, []string{"filter_conditions"}},
		{`{"filter_conditions":{"created_at":{"$like":1}}}`, []string{"filter_conditions", "created_at", "$like"}},
		{`{"filter_conditions":{"created_at":"x"}}`, []string{"filter_conditions", "created_at"}},
		{`{"sort":7}`, []string{"sort"}},
		{`{"sort":[{"field":"members"}]}`, []string{"sort", "members"}},
		{`{"sort":[{"field":"ongoing"}]}`, []string{"sort", "ongoing"}},
		{`{"sort":[{"field":"id","direction":2}]}`, []string{"sort", "id"}},
		{`{"limit":101}`, []string{"limit", "100"}},
		{`{"limit":"x"}`, []string{"limit"}},
		{`{"next":7}`, []string{"next", "string"}},
		{`{"next":"x"}`, []string{"next", "another query"}},
		{`{"prev":"x.y"}`, []string{"prev", "another query"}},
		{`{"prev":"x","next":"y"}`, []string{"prev", "next"}},
	} {
		f.refused(f.calls, tt.body, wire.CodeBadInput, tt.words...)
	}
	next, _ := get(f.must(f.calls, `{"limit":1}`), "next").(string)
	hash, _, _ := strings.Cut(next, ".")
	for _, place := range []string{"!", "e30", "W10", ""} {
		f.refused(f.calls, fmt.Sprintf(`{"next":%q}`, hash+"."+place), wire.CodeBadInput, "next", "malformed")
	}
	f.refused(f.calls, fmt.Sprintf(`{"filter_conditions":{"id":"c2"},"next":%q}`, next), wire.CodeBadInput, "next", "another query")
}

// Whatever the order and the size of pages, going on from page to page gives
// every call once, in order, and going back gives the same pages.
func TestQueryCallsPages(t *testing.T) {
	t.Parallel()
	f := manyCalls(t)
	rapid.Check(t, func(r *rapid.T) {
		sort := rapid.SampledFrom([]string{
			``, `{"field":"n","direction":-1}`, `{"field":"team"},{"field":"n"}`, `{"field":"ended_at"}`, `{"field":"custom.tag.a","direction":-1}`,
			`{"field":"created_by_user_id"}`, `{"field":"tag"}`, `{"field":"starts_at","direction":-1}`, `{"field":"none"}`, `{"field":"type"},{"field":"updated_at"}`,
		}).Draw(r, "sort")
		limit := rapid.IntRange(1, 13).Draw(r, "limit")
		ask := func(limit int, cursor string) any {
			return f.must(f.calls, fmt.Sprintf(`{"sort":[%s],"limit":%d%s}`, sort, limit, cursor))
		}
		all := strings.Fields(callIDs(ask(100, "")))
		var pages []string
		cursor := ""
		var last any
		for {
			last = ask(limit, cursor)
			pages = append(pages, callIDs(last))
			if (len(pages) > 1) != (get(last, "prev") != nil) {
				r.Fatalf("page %d has prev %v", len(pages), get(last, "prev"))
			}
			next, _ := get(last, "next").(string)
			if next == "" {
				break
			}
			cursor = fmt.Sprintf(`,"next":%q`, next)
		}
		if got := strings.Fields(strings.Join(pages, " ")); !slices.Equal(got, all) {
			r.Fatalf("pages %v, want %v", pages, all)
		}
		for i := len(pages) - 2; i >= 0; i-- {
			prev, _ := get(last, "prev").(string)
			last = ask(limit, fmt.Sprintf(`,"prev":%q`, prev))
			if got := callIDs(last); got != pages[i] {
				r.Fatalf("back on page %d: %s, want %s", i, got, pages[i])
			}
			if get(last, "next") == nil || (i == 0) != (get(last, "prev") == nil) {
				r.Fatalf("back on page %d: next %v, prev %v", i, get(last, "next"), get(last, "prev"))
			}
		}
	})
}

// Calls that come and go while somebody turns pages move none of the others.
func TestQueryCallsHoldsItsPlace(t *testing.T) {
	t.Parallel()
	f := manyCalls(t)
	v := f.must(f.calls, `{"limit":3}`)
	next, _ := get(v, "next").(string)
	f.must(f.aimed(f.live.DeleteCall, "default:c9"), `{"hard":true}`) // the place itself
	f.must(f.aimed(f.live.GetOrCreateCall, "default:later"), `{"data":{"created_by_id":"ann"}}`)
	v = f.must(f.calls, fmt.Sprintf(`{"limit":3,"next":%q}`, next))
	if got := callIDs(v); got != "c8 c7 c6" {
		t.Errorf("went on with %q", got)
	}
}

func TestCallsOfAnotherApp(t *testing.T) {
	t.Parallel()
	f := callers(t)
	f.must(f.aimed(f.live.GetOrCreateCall, "default:c"), `{"data":{"created_by_id":"ann"}}`)
	other := store.App{Name: "other", Key: "other", Secret: "s"}
	if err := f.store.CreateApp(t.Context(), &other); err != nil {
		t.Fatal(err)
	}
	mine := f.app
	f.app = other.ID
	f.refused(f.aimed(f.live.GetCall, "default:c"), ``, wire.CodeNotFound)
	f.refused(f.aimed(f.live.DeleteCall, "default:c"), `{"hard":true}`, wire.CodeNotFound)
	f.refused(f.aimed(f.live.EndCall, "default:c"), ``, wire.CodeNotFound)
	f.refused(f.aimed(f.live.UpdateCall, "default:c"), `{}`, wire.CodeNotFound)
	f.refused(f.aimed(f.live.UpdateCallMembers, "default:c"), `{"remove_members":["ann"]}`, wire.CodeNotFound)
	f.refused(f.aimed(f.live.GetOrCreateCall, "default:c"), `{"data":{"created_by_id":"ann"}}`, wire.CodeBadInput, "data.created_by_id", "ann")
	f.want(f.must(f.calls, ``), []any{}, "calls")
	f.app = mine
	f.must(f.aimed(f.live.GetCall, "default:c"), ``)
}
