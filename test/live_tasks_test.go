package test_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"hansard/test/harness"
)

// TestLiveDeletionTasks: what is asked for of many at once is done by a worker,
// also by one in a process of its own; the result names each of them.
func TestLiveDeletionTasks(t *testing.T) {
	t.Parallel()
	for name, v2 := range map[string]bool{"classic": false, "v2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, t.TempDir(), "--workers", "0")
			harness.Exec(t, "worker", "--data", s.Data, "--log-level", "warn")
			c := &tongue{t, s.Client, v2}
			deletionTasks(t, c)
		})
	}
}

func deletionTasks(t *testing.T, c *tongue) {
	ways := []string{"soft", "pruning", "hard"}
	people := []string{"ann"}
	for _, way := range ways {
		people = append(people, "user-"+way, "friend-"+way)
	}
	c.users(people...)
	crowd := c.room("crowd", people...)
	for _, way := range ways {
		user := "user-" + way
		c.say("crowd", "m-"+way, user, c.custom(`"field":"value of `+way+`"`))
		c.react("m-"+way, "ann", "wave")
		c.room("alone-"+way, user)
		c.room("pair-"+way, user, "friend-"+way)
		c.say("pair-"+way, "p-"+way, "friend-"+way)
		c.room("owned-"+way, user, "friend-"+way, "ann")
	}

	// Deactivated and back, with what they wrote.
	c.done(c.ok("POST", "/users/deactivate", `{"user_ids":["user-soft","user-hard"],"mark_messages_deleted":true,"created_by_id":"ann"}`), "user-soft", "user-hard")
	f := c.export(nil, crowd)
	for _, way := range []string{"soft", "hard"} {
		has(t, f.object("user", "user-"+way), "deactivated_at")
		is(t, f.object("message", "m-"+way), "type", `"deleted"`, "text", `"text of m-`+way+`"`)
	}
	is(t, f.object("message", "m-pruning"), "type", `"regular"`)
	c.refused(400, 4, "POST", "/channels/messaging/crowd/message", `{"message":{"text":"hi","user_id":"user-soft"}}`)
	c.done(c.ok("POST", "/users/reactivate", `{"user_ids":["user-soft","user-hard"],"restore_messages":true}`), "user-soft", "user-hard")
	f = c.export(nil, crowd)
	is(t, f.object("message", "m-soft"), "type", `"regular"`, "deleted_at", "")
	is(t, f.object("user", "user-hard"), "deactivated_at", "")

	// Each in one of the three ways, conversations too; other channels go on
	// under another owner.
	for _, way := range ways {
		conversations := strings.Replace(way, "pruning", "soft", 1)
		c.done(c.ok("POST", "/users/delete", fmt.Sprintf(`{"user_ids":["user-%s"],"user":%q,"messages":%q,"conversations":%q,"new_channel_owner_id":"ann"}`,
			way, way, way, conversations)), "user-"+way)
	}
	f = c.all(crowd, "messaging:owned-soft", "messaging:owned-pruning", "messaging:owned-hard", "messaging:alone-soft", "messaging:pair-soft", "messaging:pair-pruning")
	f.messages("m-soft", "m-pruning", "p-soft", "p-pruning")
	is(t, f.object("message", "m-soft"), "type", `"deleted"`, "text", `"text of m-soft"`, "field", `"value of soft"`, "reaction_counts", `{"wave":1}`)
	is(t, f.object("message", "m-pruning"), "type", `"deleted"`, "text", `""`, "html", `""`, "field", "", "reaction_groups", "null")
	is(t, f.object("user", "user-soft"), "name", `"Name of user-soft"`)
	is(t, f.object("user", "user-pruning"), "name", "")
	has(t, f.object("user", "user-soft"), "deleted_at")
	has(t, f.object("user", "user-pruning"), "deleted_at")
	for _, way := range ways {
		is(t, member(t, f.object("channel", "messaging:owned-"+way), "created_by"), "id", `"ann"`)
		is(t, f.object("channel", "messaging:owned-"+way), "deleted_at", "")
	}
	has(t, f.object("channel", "messaging:alone-soft"), "deleted_at")
	has(t, f.object("channel", "messaging:pair-soft"), "deleted_at")
	has(t, f.object("channel", "messaging:pair-pruning"), "deleted_at")
	for _, cid := range []string{"messaging:alone-hard", "messaging:pair-hard"} {
		c.refused(404, 16, "POST", "/export_channels", `{"include_soft_deleted_channels":true,"channels":[{"cid":"`+cid+`"}]}`)
	}
	nowhere(t, f.everywhere(), "user-hard", "m-hard", "value of pruning", "value of hard")

	// Channels, two of one kind.
	c.done(c.ok("POST", "/channels/delete", `{"cids":["messaging:owned-soft","messaging:owned-hard"]}`), "messaging:owned-soft", "messaging:owned-hard")
	f = c.all("messaging:owned-soft", "messaging:owned-hard")
	has(t, f.object("channel", "messaging:owned-soft"), "deleted_at")
	c.done(c.ok("POST", "/channels/delete", `{"cids":["messaging:owned-soft","messaging:crowd"],"hard_delete":true}`), "messaging:owned-soft", "messaging:crowd")
	for _, cid := range []string{"messaging:owned-soft", "messaging:crowd"} {
		c.refused(404, 16, "POST", "/export_channels", `{"include_soft_deleted_channels":true,"channels":[{"cid":"`+cid+`"}]}`)
	}
	c.own("user-soft")

	// All or nothing is taken, and what cannot be is named.
	for path, body := range map[string]string{
		"/users/delete":     `{"user_ids":["ann","user-hard","nobody"],"user":"hard"}`,
		"/users/deactivate": `{"user_ids":["ann","user-hard","nobody"]}`,
		"/channels/delete":  `{"cids":["messaging:owned-pruning","messaging:user-hard","messaging:nobody"]}`,
	} {
		resp := c.call("POST", path, body)
		if resp.Status != 404 || !bytes.Contains(resp.Body, []byte("user-hard")) || !bytes.Contains(resp.Body, []byte("nobody")) {
			t.Errorf("POST %s %s: %d %s", path, body, resp.Status, resp.Body)
		}
	}
	is(t, c.people("ann")["user"][0], "deleted_at", "", "deactivated_at", "")
	c.export(nil, "messaging:owned-pruning")
}

