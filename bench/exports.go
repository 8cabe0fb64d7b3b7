package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hansard/client"
)

// exportKind is a way to export that is measured.
type exportKind struct {
	name       string
	compressed bool
	request    func(context.Context, *client.Client) (task string, err error)
}

func (b *bench) exports() []exportKind {
	var all []client.ChannelWindow
	for _, cid := range b.chat.cids {
		all = append(all, client.ChannelWindow{CID: cid})
	}
	channels := func(name string, r client.ChannelsRequest) exportKind {
		r.Channels = all
		return exportKind{name, r.Compression != "", func(ctx context.Context, c *client.Client) (string, error) {
			return c.ExportChannels(ctx, r)
		}}
	}
	return []exportKind{
		channels("export v2", client.ChannelsRequest{Version: "v2"}),
		channels("export v1", client.ChannelsRequest{Version: "v1"}),
		channels("export v2 zstd", client.ChannelsRequest{Version: "v2", Compression: "zstd"}),
		{"export users", false, func(ctx context.Context, c *client.Client) (string, error) {
			return c.ExportUsers(ctx, client.UsersRequest{UserIDs: b.chat.authors})
		}},
	}
}

// file is where a server keeps what it has exported.
func (b *bench) file(r *client.Result) string {
	return filepath.Join(b.data(), "files", filepath.FromSlash(r.Path))
}

// How often a task is looked at: for measuring it, and when it only runs
// beside what is measured.
const (
	pollEvery   = 5 * time.Millisecond
	pollLeisure = 50 * time.Millisecond
)

// longest bounds the wait for any one task.
const longest = 30 * time.Minute

// export measures one export in a server process of its own.
func (b *bench) export(ctx context.Context, e exportKind) error {
	return b.with(ctx, func(s *server, c *client.Client) error {
		before, _ := s.usage()
		began := time.Now()
		id, err := e.request(ctx, c)
		if err != nil {
			return err
		}
		t, err := until(ctx, c, id, client.Status.Final)
		if err != nil {
			return err
		}
		took := time.Since(began)
		used, _ := s.usage()
		used.cpu -= before.cpu
		if t.Status != client.Completed || t.Result == nil {
			return fmt.Errorf("the task ended as %s: %w", t.Status, t.Error)
		}
		b.record(e.name, took, t.Result.Counts["messages"], t.Result.Size, used)

		path := b.file(t.Result)
		if !e.compressed {
			floor, err := copyTime(ctx, path)
			if err != nil {
				return err
			}
			b.results.add(e.name, "% of the speed of cp", 100*floor.Seconds()/took.Seconds())
		}
		return os.Remove(path)
	})
}

// until polls a task until its status is as wanted.
func until(ctx context.Context, c *client.Client, id string, wanted func(client.Status) bool) (*client.Task, error) {
	return untilEvery(ctx, pollEvery, c, id, wanted)
}

func untilEvery(ctx context.Context, pause time.Duration, c *client.Client, id string, wanted func(client.Status) bool) (*client.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		t, err := c.Task(ctx, id)
		if err != nil {
			return nil, err
		}
		if wanted(t.Status) {
			return t, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}
