package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/postgres"
	"hansard/internal/store/storetest"

	"github.com/jackc/pgx/v5"
)

// several opens a database several times.
func several(t *testing.T, n int) (stores []*postgres.Store, dsn string) {
	t.Helper()
	dsn = databases.Database(t)
	for range n {
		stores = append(stores, openStore(t, dsn, postgres.Options{}))
	}
	return stores, dsn
}

// connect connects to a database behind the store's back.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func newApp(t *testing.T, s store.Apps, key string) int64 {
	t.Helper()
	a := store.App{Key: key, Secret: "secret"}
	if err := s.CreateApp(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	return a.ID
}

func enqueue(t *testing.T, s store.Tasks, app int64, id, kind string) {
	t.Helper()
	if _, err := s.Enqueue(t.Context(), &store.Task{ID: id, App: app, Kind: kind}, nil); err != nil {
		t.Error(err)
	}
}

// Without a clock of its own the store goes by that of the database. The suite
// turns it by putting another function in its place.
func TestTasksByTheClockOfTheDatabase(t *testing.T) {
	t.Parallel()
	storetest.RunTasks(t, func(t *testing.T) storetest.Opened {
		t.Helper()
		dsn := databases.Database(t)
		conn := connect(t, dsn)
		execute(t, conn, `CREATE SCHEMA fake; CREATE TABLE fake.clock AS SELECT timestamptz '2021-02-17 08:17:49.745857Z' AS now;
			CREATE FUNCTION fake.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS 'SELECT now FROM fake.clock'`)
		s := openStore(t, dsn+"&"+url.Values{"search_path": {"fake,public,pg_catalog"}}.Encode(), postgres.Options{})
		now, err := s.Now(t.Context())
		if want := storetest.NewClock().Now(); err != nil || !now.Std().Equal(want) {
			t.Fatalf("the clock shows %v, %v; want %v", now, err, want)
		}
		return storetest.Opened{Store: s, Advance: func(d time.Duration) {
			execute(t, conn, `UPDATE fake.clock SET now = now + $1::bigint * interval '1 microsecond'`, d.Microseconds())
		}}
	})
}

