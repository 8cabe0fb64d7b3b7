package sqlstore

import (
	"bytes"
	"cmp"
	"container/heap"
	"errors"

	"hansard/internal/store"
)

// An index by user is where a bulk load hurts: its rows come in the order of
// time, and each belongs to another user, so that every batch writes to nearly
// every page of the index. With Dialect.Runs the rows come in runs, and the
// indexes lead with the run: what is sent live is run 0, each part of a load is
// one of its own. A load then writes to the few pages of its run, however large
// the store is. Who asks for the rows of a user merges those of all runs.

// The kinds of rows that come in runs.
const (
	runMessages  = 1
	runReactions = 2
)

const (
	// minRun is how many rows a run gets before the next one begins.
	minRun = 1 << 16
	// mostRuns bounds the runs: where there are more rows than fit into that
	// many, runs are longer. Their number then grows by that many each time
	// the rows double.
	mostRuns = 64
	// partRows and partBytes bound what of each run is in memory while runs
	// are merged.
	partRows  = 64
	partBytes = 64 << 10
)

// run is the part of a load that a transaction adds to.
type run struct {
	number int64 // 0 = none yet
	rows   int64 // that this transaction has added
}

// runFor is the run to which a row goes.
func (t *tx) runFor(kind int) (int64, error) {
	if !t.bulk || !t.dialect.Runs {
		return 0, nil
	}
	r := &t.runs[kind]
	if r.number == 0 {
		var last, rows, all int64
		err := t.conn.Query(`SELECT run, rows FROM runs WHERE app = $1 AND kind = $2 ORDER BY run`, []any{t.app, kind}, func(s Row) error {
			last, rows = s.Int(0), s.Int(1)
			all += rows
			return nil
		})
		if err != nil {
			return 0, err
		}
		if r.number = last; last == 0 || rows >= max(minRun, all/mostRuns) {
			r.number = last + 1
			if err := t.exec(`INSERT INTO runs (app, kind, run, rows) VALUES ($1, $2, $3, 0)`, t.app, kind, r.number); err != nil {
				return 0, err
			}
		}
	}
	r.rows++
	return r.number, nil
}

// countRuns writes how many rows have been added to runs.
func (t *tx) countRuns() error {
	for kind := range t.runs {
		r := &t.runs[kind]
		if r.rows == 0 {
			continue
		}
		if err := t.exec(`UPDATE runs SET rows = rows + $4 WHERE app = $1 AND kind = $2 AND run = $3`, t.app, kind, r.number, r.rows); err != nil {
			return err
		}
		r.rows = 0
	}
	return nil
}

// inRuns narrows a query, whose first parameter is the app, to all runs: the
// index by user is then searched in each of them.
func (r *reader) inRuns(table string, kind int) string {
	if !r.dialect.Runs {
		return ""
	}
	return ` AND ` + table + `.run IN (SELECT 0 UNION ALL SELECT run FROM runs WHERE app = $1 AND kind = ` + string(rune('0'+kind)) + `)`
}

// runsOf lists the runs, 0 among them.
func (r *reader) runsOf(kind int) ([]int64, error) {
	list := []int64{0}
	if !r.dialect.Runs {
		return list, nil
	}
	err := r.conn.Query(`SELECT run FROM runs WHERE app = $1 AND kind = $2 ORDER BY run`, []any{r.app, kind}, func(s Row) error {
		list = append(list, s.Int(0))
		return nil
	})
	return list, err
}

var errPartFull = errors.New("that is enough of this run")

// runPart is what of a run is in memory: its next rows.
type runPart[R any] struct {
	run  int64
	rows []R
	buf  []byte // where the rows' bytes are
	next int
	more bool // there may be rows behind these
}

func (p *runPart[R]) first() *R { return &p.rows[p.next] }

// parts is a heap of those that have a row.
type parts[R any] struct {
	list []*runPart[R]
	less func(a, b *R) bool
}

func (h *parts[R]) Len() int           { return len(h.list) }
func (h *parts[R]) Less(i, j int) bool { return h.less(h.list[i].first(), h.list[j].first()) }
func (h *parts[R]) Swap(i, j int)      { h.list[i], h.list[j] = h.list[j], h.list[i] }
func (h *parts[R]) Push(x any)         { h.list = append(h.list, x.(*runPart[R])) } //nolint:errcheck // nothing else is pushed
func (h *parts[R]) Pop() any {
	last := h.list[len(h.list)-1]
	h.list = h.list[:len(h.list)-1]
	return last
}

