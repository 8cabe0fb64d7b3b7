package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hansard/client"
)

// How many exports run at once beside what is measured, and how many more wait,
// so that another begins as soon as one ends.
const (
	abreast = 4
	waiting = 2
)

// exporter exports the whole chat again and again, several times at once.
type exporter struct {
	b     *bench
	c     *client.Client
	tasks []string         // not yet ended, as far as is known
	done  map[string]int64 // messages that each of them has exported
	meanwhile
}

// meanwhile is what exports did beside what was measured.
type meanwhile struct {
	messages int64 // exported, by all of them
	ended    int   // exports
	running  int   // at each look, summed up
	looks    int
}

func (m *meanwhile) add(n meanwhile) {
	m.messages += n.messages
	m.ended += n.ended
	m.running += n.running
	m.looks += n.looks
}

// atOnce is how many ran at a time, on average.
func (m *meanwhile) atOnce() float64 { return float64(m.running) / float64(max(m.looks, 1)) }

// keepExporting returns when as many exports run as are to. After that stop says
// what they did, and returns when none is left.
func (b *bench) keepExporting(ctx context.Context, c *client.Client) (stop func() (meanwhile, error), err error) {
	e := &exporter{b: b, c: c, done: map[string]int64{}}
	if err := e.fill(ctx); err != nil {
		return nil, err
	}
	for _, id := range e.tasks[:abreast] {
		if _, err := until(ctx, c, id, func(s client.Status) bool { return s != client.Waiting }); err != nil {
			return nil, err
		}
	}
	if err := e.look(ctx); err != nil {
		return nil, err
	}
	e.meanwhile = meanwhile{} // what they did before does not count
	patient, giveUp := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() { over <- e.run(ctx, patient) }()
	return func() (meanwhile, error) {
		giveUp()
		err := <-over
		if err == nil {
			err = e.look(ctx)
		}
		return e.meanwhile, errors.Join(err, e.cancel(ctx))
	}, nil
}

func (e *exporter) fill(ctx context.Context) error {
	all := e.b.exports()[0]
	for len(e.tasks) < abreast+waiting {
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
	tick := time.NewTicker(pollLeisure)
	defer tick.Stop()
	for {
		select {
		case <-patient.Done():
			return nil
		case <-tick.C:
		}
		if err := e.look(ctx); err != nil {
			return err
		}
		if err := e.fill(ctx); err != nil {
			return err
		}
	}
}

// look finds out how far the exports are, and which have ended.
func (e *exporter) look(ctx context.Context) error {
	all, err := e.c.ListTasks(ctx, client.TaskQuery{Limit: 100})
	if err != nil {
		return err
	}
	e.looks++
	for _, t := range all {
		if !slices.Contains(e.tasks, t.ID) {
			continue
		}
		e.messages += t.Progress.Done - e.done[t.ID]
		e.done[t.ID] = t.Progress.Done
		if t.Status == client.Running {
			e.running++
		}
		if !t.Status.Final() {
			continue
		}
		if t.Status != client.Completed {
			return fmt.Errorf("an export ended as %s: %w", t.Status, t.Error)
		}
		e.tasks = slices.DeleteFunc(e.tasks, func(id string) bool { return id == t.ID })
		delete(e.done, t.ID)
		e.ended++
		if err := e.discard(&t); err != nil {
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
