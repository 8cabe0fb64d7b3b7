package test_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hansard/internal/sample"
	"hansard/test/harness"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	a, b := bytes.Split(want, []byte("\n")), bytes.Split(got, []byte("\n"))
	for i := range min(len(a), len(b)) {
		if !bytes.Equal(a[i], b[i]) {
			at := 0
			for at < min(len(a[i]), len(b[i])) && a[i][at] == b[i][at] {
				at++
			}
			clip := func(s []byte) []byte { return s[max(0, at-60):min(len(s), at+120)] }
			t.Fatalf("%s: line %d, byte %d:\nwant …%s…\n got …%s…", name, i+1, at+1, clip(a[i]), clip(b[i]))
		}
	}
	t.Fatalf("%s: %d lines, want %d", name, len(b), len(a))
}

// Channels of the sample chat.
const (
	general  = "messaging:general"
	firmware = "team:buoy-firmware"
	launch   = "livestream:petrel-launch"
	lunch    = "messaging:lunch"        // truncated
	workshop = "messaging:old-workshop" // soft-deleted
)

func specs(cids ...string) []harness.Request {
	list := make([]harness.Request, len(cids))
	for i, cid := range cids {
		list[i] = harness.Request{"cid": cid}
	}
	return list
}

// TestGolden: the sample chat in every format, byte for byte, and every object
// in the contract's shape.
func TestGolden(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, t.TempDir())
	s.Import(sample.File())

	v1 := s.Channels(harness.Request{"channels": specs(general, launch)})
	golden(t, "channels.v1.json", v1)
	v2 := s.Channels(harness.Request{"channels": specs(general, launch), "version": "v2"})
	golden(t, "channels.v2.jsonl", v2)
	sameContent(t, entries(t, v1), lines(t, v2, true))

	window := harness.Request{"cid": launch, "messages_since": "2024-03-18T08:10:00Z", "messages_until": "2024-03-18T09:20:00+01:00"}
	next := harness.Request{"cid": launch, "messages_since": "2024-03-18T08:20:00Z"}
	users := s.Channels(harness.Request{"channels": []harness.Request{window, next}, "version": "v2", "export_users": true})
	golden(t, "window.users.v2.jsonl", users)
	checkUsersFirst(t, lines(t, users, true))

	for name, request := range map[string]harness.Request{
		"truncated.v2.jsonl":     {"include_truncated_messages": true, "channels": specs(lunch)},
		"not-truncated.v2.jsonl": {"channels": specs(lunch)},
		"deleted.v2.jsonl":       {"include_soft_deleted_channels": true, "channels": specs(workshop)},
		"cleared.v2.jsonl":       {"clear_deleted_message_text": true, "channels": specs(firmware)},
		"not-cleared.v2.jsonl":   {"channels": specs(firmware)},
		"cleared.v1.json":        {"clear_deleted_message_text": true, "channels": specs(firmware), "version": "v1", "export_users": true},
		"deleted-and-truncated.v1.json": {
			"include_soft_deleted_channels": true, "include_truncated_messages": true, "version": "v1",
			"channels": specs(workshop, lunch),
		},
	} {
		if request["version"] == nil {
			request["version"] = "v2"
		}
		file := s.Channels(request)
		golden(t, name, file)
		if request["version"] == "v2" {
			lines(t, file, true)
		} else {
			entries(t, file)
		}
	}

	people := s.Users(sample.Users()...)
	golden(t, "users.jsonl", people)
	checkPeople(t, lines(t, people, false), sample.Users())

	for _, id := range sample.Users() {
		sameUser(t, s, id, lines(t, s.Users(id), false))
	}

	task := s.Completed(s.ExportChannels(harness.Request{"channels": specs(general, launch), "version": "v2"}))
	golden(t, "channels.manifest.json", manifest(t, s.Get(task.Result.ManifestURL), task, v2))
	task = s.Completed(s.ExportUsers(sample.Users()...))
	golden(t, "users.manifest.json", manifest(t, s.Get(task.Result.ManifestURL), task, people))

	// The same data gives the same bytes, packed or not, whichever dialect asks.
	equal(t, "the same export", v1, s.Channels(harness.Request{"channels": specs(general, launch)}))
	for _, packing := range []string{"gzip", "zstd"} {
		packed := s.Channels(harness.Request{"channels": specs(general, launch), "version": "v2", "compression": packing})
		equal(t, packing, v2, unpack(t, packing, packed))
	}
	var answer struct {
		ID string `json:"task_id"`
	}
	from, to := time.Date(2024, 3, 18, 8, 10, 0, 0, time.UTC), time.Date(2024, 3, 18, 8, 20, 0, 0, time.UTC)
	s.Must("POST", "/api/v2/chat/export_channels", harness.Request{
		"version": "v2", "export_users": true, "filter": nil, "include_fields": nil, "unheard_of": 1,
		"channels": []harness.Request{{"type": "livestream", "id": "petrel-launch", "messages_since": from.UnixNano(), "messages_until": to.UnixNano()}, next},
	}, &answer)
	equal(t, "the v2 dialect", users, s.Download(s.Completed(answer.ID)))
}

