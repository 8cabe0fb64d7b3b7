package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hansard/client"
	"hansard/internal/pgtest"
	"hansard/internal/store/sqlite"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3/lock"
)

func TestServeAndExport(t *testing.T) {
	t.Parallel()
	data, dir := t.TempDir(), t.TempDir()
	server, at := serving(t, data)
	ok(t, "import", sampleFile, "--data", data)
	export := func(args ...string) string {
		t.Helper()
		return ok(t, slices.Concat([]string{"export"}, args, at)...)
	}

	file := filepath.Join(dir, "general.jsonl")
	export("channels", "messaging:general", "--version", "v2", "--export-users", "-o", file)
	saved, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(saved, []byte("\n")); lines < 200 || !bytes.HasPrefix(saved, []byte(`{"type":"user"`)) {
		t.Errorf("%d lines, beginning %.60s", lines, saved)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left beside the file: %v, %v", left, err)
	}

	t.Run("LocalIsTheSame", func(t *testing.T) {
		local := ok(t, "export", "channels", "messaging:general", "--version", "v2", "--export-users", "--local", "--data", data, "-o", "-")
		if local != string(saved) {
			t.Error("--local gives another file")
		}
	})
	t.Run("Window", func(t *testing.T) {
		out := export("channels", "livestream:petrel-launch", "--since", "2024-03-18T08:00:00Z", "--until", "2024-03-18T08:30:00Z", "-o", "-")
		var file []struct {
			Messages []struct {
				CreatedAt string `json:"created_at"`
			} `json:"messages"`
		}
		if err := json.Unmarshal([]byte(out), &file); err != nil || len(file) != 1 || len(file[0].Messages) == 0 {
			t.Fatalf("%v: %.100s", err, out)
		}
		for _, m := range file[0].Messages {
			if m.CreatedAt < "2024-03-18T08:00:00Z" || m.CreatedAt >= "2024-03-18T08:30:00Z" {
				t.Errorf("outside the window: %s", m.CreatedAt)
			}
		}
	})
	t.Run("Users", func(t *testing.T) {
		out := export("users", "noor", "takumi", "--compression", "none", "-o", "-")
		for _, kind := range []string{"user", "message", "reaction", "call"} {
			if !strings.Contains(out, `{"type":"`+kind+`"`) {
				t.Errorf("no %s line", kind)
			}
		}
	})
	t.Run("UnknownChannel", func(t *testing.T) {
		r := run(t, "", slices.Concat([]string{"export", "channels", "messaging:nowhere"}, at)...)
		if r.code != exitFailed || !strings.Contains(r.errOut, "messaging:nowhere") {
			t.Errorf("exit %d, %q", r.code, r.errOut)
		}
	})
	t.Run("Tasks", func(t *testing.T) {
		var tasks []client.Task
		if err := json.Unmarshal([]byte(ok(t, slices.Concat([]string{"task", "ls", "--json"}, at)...)), &tasks); err != nil || len(tasks) < 3 {
			t.Fatalf("%d tasks, %v", len(tasks), err)
		}
		id := tasks[len(tasks)-1].ID
		for _, verb := range []string{"get", "wait", "cancel"} {
			if out := ok(t, slices.Concat([]string{"task", verb, id}, at)...); !strings.Contains(out, id) || !strings.Contains(out, "completed") {
				t.Errorf("%s: %q", verb, out)
			}
		}
		r := run(t, "", slices.Concat([]string{"task", "get", "5c6dbb0c-8d9c-4a3a-bb0c-0f5d4c6a1f7e"}, at)...)
		if r.code != exitFailed {
			t.Errorf("an unknown task: exit %d, %q", r.code, r.out)
		}
		r = run(t, "", slices.Concat([]string{"task", "wait", "5c6dbb0c-8d9c-4a3a-bb0c-0f5d4c6a1f7e"}, at)...)
		if r.code != exitFailed || r.out != "" || strings.Count(r.errOut, "\n") != 1 {
			t.Errorf("waiting for an unknown task: exit %d, %q, %q", r.code, r.out, r.errOut)
		}
	})
	t.Run("WrongSecret", func(t *testing.T) {
		r := run(t, "", "task", "ls", at[0], at[1], "--api-key", "shop", "--api-secret", "wr0ng-wr0ng")
		if r.code != exitFailed || strings.Contains(r.errOut, "wr0ng") {
			t.Errorf("exit %d, %q", r.code, r.errOut)
		}
	})
	if code := server.end(); code != exitOK {
		t.Errorf("exit %d\n%s", code, server.log())
	}
	for _, want := range []string{`"msg":"started","version":"`, `"address":"127.0.0.1:`, `"msg":"stopped"`, `"took_ms":`} {
		if !strings.Contains(server.log(), want) {
			t.Errorf("%s is not in the log", want)
		}
	}
	for _, secret := range []string{"s3cret-s3cret", "signature=", "eyJ", "Loud is the specification"} {
		if strings.Contains(server.log(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// A worker beside a server that has none of its own does the work.
func TestWorker(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	server := start(t, "serve", "--listen", "127.0.0.1:0", "--data", data, "--workers", "0", "--api-key", "shop", "--api-secret", "s3cret-s3cret")
	url := strings.TrimPrefix(server.until("listening on ")[0], "listening on ")
	worker := start(t, "worker", "--data", data, "--workers", "1")
	ok(t, "import", sampleFile, "--data", data)
	out := ok(t, "export", "channels", "--filter", `{"type":"team"}`, "--server", url, "--api-key", "shop", "--api-secret", "s3cret-s3cret", "-o", "-")
	if !strings.Contains(out, "buoy-firmware") {
		t.Errorf("%.100s", out)
	}
	if code := worker.end(); code != exitOK {
		t.Errorf("worker: exit %d\n%s", code, worker.log())
	}
	if code := server.end(); code != exitOK {
		t.Errorf("server: exit %d\n%s", code, server.log())
	}
}

func TestServeSaysWhereAsItWasTold(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		"0.0.0.0:0": `^listening on http://0\.0\.0\.0:[1-9]\d*$`, "127.0.0.1:0": `^listening on http://127\.0\.0\.1:[1-9]\d*$`,
	} {
		b := start(t, "serve", "--listen", listen, "--data", t.TempDir(), "--api-key", "shop", "--api-secret", "s3cret-s3cret")
		if line := b.until("listening on ")[0]; !regexp.MustCompile(want).MatchString(line) {
			t.Errorf("%s: %q", listen, line)
		}
		if code := b.end(); code != exitOK {
			t.Errorf("%s: exit %d", listen, code)
		}
	}
}

func TestServeMakesAnApp(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	b := start(t, "serve", "--listen", "127.0.0.1:0", "--data", data)
	b.until("listening on ")
	if !strings.Contains(b.log(), "made the app dev") || !strings.Contains(b.log(), "API secret") {
		t.Errorf("log: %s", b.log())
	}
	// The store can be looked after while the server runs.
	if out := ok(t, "app", "create", "--name", "second", "--data", data, "--json"); !strings.Contains(out, "second") {
		t.Errorf("%q", out)
	}
	if code := b.end(); code != exitOK {
		t.Errorf("exit %d", code)
	}
	again := start(t, "serve", "--listen", "127.0.0.1:0", "--data", data)
	again.until("listening on ")
	if strings.Contains(again.log(), "made the app") {
		t.Error("a second start made another app")
	}
	r := run(t, "", "serve", "--listen", "127.0.0.1:0", "--data", data, "--api-key", "dev", "--api-secret", "another-secret")
	if r.code != exitFailed || !strings.Contains(r.errOut, "another secret") {
		t.Errorf("exit %d, %q", r.code, r.errOut)
	}
}

// Told to stop while it still starts, a server or a worker has not failed: it
// ends with 0, as it does later. What has an end that was not reached does not.
func TestStoppedWhileStarting(t *testing.T) {
	t.Parallel()
	commands := []struct {
		args []string
		want int
	}{
		{[]string{"serve", "--listen", "127.0.0.1:0"}, exitOK},
		{[]string{"worker"}, exitOK},
		{[]string{"migrate"}, exitInterrupted},
	}
	for _, c := range commands {
		t.Run("sqlite "+c.args[0], func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			db, err := sql.Open("sqlite", filepath.Join(data, sqlite.FileName))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			db.SetMaxOpenConns(1)
			if _, err := db.ExecContext(t.Context(), `CREATE TABLE other (x); BEGIN EXCLUSIVE`); err != nil {
				t.Fatal(err)
			}
			b := start(t, append(c.args, "--data", data)...)
			if code := b.end(); code != c.want {
				t.Errorf("exit %d\n%s", code, b.log())
			}
		})
		t.Run("postgres "+c.args[0], func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.Database(t)
			other, err := pgx.Connect(t.Context(), dsn)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = other.Close(context.WithoutCancel(t.Context())) })
			// Another process migrates.
			if _, err := other.Exec(t.Context(), `SELECT pg_advisory_lock($1)`, lock.DefaultLockID); err != nil {
				t.Fatal(err)
			}
			b := start(t, append(c.args, "--data", t.TempDir(), "--database", dsn)...)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			late := time.After(30 * time.Second)
			for waits := false; !waits; {
				select {
				case <-tick.C:
				case <-late:
					t.Fatalf("never waited for the other one\n%s", b.log())
				}
				err := other.QueryRow(t.Context(), `SELECT EXISTS (SELECT 1 FROM pg_stat_activity
					WHERE datname = current_database() AND query LIKE 'SELECT pg_try_advisory_lock%')`).Scan(&waits)
				if err != nil {
					t.Fatal(err)
				}
			}
			if code := b.end(); code != c.want {
				t.Errorf("exit %d\n%s", code, b.log())
			}
		})
	}
}
