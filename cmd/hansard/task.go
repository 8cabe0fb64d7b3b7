package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"hansard/client"
	"hansard/internal/progress"

	"github.com/spf13/cobra"
)

func (m *Main) taskCommand() *cobra.Command {
	var r remote
	var asJSON bool
	c := group("task", "See, follow and cancel the tasks of a running server",
		m.taskListCommand(&r, &asJSON),
		m.taskActCommand(&r, &asJSON, "get ID", "Show a task", func(ctx context.Context, c *client.Client, id string) (*client.Task, error) {
			return c.Task(ctx, id)
		}),
		m.taskActCommand(&r, &asJSON, "cancel ID", "Ask a task to stop", func(ctx context.Context, c *client.Client, id string) (*client.Task, error) {
			return c.Cancel(ctx, id)
		}),
		m.taskActCommand(&r, &asJSON, "wait ID", "Wait until a task is done; exit 1 if it failed", m.waitTask),
	)
	r.bind(c)
	c.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// maxTasks is how many tasks the server lists at once.
const maxTasks = 100

func (m *Main) taskListCommand(r *remote, asJSON *bool) *cobra.Command {
	var q client.TaskQuery
	c := &cobra.Command{
		Use:   "ls",
		Short: "List tasks, newest first",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case q.Limit < 1 || q.Limit > maxTasks:
				return usageError("--limit must be 1 to %d", maxTasks)
			case q.Offset < 0:
				return usageError("--offset must not be negative")
			}
			c, err := r.client()
			if err != nil {
				return err
			}
			tasks, err := c.ListTasks(cmd.Context(), q)
			if err != nil {
				return explain(err)
			}
			if *asJSON {
				if tasks == nil {
					tasks = []client.Task{}
				}
				return m.printJSON(tasks)
			}
			w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "TASK\tTYPE\tSTATUS\tMESSAGES\tCREATED")
			for _, t := range tasks {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d/%d\t%s\n", t.ID, cmp.Or(t.Type, "-"), t.Status, t.Progress.Done, t.Progress.Total,
					t.CreatedAt.Local().Format(time.DateTime))
			}
			return w.Flush()
		},
	}
	f := c.Flags()
	f.StringVar((*string)(&q.Status), "status", "", "only tasks that are waiting, running, pending, completed or failed")
	f.StringVar(&q.Type, "type", "", "only tasks of this type, such as export.channels")
	f.IntVar(&q.Limit, "limit", 25, "how many, 1 to 100")
	f.IntVar(&q.Offset, "offset", 0, "how many to skip")
	return c
}

func (m *Main) taskActCommand(r *remote, asJSON *bool, use, short string,
	act func(context.Context, *client.Client, string) (*client.Task, error),
) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client()
			if err != nil {
				return err
			}
			t, err := act(cmd.Context(), c, args[0])
			if t == nil {
				return explain(err)
			}
			show := m.printTask
			if *asJSON {
				show = func(t *client.Task) error { return m.printJSON(t) }
			}
			return errors.Join(show(t), err)
		},
	}
}

// waitTask follows a task with a progress bar on standard error.
func (m *Main) waitTask(ctx context.Context, c *client.Client, id string) (*client.Task, error) {
	bars := m.bars()
	defer bars.Wait()
	return follow(ctx, c, id, func() *progress.Bar { return bars.Add(id, "messages") })
}

func (m *Main) printTask(t *client.Task) error {
	w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { _, _ = fmt.Fprintf(w, "%s\t%v\n", name, value) }
	row("task", t.ID)
	if t.Type != "" {
		row("type", t.Type)
	}
	row("status", t.Status)
	row("created", t.CreatedAt.Local().Format(time.DateTime))
	row("updated", t.UpdatedAt.Local().Format(time.DateTime))
	row("messages", fmt.Sprintf("%d of %d", t.Progress.Done, t.Progress.Total))
	if t.Error != nil {
		row("error", t.Error.Error())
	}
	if f := t.Result; f != nil {
		row("file", f.Path)
		row("size", size(f.Size))
		row("sha256", f.SHA256)
		row("url", f.URL)
		row("good until", f.ExpiresAt.Local().Format(time.DateTime))
	}
	return w.Flush()
}
