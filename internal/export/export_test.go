package export_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hansard/internal/blob"
	"hansard/internal/blob/disk"
	"hansard/internal/chat"
	"hansard/internal/export"
	"hansard/internal/store"
	"hansard/internal/store/storetest/engine"
	"hansard/internal/task"
	"hansard/internal/wire"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// fixture is a real store with a service on it.
type fixture struct {
	*testing.T
	store   store.Store
	blob    blob.Store
	service *export.Service
	app     store.App
	files   string
}

func setup(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	s := engine.Open(t, nil)
	f := &fixture{T: t, store: s, app: store.App{Name: "test", Key: "key", Secret: "secret"}, files: filepath.Join(dir, "files")}
	b, err := disk.Open(f.files, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.blob = b
	f.service = &export.Service{
		Store: s, Blob: b, Scratch: filepath.Join(dir, "scratch"), Version: "test", Logger: slog.New(slog.DiscardHandler),
		Limits: export.Limits{Channels: 25, Users: 25, UserMessages: 10000},
	}
	if err := s.CreateApp(t.Context(), &f.app); err != nil {
		t.Fatal(err)
	}
	f.update(func(tx store.Tx) error {
		for _, id := range []string{"alice", "bob", "carol", "dora"} {
			if _, err := tx.PutUser(&chat.User{ID: id, Role: "user", Name: strings.ToUpper(id), CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
				return err
			}
		}
		return nil
	})
	return f
}

func (f *fixture) update(fn func(store.Tx) error) {
	f.Helper()
	if err := f.store.Update(f.Context(), f.app.ID, fn); err != nil {
		f.Fatal(err)
	}
}

// channel makes a channel with n messages, a second apart from 2001-09-09,
// written by alice and bob in turn.
func (f *fixture) channel(id string, n int) {
	f.Helper()
	f.update(func(tx store.Tx) error {
		key, err := tx.PutChannel(&chat.Channel{Type: "messaging", ID: id, CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15})
		if err != nil {
			return err
		}
		if err := tx.PutMember(key, &chat.Member{UserID: "carol", ChannelRole: "channel_member", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
			return err
		}
		if err := tx.PutRead(key, &chat.Read{UserID: "carol", LastRead: 1e15}); err != nil {
			return err
		}
		ms := make([]chat.Message, n)
		for i := range ms {
			at := chat.Time(1e15 + int64(i)*1e6)
			ms[i] = chat.Message{
				ID: fmt.Sprintf("%s-%d", id, i), CID: "messaging:" + id, UserID: []string{"alice", "bob"}[i%2],
				Type: chat.Regular, Text: fmt.Sprintf("message %d <&>", i), CreatedAt: at, UpdatedAt: at,
			}
		}
		if _, err := tx.InsertMessages(ms, false); err != nil || n == 0 {
			return err
		}
		return tx.PutReaction(&chat.Reaction{MessageID: id + "-0", UserID: "bob", Type: "like", Score: 1, CreatedAt: 1e15, UpdatedAt: 1e15})
	})
}

// task enqueues a channels export and returns it as claimed for the first time.
func (f *fixture) task(body string) store.Task {
	f.Helper()
	id, err := f.service.RequestChannels(f.Context(), f.app, []byte(body), "")
	if err != nil {
		f.Fatal(err)
	}
	t, err := f.store.Task(f.Context(), f.app.ID, id)
	if err != nil {
		f.Fatal(err)
	}
	t.Epoch = 1
	return *t
}

func (f *fixture) run(t store.Task) (export.Result, []byte) {
	f.Helper()
	result, err := f.service.RunChannels(f.Context(), &task.Attempt{Task: t})
	if err != nil {
		f.Fatal(err)
	}
	return f.result(result)
}

// result reads a finished file and checks what is said about it.
func (f *fixture) result(result []byte) (r export.Result, file []byte) {
	f.Helper()
	if err := json.Unmarshal(result, &r); err != nil {
		f.Fatal(err)
	}
	file = f.read(r.Path)
	sum := sha256.Sum256(file)
	if r.Size != int64(len(file)) || r.SHA256 != hex.EncodeToString(sum[:]) {
		f.Errorf("size %d and sum %s do not fit the file", r.Size, r.SHA256)
	}
	var m struct {
		Size     int64
		SHA256   string
		Counts   json.RawMessage
		Channels []struct {
			CID      string
			Messages int64
			AsOf     chat.Time `json:"as_of"`
		}
	}
	if err := json.Unmarshal(f.read(r.ManifestPath), &m); err != nil {
		f.Fatalf("the manifest: %v", err)
	}
	var messages int64
	for _, c := range m.Channels {
		messages += c.Messages
		if !c.AsOf.Valid() {
			f.Errorf("channel %s as of %v", c.CID, c.AsOf)
		}
	}
	if m.Size != r.Size || m.SHA256 != r.SHA256 || messages != r.Counts.Messages {
		f.Errorf("the manifest %+v does not fit the result %+v", m, r)
	}
	return r, file
}

func (f *fixture) read(key string) []byte {
	f.Helper()
	r, _, err := f.blob.Open(f.Context(), key)
	if err != nil {
		f.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// nothingLeft checks that no file and no scratch remains.
func (f *fixture) nothingLeft() {
	f.Helper()
	for _, dir := range []string{f.files, f.service.Scratch} {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				f.Errorf("%s was left behind", path)
			}
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			return err
		})
		if err != nil {
			f.Error(err)
		}
	}
}

func types(jsonl []byte) (out []string) {
	for line := range bytes.Lines(jsonl) {
		typ, _, _ := strings.Cut(strings.TrimPrefix(string(line), `{"type":"`), `"`)
		if n := len(out); n > 0 && strings.HasPrefix(out[n-1], typ+" ") {
			var count int
			fmt.Sscanf(out[n-1], typ+" %d", &count)
			out[n-1] = fmt.Sprintf("%s %d", typ, count+1)
			continue
		}
		out = append(out, typ+" 1")
	}
	return out
}

func TestSectionsOfSeveralChannels(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 3)
	f.channel("two", 2)
	body := `{"channels":[{"cid":"messaging:two"},{"type":"messaging","id":"one"},{"cid":"messaging:two"}],"version":"v2","export_users":true}`
	r, file := f.run(f.task(body))
	want := []string{"user 3", "channel 2", "member 2", "read 2", "message 5", "reaction 2"}
	if d := cmp.Diff(want, types(file)); d != "" {
		t.Error(d)
	}
	if r.Counts.Channels != 2 || r.Counts.Members != 2 || r.Counts.Messages != 5 || r.Counts.Reactions != 2 || r.Counts.Users != 3 {
		t.Errorf("counts %+v", r.Counts)
	}
	if one, two := bytes.Index(file, []byte(`"id":"one-0"`)), bytes.Index(file, []byte(`"id":"two-0"`)); two > one {
		t.Error("messages are not in the order of the request")
	}
	if _, again := f.run(f.task(body)); !bytes.Equal(file, again) {
		t.Error("the same data gave other bytes")
	}
}

// However a file is made, it is the same.
func TestStraightEqualsSpooled(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 3000)
	f.channel("none", 0)
	f.channel("two", 100)
	for _, version := range []string{"v1", "v2"} {
		request := `{"channels":[{"cid":"messaging:two"},{"cid":"messaging:none"},{"cid":"messaging:one"}],"version":"` + version + `"}`
		f.service.SpoolAbove = 0
		_, straight := f.run(f.task(request))
		f.service.SpoolAbove = 1
		_, spooled := f.run(f.task(request))
		if !bytes.Equal(straight, spooled) {
			t.Errorf("%s: straight and spooled differ", version)
		}
	}
}

