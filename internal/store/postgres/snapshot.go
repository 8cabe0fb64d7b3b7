package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/store/postgres/thin"
	"hansard/internal/store/sqlstore"

	"github.com/jackc/pgx/v5/pgxpool"
)

// snapshot is a Reader that keeps a connection. Messages are copied over a
// second one, which shares what it sees: callbacks look things up on the first
// one meanwhile.
type snapshot struct {
	sqlstore.Reader
	store  *Store
	ctx    context.Context //nolint:containedctx // ends with Interrupt and Close
	cancel context.CancelFunc
	app    int64
	asOf   chat.Time
	id     string // of the snapshot, for other connections; "" = there are none

	base    *held
	stream  *held // nil until it is needed, and after it was cut short
	copying bool
	ahead   ahead

	closing sync.Once
}

// held is a connection that is kept for longer.
type held struct {
	pool *pgxpool.Conn
	*thin.Conn
}

func (h *held) close(ctx context.Context) {
	_ = h.Rollback() // there is nothing to lose
	h.Close(ctx)
	h.pool.Release()
}

// Snapshot opens a Reader of that app that holds its instant until Close. When
// all that may be open are, it waits for one to be closed.
func (s *Store) Snapshot(ctx context.Context, app int64) (store.Snapshot, error) {
	snap, err := s.openSnapshot(ctx, app, "")
	if err != nil {
		return nil, fmt.Errorf("open a snapshot: %w", err)
	}
	return snap, nil
}

// Shares reports whether connections can share snapshots.
func (s *Store) Shares() bool { return !s.opts.OneConn }

// ShareSnapshot is Snapshot for one that others join.
func (s *Store) ShareSnapshot(ctx context.Context, app int64) (store.SharedSnapshot, error) {
	snap, err := s.openSnapshot(ctx, app, "")
	if err != nil {
		return nil, fmt.Errorf("open a snapshot: %w", err)
	}
	return snap, nil
}

// JoinSnapshot opens a snapshot that was shared once more.
func (s *Store) JoinSnapshot(ctx context.Context, app int64, id string) (store.Snapshot, error) {
	if id == "" || !s.Shares() {
		return nil, errors.New("join a snapshot: this one cannot be shared")
	}
	snap, err := s.openSnapshot(ctx, app, id)
	switch codeOf(err) {
	case "22023", "42704", "55000": // whoever had it open is gone
		err = store.ErrLeaseLost
	}
	if err != nil {
		return nil, fmt.Errorf("join a snapshot: %w", err)
	}
	return snap, nil
}

// Twin joins the snapshot. It does not wait for a slot: those who have them may
// be waiting for twins.
func (s *snapshot) Twin(ctx context.Context) (store.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.id == "" {
		return nil, nil
	}
	select {
	case s.store.slots <- struct{}{}:
	default:
		return nil, nil
	}
	twin, err := s.store.inSlot(ctx, s.app, s.id)
	if err != nil {
		return nil, fmt.Errorf("join a snapshot: %w", err)
	}
	twin.asOf = s.asOf
	return twin, nil
}

// openSnapshot opens a snapshot, or joins the one with that id.
func (s *Store) openSnapshot(ctx context.Context, app int64, id string) (*snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.inSlot(ctx, app, id)
}

// inSlot opens a snapshot for which there is a slot.
func (s *Store) inSlot(ctx context.Context, app int64, id string) (*snapshot, error) {
	if err := s.enter(); err != nil {
		<-s.slots
		return nil, err
	}
	var snap *snapshot
	err := s.patiently(ctx, func() (err error) {
		snap, err = s.snapshot(ctx, app, id)
		return err
	})
	if err != nil {
		<-s.slots
		s.open.Done()
		return nil, err
	}
	return snap, nil
}

