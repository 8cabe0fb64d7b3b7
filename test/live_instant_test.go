package test_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"hansard/test/harness"
)

// TestLiveOneInstant: while messages are changed, deleted and truncated, each
// export is the instant that its manifest names: of every change either all or
// nothing.
func TestLiveOneInstant(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, t.TempDir())
	c := &tongue{t, s.Client, false}
	c.users("ann", "bob")
	cid, hall := c.room("desk", "ann", "bob"), c.room("hall", "bob")
	c.say("desk", "ticker", "ann", `"n":0`)

	var b book
	life := 2 * time.Second
	if slow {
		life = time.Minute
	}
	stop, errs := make(chan struct{}), make(chan error, 3)
	run := func(turn func(n int) error) {
		go func() {
			for n := 1; ; n++ {
				select {
				case <-stop:
					errs <- nil
					return
				default:
				}
				if err := turn(n); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	// One message is changed again and again.
	run(func(n int) error {
		begun := time.Now()
		err := s.Try("PUT", "/messages/ticker", harness.Request{"set": harness.Request{"text": fmt.Sprint("tick ", n), "n": n}, "user_id": "ann"}, nil)
		b.note(fmt.Sprint(n), begun)
		return err
	})
	// Threads are begun and removed.
	run(func(n int) error {
		id := fmt.Sprint("thread-", n)
		for _, body := range []harness.Request{{"id": id, "text": "q", "user_id": "ann"}, {"id": id + "-reply", "text": "a", "user_id": "bob", "parent_id": id}} {
			if err := s.Try("POST", "/channels/messaging/desk/message", harness.Request{"message": body}, nil); err != nil {
				return err
			}
		}
		return s.Try("DELETE", "/messages/"+id+"?hard=true", nil, nil)
	})
	// One user says something here, then there, and takes both away.
	run(func(n int) error {
		for _, room := range []string{"desk", "hall"} {
			body := harness.Request{"message": harness.Request{"id": fmt.Sprint(room, "-", n), "text": "hi", "user_id": "bob", "silent": true}}
			if err := s.Try("POST", "/channels/messaging/"+room+"/message", body, nil); err != nil {
				return err
			}
		}
		return s.Try("POST", "/channels/messaging/hall/truncate", harness.Request{"hard_delete": n%2 == 0}, nil)
	})

	seen := map[string]bool{}
	exports := 0
	// A slow machine needs longer until there was something to see.
	more := func(since time.Duration) bool {
		return since < life || len(seen) < 3 && since < harness.Patience
	}
	for began := time.Now(); more(time.Since(began)) && !t.Failed(); exports++ {
		version := []string{"v1", "v2"}[exports%2]
		task := s.Completed(s.ExportChannels(harness.Request{"channels": specs(cid, hall), "version": version}))
		seen[checkInstant(t, &b, instantOf(t, s.Get(task.Result.ManifestURL)), version, s.Download(task))] = true
		// Both rooms of one user are one instant too.
		there, here := 0, 0
		for _, l := range lines(t, s.Users("bob"), false) {
			id := look(t, l.Object).ID
			if _, err := fmt.Sscanf(id, "hall-%d", &there); err == nil && there > here {
				t.Errorf("%s is there without desk-%d", id, there)
			}
			_, _ = fmt.Sscanf(id, "desk-%d", &here) // other ids do not count
		}
	}
	close(stop)
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if len(seen) < 3 {
		t.Errorf("%d exports have seen %d states of the ticker", exports, len(seen))
	}
}

// instantOf is the instant that a manifest names for the first channel.
func instantOf(t *testing.T, manifest []byte) time.Time {
	t.Helper()
	var m struct {
		Channels []struct {
			AsOf time.Time `json:"as_of"`
		}
	}
	if err := json.Unmarshal(manifest, &m); err != nil || len(m.Channels) == 0 {
		t.Fatalf("manifest %s: %v", manifest, err)
	}
	return m.Channels[0].AsOf
}

// checkInstant checks one export of what TestLiveOneInstant writes, and returns
// what the ticker says in it.
func checkInstant(t *testing.T, b *book, asOf time.Time, version string, file []byte) string {
	t.Helper()
	var raw []json.RawMessage
	counted, there := 0, 0
	truncated := map[string]time.Time{}
	add := func(typ string, object json.RawMessage) {
		switch typ {
		case "channel":
			counted += look(t, object).MessageCount
			var at struct {
				CID       string
				Truncated time.Time `json:"truncated_at"`
			}
			if err := json.Unmarshal(object, &at); err != nil {
				t.Fatal(err)
			}
			truncated[at.CID] = at.Truncated
		case "message":
			raw = append(raw, object)
			there++
		}
	}
	if version == "v2" {
		for _, l := range lines(t, file, true) {
			add(l.Type, l.Object)
		}
	} else {
		for _, e := range entries(t, file) {
			add("channel", e["channel"])
			messages, err := elements(e["messages"])
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range messages {
				add("message", m)
			}
		}
	}
	if counted != there {
		t.Errorf("the channels count %d messages, there are %d", counted, there)
	}
	ids := map[string]bool{}
	tick := ""
	for _, object := range raw {
		m := look(t, object)
		ids[m.ID] = true
		question, isReply := strings.CutSuffix(m.ID, "-reply")
		switch {
		case m.ID == "ticker":
			tick = string(member(t, object, "n"))
			if tick != "0" {
				is(t, object, "text", `"tick `+tick+`"`, "message_text_updated_at", string(member(t, object, "updated_at")))
			}
		case isReply && !ids[question]:
			t.Errorf("%s is there without %s", m.ID, question)
		case m.CreatedAt.Before(truncated[m.CID]):
			t.Errorf("%s is of %s, %s was truncated at %s", m.ID, m.CreatedAt, m.CID, truncated[m.CID])
		}
	}
	for _, object := range raw {
		replies := 0
		m := look(t, object)
		if ids[m.ID+"-reply"] {
			replies = 1
		}
		is(t, object, "reply_count", strconv.Itoa(replies))
	}

	// The ticker is where it was at that instant.
	n, err := strconv.Atoi(tick)
	if err != nil {
		t.Fatalf("the ticker says %q", tick)
	}
	must, cannot := b.at(asOf)
	if cannot[tick] || must[strconv.Itoa(n+1)] {
		t.Errorf("at %s the ticker is said to stand at %d: not begun %v, next one acknowledged %v", asOf, n, cannot[tick], must[strconv.Itoa(n+1)])
	}
	return tick
}