func TestWindowsTile(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 10)
	whole, _ := f.run(f.task(`{"channels":[{"cid":"messaging:one"}],"version":"v2"}`))
	const middle = `2001-09-09T01:46:44Z` // the fifth message
	r, file := f.run(f.task(`{"channels":[{"cid":"messaging:one","messages_until":"` + middle + `"},{"cid":"messaging:one","messages_since":"` + middle + `"}],"version":"v2"}`))
	if r.Counts.Messages != whole.Counts.Messages || r.Counts.Channels != 2 {
		t.Errorf("counts %+v", r.Counts)
	}
	if n := bytes.Count(file, []byte(`"id":"one-4"`)); n != 1 {
		t.Errorf("the message on the border is there %d times", n)
	}
}

// The bounds of a window are compared as they were given: also where nothing is
// stored, and between two microseconds.
func TestBoundsOfWindows(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 10)
	for window, want := range map[string]int64{
		`"messages_since":"1970-01-01T00:00:00Z"`:             10,
		`"messages_since":0`:                                  10,
		`"messages_since":"1900-01-01T00:00:00Z"`:             10,
		`"messages_until":"1970-01-01T00:00:00Z"`:             0,
		`"messages_until":-1`:                                 0,
		`"messages_until":"9999-12-31T23:59:59.9999999Z"`:     10,
		`"messages_until":"9999-12-31T23:59:59-01:00"`:        10,
		`"messages_since":"2001-09-09T01:46:44.000000001Z"`:   5,
		`"messages_since":1000000004000000001`:                5,
		`"messages_until":"2001-09-09T01:46:44.000000001Z"`:   5,
		`"messages_until":"2001-09-09T01:46:44Z"`:             4,
		`"messages_since":null,"messages_until":null`:         10,
		`"messages_since":"2001-09-09T01:46:44.000000-00:00"`: 6,
	} {
		if r, _ := f.run(f.task(`{"channels":[{"cid":"messaging:one",` + window + `}],"version":"v2"}`)); r.Counts.Messages != want {
			t.Errorf("%s: %d messages, want %d", window, r.Counts.Messages, want)
		}
	}
}

