package thin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/pgtest"
	"hansard/internal/store/postgres/thin"

	"github.com/jackc/pgx/v5/pgconn"
)

const begin = `BEGIN ISOLATION LEVEL READ COMMITTED`

// connect opens a connection to an empty database, with a table.
func connect(t *testing.T) (c *thin.Conn, dsn string) {
	t.Helper()
	dsn = pgtest.Database(t)
	c = open(t, dsn)
	c.Begin(t.Context(), begin)
	if _, err := c.Exec(`CREATE TABLE t (id BIGINT PRIMARY KEY, small SMALLINT, medium INTEGER, yes BOOLEAN, word TEXT, raw BYTEA)`); err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(); err != nil {
		t.Fatal(err)
	}
	return c, dsn
}

func open(t *testing.T, dsn string) *thin.Conn {
	t.Helper()
	pg, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Close(context.WithoutCancel(t.Context())) })
	c := thin.Of(pg)
	if thin.Of(pg) != c {
		t.Error("a connection has two faces")
	}
	return c
}

// fill makes n rows.
func fill(t *testing.T, c *thin.Conn, n int) {
	t.Helper()
	c.Begin(t.Context(), begin)
	next, sum := 0, int64(0)
	err := c.Many(`INSERT INTO t (id, word, raw) VALUES ($1, $2, $3)`, n,
		func(i int) []any { return []any{i, "word " + strconv.Itoa(i), bytes.Repeat([]byte{byte(i)}, i%1000)} }, nil,
		func(i int, changed int64) {
			if i != next {
				t.Errorf("statement %d answered after %d", i, next)
			}
			next, sum = next+1, sum+changed
		})
	if err != nil || sum != int64(n) {
		t.Fatalf("%d of %d rows: %v", sum, n, err)
	}
	if err := c.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	c, _ := connect(t)
	c.Begin(t.Context(), begin)
	defer func() { _ = c.Rollback() }()
	const insert = `INSERT INTO t (id, small, medium, yes, word, raw) VALUES ($1, $2, $3, $4, $5, $6)`
	for _, args := range [][]any{
		{int64(1 << 60), -7, 1 << 30, true, "ä 'quoted' \\ $1", []byte{0, 255, '\\'}},
		{chat.Time(-1), nil, nil, false, "", []byte{}},
		{3, int64(-32768), nil, nil, nil, []byte(nil)},
	} {
		if n, err := c.Exec(insert, args...); err != nil || n != 1 {
			t.Fatalf("%v: %d, %v", args, n, err)
		}
	}
	var got []string
	err := c.Query(`SELECT id, small, medium, yes, word, raw FROM t ORDER BY id`, nil, func(r *thin.Row) error {
		got = append(got, fmt.Sprintf("%d %d %d %v %q %v|%v %v %v|%v %v", r.Int(0), r.Int(1), r.Int(2), r.Bool(3), r.Text(4), r.Bytes(5),
			r.Null(1), r.Null(4), r.Null(5), r.Copy(5), r.Time(0)))
		return nil
	})
	want := []string{
		`-1 0 0 false "" []|true false false|[] 1969-12-31T23:59:59.999999Z`,
		`3 -32768 0 false "" []|false true true|[] 1970-01-01T00:00:00.000003Z`,
		`1152921504606846976 -7 1073741824 true "ä 'quoted' \\ $1" [0 255 92]|false false false|[0 255 92] ` +
			chat.Time(1<<60).String(),
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n, err := c.Exec(`UPDATE t SET small = 1`); err != nil || n != 3 {
		t.Errorf("updated %d: %v", n, err)
	}
}

func TestBadParameters(t *testing.T) {
	t.Parallel()
	c, _ := connect(t)
	c.Begin(t.Context(), begin)
	const insert = `INSERT INTO t (id, small) VALUES ($1, $2)`
	if _, err := c.Exec(insert, 1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(insert, nil, nil); err == nil {
		t.Error("a NULL key was taken")
	}
	if err := c.Rollback(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]any{{1}, {1, 2, 3}, {1, 1.5}, {1, 1 << 20}} {
		c.Begin(t.Context(), begin)
		if n, err := c.Exec(insert, args...); err == nil {
			t.Errorf("%v: %d", args, n)
		}
		if err := c.Rollback(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	c.Begin(t.Context(), begin)
	if _, err := c.Exec(insert, 1, 2); err != nil {
		t.Errorf("the connection is of no use any more: %v", err)
	}
	if err := c.Commit(); err != nil {
		t.Error(err)
	}
}

// Callbacks run other statements, some of them long ones, on the connection
// whose rows they look at.
func TestNested(t *testing.T) {
	t.Parallel()
	c, _ := connect(t)
	fill(t, c, 1000)
	c.Begin(t.Context(), begin)
	defer func() { _ = c.Rollback() }()
	enough := errors.New("enough")
	outer, inner, innermost := 0, 0, 0
	const all = `SELECT id, raw FROM t ORDER BY id`
	err := c.Query(all, nil, func(r *thin.Row) error {
		if r.Int(0) != int64(outer) || len(r.Bytes(1)) != outer%1000 {
			return fmt.Errorf("row %d is %d with %d bytes", outer, r.Int(0), len(r.Bytes(1)))
		}
		outer++
		if outer%100 != 0 {
			return nil
		}
		n := 0
		err := c.Query(all, nil, func(r *thin.Row) error {
			if r.Int(0) != int64(n) {
				return fmt.Errorf("row %d is %d", n, r.Int(0))
			}
			if n++; n == 500 {
				return enough // in the midst of the result
			}
			if n%250 != 0 {
				return nil
			}
			if err := c.Later(`UPDATE t SET word = 'changed' WHERE id = $1`, n); err != nil {
				return err
			}
			one := int64(0)
			found, err := c.One(`SELECT count(*) FROM t WHERE word = 'changed'`, nil, func(r *thin.Row) { one = r.Int(0) })
			if err != nil || !found || one != 1 {
				return fmt.Errorf("found %v, %d rows: %w", found, one, err)
			}
			err = c.Many(`SELECT id FROM t WHERE id < $1`, 100, func(i int) []any { return []any{i} }, func(int, *thin.Row) { innermost++ }, nil)
			if err != nil {
				return err
			}
			return c.Query(`SELECT word FROM t WHERE id < $1`, []any{200}, func(*thin.Row) error {
				innermost++
				return nil
			})
		})
		inner += n
		if !errors.Is(err, enough) {
			return err
		}
		if r.Int(0) != int64(outer-1) {
			return fmt.Errorf("row %d has become %d", outer-1, r.Int(0))
		}
		return nil
	})
	if err != nil || outer != 1000 || inner != 5000 || innermost != 10*(200+100*99/2) {
		t.Errorf("read %d, %d and %d rows: %v", outer, inner, innermost, err)
	}
}

func TestMany(t *testing.T) {
	t.Parallel()
	c, _ := connect(t)
	fill(t, c, 2000)
	c.Begin(t.Context(), begin)
	got := map[int]int{}
	err := c.Many(`SELECT id FROM t WHERE id >= $1 AND id < $1 + $2`, 700, func(i int) []any { return []any{i, i % 3} },
		func(i int, r *thin.Row) { got[i] += int(r.Int(0)) - i + 1 }, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 700 {
		if want := []int{0, 1, 3}[i%3]; got[i] != want {
			t.Fatalf("query %d: %d, want %d", i, got[i], want)
		}
	}
	// One that fails takes the transaction along, and nothing else.
	err = c.Many(`INSERT INTO t (id) VALUES ($1)`, 600, func(i int) []any { return []any{5000 - i*10} }, nil, nil)
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "23505" {
		t.Fatalf("got %v", err)
	}
	if _, err := c.Exec(`SELECT 1`); err == nil {
		t.Error("the failed transaction goes on")
	}
	if err := c.Commit(); err == nil {
		t.Error("the failed transaction was committed")
	}
	c.Begin(t.Context(), begin)
	if n, err := c.Exec(`DELETE FROM t WHERE id >= 2000`); err != nil || n != 0 {
		t.Errorf("%d rows are left: %v", n, err)
	}
	if err := c.Rollback(); err != nil {
		t.Error(err)
	}
}

// Each gives all rows of a result at once, and lists are parameters like others.
func TestEach(t *testing.T) {
	t.Parallel()
	c, _ := connect(t)
	fill(t, c, 2000)
	c.Begin(t.Context(), begin)
	var ids []int64
	for i := range int64(3000) {
		ids = append(ids, i*2)
	}
	for name, args := range map[string]struct {
		ids   []int64
		words []string
		want  int
	}{
		"many":        {ids, []string{"", "it's \"so\", {zürich}\\", "NULL"}, 1000},
		"one":         {ids[:1], []string{""}, 1},
		"none":        {nil, nil, 0},
		"none of one": {[]int64{-5}, []string{}, 0},
	} {
		seen := map[int64]bool{}
		err := c.Each(`SELECT id FROM t WHERE id = ANY ($1)`, []any{args.ids}, func(r *thin.Row) { seen[r.Int(0)] = true })
		if err != nil || len(seen) != args.want {
			t.Errorf("%s: %d rows, want %d: %v", name, len(seen), args.want, err)
		}
		var words []string
		err = c.Each(`SELECT unnest($1::text[])`, []any{args.words}, func(r *thin.Row) { words = append(words, r.Text(0)) })
		if err != nil || !slices.Equal(words, args.words) {
			t.Errorf("%s: the words come back as %q: %v", name, words, err)
		}
	}
	if err := c.Each(`SELECT id / (id - 7) FROM t`, nil, func(*thin.Row) {}); err == nil {
		t.Error("an error among the rows is none")
	}
	if err := c.Rollback(); err != nil {
		t.Error(err)
	}
}

// Late statements go with the next one, or with the commit, and so do their
// errors.
func TestLater(t *testing.T) {
	t.Parallel()
	c, _ := connect(t)
	const insert = `INSERT INTO t (id, raw) VALUES ($1, $2)`
	count := func() (n int64) {
		t.Helper()
		c.Begin(t.Context(), begin)
		if _, err := c.One(`SELECT count(*) FROM t`, nil, func(r *thin.Row) { n = r.Int(0) }); err != nil {
			t.Fatal(err)
		}
		if err := c.Rollback(); err != nil {
			t.Fatal(err)
		}
		return n
	}
	c.Begin(t.Context(), begin)
	for i := range 700 {
		if err := c.Later(insert, i, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if i == 300 {
			if n, err := c.Exec(`UPDATE t SET small = 1`); err != nil || n != 301 {
				t.Fatalf("%d rows: %v", n, err)
			}
		}
	}
	if err := c.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 700 {
		t.Errorf("%d rows", n)
	}
	// With the next one.
	c.Begin(t.Context(), begin)
	if err := errors.Join(c.Later(insert, 1000, nil), c.Later(insert, 5, nil), c.Later(insert, 1001, nil)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Exec(`SELECT 1`)
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "23505" || !strings.Contains(err.Error(), "INSERT") {
		t.Errorf("got %v", err)
	}
	if err := c.Rollback(); err != nil {
		t.Error(err)
	}
	// With the commit.
	c.Begin(t.Context(), begin)
	if err := errors.Join(c.Later(insert, 1000, nil), c.Later(insert, 5, nil)); err != nil {
		t.Fatal(err)
	}
	err = c.Commit()
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "23505" || errors.Is(err, thin.ErrBroken) {
		t.Errorf("got %v", err)
	}
	// Never.
	c.Begin(t.Context(), begin)
	if err := c.Later(insert, 1000, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Rollback(); err != nil {
		t.Error(err)
	}
	if n := count(); n != 700 {
		t.Errorf("%d rows", n)
	}
	// Before a copy.
	c.Begin(t.Context(), begin)
	if err := c.Later(insert, 1000, nil); err != nil {
		t.Fatal(err)
	}
	rows := 0
	if err := c.Copy(`SELECT id FROM t`, func(*thin.Row) error {
		rows++
		return nil
	}); err != nil || rows != 701 {
		t.Errorf("copied %d rows: %v", rows, err)
	}
	if err := c.Rollback(); err != nil {
		t.Error(err)
	}
}

// More statements than are kept.
func TestForgetsStatements(t *testing.T) {
	t.Parallel()
	c, _ := connect(t)
	c.Begin(t.Context(), begin)
	for i := range 1200 {
		n := int64(0)
		err := c.Query(fmt.Sprintf(`SELECT %d + $1`, i), []any{1}, func(r *thin.Row) error {
			n = r.Int(0)
			return nil
		})
		if err != nil || n != int64(i+1) {
			t.Fatalf("%d: %d, %v", i, n, err)
		}
	}
	kept := int64(0)
	err := c.Query(`SELECT count(*) FROM pg_prepared_statements`, nil, func(r *thin.Row) error {
		kept = r.Int(0)
		return nil
	})
	if err != nil || kept > 512 {
		t.Errorf("%d statements are kept: %v", kept, err)
	}
	if err := c.Commit(); err != nil {
		t.Error(err)
	}
}

func TestCopy(t *testing.T) {
	t.Parallel()
	c, dsn := connect(t)
	fill(t, c, 3000)
	c.Begin(t.Context(), begin)
	if _, err := c.Exec(`INSERT INTO t (id, raw) VALUES (3000, $1)`, bytes.Repeat([]byte("x"), 3<<20)); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := c.Copy(`SELECT id, word, raw FROM t ORDER BY id`, func(r *thin.Row) error {
		if r.Int(0) != int64(n) || r.Null(1) != (n == 3000) {
			return fmt.Errorf("row %d is %d, %q", n, r.Int(0), r.Text(1))
		}
		n++
		return nil
	})
	if err != nil || n != 3001 {
		t.Fatalf("%d rows: %v", n, err)
	}
	if _, err := c.Exec(`SELECT 1`); err != nil {
		t.Errorf("after a copy: %v", err)
	}
	if err := c.Copy(`SELECT nothing`, nil); err == nil {
		t.Error("nothing was copied")
	}
	if err := c.Rollback(); err != nil {
		t.Fatal(err)
	}

	c.Begin(t.Context(), begin)
	boom := errors.New("boom")
	err = c.Copy(`SELECT generate_series(1, 100000000)`, func(r *thin.Row) error {
		if r.Int(0) == 10 {
			return boom
		}
		return nil
	})
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if err := c.Rollback(); !errors.Is(err, thin.ErrBroken) {
		t.Errorf("a connection that a cancel may still come to is used on: %v", err)
	}

	c = open(t, dsn)
	ctx, cancel := context.WithCancel(t.Context())
	c.Begin(ctx, begin)
	n = 0
	err = c.Copy(`SELECT generate_series(1, 100000000)`, func(*thin.Row) error {
		if n++; n == 10 {
			cancel()
		}
		return nil
	})
	if err == nil || n > 50_000_000 {
		t.Errorf("copied %d rows: %v", n, err)
	}
	if err := c.Rollback(); !errors.Is(err, thin.ErrBroken) {
		t.Errorf("got %v", err)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	c, _ := connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c.Begin(ctx, begin)
	began := time.Now()
	if _, err := c.Exec(`SELECT pg_sleep(60)`); err == nil {
		t.Error("slept for a minute")
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s to cancel a statement", took)
	}
	if _, err := c.Exec(`SELECT 1`); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := c.Commit(); err == nil {
		t.Error("a canceled transaction was committed")
	}
	c.Close(t.Context())
	c.Begin(t.Context(), begin)
	if _, err := c.Exec(`SELECT 1`); !errors.Is(err, thin.ErrBroken) {
		t.Errorf("got %v", err)
	}
}

// A context that ends when nothing runs ends the transaction all the same.
func TestCancelIdle(t *testing.T) {
	t.Parallel()
	c, _ := connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	c.Begin(ctx, begin)
	if c.Used() {
		t.Error("used before anything was sent")
	}
	if _, err := c.Exec(`INSERT INTO t (id) VALUES (1)`); err != nil {
		t.Fatal(err)
	}
	if !c.Used() {
		t.Error("not used")
	}
	cancel()
	if err := c.Commit(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLost(t *testing.T) {
	t.Parallel()
	c, dsn := connect(t)
	c.Begin(t.Context(), begin)
	pid := int64(0)
	err := c.Query(`SELECT pg_backend_pid()`, nil, func(r *thin.Row) error {
		pid = r.Int(0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	other := open(t, dsn)
	other.Begin(t.Context(), begin)
	if _, err := other.Exec(`SELECT pg_terminate_backend($1::integer)`, pid); err != nil {
		t.Fatal(err)
	}
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(); !errors.Is(err, thin.ErrUncertain) && err == nil {
		t.Errorf("got %v", err)
	}
	c.Begin(t.Context(), begin)
	if _, err := c.Exec(`SELECT 1`); !errors.Is(err, thin.ErrBroken) {
		t.Errorf("got %v", err)
	}
	if err := c.Commit(); !errors.Is(err, thin.ErrBroken) || errors.Is(err, thin.ErrUncertain) {
		t.Errorf("nothing was sent, so nothing is uncertain: %v", err)
	}
}
