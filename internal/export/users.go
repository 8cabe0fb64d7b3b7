package export

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"slices"

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
	b := &format.Buffer{Sink: func(p []byte) error {
		_, err := out.Write(p)
		return err
	}}
	m := manifest{Kind: "users", Version: V2, Format: JSON}
	if m.AsOf, err = s.users(ctx, app, r.UserIDs, b, &m.Counts, progress(ctx, &m.Counts, s.pace(), func(done int64) {
		a.Progress(done, max(total, done))
	})); err != nil {
		return nil, err
	}
	if err := b.FlushAll(); err != nil {
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

// users writes all users from one snapshot: there are few of them, and what
// each may have is limited.
func (s *Service) users(ctx context.Context, app store.App, ids []string, b *format.Buffer, counts *format.Counts, progress func() error) (asOf chat.Time, err error) {
	snap, err := s.Store.Snapshot(ctx, app.ID)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, snap.Close()) }()
	stop := context.AfterFunc(ctx, snap.Interrupt)
	defer stop()
	src := &format.Source{Reader: snap, Render: render.NewBulk(snap), Counts: counts, Progress: progress}
	for _, id := range ids {
		key, _, err := s.countUser(snap, id)
		if err != nil {
			return 0, err
		}
		if err := format.User(src, key, b); err != nil {
			return 0, err
		}
	}
	return snap.AsOf(), nil
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
