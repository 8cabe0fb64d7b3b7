package test_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hansard/client"
	"hansard/test/harness"

	gocmp "github.com/google/go-cmp/cmp"
)

// got fails the test unless a call went well, and gives its answer.
func got[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestLiveClient: the Go client fills a chat on the real server, exports it and
// fetches what `hansard verify` calls good; and it gets back what it sent.
func TestLiveClient(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, t.TempDir())
	ctx := t.Context()
	c, err := client.New(client.Options{Server: s.URL, APIKey: s.App.Key, APISecret: s.App.Secret, Poll: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	exact := client.Custom{"price": []byte(`2.50`), "serial": []byte(bigNumber), "tree": []byte(keyOrder)}

	users := got[map[string]client.User](t)(c.UpsertUsers(ctx, client.User{ID: "ada", Name: "Ada", Teams: []string{"red"}, Custom: exact}, client.User{ID: "grace"}, client.User{ID: "alan"}))
	same(t, "user", exact, users["ada"].Custom)
	users = got[map[string]client.User](t)(c.PatchUsers(ctx, client.UserPatch{ID: "grace", Set: map[string]any{"name": "Grace", "rank": 7}}))
	if users["grace"].Name != "Grace" || string(users["grace"].Custom["rank"]) != "7" {
		t.Errorf("%+v", users)
	}
	found := got[[]client.User](t)(c.QueryUsers(ctx, client.UserQuery{Filter: client.Filter{"teams": client.Filter{"$in": []string{"red"}}}}))
	if len(found) != 1 || found[0].ID != "ada" {
		t.Errorf("%+v", found)
	}

	const tea, spare = "messaging:tea", "messaging:spare"
	state := got[*client.ChannelState](t)(c.GetOrCreateChannel(ctx, tea, client.ChannelRequest{
		Data:  &client.Channel{CreatedByID: "ada", Members: []client.Member{{UserID: "ada"}, {UserID: "grace"}}, Custom: exact},
		State: true,
	}))
	if state.Channel.CID != tea || len(state.Members) != 2 || state.Channel.CreatedBy == nil || state.Channel.CreatedBy.ID != "ada" {
		t.Errorf("%+v", state)
	}
	same(t, "channel", exact, state.Channel.Custom)
	got[*client.ChannelState](t)(c.GetOrCreateChannel(ctx, spare, client.ChannelRequest{Data: &client.Channel{CreatedByID: "ada"}}))
	direct := got[*client.ChannelState](t)(c.GetOrCreateDistinctChannel(ctx, "messaging", client.ChannelRequest{
		Data: &client.Channel{CreatedByID: "ada", Members: []client.Member{{UserID: "grace"}, {UserID: "ada"}}},
	})).Channel.CID
	got[*client.ChannelAnswer](t)(c.UpdateChannel(ctx, tea, client.ChannelUpdate{
		AddMembers: []client.Member{{UserID: "alan"}}, AddModerators: []string{"ada"}, Message: &client.Message{UserID: "ada", Text: "Alan is here"},
	}))
	got[*client.ChannelAnswer](t)(c.PatchChannel(ctx, tea, client.Patch{Set: map[string]any{"topic": "tea"}}))
	got[*client.Member](t)(c.PatchMember(ctx, tea, "alan", client.Patch{Set: map[string]any{"pinned": true, "cup": 2}}))

	question := got[*client.Message](t)(c.SendMessage(ctx, tea, client.Message{UserID: "ada", Text: "Tea at *four*?", Custom: exact}))
	same(t, "message", exact, question.Custom)
	if question.HTML != "<p>Tea at <em>four</em>?</p>\n" || question.CID != tea {
		t.Errorf("%+v", question)
	}
	reply := got[*client.Message](t)(c.SendMessage(ctx, tea, client.Message{
		ID: "reply", UserID: "grace", Text: "Yes", ParentID: question.ID, ShowInChannel: true, MentionedUsers: []client.User{{ID: "ada"}},
	}))
	if reply.ID != "reply" || reply.ParentID != question.ID || len(reply.MentionedUsers) != 1 {
		t.Errorf("%+v", reply)
	}
	_, err = c.SendMessage(ctx, tea, client.Message{UserID: "grace", Text: "too deep", ParentID: "reply"})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != 21 || e.Status != 400 {
		t.Errorf("a reply to a reply: %v", err)
	}
	if _, err := c.SendMessage(ctx, tea, client.Message{UserID: "nobody", Text: "x"}); !client.IsBadInput(err) {
		t.Errorf("a message of nobody: %v", err)
	}
	if _, err := c.GetMessage(ctx, "nothing"); !client.IsNotFound(err) {
		t.Errorf("an unknown message: %v", err)
	}
	// What was read can be changed and sent back.
	question.Text = "Tea at five?"
	changed := got[*client.Message](t)(c.UpdateMessage(ctx, *question))
	same(t, "changed message", exact, changed.Custom)
	history := got[*client.HistoryPage](t)(c.MessageHistory(ctx, client.HistoryQuery{Filter: client.Filter{"message_id": question.ID}}))
	if len(history.Versions) != 1 || history.Versions[0].Text != "Tea at *four*?" {
		t.Errorf("%+v", history)
	}
	got[*client.ReactionAnswer](t)(c.SendReaction(ctx, question.ID, client.Reaction{UserID: "grace", Type: "love", Score: 3, Custom: exact}, false))
	got[*client.ReactionAnswer](t)(c.SendReaction(ctx, question.ID, client.Reaction{UserID: "alan", Type: "love"}, true))
	if err := c.MarkRead(ctx, tea, "alan", ""); err != nil {
		t.Fatal(err)
	}
	got[*client.Message](t)(c.SendMessage(ctx, direct, client.Message{UserID: "grace", Text: "psst"}))
	got[*client.Message](t)(c.SendMessage(ctx, spare, client.Message{UserID: "alan", Text: "text of spare"}))
	call := got[*client.CallState](t)(c.GetOrCreateCall(ctx, "default:standup", client.Call{CreatedByID: "ada", Members: []client.CallMember{{UserID: "grace"}}, Custom: exact}))
	if !call.Created || len(call.Members) != 1 {
		t.Errorf("%+v", call)
	}
	if err := c.EndCall(ctx, "default:standup"); err != nil {
		t.Fatal(err)
	}

	// Export, wait, download, verify.
	id := got[string](t)(c.ExportChannels(ctx, client.ChannelsRequest{
		Channels: []client.ChannelWindow{{CID: tea}, {CID: direct}}, Version: "v2", ExportUsers: true, Compression: "zstd",
	}))
	seen := 0
	task := got[*client.Task](t)(c.WaitForTask(ctx, id, func(*client.Task) { seen++ }))
	if seen == 0 || task.Result == nil || task.Result.Counts["messages"] != 4 || task.Result.Counts["reactions"] != 2 || task.Result.Counts["users"] != 3 {
		t.Fatalf("seen %d times: %+v", seen, task)
	}
	path := filepath.Join(t.TempDir(), "tea.jsonl.zst")
	if err := c.DownloadFile(ctx, task, path, nil); err != nil {
		t.Fatal(err)
	}
	var streamed bytes.Buffer
	if err := c.Download(ctx, task, &streamed, nil); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "downloaded as a file and as a stream", streamed.Bytes(), file)
	list := write(t, "manifest.json", got[[]byte](t)(c.Manifest(ctx, task)))
	harness.Run(t, "verify", path, "--manifest", list)
	exported := lines(t, unpack(t, "zstd", file), true)
	for _, l := range exported {
		if l.Type == "channel" && look(t, l.Object).CID == tea || l.Type == "user" && look(t, l.Object).ID == "ada" || l.Type == "message" && look(t, l.Object).ID == question.ID {
			is(t, l.Object, "price", "2.50", "serial", bigNumber, "tree", keyOrder)
		}
	}
	id = got[string](t)(c.ExportUsers(ctx, client.UsersRequest{UserIDs: []string{"ada", "grace"}}))
	task = got[*client.Task](t)(c.WaitForTask(ctx, id, nil))
	path = filepath.Join(t.TempDir(), "people.jsonl")
	if err := c.DownloadFile(ctx, task, path, nil); err != nil {
		t.Fatal(err)
	}
	harness.Run(t, "verify", path)
	ada := got[*client.UserExport](t)(c.ExportUser(ctx, "ada"))
	if ada.User.ID != "ada" || len(ada.Messages) != 2 || len(ada.Reactions) != 0 {
		t.Errorf("%+v", ada)
	}

	// Deletions, which are tasks.
	for what, ask := range map[string]func() (string, error){
		spare:  func() (string, error) { return c.DeleteChannels(ctx, []string{spare}, true) },
		"alan": func() (string, error) { return c.DeactivateUsers(ctx, []string{"alan"}, client.Deactivation{}) },
		"grace": func() (string, error) {
			return c.DeleteUsers(ctx, []string{"grace"}, client.UsersDeletion{User: client.Hard, Messages: client.Hard})
		},
	} {
		task := got[*client.Task](t)(c.WaitForTask(ctx, got[string](t)(ask()), nil))
		if string(task.RawResult) != `{"`+what+`":{"status":"ok"}}` || task.Result != nil {
			t.Errorf("%s: %s", what, task.RawResult)
		}
	}
	tasks := 0
	for task, err := range c.Tasks(ctx, client.TaskQuery{Limit: 2}) {
		if err != nil || task.Status != client.Completed {
			t.Fatalf("%+v, %v", task, err)
		}
		tasks++
	}
	if tasks != 5 {
		t.Errorf("%d tasks, want 5", tasks)
	}
	_, err = c.ExportChannels(ctx, client.ChannelsRequest{Channels: []client.ChannelWindow{{CID: spare}}, IncludeSoftDeletedChannels: true})
	if e, ok := errors.AsType[*client.Error](err); !ok || !client.IsNotFound(err) || !strings.Contains(e.Fields["channels"]+e.Message, spare) {
		t.Errorf("export of what was deleted for good: %v", err)
	}
	members := got[[]client.Member](t)(c.QueryMembers(ctx, tea, client.MemberQuery{}))
	if len(members) != 3 || !strings.HasPrefix(members[1].UserID, "deleted-user-") {
		t.Errorf("%+v", members)
	}
}

// same compares custom fields, byte by byte.
func same(t *testing.T, what string, want, got client.Custom) {
	t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("%s: custom fields sent (-) and received (+):\n%s", what, diff)
	}
}
