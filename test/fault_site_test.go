package test_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/pgtest"
	"hansard/internal/s3test"
	"hansard/test/harness"

	"github.com/jackc/pgx/v5"
)

// partSize makes exports of a few megabytes consist of several parts.
const partSize = "&part_size=5MiB"

// site is an installation in which tests make faults: two processes that answer
// requests and two that work, on one PostgreSQL and one bucket.
type site struct {
	t       *testing.T
	rnd     *rand.Rand
	cluster *pgtest.Cluster // nil: the one that all tests share
	dsn     string
	bucket  *s3test.Bucket
	proxy   *s3test.Proxy // nil: straight to the server
	flags   []string
	chat    harness.Chat
	folders []string // of data, by process
	want    map[string]string
	took    time.Duration // for all that was asked for at once, when left in peace
	watch   *watcher

	mu      sync.Mutex
	apis    [2]*harness.Server
	workers [2]*harness.Process
	turn    int
}

// plan says what a site is made of.
type plan struct {
	ownDatabase bool // to be stopped
	ownObjects  bool // to be stopped; with a proxy in front of it
	apart       bool // each process on a machine of its own, so that leases must run out
	messages    int
	text        int      // bytes in each; 0 is 2000
	flags       []string // of all processes
}

// newSite builds and fills a site, and notes what its exports look like while
// it is left in peace.
func newSite(t *testing.T, p plan) *site {
	t.Helper()
	s := &site{
		t: t, rnd: dice(t), want: map[string]string{},
		chat: harness.Chat{Users: 30, Channels: 3, Messages: p.messages, Text: cmp.Or(p.text, 2000)},
	}
	s.place(p)
	for i := range s.apis {
		s.startAPI(i)
	}
	for i := range s.workers {
		s.startWorker(i)
	}
	t.Cleanup(func() {
		if s.proxy != nil {
			s.proxy.Fail(nil)
		}
	})
	api := s.apis[0]
	var file bytes.Buffer
	if err := s.chat.Write(&file); err != nil {
		t.Fatal(err)
	}
	api.Import(file.Bytes())
	api.Import(freight(0))
	s.makeBusy(api)

	began := time.Now()
	ids := map[string]string{}
	for _, kind := range s.kinds() {
		ids[kind] = s.ask(kind)
	}
	for kind, id := range ids {
		s.want[kind] = api.Completed(id).Result.SHA256
	}
	s.took = time.Since(began)
	s.want["freight"] = hash(api.Channels(everything("v2", freightRoom(0))))
	s.watch = s.watchBucket()
	return s
}

// makeBusy makes the channel that clients write to.
func (*site) makeBusy(api *harness.Server) {
	users, members := harness.Request{}, []string{}
	for i := range 4 {
		id := fmt.Sprintf("writer-%d", i)
		users[id] = harness.Request{"id": id, "name": "Writer"}
		members = append(members, id)
	}
	api.Must("POST", "/users", harness.Request{"users": users}, nil)
	api.Must("POST", "/channels/messaging/busy/query", harness.Request{"data": harness.Request{"created_by_id": "writer-0", "members": members}}, nil)
}

// place finds databases, buckets and folders.
func (s *site) place(p plan) {
	s.t.Helper()
	if p.ownDatabase {
		s.cluster = pgtest.Start(s.t)
		u, err := url.Parse(s.cluster.Database(s.t))
		if err != nil {
			s.t.Fatal(err)
		}
		s.dsn = s.cluster.TCP(strings.TrimPrefix(u.Path, "/"))
	} else {
		s.dsn = pgtest.Database(s.t)
	}
	s.bucket, _ = objectStore(s.t) // for the credentials, which are the same
	via := s.bucket
	if p.ownObjects {
		s.bucket = s3test.Start(s.t).Bucket(s.t)
		s.proxy = s3test.NewProxy(s.t, s.bucket.Server)
		via = s.bucket.Via(s.proxy)
	}
	s.flags = append([]string{"--database", s.dsn, "--storage", via.Storage("chat/prod") + partSize, "--max-user-messages", "0"}, p.flags...)
	shared := s.t.TempDir()
	for range len(s.apis) + len(s.workers) {
		if p.apart {
			shared = s.t.TempDir()
		}
		s.folders = append(s.folders, shared)
	}
}

