package export

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
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
	plan, err := s.planUsers(ctx, app, r.UserIDs)
	if err != nil {
		return nil, err
	}
	a.Progress(0, plan.total)
	key := fileKey("users", app, &a.Task, "jsonl"+r.suffix())
	out, err := newOutput(ctx, s.Blob, key, r.Packing)
	if err != nil {
		return nil, err
	}
	defer out.abort()
	m := manifest{Kind: "users", Version: V2, Format: JSON}
	if m.AsOf, err = s.users(ctx, app, plan, out, &m.Counts, func(done int64) { a.Progress(done, max(plan.total, done)) }); err != nil {
		return nil, err
	}
	a.Progress(m.Counts.Messages, m.Counts.Messages)
	return s.finish(ctx, a, app, key, out, r.Packing, &m)
}

// usersPlan is what a users export is expected to write.
type usersPlan struct {
	ids      []string
	messages []int64 // of each user
	total    int64
}

// planUsers counts the messages of all users. One who is gone, or has too
// many, fails the task before anything is written.
func (s *Service) planUsers(ctx context.Context, app store.App, ids []string) (*usersPlan, error) {
	plan := &usersPlan{ids: ids}
	err := s.Store.View(ctx, app.ID, func(v store.Reader) error {
		for _, id := range ids {
			_, n, err := s.countUser(v, id)
			if err != nil {
				return err
			}
			plan.messages = append(plan.messages, int64(n))
			plan.total += int64(n)
		}
		return nil
	})
	return plan, err
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
// messages, which stand far apart. Where they are many, several users are read
// abreast, whose messages often share pages, and several of those groups at once.
// tell is called with the number of messages so far.
func (s *Service) users(ctx context.Context, app store.App, plan *usersPlan, out *output, counts *format.Counts, tell func(done int64)) (asOf chat.Time, err error) {
	e := &usersExport{Service: s, tell: tell}
	readers := 1
	abreast := plan.total >= 2*cmp.Or(s.ReaderMessages, readerMessages) && len(plan.ids) > 1
	if abreast {
		e.divide(plan)
		readers = int(min(int64(min(runtime.GOMAXPROCS(0), maxReaders, len(e.groups))), plan.total/cmp.Or(s.ReaderMessages, readerMessages)))
	}
	snaps, err := store.Snapshots(ctx, s.Store, app.ID, readers)
	if err != nil {
		return 0, err
	}
	defer func() {
		for _, snap := range snaps {
			err = errors.Join(err, snap.Close())
		}
	}()
	if !abreast {
		return snaps[0].AsOf(), e.inTurn(ctx, snaps[0], plan.ids, out, counts)
	}
	return snaps[0].AsOf(), e.atOnce(ctx, snaps, out, counts)
}

const (
	// maxReaders bounds how many groups of users are read at once; each reader has
	// a cache of users of its own.
	maxReaders = 3
	// readerMessages is from how many messages on another reader is worth its while.
	readerMessages int64 = 25_000
	// maxAbreast and maxGroup bound the users of a group and their messages, all of
	// which are held until the group is complete.
	maxAbreast = 16
	maxGroup   = 150_000
)

type usersExport struct {
	*Service
	groups []group
	tell   func(done int64)
	done   atomic.Int64 // messages, of those who read at once
}

// group is users who are read abreast, and what was read of them.
type group struct {
	ids     []string
	stashes []*stash
	counts  format.Counts
	err     error
	done    chan struct{}
}

// divide makes groups of about the same size, in the order of the request.
func (e *usersExport) divide(plan *usersPlan) {
	parts := (len(plan.ids) + maxAbreast - 1) / maxAbreast
	most := (len(plan.ids) + parts - 1) / parts
	messages := int64(0)
	for i, id := range plan.ids {
		n := len(e.groups)
		if n == 0 || len(e.groups[n-1].ids) == most || messages+plan.messages[i] > maxGroup {
			e.groups = append(e.groups, group{done: make(chan struct{})})
			n, messages = n+1, 0
		}
		e.groups[n-1].ids = append(e.groups[n-1].ids, id)
		messages += plan.messages[i]
	}
}

// inTurn writes user by user.
func (e *usersExport) inTurn(ctx context.Context, snap store.Snapshot, ids []string, out *output, counts *format.Counts) error {
	defer context.AfterFunc(ctx, snap.Interrupt)()
	b, r := &format.Buffer{Swap: out.swap}, render.NewBulk(snap)
	defer r.Close()
	src := &format.Source{Reader: snap, Render: r, Counts: counts, Progress: progress(ctx, counts, e.pace(), e.tell)}
	for _, id := range ids {
		key, _, err := e.countUser(snap, id)
		if err != nil {
			return err
		}
		if err := format.User(src, key, b); err != nil {
			return err
		}
	}
	return b.FlushAll()
}

// abreast reads the users of a group.
func (e *usersExport) abreast(src *format.Source, snap store.Snapshot, g *group) error {
	keys, buffers := make([]int64, len(g.ids)), make([]format.Buffer, len(g.ids))
	for i, id := range g.ids {
		var err error
		if keys[i], _, err = e.countUser(snap, id); err != nil {
			return err
		}
		s := e.newSpill()
		g.stashes = append(g.stashes, s)
		buffers[i].Sink = sink(s)
		if err := format.UserItself(src, keys[i], &buffers[i]); err != nil {
			return err
		}
	}
	err := snap.MessagesOf(keys, func(i int, row *store.MessageRow) error { return format.UserMessage(src, row, &buffers[i]) })
	if err != nil {
		return err
	}
	for i, key := range keys {
		if err := format.UserRest(src, key, &buffers[i]); err != nil {
			return err
		}
		if err := buffers[i].FlushAll(); err != nil {
			return err
		}
	}
	return nil
}

// atOnce has a goroutine for each snapshot, which read one group after the
// other, and writes what they have read in the order of the request.
func (e *usersExport) atOnce(ctx context.Context, snaps []store.Snapshot, out *output, counts *format.Counts) error {
	ctx, stop := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer func() {
		stop()
		readers.Wait()
		for i := range e.groups {
			e.groups[i].release()
		}
	}()
	// What is read ahead is bounded: the groups that wait to be written.
	ahead := make(chan struct{}, len(snaps)+1)
	next := make(chan *group)
	readers.Go(func() {
		defer close(next)
		for i := range e.groups {
			select {
			case ahead <- struct{}{}:
			case <-ctx.Done():
				return
			}
			select {
			case next <- &e.groups[i]:
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
			for g := range next {
				g.err = e.abreast(&format.Source{Reader: snap, Render: r, Counts: &g.counts, Progress: e.together(ctx, &g.counts, pace)}, snap, g)
				close(g.done)
			}
		})
	}
	b := make([]byte, 0, bufferSize)
	for i := range e.groups {
		g := &e.groups[i]
		select {
		case <-g.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if g.err != nil {
			return g.err
		}
		for _, s := range g.stashes {
			var err error
			if b, err = s.copyTo(b, out.swap); err != nil {
				return err
			}
		}
		counts.Add(&g.counts)
		g.release()
		<-ahead
	}
	return nil
}

func (g *group) release() {
	for _, s := range g.stashes {
		s.release()
	}
	g.stashes = nil
}

// together is what is called after each message of one group while others are
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
