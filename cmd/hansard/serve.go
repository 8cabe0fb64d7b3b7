package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	"hansard/internal/config"

	"github.com/spf13/cobra"
)

func (m *Main) serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the HTTP API and workers",
		Long: `Run the HTTP API and workers in one process. Every setting is a flag, an
environment variable (--url-ttl is HANSARD_URL_TTL) and a key in hansard.yaml;
flags win over the environment, the environment over the file.`,
		Args: noArgs,
	}
	loader := bindSettings(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := loader.Load()
		if err != nil {
			return err
		}
		return m.stopped(cmd.Context(), s, m.serve(cmd.Context(), s))
	}
	return c
}

// stopped is err, unless that says only that the process was told to stop while
// it was starting. What runs until it is told to stop has not failed then.
func (m *Main) stopped(ctx context.Context, s config.Settings, err error) error {
	if !interrupted(ctx, err) {
		return err
	}
	m.logger(s).Info("stopped while starting", "reason", oneLine(err))
	return nil
}

func (m *Main) serve(ctx context.Context, s config.Settings) (err error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", s.Listen, err)
	}
	defer func() { _ = ln.Close() }() // Serve closes it too; errors before that do not
	public := s.PublicURL
	if public == "" {
		public = "http://" + reachable(ln.Addr())
	}
	b, err := openBackend(ctx, s, m.logger(s), makeStore, public)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	made, err := ensureApp(ctx, b.store, s)
	if err != nil {
		return err
	}
	m.noteApp(made, s)
	defer func() { b.log.Info("stopped") }()
	return b.run(ctx, ln, func() error {
		b.log.Info("started", "version", buildInfo().Version, "store", b.where(), "address", ln.Addr().String())
		return m.printf("listening on http://%s\n", shown(s.Listen, ln.Addr()))
	})
}

// run serves on ln, with workers beside it, until ctx ends. ready is called
// once requests are answered.
func (b *backend) run(ctx context.Context, ln net.Listener, ready func() error) (err error) {
	ctx, stop := context.WithCancel(ctx)
	unwatch, err := b.monitor(ctx)
	if err != nil {
		stop()
		return err
	}
	defer func() { err = errors.Join(err, unwatch()) }()
	var working sync.WaitGroup
	defer func() {
		stop() // if serving fails the workers must end too
		working.Wait()
	}()
	var enqueued func()
	if b.settings.Workers > 0 {
		w, err := b.worker()
		if err != nil {
			return err
		}
		enqueued = w.Wake
		b.imports.Enqueued = w.Wake
		working.Go(func() {
			w.Run(ctx)
			if err := w.Close(); err != nil {
				b.log.Warn("leaving the list of workers", "error", err)
			}
		})
	}
	// The listener queues connections until Serve takes them.
	if err := ready(); err != nil {
		return err
	}
	return b.server(ctx, enqueued).Serve(ctx, ln)
}

// shown is the address of a listener in the words of the setting: for 0.0.0.0 it
// would say [::].
func shown(setting string, a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	host, _, err := net.SplitHostPort(setting)
	if !ok || err != nil || host == "" || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}

// reachable is the address under which others reach a listener: one that
// listens everywhere is at least reached from its own machine.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
