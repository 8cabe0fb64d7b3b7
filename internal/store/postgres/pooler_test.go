package postgres_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"hansard/internal/pgtest"
	"hansard/internal/store/postgres"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// pooler stands between clients and a server, as PgBouncer does: it logs clients
// in by itself, and gives them one of its own connections, for a transaction or
// for as long as they stay.
type pooler struct {
	keeps keeps
	free  chan *pgconn.HijackedConn // given out in turn
}

// keeps says how long a client keeps a connection.
type keeps int

const (
	transaction keeps = iota
	session
	onceSet // a session once it has set or prepared something, until then a transaction
)

// openPooler returns the URL of a pooler that has so many connections.
func openPooler(t *testing.T, dsn string, keeps keeps, conns int) string {
	t.Helper()
	p := &pooler{keeps: keeps, free: make(chan *pgconn.HijackedConn, conns)}
	for range conns {
		conn, err := pgconn.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		server, err := conn.Hijack()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Conn.Close() })
		p.free <- server
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { p.serve(t.Context(), client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		open.Wait()
	})
	return "postgres://pooled@" + listener.Addr().String() + "/pooled?sslmode=disable"
}

// serve goes on until the client or the test ends.
func (p *pooler) serve(ctx context.Context, client net.Conn) {
	defer client.Close()
	defer context.AfterFunc(ctx, func() { _ = client.Close() })()
	back := pgproto3.NewBackend(client, client)
	if _, err := back.ReceiveStartupMessage(); err != nil {
		return
	}
	back.Send(&pgproto3.AuthenticationOk{})
	back.Send(&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"})
	back.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	back.Send(&pgproto3.BackendKeyData{SecretKey: []byte("none")}) // not a server's
	back.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if back.Flush() != nil {
		return
	}
	var server *pgconn.HijackedConn
	keeps := p.keeps == session
	for {
		m, err := back.Receive()
		if err != nil {
			break
		}
		if _, ok := m.(*pgproto3.Terminate); ok {
			break
		}
		if server == nil {
			select {
			case server = <-p.free:
			case <-ctx.Done():
				return
			}
		}
		server.Frontend.Send(m)
		switch m := m.(type) {
		case *pgproto3.Query:
			keeps = keeps || p.keeps == onceSet && strings.HasPrefix(m.String, "SET ")
		case *pgproto3.Sync:
		case *pgproto3.Parse:
			keeps = keeps || p.keeps == onceSet
			continue
		default:
			continue
		}
		status, err := answer(server.Frontend, back)
		if err != nil {
			break
		}
		// A client that has its answer finds the connection given back already,
		// as with a pooler of one thread: in which order they are given out would
		// else depend on which goroutine runs first.
		if status == 'I' && !keeps {
			p.free <- server
			server = nil
		}
		if back.Flush() != nil {
			break
		}
	}
	if server != nil && !keeps {
		server.Frontend.Send(&pgproto3.Query{String: "ROLLBACK"})
		if _, err := answer(server.Frontend, nil); err == nil {
			p.free <- server
		}
	}
}

// answer hands on what the server sends until it is ready, but for flushing it,
// and returns whether it is in a transaction then.
func answer(server *pgproto3.Frontend, back *pgproto3.Backend) (status byte, err error) {
	if err := server.Flush(); err != nil {
		return 0, err
	}
	for {
		m, err := server.Receive()
		if err != nil {
			return 0, err
		}
		if back != nil {
			back.Send(m)
		}
		if ready, ok := m.(*pgproto3.ReadyForQuery); ok {
			return ready.TxStatus, nil
		}
	}
}

// A pooler that gives connections to others between transactions is refused,
// before anything is done to the database; one that does not is as good as none.
func TestPoolers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		keeps keeps
		conns int
	}{
		{"by transaction, one connection", transaction, 1},
		{"by transaction, two connections", transaction, 2},
		{"by transaction, three connections", transaction, 3},
		{"by session", session, 20},
		{"by session once something is set", onceSet, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.Database(t)
			pooled := openPooler(t, dsn, c.keeps, c.conns)
			if c.keeps == transaction {
				_, err := postgres.Migrate(t.Context(), pooled)
				if err == nil || !strings.Contains(err.Error(), "let it pool by session") {
					t.Errorf("migrating: %v", err)
				}
				_, err = postgres.Open(t.Context(), pooled, postgres.Options{})
				if err == nil || !strings.Contains(err.Error(), "let it pool by session") {
					t.Errorf("opening: %v", err)
				}
				if n := ask(t, dsn, `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`); n != "0" {
					t.Errorf("%s tables were made", n)
				}
				return
			}
			s := openStore(t, pooled, postgres.Options{})
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
