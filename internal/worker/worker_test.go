package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"hansard/internal/blob"
	"hansard/internal/blob/disk"
	"hansard/internal/blob/s3"
	"hansard/internal/s3test"
	"hansard/internal/store"
	"hansard/internal/store/storetest/engine"
	"hansard/internal/task"
	"hansard/internal/worker"

	"github.com/google/uuid"
)

// bundle is a real store and real files, with one app, and a clock that can
// be moved forward.
type bundle struct {
	store   store.Store
	blob    blob.Store
	dir     string
	scratch string
	app     store.App

	mu   sync.Mutex
	skew time.Duration
}

func TestMain(m *testing.M) { os.Exit(s3test.Main(m)) }

// onBoth runs a test on local files and on an object store.
func onBoth(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Parallel()
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		test(t, setup(t))
	})
	t.Run("s3", func(t *testing.T) {
		t.Parallel()
		files := openS3(t, s3test.New(t))
		b := setup(t)
		b.blob = files
		test(t, b)
	})
}

func openS3(t *testing.T, b *s3test.Bucket) *s3.Store {
	t.Helper()
	s, err := s3.Open(t.Context(), s3.Options{
		Bucket: b.Name, Prefix: "chat", Endpoint: b.Endpoint, Region: b.Region, Style: s3.PathStyle,
		AccessKey: b.AccessKey, SecretKey: b.SecretKey, PartSize: blob.MinPart, Patience: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{dir: t.TempDir()}
	b.scratch = filepath.Join(b.dir, "scratch")
	s := engine.Open(t, b.now)
	b.store = s
	b.blob = openBlob(t, filepath.Join(b.dir, "files"))
	b.app = store.App{Key: "app", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &b.app); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bundle) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.skew)
}

func (b *bundle) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.skew += d
}

