package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"hansard/internal/importer"
	"hansard/internal/progress"
	"hansard/internal/store"
	"hansard/internal/task"

	"github.com/spf13/cobra"
)

func (m *Main) importCommand() *cobra.Command {
	var o importer.FileOptions
	var key string
	var asJSON bool
	c := &cobra.Command{
		Use:   "import FILE…",
		Short: "Load chats from import or export files straight into the store; - is standard input",
		Long: `Load chats from files straight into the store, beside a running server or without
one. It takes Stream's documented import file and the export files of Hansard and
of Stream (v1, v2, users), plain, gzip or zstd, and tells them apart by content.
A file is checked as a whole first: a bad one changes nothing.`,
		Args: cobra.MinimumNArgs(1),
	}
	f := c.Flags()
	f.StringVar(&o.Mode, "mode", importer.Upsert, "upsert: replace what is there; insert: leave it alone")
	f.BoolVar(&o.MergeCustom, "merge-custom", false, "upsert: merge custom fields instead of replacing them")
	f.StringVar(&key, "api-key", "", "the app to load into (default the only one there is, or a new one called dev) [HANSARD_API_KEY]")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	loader := bindSettings(c, "data", "storage")
	c.RunE = func(cmd *cobra.Command, files []string) error {
		if o.Mode != importer.Upsert && o.Mode != importer.Insert {
			return usageError("--mode must be upsert or insert")
		}
		ctx := cmd.Context()
		return m.withBackend(ctx, loader, makeStore, func(b *backend) error {
			app, err := m.importApp(ctx, b, key)
			if err != nil {
				return err
			}
			instances, err := task.JoinInstances(b.instances())
			if err != nil {
				return err
			}
			o.Instances = instances
			return errors.Join(m.importFiles(ctx, b, app, files, o, asJSON), instances.Leave())
		})
	}
	return c
}

// importApp is the app to load into. As with serve, one that the settings name
// in full, or the first of all, is made if it is missing.
func (m *Main) importApp(ctx context.Context, b *backend, key string) (store.App, error) {
	set := b.settings
	if key == "" && (set.APIKey == "" || set.APISecret != "") {
		made, err := ensureApp(ctx, b.store, set)
		if err != nil {
			return store.App{}, err
		}
		m.noteApp(made, set)
	}
	return chooseApp(ctx, b.store, cmp.Or(key, set.APIKey))
}

// importedJSON is what --json prints for each file.
type importedJSON struct {
	File    string           `json:"file"`
	Counts  importer.Counts  `json:"counts"`
	Skipped importer.Skipped `json:"skipped"`
	Seconds float64          `json:"seconds"`
}

func (m *Main) importFiles(ctx context.Context, b *backend, app store.App, files []string, o importer.FileOptions, asJSON bool) error {
	for _, name := range files {
		report, err := m.importFile(ctx, b, app, name, o)
		if e, ok := errors.AsType[*importer.FileError](err); ok {
			return m.badFile(name, e, asJSON)
		}
		if err != nil {
			return fmt.Errorf("importing %s: %w", name, err)
		}
		if asJSON {
			err = m.printJSON(importedJSON{File: name, Counts: report.Counts, Skipped: report.Skipped, Seconds: report.Seconds})
		} else {
			n := report.Counts
			err = m.printf("%s: %d messages, %d users, %d channels, %d members, %d reactions, %d calls in %.1f s\n",
				name, n.Messages, n.Users, n.Channels, n.Members, n.Reactions, n.Calls, report.Seconds)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *Main) importFile(ctx context.Context, b *backend, app store.App, name string, o importer.FileOptions) (*importer.Report, error) {
	r := m.Stdin
	o.Name = "standard input"
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		r, o.Name = f, filepath.Base(name)
	}
	return m.load(ctx, b, app, r, o)
}

// load imports r and shows how far it is: a bar for the check of the file, one
// for loading it.
func (m *Main) load(ctx context.Context, b *backend, app store.App, r io.Reader, o importer.FileOptions) (*importer.Report, error) {
	bars := m.bars()
	defer bars.Wait()
	var checking, loading *progress.Bar
	o.Notice = func(line string) { m.notef("%s\n", line) }
	o.Progress = func(p importer.Progress) {
		switch p.State {
		case importer.Analyzing:
			if checking == nil {
				checking = bars.Add("checking "+o.Name, "records")
			}
			checking.Set(p.Done, p.Total)
		case importer.Importing:
			if checking != nil && loading == nil {
				checking.Set(p.Total, p.Total)
				checking.Done()
			}
			if loading == nil {
				loading = bars.Add("loading "+o.Name, "records")
			}
			loading.Set(p.Done, p.Total)
		}
	}
	report, err := b.imports.ImportFile(ctx, app, r, o)
	if err == nil { // the last news may be older, or there was none at all
		if loading == nil {
			loading = bars.Add("loading "+o.Name, "records")
		}
		n := report.Counts
		all := n.Users + n.Channels + n.Members + n.Reads + n.Messages + n.Reactions + n.Calls
		loading.Set(all, all)
	}
	for _, bar := range []*progress.Bar{checking, loading} {
		switch {
		case bar == nil:
		case err != nil:
			bar.Fail("stopped")
		default:
			bar.Done()
		}
	}
	if errors.Is(err, context.Canceled) {
		// What became of the import matters more than that it was interrupted.
		bars.Wait()
		m.notef("%s\n", strings.TrimSuffix(oneLine(err), ": "+context.Canceled.Error()))
	}
	return report, err
}

// badFile says what is wrong with a file that was not imported.
func (m *Main) badFile(name string, e *importer.FileError, asJSON bool) error {
	if asJSON {
		err := m.printJSON(struct {
			File   string             `json:"file"`
			Error  task.Failure       `json:"error"`
			Errors []importer.Problem `json:"errors"`
			More   bool               `json:"more_errors"`
		}{name, e.Failure, e.Problems, e.More})
		return errors.Join(err, fmt.Errorf("%s was not imported: %s", name, e.Failure.Description))
	}
	for _, p := range e.Problems {
		m.notef("%s: %s\n", name, p)
	}
	if e.More {
		m.notef("… and more\n")
	}
	return fmt.Errorf("%s was not imported: %s", name, e.Failure.Description)
}
