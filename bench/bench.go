package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hansard/client"
)

// bench takes all measures with one chat on one engine.
type bench struct {
	*options
	hansard program
	chat    *chatFile
	pg      *postgresServer // nil: the embedded engine
	objects *objectStore    // nil: the local disk
	work    string          // a folder of its own
	results results
	copied  bool // something is measured that writes: it is done to a copy

	plain string            // the newest plain export
	sums  map[string]digest // of the messages in each output

	app struct {
		Key    string `json:"api_key"`
		Secret string `json:"api_secret"`
	}
}

// data is the folder that servers run on.
func (b *bench) data() string {
	if b.copied {
		return filepath.Join(b.work, "copy")
	}
	return filepath.Join(b.work, "data")
}

// store is the settings that say where the store is.
func (b *bench) store() []string {
	args := []string{"--data", b.data()}
	switch {
	case b.pg == nil:
		return args
	case b.copied:
		return append(args, "--database", b.pg.dsn(copyDatabase))
	default:
		return append(args, "--database", b.pg.dsn(hansardDatabase))
	}
}

// files is the folder where exports end up; "" if they are swallowed.
func (b *bench) files() string {
	if b.objects != nil {
		return b.objects.dir
	}
	return filepath.Join(b.data(), "files")
}

// file is where a finished export is; "" if it was swallowed.
func (b *bench) file(r *client.Result) string {
	if b.files() == "" {
		return ""
	}
	return filepath.Join(b.files(), filepath.FromSlash(r.Path))
}

// discard removes a finished export.
func (b *bench) discard(r *client.Result) error {
	if path := b.file(r); path != "" {
		return os.Remove(path)
	}
	return nil
}

// measure is something that is measured once a round.
type measure struct {
	name string
	take func(context.Context) error
}

func (b *bench) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, b.clear(context.WithoutCancel(ctx))) }()
	// Everything after the import needs what it has loaded, so it is always
	// done once.
	times := b.repeat
	if !b.only.MatchString("import") {
		times = 1
	}
	for i := range times {
		say("%s: import %d of %d", b.chat.name, i+1, times)
		if err := b.importChat(ctx); err != nil {
			return err
		}
	}
	if b.pg != nil {
		if err := b.pg.settle(ctx, hansardDatabase); err != nil {
			return err
		}
	}
	var exports, others []measure
	for _, e := range b.exports() {
		exports = append(exports, measure{e.name, func(ctx context.Context) error { return b.export(ctx, e) }})
	}
	peers, err := b.peerMeasures(ctx)
	if err != nil {
		return err
	}
	exports = append(append(exports, peers...), b.scaling()...)
	// The larger chat and the one of few are there for the exports.
	if !b.targets || b.atMiddle() {
		others = []measure{
			{"requests", b.requests},
			{sending, b.onCopy(b.sending)},
			{sendingBeside, b.onCopy(b.sendingBeside)},
			{readingBeside, b.onCopy(b.readingBeside)},
		}
	}
	// What is compared is measured in turn: whatever else goes on here meets all
	// of it.
	if err := b.rounds(ctx, exports); err != nil {
		return err
	}
	return b.rounds(ctx, others)
}

func (b *bench) rounds(ctx context.Context, all []measure) error {
	for i := range b.repeat {
		for _, m := range all {
			if !b.only.MatchString(m.name) {
				continue
			}
			say("%s: %s %d of %d", b.chat.name, m.name, i+1, b.repeat)
			b.results.add("load average before the measures", "processes", loadAverage())
			if err := m.take(ctx); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
	}
	return nil
}

// clear leaves nothing behind.
func (b *bench) clear(ctx context.Context) error {
	err := os.RemoveAll(b.work)
	if b.pg != nil {
		err = errors.Join(err, b.pg.drop(ctx, hansardDatabase, copyDatabase, peerDatabase))
	}
	return err
}

// importChat loads the chat into an empty store.
func (b *bench) importChat(ctx context.Context) error {
	if err := os.RemoveAll(b.work); err != nil {
		return err
	}
	if err := os.MkdirAll(b.work, 0o755); err != nil {
		return err
	}
	if b.pg != nil {
		if err := b.pg.create(ctx, hansardDatabase, "template1"); err != nil {
			return err
		}
	}
	out, _, err := b.hansard.run(ctx, append([]string{"app", "create", "--name", "bench", "--json"}, b.store()...)...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, &b.app); err != nil {
		return fmt.Errorf("hansard app create: %w", err)
	}
	theirs := b.pg.cpu()
	began := time.Now()
	_, used, err := b.hansard.run(ctx, append([]string{"import", "--api-key", b.app.Key, b.chat.path}, b.store()...)...)
	if err != nil {
		return err
	}
	b.record("import", time.Since(began), int64(b.chat.messages), b.chat.size, used, b.pg.cpu()-theirs)
	return nil
}

// record adds the figures that imports and exports have in common.
func (b *bench) record(measure string, took time.Duration, messages, size int64, used usage, theirs time.Duration) {
	if !b.only.MatchString(measure) {
		return
	}
	if messages > 0 {
		b.results.add(measure, "messages/s", float64(messages)/took.Seconds())
	}
	b.results.add(measure, "MB/s", float64(size)/1e6/took.Seconds())
	b.results.add(measure, "s", took.Seconds())
	b.results.add(measure, processorTime, used.cpu.Seconds())
	if theirs > 0 {
		b.results.add(measure, processorTimePostgres, theirs.Seconds())
	}
	if used.peak > 0 {
		b.results.add(measure, memoryAtMost, float64(used.peak)/1e6)
	}
}

// onCopy takes a measure that adds to the store on a copy of it: the next one
// is to find what this one has found.
func (b *bench) onCopy(take func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		original := b.data()
		b.copied = true
		defer func() {
			err = errors.Join(err, os.RemoveAll(b.data()))
			b.copied = false
		}()
		if err := os.CopyFS(b.data(), os.DirFS(original)); err != nil {
			return err
		}
		if b.pg != nil {
			if err := b.pg.create(ctx, copyDatabase, hansardDatabase); err != nil {
				return err
			}
			return take(ctx)
		}
		// What is still to be written to the disk would get in the way.
		f, err := os.Open(filepath.Join(b.data(), "hansard.db"))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		return take(ctx)
	}
}

// with runs fn with a server on the chat and a client of it.
func (b *bench) with(ctx context.Context, fn func(*server, *client.Client) error, settings ...string) (err error) {
	s, err := b.serve(ctx, settings...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	c, err := client.New(client.Options{Server: s.url, APIKey: b.app.Key, APISecret: b.app.Secret})
	if err != nil {
		return err
	}
	if err := fn(s, c); err != nil {
		return fmt.Errorf("%w\n%s", err, s.stderr) // it may have logged why
	}
	return nil
}

// serve starts a server on the chat.
func (b *bench) serve(ctx context.Context, settings ...string) (*server, error) {
	return b.hansard.serve(ctx, append(b.place(), settings...)...)
}

// place is where servers and workers find the store and the files.
func (b *bench) place() []string {
	if b.objects != nil {
		return append(b.store(), "--storage", b.objects.storage)
	}
	return b.store()
}
