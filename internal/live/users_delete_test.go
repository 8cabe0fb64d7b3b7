package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"
)

func (f *userFixture) deleteUsers(body string) *task.Attempt {
	f.t.Helper()
	return f.taskOf(f.must(f.call(f.live.DeleteUsers), body))
}

// everything is what a store holds of an app, as exports show it.
func (f *userFixture) everything() string {
	f.t.Helper()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	f.view(func(r store.Reader) error {
		rr := render.New(r)
		show := func(fn func([]byte) ([]byte, error)) error {
			out, err := fn(nil)
			line("%s", out)
			return err
		}
		return errors.Join(
			r.Users(func(_ int64, _ string, object []byte) error {
				line("%s", object)
				return nil
			}),
			r.Channels("", func(c *store.ChannelRow) error {
				return errors.Join(
					show(func(b []byte) ([]byte, error) { return rr.Channel(b, c) }),
					r.Members(c.Key, func(m *store.MemberRow) error {
						return show(func(b []byte) ([]byte, error) { return rr.Member(b, m, c.CreatedBy) })
					}),
					r.Reads(c.Key, func(m *store.ReadRow) error { return show(func(b []byte) ([]byte, error) { return rr.Read(b, m) }) }),
					r.Messages(store.MessageRange{Channel: c.Key}, func(m *store.MessageRow) error {
						return show(func(b []byte) ([]byte, error) { return rr.Message(b, m) })
					}),
				)
			}),
			r.Calls(func(c *store.CallRow) error {
				return show(func(b []byte) ([]byte, error) { return rr.CallDetails(b, c) })
			}),
		)
	})
	return b.String()
}

// lacks wants words to be nowhere in what the store holds.
func (f *userFixture) lacks(words ...string) {
	f.t.Helper()
	all := f.everything()
	for _, w := range words {
		if strings.Contains(all, w) {
			f.t.Errorf("%s is still in\n%s", w, all)
		}
	}
}

func (f *userFixture) channel(cid string) (row store.ChannelRow, there bool) {
	f.t.Helper()
	f.view(func(r store.Reader) (err error) {
		row, err = r.Channel(cid)
		there = err == nil
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return err
	})
	return row, there
}

func TestDeleteUser(t *testing.T) {
	t.Parallel()
	f := writers(t)
	v := f.must(f.onUser(f.live.DeleteUser, "ann", ""), ``)
	f.want(v, "2026-03-01T12:01:04Z", "user", "deleted_at")
	f.want(v, "Ann", "user", "name")
	f.equal(v["user"], any(f.userNow("ann")))
	f.equal([]any{"regular", "regular", "reply"}, f.types("a1", "a2", "a3"))
	f.want(f.messageNow("a1"), "2026-03-01T12:01:04Z", "user", "deleted_at")
	f.pass(time.Minute)
	// Once more, with more: the deletion is as old as it was.
	v = f.must(f.onUser(f.live.DeleteUser, "ann", "mark_messages_deleted=true&delete_conversation_channels=true"), ``)
	f.want(v, "2026-03-01T12:01:04Z", "user", "deleted_at")
	f.equal([]any{"deleted", "deleted", "deleted", "regular"}, f.types("a1", "a2", "a3", "b1"))
	f.want(f.messageNow("a1"), "one", "text")
	f.want(f.messageNow("a1"), "2026-03-01T12:02:04Z", "deleted_at")
	general, _ := f.channel("messaging:general")
	pair, _ := f.channel("messaging:pair")
	if general.Channel.DeletedAt != 0 || pair.Channel.DeletedAt == 0 {
		t.Errorf("deleted: general %v, pair %v", general.Channel.DeletedAt, pair.Channel.DeletedAt)
	}
	f.refused(f.onUser(f.live.DeleteUser, "nobody", ""), ``, wire.CodeNotFound, "nobody")
	for _, name := range []string{"hard_delete", "mark_messages_deleted", "delete_conversation_channels"} {
		f.refused(f.onUser(f.live.DeleteUser, "bob", name+"=maybe"), ``, wire.CodeBadInput, name)
	}
	f.want(f.userNow("bob"), nil, "deleted_at")
}

