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
const workerShare = 0.25

func workersMeasure(n int) string {
	return fmt.Sprintf("export v2 by %d of the workers with a quarter of a core", n)
}

// scaling measures one export by one worker process and by two, each on a
// quarter of a core of its own.
func (b *bench) scaling() []measure {
	if b.chat.name == byFew || b.targets && b.chat.messages != b.middleSize() {
		return nil
	}
	q, err := newQuota("probe", workerShare)
	if err == nil {
		err = q.remove()
	}
	if err != nil {
		say("processor time cannot be bounded here, workers are not compared: %v", err)
		return nil
	}
	var all []measure
	for n := 1; n <= 2; n++ {
		all = append(all, measure{workersMeasure(n), func(ctx context.Context) error { return b.scaled(ctx, n) }})
	}
	return all
}

func (b *bench) scaled(ctx context.Context, n int) error {
	return b.with(ctx, func(_ *server, c *client.Client) (err error) {
		var used usage
		for i := range n {
			end, err := b.startWorker(ctx, i)
			if err != nil {
				return err
			}
			defer func() {
				u, eerr := end()
				used.cpu += u.cpu
				err = errors.Join(err, eerr)
			}()
		}
		theirs := b.pg.cpu()
		began := time.Now()
		id, err := b.exports()[0].request(ctx, c)
		if err != nil {
			return err
		}
		t, err := until(ctx, c, id, client.Status.Final)
		if err != nil {
			return err
		}
		took := time.Since(began)
		if t.Status != client.Completed || t.Result == nil {
			return fmt.Errorf("the task ended as %s: %w", t.Status, t.Error)
		}
		b.record(workersMeasure(n), took, t.Result.Counts["messages"], t.Result.Size, used, b.pg.cpu()-theirs)
		return b.discard(t.Result)
	}, "--workers", "0")
}

// startWorker starts a worker process within a quota of its own.
func (b *bench) startWorker(ctx context.Context, i int) (end func() (usage, error), err error) {
	q, err := newQuota(fmt.Sprint(i), workerShare)
	if err != nil {
		return nil, err
	}
	cmd, stderr := b.hansard.command(ctx, append([]string{"worker", "--workers", "1"}, b.place()...)...)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, q.remove())
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	end = func() (usage, error) {
		err := cmd.Process.Signal(os.Interrupt)
		select {
		case err = <-ended:
		case <-time.After(answerPatience):
			err = errors.Join(errors.New("hansard worker did not stop"), cmd.Process.Kill(), <-ended)
		}
		if err != nil {
			err = fmt.Errorf("hansard worker: %w\n%s", err, stderr)
		}
		return usage{cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, errors.Join(err, q.remove())
	}
	err = q.take(cmd.Process.Pid)
	if err == nil {
		err = working(ctx, stderr)
	}
	if err != nil {
		_, eerr := end()
		return nil, errors.Join(err, eerr)
	}
	return end, nil
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
