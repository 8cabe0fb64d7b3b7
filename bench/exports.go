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
	name    string
	local   bool // to the disk, wherever others go
	request func(context.Context, *client.Client) (task string, err error)
}

// The exports that others are compared with.
const (
	exportV2    = "export v2"
	exportV1    = "export v1"
	exportZstd  = "export v2 zstd"
	exportGzip  = "export v2 gzip"
	exportUsers = "export users"
	exportLocal = "export v2 to the local disk"
)

func (b *bench) exports() []exportKind {
	var all []client.ChannelWindow
	for _, cid := range b.chat.cids {
		all = append(all, client.ChannelWindow{CID: cid})
	}
	channels := func(name string, r client.ChannelsRequest) exportKind {
		r.Channels = all
		return exportKind{name, false, func(ctx context.Context, c *client.Client) (string, error) {
			return c.ExportChannels(ctx, r)
		}}
	}
	kinds := []exportKind{
		channels(exportV2, client.ChannelsRequest{Version: "v2"}),
		channels(exportV1, client.ChannelsRequest{Version: "v1"}),
		channels(exportZstd, client.ChannelsRequest{Version: "v2", Compression: "zstd"}),
		channels(exportGzip, client.ChannelsRequest{Version: "v2", Compression: "gzip"}),
		{exportUsers, false, func(ctx context.Context, c *client.Client) (string, error) {
			return c.ExportUsers(ctx, client.UsersRequest{UserIDs: b.chat.authors})
		}},
	}
	if b.objects != nil {
		local := channels(exportLocal, client.ChannelsRequest{Version: "v2"})
		local.local = true
		kinds = append(kinds, local)
	}
	return kinds
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
	if e.local {
		defer b.toDisk()()
	}
	return b.with(ctx, func(s *server, c *client.Client) error {
		// The file of the round before goes now, not later: what the next one
		// fills is memory that is there. A virtual machine may have given back
		// what was free for a while, and a page of it costs several times as much.
		if e.name == exportV2 && b.plain != "" {
			if err := os.Remove(b.plain); err != nil {
				return err
			}
			b.plain = ""
		}
		before, _ := s.usage()
		theirs := b.pg.cpu()
		over := make(chan struct{})
		first := b.firstByte(over)
		began := time.Now()
		t, err := finishedExport(ctx, e, c)
		took := time.Since(began)
		close(over)
		at := <-first
		if err != nil {
			return err
		}
		used, _ := s.usage()
		used.cpu -= before.cpu
		b.record(e.name, took, t.Result.Counts["messages"], t.Result.Size, used, b.pg.cpu()-theirs)
		if e.name == exportV2 && !at.IsZero() && b.only.MatchString(e.name) {
			b.results.add(e.name, firstByteOnDisk, ms(at.Sub(began)))
		}
		path := b.file(t.Result)
		if path == "" {
			return nil
		}
		if err := b.check(ctx, e.name, path); err != nil {
			return err
		}
		if e.name != exportV2 {
			return os.Remove(path)
		}
		b.plain = filepath.Join(b.work, "plain.jsonl")
		return os.Rename(path, b.plain)
	})
}

// toDisk has exports go to the local disk until back.
func (b *bench) toDisk() (back func()) {
	elsewhere := b.objects
	b.objects = nil
	return func() { b.objects = elsewhere }
}

// finishedExport runs one export to its end.
func finishedExport(ctx context.Context, e exportKind, c *client.Client) (*client.Task, error) {
	id, err := e.request(ctx, c)
	if err != nil {
		return nil, err
	}
	t, err := until(ctx, c, id, client.Status.Final)
	if err != nil {
		return nil, err
	}
	if t.Status != client.Completed || t.Result == nil {
		return nil, fmt.Errorf("the task ended as %s: %w", t.Status, t.Error)
	}
	return t, nil
}

// firstByte watches the files that are being written until one has a byte, or
// until it is over.
func (b *bench) firstByte(over <-chan struct{}) <-chan time.Time {
	found := make(chan time.Time, 1)
	pattern := filepath.Join(b.data(), "files", ".tmp", "*")
	go func() {
		defer close(found)
		if b.objects != nil {
			return
		}
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			files, _ := filepath.Glob(pattern) // the pattern is a good one
			for _, f := range files {
				if info, err := os.Stat(f); err == nil && info.Size() > 0 {
					found <- time.Now()
					return
				}
			}
		}
	}()
	return found
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
