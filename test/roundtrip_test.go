package test_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hansard/internal/sample"
	"hansard/test/harness"

	gocmp "github.com/google/go-cmp/cmp"
)

// everything is the request for a full export of these channels.
func everything(version string, cids ...string) harness.Request {
	return harness.Request{
		"channels": specs(cids...), "version": version,
		"include_truncated_messages": true, "include_soft_deleted_channels": true,
	}
}

// input is what an import file holds, counted by the test itself.
type input struct {
	messages map[string]int64 // by cid
	members  map[string]map[string]bool
	users    []string
	written  map[string]int // messages by user
}

// count reads an import file.
func count(t *testing.T, r io.Reader) input {
	t.Helper()
	in := input{messages: map[string]int64{}, members: map[string]map[string]bool{}, written: map[string]int{}}
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var rec struct {
			Type string
			Data struct {
				ID          string
				Type        string
				ChannelType string   `json:"channel_type"`
				ChannelID   string   `json:"channel_id"`
				MemberIDs   []string `json:"channel_member_ids"`
				UserID      string   `json:"user_id"`
				User        any      // an id; other records have none
			}
		}
		if err := json.Unmarshal(scan.Bytes(), &rec); err != nil {
			t.Fatal(err)
		}
		d := &rec.Data
		cid := d.ChannelType + ":" + d.ChannelID
		switch {
		case rec.Type == "user":
			in.users = append(in.users, d.ID)
		case rec.Type == "channel" && d.ID != "":
			in.messages[d.Type+":"+d.ID] += 0
		case rec.Type == "member":
			if in.members[cid] == nil {
				in.members[cid] = map[string]bool{}
			}
			in.members[cid][d.UserID] = true
		case rec.Type == "message":
			if d.ChannelID != "" {
				in.messages[cid]++
			} else {
				in.messages["distinct"]++
			}
			author, _ := d.User.(string)
			in.written[author]++
		}
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	return in
}

// store is a server on an empty store into which a file was imported.
func store(t *testing.T, file string, args ...string) *harness.Server {
	t.Helper()
	data := t.TempDir()
	harness.Run(t, "app", "create", "--data", data, "--api-key", harness.TestApp.Key, "--api-secret", harness.TestApp.Secret)
	harness.Run(t, "import", file, "--data", data)
	return harness.Start(t, data, args...)
}

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRoundTrip: import, full export, import into an empty store, export: the
// same bytes, for both formats and for users; and again from the second store.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	in := count(t, bytes.NewReader(sample.File()))
	first := store(t, write(t, sample.Name, sample.File()))
	distinct := distinctOf(t, first, "noor", "takumi")
	cids := []string{general, firmware, launch, lunch, workshop, distinct}
	want := map[string][]byte{
		"v1": first.Channels(everything("v1", cids...)),
		"v2": first.Channels(everything("v2", cids...)),
	}
	withUsers := everything("v2", cids...)
	withUsers["export_users"] = true
	want["users first"] = first.Channels(withUsers)
	wantUsers := withoutCalls(t, first.Users(in.users...))

	in.messages[distinct] = in.messages["distinct"]
	delete(in.messages, "distinct")
	got := map[string]int64{}
	for _, l := range lines(t, want["v2"], true) {
		if l.Type == "message" {
			got[l.Flat["channel_cid"]]++
		}
	}
	if diff := gocmp.Diff(in.messages, got); diff != "" {
		t.Errorf("messages in the input (-) and in the export (+):\n%s", diff)
	}
	first.Stop()

	for name, file := range want {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			second := store(t, write(t, "export", file))
			for _, version := range []string{"v1", "v2"} {
				equal(t, version+" of the second store", want[version], second.Channels(everything(version, cids...)))
			}
			equal(t, "v2 with users of the second store", want["users first"], second.Channels(withUsers))
			equal(t, "users of the second store", wantUsers, second.Users(in.users...))
		})
	}
}

// equal shows where two files begin to differ.
func equal(t *testing.T, what string, want, got []byte) {
	t.Helper()
	if bytes.Equal(want, got) {
		return
	}
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	clip := func(s []byte) []byte { return s[max(0, at-200):min(len(s), at+200)] }
	t.Errorf("%s: %d bytes, want %d, different from byte %d on:\nwant …%s…\n got …%s…", what, len(got), len(want), at, clip(want), clip(got))
}