// mergeRuns calls fn with the rows of all runs in one order. read calls take with
// the rows of a run that come after the given one (nil: from the first on), until
// take has enough of them. keep puts a row's bytes into buf, as KeepMessage does.
func mergeRuns[R any](runs []int64, less func(a, b *R) bool, keep func(row *R, buf []byte) []byte,
	read func(run int64, after *R, take func(*R) error) error, fn func(*R) error,
) error {
	fill := func(p *runPart[R]) error {
		var after *R
		if len(p.rows) > 0 {
			last := p.rows[len(p.rows)-1]
			after = &last
		}
		p.rows, p.buf, p.next, p.more = p.rows[:0], p.buf[:0], 0, false
		err := read(p.run, after, func(row *R) error {
			if len(p.rows) == partRows || len(p.buf) >= partBytes {
				p.more = true
				return errPartFull
			}
			p.rows = append(p.rows, *row)
			p.buf = keep(&p.rows[len(p.rows)-1], p.buf)
			return nil
		})
		if errors.Is(err, errPartFull) {
			return nil
		}
		return err
	}
	h := &parts[R]{less: less}
	for _, number := range runs {
		p := &runPart[R]{run: number}
		if err := fill(p); err != nil {
			return err
		}
		if len(p.rows) > 0 {
			h.list = append(h.list, p)
		}
	}
	heap.Init(h)
	for len(h.list) > 0 {
		p := h.list[0]
		if err := fn(p.first()); err != nil {
			return err
		}
		if p.next++; p.next == len(p.rows) && p.more {
			if err := fill(p); err != nil {
				return err
			}
		}
		if p.next < len(p.rows) {
			heap.Fix(h, 0)
		} else {
			heap.Pop(h)
		}
	}
	return nil
}

func (r *reader) UserMessages(user int64, fn func(*store.MessageRow) error) error {
	return r.UserMessagesIn(user, store.MessageRange{}, fn)
}

func (r *reader) UserMessagesIn(user int64, q store.MessageRange, fn func(*store.MessageRow) error) error {
	runs, err := r.runsOf(runMessages)
	if err != nil {
		return err
	}
	from := `SELECT ` + messageColumns + ` FROM messages m` + r.by("messages_by_user") + ` WHERE m.app = $1 AND m."user" = $2`
	if r.dialect.Runs {
		from += ` AND m.run = $3`
	}
	read := func(run int64, q *store.MessageRange, fn func(*store.MessageRow) error) error {
		args := []any{r.app, user}
		if r.dialect.Runs {
			args = append(args, run)
		}
		sql, args := inRange(from, args, "m", q)
		return r.messages(sql, args, fn)
	}
	if len(runs) == 1 {
		return read(0, &q, fn)
	}
	less := func(a, b *store.MessageRow) bool {
		order := cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), bytes.Compare(a.ID, b.ID))
		if q.Newest {
			order = -order
		}
		return order < 0
	}
	return mergeRuns(runs, less, KeepMessage, func(run int64, after *store.MessageRow, take func(*store.MessageRow) error) error {
		rest := q
		switch {
		case after == nil:
		case q.Newest:
			rest.BeforeTime, rest.BeforeID = after.CreatedAt, string(after.ID)
		default:
			rest.AfterTime, rest.AfterID = after.CreatedAt, string(after.ID)
		}
		return read(run, &rest, take)
	}, fn)
}

func (r *reader) CountUserMessages(user int64) (n int, err error) {
	err = r.conn.Query(`SELECT count(*) FROM messages m`+r.by("messages_by_user")+` WHERE m.app = $1 AND m."user" = $2`+r.inRuns("m", runMessages),
		[]any{r.app, user}, func(s Row) error {
			n = int(s.Int(0))
			return nil
		})
	return n, err
}

func (r *reader) UserReactions(user int64, fn func(*store.ReactionRow) error) error {
	runs, err := r.runsOf(runReactions)
	if err != nil {
		return err
	}
	read := func(run int64, after *store.ReactionRow, fn func(*store.ReactionRow) error) error {
		sql, args := `SELECT `+reactionColumns+` FROM reactions r`+r.by("reactions_by_user")+` WHERE r.app = $1 AND r."user" = $2`, []any{r.app, user}
		if r.dialect.Runs {
			sql, args = sql+` AND r.run = $3`, append(args, run)
		}
		if after != nil {
			sql += ` AND (r.created_at, r.message, r.type) > ($4, $5, $6)`
			args = append(args, after.CreatedAt, after.MessageID, after.Type)
		}
		var row store.ReactionRow
		return r.conn.Query(sql+` ORDER BY r.created_at, r.message, r.type`, args, func(s Row) error {
			scanReaction(s, &row)
			return fn(&row)
		})
	}
	if len(runs) == 1 {
		return read(0, nil, fn)
	}
	less := func(a, b *store.ReactionRow) bool {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.MessageID, b.MessageID), cmp.Compare(a.Type, b.Type)) < 0
	}
	keep := func(row *store.ReactionRow, buf []byte) []byte { // the rest is its own already
		from := len(buf)
		buf = append(buf, row.Body...)
		row.Body = buf[from:len(buf):len(buf)]
		return buf
	}
	return mergeRuns(runs, less, keep, read, fn)
}
