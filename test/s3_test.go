package test_test

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hansard/internal/s3test"
	"hansard/internal/sample"
	"hansard/test/harness"
)

// objectStore is a bucket for a test, and the --storage that names it.
func objectStore(t *testing.T) (*s3test.Bucket, string) {
	t.Helper()
	b := s3test.New(t)
	for _, kv := range b.Env() { // all tests share one server
		name, value, _ := strings.Cut(kv, "=")
		harness.Setenv(name, value)
	}
	return b, b.Storage("chat/prod")
}

// objects are the keys in the bucket, without the prefix.
func objects(t *testing.T, b *s3test.Bucket) []string {
	t.Helper()
	all := b.Objects(t)
	for i, k := range all {
		all[i] = strings.TrimPrefix(k, "chat/prod/")
	}
	return all
}

// TestObjectStore: the main job with files in an object store: import by upload
// URL, exports, download by URLs that lead to the store, and their manifests.
func TestObjectStore(t *testing.T) {
	t.Parallel()
	b, storage := objectStore(t)
	s := harness.Start(t, t.TempDir(), "--storage", storage)
	s.Import(sample.File())
	if left := b.Objects(t); len(left) > 0 {
		t.Errorf("after the import there is %q", left)
	}

	var want []string
	export := func(id, name string) {
		t.Helper()
		task := s.Completed(id)
		file := s.Download(task)
		golden(t, name, file)
		manifest := s.Get(task.Result.ManifestURL)
		out := harness.Run(t, "verify", write(t, name, file), "--manifest", write(t, "manifest.json", manifest))
		if !strings.HasSuffix(out, "\nOK\n") {
			t.Errorf("verify says\n%s", out)
		}
		want = append(want, task.Result.Path, task.Result.Path+".manifest.json")
	}
	export(s.ExportChannels(harness.Request{"channels": specs(general, launch)}), "channels.v1.json")
	export(s.ExportChannels(harness.Request{"channels": specs(general, launch), "version": "v2"}), "channels.v2.jsonl")
	export(s.ExportUsers(sample.Users()...), "users.jsonl")
	slices.Sort(want)
	if got := objects(t, b); !slices.Equal(got, want) {
		t.Errorf("the bucket has\n%q\nwant\n%q", got, want)
	}
	if local := harness.Files(t, filepath.Join(s.Data, "files")); len(local) > 0 {
		t.Errorf("there are local files: %q", local)
	}

	task := s.Completed(s.ExportChannels(harness.Request{"channels": specs(general), "version": "v2"}))
	u, err := url.Parse(task.Result.URL)
	if err != nil || "http://"+u.Host != b.Endpoint {
		t.Errorf("the URL leads to %q, %v", u.Host, err)
	}
	resp, err := harness.Fetch("GET", task.Result.URL, nil, "Range", "bytes=10-19")
	if err != nil || resp.Status != http.StatusPartialContent || len(resp.Body) != 10 {
		t.Errorf("Range: %+v, %v", resp, err)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/x-ndjson", "Content-Disposition": `attachment; filename="` + task.ID + `.jsonl"`,
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	q := u.Query()
	q.Set("X-Amz-Signature", strings.Repeat("0", 64))
	u.RawQuery = q.Encode()
	if resp, err := harness.Fetch("GET", u.String(), nil); err != nil || resp.Status != http.StatusForbidden {
		t.Errorf("another signature: %+v, %v", resp, err)
	}
	if log := s.Stderr(); strings.Contains(log, b.SecretKey) || strings.Contains(log, "X-Amz-Signature") {
		t.Error("the log has secrets")
	}
	s.Stop()
}

// TestObjectStoreCommands: the commands that work on the store by themselves
// do so on an object store too, and apps that are removed take their files
// along.
func TestObjectStoreCommands(t *testing.T) {
	t.Parallel()
	b, storage := objectStore(t)
	data, dir := t.TempDir(), t.TempDir()
	at := []string{"--data", data, "--storage", storage}
	run := func(args ...string) string { t.Helper(); return harness.Run(t, append(args, at...)...) }
	harness.Run(t, "app", "create", "--data", data, "--api-key", harness.TestApp.Key, "--api-secret", harness.TestApp.Secret)
	run("import", write(t, sample.Name, sample.File()))
	file, manifest := filepath.Join(dir, "chat.jsonl"), filepath.Join(dir, "manifest.json")
	run("export", "channels", general, launch, "--version", "v2", "--local", "-o", file, "--manifest", manifest)
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "channels.v2.jsonl", got)
	harness.Run(t, "verify", file, "--manifest", manifest)
	if got := objects(t, b); len(got) != 2 {
		t.Errorf("the bucket has %q", got)
	}
	run("app", "rm", harness.TestApp.Key, "--yes")
	if got := b.Objects(t); len(got) > 0 {
		t.Errorf("the app is gone and the bucket has %q", got)
	}
}

