package test_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hansard/test/harness"
)

// claimed is within what time a task must be done after a restart that takes
// part in no wait for a lease: those run for 15 s.
const claimed = 10 * time.Second

// sizes are how much the tests that kill put at stake.
type sizes struct{ rounds, messages int }

func stakes() sizes {
	switch {
	case slow:
		return sizes{rounds: 40, messages: 60_000}
	case harness.Race:
		return sizes{rounds: 4, messages: 4_000}
	default:
		return sizes{rounds: 8, messages: 12_000}
	}
}

// madeUp writes a chat to a file and returns its path.
func madeUp(t *testing.T, c harness.Chat) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chat.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// dice gives the moments of a test's kills; the seed is in its log.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestKilledImports: whenever the process that imports is killed, the next one
// finishes the import, and what is then exported is what an import that was
// left in peace gives.
func TestKilledImports(t *testing.T) {
	t.Parallel()
	at := stakes()
	chat := harness.Chat{Users: 50, Channels: 3, Messages: at.messages, Text: 80}
	path := madeUp(t, chat)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	request := everything("v2", chat.CIDs()...)

	peace := harness.Start(t, t.TempDir())
	began := time.Now()
	peace.Import(file)
	took := time.Since(began)
	want := peace.Channels(request)
	peace.Stop()

	rnd := dice(t)
	for round := range at.rounds {
		moment := time.Duration(rnd.Int64N(int64(took)))
		if round%2 == 0 {
			t.Run(fmt.Sprintf("http after %s", moment), func(t *testing.T) {
				s := harness.Start(t, t.TempDir())
				id := s.CreateImport(s.Upload("chat.jsonl", bytes.NewReader(file)))
				<-time.After(moment)
				s.Kill()
				s = s.Restart()
				restarted := time.Now()
				s.Imported(id)
				inTime(t, restarted, took)
				task := s.Completed(s.ExportChannels(request))
				equal(t, "export", want, s.Download(task))
				left(t, s.Data, []*harness.Task{task})
			})
			continue
		}
		t.Run(fmt.Sprintf("cli after %s", moment), func(t *testing.T) {
			data := t.TempDir()
			harness.Run(t, "app", "create", "--data", data, "--api-key", harness.TestApp.Key, "--api-secret", harness.TestApp.Secret)
			p := harness.Exec(t, "import", path, "--data", data)
			<-time.After(moment)
			p.Kill()
			s := harness.Start(t, data)
			restarted := time.Now()
			var list struct {
				Imports []harness.Import `json:"import_tasks"`
			}
			s.Must("GET", "/imports", nil, &list)
			if len(list.Imports) > 0 {
				s.Imported(list.Imports[0].ID)
				inTime(t, restarted, took)
			} else {
				// It had not begun, so nothing of it is there.
				harness.Run(t, "import", path, "--data", data)
			}
			equal(t, "export", want, s.Channels(request))
		})
	}
}

// inTime: a killed task was taken over at once, not after its lease.
func inTime(t *testing.T, restarted time.Time, undisturbed time.Duration) {
	t.Helper()
	if took := time.Since(restarted); took > claimed+undisturbed {
		t.Errorf("done only %s after the restart: it was not taken over at once", took)
	}
}

// left checks that the data folder has the files of these tasks, and nothing
// that was left behind: no temporary files, no scratch. What writers that were
// killed left goes with a sweep, once it is old: that is played here.
func left(t *testing.T, data string, tasks []*harness.Task) {
	t.Helper()
	var want []string
	for _, task := range tasks {
		want = append(want, task.Result.Path, task.Result.Path+".manifest.json")
	}
	slices.Sort(want)
	got := slices.DeleteFunc(harness.StoredFiles(t, data), func(name string) bool { return !strings.HasPrefix(name, "exports/") })
	if !slices.Equal(got, want) {
		t.Errorf("files %v\nwant  %v", got, want)
	}
	if scratch := harness.Files(t, filepath.Join(data, "scratch")); len(scratch) > 0 {
		t.Errorf("left in scratch: %v", scratch)
	}
}