func (s *Store) snapshot(ctx context.Context, app int64, id string) (*snapshot, error) {
	pc, err := s.snaps.Acquire(ctx)
	if err != nil {
		return nil, explain(s.dsn, &connectError{err})
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	snap := &snapshot{store: s, app: app, ctx: own, cancel: cancel, base: &held{pc, thin.Of(pc.Conn().PgConn())}}
	sql := `SELECT (extract(epoch FROM now()) * 1000000)::bigint, pg_export_snapshot()`
	if s.opts.OneConn {
		sql = `SELECT (extract(epoch FROM now()) * 1000000)::bigint, ''`
	}
	if id == "" {
		snap.base.Begin(own, beginRead)
	} else if err := snap.base.Open(own, joinRead(id)); err != nil {
		stop()
		snap.base.close(own)
		cancel()
		return nil, err
	}
	err = snap.base.Query(sql, nil, func(r *thin.Row) error {
		snap.asOf, snap.id = r.Time(0), r.Text(1)
		return nil
	})
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		snap.base.close(own)
		cancel()
		return nil, err
	}
	if s.opts.Now != nil {
		snap.asOf = chat.TimeOf(s.opts.Now())
	}
	snap.Reader = sqlstore.NewReader(snapConn{conn{snap.base.Conn}, snap}, dialect, app)
	return snap, nil
}

func (s *snapshot) AsOf() chat.Time { return s.asOf }

func (s *snapshot) ID() string { return s.id }

func (s *snapshot) Interrupt() { s.cancel() }

func (s *snapshot) Close() error {
	err := errors.New("the snapshot is closed already")
	s.closing.Do(func() {
		s.closeStream()
		s.base.close(s.ctx)
		s.cancel()
		<-s.store.slots
		s.store.open.Done()
		err = nil
	})
	return err
}

func (s *snapshot) closeStream() {
	if s.stream != nil {
		s.stream.close(s.ctx)
		s.stream = nil
	}
}

// openStream opens the second connection. Messages are read in the order of an
// index: sorting them first would take as much room as they do.
func (s *snapshot) openStream() error {
	if s.stream != nil {
		return nil
	}
	pc, err := s.store.snaps.Acquire(s.ctx)
	if err != nil {
		return explain(s.store.dsn, &connectError{err})
	}
	s.stream = &held{pc, thin.Of(pc.Conn().PgConn())}
	err = s.stream.Open(s.ctx, joinRead(s.id)+`; SET LOCAL enable_sort = off`)
	if err != nil {
		s.closeStream()
	}
	return err
}

// joinRead begins a transaction that sees what another one does.
func joinRead(id string) string { return beginRead + `; SET TRANSACTION SNAPSHOT ` + quote(id) }

// inline writes parameters into a statement: COPY cannot have any.
func inline(sql string, args []any) (string, error) {
	var out strings.Builder
	for {
		i := strings.IndexByte(sql, '$')
		if i < 0 {
			out.WriteString(sql)
			return out.String(), nil
		}
		end := i + 1
		for end < len(sql) && '0' <= sql[end] && sql[end] <= '9' {
			end++
		}
		n, err := strconv.Atoi(sql[i+1 : end])
		if err != nil || n < 1 || n > len(args) {
			return "", fmt.Errorf("a parameter of %q cannot be written into it", sql)
		}
		out.WriteString(sql[:i])
		if err := literal(&out, args[n-1]); err != nil {
			return "", err
		}
		sql = sql[end:]
	}
}

func literal(out *strings.Builder, v any) error {
	switch v := v.(type) {
	case int:
		out.WriteString(strconv.Itoa(v))
	case int64:
		out.WriteString(strconv.FormatInt(v, 10))
	case chat.Time:
		out.WriteString(strconv.FormatInt(int64(v), 10))
	case bool:
		out.WriteString(strconv.FormatBool(v))
	case string:
		if strings.IndexByte(v, 0) >= 0 {
			return errors.New("a text for the database has a zero in it")
		}
		out.WriteString(quote(v))
	case []byte:
		out.WriteString(`'\x` + hex.EncodeToString(v) + `'::bytea`)
	case nil:
		out.WriteString(`NULL`)
	default:
		return fmt.Errorf("a %T cannot be written into a statement", v)
	}
	return nil
}

// quote makes a literal of a text. Backslashes are plain characters, see
// settings.
func quote(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }
