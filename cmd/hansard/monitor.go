package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"hansard/internal/server"
)

// monitor serves metrics and whether this process is alive and ready at an
// address of their own, if the settings name one. It goes on when ctx ends, and
// says that the process is stopping, until stop is called.
func (b *backend) monitor(ctx context.Context) (stop func() error, err error) {
	if b.settings.MetricsListen == "" {
		return func() error { return nil }, nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", b.settings.MetricsListen)
	if err != nil {
		return nil, fmt.Errorf("listening on %s for metrics: %w", b.settings.MetricsListen, err)
	}
	m := server.NewMonitor(server.Options{
		Store: b.store, Blob: b.blob, Metrics: b.metrics, Logger: b.log, ShutdownGrace: time.Second,
		Draining: func() bool { return ctx.Err() != nil },
	})
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- m.Serve(serving, ln) }()
	b.log.Info("metrics", "address", ln.Addr().String())
	return func() error {
		end()
		return <-served
	}, nil
}
