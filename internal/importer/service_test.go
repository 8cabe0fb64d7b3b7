package importer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hansard/internal/blob"
	"hansard/internal/importer"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"
)

func (p *place) upload(t testing.TB, path, file string) {
	t.Helper()
	w, err := p.Blob.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, file); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

// create uploads a file and makes an import of it.
func (p *place) create(t testing.TB, file, mode string, merge bool) (id string) {
	t.Helper()
	_, path, err := p.CreateURL(t.Context(), p.app, "chat.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	p.upload(t, path, file)
	id, err = p.Create(t.Context(), p.app, path, mode, merge)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// runner has a lease that is not lost however busy the machine is: tests that
// count attempts must see only their own.
func (p *place) runner() *task.Runner {
	return &task.Runner{
		Store: p.Store, Handlers: map[string]task.Handler{task.Import: p.Run},
		Lease: time.Hour, Pauses: []time.Duration{time.Millisecond}, Logger: p.Logger,
	}
}

// summary is what of a task is worth telling when a test fails.
func summary(t *store.Task) string {
	if t == nil {
		return "no task"
	}
	return fmt.Sprintf("%s after %d attempts, %d of %d done, error %s", t.Status, t.Attempt, t.Done, t.Total, t.Error)
}

func (p *place) run(t testing.TB, id string) *store.Task {
	t.Helper()
	got, err := p.runner().RunOne(t.Context(), p.app.ID, id)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestFileNames(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, bad := range []string{"", "../x", "a/b", `a\b`, ".hidden", "..", "a\x00b", "/etc/passwd", strings.Repeat("x", 300)} {
		_, _, err := p.CreateURL(t.Context(), p.app, bad)
		if e := wire.AsError(err); e == nil || e.Code != wire.CodeBadInput {
			t.Errorf("CreateURL(%q) gave %v", bad, err)
		}
	}
	for name, want := range map[string]string{"chat.jsonl.gz": "chat.jsonl.gz", "my chät.json": "my_ch__t.json", "a..b": "a..b"} {
		url, path, err := p.CreateURL(t.Context(), p.app, name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(path, "imports/acme/") || !strings.HasSuffix(path, "/"+want) {
			t.Errorf("CreateURL(%q) gave the path %q", name, path)
		}
		if !strings.Contains(url, path) {
			t.Errorf("the URL %q does not lead to %q", url, path)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	other := store.App{Key: "other", Secret: strings.Repeat("o", 32)}
	if err := p.Store.CreateApp(t.Context(), &other); err != nil {
		t.Fatal(err)
	}
	_, foreign, err := p.CreateURL(t.Context(), other, "x")
	if err != nil {
		t.Fatal(err)
	}
	p.upload(t, foreign, world)
	_, missing, err := p.CreateURL(t.Context(), p.app, "x")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path, mode string
		merge      bool
		want       wire.Code
	}{
		{"", "upsert", false, wire.CodeBadInput},
		{"exports/acme/x/y", "upsert", false, wire.CodeBadInput},
		{"imports/acme/../other/x", "upsert", false, wire.CodeBadInput},
		{missing, "replace", false, wire.CodeBadInput},
		{missing, "insert", true, wire.CodeBadInput},
		{missing, "upsert", false, wire.CodeNotFound},
		{foreign, "upsert", false, wire.CodeNotFound},
	}
	for _, test := range tests {
		_, err := p.Create(t.Context(), p.app, test.path, test.mode, test.merge)
		if e := wire.AsError(err); e == nil || e.Code != test.want {
			t.Errorf("Create(%q, %q, %t) gave %v, want code %d", test.path, test.mode, test.merge, err, test.want)
		}
	}
}

// importTask is what View shows, as far as it does not depend on the clock.
type importTask struct {
	ID, State, Mode, Path string
	Size                  int64
	Result                json.RawMessage
	History               []struct {
		CreatedAt string `json:"created_at"`
		Prev      string `json:"prev_state"`
		Next      string `json:"next_state"`
	}
}

func (p *place) view(t testing.TB, id string) (v importTask) {
	t.Helper()
	at, err := p.Store.Task(t.Context(), p.app.ID, id)
	if err != nil {
		t.Fatal(err)
	}
	b := importer.View(*at)
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

func (v importTask) states() string {
	states := []string{}
	for _, h := range v.History {
		states = append(states, h.Prev+">"+h.Next)
	}
	return strings.Join(states, " ")
}

func TestLifeOfAnImport(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	id := p.create(t, world, "", false)
	v := p.view(t, id)
	if v.State != "uploaded" || v.Mode != "upsert" || v.Size != int64(len(world)) || string(v.Result) != "{}" || v.ID != id {
		t.Errorf("before: %+v", v)
	}
	p.run(t, id)
	v = p.view(t, id)
	if v.State != "completed" || v.states() != "uploaded>analyzing analyzing>importing importing>completed" {
		t.Errorf("after: %+v", v)
	}
	var res struct{ Counts importer.Counts }
	if err := json.Unmarshal(v.Result, &res); err != nil || res.Counts != (importer.Counts{Users: 1, Channels: 2, Messages: 2}) {
		t.Errorf("result %s (%v)", v.Result, err)
	}
	assertTidy(t, p)

	bad := p.create(t, `{"type":"user","data":{}}`, "insert", false)
	got := p.run(t, bad)
	if !strings.Contains(string(got.Error), importer.InvalidImport) || got.Attempt != 1 {
		t.Errorf("a bad file ended with %s after %d attempts", got.Error, got.Attempt)
	}
	v = p.view(t, bad)
	if v.State != "analyze_failed" || v.states() != "uploaded>analyzing analyzing>analyze_failed" {
		t.Errorf("a bad file: %+v", v)
	}
	want := `{"errors":[{"line":1,"column":23,"field":"id","reason":"is required"}],"more_errors":false}`
	if string(v.Result) != want {
		t.Errorf("result %s, want %s", v.Result, want)
	}
	assertTidy(t, p)
}

func TestModes(t *testing.T) {
	t.Parallel()
	const before = `{"type":"user","data":{"id":"u","name":"Old","a":1,"b":1,"created_at":"2020-01-01T00:00:00Z"}}
{"type":"channel","data":{"type":"team","id":"c","created_by":"u","a":1,"b":1,"created_at":"2020-01-01T00:00:00Z"}}
{"type":"member","data":{"cid":"team:c","user_id":"u","status":"old","of_member":1,"both":1,"created_at":"2020-01-01T00:00:00Z"}}
{"type":"message","data":{"id":"m","cid":"team:c","user":"u","text":"old","a":1,"b":1,"created_at":"2020-01-01T00:00:00Z"}}
{"type":"reaction","data":{"message_id":"m","user_id":"u","type":"like","score":1,"of_reaction":1,"both":1,"created_at":"2020-01-01T00:00:00Z"}}
{"type":"call","data":{"type":"default","id":"k","created_by":"u","of_call":1,"both":1,"created_at":"2020-01-01T00:00:00Z"}}
`
	const after = `{"type":"user","data":{"id":"u","name":"New","b":2}}
{"type":"channel","data":{"type":"team","id":"c","created_by":"u","b":2}}
{"type":"member","data":{"cid":"team:c","user_id":"u","status":"new","both":2,"created_at":"2020-01-01T00:00:00Z"}}
{"type":"message","data":{"id":"m","cid":"team:c","user":"u","text":"new","b":2,"created_at":"2020-01-01T00:00:00Z"}}
{"type":"reaction","data":{"message_id":"m","user_id":"u","type":"like","score":2,"both":2,"created_at":"2020-01-01T00:00:00Z"}}
{"type":"reaction","data":{"message_id":"m","user_id":"u","type":"love","created_at":"2020-01-01T00:00:00Z"}}
{"type":"call","data":{"type":"default","id":"k","created_by":"u","both":2,"created_at":"2020-01-01T00:00:00Z"}}
`
	tests := []struct {
		name     string
		options  importer.FileOptions
		yes, no  []string
		existing int64
	}{
		{"upsert", importer.FileOptions{}, []string{
			`"name":"New"`, `"b":2`, `"status":"new"`, `"text":"new"`, `"score":2`, `"love"`,
			`"id":"u","role":"user","created_at":"2020-01-01T00:00:00Z"`,
		}, []string{`"a":1`, `"b":1`, "old", "Old", `"both":1`, `"of_member"`, `"of_reaction"`, `"of_call"`}, 0},
		{"merge custom", importer.FileOptions{MergeCustom: true}, []string{
			`"name":"New"`, `"a":1,"b":2`, `"status":"new"`, `"text":"new"`,
			`"both":2,"of_member":1`, `"both":2,"of_reaction":1`, `"both":2,"of_call":1`,
		}, []string{`"b":1`, "old", "Old", `"both":1`}, 0},
		{
			"insert",
			importer.FileOptions{Mode: importer.Insert},
			[]string{`"name":"Old"`, `"a":1,"b":1`, `"status":"old"`, `"text":"old"`, `"score":1`, `"love"`},
			[]string{`"b":2`, "new", "New", `"score":2`, `"both":2`},
			6,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.mustImport(t, before, importer.FileOptions{})
			report := p.mustImport(t, after, test.options)
			if report.Skipped.Existing != test.existing {
				t.Errorf("%d existing records were left alone, want %d", report.Skipped.Existing, test.existing)
			}
			text := p.read(t).text()
			for _, part := range test.yes {
				if !strings.Contains(text, part) {
					t.Errorf("missing %s", part)
				}
			}
			for _, part := range test.no {
				if strings.Contains(text, part) {
					t.Errorf("still there: %s", part)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

// Each reaction keeps its own custom fields and gets none of another's, however
// many batches the reactions to a message come in.
func TestMergeReactions(t *testing.T) {
	t.Parallel()
	type reaction struct{ message, user, typ string }
	var all []reaction
	for _, message := range []string{"m1", "m2"} {
		for _, user := range []string{"u1", "u2", "u3", "u4"} {
			for _, typ := range []string{"like", "love", "wow"} {
				all = append(all, reaction{message, user, typ})
			}
		}
	}
	const start = `{"type":"user","data":{"id":"u1"}}
{"type":"user","data":{"id":"u2"}}
{"type":"user","data":{"id":"u3"}}
{"type":"user","data":{"id":"u4"}}
{"type":"channel","data":{"type":"team","id":"c","created_by":"u1"}}
{"type":"message","data":{"id":"m1","cid":"team:c","user":"u1","created_at":"2020-01-01T00:00:00Z"}}
{"type":"message","data":{"id":"m2","cid":"team:c","user":"u1","created_at":"2020-01-01T00:00:00Z"}}
`
	before, after := start, start
	var want []string
	for i, r := range all {
		line := func(custom string) string {
			return fmt.Sprintf(`{"type":"reaction","data":{"message_id":%q,"user_id":%q,"type":%q,"created_at":"2020-01-01T00:%02d:00Z",%s}}`+"\n",
				r.message, r.user, r.typ, i, custom)
		}
		is := "" // what custom fields it has in the end
		switch i % 4 {
		case 0: // is only in the store
			is = fmt.Sprintf(`"both":"old %d","old":%d`, i, i)
			before += line(is)
		case 1: // is only in the file
			is = fmt.Sprintf(`"both":"new %d","new":%d`, i, i)
			after += line(is)
		case 2: // is in both
			before += line(fmt.Sprintf(`"both":"old %d","old":%d`, i, i))
			after += line(fmt.Sprintf(`"both":"new %d","new":%d`, i, i))
			is = fmt.Sprintf(`"both":"new %d","new":%d,"old":%d`, i, i, i)
		case 3: // has nothing of its own in the file
			before += line(fmt.Sprintf(`"old":%d`, i))
			after += line(`"score":7`)
			is = fmt.Sprintf(`"old":%d`, i)
		}
		want = append(want, fmt.Sprintf("%s %s %s %s", r.message, r.user, r.typ, is))
	}
	for _, batch := range []int{0, 1, 5} {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.BatchRecords = batch
			p.mustImport(t, before, importer.FileOptions{})
			p.mustImport(t, after, importer.FileOptions{MergeCustom: true})
			p.mustImport(t, after, importer.FileOptions{MergeCustom: true})
			var got []string
			for _, object := range p.read(t).channels[0].reactions {
				r, err := wire.DecodeReaction([]byte(object), nil)
				if err != nil {
					t.Fatal(err)
				}
				custom := strings.TrimPrefix(string(wire.AppendCustom(nil, r.Custom)), ",")
				got = append(got, fmt.Sprintf("%s %s %s %s", r.MessageID, r.UserID, r.Type, custom))
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("reactions (-want +got):\n%s", diff)
			}
		})
	}
}

// bigFile has more records than one batch holds, in several kinds.
func bigFile(messages int) string {
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, `{"type":"user","data":{"id":"u%d"}}`+"\n", i)
	}
	b.WriteString(`{"type":"channel","data":{"type":"team","id":"c","created_by":"u0"}}` + "\n")
	for i := range 50 {
		fmt.Fprintf(&b, `{"type":"member","data":{"cid":"team:c","user_id":"u%d","last_read":"2024-01-01T00:10:00Z"}}`+"\n", i)
	}
	for i := range messages {
		fmt.Fprintf(&b, `{"type":"message","data":{"id":"m%d","cid":"team:c","user":"u%d","text":"number %d","created_at":"2024-01-01T%02d:%02d:%02dZ"}}`+"\n",
			i, i%50, i, i/3600%24, i/60%60, i%60)
	}
	for i := range messages / 10 {
		fmt.Fprintf(&b, `{"type":"reaction","data":{"message_id":"m%d","user_id":"u%d","type":"like"}}`+"\n", i*10, i%50)
	}
	return b.String()
}

var errFault = errors.New("the disk was pulled out")

// faulty is a store whose writes begin to fail after some.
type faulty struct {
	store.Store
	left atomic.Int64
}

func (f *faulty) Update(ctx context.Context, app int64, fn func(store.Tx) error) error {
	if f.left.Add(-1) < 0 {
		return errFault
	}
	return f.Store.Update(ctx, app, fn)
}

// An import that fails between two batches goes on from there, and the result
// is what it would have been.
func TestResume(t *testing.T) {
	t.Parallel()
	const messages = 1200
	const unread = 1199 - 600 - 11 // of user u0: after 600 s, less their own
	file := bigFile(messages)
	for updates := range int64(4) {
		t.Run(fmt.Sprint("after ", updates), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.BatchRecords = 500
			sound := p.Store
			p.Store = &faulty{Store: sound}
			p.Store.(*faulty).left.Store(updates)
			id := p.create(t, gzipped(t, file), "", false)
			r := p.runner()
			r.Store, r.Attempts = sound, 2
			r.Handlers[task.Import] = func(ctx context.Context, a *task.Attempt) ([]byte, error) {
				out, err := p.Run(ctx, a)
				if err != nil && !errors.Is(err, errFault) {
					t.Errorf("the attempt ended with %v", err)
				}
				p.Store.(*faulty).left.Store(1 << 40)
				return out, err
			}
			got, err := r.RunOne(t.Context(), p.app.ID, id)
			if err != nil || got.Status != store.Completed || got.Attempt != 2 {
				t.Fatalf("%s, %v", summary(got), err)
			}
			var res struct{ Counts importer.Counts }
			if err := json.Unmarshal(got.Result, &res); err != nil {
				t.Fatal(err)
			}
			want := importer.Counts{Users: 50, Channels: 1, Members: 50, Reads: 50, Messages: messages, Reactions: messages / 10}
			if res.Counts != want {
				t.Errorf("counts %+v, want %+v", res.Counts, want)
			}
			if v := p.view(t, id); v.states() != "uploaded>analyzing analyzing>importing importing>completed" {
				t.Errorf("states %s", v.states())
			}
			all := p.read(t).channels[0]
			if len(all.messages) != messages || len(all.reactions) != messages/10 {
				t.Errorf("%d messages and %d reactions", len(all.messages), len(all.reactions))
			}
			if len(all.reads) != 50 || !strings.Contains(all.reads[0], `"unread_messages":`+fmt.Sprint(unread)) {
				t.Errorf("read states such as %s", all.reads[0])
			}
			p.Store = sound
			assertTidy(t, p)
		})
	}
}

// An import that was interrupted must not come back later and run over a newer
// one: imports of an app happen in order.
func TestInterruptedImportComesFirst(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.BatchRecords = 300
	older := p.create(t, strings.ReplaceAll(bigFile(800), `"text":"`, `"text":"OLD `), "", false)
	claimed, err := p.Store.Claim(t.Context(), "doomed", time.Millisecond, older)
	if err != nil || claimed == nil {
		t.Fatalf("claim: %s, %v", summary(claimed), err)
	}
	sound := p.Store
	f := &faulty{Store: sound}
	f.left.Store(2)
	p.Store = f
	if _, err := p.Run(t.Context(), &task.Attempt{Task: *claimed}); !errors.Is(err, errFault) {
		t.Fatalf("the doomed attempt ended with %v", err)
	}
	p.Store = sound

	var notices []string
	p.mustImport(t, strings.ReplaceAll(bigFile(800), `"text":"`, `"text":"NEW `), importer.FileOptions{
		Notice: func(line string) { notices = append(notices, line) },
	})
	if len(notices) != 1 || !strings.Contains(notices[0], "the import of chat.jsonl") {
		t.Errorf("notices %q", notices)
	}
	got, err := p.Store.Task(t.Context(), p.app.ID, older)
	if err != nil || got.Status != store.Completed || got.Done != got.Total || got.Total == 0 {
		t.Errorf("the older import: %s, %v", summary(got), err)
	}
	for _, m := range p.read(t).channels[0].messages {
		if !strings.Contains(m, `"text":"NEW `) {
			t.Fatalf("an older message came back: %.80s", m)
		}
	}
}

// A worker that was killed may have left more behind than its checkpoint says.
func TestRestartWithoutCheckpoint(t *testing.T) {
	t.Parallel()
	file := bigFile(800)
	whole, killed := newPlace(t), newPlace(t)
	killed.BatchRecords = 300
	id := whole.create(t, file, "", false)
	whole.run(t, id)

	id = killed.create(t, file, "", false)
	claimed, err := killed.Store.Claim(t.Context(), "doomed", time.Millisecond, id)
	if err != nil || claimed == nil {
		t.Fatalf("claim: %s, %v", summary(claimed), err)
	}
	sound := killed.Store
	f := &faulty{Store: sound}
	f.left.Store(2)
	killed.Store = f
	if _, err := killed.Run(t.Context(), &task.Attempt{Task: *claimed}); !errors.Is(err, errFault) {
		t.Fatalf("the doomed attempt ended with %v", err)
	}
	killed.Store = sound
	got := killed.run(t, id)
	if got.Status != store.Completed || got.Attempt != 2 {
		t.Fatal(summary(got))
	}
	// created_at is the time of the import where the file has none.
	var a, b []string
	for _, m := range whole.read(t).channels[0].messages {
		a = append(a, m[:strings.Index(m, `"user"`)])
	}
	for _, m := range killed.read(t).channels[0].messages {
		b = append(b, m[:strings.Index(m, `"user"`)])
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("-whole +killed:\n%s", diff)
	}
}

// A cancel before the first write leaves nothing; after it, the import is
// finished.
func TestCancel(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	id := p.create(t, bigFile(600), "", false)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(task.ErrCanceled)
	at, err := p.Store.Task(t.Context(), p.app.ID, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(ctx, &task.Attempt{Task: *at}); !errors.Is(err, task.ErrCanceled) {
		t.Errorf("a canceled check ended with %v", err)
	}
	if n := len(p.read(t).users); n != 0 {
		t.Errorf("it left %d users", n)
	}
	assertTidy(t, p)

	p = newPlace(t)
	id = p.create(t, bigFile(600), "", false)
	if at, err = p.Store.Task(t.Context(), p.app.ID, id); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	p.Store = &hooked{Store: p.Store, before: func() { cancel(task.ErrCanceled) }}
	if _, err := p.Run(ctx, &task.Attempt{Task: *at}); err != nil {
		t.Errorf("an import that was canceled while loading ended with %v", err)
	}
	if n := len(p.read(t).channels[0].messages); n != 600 {
		t.Errorf("%d messages were loaded", n)
	}
}

// hooked is a store that calls before each write.
type hooked struct {
	store.Store
	before func()
}

func (h *hooked) Update(ctx context.Context, app int64, fn func(store.Tx) error) error {
	h.before()
	return h.Store.Update(ctx, app, fn)
}

func TestImportFileTellsProgress(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var states []importer.State
	report, err := p.importFile(t.Context(), world, importer.FileOptions{Progress: func(pr importer.Progress) {
		if !slices.Contains(states, pr.State) {
			states = append(states, pr.State)
		}
	}})
	if err != nil || len(states) == 0 || states[0] != importer.Uploaded || report.Records != 5 {
		t.Errorf("%v, %+v, %v", states, report, err)
	}
}

// The progress of the task is in messages, never goes back, and ends at the
// messages of the file.
func TestProgressOfTheTask(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.BatchRecords = 100
	id := p.create(t, bigFile(1000), "", false)
	at, err := p.Store.Claim(t.Context(), "w", time.Hour, id)
	if err != nil || at == nil {
		t.Fatalf("%s, %v", summary(at), err)
	}
	a := &task.Attempt{Task: *at}
	var seen []int64
	p.Store = &hooked{Store: p.Store, before: func() { seen = append(seen, a.Current().Done) }}
	if _, err := p.Run(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if end := a.Current(); end.Done != 1000 || end.Total != 1000 {
		t.Errorf("ended at %d of %d", end.Done, end.Total)
	}
	if !slices.IsSorted(seen) || len(seen) < 10 || seen[0] < 300 || seen[0] > 500 || seen[len(seen)-1] > 1000 {
		t.Errorf("went %d", seen)
	}
}

// Interrupted before the first write, nothing has happened; after it, the
// import goes on with the next one that is made.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.importFile(ctx, world, importer.FileOptions{})
	if e, ok := errors.AsType[*importer.Interrupted](err); !ok || e.Task != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	assertTidy(t, p)

	// While it is checked.
	ctx, cancel = context.WithCancel(t.Context())
	p.Blob = &canceling{Store: p.disk, cancel: cancel}
	_, err = p.importFile(ctx, world, importer.FileOptions{})
	if e, ok := errors.AsType[*importer.Interrupted](err); !ok || e.Task != "" {
		t.Errorf("while checking: %v", err)
	}
	p.Blob = p.disk
	if n := len(p.read(t).users); n != 0 {
		t.Errorf("it left %d users", n)
	}
	assertTidy(t, p)

	ctx, cancel = context.WithCancel(t.Context())
	sound := p.Store
	p.Store, p.BatchRecords = &hooked{Store: sound, before: cancel}, 100
	_, err = p.importFile(ctx, strings.ReplaceAll(bigFile(600), "number", "old"), importer.FileOptions{Name: "old.jsonl"})
	e, ok := errors.AsType[*importer.Interrupted](err)
	if !ok || e.Task == "" || e.Running {
		t.Fatalf("while loading: %v", err)
	}
	p.Store = sound
	var notices []string
	p.mustImport(t, bigFile(600), importer.FileOptions{Notice: func(line string) { notices = append(notices, line) }})
	if diff := cmp.Diff([]string{"finishing the import of old.jsonl that was interrupted"}, notices); diff != "" {
		t.Errorf("notices -want +got:\n%s", diff)
	}
	if got, err := p.Store.Task(t.Context(), p.app.ID, e.Task); err != nil || got.Status != store.Completed || got.Done != 600 || got.Total != 600 {
		t.Errorf("the older import: %s, %v", summary(got), err)
	}
	messages := p.read(t).channels[0].messages
	for _, m := range messages {
		if strings.Contains(m, `"text":"old`) {
			t.Fatalf("an older message came back: %.80s", m)
		}
	}
	if len(messages) != 600 {
		t.Errorf("%d messages", len(messages))
	}
	assertTidy(t, p)
}

// Asked for again, the file of an import that was interrupted is not imported a
// second time: that import is gone on with. It is another one where the options
// or the file differ, or where somebody has asked for something else since.
func TestInterruptedImportIsTakenUp(t *testing.T) {
	t.Parallel()
	file := bigFile(600)
	tests := []struct {
		name    string
		file    string
		options importer.FileOptions
		between bool // another import is asked for before
		tasks   int  // in the end
	}{
		{name: "the same", file: file, tasks: 1},
		{name: "under another name", file: file, options: importer.FileOptions{Name: "copy.jsonl", Mode: importer.Upsert}, tasks: 1},
		{name: "another mode", file: file, options: importer.FileOptions{Mode: importer.Insert}, tasks: 2},
		{name: "merged", file: file, options: importer.FileOptions{MergeCustom: true}, tasks: 2},
		{name: "another file", file: strings.ReplaceAll(file, "number", "NUMBER"), tasks: 2},
		{name: "another one since", file: file, between: true, tasks: 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.BatchRecords = 100
			sound := p.Store
			ctx, cancel := context.WithCancel(t.Context())
			p.Store = &hooked{Store: sound, before: cancel}
			_, err := p.importFile(ctx, file, importer.FileOptions{Name: "chat.jsonl"})
			e, ok := errors.AsType[*importer.Interrupted](err)
			if !ok || e.Task == "" {
				t.Fatalf("interrupted: %v", err)
			}
			p.Store = sound
			if test.between {
				p.create(t, strings.ReplaceAll(file, "number", "since"), "", false)
			}
			var notices []string
			test.options.Notice = func(line string) { notices = append(notices, line) }
			report := p.mustImport(t, test.file, test.options)
			if report.Records == 0 || test.options.Mode != importer.Insert && report.Counts.Messages != 600 {
				t.Errorf("report %+v", report)
			}
			const going = "the import of chat.jsonl was asked for before and is not finished: going on with that"
			if said := slices.Contains(notices, going); said != (test.tasks == 1) {
				t.Errorf("notices %q", notices)
			}
			tasks, err := p.Store.ListTasks(t.Context(), store.TaskQuery{App: p.app.ID})
			if err != nil || len(tasks) != test.tasks {
				t.Fatalf("%d tasks, %v", len(tasks), err)
			}
			for i := range tasks {
				if tasks[i].Status != store.Completed {
					t.Error(summary(&tasks[i]))
				}
			}
			messages := p.read(t).channels[0].messages
			for _, m := range messages {
				if strings.Contains(m, `"text":"since`) {
					t.Fatalf("the last import was not the last: %.80s", m)
				}
			}
			if len(messages) != 600 {
				t.Errorf("%d messages", len(messages))
			}
			assertTidy(t, p)
		})
	}
}

// An import that somebody else asked for is not canceled with the one that
// waits for it.
func TestInterruptedWhileDoingAnOlderOne(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	older := p.create(t, world, "", false)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := p.importFile(ctx, world, importer.FileOptions{Notice: func(string) { cancel() }})
	if e, ok := errors.AsType[*importer.Interrupted](err); !ok || e.Task != "" {
		t.Errorf("%v", err)
	}
	if got := p.run(t, older); got.Status != store.Completed {
		t.Errorf("the older import: %s", summary(got))
	}
	assertTidy(t, p)
}

// canceling is a blob store that cancels when a file is opened, and waits for
// what that leads to.
type canceling struct {
	blob.Store
	cancel func()
}

func (c *canceling) Open(ctx context.Context, key string) (blob.Reader, blob.Info, error) {
	c.cancel()
	<-ctx.Done()
	return c.Store.Open(ctx, key)
}

// Where upload URLs can be used again, what is loaded is what was checked, or
// nothing.
func TestReplacedFile(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	id := p.create(t, world, "", false)
	p.Blob = &replaced{Store: p.disk}
	got := p.run(t, id)
	if got.Status != store.Failed || !strings.Contains(string(got.Error), importer.FileReplaced) {
		t.Errorf("the import: %s", summary(got))
	}
	if n := len(p.read(t).users); n != 0 {
		t.Errorf("%d users were loaded", n)
	}
}

// Who is deleted for good while a file is loaded that refers to them is not
// brought back, and the import does not try for ever.
func TestDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.BatchRecords = 500
	id := p.create(t, bigFile(1200), "", false)
	p.Store = &deleting{Store: p.Store}
	got := p.run(t, id)
	if got.Status != store.Failed || !strings.Contains(string(got.Error), importer.Deleted) || !strings.Contains(string(got.Error), "user u7 does not exist") {
		t.Errorf("the import: %s, %s", summary(got), got.Error)
	}
	if v := p.view(t, id); v.states() != "uploaded>analyzing analyzing>importing importing>failed" {
		t.Errorf("states %s", v.states())
	}
}

// deleting is a store in which a user goes after the first write.
type deleting struct {
	store.Store
	once sync.Once
}

func (d *deleting) Update(ctx context.Context, app int64, fn func(store.Tx) error) error {
	err := d.Store.Update(ctx, app, fn)
	d.once.Do(func() {
		err = errors.Join(err, d.Store.Update(ctx, app, func(tx store.Tx) error { return tx.RenameUser("u7", "deleted-user-7") }))
	})
	return err
}

// replaced is a blob store in which there is another file each time.
type replaced struct {
	blob.Store
	opened int
}

func (r *replaced) Open(ctx context.Context, key string) (blob.Reader, blob.Info, error) {
	f, info, err := r.Store.Open(ctx, key)
	r.opened++
	info.Version = strconv.Itoa(r.opened)
	return f, info, err
}
