package export

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"hansard/internal/chat"
	"hansard/internal/export/format"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/task"
)

// RunUsers carries out a task of the kind task.ExportUsers.
func (s *Service) RunUsers(ctx context.Context, a *task.Attempt) ([]byte, error) {
	result, err := s.runUsers(ctx, a)
	return result, cause(ctx, err)
}

func (s *Service) runUsers(ctx context.Context, a *task.Attempt) (result []byte, err error) {
	var r UsersRequest
	if err := json.Unmarshal(a.Task.Request, &r); err != nil {
		return nil, fmt.Errorf("the stored request: %w", err)
	}
	app, err := s.app(ctx, a.Task.App)
	if err != nil {
		return nil, err
	}
	defer s.pacer.begin()()
	total, err := s.planUsers(ctx, app, r.UserIDs)
	if err != nil {
		return nil, err
	}
	a.Progress(0, total)
	key := fileKey("users", app, &a.Task, "jsonl"+r.suffix())
	out, err := newOutput(ctx, s.Blob, key, r.Packing)
	if err != nil {
		return nil, err
	}
	defer out.abort()
	m := manifest{Kind: "users", Version: V2, Format: JSON}
	if m.AsOf, err = s.users(ctx, app, r.UserIDs, total, out, &m.Counts, func(done int64) { a.Progress(done, max(total, done)) }); err != nil {
		return nil, err
	}
	a.Progress(m.Counts.Messages, m.Counts.Messages)
	return s.finish(ctx, a, app, key, out, r.Packing, &m)
}

// planUsers counts the messages of all users. One who is gone, or has too
// many, fails the task before anything is written.
func (s *Service) planUsers(ctx context.Context, app store.App, ids []string) (total int64, err error) {
	err = s.Store.View(ctx, app.ID, func(v store.Reader) error {
		for _, id := range ids {
			_, n, err := s.countUser(v, id)
			if err != nil {
				return err
			}
			total += int64(n)
		}
		return nil
	})
	return total, err
}

func (s *Service) countUser(v store.Reader, id string) (key int64, n int, err error) {
	key, err = v.UserKey(id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, 0, task.Failf("NotFound", "The user %s was deleted before they could be exported.", id)
	}
	if err != nil {
		return 0, 0, err
	}
	if n, err = v.CountUserMessages(key); err != nil {
		return 0, 0, err
	}
	if s.Limits.UserMessages > 0 && n > s.Limits.UserMessages {
		return 0, 0, &task.Failure{Type: "TooManyMessages", Description: tooMany(id, n, s.Limits.UserMessages)}
	}
	return key, n, nil
}

// users writes all users as of one instant: there are few of them, and what
// each may have is limited. Nearly all of the time goes into looking up their
// messages, which stand far apart, so several users are read at once if that is
// many. tell is called with the number of messages so far.
func (s *Service) users(ctx context.Context, app store.App, ids []string, total int64, out io.Writer, counts *format.Counts, tell func(done int64)) (asOf chat.Time, err error) {
	readers := min(int64(min(runtime.GOMAXPROCS(0), maxReaders, len(ids))), max(total/cmp.Or(s.ReaderMessages, readerMessages), 1))
	snaps, err := store.Snapshots(ctx, s.Store, app.ID, int(readers))
	if err != nil {
		return 0, err
	}
	defer func() {
		for _, snap := range snaps {
			err = errors.Join(err, snap.Close())
		}
	}()
	e := &usersExport{Service: s, ids: ids, tell: tell}
	if len(snaps) == 1 {
		return snaps[0].AsOf(), e.inTurn(ctx, snaps[0], out, counts)
	}
	return snaps[0].AsOf(), e.atOnce(ctx, snaps, out, counts)
}

// maxReaders bounds how many users are read at once; each reader has a cache of
// users of its own.
const maxReaders = 3

// readerMessages is from how many messages on another reader is worth its while.
const readerMessages int64 = 25_000

type usersExport struct {
	*Service
	ids  []string
	tell func(done int64)
	done atomic.Int64 // messages, of those who read at once
}

// one writes one user.
func (e *usersExport) one(src *format.Source, id string, b *format.Buffer) error {
	key, _, err := e.countUser(src.Reader, id)
	if err != nil {
		return err
	}
	if err := format.User(src, key, b); err != nil {
		return err
	}
	return b.FlushAll()
}

// inTurn writes user by user.
func (e *usersExport) inTurn(ctx context.Context, snap store.Snapshot, out io.Writer, counts *format.Counts) error {
	defer context.AfterFunc(ctx, snap.Interrupt)()
	b, r := &format.Buffer{Sink: sink(out)}, render.NewBulk(snap)
	defer r.Close()
	src := &format.Source{Reader: snap, Render: r, Counts: counts, Progress: progress(ctx, counts, e.pace(), e.tell)}
	for _, id := range e.ids {
		if err := e.one(src, id, b); err != nil {
			return err
		}
	}
	return nil
}

// portion is what is read of one user.
type portion struct {
	stash  *stash
	counts format.Counts
	err    error
	done   chan struct{}
}

