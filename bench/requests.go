package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"hansard/client"
)

const (
	idleStarts    = 20  // exports asked of an idle server, per repetition
	busyPosts     = 300 // exports asked of a busy server, per repetition
	drainPatience = 5 * time.Minute
)

// requests measures how long it takes until an idle worker begins a task, and
// how long a request for an export takes while others run.
func (b *bench) requests(ctx context.Context) error {
	err := b.with(ctx, func(_ *server, c *client.Client) error {
		if err := b.idle(ctx, c); err != nil {
			return err
		}
		return b.busy(ctx, c)
	})
	// Their files are of no use to anybody.
	if dir := b.files(); dir != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, "exports")))
	}
	return err
}

// small is an export of next to nothing: a moment of the smallest channel.
func (b *bench) small() client.ChannelsRequest {
	at := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	return client.ChannelsRequest{
		Version: "v2", Channels: []client.ChannelWindow{{CID: b.chat.cids[len(b.chat.cids)-1], Since: &at, Until: &at}},
	}
}

func (b *bench) idle(ctx context.Context, c *client.Client) error {
	for range idleStarts {
		began := time.Now()
		id, err := c.ExportChannels(ctx, b.small())
		if err != nil {
			return err
		}
		if _, err := until(ctx, c, id, func(s client.Status) bool { return s != client.Waiting }); err != nil {
			return err
		}
		b.results.add("start of a task, idle worker", "ms", ms(time.Since(began)))
		if _, err := until(ctx, c, id, client.Status.Final); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) busy(ctx context.Context, c *client.Client) error {
	loadCtx, stop := context.WithCancel(ctx)
	defer stop()
	running := make(chan struct{}, runtime.NumCPU())
	failed := make(chan error, runtime.NumCPU())
	var load sync.WaitGroup
	all := b.exports()[0]
	for range runtime.NumCPU() {
		load.Go(func() {
			for loadCtx.Err() == nil {
				id, err := all.request(loadCtx, c)
				if err == nil {
					_, err = until(loadCtx, c, id, func(s client.Status) bool { return s != client.Waiting })
				}
				if err == nil {
					select {
					case running <- struct{}{}:
					default:
					}
					_, err = until(loadCtx, c, id, client.Status.Final)
				}
				if err != nil && loadCtx.Err() == nil {
					failed <- err
					return
				}
			}
		})
	}
	select {
	case <-running:
	case err := <-failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
	var took []float64
	for range busyPosts {
		began := time.Now()
		if _, err := c.ExportChannels(ctx, b.small()); err != nil {
			return err
		}
		took = append(took, ms(time.Since(began)))
	}
	stop()
	load.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	slices.Sort(took)
	b.results.add("request while exports run, p50", "ms", quantile(took, 0.5))
	b.results.add("request while exports run, p99", "ms", quantile(took, 0.99))
	return drain(ctx, c)
}

// drain waits until the queue is empty: what is left in it would run in the
// next measure.
func drain(ctx context.Context, c *client.Client) error {
	ctx, cancel := context.WithTimeoutCause(ctx, drainPatience, fmt.Errorf("the queue was not empty after %s", drainPatience))
	defer cancel()
	tick := time.NewTicker(20 * pollEvery)
	defer tick.Stop()
	for _, status := range []client.Status{client.Waiting, client.Pending, client.Running} {
		for {
			ts, err := c.ListTasks(ctx, client.TaskQuery{Status: status, Limit: 1})
			if err != nil {
				return err
			}
			if len(ts) == 0 {
				break
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-tick.C:
			}
		}
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
