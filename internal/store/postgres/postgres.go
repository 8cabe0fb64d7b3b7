package postgres

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store/postgres/thin"
	"hansard/internal/store/sqlstore"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options are the settings of a store. The zero value is ready to use.
type Options struct {
	Logger *slog.Logger
	// NoMigrate opens the database only if its schema is current.
	NoMigrate bool
	// Now is the store's clock; nil means that of the database.
	Now func() time.Time
	// Conns bounds the connections for requests and tasks; 0 means 16, or what
	// the DSN says (pool_max_conns).
	Conns int
	// SnapshotConns bounds the connections of snapshots, each of which takes
	// two while it streams; 0 means 16.
	SnapshotConns int
	// OneConn makes a snapshot use one connection alone, and do without
	// pg_export_snapshot: for databases that are spread over several machines.
	// It is always so where the extension citus is installed.
	OneConn bool
	// Patience is how long a call goes on trying while the database cannot be
	// reached; 0 means 5 s.
	Patience time.Duration
}

// Store is a store.Store on a PostgreSQL database.
type Store struct {
	opts  Options
	dsn   string
	pool  *pgxpool.Pool // requests and tasks
	snaps *pgxpool.Pool // snapshots
	slots chan struct{} // one for each snapshot that may be open

	mu     sync.Mutex
	closed bool
	open   sync.WaitGroup // transactions and snapshots
}

const (
	defaultConns    = 16
	defaultPatience = 5 * time.Second
)

// Open opens the store in the database that the DSN names, a URL
// (postgres://…) or a list of keywords. It fails with a clear error if the
// schema is newer than this program, or older and NoMigrate is set.
func Open(ctx context.Context, dsn string, opts Options) (_ *Store, err error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Patience == 0 {
		opts.Patience = defaultPatience
	}
	s := &Store{opts: opts, dsn: dsn}
	if _, err := s.migrate(ctx); err != nil {
		return nil, err
	}
	if s.pool, err = s.connect(ctx, opts.Conns, requestSettings); err != nil {
		return nil, err
	}
	s.opts.SnapshotConns = max(cmp.Or(s.opts.SnapshotConns, defaultConns), 2)
	if s.snaps, err = s.connect(ctx, s.opts.SnapshotConns, snapshotSettings); err != nil {
		s.pool.Close()
		return nil, err
	}
	if err := s.examine(ctx); err != nil {
		s.pool.Close()
		s.snaps.Close()
		return nil, err
	}
	// Each snapshot that is open finds a second connection when it needs one.
	slots := s.opts.SnapshotConns
	if !s.opts.OneConn {
		slots /= 2
	}
	s.slots = make(chan struct{}, slots)
	return s, nil
}

// errDSN stands for the errors of parsing a DSN, which quote it, and with it
// the password.
var errDSN = errors.New("the address of the database cannot be read: give a URL like postgres://user@host:5432/name, with / and # in a password written %2F and %23")

// Settings of every connection. Plans are made once for a statement and not
// for its parameters, and go by an index wherever there is one: a statement
// must take the same way on the day when a table has grown and nobody has
// told the planner yet. A commit is durable when it is acknowledged,
// whatever the server's default is. Whoever is frozen in the middle of a
// transaction must not keep others from what it has locked.
const (
	settings = `SET jit = off; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
		SET standard_conforming_strings = on; SET max_parallel_workers_per_gather = 0;
		SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');`
	requestSettings  = settings + `SET idle_in_transaction_session_timeout = '10s'`
	snapshotSettings = settings + `SET idle_in_transaction_session_timeout = 0`
)

// connectPatience is how long connecting may take if the URL does not say.
const connectPatience = 10 * time.Second

func (s *Store) connect(ctx context.Context, conns int, script string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(s.dsn)
	if err != nil {
		return nil, errDSN
	}
	switch {
	case conns > 0:
		config.MaxConns = int32(min(conns, 10_000)) //nolint:gosec // fits
	case !strings.Contains(s.dsn, "pool_max_conns"):
		config.MaxConns = defaultConns
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "hansard"
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectPatience
	}
	// Long results come in large pieces.
	config.ConnConfig.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		return pgproto3.NewFrontend(bufio.NewReaderSize(r, 64<<10), w)
	}
	config.PingTimeout = 5 * time.Second
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		return c.PgConn().Exec(ctx, script).Close()
	}
	return pgxpool.NewWithConfig(ctx, config)
}

// oldest is the first version of PostgreSQL that will do.
const oldest = 140000

// examine looks at what database this is.
func (s *Store) examine(ctx context.Context) error {
	return s.read(ctx, func(c *thin.Conn) error {
		return c.Query(`SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'),
			EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')`, nil, func(r *thin.Row) error {
			switch {
			case r.Int(0) < oldest:
				return errors.New("the database is older than PostgreSQL 14")
			case r.Text(1) != "UTF8":
				return fmt.Errorf("the database has the encoding %s: it must be made with UTF8", r.Text(1))
			}
			s.opts.OneConn = s.opts.OneConn || r.Bool(2)
			return nil
		})
	})
}

// clock is the database's time in µs.
const clock = `(extract(epoch FROM clock_timestamp()) * 1000000)::bigint`

// Now is the store's clock.
func (s *Store) Now(ctx context.Context) (now chat.Time, err error) {
	if s.opts.Now != nil {
		return chat.TimeOf(s.opts.Now()), nil
	}
	err = s.read(ctx, func(c *thin.Conn) (err error) {
		now, err = s.now(c)
		return err
	})
	return now, err
}

// now is the store's clock, as seen from a connection.
func (s *Store) now(c *thin.Conn) (now chat.Time, err error) {
	if s.opts.Now != nil {
		return chat.TimeOf(s.opts.Now()), nil
	}
	err = c.Query(`SELECT `+clock, nil, func(r *thin.Row) error {
		now = r.Time(0)
		return nil
	})
	return now, err
}

// Ping reads from the database.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, func(c *thin.Conn) error {
		_, err := c.Exec(`SELECT 1 FROM apps LIMIT 1`)
		return err
	})
}

// Secret returns the random bytes kept under that name.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	in := func(transact func(context.Context, func(*thin.Conn) error) error) sqlstore.Transact {
		return func(fn func(sqlstore.Conn) error) error {
			return transact(ctx, func(c *thin.Conn) error { return fn(conn{c}) })
		}
	}
	return sqlstore.Secret(in(s.read), in(s.write), name)
}

// errClosed is returned by calls on a store that was closed.
var errClosed = errors.New("the store is closed")

// enter counts a transaction or a snapshot, which Close waits for.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.open.Add(1)
	return nil
}

// Close waits for what runs to end, and closes the connections.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.open.Wait()
	s.pool.Close()
	s.snaps.Close()
	return nil
}
