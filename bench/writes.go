package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"hansard/client"
)

// The measures of writing.
const (
	sending       = "messages sent by 16 clients"
	sendingBeside = "messages sent while four exports run"
	readingBeside = "reads while messages are sent"
)

const (
	readEvery  = 5 * time.Millisecond
	readsAlone = 1000 // per repetition
)

// sending measures how fast messages are sent. The server is killed after the
// last acknowledgement, and each message must be there when it is started
// again.
func (b *bench) sending(ctx context.Context) error {
	var acknowledged []string
	err := b.with(ctx, func(s *server, _ *client.Client) error {
		l, err := b.newLoad(ctx, s.url, b.writes)
		if err != nil {
			return err
		}
		defer l.close()
		log := b.watchLog()
		before, _ := s.usage()
		theirs := b.pg.cpu()
		ours, _ := usageOf(os.Getpid())
		all, err := l.send(ctx, b.writes)
		used, known := s.usage()
		oursNow, _ := usageOf(os.Getpid())
		size := log()
		if err != nil {
			return err
		}
		b.recordSent(sending, all)
		if known {
			b.results.add(sending, processorTime, (used.cpu - before.cpu).Seconds())
			if theirs = b.pg.cpu() - theirs; theirs > 0 {
				b.results.add(sending, processorTimePostgres, theirs.Seconds())
			}
			b.results.add(sending, "s of processor time of the clients", (oursNow.cpu - ours.cpu).Seconds())
			b.results.add(sending, memoryAtMost, float64(used.peak)/1e6)
		}
		if b.pg == nil {
			b.results.add(sending, "MB of write-ahead log at most", size)
		}
		acknowledged = l.acknowledged
		return s.kill()
	})
	if err != nil {
		return err
	}
	return b.allThere(ctx, acknowledged)
}

// sendingBeside compares how fast messages are sent while four exports of the
// whole chat run at once, and another whenever one ends, with how fast they are
// sent without, in turns.
func (b *bench) sendingBeside(ctx context.Context) error {
	var acknowledged []string
	err := b.with(ctx, func(s *server, c *client.Client) error {
		warmUp := b.writes / 20
		l, err := b.newLoad(ctx, s.url, warmUp+b.writes)
		if err != nil {
			return err
		}
		defer l.close()
		if _, err := l.send(ctx, warmUp); err != nil {
			return err
		}
		log := b.watchLog()
		with, without, beside, err := b.inTurns(ctx, c, l)
		size := log()
		if err != nil {
			return err
		}
		b.recordSent(sendingBeside, with)
		slices.Sort(without.each)
		b.results.add(sendingBeside, "ms, p99, without exports", quantile(without.each, 0.99))
		b.results.add(sendingBeside, "% of the speed without exports", 100*with.rate()/without.rate())
		b.results.add(sendingBeside, "exports at once, on average", beside.atOnce())
		b.results.add(sendingBeside, "messages/s exported meanwhile", float64(beside.messages)/with.took.Seconds())
		b.results.add(sendingBeside, "exports ended meanwhile", float64(beside.ended))
		if b.pg == nil {
			b.results.add(sendingBeside, "MB of write-ahead log at most", size)
		}
		acknowledged = l.acknowledged
		return nil
	}, "--workers", strconv.Itoa(abreast))
	if err != nil {
		return err
	}
	return b.allThere(ctx, acknowledged)
}

// inTurns sends half of the messages while exports run and half without. The
// store grows meanwhile, so neither half is the later one.
func (b *bench) inTurns(ctx context.Context, c *client.Client, l *load) (with, without sent, exports meanwhile, err error) {
	for _, beside := range []bool{false, true, true, false} {
		if !beside {
			part, err := l.send(ctx, b.writes/4)
			if err != nil {
				return with, without, exports, err
			}
			without.add(part)
			continue
		}
		stop, err := b.keepExporting(ctx, c)
		if err != nil {
			return with, without, exports, err
		}
		part, err := l.send(ctx, b.writes/4)
		did, serr := stop()
		if err = errors.Join(err, serr); err != nil {
			return with, without, exports, err
		}
		with.add(part)
		exports.add(did)
	}
	return with, without, exports, nil
}