func TestPacking(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 6000) // some megabytes: it is packed in several pieces
	request := `{"channels":[{"cid":"messaging:one"}],"version":"v2"`
	_, plain := f.run(f.task(request + `}`))
	if len(plain) < 3<<20 {
		t.Fatalf("only %d bytes", len(plain))
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	unzip := func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
	unzstd := func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) }
	for compression, open := range map[string]func(io.Reader) (io.Reader, error){"gzip": unzip, "zstd": unzstd} {
		r, packed := f.run(f.task(request + `,"compression":"` + compression + `"}`))
		z, err := open(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %v", r.Path, err)
		}
		if _, again := f.run(f.task(request + `,"compression":"` + compression + `"}`)); !bytes.Equal(packed, again) {
			t.Errorf("%s: the same data gave other bytes", compression)
		}
		r, sealed := f.run(f.task(request + `,"compression":"` + compression + `","encrypt_to":"` + identity.Recipient().String() + `"}`))
		if !strings.HasSuffix(r.Path, ".age") {
			t.Errorf("an encrypted file is called %s", r.Path)
		}
		opened, err := age.Decrypt(bytes.NewReader(sealed), identity)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(opened); err != nil || !bytes.Equal(got, packed) {
			t.Errorf("%s, encrypted: %v", compression, err)
		}
	}
}

// cutShort runs the first attempt of an export until a channel is begun after
// a checkpoint.
func (f *fixture) cutShort(body string) (store.Task, *task.Attempt) {
	f.Helper()
	ctx, cancel := context.WithCancelCause(f.Context())
	a := &task.Attempt{Task: f.task(body)}
	f.service.Store = &cutStore{Store: f.store, channel: func() {
		if a.Current().Checkpoint != nil {
			cancel(task.ErrShutdown)
		}
	}}
	defer func() { f.service.Store = f.store }()
	if _, err := f.service.RunChannels(ctx, a); !errors.Is(err, task.ErrShutdown) {
		f.Fatalf("the first attempt: %v", err)
	}
	return a.Task, a
}

// cutStore says what its snapshots have come to.
type cutStore struct {
	store.Store
	channel, message func()
}

func (s *cutStore) Snapshot(ctx context.Context, app int64) (store.Snapshot, error) {
	snap, err := s.Store.Snapshot(ctx, app)
	return &cutSnapshot{snap, s}, err
}

type cutSnapshot struct {
	store.Snapshot
	of *cutStore
}

func (s *cutSnapshot) Channel(cid string) (store.ChannelRow, error) {
	if s.of.channel != nil {
		s.of.channel()
	}
	return s.Snapshot.Channel(cid)
}

func (s *cutSnapshot) Messages(q store.MessageRange, fn func(*store.MessageRow) error) error {
	return s.Snapshot.Messages(q, func(row *store.MessageRow) error {
		if s.of.message != nil {
			s.of.message()
		}
		return fn(row)
	})
}

