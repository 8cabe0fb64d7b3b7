package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/blob/s3"
	"hansard/internal/chat"
	"hansard/internal/export"
	"hansard/internal/metrics"
	"hansard/internal/pgtest"
	"hansard/internal/s3test"
	"hansard/internal/store"
	"hansard/internal/store/postgres"
	"hansard/internal/task"
	"hansard/internal/worker"
)

// Two processes make one export, each a part of it, and leave nothing but the
// file.
func TestWorkersShareAnExport(t *testing.T) {
	t.Parallel()
	dsn, bucket := pgtest.Database(t), s3test.New(t)
	type process struct {
		exports *export.Service
		worker  *worker.Worker
		spans   atomic.Int64
	}
	processes := [2]*process{}
	var files *s3.Store
	for i := range processes {
		st, err := postgres.Open(t.Context(), dsn, postgres.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
		files = openS3(t, bucket)
		watch := metrics.New(metrics.Build{})
		p := &process{exports: &export.Service{
			Store: watch.Store(st), Blob: watch.Blob(files), Scratch: t.TempDir(), Logger: slog.New(slog.DiscardHandler), SpanMessages: 10,
		}}
		p.worker, err = worker.New(worker.Options{
			Store: p.exports.Store, Blob: p.exports.Blob, Handlers: map[string]task.Handler{task.ExportChannels: p.exports.RunChannels},
			Idle: p.exports.Help, Logger: p.exports.Logger,
			Adjust: func(r *task.Runner) { r.Poll, r.Beat = 5*time.Millisecond, 10*time.Millisecond },
		})
		if err != nil {
			t.Fatal(err)
		}
		processes[i] = p
	}
	for _, p := range processes {
		p.exports.SpanDone = func(bool) { p.spans.Add(1) }
	}
	st := processes[0].exports.Store
	app := store.App{Key: "app", Secret: "secret"}
	if err := st.CreateApp(t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	const n = 80
	if err := fatChannel(t.Context(), st, app.ID, n); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, p := range processes {
		running.Go(func() { p.worker.Run(ctx) })
	}
	defer func() {
		stop()
		running.Wait()
	}()
	// Who gets how many spans is chance: it is tried until each has had some.
	var want []string
	for try := 0; processes[0].spans.Load() == 0 || processes[1].spans.Load() == 0; try++ {
		if try == 30 {
			t.Fatalf("the processes did %d and %d spans", processes[0].spans.Load(), processes[1].spans.Load())
		}
		id, err := processes[0].exports.RequestChannels(ctx, app, []byte(`{"channels":[{"cid":"messaging:c"}],"version":"v2"}`), "")
		if err != nil {
			t.Fatal(err)
		}
		var done *store.Task
		eventually(t, func() bool {
			done, err = st.Task(ctx, app.ID, id)
			return err != nil || done.Status.Final()
		})
		if err != nil || done.Status != store.Completed || done.Done != n {
			t.Fatalf("%+v, %s, %v", done, done.Error, err)
		}
		var r export.Result
		if err := json.Unmarshal(done.Result, &r); err != nil {
			t.Fatal(err)
		}
		b := content(t, files, r.Path)
		if lines := strings.Count(b, "\n"); lines != 1+n+n/2 || r.Counts.Reactions != n/2 {
			t.Errorf("%d lines, %+v", lines, r.Counts)
		}
		want = append(want, "chat/"+r.Path, "chat/"+r.ManifestPath)
	}
	var objects []string
	eventually(t, func() bool {
		objects = bucket.Objects(t)
		return len(objects) <= len(want)
	})
	slices.Sort(want)
	if slices.Sort(objects); !slices.Equal(objects, want) || len(bucket.Uploads(t)) > 0 {
		t.Errorf("there are %q and the uploads %q", objects, bucket.Uploads(t))
	}
}

func content(t *testing.T, files *s3.Store, key string) string {
	t.Helper()
	file, _, err := files.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("waited in vain")
			return
		}
	}
}

// fatChannel makes messages of which ten are a part of a file. Every other one
// has a reaction.
func fatChannel(ctx context.Context, st store.Store, app int64, n int) error {
	return st.Update(ctx, app, func(tx store.Tx) error {
		if _, err := tx.PutUser(&chat.User{ID: "alice", Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
			return err
		}
		if _, err := tx.PutChannel(&chat.Channel{Type: "messaging", ID: "c", CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
			return err
		}
		text := strings.Repeat("<long> ", 31_500)
		for i := range n {
			at := chat.Time(1e15 + i)
			m := chat.Message{
				ID: fmt.Sprint("m", i), CID: "messaging:c", UserID: "alice", Type: chat.Regular, Text: text, CreatedAt: at, UpdatedAt: at,
			}
			if err := tx.PutMessage(&m); err != nil {
				return err
			}
			if i%2 == 1 {
				continue
			}
			r := chat.Reaction{MessageID: m.ID, UserID: "alice", Type: "like", Score: 1, CreatedAt: at, UpdatedAt: at}
			if err := tx.PutReaction(&r); err != nil {
				return err
			}
		}
		return nil
	})
}