// atOnce has a goroutine for each snapshot, which read one user after the
// other, and writes what they have read in the order of the request.
func (e *usersExport) atOnce(ctx context.Context, snaps []store.Snapshot, out io.Writer, counts *format.Counts) error {
	ctx, stop := context.WithCancel(ctx)
	var readers sync.WaitGroup
	portions := make([]portion, len(e.ids))
	defer func() {
		stop()
		readers.Wait()
		for i := range portions {
			if s := portions[i].stash; s != nil {
				s.release()
			}
		}
	}()
	// What is read ahead is bounded: the portions that wait to be written.
	ahead := make(chan int, 2*len(snaps))
	next := make(chan int)
	for i := range portions {
		portions[i].done = make(chan struct{})
	}
	readers.Go(func() {
		defer close(next)
		for i := range portions {
			select {
			case ahead <- i:
			case <-ctx.Done():
				return
			}
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	for _, snap := range snaps {
		readers.Go(func() {
			defer context.AfterFunc(ctx, snap.Interrupt)()
			defer e.pacer.begin()()
			pace, r := e.pace(), render.NewBulk(snap)
			defer r.Close()
			for i := range next {
				p := &portions[i]
				p.stash = e.newStash()
				src := &format.Source{Reader: snap, Render: r, Counts: &p.counts, Progress: e.together(ctx, &p.counts, pace)}
				p.err = e.one(src, e.ids[i], &format.Buffer{Sink: sink(p.stash)})
				close(p.done)
			}
		})
	}
	for i := range portions {
		p := &portions[i]
		select {
		case <-p.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if p.err != nil {
			return p.err
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{out}, p.stash.reader(), make([]byte, bufferSize)); err != nil {
			return err
		}
		counts.Add(&p.counts)
		p.stash.release()
		<-ahead
	}
	return nil
}

// together is what is called after each message of one user while others are
// read too.
func (e *usersExport) together(ctx context.Context, counts *format.Counts, pace func(context.Context) error) func() error {
	told := int64(0)
	return progress(ctx, counts, pace, func(done int64) {
		e.tell(e.done.Add(done - told))
		told = done
	})
}

// userSet collects who appears in a file, by the store's keys: a bit for each,
// since keys are dense.
type userSet struct {
	all   []uint64 // in the file already
	fresh []uint64 // in this channel, not in the file yet
	n     int      // of fresh
}

// maxSorted bounds how many users are sorted in memory; beyond that the store's
// own order is walked.
const maxSorted = 1 << 16

func (u *userSet) begin() {
	clear(u.fresh)
	u.n = 0
}

func has(set []uint64, key int64) bool {
	i := int(key >> 6)
	return i < len(set) && set[i]&(1<<(key&63)) != 0
}

func put(set []uint64, key int64) []uint64 {
	i := int(key >> 6)
	if i >= len(set) {
		set = append(set, make([]uint64, i+1+i/4-len(set))...)
	}
	set[i] |= 1 << (key & 63)
	return set
}

func (u *userSet) add(key int64) {
	if has(u.all, key) || has(u.fresh, key) {
		return
	}
	u.fresh = put(u.fresh, key)
	u.n++
}

// write adds a line for every user whom this channel has brought, by id.
func (u *userSet) write(snap store.Reader, r *render.Renderer, b *format.Buffer) (n int64, err error) {
	r.Seen = nil
	line := func(object []byte) error {
		b.B = append(b.B, `{"type":"user","data":`...)
		b.B = append(b.B, object...)
		b.B = append(b.B, "}\n"...)
		n++
		return b.Flush()
	}
	if u.n > maxSorted {
		err = snap.Users(func(key int64, _ string, object []byte) error {
			if !has(u.fresh, key) {
				return nil
			}
			return line(object)
		})
	} else {
		err = u.sorted(snap, line)
	}
	if err != nil {
		return n, err
	}
	for i, word := range u.fresh {
		for ; word != 0; word &= word - 1 {
			u.all = put(u.all, int64(i)<<6+int64(bits.TrailingZeros64(word)))
		}
	}
	return n, nil
}

func (u *userSet) sorted(snap store.Reader, line func([]byte) error) error {
	ids := make([]string, 0, u.n)
	for i, word := range u.fresh {
		for ; word != 0; word &= word - 1 {
			id, _, err := snap.UserByKey(int64(i)<<6 + int64(bits.TrailingZeros64(word)))
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		key, err := snap.UserKey(id)
		if err != nil {
			return err
		}
		_, object, err := snap.UserByKey(key)
		if err != nil {
			return err
		}
		if err := line(object); err != nil {
			return err
		}
	}
	return nil
}

// save and load keep the set for a later attempt.
func (u *userSet) save(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := make([]byte, 0, len(u.all)*8)
	for _, word := range u.all {
		w = binary.LittleEndian.AppendUint64(w, word)
	}
	if _, err = f.Write(w); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (u *userSet) load(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	u.all = u.all[:0]
	for ; len(b) >= 8; b = b[8:] {
		u.all = append(u.all, binary.LittleEndian.Uint64(b))
	}
	return nil
}
