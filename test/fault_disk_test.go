package test_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hansard/test/harness"
)

// smallDisk is a server, with the embedded store and local files, on a disk of
// some megabytes, and clients of it.
func smallDisk(t *testing.T, size int64, chat harness.Chat) *site {
	t.Helper()
	harness.Embedded(t)
	s := &site{t: t, rnd: dice(t), chat: chat}
	api := harness.Start(t, filepath.Join(harness.SmallDisk(t, size), "data"), "--workers", "2")
	s.apis = [2]*harness.Server{api, api}
	var file bytes.Buffer
	if err := chat.Write(&file); err != nil {
		t.Fatal(err)
	}
	api.Import(file.Bytes())
	// What was loaded is in the log until it has been copied into the database,
	// and takes its room twice. The log then starts over with another number.
	log := filepath.Join(api.Data, "hansard.db-wal")
	number := func() []byte {
		header, err := os.ReadFile(log)
		if err != nil || len(header) < 16 {
			t.Fatalf("%d bytes of log, %v", len(header), err)
		}
		return header[12:16]
	}
	loaded := number()
	harness.Until(t, harness.Patience, "copied", func() bool {
		api.Must("POST", "/users", map[string]any{"users": map[string]any{"user-0": map[string]any{"id": "user-0", "name": "User 0"}}}, nil)
		return !bytes.Equal(number(), loaded)
	})
	s.makeBusy(api)
	return s
}

func (s *site) disk() string { return filepath.Dir(s.apis[0].Data) }

// clean looks that a data folder has the files of these tasks and nothing else
// but the store.
func (s *site) clean(tasks ...*harness.Task) {
	s.t.Helper()
	left(s.t, s.apis[0].Data, tasks)
	if unfinished := harness.Unfinished(s.t, s.apis[0].Data); len(unfinished) > 0 {
		s.t.Errorf("left behind: %q", unfinished)
	}
}

// TestFaultDiskFullExport: the disk is too small for an export: it fails, says
// why, and gives back the room. Once there is more it works.
func TestFaultDiskFullExport(t *testing.T) {
	t.Parallel()
	s := smallDisk(t, 160<<20, harness.Chat{Users: 10, Channels: 2, Messages: 6000, Text: 2000})
	api := s.apis[0]
	peace := map[string]*harness.Task{}
	for _, kind := range []string{"v1", "members first"} {
		path, body := s.request(kind)
		var answer struct {
			ID string `json:"task_id"`
		}
		api.Must("POST", path, body, &answer)
		peace[kind] = api.Completed(answer.ID)
	}
	ballast := harness.Fill(t, s.disk(), 4<<20)
	ids := map[string]string{}
	for kind := range peace {
		ids[kind] = s.ask(kind)
	}
	for kind, id := range ids {
		task := s.final(id)
		if task.Error == nil || task.Error.Type != "StorageFull" ||
			task.Error.Description != "There is no space left where the server keeps its files (3 attempts). Make room and start the task again." {
			t.Errorf("the export %s is %s: %+v", kind, task.Status, task.Error)
		}
	}
	s.clean(peace["v1"], peace["members first"])
	ballast.Drop(t)
	tasks := []*harness.Task{peace["v1"], peace["members first"]}
	for kind, want := range peace {
		task := s.final(s.ask(kind))
		if task.Result == nil || task.Result.SHA256 != want.Result.SHA256 {
			t.Errorf("with room, the export %s is %s: %+v", kind, task.Status, task.Error)
			continue
		}
		api.Download(task)
		tasks = append(tasks, task)
	}
	s.clean(tasks...)
	api.Stop()
}