// TestGoldenTables is TestGolden for tables.
func TestGoldenTables(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, t.TempDir())
	s.Import(sample.File())
	s.Import(testdata(t, "edge.jsonl"))
	table := s.Channels(harness.Request{"channels": specs(firmware, launch), "version": "v2", "format": "csv"})
	sameRows(t, table, lines(t, s.Channels(harness.Request{"channels": specs(firmware, launch), "version": "v2"}), true))
	golden(t, "channels.csv", table)
	golden(t, "fields.csv", s.Channels(harness.Request{
		"channels": specs(general), "version": "v2", "format": "csv",
		"include_fields": []string{"created_at", "user_name", "html", "text", "reaction_groups", "pinned_by", "reading", "id"},
	}))
	golden(t, "edge.fields.csv", s.Channels(harness.Request{
		"channels": specs(edge), "version": "v2", "format": "csv", "include_truncated_messages": true,
		"include_fields": []string{"id", "text", "html", "mml", "command", "i18n", "attachments", "reaction_scores", "pinned_by", "secret_custom", "poll"},
	}))
	resp, err := s.Do("POST", "/export_channels", harness.Request{
		"channels": specs(general), "version": "v2", "format": "csv", "include_fields": []string{"id", "no_such_column"},
	})
	if err != nil || resp.Status != 400 || !bytes.Contains(resp.Body, []byte("no_such_column")) {
		t.Errorf("an unknown column: %v %+v", err, resp)
	}
}

// sameContent: v1 and v2 hold the same objects, byte for byte.
func sameContent(t *testing.T, v1 []map[string]json.RawMessage, v2 []line) {
	t.Helper()
	of := map[string][]string{}
	for _, l := range v2 {
		of[l.Type] = append(of[l.Type], string(l.Object))
		p := look(t, l.Object)
		for key, want := range map[string]string{"user_id": cmp.Or(p.UserID, p.User.ID), "message_id": p.ID, "channel_cid": p.CID} {
			if got, there := l.Flat[key]; there && want != "" && got != want {
				t.Errorf("%s %s: %s = %q, want %q", l.Type, p.ID, key, got, want)
			}
		}
		if there := l.Flat["channel_cid"]; there != "" && there != l.Flat["channel_type"]+":"+l.Flat["channel_id"] {
			t.Errorf("%s: channel_cid %s is not channel_type:channel_id", l.Type, there)
		}
	}
	want := map[string][]string{}
	add := func(typ string, list json.RawMessage) {
		if list == nil {
			return
		}
		es, err := elements(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			want[typ] = append(want[typ], string(e))
			if typ == "message" {
				for _, r := range look(t, e).Latest {
					want["reaction"] = append(want["reaction"], string(r))
				}
			}
		}
	}
	for _, e := range v1 {
		want["channel"] = append(want["channel"], string(e["channel"]))
		add("member", e["members"])
		add("read", e["read"])
		add("message", e["messages"])
	}
	if diff := gocmp.Diff(want, of); diff != "" {
		t.Errorf("v1 (-) and v2 (+) hold different objects:\n%.3000s", diff)
	}
	order := []string{"user", "channel", "member", "read", "message", "reaction"}
	if !slices.IsSortedFunc(v2, func(a, b line) int { return slices.Index(order, a.Type) - slices.Index(order, b.Type) }) {
		t.Error("the lines of the v2 file are not in the order of their types")
	}
}