// distinctOf asks for the cid of the channel of these members.
func distinctOf(t *testing.T, s *harness.Server, members ...string) string {
	t.Helper()
	ids := slices.Clone(members)
	slices.Sort(ids)
	task := s.Completed(s.ExportChannels(harness.Request{"version": "v2", "filter": harness.Request{"members": harness.Request{"$in": ids}}}))
	for _, l := range lines(t, s.Download(task), true) {
		if p := look(t, l.Object); l.Type == "channel" && strings.HasPrefix(p.ID, "!members-") {
			return p.CID
		}
	}
	t.Fatal("no distinct channel")
	return ""
}

// withoutCalls leaves out the call lines of a users file.
func withoutCalls(t *testing.T, file []byte) []byte {
	t.Helper()
	var out []byte
	for l := range bytes.Lines(file) {
		if !bytes.HasPrefix(l, []byte(`{"type":"call",`)) {
			out = append(out, l...)
		}
	}
	return out
}

// irc is a real chat of 220,000 messages that lies beside the project, maybe.
const irc = "../../shared/data/ubuntu-irc.import.jsonl.gz"

// TestRoundTripOfRealChat is TestRoundTrip with years of a busy channel.
func TestRoundTripOfRealChat(t *testing.T) {
	if testing.Short() || harness.Race {
		t.Skip("takes long")
	}
	f, err := os.Open(irc)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not there", irc)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	in := count(t, z)
	cids := slices.Sorted(maps.Keys(in.messages))
	people := in.users[:0:0]
	for _, id := range in.users {
		if n := in.written[id]; n > 500 && len(people) < 25 {
			people = append(people, id)
		}
	}

	path, err := filepath.Abs(irc)
	if err != nil {
		t.Fatal(err)
	}
	first := store(t, path)
	v2 := fetch(t, first, everything("v2", cids...))
	checkCounts(t, in, v2)
	v1 := fetch(t, first, everything("v1", cids...))
	wantUsers := first.Users(people...)
	files := []saved{v2}
	if slow {
		files = append(files, v1)
	}
	for _, file := range files {
		second := store(t, file.path)
		for version, want := range map[string]saved{"v1": v1, "v2": v2} {
			if got := second.Completed(second.ExportChannels(everything(version, cids...))); got.Result.SHA256 != want.sha256 {
				t.Errorf("imported %s: the export as %s has other bytes", file.path, version)
			}
		}
		equal(t, "users of the second store", wantUsers, second.Users(people...))
		second.Stop()
	}
}

// saved is a file on disk.
type saved struct{ path, sha256 string }

// fetch exports to a file on disk, without holding it in memory.
func fetch(t *testing.T, s *harness.Server, r harness.Request) saved {
	t.Helper()
	task := s.Completed(s.ExportChannels(r))
	resp, err := http.Get(task.Result.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	path := filepath.Join(t.TempDir(), filepath.Base(task.Result.Path))
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), resp.Body)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != task.Result.SHA256 {
		t.Fatalf("sha256 %s, the task says %s", got, task.Result.SHA256)
	}
	return saved{path, task.Result.SHA256}
}

// checkCounts: a v2 file has exactly the messages and members of the input.
func checkCounts(t *testing.T, in input, file saved) {
	t.Helper()
	f, err := os.Open(file.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	messages, members := map[string]int64{}, map[string]int{}
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		kind, rest, _ := bytes.Cut(scan.Bytes()[len(`{"type":"`):], []byte(`"`))
		if _, rest, found := bytes.Cut(rest, []byte(`"channel_cid":"`)); found {
			cid, _, _ := bytes.Cut(rest, []byte(`"`))
			switch string(kind) {
			case "message":
				messages[string(cid)]++
			case "member":
				members[string(cid)]++
			}
		}
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(in.messages, messages); diff != "" {
		t.Errorf("messages in the input (-) and in the export (+):\n%s", diff)
	}
	want := map[string]int{}
	for cid, ids := range in.members {
		want[cid] = len(ids)
	}
	if diff := gocmp.Diff(want, members); diff != "" {
		t.Errorf("members in the input (-) and in the export (+):\n%s", diff)
	}
}