// TestFaultDiskFullRetry: an export that ran out of room goes on once there is
// some. What its first attempt had spooled is not in the way of the next one.
func TestFaultDiskFullRetry(t *testing.T) {
	t.Parallel()
	s := smallDisk(t, 160<<20, harness.Chat{Users: 10, Channels: 2, Messages: 6000, Text: 2000})
	api := s.apis[0]
	peace := s.final(s.ask("members first"))
	size := peace.Result.Size // it is spooled, and then written: it takes twice that
	ballast := harness.Fill(t, s.disk(), size*4/3)
	id := s.ask("members first")
	harness.Until(t, harness.Patience, "in trouble", func() bool { return strings.Contains(api.Stderr(), "attempt failed") })
	ballast.Shrink(t, size)
	again := s.final(id)
	if again.Result == nil || again.Result.SHA256 != peace.Result.SHA256 {
		t.Fatalf("the export is %s: %+v", again.Status, again.Error)
	}
	api.Download(again)
	s.clean(peace, again)
	api.Stop()
}

// TestFaultDiskFullWrites: the disk is full while clients write. They are told
// so, and what they were told to be written is there once there is room again,
// and when the server was killed meanwhile, too.
func TestFaultDiskFullWrites(t *testing.T) {
	t.Parallel()
	s := smallDisk(t, 48<<20, harness.Chat{Users: 10, Channels: 2, Messages: 500, Text: 200})
	ledger := s.writing()
	for round := range rounds(2, 10) {
		<-time.After(time.Duration(s.rnd.Int64N(int64(500 * time.Millisecond))))
		ballast := harness.Fill(t, s.disk(), 0)
		full := func() string {
			resp, err := s.apis[0].Do("POST", "/channels/messaging/busy/message", harness.Request{"message": harness.Request{
				"text": strings.Repeat("fill ", 3000), "user_id": "writer-3",
			}})
			if err != nil || resp.Status < 500 {
				return ""
			}
			return string(resp.Body)
		}
		var said string
		harness.Until(t, harness.Patience, "full", func() bool {
			said = full()
			return said != ""
		})
		if !strings.Contains(said, "no space left") {
			t.Errorf("a full disk is called %s", said)
		}
		if resp, err := s.apis[0].Do("GET", "/tasks", nil); err != nil || resp.Status != 200 {
			t.Errorf("reading from a full disk: %+v, %v", resp, err)
		}
		if round%2 == 1 {
			s.apis[0].Kill()
		}
		ballast.Drop(t)
		if round%2 == 1 {
			again := s.apis[0].Restart()
			s.mu.Lock()
			s.apis = [2]*harness.Server{again, again}
			s.mu.Unlock()
		}
		tries := ledger.acknowledged()
		harness.Until(t, harness.Patience, "written to again", func() bool { return ledger.acknowledged() > tries+10 })
	}
	ledger.end()
	task := s.final(s.export(everything("v1", busy)))
	ledger.check(s.apis[0].Download(task))
	s.clean(task)
	s.apis[0].Stop()
}

// TestFaultDiskFullImport: the disk gets full in the middle of an import, which
// waits for room and is then completed.
func TestFaultDiskFullImport(t *testing.T) {
	t.Parallel()
	s := smallDisk(t, 48<<20, harness.Chat{Users: 10, Channels: 2, Messages: 500, Text: 200})
	api := s.apis[0]
	chat := harness.Chat{Users: 20, Channels: 4, Messages: 10_000, Text: 500}
	var file bytes.Buffer
	if err := chat.Write(&file); err != nil {
		t.Fatal(err)
	}
	path := api.Upload("chat.jsonl", bytes.NewReader(file.Bytes()))
	ballast := harness.Fill(t, s.disk(), 5<<20)
	id := api.CreateImport(path)
	harness.Until(t, harness.Patience, "in trouble", func() bool { return strings.Contains(api.Stderr(), "attempt failed") })
	if i := api.ImportState(id); i.Ended() {
		t.Fatalf("the import is %s: %s", i.State, i.Result)
	}
	ballast.Drop(t)
	api.Imported(id)
	task := api.Completed(api.ExportChannels(everything("v2", chat.CIDs()...)))
	if n := task.Result.Counts["messages"]; n < 10_000 {
		t.Errorf("%d messages are there", n)
	}
	s.clean(task)
	api.Stop()
}