func (b *bundle) worker(t *testing.T, o worker.Options) *worker.Worker {
	t.Helper()
	o.Store, o.Blob, o.Data, o.Scratch = b.store, b.blob, b.dir, b.scratch
	o.Logger = slog.New(slog.DiscardHandler)
	if o.Handlers == nil {
		o.Handlers = map[string]task.Handler{task.ExportChannels: nil}
	}
	o.Adjust = func(r *task.Runner) {
		r.Poll, r.Beat, r.Pauses = 5*time.Millisecond, 10*time.Millisecond, []time.Duration{time.Millisecond}
	}
	w, err := worker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// put writes a small file.
func (b *bundle) put(t *testing.T, key string) string {
	t.Helper()
	if err := putFile(context.Background(), b.blob, key); err != nil {
		t.Fatal(err)
	}
	return key
}

func putFile(ctx context.Context, s blob.Store, key string) error {
	w, err := s.Create(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = w.Abort() }()
	if _, err := w.Write([]byte("content of " + key)); err != nil {
		return err
	}
	return w.Commit()
}

func (b *bundle) files(t *testing.T) []string {
	t.Helper()
	keys := []string{}
	err := b.blob.List(t.Context(), "", func(f blob.Info) error {
		keys = append(keys, f.Key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func (b *bundle) expectFiles(t *testing.T, when string, want ...string) {
	t.Helper()
	want = slices.Sorted(slices.Values(want))
	if got := b.files(t); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("%s there is\n%q\nwant\n%q", when, got, want)
	}
}

func (b *bundle) mkdir(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(b.scratch, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "spool"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (b *bundle) enqueue(t *testing.T, kind, request string) string {
	t.Helper()
	id := uuid.NewString()
	if _, err := b.store.Enqueue(t.Context(), &store.Task{ID: id, App: b.app.ID, Kind: kind, Request: []byte(request)}, nil); err != nil {
		t.Fatal(err)
	}
	return id
}

// end gives a task its end.
func (b *bundle) end(t *testing.T, id string, o store.Outcome) {
	t.Helper()
	got, err := b.store.Claim(t.Context(), "somebody", time.Minute, id)
	if err != nil || got == nil {
		t.Fatal(got, err)
	}
	if err := b.store.Finish(t.Context(), id, got.Epoch, o); err != nil {
		t.Fatal(err)
	}
}

func (b *bundle) purge(t *testing.T, w *worker.Worker) {
	t.Helper()
	if err := w.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (b *bundle) gone(t *testing.T, id string) bool {
	t.Helper()
	_, err := b.store.Task(t.Context(), b.app.ID, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return err != nil
}

func result(key string) []byte {
	return fmt.Appendf(nil, `{"path":%q,"size":1,"manifest_path":%q}`, key, key+".manifest.json")
}

func TestOptions(t *testing.T) {
	t.Parallel()
	if _, err := worker.New(worker.Options{}); err == nil {
		t.Error("a worker without a store was made")
	}
}

func TestWorkerTidiesUpAfterATask(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bundle) {
		id := b.enqueue(t, task.ExportChannels, `{}`)
		key := "exports/channels/app/" + id
		w := b.worker(t, worker.Options{Handlers: map[string]task.Handler{
			task.ExportChannels: func(ctx context.Context, a *task.Attempt) ([]byte, error) {
				b.mkdir(t, a.Task.ID)
				mine := fmt.Sprintf("%s.%d.json", key, a.Task.Epoch)
				for _, k := range []string{mine, mine + ".manifest.json"} {
					if err := putFile(ctx, b.blob, k); err != nil {
						return nil, err
					}
				}
				if a.Task.Attempt == 1 {
					return nil, errors.New("failed after its file was there")
				}
				return result(mine), nil
			},
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); w.Run(ctx) }()
		got, err := w.RunOne(ctx, b.app.ID, id)
		if err != nil || got.Status != store.Completed {
			t.Fatal(got, err)
		}
		cancel()
		<-ended
		b.expectFiles(t, "after the second attempt", key+".2.json", key+".2.json.manifest.json")
		if exists(filepath.Join(b.scratch, id)) {
			t.Error("the scratch folder stays")
		}
	})
}

func TestWorkerLeavesNoFileOfAFailedTask(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bundle) {
		id := b.enqueue(t, task.ExportUsers, `{}`)
		other := b.put(t, "exports/users/app/"+uuid.NewString()+".jsonl")
		w := b.worker(t, worker.Options{Handlers: map[string]task.Handler{
			task.ExportUsers: func(ctx context.Context, a *task.Attempt) ([]byte, error) {
				if err := putFile(ctx, b.blob, "exports/users/app/"+id+".jsonl"); err != nil {
					return nil, err
				}
				return nil, task.Failf("TooManyMessages", "too many")
			},
		}})
		if got, err := w.RunOne(t.Context(), b.app.ID, id); err != nil || got.Status != store.Failed {
			t.Fatal(got, err)
		}
		b.expectFiles(t, "after the failure", other)
	})
}

func TestPurgeRetention(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bundle) {
		w := b.worker(t, worker.Options{Retention: 24 * time.Hour})
		var ids, keys []string
		for i := range 3 {
			id := b.enqueue(t, task.ExportChannels, `{}`)
			key := b.put(t, "exports/channels/app/"+id+".jsonl")
			b.put(t, key+".manifest.json")
			if i < 2 { // the last one is still waiting when the others go
				b.end(t, id, store.Outcome{Status: store.Completed, Result: result(key)})
			}
			ids, keys = append(ids, id), append(keys, key, key+".manifest.json")
		}
		failed := b.enqueue(t, task.ExportUsers, `{}`)
		b.end(t, failed, store.Outcome{Status: store.Failed, Error: []byte(`{}`)})

		b.advance(23 * time.Hour)
		b.end(t, ids[2], store.Outcome{Status: store.Completed, Result: result(keys[4])})
		b.purge(t, w)
		b.expectFiles(t, "before the retention is over", keys...)

		b.advance(2 * time.Hour)
		b.purge(t, w)
		b.expectFiles(t, "after it", keys[4:]...)
		if !b.gone(t, ids[0]) || !b.gone(t, ids[1]) || !b.gone(t, failed) {
			t.Error("old tasks stay")
		}
		if b.gone(t, ids[2]) {
			t.Error("a task that ended two hours ago is gone")
		}
		b.advance(24 * time.Hour)
		b.purge(t, w)
		b.expectFiles(t, "in the end")
		if !b.gone(t, ids[2]) {
			t.Error("the last task stays")
		}
	})
}

func TestPurgeManyTasks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.worker(t, worker.Options{Retention: time.Hour})
	for range 250 { // several pages
		id := b.enqueue(t, task.ExportChannels, `{}`)
		if _, err := b.store.CancelTask(t.Context(), b.app.ID, id, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	waiting := b.enqueue(t, task.ExportChannels, `{}`)
	b.advance(2 * time.Hour)
	b.purge(t, w)
	left, err := b.store.ListTasks(t.Context(), store.TaskQuery{App: b.app.ID})
	if err != nil || len(left) != 1 || left[0].ID != waiting {
		t.Errorf("%d tasks are left, %v; want the waiting one", len(left), err)
	}
}

func TestPurgeStrayExports(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bundle) {
		w := b.worker(t, worker.Options{Retention: 24 * time.Hour})
		done, failed, running := b.enqueue(t, task.ExportChannels, `{}`), b.enqueue(t, task.ExportUsers, `{}`), b.enqueue(t, task.ExportChannels, `{}`)
		current := b.put(t, "exports/channels/app/"+done+".2.json")
		b.put(t, "exports/channels/app/"+done+".json") // of an attempt that lost its lease
		b.end(t, done, store.Outcome{Status: store.Completed, Result: result(current)})
		b.put(t, "exports/users/app/"+failed+".jsonl")
		b.end(t, failed, store.Outcome{Status: store.Failed, Error: []byte(`{}`)})
		inWork := b.put(t, "exports/channels/app/"+running+".json")
		if _, err := b.store.Claim(t.Context(), "somebody", 24*time.Hour, running); err != nil {
			t.Fatal(err)
		}
		unknown := b.put(t, "exports/channels/app/"+uuid.NewString()+".json")
		removedApp := b.put(t, "exports/channels/gone/"+uuid.NewString()+".json")
		foreign := b.put(t, "exports/notes.txt")

		b.purge(t, w)
		b.expectFiles(t, "at once", current, inWork, unknown, removedApp, foreign)
		b.advance(2 * time.Hour)
		b.purge(t, w)
		b.expectFiles(t, "after the grace", current, inWork, foreign)
	})
}

func TestPurgeUploads(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bundle) {
		w := b.worker(t, worker.Options{Retention: 1000 * time.Hour})
		upload := func() string { return b.put(t, "imports/app/"+uuid.NewString()+"/chat.jsonl") }
		idle, wanted, used := upload(), upload(), upload()
		b.end(t, b.enqueue(t, task.Import, fmt.Sprintf(`{"path":%q}`, used)), store.Outcome{Status: store.Failed, Error: []byte(`{}`)})
		b.enqueue(t, task.Import, fmt.Sprintf(`{"path":%q}`, wanted))
		b.advance(23 * time.Hour)
		b.purge(t, w)
		b.expectFiles(t, "while upload URLs may still be used", idle, wanted, used)
		b.advance(2 * time.Hour)
		b.purge(t, w)
		b.expectFiles(t, "after that", wanted)
	})
}