// An attempt that ends in the middle is gone on from after its last whole
// channel: what was exported stays as it was then, the rest is as it is now.
func TestResume(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.service.CheckpointEvery, f.service.SpoolAbove = time.Nanosecond, 1
	for _, id := range []string{"one", "two", "three"} {
		f.channel(id, 3000)
	}
	for _, options := range []string{`"version":"v1"`, `"version":"v2"`, `"version":"v2","export_users":true`} {
		body := `{"channels":[{"cid":"messaging:one"},{"cid":"messaging:two"},{"cid":"messaging:three"}],` + options + `}`
		_, want := f.run(f.task(body))
		tk, a := f.cutShort(body)
		tk.Epoch, tk.Checkpoint = 2, a.Current().Checkpoint
		// The first attempt may not know that it is over, and write on.
		junk, err := filepath.Glob(filepath.Join(f.service.Scratch, tk.ID, "section-*.1"))
		if err != nil || len(junk) == 0 {
			t.Fatalf("nothing is spooled: %v", err)
		}
		for _, path := range junk {
			file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteString("late words"); err != nil {
				t.Fatal(err)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
		}
		// Proof that the first channel is not read again.
		gone := &chat.Channel{Type: "messaging", ID: "one", CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15, Team: "changed"}
		f.update(func(tx store.Tx) error { _, err := tx.PutChannel(gone); return err })
		r, got := f.run(tk)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the file of two attempts is not that of one", options)
		}
		if !strings.Contains(r.Path, ".2.") {
			t.Errorf("the second attempt wrote %s", r.Path)
		}
		gone.Team = ""
		f.update(func(tx store.Tx) error { _, err := tx.PutChannel(gone); return err })
		if left, _ := filepath.Glob(filepath.Join(f.service.Scratch, "*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		// Without what was spooled, a retry starts over.
		tk.Epoch = 3
		if _, got := f.run(tk); !bytes.Equal(got, want) {
			t.Errorf("%s: starting over gave another file", options)
		}
	}
}

func TestCancelLeavesNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 10000)
	f.channel("two", 10)
	for _, body := range []string{
		`{"channels":[{"cid":"messaging:one"}]}`,
		`{"channels":[{"cid":"messaging:two"},{"cid":"messaging:one"}],"version":"v2","export_users":true}`,
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		a := &task.Attempt{Task: f.task(body)}
		f.service.Store = &cutStore{Store: f.store, message: func() {
			if a.Current().Done > 0 {
				cancel(task.ErrCanceled)
			}
		}}
		if _, err := f.service.RunChannels(ctx, a); !errors.Is(err, task.ErrCanceled) {
			t.Errorf("got %v", err)
		}
		f.nothingLeft()
	}
}

func TestChannelGoneMeanwhile(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 10)
	tk := f.task(`{"channels":[{"cid":"messaging:one"}]}`)
	f.update(func(tx store.Tx) error {
		_, err := tx.PutChannel(&chat.Channel{Type: "messaging", ID: "one", CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15, DeletedAt: 2e15})
		return err
	})
	_, err := f.service.RunChannels(t.Context(), &task.Attempt{Task: tk})
	var failure *task.Failure
	if !errors.As(err, &failure) || failure.Type != "NotFound" || !strings.Contains(failure.Description, "messaging:one") {
		t.Errorf("got %v", err)
	}
	f.nothingLeft()
	if _, err := f.service.RequestChannels(t.Context(), f.app, []byte(`{"channels":[{"cid":"messaging:one"}]}`), ""); wire.AsError(err) == nil || wire.AsError(err).Code != wire.CodeNotFound {
		t.Errorf("a deleted channel was accepted: %v", err)
	}
	_, file := f.run(f.task(`{"channels":[{"cid":"messaging:one"}],"include_soft_deleted_channels":true,"version":"v2"}`))
	if !bytes.Contains(file, []byte(`"deleted_at":"2033-05-18T03:33:20Z"`)) {
		t.Error("the deletion does not show")
	}
}

