package live_test

import (
	"strings"
	"testing"
	"time"

	"hansard/internal/wire"
)

// Requests that were once answered in a way that nobody expects.

func TestRestrictedMessagesAreForThoseNamed(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.users, `{"users":{"eve":{"id":"eve"}}}`)
	f.must(f.send("messaging:general"), `{"message":{"id":"open","text":"x","user_id":"ann","custom":{"restricted_visibility_":["eve"]}}}`)
	f.must(f.send("messaging:general"), `{"message":{"id":"secret","text":"x","user_id":"ann","restricted_visibility":["bob"],"pinned":true}}`)
	for user, want := range map[string][]string{"ann": {"open", "secret"}, "bob": {"open", "secret"}, "eve": {"open"}, "": {"open", "secret"}} {
		v := f.must(f.query("messaging:general"), `{"state":true,"user_id":"`+user+`"}`)
		f.wantIDs(v, "messages", want...)
		f.wantIDs(v, "pinned_messages", want[1:]...)
	}
}

func TestSwitchesOfTypesAreActedOn(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.send("messaging:general"), `{"message":{"id":"first","text":"x","user_id":"ann"}}`)
	like := `{"reaction":{"type":"like","user_id":"bob"}}`
	f.must(f.react("first"), like)
	_, err := f.live.UpdateChannelType(t.Context(), f.app, "messaging", []byte(`{"reactions":false,"replies":false,"quotes":false}`))
	if err != nil {
		t.Fatal(err)
	}
	f.refused(f.react("first"), like, wire.CodeBadInput, "reactions", "switched off", "messaging")
	f.refused(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann","parent_id":"first"}}`, wire.CodeBadInput, "replies")
	f.refused(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann","quoted_message_id":"first"}}`, wire.CodeBadInput, "quotes")
	f.must(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann"}}`)
	f.refused(f.query("messaging:new"), `{"data":{"created_by_id":"ann","config_overrides":{"replies":true}}}`, wire.CodeBadInput, "config_overrides")
	f.must(f.query("messaging:new"), `{"data":{"created_by_id":"ann","config_overrides":{}}}`)
}

func TestDeletedMessagesTakeNoReplies(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.send("messaging:general"), `{"message":{"id":"gone","text":"x","user_id":"ann"}}`)
	f.must(f.about(f.live.DeleteMessage, "gone", ""), ``)
	f.refused(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann","parent_id":"gone"}}`, wire.CodeBadInput, "parent_id", "deleted")
	f.refused(f.send("messaging:general"), `{"message":{"text":"x","user_id":"ann","quoted_message_id":"gone"}}`,
		wire.CodeBadInput, "quoted_message_id", "deleted")
}

func TestTagsThatAreNullAreNotGiven(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	v := f.must(f.query("messaging:new"), `{"data":{"created_by_id":"ann","filter_tags":null}}`)
	if channel, _ := get(v, "channel").(map[string]any); strings.Contains(strings.Join(keys(channel), " "), "filter_tags") {
		t.Errorf("filter_tags are %v", channel["filter_tags"])
	}
	partial := f.channel("messaging:new", f.live.UpdateChannelPartial)
	f.want(f.must(partial, `{"set":{"filter_tags":["a"]}}`), []any{"a"}, "channel", "filter_tags")
	v = f.must(partial, `{"set":{"filter_tags":null}}`)
	if channel, _ := get(v, "channel").(map[string]any); strings.Contains(strings.Join(keys(channel), " "), "filter_tags") {
		t.Errorf("filter_tags are %v", channel["filter_tags"])
	}
}

func keys(object map[string]any) (names []string) {
	for name := range object {
		names = append(names, name)
	}
	return names
}

func TestHardDeletionOfWhatWasDeleted(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.channel("messaging:general", f.live.DeleteChannel), ``)
	v := f.must(f.channel("messaging:general", f.live.DeleteChannel, "hard_delete", "true"), ``)
	f.want(v, "2026-03-01T12:00:00Z", "channel", "deleted_at")
	f.refused(f.channel("messaging:general", f.live.DeleteChannel, "hard_delete", "true"), ``, wire.CodeNotFound)
}

func TestQueriesSayWhatTheyCannotAskFor(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	history := func(body string) ([]byte, error) { return f.live.QueryMessageHistory(t.Context(), f.app, []byte(body)) }
	for _, body := range []string{
		`{"filter":{"message_id":""}}`, `{"filter":{"message_id":{"$in":["m",""]}}}`, `{"filter":{"message_updated_by_id":""}}`,
	} {
		f.refused(history, body, wire.CodeBadInput, "filter")
	}
	channels := func(body string) ([]byte, error) { return f.live.QueryChannels(t.Context(), f.app, []byte(body)) }
	f.refused(channels, `{"filter_conditions":{"created_by":"ann"}}`, wire.CodeBadInput, "created_by", "created_by_id")
	f.refused(channels, `{"filter_conditions":{},"sort":[{"field":"config","direction":1}]}`, wire.CodeBadInput, "config")
	for filter, want := range map[string]int{
		`{"members":"ann"}`: 1, `{"members":{"$eq":"eve"}}`: 0, `{"members":["ann"]}`: 0, `{"members":["bob","ann"]}`: 1,
		`{"truncated_at":{"$exists":true}}`: 0, `{"topic":"all"}`: 1,
	} {
		v := f.must(channels, `{"filter_conditions":`+filter+`}`)
		if list, _ := get(v, "channels").([]any); len(list) != want {
			t.Errorf("%s: %d channels, want %d", filter, len(list), want)
		}
	}
	members := func(body string) ([]byte, error) { return f.live.QueryMembers(t.Context(), f.app, []byte(body)) }
	v := f.must(members, `{"type":"messaging","id":"general","filter_conditions":{"role":"owner"}}`)
	f.want(v, "ann", "members", 0, "user_id")
	f.want(v, nil, "members", 1)
}

func TestHardTruncationTakesPendingMessages(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.send("messaging:general"), `{"message":{"id":"waits","text":"x","user_id":"ann"},"pending":true}`)
	f.pass(time.Minute)
	f.must(f.channel("messaging:general", f.live.TruncateChannel), `{}`)
	f.must(f.about(f.live.GetMessage, "waits", ""), ``)
	f.must(f.channel("messaging:general", f.live.TruncateChannel), `{"hard_delete":true}`)
	f.refused(f.about(f.live.GetMessage, "waits", ""), ``, wire.CodeNotFound)
	f.refused(f.about(f.live.CommitMessage, "waits", ""), ``, wire.CodeNotFound)
}
