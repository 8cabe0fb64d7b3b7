package export_test

import (
	"context"
	"fmt"
	"testing"

	"hansard/internal/store"
)

// askingStore counts what its snapshots are asked: each question is a statement.
type askingStore struct {
	store.Store
	asked map[string]int
}

func (s *askingStore) Snapshot(ctx context.Context, app int64) (store.Snapshot, error) {
	snap, err := s.Store.Snapshot(ctx, app)
	return &askedSnapshot{snap, s.asked}, err
}

type askedSnapshot struct {
	store.Snapshot
	asked map[string]int
}

func (s *askedSnapshot) Channel(cid string) (store.ChannelRow, error) {
	s.asked["channel"]++
	return s.Snapshot.Channel(cid)
}

func (s *askedSnapshot) Members(channel int64, fn func(*store.MemberRow) error) error {
	s.asked["members"]++
	return s.Snapshot.Members(channel, fn)
}

func (s *askedSnapshot) Reads(channel int64, fn func(*store.ReadRow) error) error {
	s.asked["reads"]++
	return s.Snapshot.Reads(channel, fn)
}

func (s *askedSnapshot) Messages(q store.MessageRange, fn func(*store.MessageRow) error) error {
	s.asked["messages"]++
	return s.Snapshot.Messages(q, fn)
}

func (s *askedSnapshot) Message(id string) (store.MessageRow, error) {
	s.asked["message"]++
	return s.Snapshot.Message(id)
}

func (s *askedSnapshot) MessageInto(row *store.MessageRow, buf, id []byte) ([]byte, bool, error) {
	s.asked["message"]++
	return s.Snapshot.MessageInto(row, buf, id)
}

func (s *askedSnapshot) Reactions(message string, fn func(*store.ReactionRow) error) error {
	s.asked["reactions"]++
	return s.Snapshot.Reactions(message, fn)
}

func (s *askedSnapshot) Replies(parent string, q store.MessageRange, fn func(*store.MessageRow) error) error {
	s.asked["replies"]++
	return s.Snapshot.Replies(parent, q, fn)
}

func (s *askedSnapshot) UserByKey(key int64) (string, []byte, error) {
	s.asked["user"]++
	return s.Snapshot.UserByKey(key)
}

func (s *askedSnapshot) UserInto(buf []byte, key int64) (string, []byte, error) {
	s.asked["user"]++
	return s.Snapshot.UserInto(buf, key)
}

func (s *askedSnapshot) Setting(name string) ([]byte, error) {
	s.asked["setting"]++
	return s.Snapshot.Setting(name)
}

// An export asks the store for each channel and for each user once, and not for
// messages one by one, whatever their number.
func TestStatements(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1", "v2"} {
		for _, n := range []int{10, 3000} {
			f := setup(t)
			f.channel("one", n)
			f.channel("two", n)
			s := &askingStore{f.store, map[string]int{}}
			f.service.Store = s
			f.run(f.task(`{"channels":[{"cid":"messaging:one"},{"cid":"messaging:two"}],"version":"` + version + `"}`))
			want := map[string]int{"channel": 2, "members": 2, "reads": 2, "messages": 2, "setting": 1, "user": 3}
			if fmt.Sprint(s.asked) != fmt.Sprint(want) {
				t.Errorf("%s of %d messages: %v, want %v", version, n, s.asked, want)
			}
		}
	}
}
