package main

import (
	"context"
	"errors"

	"hansard/internal/config"

	"github.com/spf13/cobra"
)

func (m *Main) workerCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "worker",
		Short: "Run workers only, beside servers on the same store",
		Args:  noArgs,
	}
	loader := bindSettings(c, "data", "database", "storage", "public-url", "metrics-listen", "workers", "url-ttl", "retention",
		"max-user-messages", "no-migrate", "log-level", "log-format")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := loader.Load()
		if err != nil {
			return err
		}
		if s.Workers == 0 {
			return errors.New("workers must not be 0 here")
		}
		return m.stopped(cmd.Context(), s, m.work(cmd.Context(), s))
	}
	return c
}

func (m *Main) work(ctx context.Context, s config.Settings) (err error) {
	b, err := openBackend(ctx, s, m.logger(s), makeStore, s.PublicURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	unwatch, err := b.monitor(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unwatch()) }()
	w, err := b.worker()
	if err != nil {
		return err
	}
	b.log.Info("working", "workers", s.Workers, "store", b.where())
	w.Run(ctx)
	return w.Close()
}
