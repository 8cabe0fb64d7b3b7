package main

import (
	"context"
	_ "embed" // the statements
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// What is measured beside Hansard, with the same messages.
const (
	peerCopy        = "cp, and fsync"
	peerLoop        = "Go loop on SQLite"
	peerSQLite      = "sqlite3, json_object"
	peerSQLiteFlat  = "sqlite3 -json, columns only"
	peerPsql        = "psql COPY row_to_json"
	peerPsqlFewer   = "psql COPY row_to_json, without reactions"
	peerPsqlOwn     = "psql COPY of Hansard's own rows, binary"
	peerZstd        = "zstd -1 -T2 of the plain file"
	peerPigz        = "pigz -1 of the plain file"
	loopCommand     = "loop" // this program as the Go loop
	peerSQLiteFile  = "peer.db"
	ownRows         = `SELECT app, channel, created_at, "user", deleted_at, kind, id, parent, quoted, body, reactions, thread, pin FROM messages ORDER BY app, channel, created_at, id`
	processorTime   = "s of processor time"
	firstByteOnDisk = "ms until the first byte is on disk"
	memoryAtMost    = "MB of memory at most"

	processorTimePostgres = "s of processor time of PostgreSQL"
)

// The statements, as somebody writes them who knows the database. They give
// what a line of a v2 export has.
var (
	//go:embed peers/postgres.sql
	postgresQuery string
	//go:embed peers/postgres-no-reactions.sql
	postgresQueryFewer string
	//go:embed peers/sqlite.sql
	sqliteQuery string
	//go:embed peers/sqlite-flat.sql
	sqliteQueryFlat string
)

// peer is a program that is measured.
type peer struct {
	name    string
	args    []string
	output  bool // it writes to standard output; else to the file that is its last argument
	plain   bool // it is about the newest plain export
	partial bool // its output is not the same messages, or none at all
}

// peerMeasures makes what the peers need and gives their measures. A program
// that is not installed is left out.
func (b *bench) peerMeasures(ctx context.Context) ([]measure, error) {
	if b.targets && !b.atMiddle() || !b.targets && b.chat.messages > b.peers {
		return nil, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	database := filepath.Join(b.work, peerSQLiteFile)
	all := []peer{
		{name: peerCopy, args: []string{"cp"}, plain: true},
		{name: peerZstd, args: []string{"zstd", "-q", "-1", "-T2", "-c"}, plain: true, output: true},
		{name: peerPigz, args: []string{"pigz", "-1", "-c"}, plain: true, output: true},
	}
	if b.pg == nil {
		all = append(
			all,
			peer{name: peerLoop, args: []string{self, loopCommand, database}},
			peer{name: peerSQLite, args: []string{"sqlite3", "-batch", "-readonly", database, sqliteQuery}, output: true},
			peer{name: peerSQLiteFlat, args: []string{"sqlite3", "-batch", "-readonly", "-json", database, sqliteQueryFlat}, output: true},
		)
	} else {
		psql := func(name, database, query, format string, partial bool) peer {
			return peer{
				name: name, output: true, partial: partial,
				args: []string{"psql", "-X", "-q", "-d", b.pg.dsn(database), "-c", "COPY (" + query + ") TO STDOUT" + format},
			}
		}
		all = append(
			all,
			psql(peerPsql, peerDatabase, postgresQuery, "", false),
			psql(peerPsqlFewer, peerDatabase, postgresQueryFewer, "", false),
			psql(peerPsqlOwn, hansardDatabase, ownRows, " (FORMAT binary)", true),
		)
	}
	var wanted []measure
	tables := false
	for _, p := range all {
		if !b.only.MatchString(p.name) {
			continue
		}
		if _, err := exec.LookPath(p.args[0]); err != nil {
			say("%s is not installed: %s is left out", p.args[0], p.name)
			continue
		}
		tables = tables || !p.plain
		wanted = append(wanted, measure{p.name, func(ctx context.Context) error { return b.peer(ctx, p) }})
	}
	if !tables {
		return wanted, nil
	}
	say("%s: making the tables of the peers", b.chat.name)
	if b.pg == nil {
		return wanted, loadSQLite(ctx, database, b.chat.path)
	}
	if err := b.pg.create(ctx, peerDatabase, "template1"); err != nil {
		return nil, err
	}
	return wanted, errors.Join(loadPostgres(ctx, b.pg.dsn(peerDatabase), b.chat.path), b.pg.settle(ctx, peerDatabase))
}

// peer measures one: from the start of its process until what it has written
// is on the disk.
func (b *bench) peer(ctx context.Context, p peer) (err error) {
	args := p.args
	if p.plain {
		if err := b.havePlain(ctx); err != nil || b.plain == "" {
			return err
		}
		args = append(slices.Clip(args), b.plain)
	}
	path := filepath.Join(b.work, "peer.out")
	defer func() {
		if rerr := os.Remove(path); !errors.Is(rerr, os.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}()
	if !p.output {
		args = append(slices.Clip(args), path)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	stderr := &tail{}
	cmd.Stderr = stderr
	theirs := b.pg.cpu()
	began := time.Now()
	if p.output {
		out, err := os.Create(path)
		if err != nil {
			return err
		}
		defer func() { _ = out.Close() }()
		cmd.Stdout = out
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	done, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- watchPeak(cmd.Process.Pid, done) }()
	err = cmd.Wait()
	close(done)
	used := usage{peak: <-peak}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", args[0], err, stderr)
	}
	if err := syncFile(path); err != nil {
		return err
	}
	took := time.Since(began)
	used.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	messages, size := int64(b.chat.messages), info.Size()
	theirs = b.pg.cpu() - theirs
	if p.plain {
		messages, theirs = 0, 0 // PostgreSQL has no part in it
		if info, err = os.Stat(b.plain); err != nil {
			return err
		}
		size = info.Size()
	}
	b.record(p.name, took, messages, size, used, theirs)
	if p.plain || p.partial {
		return nil
	}
	return b.check(ctx, p.name, path)
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// havePlain makes the plain export that some peers work on, if none is there.
// Where exports are swallowed there is none.
func (b *bench) havePlain(ctx context.Context) error {
	if b.plain != "" || b.files() == "" {
		return nil
	}
	return b.export(ctx, b.exports()[0])
}