// TestObjectStoreKilled: with files in an object store a killed server finishes
// its export after the restart, no file is there that is not whole, and the
// purge removes all once the retention is over.
func TestObjectStoreKilled(t *testing.T) {
	t.Parallel()
	b, storage := objectStore(t)
	chat := harness.Chat{Users: 50, Channels: 3, Messages: 12_000, Text: 2000}
	s := store(t, madeUp(t, chat), "--storage", storage)
	request := everything("v2", chat.CIDs()...)
	began := time.Now()
	want := s.Channels(request)
	took := time.Since(began)
	if len(want) < 16<<20 {
		t.Fatalf("an export of %d bytes is not in parts", len(want))
	}
	rnd := dice(t)
	for range 4 {
		moment := time.Duration(rnd.Int64N(int64(took)))
		before := objects(t, b)
		id := s.ExportChannels(request)
		<-time.After(moment)
		s.Kill()
		for _, k := range objects(t, b) {
			if !slices.Contains(before, k) && strings.HasSuffix(k, ".jsonl") {
				info, ok := size(t, b, k)
				if !ok || info != int64(len(want)) {
					t.Errorf("killed after %s: %s has %d bytes of %d", moment, k, info, len(want))
				}
			}
		}
		s = s.Restart()
		if got := s.Download(s.Completed(id)); !bytes.Equal(got, want) {
			t.Errorf("killed after %s: another file", moment)
		}
	}
	s.Stop()

	brief := harness.Start(t, s.Data, "--storage", storage, "--retention", "1s")
	harness.Until(t, harness.Patience, "purged", func() bool { return len(b.Objects(t)) == 0 })
	brief.Stop()
}

// size is how many bytes an object has.
func size(t *testing.T, b *s3test.Bucket, key string) (int64, bool) {
	t.Helper()
	sizes := b.Sizes(t)
	n, ok := sizes["chat/prod/"+key]
	return n, ok
}

// TestObjectStoreMissing: a bucket that is not there stops the start, in one
// line, before anything is made.
func TestObjectStoreMissing(t *testing.T) {
	t.Parallel()
	b, _ := objectStore(t)
	missing := &s3test.Bucket{Server: b.Server, Name: b.Name + "-not"}
	data := filepath.Join(t.TempDir(), "data")
	p := harness.Exec(t, "serve", "--listen", "127.0.0.1:0", "--data", data, "--storage", missing.Storage(""))
	if code := p.Wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	want := "hansard: opening the object store: there is no bucket " + missing.Name + "\n"
	if got := p.Stderr(); got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("a data folder was made: %v", err)
	}
}

// TestObjectStoreAway: while the object store is away the server says so and
// takes requests, and the exports are done once it is back.
func TestObjectStoreAway(t *testing.T) {
	t.Parallel()
	_, _ = objectStore(t) // for the credentials, which are the same
	server := s3test.Start(t)
	s := harness.Start(t, t.TempDir(), "--storage", server.Bucket(t).Storage(""))
	s.Import(sample.File())
	ready := func() int {
		resp, err := harness.Fetch("GET", s.URL+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status
	}
	if status := ready(); status != http.StatusOK {
		t.Errorf("readyz: %d", status)
	}
	server.Stop(t)
	if status := ready(); status != http.StatusServiceUnavailable {
		t.Errorf("readyz without the object store: %d", status)
	}
	id := s.ExportChannels(harness.Request{"channels": specs(general, launch), "version": "v2"})
	harness.Until(t, harness.Patience, "running", func() bool { return s.Task(id).Status == "running" })
	server.Start(t)
	golden(t, "channels.v2.jsonl", s.Download(s.Completed(id)))
	if status := ready(); status != http.StatusOK {
		t.Errorf("readyz once it is back: %d", status)
	}
	s.Stop()
}

// TestObjectStoreRefuses: an export that the object store will not take fails
// in plain words, and leaves nothing.
func TestObjectStoreRefuses(t *testing.T) {
	t.Parallel()
	b, _ := objectStore(t)
	proxy := s3test.NewProxy(t, b.Server)
	s := harness.Start(t, t.TempDir(), "--storage", b.Via(proxy).Storage("chat"))
	s.Import(sample.File())
	proxy.Fail(func(r *http.Request) s3test.Fault {
		if r.Method == http.MethodPut {
			return s3test.Fault{Status: http.StatusForbidden}
		}
		return s3test.Fault{}
	})
	task := s.Final(s.ExportUsers(sample.Users()[0]))
	if task.Error == nil || task.Error.Type != "StorageUnavailable" || !strings.Contains(task.Error.Description, "object store") {
		t.Errorf("the task is %s: %+v", task.Status, task.Error)
	}
	if left := b.Objects(t); len(left) > 0 {
		t.Errorf("there is %q", left)
	}
	s.Stop()
}
