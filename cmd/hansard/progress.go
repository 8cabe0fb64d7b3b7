package main

import (
	"context"

	"hansard/client"
	"hansard/internal/progress"
)

// bars shows progress on standard error, so that standard output is free for
// what the command prints.
func (m *Main) bars() *progress.Group {
	return progress.New(m.Stderr, isTerminal(m.Stderr))
}

// follow waits for a task and shows its progress.
func follow(ctx context.Context, c *client.Client, id string, bar *progress.Bar) (*client.Task, error) {
	t, err := c.Wait(ctx, id, func(t *client.Task) {
		bar.Set(t.Progress.Done, t.Progress.Total)
	})
	switch {
	case err == nil:
		bar.Done()
	case t != nil && t.Error != nil:
		bar.Fail(t.Error.Type)
	default:
		bar.Fail("no longer waited for")
	}
	return t, err
}
