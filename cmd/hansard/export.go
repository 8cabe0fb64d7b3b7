package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"hansard/client"
	"hansard/internal/progress"

	"github.com/spf13/cobra"
)

// exportFlags are what both exports share.
type exportFlags struct {
	remote
	local       localFlags
	output      string
	manifest    string
	compression string
	encryptTo   string
	idempotency string
}

func (m *Main) exportCommand() *cobra.Command {
	var e exportFlags
	c := group("export", "Export channels or users, wait, and save the file",
		m.exportChannelsCommand(&e), m.exportUsersCommand(&e))
	e.bind(c)
	e.local.bind(c)
	f := c.PersistentFlags()
	f.StringVarP(&e.output, "output", "o", "", "where the file goes; - is standard output (default its own name, in the working directory)")
	f.StringVar(&e.manifest, "manifest", "", "also save the manifest (counts, instants, checksum) in this file; verify --manifest takes it")
	f.StringVar(&e.compression, "compression", "", "none, gzip or zstd")
	f.StringVar(&e.encryptTo, "encrypt-to", "", "an age recipient (age1…) who alone can read the file")
	f.StringVar(&e.idempotency, "idempotency-key", "", "the same key and request within 24 h give the same task")
	return c
}

func (m *Main) exportChannelsCommand(e *exportFlags) *cobra.Command {
	var r client.ChannelsRequest
	var since, until, filter string
	c := &cobra.Command{
		Use:   "channels CID…",
		Short: "Export channels, given by cid such as messaging:general, or by --filter",
		RunE: func(cmd *cobra.Command, cids []string) error {
			window := client.ChannelWindow{}
			if err := errors.Join(timeFlag("since", since, &window.Since), timeFlag("until", until, &window.Until)); err != nil {
				return err
			}
			switch {
			case filter != "" && len(cids) > 0:
				return usageError("give channels or --filter, not both")
			case filter != "" && (window.Since != nil || window.Until != nil):
				return usageError("--since and --until go with channels, not with --filter")
			case filter != "" && !json.Valid([]byte(filter)):
				return usageError("--filter must be JSON, such as {\"type\":\"messaging\"}")
			case filter != "":
				r.Filter = json.RawMessage(filter)
			case len(cids) == 0:
				return usageError("say which channels: their cids, or --filter")
			}
			for _, cid := range cids {
				ch := window
				ch.CID = cid
				r.Channels = append(r.Channels, ch)
			}
			if r.Version == "" && (r.Format == "csv" || r.Format == "parquet") {
				r.Version = "v2" // the only one that has them
			}
			r.Compression, r.EncryptTo, r.IdempotencyKey = e.compression, e.encryptTo, e.idempotency
			return m.export(cmd.Context(), e, "channels", func(ctx context.Context, c *client.Client) (string, error) {
				return c.ExportChannels(ctx, r)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&since, "since", "", "only messages created at or after this time (RFC 3339)")
	f.StringVar(&until, "until", "", "only messages created before this time (RFC 3339)")
	f.StringVar(&filter, "filter", "", "every channel that fits this filter (JSON) instead of a list; {} is all")
	f.StringVar(&r.Version, "version", "", "v1 (one JSON array, the default) or v2 (JSON lines)")
	f.StringVar(&r.Format, "format", "", "json (the default), csv or parquet")
	f.StringSliceVar(&r.IncludeFields, "include-fields", nil, "the columns of a csv or parquet file, in their order")
	f.BoolVar(&r.IncludeTruncatedMessages, "include-truncated-messages", false, "also messages from before a truncation")
	f.BoolVar(&r.IncludeSoftDeletedChannels, "include-soft-deleted-channels", false, "also channels that are soft-deleted")
	f.BoolVar(&r.ClearDeletedMessageText, "clear-deleted-message-text", false, "without the text of deleted messages")
	f.BoolVar(&r.ExportUsers, "export-users", false, "v2: also a line for every user who appears")
	return c
}

// timeFlag reads a time into t, unless it was not given.
func timeFlag(name, value string, t **time.Time) error {
	if value == "" {
		return nil
	}
	v, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return usageError("--%s must be a time in RFC 3339, such as 2024-03-18T09:30:00Z", name)
	}
	*t = &v
	return nil
}

func (m *Main) exportUsersCommand(e *exportFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "users ID…",
		Short: "Export users with all they wrote",
		Args:  someArgs("ID"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			r := client.UsersRequest{UserIDs: ids, Compression: e.compression, EncryptTo: e.encryptTo, IdempotencyKey: e.idempotency}
			return m.export(cmd.Context(), e, "users", func(ctx context.Context, c *client.Client) (string, error) {
				return c.ExportUsers(ctx, r)
			})
		},
	}
}

// export asks for an export, waits for it and saves the file.
func (m *Main) export(ctx context.Context, e *exportFlags, what string, ask askFunc) error {
	x, err := m.exporter(ctx, e)
	if err != nil {
		return err
	}
	return errors.Join(m.exportTo(ctx, x, e, what, ask), x.close())
}

// askFunc asks for an export and returns the id of its task.
type askFunc func(context.Context, *client.Client) (string, error)

// exportTo sees to it that the files can be written before it asks for them.
func (m *Main) exportTo(ctx context.Context, x *exporter, e *exportFlags, what string, ask askFunc) (err error) {
	if e.manifest != "" && e.manifest == e.output {
		return usageError("--output and --manifest must not be the same")
	}
	file, err := openOutput(e.output, m.Stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var manifest *output
	if e.manifest != "" {
		if manifest, err = openOutput(e.manifest, m.Stdout); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, manifest.Close()) }()
	}

	t, err := m.exportWith(ctx, x, e, what, ask)
	if err != nil {
		return err
	}
	if manifest != nil {
		err := manifest.save(ctx, func(w io.Writer) error {
			b, err := x.Manifest(ctx, t)
			if err == nil {
				_, err = w.Write(b)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	file.name(path.Base(t.Result.Path))
	if err := file.save(ctx, func(w io.Writer) error { return x.Download(ctx, t, w, nil) }); err != nil {
		return err
	}
	if file.std == nil {
		m.notef("%s  %s  sha256 %s\n", file.shown, size(t.Result.Size), t.Result.SHA256)
	}
	return nil
}

// exporter talks to the server that the flags name, or to one of its own.
func (m *Main) exporter(ctx context.Context, e *exportFlags) (*exporter, error) {
	if e.local.on {
		return m.localExporter(ctx, &e.local, e.key)
	}
	if e.local.given() {
		return nil, usageError("--data and --database go with --local")
	}
	c, err := e.client()
	return &exporter{Client: c, work: func(string) {}, close: func() error { return nil }}, err
}

// exportWith asks for an export and waits until its file is there.
func (m *Main) exportWith(ctx context.Context, x *exporter, e *exportFlags, what string, ask askFunc) (*client.Task, error) {
	asking := ctx
	if x.local {
		// It takes a moment only, and a task that nobody knows the id of could
		// not be canceled.
		asking = context.WithoutCancel(ctx)
	}
	id, err := ask(asking, x.Client)
	if err != nil {
		return nil, explain(err)
	}
	if ctx.Err() == nil {
		x.work(id)
	}
	bars := m.bars()
	t, err := follow(ctx, x.Client, id, func() *progress.Bar { return bars.Add("exporting "+what, "messages") })
	bars.Wait()
	if _, final := errors.AsType[*client.TaskError](err); err != nil && !final {
		if x.local {
			m.cancelLocal(ctx, x, id)
		} else {
			m.notef("the export goes on on the server; wait for it with: hansard task wait%s %s\n", e.flags(), id)
		}
		return nil, explain(err)
	}
	if err == nil && t.Result == nil {
		err = fmt.Errorf("task %s has no file", id)
	}
	return t, err
}

// cancelTimeout bounds how long a local export is given to stop.
const cancelTimeout = 10 * time.Second

// cancelLocal cancels a task that nobody would wait for: left in the store, the
// next server would go on with it.
func (m *Main) cancelLocal(ctx context.Context, x *exporter, id string) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer done()
	t, err := x.Cancel(ctx, id)
	if err == nil && !t.Status.Final() {
		t, err = x.WaitForTask(ctx, id, nil)
	}
	switch {
	case t == nil:
		m.notef("the export could not be canceled, a server on this store may go on with it: %s\n", oneLine(err))
	case t.Status == client.Completed:
		m.notef("the export was done already, but its file is not saved\n")
	default:
		m.notef("the export was canceled\n")
	}
}