// What a worker that died has uploaded is removed, and what one that lives has
// uploaded is not.
func TestPurgeDeadUploads(t *testing.T) {
	t.Parallel()
	bucket := s3test.New(t)
	dead, b := openS3(t, bucket), setup(t)
	b.blob = openS3(t, bucket)
	for _, files := range []blob.Store{dead, b.blob} {
		f, err := files.Create(t.Context(), "exports/channels/app/"+uuid.NewString()+".json")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Abort() })
		if _, err := f.Write(make([]byte, blob.MinPart+1)); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(when string, want int) {
		t.Helper()
		if got := bucket.Uploads(t); len(got) != want {
			t.Errorf("%s the uploads are %q, want %d", when, got, want)
		}
	}
	b.purge(t, b.worker(t, worker.Options{}))
	expect("before the grace is over", 2)
	brief := b.worker(t, worker.Options{Grace: time.Second})
	deadline := time.Now().Add(20 * time.Second)
	for len(bucket.Uploads(t)) > 1 && time.Now().Before(deadline) {
		b.purge(t, brief)
	}
	expect("after it", 1)
}

// A purge is over soon when the object store is away, and the next one does it.
func TestPurgeWithoutStorage(t *testing.T) {
	t.Parallel()
	bucket := s3test.New(t)
	proxy := s3test.NewProxy(t, bucket.Server)
	b := setup(t)
	b.blob = openS3(t, bucket.Via(proxy))
	w := b.worker(t, worker.Options{Retention: time.Hour})
	for range 20 {
		b.put(t, "exports/channels/app/"+uuid.NewString()+".json")
	}
	b.advance(2 * time.Hour)
	proxy.Fail(func(r *http.Request) s3test.Fault {
		if r.Method == http.MethodDelete {
			return s3test.Fault{Status: http.StatusServiceUnavailable}
		}
		return s3test.Fault{}
	})
	start := time.Now()
	if err := w.Purge(t.Context()); err == nil {
		t.Error("the purge says that it removed everything")
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
	proxy.Fail(nil)
	b.purge(t, w)
	b.expectFiles(t, "once it is back")
}

func TestPurgeScratch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.worker(t, worker.Options{})
	b.purge(t, w) // there is no folder yet
	done, waiting := b.enqueue(t, task.ExportChannels, `{}`), b.enqueue(t, task.ExportChannels, `{}`)
	b.end(t, done, store.Outcome{Status: store.Completed, Result: []byte(`{}`)})
	gone := []string{b.mkdir(t, done), b.mkdir(t, uuid.NewString())}
	kept := []string{b.mkdir(t, waiting), b.mkdir(t, "something-else")}
	b.purge(t, w)
	for _, path := range gone {
		if exists(path) {
			t.Errorf("%s stays", path)
		}
	}
	for _, path := range kept {
		if !exists(path) {
			t.Errorf("%s is gone", path)
		}
	}
}

func TestPurgeLoop(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, task.ExportChannels, `{}`)
	b.end(t, id, store.Outcome{Status: store.Failed, Error: []byte(`{}`)})
	w := b.worker(t, worker.Options{Retention: 100 * time.Millisecond}) // a purge every 10 ms
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.PurgeLoop(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); !b.gone(t, id); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the task stays")
		}
	}
	cancel()
	<-ended
}

func openBlob(t *testing.T, dir string) blob.Store {
	t.Helper()
	s, err := disk.Open(dir, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