// swept plays that the leftovers of a kill have grown old, and waits until the
// sweep of a running server has removed them.
func swept(t *testing.T, s *harness.Server) *harness.Server {
	t.Helper()
	leftovers := func() []string { return harness.Unfinished(t, s.Data) }
	s.Stop()
	if len(leftovers()) == 0 || harness.Large() { // nobody can make an upload older
		return s.Restart()
	}
	old := time.Now().Add(-3 * time.Hour)
	for _, name := range leftovers() {
		if err := os.Chtimes(filepath.Join(s.Data, "files", ".tmp", name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	s = s.Restart()
	harness.Until(t, claimed, "swept", func() bool { return len(leftovers()) == 0 })
	return s
}

// TestKilledExports: several exports run and wait while the server is killed,
// again and again; every one completes, once, with the right bytes.
func TestKilledExports(t *testing.T) {
	t.Parallel()
	at := stakes()
	chat := harness.Chat{Users: 40, Channels: 4, Messages: at.messages, Text: 200}
	s := store(t, madeUp(t, chat), "--workers", "2", "--max-user-messages", "0")
	all := chat.CIDs()
	withUsers := everything("v2", all...)
	withUsers["export_users"] = true
	ask := map[string]func(s *harness.Server) string{
		"v1":    func(s *harness.Server) string { return s.ExportChannels(everything("v1", all...)) },
		"one":   func(s *harness.Server) string { return s.ExportChannels(everything("v2", all[0])) },
		"users": func(s *harness.Server) string { return s.ExportUsers("user-1", "user-2", "user-3") },
		"v2":    func(s *harness.Server) string { return s.ExportChannels(withUsers) },
		"gzip": func(s *harness.Server) string {
			r := everything("v2", all...)
			r["compression"] = "gzip"
			return s.ExportChannels(r)
		},
		"csv": func(s *harness.Server) string {
			r := everything("v2", all...)
			r["format"] = "csv"
			return s.ExportChannels(r)
		},
	}
	want := map[string]string{} // sha256
	began := time.Now()
	ids := map[string]string{}
	for name, export := range ask {
		ids[name] = export(s)
	}
	for name, id := range ids {
		want[name] = s.Completed(id).Result.SHA256
	}
	took := time.Since(began)

	rnd := dice(t)
	var tasks []*harness.Task
	for _, id := range ids {
		tasks = append(tasks, s.Completed(id))
	}
	again := 0
	// A kill can come before anything has begun, or when all is done: then there
	// are more rounds.
	for round := 0; round < at.rounds || again == 0 && round < 10*at.rounds; round++ {
		for name, export := range ask {
			ids[name] = export(s)
		}
		for range 1 + rnd.IntN(2) {
			<-time.After(time.Duration(rnd.Int64N(int64(took))))
			s.Kill()
			s = s.Restart()
		}
		restarted := time.Now()
		for name, id := range ids {
			task := s.Completed(id)
			if task.Result.SHA256 != want[name] {
				t.Errorf("%s: other bytes than the same export left in peace", name)
			}
			s.Download(task)
			tasks = append(tasks, task)
			if strings.Count(filepath.Base(task.Result.Path), ".") > 1 && !strings.HasSuffix(task.Result.Path, ".gz") {
				again++
			}
		}
		inTime(t, restarted, took)
	}
	s = swept(t, s)
	left(t, s.Data, tasks)
	var list struct{ Tasks []harness.Task }
	s.Must("GET", "/tasks?limit=100&type=export.channels", nil, &list)
	for i := range list.Tasks {
		if list.Tasks[i].Status != "completed" {
			t.Errorf("task %s is %s", list.Tasks[i].ID, list.Tasks[i].Status)
		}
	}
	harness.Until(t, claimed, "rid of the dead among the instances", func() bool {
		return len(harness.Files(t, filepath.Join(s.Data, "instances"))) == 1
	})
	t.Logf("%d of %d exports needed another attempt", again, len(tasks))
	if again == 0 {
		t.Error("no export was hit by a kill: the exports are too small for this test")
	}
}
