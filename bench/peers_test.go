package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hansard/internal/pgtest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// hansard is the product's program, which all tests of this package run.
var hansard = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hansard-bench-test-")
	if err != nil {
		return "", err
	}
	hansardDir = dir
	return buildHansard(context.Background(), dir)
})

var hansardDir string // once hansard was called

// TestMain lets the test program be the Go loop, as the bench is.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == loopCommand {
		if err := run(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if hansardDir != "" {
		if err := os.RemoveAll(hansardDir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// measured runs a bench with a small chat, and says which measures it has
// taken.
func measured(t *testing.T, pg *postgresServer, objects *objectStore, args ...string) results {
	t.Helper()
	dir := t.TempDir()
	binary, err := hansard()
	if err != nil {
		t.Fatal(err)
	}
	path, err := madeChat(t.Context(), dir, 400)
	if err != nil {
		t.Fatal(err)
	}
	chat, err := examine("made", path)
	if err != nil {
		t.Fatal(err)
	}
	o, err := parse(append([]string{"-repeat", "1"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{options: o, hansard: program{path: binary}, chat: chat, pg: pg, objects: objects, work: filepath.Join(dir, "work")}
	if objects != nil {
		b.hansard.env = objects.env
	}
	if err := b.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b.results
}

// installed are those of the measures whose programs are here.
func installed(measures map[string]string) (all []string) {
	for measure, program := range measures {
		if _, err := exec.LookPath(program); err == nil {
			all = append(all, measure)
		}
	}
	return all
}

// TestPeersOnSQLite: a bench fails if its measures do not give the same
// messages.
func TestPeersOnSQLite(t *testing.T) {
	t.Parallel()
	r := measured(t, nil, nil, "-only", "^(export v|cp|zstd|pigz|Go loop|sqlite3)")
	want := append(installed(map[string]string{
		peerCopy: "cp", peerZstd: "zstd", peerPigz: "pigz", peerSQLite: "sqlite3", peerSQLiteFlat: "sqlite3",
	}), exportV1, exportV2, exportZstd, exportGzip, peerLoop)
	for _, m := range want {
		if len(r.values(m, "MB/s")) != 1 || len(r.values(m, processorTime)) != 1 {
			t.Errorf("%s was not measured", m)
		}
	}
	if table := r.comparison(); !strings.Contains(table, exportV2+" against "+peerLoop) {
		t.Errorf("nothing is said of the Go loop:\n%s", table)
	}
}

func TestPeersOnPostgres(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t)
	pg, err := startPostgres(t.Context(), c.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	r := measured(t, pg, nil, "-engine", "postgres", "-only", "^(import|export v|psql)")
	for _, m := range append(installed(map[string]string{peerPsql: "psql", peerPsqlFewer: "psql", peerPsqlOwn: "psql"}), "import", exportV1, exportV2) {
		if len(r.values(m, "messages/s")) != 1 {
			t.Errorf("%s was not measured", m)
		}
	}
	for _, database := range []string{hansardDatabase, peerDatabase, copyDatabase} {
		if err := execute(t.Context(), pg.dsn(database), "SELECT 1"); err == nil {
			t.Errorf("the database %s was left behind", database)
		}
	}
}

func TestSwallowedExports(t *testing.T) {
	t.Parallel()
	objects, err := startNull(t.Context(), &nullStore{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = objects.end() }()
	r := measured(t, nil, objects, "-storage", "null", "-only", "^export v")
	for _, m := range []string{exportV1, exportV2, exportZstd, exportLocal} {
		if len(r.values(m, "messages/s")) != 1 {
			t.Errorf("%s was not measured", m)
		}
	}
}

func TestNullStore(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(&nullStore{uploads: map[string]nullObject{}, objects: map[string]nullObject{}})
	defer s.Close()
	ask := func(method, path, body string) (int, string, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/"+bucket+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Amz-Meta-Mark", "m")
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(answer), resp.Header
	}
	ask(http.MethodPut, "/small", "content")
	if status, body, h := ask(http.MethodGet, "/small", ""); status != http.StatusOK || body != "content" || h.Get("X-Amz-Meta-Mark") != "m" {
		t.Errorf("a small object: %d %q %v", status, body, h)
	}
	ask(http.MethodPost, "/large?uploads=", "")
	ask(http.MethodPut, "/large?partNumber=1&uploadId=upload-1", "12345")
	ask(http.MethodPut, "/large?partNumber=2&uploadId=upload-1", "678")
	if status, _, _ := ask(http.MethodHead, "/large", ""); status != http.StatusNotFound {
		t.Errorf("before the upload is complete: %d", status)
	}
	ask(http.MethodPost, "/large?uploadId=upload-1", "")
	if status, _, h := ask(http.MethodHead, "/large", ""); status != http.StatusOK || h.Get("Content-Length") != "8" || h.Get("X-Amz-Meta-Mark") != "m" {
		t.Errorf("the complete upload: %d %v", status, h)
	}
	ask(http.MethodDelete, "/large", "")
	if status, _, _ := ask(http.MethodHead, "/large", ""); status != http.StatusNotFound {
		t.Errorf("once removed: %d", status)
	}
}

// TestDigest: what is in an output counts, not the form it has.
func TestDigest(t *testing.T) {
	t.Parallel()
	const v2 = `{"type":"channel","data":{"id":"c"}}
{"type":"message","data":{"id":"1","text":"a \"b\" \\"}}
{"type":"message","data":{"id":"2","text":"ü"}}
{"type":"reaction","data":{"id":"2"}}
`
	packed := func(to func(io.Writer) io.WriteCloser) string {
		var b bytes.Buffer
		w := to(&b)
		if _, err := io.WriteString(w, v2); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	path := filepath.Join(t.TempDir(), "output")
	read := func(measure, content string) digest {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := digestOf(t.Context(), path, measure)
		if err != nil {
			t.Fatalf("%s: %v", measure, err)
		}
		return d
	}
	want := read(exportV2, v2)
	if want.messages != 2 {
		t.Fatalf("%d messages", want.messages)
	}
	for _, test := range []struct{ measure, content string }{
		{exportV1, `[{"channel":{"id":"c","messages":[1]},"messages":[{"id":"2","text":"\u00fc"}]},{"messages":[{"text":"a \"b\" \\","id":"1"}],"members":[{"id":"x"}]}]`},
		{peerPsql, "{\"id\":\"1\",\"text\":\"a \\\\\"b\\\\\" \\\\\\\\\"}\n{\"id\":\"2\",\"text\":\"ü\"}\n"},
		{peerSQLiteFlat, "[{\"id\":\"2\",\"text\":\"ü\"},\n{\"id\":\"1\",\"text\":\"a \\\"b\\\" \\\\\"}]\n"},
		{exportGzip, packed(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })},
		{exportZstd, packed(func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		})},
	} {
		if got := read(test.measure, test.content); got != want {
			t.Errorf("%s: %+v, not %+v", test.measure, got, want)
		}
	}
	if read(exportV2, strings.Replace(v2, "ü", "u", 1)) == want {
		t.Error("another text gave the same digest")
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	var all runs
	for _, n := range []int{1000, 10_000, 100_000} {
		for engine, speed := range map[string]float64{onSQLite: 8e5, onPostgres: 4e5} {
			f := finished{engine: engine, chat: &chatFile{name: "made", messages: n}}
			for range 3 {
				f.add(exportV2, "messages/s", speed)
				f.add(exportV2, "s", float64(n)/speed)
				f.add(exportV1, "messages/s", speed/2)
				f.add(exportV2, memoryAtMost, 50)
			}
			if n == 10_000 {
				f.add(peerPsql, "messages/s", 9e4)
				f.add(peerLoop, "messages/s", 2e5)
			}
			all = append(all, f)
		}
	}
	o := &options{engines: []string{onSQLite, onPostgres}, sizes: []int{1000, 10_000, 100_000}, storage: onDisk}
	table := all.table(o)
	var got []string
	for line := range strings.Lines(table) {
		if !strings.Contains(line, "not measured") && strings.Contains(line, "×") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		"| SQLite, v2, plain: messages/s against the Go loop | ≥ 5 × | 4 × | **no** |",
		"| … against `psql COPY (SELECT row_to_json…)` | ≥ 8 × | 8.89 × | yes |",
		"| PostgreSQL, v2, plain, against `psql COPY (SELECT row_to_json…)` | ≥ 4 × | 4.44 × | yes |",
		"| v1 against v2, SQLite | ≥ 0.9 × | 0.5 × | **no** |",
		"| v1 against v2, PostgreSQL | ≥ 0.9 × | 0.5 × | **no** |",
		"| peak memory, largest chat against smallest, SQLite | ≤ 1.1 × | 1 × | yes |",
		"| cost of one more message, up to the largest against up to the one before, SQLite | ≤ 1.1 × | 1 × | yes |",
		"| peak memory, largest chat against smallest, PostgreSQL | ≤ 1.1 × | 1 × | yes |",
		"| cost of one more message, up to the largest against up to the one before, PostgreSQL | ≤ 1.1 × | 1 × | yes |",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+)\n%s", diff)
	}
	// What could not be measured is not a line, what could have been is.
	o = &options{engines: []string{onSQLite}, sizes: o.sizes, storage: onDisk}
	table = all.made(onSQLite).table(o)
	for word, want := range map[string]bool{"PostgreSQL": false, "psql": false, "object store": false, "zstd": true, "four exports": true} {
		if got := strings.Contains(table, word); got != want {
			t.Errorf("a line about %s: %v, want %v\n%s", word, got, want, table)
		}
	}
	if !strings.Contains(table, "not measured") {
		t.Error("nothing that could have been measured is missing")
	}
}
