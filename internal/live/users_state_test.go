package live_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func (f *userFixture) deactivate(id string) call { return f.onUser(f.live.DeactivateUser, id, "") }
func (f *userFixture) reactivate(id string) call { return f.onUser(f.live.ReactivateUser, id, "") }

// writers makes ann and bob, and messages of theirs in two channels.
func writers(t *testing.T) *userFixture {
	f := newUsers(t)
	f.must(f.query("messaging:general"), `{"data":{"created_by_id":"ann","members":["ann","bob","eve"]}}`)
	f.must(f.query("messaging:pair"), `{"data":{"created_by_id":"bob","members":["ann","bob"]}}`)
	for i, m := range []string{
		`"id":"a1","text":"one","user_id":"ann"`, `"id":"a2","text":"two","user_id":"ann","attachments":[{"type":"x"}],"mood":"2.50"`,
		`"id":"b1","text":"three","user_id":"bob"`, `"id":"a3","text":"a reply","user_id":"ann","parent_id":"b1"`,
	} {
		f.pass(time.Second)
		cid := "messaging:general"
		if i == 1 {
			cid = "messaging:pair"
		}
		f.must(f.send(cid), `{"message":{`+m+`}}`)
	}
	f.pass(time.Minute)
	return f
}

// types lists how messages show.
func (f *userFixture) types(ids ...string) (types []any) {
	for _, id := range ids {
		types = append(types, f.messageNow(id)["type"])
	}
	return types
}

func (f *userFixture) equal(want, got any) {
	f.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		f.t.Error(d)
	}
}

