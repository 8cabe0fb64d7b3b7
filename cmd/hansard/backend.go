package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"hansard/internal/auth"
	"hansard/internal/blob"
	"hansard/internal/blob/disk"
	"hansard/internal/blob/s3"
	"hansard/internal/config"
	"hansard/internal/export"
	"hansard/internal/importer"
	"hansard/internal/live"
	"hansard/internal/metrics"
	"hansard/internal/server"
	"hansard/internal/store"
	"hansard/internal/store/postgres"
	"hansard/internal/store/sqlite"
	"hansard/internal/task"
	"hansard/internal/worker"
)

// ifMissing is what to do where there is no store. A command that only looks
// must not make one: a mistyped --data would leave an empty store behind.
type ifMissing int

const (
	makeStore ifMissing = iota
	refuse
)

var errNoStore = errors.New("no store")

// backend is everything that the settings name, wired together.
type backend struct {
	settings config.Settings
	log      *slog.Logger
	metrics  *metrics.Metrics
	store    store.Store
	blob     blob.Store
	files    files // what blob stands on
	exports  *export.Service
	imports  *importer.Service
}

// openStore opens the database, or the embedded store of the data folder.
func openStore(ctx context.Context, s config.Settings, log *slog.Logger, missing ifMissing) (store.Store, error) {
	if s.Database != "" {
		return openDatabase(ctx, s, log, missing)
	}
	if err := lookForStore(s, missing); err != nil {
		return nil, err
	}
	st, err := sqlite.Open(ctx, s.Data, sqlite.Options{Logger: log, NoMigrate: s.NoMigrate})
	if err != nil {
		return nil, fmt.Errorf("opening the store in %s: %w", s.Data, err)
	}
	return st, nil
}

// lookForStore fails where there must be a store and is none.
func lookForStore(s config.Settings, missing ifMissing) error {
	if missing == refuse && s.Database == "" && !hasStore(s) {
		return fmt.Errorf("%w in %s: say where with --data or --database", errNoStore, s.Data)
	}
	return nil
}

// hasStore reports whether there is an embedded store in the data folder.
func hasStore(s config.Settings) bool {
	_, err := os.Stat(filepath.Join(s.Data, sqlite.FileName))
	return !errors.Is(err, fs.ErrNotExist)
}

// openDatabase opens the store in PostgreSQL. Each export holds a snapshot,
// which takes two connections.
func openDatabase(ctx context.Context, s config.Settings, log *slog.Logger, missing ifMissing) (store.Store, error) {
	st, err := postgres.Open(ctx, s.Database, postgres.Options{
		Logger: log, NoMigrate: s.NoMigrate || missing == refuse, SnapshotConns: 2 * max(s.Workers, 8),
	})
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return st, nil
}

// openBackend opens what the settings say. publicURL is the base of URLs that
// are handed out. Where files cannot be kept, no store is made.
func openBackend(ctx context.Context, s config.Settings, log *slog.Logger, missing ifMissing, publicURL string) (_ *backend, err error) {
	build := buildInfo()
	b := &backend{settings: s, log: log, metrics: metrics.New(metrics.Build{Version: build.Version, Commit: build.Commit, Go: build.Go})}
	opened := b
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close())
		}
	}()
	if err := lookForStore(s, missing); err != nil {
		return nil, err
	}
	bucket, inBucket := s.S3()
	if inBucket {
		b.files, err = openBucket(ctx, bucket)
	} else {
		err = checkFolder(s)
	}
	if err != nil {
		return nil, err
	}
	if b.store, err = openStore(ctx, s, log, missing); err != nil {
		return nil, err
	}
	if !inBucket { // the key of the URLs is in the store
		if b.files, err = openFolder(ctx, s, b.store, publicURL); err != nil {
			return nil, err
		}
	}
	b.blob = b.metrics.Blob(b.files)
	b.store = b.metrics.Store(b.store)
	b.metrics.WatchQueue(context.WithoutCancel(ctx), b.store) // also while this process stops
	b.exports = &export.Service{
		Store: b.store, Blob: b.blob, Scratch: b.scratch(), Version: build.Version, Logger: log,
		Limits: export.Limits{Channels: s.MaxChannels, Users: s.MaxUsers, UserMessages: s.MaxUserMessages},
	}
	b.exports.NoSpans = bucket.NoSpans
	b.exports.SpanDone = func(takenOver bool) {
		b.metrics.SpanDone()
		if takenOver {
			b.metrics.SpanTakenOver()
		}
	}
	if embedded, ok := store.As[*sqlite.Store](b.store); ok { // on PostgreSQL others write elsewhere
		b.exports.Writers = embedded.Writers
	}
	b.imports = &importer.Service{Store: b.store, Blob: b.blob, Scratch: b.scratch(), Logger: log}
	return b, nil
}

// files is where files are kept.
type files interface {
	blob.Store
	io.Closer
}

