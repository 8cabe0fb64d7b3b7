package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"hansard/internal/chat"
	"hansard/internal/importer/scan"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// A batch is what one transaction writes: at most about this many records or
// bytes.
const (
	batchRecords = 6000
	batchBytes   = 5 << 20
)

// pace is how many records the next batch may have. Everybody who writes to
// the store, the heartbeat of the import's own task too, waits for the batch
// before theirs, so where writing is slow batches become small.
//
// Not all that a batch takes is for its records: a message shows all reactions to
// it, and is written with them once for every batch that has one. Where half as
// many records take about as long, more batches would only do that more often, so
// the pace is taken back to what it was, and kept for some time.
type pace struct {
	most    int64
	records atomic.Int64

	slow time.Duration // what the last batch took, if the pace was halved for it
	from int64         // how many records it had
	keep int           // for how many slow batches it is kept
}

// keepPace is for how many slow batches the pace is kept that smaller ones did not
// better.
const keepPace = 4

func newPace(most int) *pace {
	p := &pace{most: int64(cmp.Or(max(most, 0), batchRecords))}
	p.records.Store(p.most)
	return p
}

// took adapts to how long it took to write a batch of so many records, which was
// filled at some pace.
func (p *pace) took(size, at int64, d time.Duration) {
	n := p.records.Load()
	if at != n {
		return // it was filled before the batch that changed the pace was written
	}
	slow, from := p.slow, p.from
	p.slow = 0
	switch {
	case d < 200*time.Millisecond:
		n, p.keep = n*2, 0
	case d <= 500*time.Millisecond:
	case p.keep > 0:
		p.keep--
	case slow > 0 && size <= from*3/4 && d > slow*3/4:
		n, p.keep = from, keepPace
	default:
		p.slow, p.from = d, min(n, size) // bytes may have filled it
		n = p.from / 2
	}
	p.records.Store(min(max(n, 50), p.most))
}

// batch holds the entities of a run of records, by kind: whatever an entity
// refers to is in an earlier batch or is of a kind that is written before it.
type batch struct {
	users     []userEntry
	channels  []channelEntry
	members   []wire.MemberInput
	reads     []wire.ReadInput
	messages  []chat.Message
	reactions []chat.Reaction
	calls     []chat.Call

	skipped Skipped
	records int64 // in it
	early   int64 // also in it, from the reactions on; see early
	bytes   int
	pace    int64 // at which it was filled
}

// size is how many records are in it.
func (b *batch) size() int64 { return b.records + b.early }

type userEntry struct {
	user     chat.User
	embedded bool // from inside another entity
	undated  bool
}

type channelEntry struct {
	channel chat.Channel
	members []wire.MemberInput
	undated bool
}

// Counts counts entities by kind.
type Counts struct {
	Users     int64 `json:"users"`
	Channels  int64 `json:"channels"`
	Members   int64 `json:"members"`
	Reads     int64 `json:"reads"`
	Messages  int64 `json:"messages"`
	Reactions int64 `json:"reactions"`
	Calls     int64 `json:"calls"`
}

// Skipped counts the records that were not loaded, by reason.
type Skipped struct {
	Devices           int64 `json:"devices"`
	FutureChannelBans int64 `json:"future_channel_bans"`
	// Existing were in the store and left alone (mode insert).
	Existing int64 `json:"existing"`
}

// A users export is loaded in two passes: a reaction may be to a message that
// comes later in the file, with another user.
const (
	passAll = iota
	passReactions
)

// loading is one pass of loading over a file.
type loading struct {
	form Form
	pass int
	from int64 // records that were loaded before
	pace *pace

	// Of early: how many records there are before the reactions, 0 if it is not used,
	// and how many from them on were loaded before.
	reactions, early int64
}

// loads says how many passes a form takes.
func (f Form) loads() int {
	if f == ExportUsers {
		return 2
	}
	return 1
}

// load reads the records from the one numbered l.from on, and hands batches to
// write one after the other, while it decodes ahead of it. behind, if it is not nil,
// begins at the reactions.
func load(ctx context.Context, s, behind *scan.Scanner, now chat.Time, l loading, write func(context.Context, *batch) error) error {
	group, ctx := errgroup.WithContext(ctx)
	// Decoding is the faster of the two: while a batch is written, the next one is
	// ready long before.
	batches := make(chan *batch)
	group.Go(func() error {
		defer close(batches)
		return decodeBatches(ctx, s, behind, now, l, batches)
	})
	group.Go(func() error {
		for b := range batches {
			began := time.Now()
			if err := write(ctx, b); err != nil {
				return err
			}
			l.pace.took(b.size(), b.pace, time.Since(began))
		}
		return nil
	})
	return group.Wait()
}

