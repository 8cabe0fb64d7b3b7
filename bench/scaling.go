package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"hansard/client"
)

// workerShare is how much of a core a worker gets where several are compared:
// so little that the machine has enough for two of them and all else.
const workerShare = 0.15

func workersMeasure(n int) string {
	return fmt.Sprintf("export v2 by %d of the workers with 0.15 of a core", n)
}

// workerLocal is what one such worker does to the disk.
var workerLocal = workersMeasure(1) + ", to the local disk"

// scaling measures one export by one worker process and by two, each on a
// share of a core of its own, and by one to the local disk.
func (b *bench) scaling() []measure {
	// Workers share an export only where it is spread.
	if b.pg == nil || b.objects == nil || b.chat.name == byFew || b.targets && !b.atMiddle() {
		return nil
	}
	q, err := newQuota(workerShare)
	if err == nil {
		err = q.remove()
	}
	if err != nil {
		say("processor time cannot be bounded here, workers are not compared: %v", err)
		return nil
	}
	var all []measure
	for n := 1; n <= 2; n++ {
		all = append(all, measure{workersMeasure(n), func(ctx context.Context) error { return b.scaled(ctx, workersMeasure(n), n) }})
	}
	return append(all, measure{workerLocal, func(ctx context.Context) error {
		defer b.toDisk()()
		return b.scaled(ctx, workerLocal, 1)
	}})
}

func (b *bench) scaled(ctx context.Context, name string, n int) error {
	return b.with(ctx, func(_ *server, c *client.Client) (err error) {
		var pids []int
		var ends []func() error
		defer func() {
			for _, end := range ends {
				err = errors.Join(err, end())
			}
		}()
		for range n {
			pid, end, err := b.startWorker(ctx)
			if err != nil {
				return err
			}
			pids, ends = append(pids, pid), append(ends, end)
		}
		before, theirs := usageOfAll(pids), b.pg.cpu()
		began := time.Now()
		t, err := finishedExport(ctx, b.exports()[0], c)
		if err != nil {
			return err
		}
		took := time.Since(began)
		used := usageOfAll(pids)
		used.cpu -= before.cpu
		b.record(name, took, t.Result.Counts["messages"], t.Result.Size, used, b.pg.cpu()-theirs)
		return b.discard(t.Result)
	}, "--workers", "0")
}

// usageOfAll is the processor time of some processes together, and the memory
// of the largest.
func usageOfAll(pids []int) (all usage) {
	for _, pid := range pids {
		u, _ := usageOf(pid)
		all.cpu += u.cpu
		all.peak = max(all.peak, u.peak)
	}
	return all
}

// startWorker starts a worker process within a quota of its own.
func (b *bench) startWorker(ctx context.Context) (pid int, end func() error, err error) {
	q, err := newQuota(workerShare)
	if err != nil {
		return 0, nil, err
	}
	cmd, stderr := b.hansard.command(ctx, append([]string{"worker", "--workers", "1"}, b.place()...)...)
	if err := cmd.Start(); err != nil {
		return 0, nil, errors.Join(err, q.remove())
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	end = func() error {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		var err error
		select {
		case err = <-ended:
		case <-time.After(answerPatience):
			err = errors.Join(errors.New("hansard worker did not stop"), cmd.Process.Kill(), <-ended)
		}
		if err != nil {
			err = fmt.Errorf("hansard worker: %w\n%s", err, stderr)
		}
		return errors.Join(err, q.remove())
	}
	err = q.take(cmd.Process.Pid)
	if err == nil {
		err = working(ctx, stderr)
	}
	if err != nil {
		return 0, nil, errors.Join(err, end())
	}
	return cmd.Process.Pid, end, nil
}

// working waits until a worker says that it is.
func working(ctx context.Context, stderr *tail) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerPatience, errors.New("hansard worker is not ready"))
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !strings.Contains(stderr.String(), "working") {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w\n%s", context.Cause(ctx), stderr)
		case <-tick.C:
		}
	}
	return nil
}
