package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
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
	for _, args := range [][]string{{"-sizes", "5"}, {"-sizes", "many"}, {"-repeat", "0"}, {"-only", "("}, {"more"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