func (s *site) startAPI(i int) {
	s.t.Helper()
	api := harness.Start(s.t, s.folders[i], append([]string{"--workers", "0"}, s.flags...)...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apis[i] = api
}

// cut has every third answer lost on its way from an API process to its
// clients.
func (s *site) cut() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, api := range s.apis {
		proxy := s3test.NewProxy(s.t, &s3test.Server{Endpoint: api.URL})
		var n atomic.Int64
		proxy.Fail(func(*http.Request) s3test.Fault { return s3test.Fault{LoseAnswer: n.Add(1)%3 == 0} })
		api.URL = proxy.Endpoint
	}
}

func (s *site) startWorker(i int) {
	s.t.Helper()
	w := harness.StartWorker(s.t, s.folders[len(s.apis)+i], append([]string{"--workers", "2"}, s.flags...)...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers[i] = w
}

// api is one of the processes that answer requests, in turn.
func (s *site) api() *harness.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn++
	return s.apis[s.turn%len(s.apis)]
}

// moment is some time while work that was asked for now is going on.
func (s *site) moment() time.Duration { return time.Duration(s.rnd.Int64N(int64(s.took) + 1)) }

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// kinds of exports that are asked for.
func (s *site) kinds() []string { return []string{"v1", "v2", "gzip", "members first", "csv", "users"} }

func (s *site) request(kind string) (path string, body harness.Request) {
	if kind == "users" {
		return "/export/users", harness.Request{"user_ids": []string{"user-1", "user-2"}}
	}
	r := everything("v2", s.chat.CIDs()...)
	switch kind {
	case "v1":
		r["version"] = "v1"
	case "gzip":
		r["compression"] = "gzip"
	case "members first": // is spooled
		r["export_users"] = true
	case "csv":
		r["format"] = "csv"
	case "busy":
		r = everything("v1", busy)
	}
	return "/export_channels", r
}

// insist asks until there is an answer that is no fault of the server's, and
// returns it. Whoever is asked may be dead.
func (s *site) insist(method, path string, body any, headers ...string) *harness.Response {
	s.t.Helper()
	var last string
	var answer *harness.Response
	deadline := time.Now().Add(3 * harness.Patience)
	for ; time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		resp, err := s.api().Do(method, path, body, headers...)
		if err != nil {
			last = err.Error()
			continue
		}
		if !s.faulty(resp) {
			answer = resp
			break
		}
		last = string(resp.Body)
	}
	if answer == nil {
		s.t.Errorf("%s %s: in vain; at last: %s", method, path, last)
		return &harness.Response{}
	}
	return answer
}

// faulty reports whether an answer says that something is wrong with the
// server, and looks that it says so in plain words.
func (s *site) faulty(resp *harness.Response) bool {
	if resp.Status < 500 && resp.Status != 408 {
		return false
	}
	var e struct {
		Code    int
		Message string
	}
	if err := json.Unmarshal(resp.Body, &e); err != nil || !understandable(e.Message) {
		s.t.Errorf("an answer that nobody understands: %d %s", resp.Status, resp.Body)
	}
	return true
}

// understandable reports whether a text is one for people.
func understandable(text string) bool {
	for _, internal := range []string{"SQLSTATE", "pgconn", "EOF", "dial tcp", "goroutine", ".go:", "syscall", "%!", "0x", "sqlite", "127.0.0.1"} {
		if strings.Contains(text, internal) {
			return false
		}
	}
	return len(text) > 10
}

