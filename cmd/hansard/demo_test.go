package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestDemoOnce(t *testing.T) { // not parallel: it sets the folder for temporary files
	t.Setenv("TMPDIR", t.TempDir())
	r := run(t, "", "demo", "--once")
	if r.code != exitOK || len(demoLinks(r.out)) > 0 || strings.Contains(r.out, "curl -s") || !strings.Contains(r.out, "Without --once") {
		t.Errorf("exit %d\n%s\n%s", r.code, r.out, r.errOut)
	}
	// What the progress lines say of a duration is what the table says.
	took := regexp.MustCompile(`(?m)^exporting (.*?)  +\d+ messages  in (\S+)`).FindAllStringSubmatch(r.errOut, -1)
	if len(took) != 3 {
		t.Errorf("progress of %d exports in\n%s", len(took), r.errOut)
	}
	for _, e := range took {
		if !regexp.MustCompile(`(?m)^  ` + e[1] + ` .* ` + regexp.QuoteMeta(e[2]) + `$`).MatchString(r.out) {
			t.Errorf("%s took %s, but the table is\n%s", e[1], e[2], r.out)
		}
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func demoLinks(out string) []string {
	return regexp.MustCompile(`http://\S+/exports/\S+?signature=[0-9a-f]+`).FindAllString(out, -1)
}

func TestDemoServes(t *testing.T) {
	t.Parallel()
	b := start(t, "demo")
	out := strings.Join(b.until("Ctrl-C"), "\n")
	if len(demoLinks(out)) < 4 || strings.Count(out, "  curl ") != 4 {
		t.Errorf("not all of the links and lines are in\n%s", out)
	}
	for _, link := range demoLinks(out) {
		resp, err := http.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || len(body) < 10_000 {
			t.Errorf("%s: %s, %d bytes, %v", link, resp.Status, len(body), err)
		}
	}
	t.Run("LinesWorkWhenPasted", func(t *testing.T) {
		if _, err := exec.LookPath("curl"); err != nil {
			t.Skip("needs curl")
		}
		dir := t.TempDir()
		var lines []string
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "  curl ") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		for i, want := range []string{`"task_id":"`, `"status":"completed"`, "", `"messages":[`} {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			cmd := exec.CommandContext(ctx, "sh", "-c", lines[i])
			cmd.Dir = dir
			got, err := cmd.Output()
			cancel()
			if err != nil || !strings.Contains(string(got), want) {
				t.Errorf("%s\n%v: %s", lines[i], err, got)
			}
		}
		if got, err := os.ReadFile(filepath.Join(dir, "channels.jsonl")); err != nil || len(got) < 10_000 {
			t.Errorf("downloaded %d bytes, %v", len(got), err)
		}
	})
	if code := b.end(); code != exitOK {
		t.Errorf("exit %d\n%s", code, b.log())
	}
}
