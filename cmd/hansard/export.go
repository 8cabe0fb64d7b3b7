package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"time"

	"hansard/client"

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
			window := client.Channel{}
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
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			r := client.UsersRequest{UserIDs: ids, Compression: e.compression, EncryptTo: e.encryptTo, IdempotencyKey: e.idempotency}
			return m.export(cmd.Context(), e, "users", func(ctx context.Context, c *client.Client) (string, error) {
				return c.ExportUsers(ctx, r)
			})
		},
	}
}

// export asks for an export, waits for it and saves the file.
func (m *Main) export(ctx context.Context, e *exportFlags, what string, ask func(context.Context, *client.Client) (string, error)) error {
	x, err := m.exporter(ctx, e)
	if err != nil {
		return err
	}
	return errors.Join(m.exportWith(ctx, x, e, what, ask), x.close())
}

// exporter talks to the server that the flags name, or to one of its own.
func (m *Main) exporter(ctx context.Context, e *exportFlags) (*exporter, error) {
	if e.local.on {
		return m.localExporter(ctx, &e.local, e.key)
	}
	if e.local.given() {
		return nil, usageError("--data goes with --local")
	}
	c, err := e.client()
	return &exporter{Client: c, work: func(string) {}, close: func() error { return nil }}, err
}

func (m *Main) exportWith(ctx context.Context, c *exporter, e *exportFlags, what string,
	ask func(context.Context, *client.Client) (string, error),
) error {
	id, err := ask(ctx, c.Client)
	if err != nil {
		return explain(err)
	}
	c.work(id)
	bars := m.bars()
	t, err := follow(ctx, c.Client, id, bars.Add("exporting "+what, "messages"))
	bars.Wait()
	if err != nil {
		if ctx.Err() != nil {
			m.notef("The export goes on without us: hansard task wait %s\n", id)
		}
		return err
	}
	if t.Result == nil {
		return fmt.Errorf("task %s has no file", id)
	}
	if e.manifest != "" {
		if err := saveManifest(ctx, c.Client, t.Result, e.manifest); err != nil {
			return err
		}
	}
	to := e.output
	if to == "" {
		to = path.Base(t.Result.Path)
	}
	if to == "-" {
		return c.Download(ctx, t.Result, m.Stdout, nil)
	}
	if err := saveFile(ctx, c.Client, t.Result, to); err != nil {
		return err
	}
	m.notef("%s  %s  sha256 %s\n", to, size(t.Result.Size), t.Result.SHA256)
	return nil
}

// explain adds to a refusal what it says about single fields.
func explain(err error) error {
	e, ok := errors.AsType[*client.Error](err)
	if !ok || len(e.Fields) == 0 {
		return err
	}
	return fmt.Errorf("%w%s", err, fields(e))
}