// ask asks for an export of that kind, once, however often the answer is lost,
// and returns its id.
func (s *site) ask(kind string) string {
	s.t.Helper()
	path, body := s.request(kind)
	resp := s.insist("POST", path, body, "Idempotency-Key", fmt.Sprintf("%s-%d", kind, time.Now().UnixNano()))
	var answer struct {
		ID string `json:"task_id"`
	}
	if err := json.Unmarshal(resp.Body, &answer); err != nil || answer.ID == "" {
		s.t.Errorf("asking for an export: %d %s", resp.Status, resp.Body)
	}
	return answer.ID
}

// final waits for the end of a task, and looks that none comes back from there.
func (s *site) final(id string) *harness.Task {
	s.t.Helper()
	for deadline := time.Now().Add(3 * harness.Patience); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		task := &harness.Task{}
		resp := s.insist("GET", "/tasks/"+id, nil)
		if err := json.Unmarshal(resp.Body, task); err != nil {
			s.t.Fatalf("task %s: %d %s", id, resp.Status, resp.Body)
		}
		if task.Final() {
			return task
		}
	}
	s.t.Fatalf("task %s does not end", id)
	return nil
}

// freight is an import file for a channel of its own. The files of all rounds
// differ in nothing but the number of the round.
func freight(round int) []byte {
	var b bytes.Buffer
	name := fmt.Sprintf("freight-%03d", round)
	fmt.Fprintf(&b, `{"type":"user","data":{"id":"carrier","name":"Carrier","created_at":"2024-01-01T00:00:00Z"}}`+"\n")
	fmt.Fprintf(&b, `{"type":"channel","data":{"type":"messaging","id":%q,"created_by":"carrier","created_at":"2024-01-01T00:00:01Z"}}`+"\n", name)
	for i := range 3000 {
		at := time.Date(2024, 2, 1, 0, 0, i, 0, time.UTC).Format(time.RFC3339)
		fmt.Fprintf(&b, `{"type":"message","data":{"id":"%s-%d","channel_type":"messaging","channel_id":%q,"user":"carrier","type":"regular","text":"%s","created_at":%q}}`+"\n",
			name, i, name, strings.Repeat("crate ", 30), at)
	}
	return b.Bytes()
}

func freightRoom(round int) string { return fmt.Sprintf("messaging:freight-%03d", round) }

// work is what is under way when a fault happens.
type work struct {
	round   int
	exports map[string]string // ids by kind
	cargo   string            // id of an import
}

// begin asks for everything at once.
func (s *site) begin(round int) *work {
	s.t.Helper()
	w := &work{round: round, exports: map[string]string{}}
	api := s.api()
	w.cargo = api.CreateImport(api.Upload("freight.jsonl", bytes.NewReader(freight(round))))
	for _, kind := range append(s.kinds(), "busy") {
		w.exports[kind] = s.ask(kind)
	}
	return w
}

// end waits until all is done and looks that it is right.
func (s *site) end(w *work) {
	s.t.Helper()
	for kind, id := range w.exports {
		task := s.final(id)
		switch {
		case task.Status != "completed":
			s.t.Errorf("round %d: the export %s is %s: %+v", w.round, kind, task.Status, task.Error)
		case kind == "busy":
			s.watch.named(task)
		case task.Result.SHA256 != s.want[kind]:
			s.t.Errorf("round %d: the export %s has other bytes than the same export left in peace", w.round, kind)
		default:
			s.watch.named(task)
		}
	}
	var i struct {
		Import harness.Import `json:"import_task"`
	}
	for deadline := time.Now().Add(3 * harness.Patience); !i.Import.Ended(); <-time.After(20 * time.Millisecond) {
		if resp := s.insist("GET", "/imports/"+w.cargo, nil); json.Unmarshal(resp.Body, &i) != nil || time.Now().After(deadline) {
			s.t.Fatalf("the import %s does not end: %d %s", w.cargo, resp.Status, resp.Body)
		}
	}
	if i.Import.State != "completed" {
		s.t.Fatalf("round %d: the import is %s: %s", w.round, i.Import.State, i.Import.Result)
	}
	task := s.final(s.export(everything("v2", freightRoom(w.round))))
	file := s.watch.file(task)
	same := bytes.ReplaceAll(file, fmt.Appendf(nil, "freight-%03d", w.round), []byte("freight-000"))
	if hash(same) != s.want["freight"] {
		s.t.Errorf("round %d: what was imported is exported as something else", w.round)
	}
}

