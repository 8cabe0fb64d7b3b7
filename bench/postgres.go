package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hansard/internal/pgtest"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgresServer is the server that Hansard and its peers have their databases
// on.
type postgresServer struct {
	cluster *pgtest.Cluster // nil if the server is not of our making
	admin   string          // URL of a database from which others are made
	version string
	pid     int // of its first process; 0 if that is not known
}

// postgresSettings are what anybody would set on a machine of some gigabytes;
// and what is acknowledged is on the disk.
var postgresSettings = []string{
	"fsync=on", "full_page_writes=on", "shared_buffers=512MB", "max_wal_size=4GB", "maintenance_work_mem=256MB", "work_mem=64MB",
}

// startPostgres starts a server, unless one is given.
func startPostgres(ctx context.Context, given string) (p *postgresServer, err error) {
	p = &postgresServer{admin: given}
	if given == "" {
		if p.cluster, err = pgtest.Launch(ctx, postgresSettings...); err != nil {
			return nil, fmt.Errorf("starting PostgreSQL: %w", err)
		}
		p.admin = p.cluster.DSN("postgres")
	}
	if err := p.ask(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("asking PostgreSQL: %w", err), p.end())
	}
	return p, nil
}

// ask learns the version of the server and which process it is, if it is here.
func (p *postgresServer) ask(ctx context.Context) (err error) {
	conn, err := pgconn.Connect(ctx, p.admin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	r, err := conn.Exec(ctx, "SELECT current_setting('server_version'), pg_backend_pid()").ReadAll()
	if err != nil {
		return err
	}
	row := r[0].Rows[0]
	p.version = string(row[0])
	if p.cluster != nil {
		p.pid = parentOf(string(row[1]))
	}
	return nil
}

func (p *postgresServer) end() error {
	if p.cluster == nil {
		return nil
	}
	return p.cluster.End()
}

// databases of one chat, which are made and removed with it.
const (
	hansardDatabase = "hansard_bench"
	copyDatabase    = "hansard_bench_copy"
	peerDatabase    = "hansard_bench_peer"
)

func (p *postgresServer) dsn(database string) string {
	u, err := url.Parse(p.admin)
	if err != nil {
		return "" // it was used before
	}
	u.Path = "/" + database
	return u.String()
}

// create makes a database anew, empty or like another one.
func (p *postgresServer) create(ctx context.Context, name, like string) error {
	if err := p.drop(ctx, name); err != nil {
		return err
	}
	return execute(ctx, p.admin, "CREATE DATABASE "+name+" TEMPLATE "+like)
}

func (p *postgresServer) drop(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := execute(ctx, p.admin, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			return err
		}
	}
	return nil
}

// settle does what the server would do by itself some minutes after much has
// been written, and would else do while something is measured.
func (p *postgresServer) settle(ctx context.Context, name string) error {
	return errors.Join(execute(ctx, p.dsn(name), "VACUUM ANALYZE"), execute(ctx, p.admin, "CHECKPOINT"))
}

// cpu is the processor time of all processes of the server, those that have
// ended too.
func (p *postgresServer) cpu() time.Duration {
	if p == nil || p.pid == 0 {
		return 0
	}
	// A process that ends meanwhile would count twice or not at all.
	last := p.cpuNow()
	for range 10 {
		now := p.cpuNow()
		if d := now - last; d >= 0 && d <= 2*ticks {
			return now
		}
		last = now
	}
	return last
}

func (p *postgresServer) cpuNow() time.Duration {
	sum := func(stat []string, fields ...int) (total int64) {
		for _, i := range fields {
			n, _ := strconv.ParseInt(stat[i], 10, 64) // the kernel writes numbers
			total += n
		}
		return total
	}
	var total int64
	all, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is a good one
	for _, path := range all {
		if stat := statFields(path); len(stat) > 1 && stat[1] == strconv.Itoa(p.pid) {
			total += sum(stat, 11, 12)
		}
	}
	if stat := statFields(fmt.Sprintf("/proc/%d/stat", p.pid)); stat != nil {
		total += sum(stat, 11, 12, 13, 14) // its own, and of children that have ended
	}
	return time.Duration(total) * ticks
}

// statFields are what follows the name of a process in its stat file: the
// state, the parent, and so on.
func statFields(path string) []string {
	stat, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(f) < 15 {
		return nil
	}
	return f
}

func parentOf(pid string) int {
	stat := statFields("/proc/" + pid + "/stat")
	if stat == nil {
		return 0
	}
	n, _ := strconv.Atoi(stat[1]) // the kernel writes numbers
	return n
}
