package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const smallChat = `{"type":"user","data":{"id":"ada"}}
{"type":"channel","data":{"id":"tea","type":"messaging","created_by":"ada"}}
{"type":"message","data":{"id":"m1","channel_type":"messaging","channel_id":"tea","user":"ada","text":"Tea?"}}
`

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What a refusal says is for people: no line twice, no log lines.
func TestImportRefusals(t *testing.T) {
	t.Parallel()
	const user = `{"type":"user","data":{"id":""}}` + "\n"
	html := write(t, "page.html", "<html>\n"+strings.Repeat("<p>\n", 300))
	one := write(t, "one.jsonl", user)
	two := write(t, "two.jsonl", user+user)
	data := t.TempDir()
	ok(t, "app", "create", "--api-key", "shop", "--data", data)
	const progress = "checking "
	for name, c := range map[string]struct {
		stdin, file string
		want        []string
	}{
		"no chat file":              {"", html, []string{"hansard: " + html + " is not a chat file: line 1 is not JSON"}},
		"no chat on standard input": {"plain text", "-", []string{"hansard: standard input is not a chat file: line 1 is not JSON"}},
		"one error":                 {"", one, []string{"hansard: " + one + ": line 1, column 23: id is required; nothing of it was imported"}},
		"two errors": {"", two, []string{
			two + ": line 1, column 23: id is required",
			two + ": line 2, column 23: id is required",
			"hansard: " + two + " has 2 errors; nothing of it was imported",
		}},
	} {
		r := run(t, c.stdin, "import", c.file, "--api-key", "shop", "--data", data)
		var got []string
		for line := range strings.Lines(r.errOut) {
			if !strings.HasPrefix(line, progress) {
				got = append(got, strings.TrimSuffix(line, "\n"))
			}
		}
		if r.code != exitFailed || strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s: exit %d\n%s\nwant\n%s", name, r.code, r.errOut, strings.Join(c.want, "\n"))
		}
	}
}

// Nothing is loaded, and no store made, if one of the files cannot be read.
func TestImportLooksAtAllFilesFirst(t *testing.T) {
	t.Parallel()
	good := write(t, "good.jsonl", smallChat)
	for _, bad := range []string{filepath.Join(t.TempDir(), "missing"), t.TempDir()} {
		data := filepath.Join(t.TempDir(), "data")
		r := run(t, "", "import", good, bad, "--data", data)
		if r.code != exitFailed || !strings.Contains(r.errOut, bad) || r.out != "" {
			t.Errorf("exit %d, %q", r.code, r.errOut)
		}
		if _, err := os.Stat(data); !os.IsNotExist(err) {
			t.Errorf("a store was made: %v", err)
		}
	}
	if r := run(t, smallChat, "import", "-", "-", "--data", t.TempDir()); r.code != exitUsage {
		t.Errorf("- twice: exit %d, %q", r.code, r.errOut)
	}
}

func TestImportSaysWhatItMadeAndLeft(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	good := write(t, "good.jsonl", smallChat)
	app := []string{"--data", data}
	const into = "importing into the app dev\n"
	r := run(t, "", append([]string{"import", good}, app...)...)
	if r.code != exitOK || !strings.Contains(r.errOut, "made a new store in "+data+"\n") || !strings.Contains(r.errOut, "made the app dev\n") ||
		!strings.Contains(r.errOut, into) {
		t.Errorf("exit %d, %q", r.code, r.errOut)
	}
	r = run(t, "", append([]string{"import", good, "--mode", "insert"}, app...)...)
	if r.code != exitOK || !strings.Contains(r.out, "; 3 already there and left alone\n") || strings.Contains(r.errOut, "made") ||
		!strings.Contains(r.errOut, into) {
		t.Errorf("exit %d, %q, %q", r.code, r.out, r.errOut)
	}
	r = run(t, "", append([]string{"import", good, "--api-key", "dev"}, app...)...)
	if r.code != exitOK || strings.Contains(r.errOut, into) {
		t.Errorf("of an app that was named: exit %d, %q", r.code, r.errOut)
	}
}

// Asked to end while standard input gives nothing, the command ends.
func TestImportInterruptedWhileReading(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	stdin := &silent{asked: cancel, end: make(chan struct{})}
	defer close(stdin.end)
	var errOut strings.Builder
	m := &Main{Stdin: stdin, Stdout: io.Discard, Stderr: &errOut}
	code := m.Run(ctx, []string{"import", "-", "--data", t.TempDir()})
	if code != exitInterrupted || !strings.Contains(errOut.String(), "standard input: canceled; nothing was changed\n") {
		t.Errorf("exit %d, %q", code, errOut.String())
	}
}

// silent is an input that has nothing to give until its end.
type silent struct {
	asked func() // called by each Read
	end   chan struct{}
}

func (s *silent) Read([]byte) (int, error) {
	s.asked()
	<-s.end
	return 0, io.EOF
}