func TestTooManyMessages(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 10)
	f.service.Limits.UserMessages = 4
	id, err := f.service.RequestUsers(t.Context(), f.app, []byte(`{"user_ids":["carol","bob"]}`), "")
	if err != nil {
		t.Fatal(err)
	}
	tk, err := f.store.Task(t.Context(), f.app.ID, id)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.service.RunUsers(t.Context(), &task.Attempt{Task: *tk})
	var failure *task.Failure
	if !errors.As(err, &failure) || failure.Type != "TooManyMessages" || !strings.Contains(failure.Description, "bob has 5") {
		t.Errorf("got %v", err)
	}
	f.nothingLeft()
	if _, err := f.service.UserExport(t.Context(), f.app, "bob"); wire.AsError(err) == nil || wire.AsError(err).Code != wire.CodeBadInput {
		t.Errorf("the synchronous export: %v", err)
	}
	b, err := f.service.UserExport(t.Context(), f.app, "carol")
	if err != nil || !bytes.HasPrefix(b, []byte(`{"user":{"id":"carol"`)) {
		t.Errorf("got %s, %v", b, err)
	}
}

// The disk failing in the middle fails the attempt, not the process.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 10000)
	broken := errors.New("the disk broke")
	for compression, after := range map[string]int{"none": 1 << 20, "gzip": 1 << 10, "zstd": 0} {
		f.service.Blob = &failing{Store: f.blob, after: after, err: broken}
		tk := f.task(`{"channels":[{"cid":"messaging:one"}],"compression":"` + compression + `"}`)
		_, err := f.service.RunChannels(t.Context(), &task.Attempt{Task: tk})
		if !errors.Is(err, broken) {
			t.Errorf("%s: got %v", compression, err)
		}
		f.nothingLeft()
	}
}

// A task that is lost, or canceled, in the moment in which its file becomes visible
// leaves no file.
func TestLostWhilePublishing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 10)
	for _, at := range []string{".json", ".manifest.json"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		f.service.Blob = &publishing{Store: f.blob, suffix: at, then: func() { cancel(store.ErrLeaseLost) }}
		_, err := f.service.RunChannels(ctx, &task.Attempt{Task: f.task(`{"channels":[{"cid":"messaging:one"}]}`)})
		if at == ".json" {
			if !errors.Is(err, store.ErrLeaseLost) {
				t.Errorf("got %v", err)
			}
			f.nothingLeft()
		} else if err != nil {
			t.Errorf("when all was there: %v", err)
		}
	}
}

// publishing is a blob.Store that tells when a file of some name has become visible.
type publishing struct {
	blob.Store
	suffix string
	then   func()
}

type publishingWriter struct {
	blob.Writer
	then func()
}

func (p *publishing) Create(ctx context.Context, key string) (blob.Writer, error) {
	w, err := p.Store.Create(ctx, key)
	if err != nil || !strings.HasSuffix(key, p.suffix) {
		return w, err
	}
	return &publishingWriter{w, p.then}, nil
}

func (w *publishingWriter) Commit() error {
	defer w.then()
	return w.Writer.Commit()
}

// failing is a blob.Store whose writers fail after some bytes.
type failing struct {
	blob.Store
	after int
	err   error
}

type failingWriter struct {
	blob.Writer
	*failing
	n int
}

func (f *failing) Create(ctx context.Context, key string) (blob.Writer, error) {
	w, err := f.Store.Create(ctx, key)
	return &failingWriter{Writer: w, failing: f}, err
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.n += len(p); w.n > w.after {
		return 0, w.err
	}
	return w.Writer.Write(p)
}