// readingBeside measures how long it takes to read a channel, when nothing else
// happens and while clients send messages to others.
func (b *bench) readingBeside(ctx context.Context) error {
	return b.with(ctx, func(s *server, _ *client.Client) error {
		l, err := b.newLoad(ctx, s.url, b.writes)
		if err != nil {
			return err
		}
		defer l.close()
		alone, err := l.read(ctx, b.chat.cids[0], min(readsAlone, b.writes), nil)
		if err != nil {
			return err
		}
		var all sent
		var failed error
		over := make(chan struct{})
		go func() {
			defer close(over)
			all, failed = l.send(ctx, b.writes)
		}()
		beside, err := l.read(ctx, b.chat.cids[0], 0, over)
		<-over
		if err = errors.Join(err, failed); err != nil {
			return err
		}
		b.recordReads("reads of a channel, alone", alone)
		b.recordReads(readingBeside, beside)
		b.results.add(readingBeside, "messages/s", all.rate())
		return nil
	})
}

func (b *bench) recordSent(measure string, s sent) {
	slices.Sort(s.each)
	b.results.add(measure, "messages/s", s.rate())
	b.results.add(measure, "ms, p50", quantile(s.each, 0.5))
	b.results.add(measure, "ms, p99", quantile(s.each, 0.99))
	b.results.add(measure, "ms at most", s.each[len(s.each)-1])
}

func (b *bench) recordReads(measure string, took []float64) {
	if len(took) == 0 {
		return // the writing was over at once
	}
	slices.Sort(took)
	b.results.add(measure, "ms, p50", quantile(took, 0.5))
	b.results.add(measure, "ms, p99", quantile(took, 0.99))
	b.results.add(measure, "ms at most", took[len(took)-1])
}

// watchLog watches the write-ahead log until the function it returns is called,
// which says how many MB long it got.
func (b *bench) watchLog() (stop func() float64) {
	done, largest := make(chan struct{}), make(chan int64)
	go func() { largest <- watchSize(filepath.Join(b.data(), "hansard.db-wal"), done) }()
	return func() float64 {
		close(done)
		return float64(<-largest) / 1e6
	}
}

// allThere starts the server once more, exports the channels that were written
// to, and fails unless the messages in them are those and no others.
func (b *bench) allThere(ctx context.Context, ids []string) error {
	return b.with(ctx, func(_ *server, c *client.Client) error {
		r := client.ChannelsRequest{Version: "v2"}
		for k := range channels {
			r.Channels = append(r.Channels, client.ChannelWindow{Type: "messaging", ID: liveChannel(k)})
		}
		id, err := c.ExportChannels(ctx, r)
		if err != nil {
			return err
		}
		t, err := until(ctx, c, id, client.Status.Final)
		if err != nil {
			return err
		}
		if t.Status != client.Completed || t.Result == nil {
			return fmt.Errorf("the task ended as %s: %w", t.Status, t.Error)
		}
		if b.files() == "" {
			return nil // there is nothing to look at
		}
		return errors.Join(hasMessages(b.file(t.Result), ids), b.discard(t.Result))
	})
}

// hasMessages holds the messages of a v2 file against what was sent.
func hasMessages(path string, ids []string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	missing := make(map[string]bool, len(ids))
	for _, id := range ids {
		missing[id] = true
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 1<<20), maxLine)
	for lines.Scan() {
		var l struct {
			Type string
			Data struct{ ID string }
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if l.Type != "message" {
			continue
		}
		if !missing[l.Data.ID] {
			return fmt.Errorf("%s: the message %s was not sent, or is there twice", path, l.Data.ID)
		}
		delete(missing, l.Data.ID)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s: %d of %d messages that were acknowledged are not there", path, len(missing), len(ids))
	}
	return nil
}
