package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// errShared stands for all that would go wrong behind such a pooler, now or
// later: statements are prepared, and connections have settings and hold locks.
var errShared = errors.New("the pooler in front of the database pools by transaction: let it pool by session (PgBouncer: pool_mode = session), or connect directly")

// mark sets something that means nothing: some poolers leave a connection to
// whoever has set something on it, which will do.
const mark = "SET hansard.own = 'yes'; "

// errNoneFree is for a pooler that has no connection to give, or a server that
// takes connections and says nothing.
var errNoneFree = fmt.Errorf("the database gave no connection, or no answer, within %s: the pooler in front of it may have none left", ownPatience)

const ownPatience = 30 * time.Second

// own fails if connections are not one's own: if a pooler gives them to others
// between transactions.
func own(ctx context.Context, config *pgconn.Config) error {
	ctx, done := context.WithTimeoutCause(ctx, ownPatience, errNoneFree)
	defer done()
	err := compare(ctx, config)
	if err != nil && errors.Is(context.Cause(ctx), errNoneFree) {
		return errNoneFree
	}
	return err
}

// compare looks whether connections keep what they are connected to.
func compare(ctx context.Context, config *pgconn.Config) (err error) {
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	pid, err := pidOf(ctx, conn, mark)
	if err != nil || pid == fmt.Sprint(conn.PID()) {
		return err // it is the one that we connected to
	}
	// There is something in between. A second connection may then get what the
	// first one had, or keep it from having the same again.
	other, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.Close(ctx)) }()
	for _, first := range []string{mark, "BEGIN; "} {
		taken, err := pidOf(ctx, other, first)
		if err != nil {
			return err
		}
		if taken == pid {
			return errShared
		}
	}
	for range 2 { // they may be given out in turn
		again, err := pidOf(ctx, conn, "")
		if err != nil {
			return err
		}
		if again != pid {
			return errShared
		}
	}
	return nil
}

// pidOf is which process of the server answers, after what is to be done first.
func pidOf(ctx context.Context, conn *pgconn.PgConn, first string) (string, error) {
	results, err := conn.Exec(ctx, first+"SELECT pg_backend_pid()").ReadAll()
	if err != nil {
		return "", err
	}
	return string(results[len(results)-1].Rows[0][0]), nil
}
