package postgres

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"hansard/internal/store/sqlstore"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// explain says in one line why the database cannot be used.
func explain(dsn string, err error) error {
	if err == nil {
		return nil
	}
	config, perr := pgx.ParseConfig(dsn)
	if perr != nil {
		return err
	}
	say := func(format string, args ...any) error { return sqlstore.Explain(err, format, args...) }
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case "28P01", "28000":
			return say("the database refuses the user %s (%s): is the password right? It is in the URL, in PGPASSWORD or in a passfile", config.User, e.Message)
		case "3D000":
			return say("there is no database %s: make it with createdb --encoding=UTF8 --template=template0 %s", config.Database, config.Database)
		case "42501":
			return say("the user %s lacks a right (%s): docs/operations.md says which are needed", config.User, e.Message)
		}
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); !ok {
		return err
	}
	at := config.Host
	if !strings.HasPrefix(at, "/") {
		at = net.JoinHostPort(config.Host, fmt.Sprint(config.Port))
	}
	reason := err
	if op, ok := errors.AsType[*net.OpError](err); ok {
		reason = op.Err
	} else if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		reason = errors.New(e.Message)
	}
	return say("the database at %s cannot be reached: %s", at, strings.Join(strings.Fields(reason.Error()), " "))
}
