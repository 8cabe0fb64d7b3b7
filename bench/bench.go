package main

import (
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

	app struct {
		Key    string `json:"api_key"`
		Secret string `json:"api_secret"`
	}
}

func (b *bench) data() string { return filepath.Join(b.work, "data") }

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
	if b.only.MatchString("requests") {
		for i := range b.repeat {
			say("%s: requests %d of %d", b.chat.name, i+1, b.repeat)
			if err := b.requests(ctx); err != nil {
				return fmt.Errorf("requests: %w", err)
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

// with runs fn with a server on the chat and a client of it.
func (b *bench) with(ctx context.Context, fn func(*server, *client.Client) error) (err error) {
	s, err := b.hansard.serve(ctx, b.data())
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
