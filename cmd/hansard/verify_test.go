package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ok(t, "import", sampleFile, "--data", dir)
	file := filepath.Join(dir, "chat.jsonl")
	ok(t, "export", "channels", "messaging:general", "--version", "v2", "--local", "--data", dir, "-o", file)
	out := ok(t, "verify", file)
	for _, want := range []string{file, "format    v2\n", "1 channel, 9 members, 106 messages", "manifest  none", "\nOK as it stands; counts and checksum were not compared with a manifest"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	kept := filepath.Join(dir, "chat.manifest.json")
	ok(t, "export", "channels", "messaging:general", "--version", "v2", "--local", "--data", dir, "-o", file, "--manifest", kept)
	if out := ok(t, "verify", file, "--manifest", kept); !strings.Contains(out, "\nOK\n") || strings.Contains(out, "manifest  none") {
		t.Errorf("with its manifest:\n%s", out)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if r := run(t, string(content), "verify", "-"); r.code != exitOK || !strings.HasPrefix(r.out, "standard input\n") {
		t.Errorf("exit %d, %q", r.code, r.out)
	}

	// a line less
	head, rest, _ := bytes.Cut(content, []byte(`{"type":"reaction"`))
	_, rest, _ = bytes.Cut(rest, []byte("\n"))
	r := run(t, string(head)+string(rest), "verify", "-")
	if r.code != exitFailed || !strings.Contains(r.out, "Problems:\n  - the messages have") || strings.Contains(r.out, "OK") || !strings.Contains(r.errOut, "there is a problem") {
		t.Errorf("exit %d, %q, %q", r.code, r.out, r.errOut)
	}

	var report struct {
		File     string
		OK       bool
		Format   string
		SHA256   string
		Compared bool
		Counts   struct{ Messages int }
		Problems []string
	}
	manifest := filepath.Join(dir, "manifest.json")
	if err := os.WriteFile(manifest, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r = run(t, "", "verify", file, "--manifest", manifest, "--json")
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatal(err)
	}
	if r.code != exitFailed || report.OK || report.File != file || report.Format != "v2" || len(report.SHA256) != 64 ||
		report.Compared || report.Counts.Messages != 106 || len(report.Problems) != 1 {
		t.Errorf("exit %d, %s", r.code, r.out)
	}
	if r := run(t, "", "verify", file, "--manifest", filepath.Join(dir, "none")); r.code != exitFailed || !strings.Contains(r.errOut, "reading the manifest") {
		t.Errorf("exit %d, %q", r.code, r.errOut)
	}
	if r := run(t, "", "verify", sampleFile); r.code != exitFailed || !strings.Contains(r.out, "format    import\n") ||
		!strings.HasSuffix(r.out, "Problems:\n  - this is an import file, not an export file\n") {
		t.Errorf("exit %d, %q", r.code, r.out)
	}
}