// openBucket opens an object store.
func openBucket(ctx context.Context, o config.S3) (files, error) {
	style := s3.AutoStyle
	switch {
	case o.PathStyle == nil:
	case *o.PathStyle:
		style = s3.PathStyle
	default:
		style = s3.HostStyle
	}
	b, err := s3.Open(ctx, s3.Options{
		Bucket: o.Bucket, Prefix: o.Prefix, Endpoint: o.Endpoint, PublicEndpoint: o.PublicEndpoint, Region: o.Region,
		Style: style, PartSize: o.PartSize, Parallel: o.Parallel,
	})
	if err != nil {
		return nil, err // and not b, which would no longer be nil
	}
	return b, nil
}

// checkFolder finds out whether files can be kept in the folder that the settings
// name. The data folder is the store's to make.
func checkFolder(s config.Settings) error {
	if s.Storage == "" {
		return nil
	}
	if err := disk.Check(s.Files()); err != nil {
		return fmt.Errorf("opening the files in %s: %w", s.Files(), err)
	}
	return nil
}

// openFolder opens the folder of the files.
func openFolder(ctx context.Context, s config.Settings, st store.Store, publicURL string) (files, error) {
	key, err := st.Secret(ctx, "url-signing")
	if err != nil {
		return nil, fmt.Errorf("reading the key of download URLs: %w", err)
	}
	signer, err := auth.NewURLSigner(key)
	if err != nil {
		return nil, err
	}
	dir := s.Files()
	d, err := disk.Open(dir, disk.Options{Signer: signer, PublicURL: func() string { return publicURL }})
	if err != nil {
		return nil, fmt.Errorf("opening the files in %s: %w", dir, err)
	}
	return d, nil
}

// where is what logs call the store; a database's address may hold a secret.
func (b *backend) where() string {
	if b.settings.Database != "" {
		return "postgres"
	}
	return b.settings.Data
}

func (b *backend) scratch() string   { return filepath.Join(b.settings.Data, "scratch") }
func (b *backend) instances() string { return filepath.Join(b.settings.Data, "instances") }

// Close closes the store and the files; nothing may use them afterwards.
func (b *backend) Close() error {
	var errs []error
	if b.files != nil {
		errs = append(errs, b.files.Close())
	}
	if b.store != nil {
		errs = append(errs, b.store.Close())
	}
	return errors.Join(errs...)
}

// worker is a worker on the backend, as busy as the settings say.
func (b *backend) worker() (*worker.Worker, error) {
	b.metrics.Slots(b.settings.Workers)
	b.metrics.Kinds(task.Kinds()...)
	w, err := worker.New(worker.Options{
		Store: b.store, Blob: b.blob, Handlers: b.handlers(), Data: b.settings.Data, Scratch: b.scratch(),
		Concurrency: b.settings.Workers, Retention: b.settings.Retention, Observer: b.metrics, Logger: b.log,
		UploadGrace: max(b.settings.URLTTL, 24*time.Hour), Idle: b.exports.Help,
	})
	if err != nil {
		return nil, err
	}
	b.exports.Owner = w.Owner()
	return w, nil
}

func (b *backend) handlers() map[string]task.Handler {
	handlers := map[string]task.Handler{
		task.ExportChannels: b.exports.RunChannels,
		task.ExportUsers:    b.exports.RunUsers,
		task.Import:         b.imports.Run,
	}
	maps.Copy(handlers, (&live.Service{Store: b.store}).Handlers())
	return handlers
}

// server is the HTTP API on the backend; enqueued is called after each task. When
// ctx ends it is not ready any more.
func (b *backend) server(ctx context.Context, enqueued func()) *server.Server {
	return server.New(server.Options{
		Store: b.store, Blob: b.blob, Exports: b.exports, Imports: b.imports, OnEnqueue: enqueued,
		Version: buildInfo().Version, URLTTL: b.settings.URLTTL, Retention: b.settings.Retention,
		RateLimit: b.settings.RateLimit.Count, RateWindow: b.settings.RateLimit.Window, Logger: b.log,
		Metrics: b.metrics, OwnMetrics: b.settings.MetricsListen != "", Draining: func() bool { return ctx.Err() != nil },
	})
}

// withStore loads the settings, opens the store, and closes it after fn.
func (m *Main) withStore(ctx context.Context, l *config.Loader, missing ifMissing, fn func(store.Store) error) error {
	s, err := l.Load()
	if err != nil {
		return err
	}
	st, err := openStore(ctx, s, quiet(m.logger(s)), missing)
	if err != nil {
		return err
	}
	return errors.Join(fn(st), st.Close())
}

// withBackend is withStore for a whole backend.
func (m *Main) withBackend(ctx context.Context, l *config.Loader, missing ifMissing, fn func(*backend) error) error {
	s, err := l.Load()
	if err != nil {
		return err
	}
	b, err := openBackend(ctx, s, quiet(m.logger(s)), missing, "http://"+localHost)
	if err != nil {
		return err
	}
	return errors.Join(fn(b), b.Close())
}
