package main

import (
	"context"
	"errors"
	"fmt"

	"hansard/client"
)

// queued is how many exports are kept in the queue beside what is measured, so
// that there is always one that runs.
const queued = 3

// exporter exports the whole chat again and again.
type exporter struct {
	b     *bench
	c     *client.Client
	tasks []string // not yet ended, as far as is known
	ended int
}

// keepExporting returns when the first export runs. After that stop says how
// many have ended, and returns when none is left.
func (b *bench) keepExporting(ctx context.Context, c *client.Client) (stop func() (int, error), err error) {
	e := &exporter{b: b, c: c}
	if err := e.fill(ctx); err != nil {
		return nil, err
	}
	if _, err := until(ctx, c, e.tasks[0], func(s client.Status) bool { return s != client.Waiting }); err != nil {
		return nil, err
	}
	patient, giveUp := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() { over <- e.run(ctx, patient) }()
	return func() (int, error) {
		giveUp()
		err := <-over
		ended := e.ended // those that are canceled now do not count
		return ended, errors.Join(err, e.cancel(ctx))
	}, nil
}

func (e *exporter) fill(ctx context.Context) error {
	all := e.b.exports()[0]
	for len(e.tasks) < queued {
		id, err := all.request(ctx, e.c)
		if err != nil {
			return err
		}
		e.tasks = append(e.tasks, id)
	}
	return nil
}

// run goes on until it is no longer patient. That ends only the waiting: a
// request that is given up may have made a task that nobody knows of.
func (e *exporter) run(ctx, patient context.Context) error {
	for patient.Err() == nil {
		if err := e.fill(ctx); err != nil {
			return err
		}
		t, err := untilEvery(patient, pollLeisure, e.c, e.tasks[0], client.Status.Final)
		if patient.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if t.Status != client.Completed {
			return fmt.Errorf("an export ended as %s: %w", t.Status, t.Error)
		}
		e.tasks = e.tasks[1:]
		e.ended++
		if err := e.discard(t); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) cancel(ctx context.Context) error {
	for _, id := range e.tasks {
		if _, err := e.c.Cancel(ctx, id); err != nil {
			return err
		}
	}
	for _, id := range e.tasks {
		t, err := until(ctx, e.c, id, client.Status.Final)
		if err != nil {
			return err
		}
		if err := e.discard(t); err != nil {
			return err
		}
	}
	return nil
}

// discard removes a task's file, if it has made one.
func (e *exporter) discard(t *client.Task) error {
	if t.Result == nil {
		return nil
	}
	return e.b.discard(t.Result)
}
