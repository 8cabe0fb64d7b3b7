package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"hansard/client"
	"hansard/internal/auth"
	"hansard/internal/config"
	"hansard/internal/importer"
	"hansard/internal/progress"
	"hansard/internal/sample"
	"hansard/internal/store"

	"github.com/spf13/cobra"
)

// demoLife is how long the demo's token and links are good: longer than
// anybody looks at a demo.
const demoLife = 24 * time.Hour

func (m *Main) demoCommand() *cobra.Command {
	var once bool
	var listen string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show it all: load a sample chat, export it, and serve it until Ctrl-C",
		Long: `Show it all, in a temporary folder that is removed at the end: load the bundled
sample chat, start the server, export two channels as v1 and as v2 and two users
through its HTTP API, and print links and curl lines to try, unless --once.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := m.demo(cmd.Context(), listen, once)
			if !once && interrupted(cmd.Context(), err) {
				err = nil // Ctrl-C is how a demo ends
			}
			return err
		},
	}
	c.Flags().BoolVar(&once, "once", false, "end after the exports, 1 if one failed")
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address of the server; port 0 is any free one")
	return c
}

func (m *Main) demo(ctx context.Context, listen string, once bool) (err error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", listen, err)
	}
	defer func() { _ = ln.Close() }()
	dir, err := os.MkdirTemp("", "hansard-demo-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	// Nothing of the environment and of hansard.yaml: a demo is the same
	// everywhere.
	s := config.Settings{
		Data: dir, Workers: runtime.NumCPU(), URLTTL: demoLife, Retention: demoLife, LogLevel: slog.LevelWarn,
		MaxChannels: 25, MaxUsers: 25, MaxUserMessages: 10000,
	}
	base := "http://" + reachable(ln.Addr())
	b, err := openBackend(ctx, s, m.logger(s), makeStore, base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	app := store.App{Key: "demo", Name: "Demo", Secret: auth.NewSecret()}
	if err := createApp(ctx, b.store, &app); err != nil {
		return err
	}

	m.notef("Hansard demo\n\n")
	running, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- b.run(running, ln, func() error { return nil }) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()

	if err := m.demoLoad(ctx, b, app); err != nil {
		return err
	}
	d := &demo{Main: m, base: base, app: app}
	if err := d.exports(ctx); err != nil {
		return err
	}
	if err := d.table(); err != nil {
		return err
	}
	if once {
		return m.printf("\nDone. Without --once the server stays up, with links and curl lines to try.\n")
	}
	if err := d.lines(); err != nil {
		return err
	}
	if err := m.printf("The server is up at %s, its data in %s.\nCtrl-C ends it and removes the folder.\n", base, dir); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		served <- nil
		return err
	}
}

func (m *Main) demoLoad(ctx context.Context, b *backend, app store.App) error {
	_, err := m.load(ctx, b, app, bytes.NewReader(sample.File()), importer.FileOptions{Name: sample.Name, Mode: importer.Upsert})
	if err != nil {
		return fmt.Errorf("loading the sample chat: %w", err)
	}
	return nil
}

// demo is what the demo does through the HTTP API, like any other client.
type demo struct {
	*Main
	base string
	app  store.App
	done []demoExport
}

type demoExport struct {
	label string
	task  *client.Task
	took  time.Duration // as the progress bar shows it
}

func (d *demo) exports(ctx context.Context) error {
	c, err := client.New(client.Options{Server: d.base, APIKey: d.app.Key, APISecret: d.app.Secret})
	if err != nil {
		return err
	}
	channels := func(version string) func() (string, error) {
		return func() (string, error) {
			r := client.ChannelsRequest{Version: version}
			for _, cid := range sample.Channels() {
				r.Channels = append(r.Channels, client.ChannelWindow{CID: cid})
			}
			return c.ExportChannels(ctx, r)
		}
	}
	bars := d.bars()
	defer bars.Wait()
	for _, e := range []struct {
		label string
		ask   func() (string, error)
	}{
		{"channels, v1", channels("v1")},
		{"channels, v2", channels("v2")},
		{"users", func() (string, error) {
			return c.ExportUsers(ctx, client.UsersRequest{UserIDs: sample.Users()})
		}},
	} {
		id, err := e.ask()
		if err != nil {
			return fmt.Errorf("exporting %s: %w", e.label, err)
		}
		var bar *progress.Bar
		t, err := follow(ctx, c, id, func() *progress.Bar {
			bar = bars.Add("exporting "+e.label, "messages")
			return bar
		})
		if err != nil {
			return fmt.Errorf("exporting %s: %w", e.label, err)
		}
		// Fetching it checks size and checksum, so a good demo means good files.
		if err := c.Download(ctx, t, io.Discard, nil); err != nil {
			return fmt.Errorf("exporting %s: %w", e.label, err)
		}
		d.done = append(d.done, demoExport{label: e.label, task: t, took: bar.Took()})
	}
	return nil
}

// table shows what was exported.
func (d *demo) table() error {
	w := tabwriter.NewWriter(d.Stdout, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintf(w, "\n%s\n\n", d.bold("Exported"))
	for _, e := range d.done {
		n := e.task.Result.Counts
		_, _ = fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", e.label, count(n["messages"], "messages"),
			count(n["reactions"], "reactions"), size(e.task.Result.Size), progress.Duration(e.took))
	}
	return w.Flush()
}

// lines shows the links and the lines to try.
func (d *demo) lines() error {
	token, err := client.ServerToken(d.app.Secret, demoLife)
	if err != nil {
		return err
	}
	var out strings.Builder
	section := func(title string) { fmt.Fprintf(&out, "\n%s\n\n", d.bold(title)) }
	section("Links, signed and good for a day")
	for _, e := range d.done {
		fmt.Fprintf(&out, "  %s\n  %s\n\n", e.label, e.task.Result.URL)
	}
	out.WriteString(d.bold("Try it") + "\n")
	v2 := d.done[1].task
	auth := fmt.Sprintf("-H 'Stream-Auth-Type: jwt' -H 'Authorization: %s'", token)
	query := "?api_key=" + d.app.Key
	for _, line := range []struct{ what, command string }{
		{"ask for an export", fmt.Sprintf("curl -s -X POST '%s/export_channels%s' %s -d '{\"channels\":[{\"cid\":%q}],\"version\":\"v2\"}'",
			d.base, query, auth, sample.Channels()[0])},
		{"poll a task", fmt.Sprintf("curl -s '%s/tasks/%s%s' %s", d.base, v2.ID, query, auth)},
		{"download its file", fmt.Sprintf("curl -s -o channels.jsonl '%s'", v2.Result.URL)},
		{"all of one user, at once", fmt.Sprintf("curl -s '%s/users/%s/export%s' %s", d.base, sample.Users()[0], query, auth)},
	} {
		fmt.Fprintf(&out, "\n  # %s\n  %s\n", line.what, line.command)
	}
	return d.printf("%s\n", out.String())
}

// bold sets a title off from the rest where somebody sees it.
func (m *Main) bold(title string) string {
	if !isTerminal(m.Stdout) {
		return title
	}
	return "\x1b[1m" + title + "\x1b[0m"
}
