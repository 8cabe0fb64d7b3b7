package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/live"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func (f *fixture) cids() (cids []string) {
	f.t.Helper()
	err := f.store.View(f.t.Context(), f.app, func(r store.Reader) error {
		return r.Channels("", func(row *store.ChannelRow) error {
			cids = append(cids, row.Channel.CID())
			return nil
		})
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return cids
}

// row is a channel as it is stored.
func (f *fixture) row(cid string) (row store.ChannelRow) {
	f.t.Helper()
	err := f.store.View(f.t.Context(), f.app, func(r store.Reader) (err error) {
		row, err = r.Channel(cid)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return row
}

// tasks lists the tasks there are, newest first.
func (f *fixture) tasks() []store.Task {
	f.t.Helper()
	tasks, err := f.store.ListTasks(f.t.Context(), store.TaskQuery{App: f.app, Limit: 100})
	if err != nil {
		f.t.Fatal(err)
	}
	return tasks
}

// work runs one attempt of a task.
func (f *fixture) work(ctx context.Context, t *store.Task) ([]byte, *task.Attempt, error) {
	f.t.Helper()
	handler := f.live.Handlers()[t.Kind]
	if handler == nil {
		f.t.Fatalf("nobody runs %s", t.Kind)
	}
	a := &task.Attempt{Task: *t}
	result, err := handler(ctx, a)
	return result, a, err
}

// fill puts n old messages into a channel.
func (f *fixture) fill(cid string, n int) {
	f.t.Helper()
	list := make([]chat.Message, n)
	for i := range list {
		at := chat.TimeOf(f.time().Add(-time.Hour)) + chat.Time(i)
		list[i] = chat.Message{
			ID: fmt.Sprintf("%s-%d", cid[len(cid)-1:], i), CID: cid, UserID: "ann", Type: chat.Regular, Text: "old", CreatedAt: at, UpdatedAt: at,
		}
	}
	f.put(func(tx store.Tx) error {
		_, err := tx.InsertMessages(list, false)
		return err
	})
}

func TestDeleteChannel(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.send("messaging:general"), `{"message":{"id":"m1","text":"x","user_id":"bob"}}`)
	f.must(f.query("messaging:other"), `{"data":{"created_by_id":"ann"}}`)
	f.pass(time.Minute)
	v := f.must(f.channel("messaging:general", f.live.DeleteChannel), ``)
	f.want(v, "2026-03-01T12:01:00Z", "channel", "deleted_at")
	f.want(v, "2026-03-01T12:01:00Z", "channel", "updated_at")
	f.want(v, "all", "channel", "topic")
	if row := f.row("messaging:general"); row.TotalMessages != 1 || row.MemberCount != 2 || row.Channel.DeletedAt == 0 {
		t.Errorf("%+v is left", row)
	}
	f.refused(f.channel("messaging:general", f.live.DeleteChannel), ``, wire.CodeNotFound, "messaging:general")
	for _, hard := range []string{"false", "true"} {
		f.refused(f.channel("messaging:none", f.live.DeleteChannel, "hard_delete", hard), ``, wire.CodeNotFound, "messaging:none")
	}
	f.refused(f.channel("messaging:other", f.live.DeleteChannel, "hard_delete", "maybe"), ``, wire.CodeBadInput, "hard_delete")
	v = f.must(f.channel("messaging:other", f.live.DeleteChannel, "hard_delete", "true"), ``)
	f.want(v, "2026-03-01T12:01:00Z", "channel", "deleted_at")
	f.want(f.cids(), []string{"messaging:general"})
	// Writes to a deleted channel find none.
	for name, c := range map[string]call{
		"update": f.channel("messaging:general", f.live.UpdateChannel), "partial": f.channel("messaging:general", f.live.UpdateChannelPartial),
		"truncate": f.channel("messaging:general", f.live.TruncateChannel), "read": f.channel("messaging:general", f.live.MarkRead),
		"unread": f.channel("messaging:general", f.live.MarkUnread), "hide": f.channel("messaging:general", f.live.HideChannel),
		"show": f.channel("messaging:general", f.live.ShowChannel), "member": f.member("messaging:general", "bob"),
		"mute": f.plain(f.live.MuteChannels), "many": f.plain(f.live.MarkChannelsRead),
	} {
		body := `{"user_id":"bob","set":{"x":1},"message_id":"m1","channel_cid":"messaging:general","read_by_channel":{"messaging:general":""}}`
		if _, err := c(body); wire.AsError(err) == nil || wire.AsError(err).Code != wire.CodeNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDeleteLargeChannel(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.fill("messaging:general", 12_500)
	f.must(f.channel("messaging:general", f.live.DeleteChannel, "hard_delete", "true"), ``)
	// Nobody sees it any more, and a task removes the rest.
	if row := f.row("messaging:general"); row.Channel.DeletedAt == 0 || row.TotalMessages != 2_500 {
		t.Errorf("%d messages are left, deleted at %s", row.TotalMessages, row.Channel.DeletedAt)
	}
	tasks := f.tasks()
	if len(tasks) != 1 {
		t.Fatalf("%d tasks", len(tasks))
	}
	result, a, err := f.work(t.Context(), &tasks[0])
	if err != nil || string(result) != `{"messaging:general":{"status":"ok"}}` {
		t.Errorf("%s, %v", result, err)
	}
	if p := a.Current(); p.Done != 2_500 || p.Total != 2_500 {
		t.Errorf("progress %d of %d", p.Done, p.Total)
	}
	f.want(len(f.cids()), 0)
}

func TestDeleteChannels(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	for _, c := range []string{"a", "b", "c", "d"} {
		f.must(f.query("team:"+c), `{"data":{"created_by_id":"ann","members":["bob"]}}`)
	}
	f.fill("team:b", 2_500)
	remove := f.plain(f.live.DeleteChannels)
	for _, tt := range []struct{ body, word string }{
		{`{}`, "cids"},
		{`{"cids":[]}`, "cids"},
		{`{"cids":"team:a"}`, "cids"},
		{`{"cids":[7]}`, "cids[0]"},
		{`{"cids":["team"]}`, "cids[0]"},
		{`{"cids":["team:a"],"hard_delete":"yes"}`, "hard_delete"},
	} {
		f.refused(remove, tt.body, wire.CodeBadInput, tt.word)
	}
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprint("team:c", i)
	}
	body, err := json.Marshal(map[string]any{"cids": many})
	if err != nil {
		t.Fatal(err)
	}
	f.refused(remove, string(body), wire.CodeBadInput, "cids", "100")
	_, err = remove(`{"cids":["team:a","team:x","team:b","team:y"]}`)
	if e := wire.AsError(err); e == nil || e.Code != wire.CodeNotFound || cmp.Diff(map[string]string{"team:x": "does not exist", "team:y": "does not exist"}, e.Fields) != "" {
		t.Errorf("%v", err)
	}
	f.want(len(f.tasks()), 0)

	run := func(body string) string {
		v := f.must(remove, body)
		tasks := f.tasks()
		f.want(v, tasks[0].ID, "task_id")
		result, _, err := f.work(t.Context(), &tasks[0])
		if err != nil {
			t.Fatal(err)
		}
		// A worker may be killed before it says so: nothing happens twice.
		again, _, err := f.work(t.Context(), &tasks[0])
		if err != nil || string(again) != string(result) {
			t.Errorf("%s, then %s, %v", result, again, err)
		}
		return string(result)
	}
	f.want(run(`{"cids":["team:a","team:b","team:a"]}`), `{"team:a":{"status":"ok"},"team:b":{"status":"ok"}}`)
	for _, cid := range []string{"team:a", "team:b"} {
		if f.row(cid).Channel.DeletedAt == 0 {
			t.Errorf("%s is still there", cid)
		}
	}
	f.want(f.row("team:b").TotalMessages, 2_500)
	f.refused(remove, `{"cids":["team:a"]}`, wire.CodeNotFound, "team:a")
	// What is deleted can still be removed.
	f.want(run(`{"cids":["team:b","team:c"],"hard_delete":true}`), `{"team:b":{"status":"ok"},"team:c":{"status":"ok"}}`)
	f.want(f.cids(), []string{"messaging:general", "team:a", "team:d"})
}

// TestDeleteChannelsSparesTheNew lets a channel be created anew between the
// request and the work.
func TestDeleteChannelsSparesTheNew(t *testing.T) {
	t.Parallel()
	for _, hard := range []bool{false, true} {
		t.Run(fmt.Sprint("hard ", hard), func(t *testing.T) {
			t.Parallel()
			f := peopled(t)
			f.must(f.send("messaging:general"), `{"message":{"id":"old","text":"x","user_id":"bob"}}`)
			f.must(f.plain(f.live.DeleteChannels), fmt.Sprintf(`{"cids":["messaging:general"],"hard_delete":%v}`, hard))
			f.pass(time.Minute)
			f.must(f.channel("messaging:general", f.live.DeleteChannel), ``)
			f.must(f.query("messaging:general"), `{"data":{"created_by_id":"bob","members":["bob"]}}`)
			f.must(f.send("messaging:general"), `{"message":{"id":"new","text":"x","user_id":"bob"}}`)
			if _, _, err := f.work(t.Context(), &f.tasks()[0]); err != nil {
				t.Fatal(err)
			}
			v := f.must(f.query("messaging:general"), `{"state":true}`)
			f.want(each(get(v, "messages"), "id"), []any{"new"})
			f.want(v, 1.0, "channel", "member_count")
			want := 2
			if hard {
				want = 1 // what was said in the old one is gone
			}
			f.want(f.row("messaging:general").TotalMessages, want)
		})
	}
	// One that was removed, and came back by an import, is another one too.
	f := peopled(t)
	f.pass(time.Minute)
	f.must(f.plain(f.live.DeleteChannels), `{"cids":["messaging:general"],"hard_delete":true}`)
	f.must(f.channel("messaging:general", f.live.DeleteChannel, "hard_delete", "true"), ``)
	f.pass(time.Minute)
	f.must(f.query("messaging:general"), `{"data":{"created_by_id":"bob"}}`)
	f.fill("messaging:general", 3)
	if _, _, err := f.work(t.Context(), &f.tasks()[0]); err != nil {
		t.Fatal(err)
	}
	f.want(f.row("messaging:general").TotalMessages, 3)
}

func TestDeleteChannelsStops(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.plain(f.live.DeleteChannels), `{"cids":["messaging:general"],"hard_delete":true}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := f.work(ctx, &f.tasks()[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	f.want(f.cids(), []string{"messaging:general"})
}

// TestKilledDeletion is a worker that dies in the middle of a large channel.
func TestKilledDeletion(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.fill("messaging:general", 3_500)
	f.must(f.plain(f.live.DeleteChannels), `{"cids":["messaging:general"],"hard_delete":true}`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	service := &live.Service{Store: &stopping{f.store, 2, cancel}, Now: f.time}
	if _, err := service.Handlers()[task.DeleteChannels](ctx, &task.Attempt{Task: f.tasks()[0]}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if row := f.row("messaging:general"); row.TotalMessages != 1_500 || row.Channel.DeletedAt == 0 {
		t.Errorf("%d messages are left, deleted at %s", row.TotalMessages, row.Channel.DeletedAt)
	}
	if _, _, err := f.work(t.Context(), &f.tasks()[0]); err != nil {
		t.Error(err)
	}
	f.want(len(f.cids()), 0)
}

// stopping cancels after some updates.
type stopping struct {
	store.Store
	left   int
	cancel context.CancelFunc
}

func (s *stopping) Update(ctx context.Context, app int64, fn func(store.Tx) error) error {
	if s.left == 0 {
		s.cancel()
	}
	s.left--
	return s.Store.Update(ctx, app, fn)
}