// Several processes enqueue, claim, beat, hand back and finish at once. No task
// is run by two, and none is lost.
func TestQueueOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	stores, _ := several(t, 3)
	apps := []int64{newApp(t, stores[0], "a"), newApp(t, stores[0], "b"), newApp(t, stores[0], "c")}
	const perStore = 60
	var mu sync.Mutex
	running, ended := map[string]bool{}, map[string]int{}
	enter := func(id string) {
		mu.Lock()
		defer mu.Unlock()
		if running[id] {
			t.Errorf("%s is run by two", id)
		}
		running[id] = true
	}
	leave := func(id string, final bool) {
		mu.Lock()
		defer mu.Unlock()
		running[id] = false
		if final {
			ended[id]++
		}
	}
	all := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(ended) == perStore*len(stores)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var group sync.WaitGroup
	for i, s := range stores {
		group.Go(func() {
			for n := range perStore {
				enqueue(t, s, apps[n%len(apps)], fmt.Sprintf("%d-%d", i, n), []string{"k", "import"}[n%2])
			}
		})
		for w := range 4 {
			group.Go(func() {
				owner := fmt.Sprintf("%d-%d", i, w)
				for !all() && ctx.Err() == nil {
					got, err := s.Claim(ctx, owner, time.Minute, "")
					if err != nil {
						t.Error(err)
						return
					}
					if got == nil {
						<-time.After(time.Millisecond)
						continue
					}
					enter(got.ID)
					o := store.Outcome{Status: store.Completed}
					if rand.IntN(4) == 0 {
						o = store.Outcome{Status: store.Waiting, Refund: true}
					}
					if _, err := s.Heartbeat(ctx, got.ID, got.Epoch, time.Minute, store.Progress{}); err != nil {
						t.Error(err)
					}
					leave(got.ID, o.Status.Final())
					if err := s.Finish(ctx, got.ID, got.Epoch, o); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	group.Wait()
	for id, n := range ended {
		if n != 1 {
			t.Errorf("%s ended %d times", id, n)
		}
	}
	if !all() {
		t.Errorf("%d tasks ended", len(ended))
	}
	tasks, err := stores[0].ListTasks(t.Context(), store.TaskQuery{Status: store.Completed, Limit: 1000})
	if err != nil || len(tasks) != perStore*len(stores) {
		t.Errorf("%d tasks are completed, %v", len(tasks), err)
	}
}

// All workers start at the same moment, as after a loss of power. One app's
// many tasks must not take them all.
func TestFairToAllAtOnce(t *testing.T) {
	t.Parallel()
	stores, _ := several(t, 3)
	many := newApp(t, stores[0], "many")
	var few []int64
	for i := range 4 {
		few = append(few, newApp(t, stores[0], fmt.Sprint("few-", i)))
	}
	judged := 0
	for round := 0; round < 20 && judged < 5; round++ {
		id := func(what string, i int) string { return fmt.Sprintf("%s-%d-%d", what, round, i) }
		for i := range 20 {
			enqueue(t, stores[0], many, id("many", i), "k")
		}
		for i, app := range few {
			enqueue(t, stores[0], app, id("few", i), "k")
		}
		var mu sync.Mutex
		var claimed []*store.Task
		var workers sync.WaitGroup
		patient := true // nobody had to do without the lock
		for w := range 3 * len(stores) {
			workers.Go(func() {
				began := time.Now()
				got, err := stores[w%len(stores)].Claim(t.Context(), fmt.Sprint("w", w), time.Minute, "")
				took := time.Since(began)
				mu.Lock()
				defer mu.Unlock()
				patient = patient && took < 400*time.Millisecond
				if got != nil {
					claimed = append(claimed, got)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		workers.Wait()
		by := map[int64]int{}
		for _, got := range claimed {
			by[got.App]++
		}
		if patient {
			judged++
			if len(claimed) != 3*len(stores) {
				t.Errorf("round %d: %d workers got a task", round, len(claimed))
			}
			for _, app := range few {
				if by[app] != 1 {
					t.Errorf("round %d: tasks by app: %v; app %d has one that must be among them", round, by, app)
				}
			}
		}
		for _, got := range claimed {
			if err := stores[0].Finish(t.Context(), got.ID, got.Epoch, store.Outcome{Status: store.Completed}); err != nil {
				t.Error(err)
			}
		}
		for _, app := range append(few, many) {
			rest, err := stores[0].ListTasks(t.Context(), store.TaskQuery{App: app, Status: store.Waiting})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rest {
				if _, err := stores[0].CancelTask(t.Context(), app, r.ID, []byte(`{}`)); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if judged == 0 {
		t.Error("in every round a claim took too long to tell")
	}
}

// Imports that arrive at the same moment run one after the other, in the order
// in which they are listed.
func TestImportsThatArriveAtOnce(t *testing.T) {
	t.Parallel()
	stores, _ := several(t, 3)
	app := newApp(t, stores[0], "a")
	const imports = 24
	var mu sync.Mutex
	var order []string
	var running, next atomic.Int64
	var group sync.WaitGroup
	for _, s := range stores {
		for range 2 {
			group.Go(func() {
				for n := next.Add(1); n <= imports; n = next.Add(1) {
					enqueue(t, s, app, fmt.Sprint(n), "import")
				}
			})
			group.Go(func() {
				for done := false; !done && t.Context().Err() == nil; {
					got, err := s.Claim(t.Context(), "w", time.Minute, "")
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if got != nil {
						if running.Add(1) != 1 {
							t.Errorf("%s runs beside another", got.ID)
						}
						order = append(order, got.ID)
						running.Add(-1)
					}
					done = len(order) == imports
					mu.Unlock()
					if got != nil {
						if err := s.Finish(t.Context(), got.ID, got.Epoch, store.Outcome{Status: store.Completed}); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
	}
	group.Wait()
	tasks, err := stores[0].ListTasks(t.Context(), store.TaskQuery{App: app})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, task := range slices.Backward(tasks) {
		want = append(want, task.ID)
	}
	if !slices.Equal(order, want) {
		t.Errorf("they ran in the order %v, and are listed as %v", order, want)
	}
}

// Of requests that come at once with the same key, one makes a task.
func TestOneTaskPerKey(t *testing.T) {
	t.Parallel()
	stores, _ := several(t, 3)
	app := newApp(t, stores[0], "a")
	for round := range 5 {
		var mu sync.Mutex
		found := map[string]int{}
		var group sync.WaitGroup
		for i := range 12 {
			group.Go(func() {
				idem := &store.Idempotency{Key: fmt.Sprint("key ", round), Hash: []byte("h"), Life: time.Hour}
				task := &store.Task{ID: fmt.Sprintf("%d-%d", round, i), App: app, Kind: "k"}
				got, err := stores[i%len(stores)].Enqueue(t.Context(), task, idem)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				found[got.ID]++
			})
		}
		group.Wait()
		tasks, err := stores[0].ListTasks(t.Context(), store.TaskQuery{App: app})
		if err != nil || len(found) != 1 || len(tasks) != round+1 {
			t.Errorf("round %d: found %v, there are %d tasks, %v", round, found, len(tasks), err)
		}
	}
}

// A worker that is frozen while it claims a task holds up nobody.
func TestFrozenWhileClaiming(t *testing.T) {
	t.Parallel()
	stores, dsn := several(t, 1)
	s, conn := stores[0], connect(t, dsn)
	a, b := newApp(t, s, "a"), newApp(t, s, "b")
	enqueue(t, s, a, "a1", "k")
	enqueue(t, s, a, "a2", "k")
	enqueue(t, s, b, "b1", "k")
	execute(t, conn, `BEGIN`)
	execute(t, conn, `SELECT pg_advisory_xact_lock($1)`, int64(postgres.QueueLock))
	execute(t, conn, `UPDATE tasks SET epoch = epoch + 1 WHERE id = 'a1'`)
	execute(t, conn, `UPDATE turns SET served = 1 WHERE app = $1`, a)
	began := time.Now()
	var got []string
	for {
		task, err := s.Claim(t.Context(), "w", time.Minute, "")
		if err != nil {
			t.Fatal(err)
		}
		if task == nil {
			break
		}
		got = append(got, task.ID)
	}
	// a1 is at the head of its app's queue and may be claimed by now.
	if !slices.Contains(got, "b1") || slices.Contains(got, "a1") {
		t.Errorf("claimed %v", got)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	execute(t, conn, `ROLLBACK`)
	for _, want := range []string{"a1", "a2"} {
		if task, err := s.Claim(t.Context(), "w", time.Minute, ""); err != nil || task == nil || task.ID != want {
			t.Errorf("claimed %+v, %v, want %s", task, err, want)
		}
	}
}

// The database can hold neither NUL nor what is no UTF-8 in its texts: there is
// no task of such a name.
func TestNamesThatCannotBe(t *testing.T) {
	t.Parallel()
	stores, _ := several(t, 1)
	s := stores[0]
	app := newApp(t, s, "a")
	for _, name := range []string{"\x00", "a\x00", "\xff", "\xc3\x28"} {
		_, err := s.Task(t.Context(), app, name)
		_, err2 := s.CancelTask(t.Context(), app, name, nil)
		_, err3 := s.AppByKey(t.Context(), name)
		for _, err := range []error{err, err2, err3, s.SetAppSecret(t.Context(), name, "s"), s.DeleteApp(t.Context(), name)} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%q: %v, want ErrNotFound", name, err)
			}
		}
		if got, err := s.ListTasks(t.Context(), store.TaskQuery{App: app, Kind: name}); err != nil || len(got) != 0 {
			t.Errorf("%q: %v, %v", name, got, err)
		}
		if got, err := s.Claim(t.Context(), "w", time.Minute, name); err != nil || got != nil {
			t.Errorf("%q: %v, %v", name, got, err)
		}
		// A client's own key may be anything.
		idem := &store.Idempotency{Key: name, Hash: []byte(name), Life: time.Hour}
		id := fmt.Sprintf("%x", name)
		for range 2 {
			if got, err := s.Enqueue(t.Context(), &store.Task{ID: id, App: app, Kind: "k"}, idem); err != nil || got.ID != id {
				t.Errorf("%q: %v, %v", name, got, err)
			}
		}
	}
}

// By the time of the database, whatever that of the worker is.
func TestTimes(t *testing.T) {
	t.Parallel()
	stores, dsn := several(t, 1)
	s := stores[0]
	app := newApp(t, s, "a")
	enqueue(t, s, app, "t", "k")
	got, err := s.Claim(t.Context(), "w", time.Minute, "t")
	if err != nil || got == nil {
		t.Fatal(got, err)
	}
	var now, due int64
	err = connect(t, dsn).QueryRow(t.Context(), `SELECT (extract(epoch FROM now()) * 1e6)::bigint, due_at FROM tasks`).Scan(&now, &due)
	if err != nil {
		t.Fatal(err)
	}
	const second = chat.Time(1e6)
	if d := chat.Time(now) - got.UpdatedAt; d < 0 || d > 30*second || got.UpdatedAt < got.CreatedAt {
		t.Errorf("created at %v, claimed at %v, and it is %v", got.CreatedAt, got.UpdatedAt, chat.Time(now))
	}
	if chat.Time(due) != got.UpdatedAt+60*second {
		t.Errorf("the lease ends at %v, was claimed at %v", chat.Time(due), got.UpdatedAt)
	}
}

// What DeleteApp goes through are all tables that know the app, and each by an
// index.
func TestPurgedTables(t *testing.T) {
	t.Parallel()
	_, dsn := several(t, 1)
	conn := connect(t, dsn)
	purged := postgres.PurgedTables()
	rows, err := conn.Query(t.Context(), `SELECT table_name FROM information_schema.columns WHERE column_name = 'app' AND table_schema = 'public'`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		key, ok := purged[table]
		if !ok {
			t.Errorf("the rows of %s are left when an app goes", table)
		}
		delete(purged, table)
		rows, err := conn.Query(t.Context(), `SELECT indexdef FROM pg_indexes WHERE tablename = $1`, table)
		if err != nil {
			t.Fatal(err)
		}
		indexes, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		columns := "(" + strings.Join(append([]string{"app"}, key...), ", ") + ")"
		if !slices.ContainsFunc(indexes, func(def string) bool { return strings.HasSuffix(def, columns) }) {
			t.Errorf("%s has no index on %s: %v", table, columns, indexes)
		}
	}
	if len(purged) > 0 {
		t.Errorf("there are no such tables: %v", purged)
	}
}

// fillTables puts rows of an app into all tables, no matter what they mean.
func fillTables(t *testing.T, conn *pgx.Conn, app int64, rows int) {
	t.Helper()
	for table := range postgres.PurgedTables() {
		columns, err := conn.Query(t.Context(), `SELECT quote_ident(column_name), data_type FROM information_schema.columns
			WHERE table_name = $1 AND table_schema = 'public' ORDER BY ordinal_position`, table)
		if err != nil {
			t.Fatal(err)
		}
		var names, values []string
		var name, typ string
		_, err = pgx.ForEachRow(columns, []any{&name, &typ}, func() error {
			value, known := map[string]string{
				"bigint": "i", "smallint": "i % 7", "boolean": "true", "text": "'" + fmt.Sprint(app) + "-' || i", "bytea": "int8send(i)",
			}[typ]
			switch {
			case name == "app":
				value = fmt.Sprint(app)
			case name == "expires_at":
				value = "9e18"
			case name == "key" && typ == "bigint", name == "seq":
				return nil // numbered by the database
			case table == "tasks" && name == "status":
				value = `'failed'`
			case table == "tasks" && name == "owner":
				value = `''`
			case table == "tasks" && (name == "due_at" || name == "result"):
				value = `NULL`
			case !known:
				return fmt.Errorf("%s.%s is a %s", table, name, typ)
			}
			names, values = append(names, name), append(values, value)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		n := rows
		if table == "turns" {
			n = 0 // it has its row
		}
		execute(t, conn, fmt.Sprintf(`INSERT INTO %s (%s) SELECT %s FROM generate_series(1::bigint, %d) i`,
			table, strings.Join(names, ", "), strings.Join(values, ", "), n))
	}
}

func countTables(t *testing.T, conn *pgx.Conn, app int64) (n int) {
	t.Helper()
	for table := range postgres.PurgedTables() {
		var of int
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM `+table+` WHERE app = $1`, app).Scan(&of); err != nil {
			t.Fatal(err)
		}
		n += of
	}
	return n
}

// The rows of an app go, all of them and in batches, and nobody else's.
func TestDeleteAppWithManyRows(t *testing.T) {
	t.Parallel()
	stores, dsn := several(t, 2)
	conn := connect(t, dsn)
	gone, kept := newApp(t, stores[0], "gone"), newApp(t, stores[0], "kept")
	fillTables(t, conn, gone, 4500)
	fillTables(t, conn, kept, 100)
	execute(t, conn, `DELETE FROM spans WHERE app = $1`, kept) // those of a task that does not run go in any case
	had := countTables(t, conn, kept)
	if n := countTables(t, conn, gone); n < 4500*16 {
		t.Fatalf("%d rows", n)
	}
	// Somebody still sees what goes, and somebody else removes it too.
	execute(t, conn, `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM messages`)
	var group sync.WaitGroup
	group.Go(func() {
		if err := stores[0].DeleteApp(t.Context(), "gone"); err != nil {
			t.Error(err)
		}
	})
	group.Go(func() {
		if err := stores[1].DeleteTasks(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
	group.Wait()
	execute(t, conn, `COMMIT`)
	if n := countTables(t, conn, gone); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if n := countTables(t, conn, kept); n != had {
		t.Errorf("of another app %d of %d rows are left", n, had)
	}
	var apps int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM apps`).Scan(&apps); err != nil || apps != 1 {
		t.Errorf("%d apps, %v", apps, err)
	}
}

// What is left of an app whose removal was cut short goes with the next purge.
func TestDeleteAppCutShort(t *testing.T) {
	t.Parallel()
	stores, dsn := several(t, 1)
	s, conn := stores[0], connect(t, dsn)
	app := newApp(t, s, "a")
	enqueue(t, s, app, "t", "k")
	// The first step of DeleteApp, and nothing after it.
	execute(t, conn, `UPDATE apps SET key = NULL`)
	if got, err := s.Claim(t.Context(), "w", time.Minute, ""); err != nil || got != nil {
		t.Errorf("claimed %+v of an app that is gone, %v", got, err)
	}
	if got, err := s.Claim(t.Context(), "w", time.Minute, "t"); err != nil || got != nil {
		t.Errorf("claimed %+v of an app that is gone, %v", got, err)
	}
	for _, idem := range []*store.Idempotency{nil, {Key: "k", Hash: []byte("h"), Life: time.Hour}} {
		if _, err := s.Enqueue(t.Context(), &store.Task{ID: "u", App: app, Kind: "k"}, idem); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("enqueued for an app that is gone: %v", err)
		}
	}
	if err := s.DeleteTasks(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := countTables(t, conn, app); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if apps, err := s.Apps(t.Context()); err != nil || len(apps) != 0 {
		t.Errorf("apps: %v, %v", apps, err)
	}
}