// export asks for an export and returns its id.
func (s *site) export(r harness.Request) string {
	s.t.Helper()
	var answer struct {
		ID string `json:"task_id"`
	}
	resp := s.insist("POST", "/export_channels", r)
	if err := json.Unmarshal(resp.Body, &answer); err != nil {
		s.t.Fatalf("asking for an export: %d %s", resp.Status, resp.Body)
	}
	return answer.ID
}

// number is what a statement gives.
func (s *site) number(sql string) (n int64) {
	s.t.Helper()
	ctx, done := context.WithTimeout(s.t.Context(), harness.Patience)
	defer done()
	conn, err := pgx.Connect(ctx, s.dsn)
	if err == nil {
		err = conn.QueryRow(ctx, sql).Scan(&n)
		_ = conn.Close(ctx) // nothing is lost with it
	}
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// others are the connections of all others to the database.
const others = ` FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`

// close ends everything and looks that nothing is left: first of what runs, then
// of what ran, and at last, when the retention is over, of anything at all.
func (s *site) close() {
	t := s.t
	t.Helper()
	harness.Until(t, harness.Patience, "rid of transactions that stand still and of locks", func() bool {
		return s.number(`SELECT count(*)`+others+` AND state LIKE 'idle in transaction%' AND state_change < now() - interval '1 s'`) == 0 &&
			s.number(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`) == 0
	})
	if n := s.number(`SELECT count(*) FROM tasks WHERE status NOT IN ('completed', 'failed') OR owner <> ''`); n != 0 {
		t.Errorf("%d tasks are not over, or still have an owner", n)
	}
	for _, w := range s.workers {
		stopped(t, w)
	}
	for _, a := range s.apis {
		stopped(t, a.Process)
	}
	harness.Until(t, harness.Patience, "rid of connections", func() bool { return s.number(`SELECT count(*)`+others) == 0 })
	s.watch.stop()

	aged := s.bucket.AgeUploads(t, 3*time.Hour)
	for _, data := range slices.Compact(slices.Clone(s.folders)) {
		brief := harness.StartWorker(t, data, append(slices.Clone(s.flags), "--retention", "1s")...)
		harness.Until(t, harness.Patience, "purged", func() bool {
			return len(s.bucket.Objects(t)) == 0 && (!aged || len(s.bucket.Uploads(t)) == 0) && s.number(`SELECT count(*) FROM tasks`) == 0 &&
				len(harness.Files(t, filepath.Join(data, "scratch"))) == 0 && len(harness.Files(t, filepath.Join(data, "instances"))) == 1
		})
		stopped(t, brief)
		if left := harness.Files(t, data); len(left) > 0 {
			t.Errorf("left in the data folder: %q", left)
		}
	}
}

// stopped ends a process, as it should end: with 0, within ten seconds.
func stopped(t *testing.T, p *harness.Process) {
	t.Helper()
	if code, took := p.Terminate(); code != 0 || took > 10*time.Second {
		t.Errorf("SIGTERM: exit code %d after %s\n%s", code, took, p.Stderr())
	}
}

// watcher looks at a bucket all the time.
type watcher struct {
	s      *site
	cancel context.CancelFunc
	gone   sync.WaitGroup

	mu      sync.Mutex
	seen    map[string]s3test.Object
	content map[string][]byte
	looks   int
}

// watchBucket looks, from now on, that whatever can be seen in the bucket is
// whole, and stays as it is until it is gone.
func (s *site) watchBucket() *watcher {
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	w := &watcher{s: s, cancel: cancel, seen: map[string]s3test.Object{}, content: map[string][]byte{}}
	w.gone.Go(func() {
		tick := time.NewTicker(30 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			w.look(ctx)
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	s.t.Cleanup(w.stop)
	return w
}

func (w *watcher) stop() {
	w.cancel()
	w.gone.Wait()
}

func (w *watcher) look(ctx context.Context) {
	ctx, done := context.WithTimeout(ctx, 20*time.Second)
	defer done()
	list, err := w.s.bucket.List(ctx)
	if err != nil {
		return // the server has a fault
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	for _, key := range slices.Sorted(maps.Keys(list)) {
		name := strings.TrimPrefix(key, "chat/prod/")
		if !strings.HasPrefix(name, "exports/") {
			continue
		}
		is := list[key]
		if was, ok := w.seen[name]; ok {
			if w.s.proxy != nil {
				// Its answer was lost, and the one who put it put it once more.
				was.ModTime = is.ModTime
			}
			if was != is {
				w.s.t.Errorf("%s has changed: %+v, %+v", name, was, is)
				w.seen[name] = is
			}
			continue
		}
		b, err := w.s.bucket.Read(ctx, key)
		if err != nil || b == nil {
			continue // the server has a fault, or it is gone already
		}
		w.seen[name] = is
		w.whole(name, b)
	}
}

// whole looks at a file that has appeared.
func (w *watcher) whole(name string, b []byte) {
	sum := hash(b)
	for _, want := range w.s.want {
		if sum == want {
			w.content[name] = b
			return
		}
	}
	w.content[name] = b
	if strings.Contains(name, ".reactions.") {
		return // stands beside an export that is being made; nobody is shown it
	}
	if strings.HasSuffix(name, ".json") { // a manifest, or v1: cut short, it is no JSON
		if !json.Valid(b) {
			w.s.t.Errorf("%s appeared with %d bytes, and is not whole", name, len(b))
		}
		return
	}
	if !bytes.Contains(b, []byte(`"freight-`)) {
		w.s.t.Errorf("%s appeared with %d bytes that no undisturbed export has", name, len(b))
	}
}

// file is the file of a completed task.
func (w *watcher) file(task *harness.Task) []byte {
	w.s.t.Helper()
	if task.Result == nil {
		w.s.t.Fatalf("task %s is %s: %+v", task.ID, task.Status, task.Error)
	}
	ctx, done := context.WithTimeout(w.s.t.Context(), harness.Patience)
	defer done()
	b, err := w.s.bucket.Read(ctx, "chat/prod/"+task.Result.Path)
	if err != nil || b == nil {
		w.s.t.Fatalf("the file of task %s: %v", task.ID, err)
	}
	if hash(b) != task.Result.SHA256 {
		w.s.t.Errorf("task %s: the file is not what the task says", task.ID)
	}
	manifest, err := w.s.bucket.Read(ctx, "chat/prod/"+task.Result.Path+".manifest.json")
	if err != nil || manifest == nil {
		w.s.t.Fatalf("the manifest of task %s: %v", task.ID, err)
	}
	verified(w.s.t, b, manifest)
	return b
}

// verified checks a file with the program itself.
func verified(t *testing.T, file, manifest []byte) {
	t.Helper()
	out := harness.Run(t, "verify", write(t, "file", file), "--manifest", write(t, "manifest", manifest))
	if !strings.HasSuffix(out, "\nOK\n") {
		t.Errorf("verify says\n%s", out)
	}
}

// named checks the file of a completed task.
func (w *watcher) named(task *harness.Task) {
	w.s.t.Helper()
	w.file(task)
}