// TestKilledDeletions: when the server is killed while it deletes, the next one
// goes on, and in the end all is as if nothing had happened.
func TestKilledDeletions(t *testing.T) {
	t.Parallel()
	size, rounds := 4000, 1
	if slow {
		size, rounds = 60_000, 10
	}
	file := madeUp(t, harness.Chat{Users: 3, Channels: 2, Messages: size, Text: 60})
	rnd := dice(t)
	for name, d := range map[string]deletion{
		"users, hard":    {"/users/delete", `{"user_ids":["user-1"],"user":"hard","messages":"hard"}`, "user-1"},
		"users, pruning": {"/users/delete", `{"user_ids":["user-1"],"user":"soft","messages":"pruning"}`, "user-1"},
		"channels":       {"/channels/delete", `{"cids":["messaging:room-0"],"hard_delete":true}`, "messaging:room-0"},
		"deactivation":   {"/users/deactivate", `{"user_ids":["user-1"],"mark_messages_deleted":true}`, "user-1"},
	} {
		t.Run(name, func(t *testing.T) {
			peace := store(t, file, "--max-user-messages", "0")
			c := &tongue{t, peace.Client, false}
			began := time.Now()
			c.done(c.ok("POST", d.path, d.body), d.subject)
			took := time.Since(began)
			want := remains(t, peace)
			peace.Stop()

			hits, tries := 0, 0
			for ; hits < rounds && tries < 20*rounds; tries++ {
				s := store(t, file, "--max-user-messages", "0")
				id, hit := killed(t, s, d, time.Duration(rnd.Int64N(int64(took/2))))
				if hit {
					hits++
				}
				s = s.Restart()
				c := &tongue{t, s.Client, false}
				restarted := time.Now()
				c.finished(id, d.subject)
				inTime(t, restarted, took)
				for what, got := range remains(t, s) {
					equal(t, what, want[what], got)
				}
				s.Stop()
				if d.path == "/channels/delete" && !harness.Large() {
					nothingOfRoom(t, s.Data, size)
				}
			}
			t.Logf("%d of %d kills hit the deletion", hits, tries)
			if hits < rounds {
				t.Error("hardly any kill has hit the deletion: it is too small for this test")
			}
		})
	}
}

// deletion is a request that becomes a task, and what its result names.
type deletion struct{ path, body, subject string }

// killed asks for a deletion and kills the server a while after it has begun. It returns the
// task, and whether it was not over by then.
func killed(t *testing.T, s *harness.Server, d deletion, after time.Duration) (id string, hit bool) {
	t.Helper()
	id = taskOf(t, (&tongue{t, s.Client, false}).ok("POST", d.path, d.body))
	harness.Until(t, harness.Patience, "running", func() bool { return s.Task(id).Status != "waiting" })
	<-time.After(after)
	s.Kill()
	idle := harness.Start(t, s.Data, "--workers", "0")
	defer idle.Kill()
	return id, !idle.Task(id).Final()
}

// remains is what exports show after a deletion, but for times and ids that are
// made up.
func remains(t *testing.T, s *harness.Server) map[string][]byte {
	t.Helper()
	all := harness.Request{
		"filter": harness.Request{}, "version": "v2", "export_users": true, "include_truncated_messages": true, "include_soft_deleted_channels": true,
	}
	files := map[string][]byte{"channels": timeless(s.Channels(all)), "users": timeless(s.Users("user-0", "user-2"))}
	if resp, err := s.Do("GET", "/users/user-1/export", nil); err != nil {
		t.Fatal(err)
	} else {
		files["user-1"] = duration.ReplaceAll(timeless(resp.Body), nil)
	}
	return files
}

// nothingOfRoom checks that no message of the channel that was removed is left
// in the store.
func nothingOfRoom(t *testing.T, data string, messages int) {
	t.Helper()
	var ids []string
	for i := 0; i < messages; i += 2 * (1 + messages/200) { // every other one is in another room
		ids = append(ids, fmt.Sprintf(`"id":"m-%d"`, i))
	}
	nowhere(t, database(t, data), ids...)
}
