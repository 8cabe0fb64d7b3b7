package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMadeChat(t *testing.T) {
	t.Parallel()
	const n = 3000
	var a, b bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		if err := writeChat(t.Context(), w, n); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same number of messages gave different bytes")
	}

	order := map[string]int{"user": 0, "channel": 1, "member": 2, "message": 3, "reaction": 4}
	seen := map[string]bool{}
	counts := map[string]int{}
	last := 0
	for lines := bufio.NewScanner(&a); lines.Scan(); {
		var l struct {
			Type string
			Data struct {
				ID        string
				ParentID  string `json:"parent_id"`
				MessageID string `json:"message_id"`
				User      string
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		if order[l.Type] < last {
			t.Fatalf("a %s out of order", l.Type)
		}
		last = order[l.Type]
		counts[l.Type]++
		for _, id := range []string{l.Data.ParentID, l.Data.MessageID, l.Data.User} {
			if id != "" && !seen[id] {
				t.Fatalf("%s names %s, which does not exist yet", l.Type, id)
			}
		}
		seen[l.Data.ID] = true
	}
	if counts["message"] != n || counts["channel"] != channels || counts["reaction"] < n/8 {
		t.Errorf("counts are %v", counts)
	}
}

func TestExamine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, err := madeChat(t.Context(), dir, 1000)
	if err != nil {
		t.Fatal(err)
	}
	c, err := examine("made", path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.messages != 1000 || c.users != 200 || len(c.cids) != channels || len(c.authors) != 25 || c.size != info.Size() {
		t.Errorf("got %d messages, %d users, %d channels, %d authors, %d of %d bytes",
			c.messages, c.users, len(c.cids), len(c.authors), c.size, info.Size())
	}
	if c.cids[0] != "messaging:room-00" {
		t.Errorf("the largest channel is %s", c.cids[0])
	}
	again, err := madeChat(t.Context(), dir, 1000)
	if err != nil || again != path {
		t.Errorf("the second time: %s, %v", again, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestExamineNamesTheLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bad.jsonl")
	if err := os.WriteFile(path, []byte("{\"type\":\"user\",\"data\":{}}\n{\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := examine("bad", path); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var r results
	for _, v := range []float64{3, 1, 2} {
		r.add("import", "messages/s", v*1e6)
		r.add("import", "s", v)
	}
	r.add("export", "s", 0.012345)
	want := `| measure | median | least | greatest | |
| --- | ---: | ---: | ---: | --- |
| import | 2,000,000 | 1,000,000 | 3,000,000 | messages/s |
|  | 2 | 1 | 3 | s |
| export | 0.0123 | 0.0123 | 0.0123 | s |
`
	if diff := cmp.Diff(want, r.table()); diff != "" {
		t.Error(diff)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-sizes", "5"}, {"-sizes", "many"}, {"-repeat", "0"}, {"-only", "("}, {"-writes", "100"}, {"more"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

func TestLiveMessages(t *testing.T) {
	t.Parallel()
	const n = 1003
	dealt, err := liveMessages(n)
	if err != nil {
		t.Fatal(err)
	}
	again, err := liveMessages(n)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dealt, again, cmp.AllowUnexported(outgoing{})); diff != "" {
		t.Errorf("the second time (+) was not as the first:\n%s", diff)
	}

	all := map[string]bool{}
	replies := 0
	for c, mine := range dealt {
		if len(mine) < n/clients {
			t.Errorf("client %d has %d messages", c, len(mine))
		}
		sent := map[string]int{} // to channels
		for _, m := range mine {
			var d struct{ Message newMessage }
			if err := json.Unmarshal(m.body, &d); err != nil {
				t.Fatal(err)
			}
			if d.Message.ID != m.id || d.Message.Text == "" || all[m.id] {
				t.Fatalf("message %s: %s", m.id, m.body)
			}
			for _, other := range []string{d.Message.ParentID, d.Message.QuotedID} {
				if k, ok := sent[other]; other != "" && (!ok || k != m.channel) {
					t.Fatalf("%s names %s, which its client has not sent to that channel before", m.id, other)
				}
			}
			if d.Message.ParentID != "" {
				replies++
			}
			all[m.id], sent[m.id] = true, m.channel
		}
	}
	if len(all) != n || replies < n/20 {
		t.Errorf("%d messages, %d of them replies", len(all), replies)
	}
}

// TestWriting takes the measures of writing, of the built program.
func TestWriting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary, err := hansard()
	if err != nil {
		t.Fatal(err)
	}
	path, err := madeChat(t.Context(), dir, 300)
	if err != nil {
		t.Fatal(err)
	}
	chat, err := examine("made", path)
	if err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-only", "sent", "-repeat", "2", "-writes", "163"})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{options: o, hansard: program{path: binary}, chat: chat, work: filepath.Join(dir, "work")}
	if err := b.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, s := range b.results {
		if s.unit == "messages/s" || strings.HasPrefix(s.measure, "reads of") {
			got[s.measure+", "+s.unit] = len(s.values)
		}
	}
	want := map[string]int{
		sending + ", messages/s": 2, sendingBeside + ", messages/s": 2, readingBeside + ", messages/s": 2,
		"reads of a channel, alone, ms, p50": 2, "reads of a channel, alone, ms, p99": 2, "reads of a channel, alone, ms at most": 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("how often each was measured: want (-), got (+)\n%s", diff)
	}
	if _, err := os.Stat(b.work); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %s, %v", b.work, err)
	}
}

// TestLoadStops: one message that is refused is the end, and the error says
// what the server said.
func TestLoadStops(t *testing.T) {
	t.Parallel()
	var answered atomic.Int64
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/message") && answered.Add(1) > 50 {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"code":4,"message":"no more"}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer api.Close()
	b := &bench{}
	b.app.Key, b.app.Secret = "key", "secret"
	l, err := b.newLoad(t.Context(), api.URL, 200)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	first, err := l.send(t.Context(), 32)
	if err != nil || first.messages != 32 || len(l.acknowledged) != 32 {
		t.Fatalf("%d messages, %d acknowledged, %v", first.messages, len(l.acknowledged), err)
	}
	_, err = l.send(t.Context(), 168)
	if err == nil || !strings.Contains(err.Error(), "400: no more") {
		t.Errorf("got %v", err)
	}
	if n := len(l.acknowledged); n < 32 || n > 50 {
		t.Errorf("%d of 50 acknowledged", n)
	}
}

func TestHasMessages(t *testing.T) {
	t.Parallel()
	const a, b, c = `{"type":"channel","data":{"id":"c"}}` + "\n", `{"type":"message","data":{"id":"m1"}}` + "\n", `{"type":"message","data":{"id":"m2"}}` + "\n"
	for _, test := range []struct{ name, file, fault string }{
		{"all", a + b + c, ""},
		{"one missing", a + c, "1 of 2"},
		{"one twice", a + b + c + b, "m1"},
		{"cut off", a + b + c[:20], "unexpected end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "export.jsonl")
			if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			err := hasMessages(path, []string{"m1", "m2"})
			if (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("got %v", err)
			}
		})
	}
}