func TestHardDeleteUser(t *testing.T) {
	t.Parallel()
	f := writers(t)
	ann := f.key("ann")
	f.must(f.send("messaging:general"), `{"message":{"id":"m","text":"hi","user_id":"bob","mentioned_users":["ann"],"restricted_visibility":["ann"]}}`)
	f.must(f.react("m"), `{"reaction":{"type":"like","user_id":"ann"}}`)
	f.put(func(tx store.Tx) error {
		if err := tx.PutCall(&chat.Call{
			Type: "default", ID: "c", CreatedBy: "bob", CreatedAt: 5, UpdatedAt: 5,
			Members: []chat.CallMember{{UserID: "ann", Role: "host", CreatedAt: 5}},
			Session: chat.Raw(`{"id":"s","participants":[{"user_id":"bob"},{"user":{"id":"ann","name":"Ann"},"joined_at":"2026-03-01T12:00:00Z"}]}`),
		}); err != nil {
			return err
		}
		bob, err := tx.UserKey("bob")
		if err != nil {
			return err
		}
		row, err := tx.Channel("messaging:general")
		if err != nil {
			return err
		}
		return errors.Join(
			tx.PutPending(&store.PendingRow{ID: "p", Channel: row.Key, User: ann, CreatedAt: 5, Message: []byte(`{"text":"pending"}`)}),
			tx.PutPending(&store.PendingRow{ID: "q", Channel: row.Key, User: bob, CreatedAt: 5, Message: []byte(`{"text":"pending"}`)}),
			tx.PutMark(&store.Mark{Kind: store.Hidden, User: ann, Subject: "messaging:general", At: 5}),
			tx.PutMark(&store.Mark{Kind: store.Blocked, User: ann, Subject: "bob", At: 5}),
			tx.PutMark(&store.Mark{Kind: store.Blocked, User: bob, Subject: "ann", At: 5}),
			tx.PutMark(&store.Mark{Kind: store.Blocked, User: bob, Subject: "eve", At: 5}),
		)
	})
	v := f.must(f.onUser(f.live.DeleteUser, "ann", "hard_delete=true"), ``)
	f.want(v, "ann", "user", "id")
	f.want(v, "2026-03-01T12:01:04Z", "user", "deleted_at")

	// Messages were not asked for, and stay. Nobody is ann any more.
	f.lacks(`"ann"`, "Ann")
	id := f.idOf(ann)
	if !strings.HasPrefix(id, "deleted-user-") || !wire.ValidID(id, wire.MaxUserID) {
		t.Fatalf("the id that is left is %s", id)
	}
	trace := map[string]any{"id": id, "deleted_at": "2026-03-01T12:01:04Z"}
	f.equal(trace, f.userNow(id))
	f.want(f.messageNow("a1"), any(trace), "user")
	m := f.messageNow("m")
	f.want(m, any(trace), "mentioned_users", 0)
	f.want(m, id, "restricted_visibility", 0)
	f.want(m, id, "latest_reactions", 0, "user_id")
	f.want(f.messageNow("b1"), any(trace), "thread_participants", 0)
	general, _ := f.channel("messaging:general")
	f.equal(id, general.Channel.CreatedBy)
	f.equal(3, general.MemberCount)
	f.view(func(r store.Reader) error {
		if _, err := r.Member(general.Key, ann); err != nil {
			return err
		}
		n := 0
		if err := r.UserCalls(ann, func(*store.CallRow) error {
			n++
			return nil
		}); err != nil || n != 1 {
			t.Errorf("%d calls, %v", n, err)
		}
		bob, err := r.UserKey("bob")
		if err != nil {
			return err
		}
		for what, gone := range map[string]error{
			"pending":         errOf(r.Pending("p")),
			"hidden":          errOf(r.Mark(store.Hidden, ann, "messaging:general")),
			"blocked by ann":  errOf(r.Mark(store.Blocked, ann, "bob")),
			"blocked ann":     errOf(r.Mark(store.Blocked, bob, "ann")),
			"blocked by name": errOf(r.Mark(store.Blocked, bob, id)),
			"ann":             errOf(r.UserKey("ann")),
		} {
			if !errors.Is(gone, store.ErrNotFound) {
				t.Errorf("%s: %v", what, gone)
			}
		}
		_, err1 := r.Pending("q")
		_, err2 := r.Mark(store.Blocked, bob, "eve")
		return errors.Join(err1, err2)
	})
	f.refused(f.onUser(f.live.DeleteUser, "ann", ""), ``, wire.CodeNotFound, "ann")
	// A trace is nobody: nothing more can be done to it.
	f.refused(f.onUser(f.live.DeleteUser, id, ""), ``, wire.CodeNotFound, id)
	f.refused(f.call(f.live.RestoreUsers), `{"user_ids":["`+id+`"]}`, wire.CodeNotFound)

	// Another one may take the id, and has nothing to do with it.
	f.must(f.users, `{"users":{"ann":{"id":"ann"}}}`)
	f.want(f.messageNow("a1"), any(trace), "user")
}