// checkUsersFirst: the user lines are those of the users who appear, each
// once, by id.
func checkUsersFirst(t *testing.T, ls []line) {
	t.Helper()
	var got []string
	appear := map[string]bool{}
	for _, l := range ls {
		if l.Type == "user" {
			got = append(got, look(t, l.Object).ID)
			continue
		}
		collectUsers(t, l.Object, appear)
	}
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("user lines are not sorted or not unique: %v", got)
	}
	var want []string
	for id := range appear {
		want = append(want, id)
	}
	slices.Sort(want)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("users who appear (-), user lines (+):\n%s", diff)
	}
}

// collectUsers finds the user objects in a value: nothing else says whether it
// is online.
func collectUsers(t *testing.T, raw json.RawMessage, into map[string]bool) {
	t.Helper()
	switch raw[0] {
	case '[':
		es, err := elements(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			collectUsers(t, e, into)
		}
	case '{':
		fs, err := fields(raw)
		if err != nil {
			t.Fatal(err)
		}
		dangling := len(fs) == 2 && fs[0].key == "id" && fs[1].key == "deleted_at"
		if dangling || slices.ContainsFunc(fs, func(f field) bool { return f.key == "online" }) {
			into[look(t, raw).ID] = true
			return
		}
		for _, f := range fs {
			collectUsers(t, f.value, into)
		}
	}
}

// checkPeople: a users file has the requested users in order, and of each only
// what is theirs, in order.
func checkPeople(t *testing.T, ls []line, ids []string) {
	t.Helper()
	order := []string{"user", "message", "reaction", "call"}
	var seen []string
	var last line
	for i, l := range ls {
		p := look(t, l.Object)
		if l.Type == "user" {
			seen = append(seen, p.ID)
		} else if i > 0 {
			a, b := slices.Index(order, last.Type), slices.Index(order, l.Type)
			if a > b || a == b && look(t, last.Object).CreatedAt.After(p.CreatedAt) {
				t.Errorf("line %d: a %s of %s after a %s of %s", i+1, l.Type, p.CreatedAt, last.Type, look(t, last.Object).CreatedAt)
			}
		}
		me := seen[len(seen)-1]
		if (l.Type == "message" || l.Type == "reaction") && p.User.ID != me {
			t.Errorf("line %d: a %s of %s among those of %s", i+1, l.Type, p.User.ID, me)
		}
		if l.Type == "call" && !bytes.Contains(l.Object, []byte(`"`+me+`"`)) {
			t.Errorf("line %d: a call without %s", i+1, me)
		}
		last = l
	}
	if !slices.Equal(seen, ids) {
		t.Errorf("users %v, want %v", seen, ids)
	}
}

// sameRows: a csv file says the same as the message lines.
func sameRows(t *testing.T, table []byte, ls []line) {
	t.Helper()
	if lone := bytes.ReplaceAll(table, []byte("\r\n"), nil); bytes.Contains(lone, []byte("\r")) {
		t.Error("a lone carriage return")
	}
	rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	header := "id,cid,channel_type,channel_id,type,user_id,user_name,text,parent_id,show_in_channel,quoted_message_id," +
		"attachments,mentioned_users,reaction_counts,reply_count,pinned,created_at,updated_at,deleted_at"
	columns := strings.Split(header, ",")
	if !slices.Equal(rows[0], columns) {
		t.Errorf("header %v", rows[0])
	}
	rows = rows[1:]
	for _, l := range ls {
		if l.Type != "message" {
			continue
		}
		if len(rows) == 0 {
			t.Fatal("fewer rows than messages")
		}
		object := map[string]json.RawMessage{}
		if err := json.Unmarshal(l.Object, &object); err != nil {
			t.Fatal(err)
		}
		var name struct{ Name string }
		if err := json.Unmarshal(object["user"], &name); err != nil {
			t.Fatal(err)
		}
		for i, column := range columns {
			var want, text string
			switch raw := object[column]; {
			case l.Flat[column] != "":
				want = l.Flat[column]
			case column == "user_name":
				want = name.Name
			case json.Unmarshal(raw, &text) == nil:
				want = text
			default:
				want = string(raw)
			}
			// encoding/csv reads a line break in a field as \n.
			if rows[0][i] != strings.ReplaceAll(want, "\r\n", "\n") {
				t.Errorf("message %s: %s = %q, want %q", l.Flat["message_id"], column, rows[0][i], want)
			}
		}
		rows = rows[1:]
	}
	if len(rows) > 0 {
		t.Errorf("%d rows more than messages", len(rows))
	}
}

