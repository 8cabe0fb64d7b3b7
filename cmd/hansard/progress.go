package main

import (
	"context"
	"errors"
	"time"

	"hansard/client"
	"hansard/internal/progress"
)

// bars shows progress on standard error, so that standard output is free for
// what the command prints.
func (m *Main) bars() *progress.Group {
	return progress.New(m.Stderr, isTerminal(m.Stderr))
}

// follow waits for a task and shows its progress in the bar that add gives,
// once there is such a task. The bar of a task that is no longer waited for
// stays where it is: the task has not failed.
func follow(ctx context.Context, c *client.Client, id string, add func() *progress.Bar) (*client.Task, error) {
	began := time.Now() // it may be over at the first look
	var bar *progress.Bar
	t, err := c.WaitForTask(ctx, id, func(t *client.Task) {
		if bar == nil {
			bar = add()
			bar.Since(began)
		}
		bar.Set(t.Progress.Done, t.Progress.Total)
	})
	if e, ok := errors.AsType[*client.TaskError](err); ok {
		bar.Fail(e.Type)
	} else if err == nil {
		bar.Done()
	}
	return t, err
}