func TestDeactivateUser(t *testing.T) {
	t.Parallel()
	f := writers(t)
	v := f.must(f.deactivate("ann"), ``)
	f.want(v, "2026-03-01T12:01:04Z", "user", "deactivated_at")
	f.want(v, "2026-03-01T12:01:04Z", "user", "updated_at")
	f.want(v, "Ann", "user", "name")
	f.equal(v["user"], any(f.userNow("ann")))
	f.equal([]any{"regular", "regular", "reply"}, f.types("a1", "a2", "a3"))
	f.refused(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann"}}`, wire.CodeBadInput, "deactivated")
	f.refused(f.deactivate("ann"), `{}`, wire.CodeBadInput, "ann", "is deactivated already")
	// Replacing the user does not reactivate it.
	f.must(f.users, `{"users":{"ann":{"id":"ann","name":"Ann"}}}`)
	f.want(f.userNow("ann"), "2026-03-01T12:01:04Z", "deactivated_at")
	f.pass(time.Minute)
	v = f.must(f.reactivate("ann"), `{"name":"Anna","created_by_id":"bob"}`)
	f.want(v, nil, "user", "deactivated_at")
	f.want(v, "Anna", "user", "name")
	f.want(v, "2026-03-01T12:02:04Z", "user", "updated_at")
	f.must(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann"}}`)
	f.refused(f.reactivate("ann"), ``, wire.CodeBadInput, "ann", "is not deactivated")
	f.refused(f.reactivate("ann"), `{"restore_messages":true}`, wire.CodeBadInput, "ann", "is not deactivated")
}

func TestSwitchingRefuses(t *testing.T) {
	t.Parallel()
	f := newUsers(t)
	f.must(f.onUser(f.live.DeleteUser, "eve", ""), ``)
	for _, on := range []func(string) call{f.deactivate, f.reactivate} {
		f.refused(on("nobody"), ``, wire.CodeNotFound, "nobody")
		f.refused(on("eve"), ``, wire.CodeBadInput, "eve", "deleted")
		f.refused(on("ann"), `[]`, wire.CodeBadInput, "object")
		f.refused(on("ann"), `{"created_by_id":"nobody"}`, wire.CodeBadInput, "created_by_id", "nobody")
		f.refused(on("ann"), `{"created_by_id":7}`, wire.CodeBadInput, "created_by_id")
	}
	f.refused(f.deactivate("ann"), `{"mark_messages_deleted":1}`, wire.CodeBadInput, "mark_messages_deleted")
	f.refused(f.reactivate("ann"), `{"restore_messages":1}`, wire.CodeBadInput, "restore_messages")
	f.refused(f.reactivate("ann"), `{"name":1}`, wire.CodeBadInput, "name")
	f.equal([]any{nil, nil}, []any{f.userNow("ann")["deactivated_at"], f.userNow("ann")["deleted_at"]})
	f.must(f.deactivate("bob"), ``)
	many, reMany := f.call(f.live.DeactivateUsers), f.call(f.live.ReactivateUsers)
	for body, words := range map[string][]string{
		``:                                    {"user_ids"},
		`{}`:                                  {"user_ids", "required"},
		`{"user_ids":null}`:                   {"user_ids", "required"},
		`{"user_ids":[]}`:                     {"user_ids", "at least one"},
		`{"user_ids":"ann"}`:                  {"user_ids", "array"},
		`{"user_ids":["ann",7]}`:              {"user_ids[1]"},
		`{"user_ids":["ann",""]}`:             {"user_ids[1]"},
		`{"user_ids":["ann","a b"]}`:          {"user_ids[1]"},
		`{"user_ids":[` + userIDs(101) + `]}`: {"user_ids", "100"},
		`{"user_ids":["eve"]}`:                {"user_ids", "deleted", "eve"},
	} {
		f.refused(many, body, wire.CodeBadInput, words...)
		f.refused(reMany, body, wire.CodeBadInput, words...)
	}
	f.refused(many, `{"user_ids":["x","ann","y"]}`, wire.CodeNotFound, "x, y")
	f.refused(many, `{"user_ids":["ann","bob"]}`, wire.CodeBadInput, "bob", "deactivated already")
	f.refused(reMany, `{"user_ids":["ann","bob"]}`, wire.CodeBadInput, "ann", "not deactivated")
}

func userIDs(n int) string {
	out := `"u0"`
	for i := 1; i < n; i++ {
		out += fmt.Sprintf(`,"u%d"`, i)
	}
	return out
}

func TestDeactivateWithMessages(t *testing.T) {
	t.Parallel()
	f := writers(t)
	// One was deleted before, and stays so.
	f.put(func(tx store.Tx) error {
		return tx.PutMessage(&chat.Message{
			ID: "gone", CID: "messaging:general", UserID: "ann", Type: chat.Regular, Text: "x", CreatedAt: 7, UpdatedAt: 7, DeletedAt: 9,
		})
	})
	before := f.messageNow("a2")
	f.must(f.deactivate("ann"), `{"mark_messages_deleted":true}`)
	f.equal([]any{"deleted", "deleted", "deleted", "deleted", "regular"}, f.types("a1", "a2", "a3", "gone", "b1"))
	f.want(f.messageNow("a2"), "2026-03-01T12:01:04Z", "deleted_at")
	f.want(f.messageNow("a2"), "two", "text")
	f.want(f.messageNow("b1"), 0.0, "reply_count")
	f.want(f.messageNow("b1"), 1.0, "deleted_reply_count")
	f.pass(time.Minute)
	f.must(f.reactivate("ann"), `{"restore_messages":true}`)
	f.equal([]any{"regular", "regular", "reply", "deleted"}, f.types("a1", "a2", "a3", "gone"))
	after := f.messageNow("a2")
	f.want(after, "2026-03-01T12:02:04Z", "updated_at")
	for _, m := range []map[string]any{before, after} {
		delete(m, "updated_at")
		delete(m, "user")
	}
	f.equal(before, after)
	f.want(f.messageNow("b1"), 1.0, "reply_count")

	// Without restore_messages they stay deleted, for good.
	f.must(f.deactivate("ann"), `{"mark_messages_deleted":true}`)
	f.pass(time.Minute)
	f.must(f.reactivate("ann"), ``)
	f.must(f.deactivate("ann"), ``)
	f.must(f.reactivate("ann"), `{"restore_messages":true}`)
	f.equal([]any{"deleted", "deleted", "deleted"}, f.types("a1", "a2", "a3"))
}

// TestDeactivateWithManyMessages takes several transactions, in both ways.
func TestDeactivateWithManyMessages(t *testing.T) {
	t.Parallel()
	f := writers(t)
	f.many("ann", 2500)
	count := func() (n int) {
		f.view(func(r store.Reader) error {
			return r.UserMessages(f.key("ann"), func(m *store.MessageRow) error {
				if m.DeletedAt == 0 {
					n++
				}
				return nil
			})
		})
		return n
	}
	f.must(f.deactivate("ann"), `{"mark_messages_deleted":true}`)
	f.equal(0, count())
	f.must(f.reactivate("ann"), `{"restore_messages":true}`)
	f.equal(2503, count())
}

// many adds messages of a user to messaging:general.
func (f *userFixture) many(user string, n int) {
	f.t.Helper()
	ms := make([]chat.Message, n)
	for i := range ms {
		at := chat.TimeOf(f.time()) - chat.Time(n-i)
		ms[i] = chat.Message{
			ID: fmt.Sprintf("%s-%d", user, i), CID: "messaging:general", UserID: user, Type: chat.Regular, Text: "one of many",
			CreatedAt: at, UpdatedAt: at,
		}
	}
	f.put(func(tx store.Tx) error {
		_, err := tx.InsertMessages(ms, false)
		return err
	})
}

// TestDeactivateOutOfTime is cut short after some messages; a task does the
// rest.
func TestDeactivateOutOfTime(t *testing.T) {
	t.Parallel()
	f := writers(t)
	f.many("ann", 1000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &cutShort{Store: f.store, after: 3, cut: cancel}
	f.live.Store = s
	_, err := f.live.DeactivateUser(ctx, f.app, "ann", url.Values{}, []byte(`{"mark_messages_deleted":true}`))
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	f.live.Store = f.store
	f.equal([]any{"deleted", "regular"}, f.types("a1", "ann-999"))
	f.want(f.userNow("ann"), "2026-03-01T12:01:04Z", "deactivated_at")
	list, err := f.store.ListTasks(t.Context(), store.TaskQuery{App: f.app, Kind: task.DeactivateUsers, Limit: 9})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d tasks, %v", len(list), err)
	}
	f.pass(time.Minute)
	f.equal(map[string]any{"ann": map[string]any{"status": "ok"}}, f.run(&task.Attempt{Task: list[0]}))
	f.want(f.messageNow("ann-999"), "2026-03-01T12:01:04Z", "deleted_at")
}

// cutShort is a store that ends somebody's context after some transactions.
type cutShort struct {
	store.Store
	after int64
	cut   func()
	n     atomic.Int64
}

func (s *cutShort) Update(ctx context.Context, app int64, fn func(store.Tx) error) error {
	err := s.Store.Update(ctx, app, fn)
	if s.n.Add(1) == s.after {
		s.cut()
	}
	return err
}

func TestSwitchUsersByTask(t *testing.T) {
	t.Parallel()
	f := writers(t)
	ok := map[string]any{"status": "ok"}
	a := f.taskOf(f.must(f.call(f.live.DeactivateUsers), `{"user_ids":["ann","bob","ann"],"mark_messages_deleted":true,"created_by_id":"eve"}`))
	f.want(f.userNow("ann"), nil, "deactivated_at")
	f.equal(map[string]any{"ann": ok, "bob": ok}, f.run(a))
	f.want(f.userNow("ann"), "2026-03-01T12:01:04Z", "deactivated_at")
	f.equal([]any{"deleted", "deleted", "deleted", "deleted"}, f.types("a1", "a2", "a3", "b1"))
	p := a.Current()
	f.equal([]int64{4, 4}, []int64{p.Done, p.Total})

	// It is run once more, after bob was reactivated: what is done stays done.
	f.pass(time.Minute)
	f.must(f.reactivate("bob"), `{"restore_messages":true}`)
	a.Task.Checkpoint = p.Checkpoint
	f.run(a)
	f.want(f.userNow("bob"), nil, "deactivated_at")
	f.equal([]any{"deleted", "regular"}, f.types("a1", "b1"))

	a = f.taskOf(f.must(f.call(f.live.ReactivateUsers), `{"user_ids":["ann"],"restore_messages":true}`))
	f.equal(map[string]any{"ann": ok}, f.run(a))
	f.want(f.userNow("ann"), nil, "deactivated_at")
	f.equal([]any{"regular", "regular", "reply"}, f.types("a1", "a2", "a3"))
}

// TestSwitchingTaskMissesTheUser runs tasks whose users are others by now.
func TestSwitchingTaskMissesTheUser(t *testing.T) {
	t.Parallel()
	f := writers(t)
	a := f.taskOf(f.must(f.call(f.live.DeactivateUsers), `{"user_ids":["ann","eve"],"mark_messages_deleted":true}`))
	f.must(f.onUser(f.live.DeleteUser, "ann", "hard_delete=true"), ``)
	f.must(f.users, `{"users":{"ann":{"id":"ann","name":"Another"}}}`)
	f.must(f.onUser(f.live.DeleteUser, "eve", ""), ``)
	f.must(f.send("messaging:general"), `{"message":{"id":"new","text":"x","user_id":"ann"}}`)
	f.run(a)
	f.want(f.userNow("ann"), nil, "deactivated_at")
	f.want(f.userNow("eve"), nil, "deactivated_at")
	f.equal([]any{"regular", "regular"}, f.types("new", "a1"))
}

func TestTaskStopsWithItsContext(t *testing.T) {
	t.Parallel()
	f := writers(t)
	a := f.taskOf(f.must(f.call(f.live.DeactivateUsers), `{"user_ids":["ann"]}`))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.live.Handlers()[task.DeactivateUsers](ctx, a); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRestoreUsers(t *testing.T) {
	t.Parallel()
	f := writers(t)
	restore := f.call(f.live.RestoreUsers)
	f.must(f.onUser(f.live.DeleteUser, "ann", "mark_messages_deleted=true"), ``)
	f.must(f.onUser(f.live.DeleteUser, "bob", "hard_delete=true"), ``)
	f.refused(f.users, `{"users":{"ann":{"id":"ann"}}}`, wire.CodeBadInput, "restored")
	f.refused(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann"}}`, wire.CodeBadInput, "deleted")
	f.refused(restore, `{"user_ids":["ann","eve"]}`, wire.CodeBadInput, "eve", "not deleted")
	f.refused(restore, `{"user_ids":["ann","bob","x"]}`, wire.CodeNotFound, "bob, x")
	f.refused(restore, `{}`, wire.CodeBadInput, "user_ids", "required")
	f.refused(restore, `{"user_ids":["ann",7]}`, wire.CodeBadInput, "user_ids[1]")
	f.pass(time.Minute)
	f.equal(map[string]any{}, f.must(restore, `{"user_ids":["ann"]}`))
	f.want(f.userNow("ann"), nil, "deleted_at")
	f.want(f.userNow("ann"), "Ann", "name")
	f.want(f.userNow("ann"), "2026-03-01T12:02:04Z", "updated_at")
	f.must(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann"}}`)
	// Messages are not a part of it.
	f.equal([]any{"deleted"}, f.types("a1"))
}