func errOf[T any](_ T, err error) error { return err }

func TestHardDeleteUserWithAll(t *testing.T) {
	t.Parallel()
	f := writers(t)
	f.must(f.send("messaging:general"), `{"message":{"id":"r","text":"to a1","user_id":"bob","parent_id":"a1"}}`)
	f.must(f.react("b1"), `{"reaction":{"type":"like","user_id":"ann"}}`)
	f.must(f.react("b1"), `{"reaction":{"type":"like","user_id":"bob"}}`)
	f.must(f.onUser(f.live.DeleteUser, "ann", "hard_delete=1&mark_messages_deleted=1&delete_conversation_channels=1"), ``)
	for _, id := range []string{"a1", "a2", "a3", "r"} {
		if m := f.messageNow(id); m != nil {
			t.Errorf("%s is still there", id)
		}
	}
	b1 := f.messageNow("b1")
	f.want(b1, 0.0, "reply_count")
	f.want(b1, 0.0, "deleted_reply_count")
	f.want(b1, map[string]any{"like": 1.0}, "reaction_counts")
	if _, there := f.channel("messaging:pair"); there {
		t.Error("the conversation is still there")
	}
	general, _ := f.channel("messaging:general")
	f.equal([]int{1, 1}, []int{general.MessageCount, general.TotalMessages})
}