func decodeBatches(ctx context.Context, s, behind *scan.Scanner, now chat.Time, l loading, out chan<- *batch) error {
	p := &parser{scan: s, now: now, embeddedReactions: l.form.embeddedReactions}
	for range l.from {
		if err := p.skip(); err != nil {
			return changed(err)
		}
	}
	next := func(*batch) (*record, bool, error) {
		r, err := p.next()
		return r, false, err
	}
	// A batch that is full may get the reactions to its last messages, too.
	room := func(b *batch) bool { return b.size() < 2*l.pace.records.Load() && b.bytes < 2*batchBytes }
	var e *early
	if behind != nil {
		var err error
		if e, err = newEarly(p, &parser{scan: behind, now: now, embeddedReactions: p.embeddedReactions}, l); err != nil {
			return changed(err)
		}
		next = func(b *batch) (*record, bool, error) {
			return e.record(room(b))
		}
	}
	users := newSeen()
	b := &batch{}
	for {
		r, early, err := next(b)
		if err != nil && !errors.Is(err, io.EOF) {
			return changed(err)
		}
		if err == nil {
			if err := b.add(r, l, &users); err != nil {
				return changed(err)
			}
			if early {
				b.records, b.early = b.records-1, b.early+1
			}
		}
		b.pace = l.pace.records.Load()
		full := b.size() >= b.pace || b.bytes >= batchBytes
		if full && err == nil && e != nil {
			more, err := e.more(room(b))
			if err != nil {
				return changed(err)
			}
			full = !more
		}
		if done := err != nil; done && b.size() > 0 || full {
			select {
			case out <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
			b = &batch{messages: make([]chat.Message, 0, len(b.messages))}
			if e != nil {
				e.batched()
			}
		}
		if err != nil {
			return nil
		}
	}
}

// changed explains that a file that was checked has become bad since.
func changed(err error) error {
	var bad *badRecord
	var field *wire.FieldError
	if errors.As(err, &bad) || errors.As(err, &field) || errors.Is(err, io.EOF) {
		return fmt.Errorf("the import file has changed since it was checked: %w", err)
	}
	return err
}

// add adds a record to the batch.
func (b *batch) add(r *record, l loading, users *seen) error {
	b.records++
	b.bytes += len(r.rec.Raw)
	if l.pass == passReactions {
		if r.kind == kindReaction {
			b.reactions = append(b.reactions, r.reaction)
		}
		return nil
	}
	for _, raw := range r.embedded {
		if !mayDefine(raw) || users.before(raw) {
			continue
		}
		u, ok, err := fullUser(raw)
		if err != nil {
			return err
		}
		if ok {
			var p parser
			p.fillUser(&u)
			b.users = append(b.users, userEntry{user: u, embedded: true})
		}
	}
	switch r.kind {
	case kindUser:
		b.users = append(b.users, userEntry{user: r.user, undated: r.undated})
	case kindDevice:
		b.skipped.Devices++
	case kindBan:
		b.skipped.FutureChannelBans++
	case kindChannel:
		b.channels = append(b.channels, channelEntry{
			channel: r.channel.Channel, members: slices.Clone(r.members), undated: r.undated,
		})
	case kindMember:
		b.members = append(b.members, r.member)
	case kindRead:
		b.reads = append(b.reads, r.read)
	case kindMessage:
		b.messages = append(b.messages, r.message)
		b.reactions = append(b.reactions, r.reactions...)
	case kindReaction:
		if l.form != ExportUsers {
			b.reactions = append(b.reactions, r.reaction)
		}
	case kindCall:
		b.calls = append(b.calls, r.call)
	}
	return nil
}

// countUnread counts the unread messages of every read state that came without
// a count. It is done once all messages are there.
func countUnread(ctx context.Context, s store.Store, app int64) error {
	const some = 256
	after := ""
	for {
		var keys []int64
		err := s.View(ctx, app, func(r store.Reader) error {
			err := r.Channels(after, func(c *store.ChannelRow) error {
				keys, after = append(keys, c.Key), c.Channel.CID()
				if len(keys) == some {
					return errEnough
				}
				return nil
			})
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		err = s.Update(ctx, app, func(tx store.Tx) error {
			for _, key := range keys {
				if err := tx.CountUnread(key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

var errEnough = errors.New("enough channels")
