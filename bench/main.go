package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// The engines.
const (
	onSQLite   = "sqlite"
	onPostgres = "postgres"
)

// onDisk is where exports go as a rule.
const onDisk = "disk"

type options struct {
	sizes    []int
	file     string
	dir      string
	binary   string
	engines  []string
	postgres string
	storage  string
	repeat   int
	writes   int
	peers    int
	targets  bool
	only     *regexp.Regexp
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) == 3 && args[0] == loopCommand {
		return goLoop(ctx, args[1], args[2])
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "hansard-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if o.dir == "" {
		o.dir = temp
	}
	if o.binary == "" {
		say("building hansard")
		if o.binary, err = buildHansard(ctx, temp); err != nil {
			return err
		}
	}
	objects, err := startObjects(ctx, o.storage)
	if err != nil {
		return err
	}
	hansard := program{path: o.binary}
	if objects != nil {
		defer func() { err = errors.Join(err, objects.end()) }()
		hansard.env = objects.env
	}
	var pg *postgresServer
	if slices.Contains(o.engines, onPostgres) {
		if pg, err = startPostgres(ctx, o.postgres); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, pg.end()) }()
	}
	sources, err := o.sources(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%s; each measure taken %d times\n", machine(pg), o.repeat)
	var done runs
	for i, open := range sources {
		c, err := open()
		if err != nil {
			return err
		}
		for _, engine := range o.engines {
			b := &bench{options: o, hansard: hansard, chat: c, objects: objects, work: filepath.Join(temp, strconv.Itoa(i))}
			if engine == onPostgres {
				b.pg = pg
			}
			if err := b.run(ctx); err != nil {
				return err
			}
			fmt.Printf("\n## %s, %s: %s messages, %d channels, %s users, %s MB\n\n%s%s", c.name, engine, grouped(float64(c.messages)),
				len(c.cids), grouped(float64(c.users)), grouped(float64(c.size)/1e6), b.results.table(), b.results.comparison())
			done = append(done, finished{engine, c, b.results})
		}
	}
	if o.targets {
		fmt.Printf("\n## Targets\n\n%s", done.table(o))
	}
	return nil
}

// sources gives the chats to measure with, made or read one at a time.
func (o *options) sources(ctx context.Context) ([]func() (*chatFile, error), error) {
	if o.file != "" {
		return []func() (*chatFile, error){func() (*chatFile, error) { return examine(filepath.Base(o.file), o.file) }}, nil
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return nil, err
	}
	var list []func() (*chatFile, error)
	for _, n := range o.sizes {
		list = append(list, func() (*chatFile, error) {
			path, err := madeChat(ctx, o.dir, n)
			if err != nil {
				return nil, err
			}
			return examine("made", path)
		})
	}
	if o.targets {
		list = append(list, func() (*chatFile, error) {
			path, err := madeBy(ctx, o.dir, fewAuthors*eachWrites, fewAuthors)
			if err != nil {
				return nil, err
			}
			return examine(byFew, path)
		})
	}
	return list, nil
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	sizes := f.String("sizes", "20000,200000", "how many messages the chats have, separated by commas")
	f.StringVar(&o.file, "file", "", "measure with this import file instead (JSON lines, plain or gzip)")
	f.StringVar(&o.dir, "dir", "", "keep the chats that are made in this folder, for the next time")
	engine := f.String("engine", onSQLite, "sqlite, postgres or both")
	f.StringVar(&o.postgres, "postgres", "", "URL of a PostgreSQL server to use instead of one that is started for it")
	f.StringVar(&o.storage, "storage", onDisk, "where exports go: disk, s3 (versitygw on this machine), null (an S3 server that swallows them), or far (one that answers as slowly as a cloud)")
	f.IntVar(&o.peers, "peers", 200_000, "measure other programs beside with chats of up to that many messages (with -targets: with that of the middle size)")
	f.BoolVar(&o.targets, "targets", false, "take what the table of targets needs, and print it; both engines and three sizes unless -engine and -sizes say otherwise")
	f.StringVar(&o.binary, "hansard", "", "measure this binary instead of building one")
	f.IntVar(&o.repeat, "repeat", 5, "how often each measure is taken")
	f.IntVar(&o.writes, "writes", 40_000, "how many messages are sent in each measure of writing")
	only := f.String("only", "", "take only the measures that this regular expression matches")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	set := map[string]bool{}
	f.Visit(func(f *flag.Flag) { set[f.Name] = true })
	if o.targets {
		if o.file != "" {
			return nil, errors.New("-targets makes its own chats; -file cannot go with it")
		}
		for name, value := range map[string]string{"engine": "both", "sizes": "20000,200000,2000000"} {
			if !set[name] {
				if err := f.Set(name, value); err != nil {
					return nil, err
				}
			}
		}
	}
	switch *engine {
	case onSQLite, onPostgres:
		o.engines = []string{*engine}
	case "both":
		o.engines = []string{onSQLite, onPostgres}
	default:
		return nil, fmt.Errorf("-engine: %q is none of sqlite, postgres, both", *engine)
	}
	if !slices.Contains([]string{onDisk, "s3", "null", "far"}, o.storage) {
		return nil, fmt.Errorf("-storage: %q is none of disk, s3, null, far", o.storage)
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.repeat < 1 {
		return nil, errors.New("-repeat must be at least 1")
	}
	if o.writes < 10*clients || o.writes > maxWrites {
		return nil, fmt.Errorf("-writes must be from %d to %d", 10*clients, maxWrites)
	}
	for s := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 100 || n > 100_000_000 {
			return nil, fmt.Errorf("-sizes: %q is not a number from 100 to 100000000", s)
		}
		o.sizes = append(o.sizes, n)
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	return o, nil
}

// say tells on standard error what is going on; the tables alone go to
// standard output.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