func TestDeleteUsersByTask(t *testing.T) {
	t.Parallel()
	ok := map[string]any{"status": "ok"}
	t.Run("soft", func(t *testing.T) {
		t.Parallel()
		f := writers(t)
		a := f.deleteUsers(`{"user_ids":["ann","bob","ann"]}`)
		// They are deleted at once.
		f.want(f.userNow("bob"), "2026-03-01T12:01:04Z", "deleted_at")
		f.refused(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann"}}`, wire.CodeBadInput, "deleted")
		f.pass(time.Minute)
		f.equal(map[string]any{"ann": ok, "bob": ok}, f.run(a))
		f.want(f.userNow("ann"), "2026-03-01T12:01:04Z", "deleted_at")
		f.want(f.userNow("ann"), "Ann", "name")
		f.equal([]any{"regular", "regular", "reply", "regular"}, f.types("a1", "a2", "a3", "b1"))
		p := a.Current()
		f.equal([]int64{4, 4}, []int64{p.Done, p.Total})
	})
	t.Run("soft messages and conversations", func(t *testing.T) {
		t.Parallel()
		f := writers(t)
		f.run(f.deleteUsers(`{"user_ids":["ann"],"user":"soft","messages":"soft","conversations":"soft","files":true,"calls":null}`))
		f.equal([]any{"deleted", "deleted", "deleted", "regular"}, f.types("a1", "a2", "a3", "b1"))
		f.want(f.messageNow("a2"), "two", "text")
		f.want(f.messageNow("a2"), "x", "attachments", 0, "type")
		pair, _ := f.channel("messaging:pair")
		general, _ := f.channel("messaging:general")
		f.equal([]bool{true, false}, []bool{pair.Channel.DeletedAt != 0, general.Channel.DeletedAt != 0})
	})
	t.Run("pruning", func(t *testing.T) {
		t.Parallel()
		f := writers(t)
		f.must(f.users, `{"users":{"ann":{"id":"ann","name":"Ann","role":"admin","image":"i","language":"de","teams":["x"],"invisible":true,"pet":{"a":1}}}}`)
		f.must(f.send("messaging:general"), `{"message":{"id":"rich","text":"*rich*","html":"<b>rich</b>","mml":"<mml>","user_id":"ann",
			"i18n":{"en_text":"rich"},"attachments":[{"type":"rich"}],"mentioned_users":["bob"],"mood":"rich","parent_id":"b1"}}`)
		f.must(f.react("rich"), `{"reaction":{"type":"like","user_id":"bob"}}`)
		f.put(func(tx store.Tx) error {
			return tx.PutHistory(&store.HistoryRow{Message: "rich", UpdatedAt: 5, UpdatedBy: f.key("ann"), Object: []byte(`{"text":"was rich"}`)})
		})
		f.run(f.deleteUsers(`{"user_ids":["ann"],"user":"pruning","messages":"pruning"}`))
		f.equal(map[string]any{
			"id": "ann", "role": "admin", "banned": false, "online": false, "created_at": "2026-03-01T12:00:00Z",
			"updated_at": "2026-03-01T12:01:04Z", "deleted_at": "2026-03-01T12:01:04Z",
		}, f.userNow("ann"))
		f.equal([]any{"deleted", "deleted", "deleted", "deleted", "regular"}, f.types("a1", "a2", "a3", "rich", "b1"))
		f.lacks("rich<", `*rich`, `"rich"}`, "mood", "<mml>", "en_text", `"like"`, "Ann")
		f.want(f.messageNow("rich"), "b1", "parent_id")
		f.want(f.messageNow("rich"), []any{}, "attachments")
		f.want(f.messageNow("rich"), []any{}, "latest_reactions")
		f.want(f.messageNow("rich"), []any{}, "mentioned_users")
		f.view(func(r store.Reader) error {
			return r.History(store.HistoryQuery{Message: "rich"}, func(*store.HistoryRow) error {
				t.Error("the history is still there")
				return nil
			})
		})
		// The user can be restored, what was known of it cannot.
		f.must(f.call(f.live.RestoreUsers), `{"user_ids":["ann"]}`)
		f.want(f.userNow("ann"), nil, "name")
	})
	t.Run("hard", func(t *testing.T) {
		t.Parallel()
		f := writers(t)
		ann, bob := f.key("ann"), f.key("bob")
		a := f.deleteUsers(`{"user_ids":["ann","bob"],"user":"hard","messages":"hard","conversations":"hard"}`)
		f.equal(map[string]any{"ann": ok, "bob": ok}, f.run(a))
		f.lacks(`"ann"`, `"bob"`, "Ann", "three")
		if f.idOf(ann) == f.idOf(bob) {
			t.Error("two traces share an id")
		}
		// Once more, as after a crash just before the end.
		f.must(f.users, `{"users":{"ann":{"id":"ann","name":"Another"}}}`)
		f.must(f.send("messaging:general"), `{"message":{"id":"new","text":"x","user_id":"ann"}}`)
		f.run(a)
		f.want(f.userNow("ann"), "Another", "name")
		f.equal([]any{"regular"}, f.types("new"))
	})
	t.Run("hard with soft messages", func(t *testing.T) {
		t.Parallel()
		f := writers(t)
		f.must(f.react("b1"), `{"reaction":{"type":"like","user_id":"ann"}}`)
		f.run(f.deleteUsers(`{"user_ids":["ann"],"user":"hard","messages":"soft"}`))
		f.equal([]any{"deleted", "deleted", "deleted"}, f.types("a1", "a2", "a3"))
		f.want(f.messageNow("b1"), map[string]any{"like": 1.0}, "reaction_counts")
		f.lacks(`"ann"`)
	})
	t.Run("a soft-deleted user for good", func(t *testing.T) {
		t.Parallel()
		f := writers(t)
		f.must(f.onUser(f.live.DeleteUser, "ann", ""), ``)
		f.pass(time.Minute)
		ann := f.key("ann")
		f.run(f.deleteUsers(`{"user_ids":["ann"],"user":"hard"}`))
		f.equal(map[string]any{"id": f.idOf(ann), "deleted_at": "2026-03-01T12:01:04Z"}, f.userNow(f.idOf(ann)))
	})
}

func TestDeleteUsersRefuses(t *testing.T) {
	t.Parallel()
	f := newUsers(t)
	f.must(f.users, `{"users":{"gone":{"id":"gone"},"off":{"id":"off"}}}`)
	f.must(f.onUser(f.live.DeleteUser, "gone", ""), ``)
	f.must(f.deactivate("off"), ``)
	del := f.call(f.live.DeleteUsers)
	for body, words := range map[string][]string{
		``:                                                     {"empty"},
		`{"user":"soft"}`:                                      {"user_ids", "required"},
		`{"user_ids":[` + userIDs(101) + `]}`:                  {"user_ids", "100"},
		`{"user_ids":["ann",""]}`:                              {"user_ids[1]"},
		`{"user_ids":["ann"],"user":"gone"}`:                   {"user", "soft, pruning, hard"},
		`{"user_ids":["ann"],"user":7}`:                        {"user", "string"},
		`{"user_ids":["ann"],"messages":"x"}`:                  {"messages", "soft, pruning, hard"},
		`{"user_ids":["ann"],"conversations":"pruning"}`:       {"conversations", "soft, hard"},
		`{"user_ids":["ann"],"calls":"pruning"}`:               {"calls", "soft, hard"},
		`{"user_ids":["ann"],"files":"yes"}`:                   {"files"},
		`{"user_ids":["ann"],"new_channel_owner_id":"nobody"}`: {"new_channel_owner_id", "nobody"},
		`{"user_ids":["ann"],"new_channel_owner_id":"gone"}`:   {"new_channel_owner_id", "deleted"},
		`{"user_ids":["ann"],"new_channel_owner_id":"off"}`:    {"new_channel_owner_id", "deactivated"},
		`{"user_ids":["ann"],"new_channel_owner_id":"ann"}`:    {"new_channel_owner_id", "ann"},
	} {
		f.refused(del, body, wire.CodeBadInput, words...)
	}
	f.refused(del, `{"user_ids":["ann","x","y"],"user":"hard"}`, wire.CodeNotFound, "x, y")
	f.want(f.userNow("ann"), nil, "deleted_at")
}

func TestNewChannelOwner(t *testing.T) {
	t.Parallel()
	f := writers(t)
	for i := range 250 {
		f.must(f.query(fmt.Sprintf("team:of-ann-%d", i)), `{"data":{"created_by_id":"ann"}}`)
	}
	a := f.deleteUsers(`{"user_ids":["ann"],"user":"hard","messages":"hard","new_channel_owner_id":"eve"}`)
	f.run(a)
	for cid, want := range map[string]string{"messaging:general": "eve", "messaging:pair": "bob", "team:of-ann-0": "eve", "team:of-ann-249": "eve"} {
		row, _ := f.channel(cid)
		f.equal(want, row.Channel.CreatedBy)
	}
	// The role of a member follows.
	v := f.must(f.query("messaging:general"), ``)
	f.want(v, "eve", "members", 2, "user_id")
	f.want(v, "owner", "members", 2, "role")

	// The new owner may be gone by the time the task runs.
	a = f.deleteUsers(`{"user_ids":["eve"],"new_channel_owner_id":"bob"}`)
	f.must(f.onUser(f.live.DeleteUser, "bob", "hard_delete=true"), ``)
	_, err := f.live.Handlers()[task.DeleteUsers](t.Context(), a)
	if failure, ok := errors.AsType[*task.Failure](err); !ok || failure.Type != "NotFound" || !strings.Contains(failure.Description, "bob") {
		t.Errorf("got %v", err)
	}
}

func TestDeleteUserCalls(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"soft", "hard"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			f := writers(t)
			f.put(func(tx store.Tx) error {
				two := []chat.CallMember{{UserID: "ann", CreatedAt: 5}, {UserID: "bob", CreatedAt: 5}}
				three := append(two[:2:2], chat.CallMember{UserID: "eve", CreatedAt: 5})
				session := chat.Raw(`{"participants":["eve"]}`)
				var errs []error
				for id, c := range map[string]chat.Call{
					"alone": {CreatedBy: "ann"}, "two": {CreatedBy: "bob", Members: two}, "three": {CreatedBy: "bob", Members: three},
					"joined": {CreatedBy: "bob", Members: two, Session: session}, "others": {CreatedBy: "bob"},
				} {
					c.Type, c.ID, c.CreatedAt, c.UpdatedAt = "default", id, 5, 5
					errs = append(errs, tx.PutCall(&c))
				}
				return errors.Join(errs...)
			})
			f.run(f.deleteUsers(`{"user_ids":["ann"],"calls":"` + how + `"}`))
			deleted := map[string]bool{}
			f.view(func(r store.Reader) error {
				rr := render.New(r)
				return r.Calls(func(row *store.CallRow) error {
					object, err := rr.Call(nil, row)
					deleted[row.CID] = strings.Contains(string(object), "deleted_at")
					return err
				})
			})
			want := map[string]bool{"default:three": false, "default:joined": false, "default:others": false}
			if how == "soft" {
				want["default:alone"], want["default:two"] = true, true
			}
			f.equal(want, deleted)
		})
	}
}

