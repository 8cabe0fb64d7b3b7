package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

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
A file is checked as a whole first: a bad one changes nothing. The imports of an
app happen in the order in which they were made, so one that was interrupted
before is finished first; if it was of the same file and options, that is all.`,
		Args: cobra.MinimumNArgs(1),
	}
	f := c.Flags()
	f.StringVar(&o.Mode, "mode", importer.Upsert, "upsert: replace what is there; insert: leave it alone")
	f.BoolVar(&o.MergeCustom, "merge-custom", false, "upsert: merge custom fields instead of replacing them")
	f.StringVar(&key, "api-key", "", "the app to load into (default the only one there is, or a new one called dev) [HANSARD_API_KEY]")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	loader := bindSettings(c, "data", "database", "storage")
	c.RunE = func(cmd *cobra.Command, files []string) error {
		if o.Mode != importer.Upsert && o.Mode != importer.Insert {
			return usageError("--mode must be upsert or insert")
		}
		if o.MergeCustom && o.Mode == importer.Insert {
			return usageError("--merge-custom needs --mode upsert")
		}
		if err := readable(files); err != nil {
			return err
		}
		s, err := loader.Load()
		if err != nil {
			return err
		}
		isNew := s.Database == "" && !hasStore(s)
		ctx := cmd.Context()
		return m.withBackend(ctx, loader, makeStore, func(b *backend) error {
			if isNew {
				m.notef("made a new store in %s\n", s.Data)
			}
			b.imports.Logger = slog.New(onlyErrors{b.log.Handler()})
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
		if made != nil && made.Key == set.APIKey { // its secret is known
			m.notef("made the app %s\n", made.Key)
		}
	}
	named := cmp.Or(key, set.APIKey)
	app, err := chooseApp(ctx, b.store, named)
	if err == nil && named == "" {
		m.notef("importing into the app %s\n", app.Key)
	}
	return app, err
}

// importedJSON is what --json prints for each file.
type importedJSON struct {
	File    string           `json:"file"`
	Counts  importer.Counts  `json:"counts"`
	Skipped importer.Skipped `json:"skipped"`
	Seconds float64          `json:"seconds"`
}

// readable finds out whether all files can be read before anything is done:
// a mistyped second name must not be found out after the first file is loaded.
func readable(files []string) error {
	stdin := 0
	for _, name := range files {
		if name == "-" {
			if stdin++; stdin > 1 {
				return usageError("- can be given only once")
			}
			continue
		}
		info, err := os.Stat(name)
		switch {
		case err != nil:
		case info.IsDir():
			err = fmt.Errorf("%s is a folder", name)
		case info.Mode().IsRegular(): // of a pipe, opening would be using
			var f *os.File
			if f, err = os.Open(name); err == nil {
				err = f.Close()
			}
		}
		if err != nil {
			return fmt.Errorf("nothing was imported: %w", err)
		}
	}
	return nil
}

// spoken is what a file is called in what people read.
func spoken(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

func (m *Main) importFiles(ctx context.Context, b *backend, app store.App, files []string, o importer.FileOptions, asJSON bool) error {
	for _, name := range files {
		report, err := m.importFile(ctx, b, app, name, o)
		if e, ok := errors.AsType[*importer.FileError](err); ok {
			return m.badFile(name, e, asJSON)
		}
		if e, ok := errors.AsType[*importer.Interrupted](err); ok {
			m.noteInterrupted(name, e)
		}
		if err != nil {
			return fmt.Errorf("importing %s: %w", spoken(name), err)
		}
		if asJSON {
			err = m.printJSON(importedJSON{File: name, Counts: report.Counts, Skipped: report.Skipped, Seconds: report.Seconds})
		} else {
			err = m.printf("%s: %s\n", spoken(name), outcome(report))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// outcome is what an import did, in one line.
func outcome(r *importer.Report) string {
	n := r.Counts
	var line strings.Builder
	fmt.Fprintf(&line, "%d messages, %d users, %d channels, %d members, %d reactions, %d calls in %s",
		n.Messages, n.Users, n.Channels, n.Members, n.Reactions, n.Calls,
		progress.Duration(time.Duration(r.Seconds*float64(time.Second))))
	for _, s := range []struct {
		n    int64
		what string
	}{
		{r.Skipped.Existing, "already there and left alone"},
		{r.Skipped.Devices, "devices skipped"},
		{r.Skipped.FutureChannelBans, "future channel bans skipped"},
	} {
		if s.n > 0 {
			fmt.Fprintf(&line, "; %d %s", s.n, s.what)
		}
	}
	return line.String()
}

// noteInterrupted says what becomes of an import that was stopped.
func (m *Main) noteInterrupted(name string, e *importer.Interrupted) {
	switch {
	case e.Task == "":
		m.notef("%s: canceled; nothing was changed\n", spoken(name))
	case e.Running:
		m.notef("%s: part of it is loaded, and another process goes on with it now; watch it with: hansard task wait %s\n", spoken(name), e.Task)
	default:
		m.notef("%s: part of it is loaded; the rest follows as soon as hansard serve, worker or import has the store open; watch it with: hansard task wait %s\n",
			spoken(name), e.Task)
	}
}

func (m *Main) importFile(ctx context.Context, b *backend, app store.App, name string, o importer.FileOptions) (*importer.Report, error) {
	if name == "-" {
		o.Name = spoken(name)
		r, stop := unblocked(ctx, m.Stdin)
		defer stop()
		return m.load(ctx, b, app, r, o)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	o.Name = filepath.Base(name)
	return m.load(ctx, b, app, f, o)
}

// unblocked reads r until ctx ends, also while r has nothing to give, as a
// terminal or a pipe may. It may keep on reading r, for nobody, after stop.
func unblocked(ctx context.Context, r io.Reader) (_ io.Reader, stop func()) {
	out, in := io.Pipe()
	unhook := context.AfterFunc(ctx, func() { _ = in.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(in, r)
		_ = in.CloseWithError(err)
	}()
	return out, func() {
		unhook()
		_ = out.Close()
	}
}

// load imports r and shows how far it is: a bar for the check of the file, one
// for loading it.
func (m *Main) load(ctx context.Context, b *backend, app store.App, r io.Reader, o importer.FileOptions) (*importer.Report, error) {
	bars := m.bars()
	defer bars.Wait()
	var checking, loading *progress.Bar
	o.Notice = bars.Note
	checked := func(records int64) {
		checking.Set(records, records)
		checking.Done()
		if loading == nil {
			loading = bars.Add("loading "+o.Name, "records")
		}
	}
	o.Progress = func(p importer.Progress) {
		switch p.State {
		case importer.Analyzing:
			if checking == nil {
				checking = bars.Add("checking "+o.Name, "records")
			}
			checking.Set(p.Done, p.Total)
		case importer.Importing:
			checked(p.Total)
			loading.Set(p.Done, p.Total)
		}
	}
	report, err := b.imports.ImportFile(ctx, app, r, o)
	if err == nil { // the last news may be older, or there was none at all
		checked(report.Records)
		loading.Set(report.Records, report.Records)
		loading.Done()
		return report, nil
	}
	reason := "stopped"
	if _, ok := errors.AsType[*importer.FileError](err); ok {
		reason = "not imported"
	}
	checking.Fail(reason)
	loading.Fail(reason)
	return nil, err
}

// badFile says what is wrong with a file that was not imported.
func (m *Main) badFile(name string, e *importer.FileError, asJSON bool) error {
	file := spoken(name)
	verdict := fmt.Errorf("importing %s: %s", file, e.Failure.Description)
	switch n := len(e.Problems); {
	case n == 0:
	case e.NotChat:
		verdict = fmt.Errorf("%s is not a chat file: line %d is not JSON", file, e.Problems[0].Line)
	case n == 1 && !e.More:
		verdict = fmt.Errorf("%s: %s; nothing of it was imported", file, e.Problems[0])
	case e.More:
		verdict = fmt.Errorf("%s has more than %d errors; nothing of it was imported", file, n)
	default:
		verdict = fmt.Errorf("%s has %d errors; nothing of it was imported", file, n)
	}
	if asJSON {
		err := m.printJSON(struct {
			File   string             `json:"file"`
			Error  task.Failure       `json:"error"`
			Errors []importer.Problem `json:"errors"`
			More   bool               `json:"more_errors"`
		}{name, e.Failure, e.Problems, e.More})
		return errors.Join(err, verdict)
	}
	if len(e.Problems) > 1 {
		for _, p := range e.Problems {
			m.notef("%s: %s\n", file, p)
		}
	}
	return verdict
}

// onlyErrors keeps to itself what an import that is being watched shows in
// other ways.
type onlyErrors struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h onlyErrors) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelError && h.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (h onlyErrors) WithAttrs(attrs []slog.Attr) slog.Handler {
	return onlyErrors{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h onlyErrors) WithGroup(name string) slog.Handler {
	return onlyErrors{h.Handler.WithGroup(name)}
}