func TestFilter(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, id := range []string{"a", "b", "c", "d"} {
		f.channel(id, 2)
	}
	f.update(func(tx store.Tx) error {
		c := chat.Channel{Type: "team", ID: "red", CreatedBy: "bob", CreatedAt: 2e15, UpdatedAt: 2e15, Team: "red"}
		key, err := tx.PutChannel(&c)
		if err != nil {
			return err
		}
		if err := tx.PutMember(key, &chat.Member{UserID: "dora", ChannelRole: "channel_member", CreatedAt: 2e15, UpdatedAt: 2e15}); err != nil {
			return err
		}
		_, err = tx.PutChannel(&chat.Channel{Type: "messaging", ID: "b", CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15, DeletedAt: 2e15})
		return err
	})
	f.service.Limits.Channels = 1 // does not bind filters
	for filter, want := range map[string]string{
		`{}`:                                    "messaging:a messaging:c messaging:d team:red",
		`{"type":"messaging"}`:                  "messaging:a messaging:c messaging:d",
		`{"members":{"$in":["dora","nobody"]}}`: "team:red",
		`{"created_by_id":"bob","team":"red"}`:  "team:red",
		`{"cid":{"$gt":"messaging:c"},"created_at":{"$lt":"2020-01-01T00:00:00Z"}}`: "messaging:d",
		`{"last_message_at":{"$exists":false}}`:                                     "team:red",
		`{"type":"gaming"}`:                                                         "",
	} {
		r, file := f.run(f.task(`{"filter":` + filter + `,"version":"v2"}`))
		var got []string
		for line := range bytes.Lines(file) {
			var l struct {
				Type string
				Data struct{ CID string }
			}
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatal(err)
			}
			if l.Type == "channel" {
				got = append(got, l.Data.CID)
			}
		}
		if strings.Join(got, " ") != want || r.Counts.Channels != int64(len(got)) {
			t.Errorf("%s: got %v, counted %d; want %s", filter, got, r.Counts.Channels, want)
		}
	}
	if _, file := f.run(f.task(`{"filter":{"cid":"messaging:b"},"include_soft_deleted_channels":true}`)); !bytes.Contains(file, []byte(`"deleted_at"`)) {
		t.Error("a soft-deleted channel is missing in v1")
	}
	for _, body := range []string{
		`{"filter":{"color":"red"}}`, `{"filter":[]}`, `{"filter":{},"channels":[{"cid":"messaging:a"}]}`, `{"filter":{"type":{"$regex":"x"}}}`,
	} {
		_, err := f.service.RequestChannels(t.Context(), f.app, []byte(body), "")
		if e := wire.AsError(err); e == nil || e.Code != wire.CodeBadInput || e.Fields["filter"] == "" {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// watched is a blob.Store that looks at every write.
type watched struct {
	blob.Store
	look func()
}

type watchedWriter struct {
	blob.Writer
	look func()
}

func (w *watched) Create(ctx context.Context, key string) (blob.Writer, error) {
	inner, err := w.Store.Create(ctx, key)
	return &watchedWriter{inner, w.look}, err
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	w.look()
	return w.Writer.Write(p)
}

// Stringing together what was spooled takes its time too, and shows.
func TestProgressWhileAssembling(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 6000)
	f.channel("two", 6000)
	f.service.SpoolAbove = 1
	a := &task.Attempt{Task: f.task(`{"channels":[{"cid":"messaging:one"},{"cid":"messaging:two"}],"version":"v2"}`)}
	var seen []int64
	f.service.Blob = &watched{Store: f.blob, look: func() { seen = append(seen, a.Current().Done) }}
	if _, err := f.service.RunChannels(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(seen) {
		t.Error("progress went back")
	}
	if n := len(slices.Compact(seen)); n < 10 || seen[0] < 5000 {
		t.Errorf("progress showed %d steps from %d on", n, seen[0])
	}
	if p := a.Current(); p.Done != 12000 || p.Total != 12000 {
		t.Errorf("ended at %d of %d", p.Done, p.Total)
	}
}

// Users who are read at once give the same file as those read in turn.
func TestUsersAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 3000)
	f.channel("two", 500)
	var want []byte
	for _, each := range []int64{0, 1} {
		f.service.ReaderMessages = each
		id, err := f.service.RequestUsers(t.Context(), f.app, []byte(`{"user_ids":["carol","bob","alice","dora"]}`), "")
		if err != nil {
			t.Fatal(err)
		}
		tk, err := f.store.Task(t.Context(), f.app.ID, id)
		if err != nil {
			t.Fatal(err)
		}
		result, err := f.service.RunUsers(t.Context(), &task.Attempt{Task: *tk})
		if err != nil {
			t.Fatal(err)
		}
		var r export.Result
		if err := json.Unmarshal(result, &r); err != nil {
			t.Fatal(err)
		}
		got := f.read(r.Path)
		if r.Counts.Messages != 3500 || r.Counts.Users != 4 {
			t.Errorf("%+v", r.Counts)
		}
		if want == nil {
			want = got
		} else if !bytes.Equal(got, want) {
			t.Error("at once: other bytes than in turn")
		}
	}
}