// TestDeletionGoesOn cuts a deletion short after every other of its
// transactions. What a later attempt leaves must be the same as without.
func TestDeletionGoesOn(t *testing.T) {
	t.Parallel()
	const body = `{"user_ids":["ann","bob"],"user":"hard","messages":"hard","conversations":"hard","calls":"soft","new_channel_owner_id":"eve"}`
	start := func(t *testing.T) (*userFixture, *task.Attempt) {
		f := writers(t)
		f.many("ann", 250)
		f.must(f.react("b1"), `{"reaction":{"type":"like","user_id":"ann"}}`)
		f.must(f.query("messaging:alone"), `{"data":{"created_by_id":"eve","members":["ann"]}}`)
		f.put(func(tx store.Tx) error {
			ann, err := tx.UserKey("ann")
			if err != nil {
				return err
			}
			call := chat.Call{
				Type: "default", ID: "c", CreatedBy: "eve", CreatedAt: 5, UpdatedAt: 5,
				Session: chat.Raw(`{"participants":["ann","bob","eve"]}`),
			}
			return errors.Join(tx.PutCall(&call), tx.PutMark(&store.Mark{Kind: store.Hidden, User: ann, Subject: "messaging:general", At: 5}))
		})
		return f, f.deleteUsers(body)
	}
	// The made-up ids, and what is in order of them, differ from run to run.
	all := func(f *userFixture, ann, bob int64) string {
		lines := strings.Split(strings.NewReplacer(f.idOf(ann), "ANN", f.idOf(bob), "BOB").Replace(f.everything()), "\n")
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	f, a := start(t)
	ann, bob := f.key("ann"), f.key("bob")
	f.run(a)
	want := all(f, ann, bob)
	for cut := int64(1); ; cut += 2 {
		f, a := start(t)
		ann, bob := f.key("ann"), f.key("bob")
		ctx, cancel := context.WithCancel(t.Context())
		s := &cutShort{Store: f.store, after: cut, cut: cancel}
		f.live.Store = s
		_, err := f.live.Handlers()[task.DeleteUsers](ctx, a)
		cancel()
		f.live.Store = f.store
		if err == nil {
			if cut < 10 {
				t.Errorf("only %d transactions", cut)
			}
			break
		}
		// A crash may lose the checkpoint, too.
		if cut%4 == 1 {
			a.Task.Checkpoint = a.Current().Checkpoint
		}
		out := f.run(a)
		if b, err := json.Marshal(out); err != nil || string(b) != `{"ann":{"status":"ok"},"bob":{"status":"ok"}}` {
			t.Errorf("result %s, %v", b, err)
		}
		if got := all(f, ann, bob); got != want {
			t.Fatalf("cut short after %d transactions:\n%s\nwant\n%s", cut, got, want)
		}
	}
}

// TestDeleteUserOfManyThreads removes messages with more replies than one
// transaction takes.
func TestDeleteUserOfManyThreads(t *testing.T) {
	t.Parallel()
	f := writers(t)
	ms := make([]chat.Message, 900)
	for i := range ms {
		user := []string{"ann", "bob"}[i%2]
		ms[i] = chat.Message{
			ID: fmt.Sprintf("r%d", i), CID: "messaging:general", UserID: user, Type: chat.Reply, ParentID: "a1", Text: "x",
			CreatedAt: chat.TimeOf(f.time()) + chat.Time(i), UpdatedAt: chat.TimeOf(f.time()),
		}
	}
	f.put(func(tx store.Tx) error {
		_, err := tx.InsertMessages(ms, false)
		return err
	})
	a := f.deleteUsers(`{"user_ids":["ann"],"messages":"hard"}`)
	f.run(a)
	general, _ := f.channel("messaging:general")
	f.equal([]int{1, 1}, []int{general.MessageCount, general.TotalMessages})
	f.want(f.userNow("ann"), "Ann", "name")
}
