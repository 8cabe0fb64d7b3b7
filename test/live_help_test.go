package test_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hansard/test/harness"

	gocmp "github.com/google/go-cmp/cmp"
)

// tongue is a client that speaks one dialect. Paths are those of the classic
// one everywhere.
type tongue struct {
	t *testing.T
	*harness.Client
	v2 bool
}

// bothTongues runs a test once per dialect, each with a server of its own.
func bothTongues(t *testing.T, test func(t *testing.T, s *harness.Server, c *tongue)) {
	t.Helper()
	for name, v2 := range map[string]bool{"classic": false, "v2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, t.TempDir())
			test(t, s, &tongue{t, s.Client, v2})
		})
	}
}

// path turns a classic path into one of the dialect.
func (c *tongue) path(classic string) string {
	if !c.v2 {
		return classic
	}
	if strings.HasPrefix(classic, "/call") {
		return "/api/v2/video" + classic
	}
	for _, chat := range []string{"/channel", "/export_channels", "/messages", "/members", "/moderation"} {
		if strings.HasPrefix(classic, chat) {
			return "/api/v2/chat" + classic
		}
	}
	return "/api/v2" + classic
}

// call makes a request, whatever comes of it.
func (c *tongue) call(method, path, body string) *harness.Response {
	c.t.Helper()
	var sent any
	if body != "" {
		sent = body
	}
	resp, err := c.Do(method, c.path(path), sent)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

// ok makes a request that must succeed, and returns the answer.
func (c *tongue) ok(method, path, body string) []byte {
	c.t.Helper()
	resp := c.call(method, path, body)
	if resp.Status >= http.StatusMultipleChoices {
		c.t.Fatalf("%s %s %.300s: %d %s", method, path, body, resp.Status, resp.Body)
	}
	return resp.Body
}

// refused makes a request that must be refused with this status and code.
func (c *tongue) refused(status, code int, method, path, body string) {
	c.t.Helper()
	resp := c.call(method, path, body)
	if resp.Status != status || !bytes.Contains(resp.Body, fmt.Appendf(nil, `"code":%d,`, code)) {
		c.t.Errorf("%s %s %.300s: %d %s, want %d and code %d", method, path, body, resp.Status, resp.Body, status, code)
	}
}

// custom is custom fields in a request: v2 has them in an object of their own.
func (c *tongue) custom(fields string) string {
	if c.v2 {
		return `"custom":{` + fields + `}`
	}
	return fields
}

// at is a time in a request.
func (c *tongue) at(t time.Time) string {
	if c.v2 {
		return strconv.FormatInt(t.UnixNano(), 10)
	}
	return `"` + t.Format(time.RFC3339Nano) + `"`
}

// users makes users of whom only the ids are of interest.
func (c *tongue) users(ids ...string) {
	c.t.Helper()
	var list []string
	for _, id := range ids {
		list = append(list, fmt.Sprintf(`%q:{"id":%q,"name":"Name of %s"}`, id, id, id))
	}
	c.ok("POST", "/users", `{"users":{`+strings.Join(list, ",")+`}}`)
}

// room makes a channel of type messaging whose first member creates it, and
// returns its cid.
func (c *tongue) room(id string, members ...string) string {
	c.t.Helper()
	var list []string
	for _, m := range members {
		list = append(list, fmt.Sprintf(`{"user_id":%q}`, m))
	}
	c.ok("POST", "/channels/messaging/"+id+"/query", fmt.Sprintf(`{"data":{"created_by_id":%q,"members":[%s]}}`, members[0], strings.Join(list, ",")))
	return "messaging:" + id
}

// say sends a message whose text names its id; more are further fields.
func (c *tongue) say(room, id, user string, more ...string) {
	c.t.Helper()
	fields := append([]string{fmt.Sprintf(`"id":%q,"user_id":%q,"text":"text of %s"`, id, user, id)}, more...)
	c.ok("POST", "/channels/messaging/"+room+"/message", `{"message":{`+strings.Join(fields, ",")+`}}`)
}

// react sends a reaction.
func (c *tongue) react(message, user, typ string) {
	c.t.Helper()
	c.ok("POST", "/messages/"+message+"/reaction", fmt.Sprintf(`{"reaction":{"type":%q,"user_id":%q}}`, typ, user))
}

// done waits until the task that an answer names is completed, and checks that
// its result says ok of these and nothing else.
func (c *tongue) done(answer []byte, ids ...string) {
	c.t.Helper()
	c.finished(taskOf(c.t, answer), ids...)
}

// taskOf is the task that an answer names.
func taskOf(t *testing.T, answer []byte) string {
	t.Helper()
	var started struct {
		ID string `json:"task_id"`
	}
	if err := json.Unmarshal(answer, &started); err != nil || started.ID == "" {
		t.Fatalf("no task in %s", answer)
	}
	return started.ID
}

func (c *tongue) finished(id string, ids ...string) {
	c.t.Helper()
	var task struct {
		Status string
		Result json.RawMessage
		Error  json.RawMessage
	}
	harness.Until(c.t, harness.Patience, "final: task "+id, func() bool {
		if err := json.Unmarshal(c.ok("GET", "/tasks/"+id, ""), &task); err != nil {
			c.t.Fatal(err)
		}
		return task.Status == "completed" || task.Status == "failed"
	})
	want := map[string]map[string]string{}
	for _, id := range ids {
		want[id] = map[string]string{"status": "ok"}
	}
	got := map[string]map[string]string{}
	if err := json.Unmarshal(task.Result, &got); err != nil || task.Status != "completed" {
		c.t.Fatalf("task %s is %s: %s, error %s", id, task.Status, task.Result, task.Error)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		c.t.Errorf("result of the task: want (-) and got (+)\n%s", diff)
	}
}

// files is one export of channels in every form. They say the same: what is
// checked in one holds for all.
type files struct {
	t         *testing.T
	v1        []byte
	v2        []byte
	withUsers []byte
	table     []byte
	lines     []line // of withUsers
}

// export asks for an export in every form and checks that each has the shape of
// the contract, and that they agree.
func (c *tongue) export(options harness.Request, cids ...string) *files {
	c.t.Helper()
	f := &files{t: c.t}
	forms := []struct {
		of   harness.Request
		into *[]byte
		id   string
	}{
		{harness.Request{"version": "v1"}, &f.v1, ""},
		{harness.Request{"version": "v2"}, &f.v2, ""},
		{harness.Request{"version": "v2", "export_users": true}, &f.withUsers, ""},
		{harness.Request{"version": "v2", "format": "csv"}, &f.table, ""},
	}
	for i := range forms {
		request := harness.Request{"channels": specs(cids...)}
		maps.Copy(request, options)
		maps.Copy(request, forms[i].of)
		var answer struct {
			ID string `json:"task_id"`
		}
		c.Must("POST", c.path("/export_channels"), request, &answer)
		forms[i].id = answer.ID
	}
	for i := range forms {
		*forms[i].into = c.Download(c.Completed(forms[i].id))
	}
	plain := lines(c.t, f.v2, true)
	sameContent(c.t, entries(c.t, f.v1), plain)
	sameRows(c.t, f.table, plain)
	f.lines = lines(c.t, f.withUsers, true)
	checkUserLines(c.t, f.lines)
	if !bytes.HasSuffix(f.withUsers, f.v2) {
		c.t.Error("the export with users does not end with the one without")
	}
	return f
}

// checkUserLines is checkUsersFirst for several channels: users come by the
// first channel that they appear in, then by id.
func checkUserLines(t *testing.T, ls []line) {
	t.Helper()
	var got, want []string
	appear := map[string]map[string]bool{}
	for _, l := range ls {
		cid := l.Flat["channel_cid"]
		switch l.Type {
		case "user":
			got = append(got, look(t, l.Object).ID)
			continue
		case "channel":
			cid = look(t, l.Object).CID
			appear[cid] = map[string]bool{}
		}
		collectUsers(t, l.Object, appear[cid])
	}
	seen := map[string]bool{}
	for _, l := range ls {
		if l.Type != "channel" {
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(appear[look(t, l.Object).CID])) {
			if !seen[id] {
				seen[id] = true
				want = append(want, id)
			}
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("users who appear (-), user lines (+):\n%s", diff)
	}
}

// all is export with everything that can be asked for.
func (c *tongue) all(cids ...string) *files {
	c.t.Helper()
	return c.export(harness.Request{"include_truncated_messages": true, "include_soft_deleted_channels": true}, cids...)
}

// ids are those of the objects of a type, in the order of the file.
func (f *files) ids(typ string) []string {
	f.t.Helper()
	ids := []string{}
	for _, l := range f.lines {
		if l.Type != typ {
			continue
		}
		p := look(f.t, l.Object)
		switch typ {
		case "channel":
			ids = append(ids, p.CID)
		case "member":
			ids = append(ids, p.UserID)
		case "read":
			ids = append(ids, p.User.ID)
		case "reaction":
			ids = append(ids, p.Type+" of "+p.UserID+" to "+p.MessageID)
		default:
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// messages checks which messages there are, and their order.
func (f *files) messages(want ...string) {
	f.t.Helper()
	if got := f.ids("message"); !slices.Equal(got, want) {
		f.t.Errorf("messages %v, want %v", got, want)
	}
	rows, err := csv.NewReader(bytes.NewReader(f.table)).ReadAll()
	if err != nil {
		f.t.Fatal(err)
	}
	var table []string
	for _, row := range rows[1:] {
		table = append(table, row[0])
	}
	if !slices.Equal(table, want) {
		f.t.Errorf("rows of the table %v, want %v", table, want)
	}
}

// object is the object of a type that has an id; for a channel it is the cid,
// for members and reads the user's id.
func (f *files) object(typ, id string) json.RawMessage {
	f.t.Helper()
	at := slices.Index(f.ids(typ), id)
	if at < 0 {
		f.t.Fatalf("no %s %s among %v", typ, id, f.ids(typ))
	}
	for _, l := range f.lines {
		if l.Type != typ {
			continue
		}
		if at == 0 {
			return l.Object
		}
		at--
	}
	return nil
}

// member is a member of an object, nil if it has none of that name.
func member(t *testing.T, object json.RawMessage, name string) json.RawMessage {
	t.Helper()
	fs, err := fields(object)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fs {
		if f.key == name {
			return f.value
		}
	}
	return nil
}

// is checks members of an object, in pairs of a name and the JSON that is
// wanted; "" = there must be none of that name.
func is(t *testing.T, object json.RawMessage, pairs ...string) {
	t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		if got := string(member(t, object, pairs[i])); got != pairs[i+1] {
			t.Errorf("%s is %s, want %s in %.600s", pairs[i], got, pairs[i+1], object)
		}
	}
}

// has checks that an object has members of these names.
func has(t *testing.T, object json.RawMessage, names ...string) {
	t.Helper()
	for _, name := range names {
		if v := member(t, object, name); v == nil || string(v) == "null" {
			t.Errorf("no %s in %.600s", name, object)
		}
	}
}

// nowhere checks that none of the words is in any of the files.
func nowhere(t *testing.T, files map[string][]byte, words ...string) {
	t.Helper()
	for name, file := range files {
		for _, word := range words {
			if at := bytes.Index(file, []byte(word)); at >= 0 {
				t.Errorf("%q is in %s: …%s…", word, name, file[max(0, at-120):min(len(file), at+120)])
			}
		}
	}
}

// everywhere is how the files of an export are called in messages.
func (f *files) everywhere() map[string][]byte {
	return map[string][]byte{"v1": f.v1, "v2": f.v2, "v2 with users": f.withUsers, "csv": f.table}
}

// people is the users export, checked, as lines by type.
func (c *tongue) people(ids ...string) map[string][]json.RawMessage {
	c.t.Helper()
	all := lines(c.t, c.Users(ids...), false)
	checkPeople(c.t, all, ids)
	byType := map[string][]json.RawMessage{}
	for _, l := range all {
		byType[l.Type] = append(byType[l.Type], l.Object)
	}
	return byType
}

// own checks which messages the users export has of a user, in order.
func (c *tongue) own(user string, want ...string) map[string][]json.RawMessage {
	c.t.Helper()
	theirs := c.people(user)
	got := []string{}
	for _, m := range theirs["message"] {
		got = append(got, look(c.t, m).ID)
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("the users export of %s has the messages %v, want %v", user, got, want)
	}
	return theirs
}