// sameUser: what is answered at once about a user is what the file says, but
// for calls, and with null for the user in all that is theirs.
func sameUser(t *testing.T, s *harness.Server, id string, ls []line) {
	t.Helper()
	var got struct {
		User                json.RawMessage
		Messages, Reactions []json.RawMessage
	}
	s.Must("GET", "/users/"+id+"/export", nil, &got)
	all := map[string][]string{"user": {string(got.User)}}
	for _, m := range got.Messages {
		all["message"] = append(all["message"], string(m))
	}
	for _, r := range got.Reactions {
		all["reaction"] = append(all["reaction"], string(r))
	}
	want := map[string][]string{}
	for _, l := range ls {
		if l.Type == "call" {
			continue
		}
		fs, err := fields(l.Object)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range fs {
			if f.key == "user" {
				fs[i].value = json.RawMessage("null")
			}
		}
		want[l.Type] = append(want[l.Type], object(fs))
	}
	if diff := gocmp.Diff(want, all); diff != "" {
		t.Errorf("file (-) and answer (+) about %s:\n%.3000s", id, diff)
	}
}

// object puts fields together again.
func object(fs []field) string {
	var b strings.Builder
	for i, f := range fs {
		b.WriteString([]string{"{", ","}[min(i, 1)])
		b.WriteString(strconv.Quote(f.key) + ":") // the sample's keys have nothing to escape
		b.Write(f.value)
	}
	return b.String() + "}"
}

// unpack undoes a compression.
func unpack(t *testing.T, packing string, b []byte) []byte {
	t.Helper()
	var r io.Reader
	var err error
	switch packing {
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(b))
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(bytes.NewReader(b)); err == nil {
			defer z.Close()
		}
		r = z
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// manifest checks a manifest against its task and file, and takes out what
// differs from run to run.
func manifest(t *testing.T, raw []byte, task *harness.Task, file []byte) []byte {
	t.Helper()
	if err := checkObject("manifest", raw); err != nil {
		t.Error(err)
	}
	var m struct {
		TaskID    string    `json:"task_id"`
		AsOf      time.Time `json:"as_of"`
		SHA256    string
		Size      int64
		Counts    map[string]int64
		CreatedBy string `json:"created_by"`
		Channels  []struct {
			AsOf time.Time `json:"as_of"`
		}
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	if m.TaskID != task.ID || m.SHA256 != task.Result.SHA256 || m.Size != task.Result.Size || int64(len(file)) != m.Size {
		t.Errorf("the manifest %s is not that of the task %+v", raw, task.Result)
	}
	if diff := gocmp.Diff(task.Result.Counts, m.Counts); diff != "" {
		t.Errorf("counts of task (-) and manifest (+):\n%s", diff)
	}
	if m.AsOf.Before(task.CreatedAt) || m.AsOf.After(task.UpdatedAt) {
		t.Errorf("as_of %s lies outside of the task's life, %s to %s", m.AsOf, task.CreatedAt, task.UpdatedAt)
	}
	s := strings.ReplaceAll(string(raw), m.TaskID, "TASK")
	s = strings.ReplaceAll(s, m.AsOf.Format(time.RFC3339Nano), "AS-OF")
	for _, c := range m.Channels {
		s = strings.ReplaceAll(s, c.AsOf.Format(time.RFC3339Nano), "AS-OF")
	}
	return []byte(strings.Replace(s, m.CreatedBy, "hansard VERSION", 1))
}
