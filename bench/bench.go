package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"hansard/client"
)

// bench takes all measures with one chat.
type bench struct {
	*options
	hansard program
	chat    *chatFile
	work    string // a folder of its own
	results results
	copied  string // of the data folder, while something is measured that writes to it

	app struct {
		Key    string `json:"api_key"`
		Secret string `json:"api_secret"`
	}
}

// data is the folder that servers run on.
func (b *bench) data() string { return cmp.Or(b.copied, filepath.Join(b.work, "data")) }

func (b *bench) run(ctx context.Context) error {
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
	for _, e := range b.exports() {
		if !b.only.MatchString(e.name) {
			continue
		}
		for i := range b.repeat {
			say("%s: %s %d of %d", b.chat.name, e.name, i+1, b.repeat)
			if err := b.export(ctx, e); err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
		}
	}
	for _, m := range []struct {
		name string
		take func(context.Context) error
	}{
		{"requests", b.requests},
		{sending, b.onCopy(b.sending)},
		{sendingBeside, b.onCopy(b.sendingBeside)},
		{readingBeside, b.onCopy(b.readingBeside)},
	} {
		if !b.only.MatchString(m.name) {
			continue
		}
		for i := range b.repeat {
			say("%s: %s %d of %d", b.chat.name, m.name, i+1, b.repeat)
			if err := m.take(ctx); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
	}
	return nil
}

// importChat loads the chat into an empty store.
func (b *bench) importChat(ctx context.Context) error {
	if err := os.RemoveAll(b.work); err != nil {
		return err
	}
	if err := os.MkdirAll(b.work, 0o755); err != nil {
		return err
	}
	out, _, err := b.hansard.run(ctx, "app", "create", "--name", "bench", "--data", b.data(), "--json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, &b.app); err != nil {
		return fmt.Errorf("hansard app create: %w", err)
	}
	began := time.Now()
	_, used, err := b.hansard.run(ctx, "import", "--data", b.data(), "--api-key", b.app.Key, b.chat.path)
	if err != nil {
		return err
	}
	b.record("import", time.Since(began), int64(b.chat.messages), b.chat.size, used)
	return nil
}

// record adds the figures that imports and exports have in common.
func (b *bench) record(measure string, took time.Duration, messages, size int64, used usage) {
	if !b.only.MatchString(measure) {
		return
	}
	b.results.add(measure, "messages/s", float64(messages)/took.Seconds())
	b.results.add(measure, "MB/s", float64(size)/1e6/took.Seconds())
	b.results.add(measure, "s of processor time", used.cpu.Seconds())
	if used.peak > 0 {
		b.results.add(measure, "MB of memory at most", float64(used.peak)/1e6)
	}
}

// onCopy takes a measure that adds to the store on a copy of it: the next one
// is to find what this one has found.
func (b *bench) onCopy(take func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		original := b.data()
		b.copied = filepath.Join(b.work, "copy")
		defer func() {
			err = errors.Join(err, os.RemoveAll(b.copied))
			b.copied = ""
		}()
		if err := os.CopyFS(b.copied, os.DirFS(original)); err != nil {
			return err
		}
		// What is still to be written to the disk would get in the way.
		f, err := os.Open(filepath.Join(b.copied, "hansard.db"))
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
	s, err := b.hansard.serve(ctx, b.data(), settings...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	c, err := client.New(client.Options{Server: s.url, APIKey: b.app.Key, APISecret: b.app.Secret})
	if err != nil {
		return err
	}
	return fn(s, c)
}

// copyTime is how long cp takes for a file.
func copyTime(ctx context.Context, path string) (time.Duration, error) {
	to := path + ".copy"
	defer func() { _ = os.Remove(to) }()
	began := time.Now()
	if out, err := exec.CommandContext(ctx, "cp", path, to).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("cp: %w\n%s", err, out)
	}
	return time.Since(began), nil
}
