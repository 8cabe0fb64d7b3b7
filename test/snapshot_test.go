package test_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hansard/test/harness"
)

// sent is a message or reaction that was written while exports ran: it was on
// its way from begun to acked, and stored somewhere in between.
type sent struct {
	key          string
	begun, acked time.Time
}

// book is what the writers have done.
type book struct {
	mu   sync.Mutex
	sent []sent
}

func (b *book) note(key string, begun time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, sent{key, begun, time.Now()})
}

// before splits the book at an instant: what must have been there, and what
// cannot have been.
func (b *book) at(instant time.Time) (must, cannot map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	must, cannot = map[string]bool{}, map[string]bool{}
	for _, s := range b.sent {
		switch {
		case s.acked.Before(instant):
			must[s.key] = true
		case s.begun.After(instant):
			cannot[s.key] = true
		}
	}
	return must, cannot
}

const busy = "messaging:busy"

// TestOneSnapshotUnderWrites: while many write, each export is one instant:
// everything acknowledged before it, nothing sent after it, no gap in what one
// writer wrote, no answer without its question, counts that agree.
func TestOneSnapshotUnderWrites(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, t.TempDir())
	const writers = 4
	users, members := harness.Request{}, []string{}
	for i := range writers + 1 {
		id := harness.Chat{}.UserID(i)
		users[id] = harness.Request{"id": id, "name": "User " + strconv.Itoa(i)}
		members = append(members, id)
	}
	s.Must("POST", "/users", harness.Request{"users": users}, nil)
	s.Must("POST", "/channels/messaging/busy/query", harness.Request{"data": harness.Request{"created_by_id": "user-0", "members": members}}, nil)

	var b book
	var writing sync.WaitGroup
	stop := make(chan struct{})
	errs := make(chan error, 2*writers)
	for w := range writers {
		writing.Go(func() {
			if err := writer(s.Client, &b, w, stop); err != nil {
				errs <- err
			}
		})
	}
	life := 5 * time.Second
	if slow {
		life = time.Minute
	}
	exports := 0
	for began := time.Now(); time.Since(began) < life; exports++ {
		version := []string{"v2", "v1"}[exports%2]
		request := harness.Request{"channels": specs(busy), "version": version}
		if exports%4 == 0 {
			request["export_users"] = true
		}
		task := s.Completed(s.ExportChannels(request))
		var m struct {
			AsOf     time.Time `json:"as_of"`
			Channels []struct {
				AsOf time.Time `json:"as_of"`
			}
		}
		if err := json.Unmarshal(s.Get(task.Result.ManifestURL), &m); err != nil {
			t.Fatal(err)
		}
		view := viewOf(t, version, s.Download(task))
		view.check(t, &b, m.Channels[0].AsOf)
		if t.Failed() {
			break
		}
	}
	close(stop)
	writing.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	// When all is quiet, everything is there.
	view := viewOf(t, "v2", s.Channels(harness.Request{"channels": specs(busy), "version": "v2"}))
	view.check(t, &b, time.Now().Add(time.Hour))
	t.Logf("%d exports while %d messages and reactions were sent", exports, len(b.sent))
}

// writer sends messages w-0, w-1, … each when the one before is acknowledged,
// a reply to each, and a reaction to every third: an answer must never be seen
// without its question.
func writer(c *harness.Client, b *book, w int, stop chan struct{}) error {
	post := func(path string, body harness.Request, key string) error {
		begun := time.Now()
		err := c.Try(http.MethodPost, path, body, nil)
		if err == nil {
			b.note(key, begun)
		}
		return err
	}
	user := harness.Chat{}.UserID(w)
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		id := fmt.Sprintf("w%d-%d", w, n)
		message := func(id, parent string) error {
			return post("/channels/messaging/busy/message",
				harness.Request{"message": harness.Request{"id": id, "text": "message " + id, "user_id": user, "parent_id": parent}}, id)
		}
		if err := message(id, ""); err != nil {
			return err
		}
		if err := message(id+"-reply", id); err != nil {
			return err
		}
		if n%3 == 0 {
			body := harness.Request{"reaction": harness.Request{"type": "wave", "user_id": user}}
			if err := post("/messages/"+id+"/reaction", body, "reaction to "+id); err != nil {
				return err
			}
		}
	}
}

// view is what an export shows of the busy channel.
type view struct {
	channel   peek
	members   int
	reads     []peek
	messages  []peek
	raw       []json.RawMessage
	reactions []peek
	lines     bool // reactions have lines of their own
}

func viewOf(t *testing.T, version string, file []byte) *view {
	t.Helper()
	v := &view{lines: version == "v2"}
	add := func(kind string, raw []byte) {
		p := look(t, raw)
		switch kind {
		case "channel":
			v.channel = p
		case "member":
			v.members++
		case "read":
			v.reads = append(v.reads, p)
		case "message":
			v.messages, v.raw = append(v.messages, p), append(v.raw, raw)
		case "reaction":
			v.reactions = append(v.reactions, p)
		}
	}
	if version == "v2" {
		for _, l := range lines(t, file, true) {
			add(l.Type, l.Object)
		}
		return v
	}
	entry := entries(t, file)[0]
	add("channel", entry["channel"])
	for key, kind := range map[string]string{"members": "member", "read": "read", "messages": "message"} {
		if entry[key] == nil {
			continue
		}
		es, err := elements(entry[key])
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			add(kind, e)
		}
	}
	return v
}

// check checks that the view is one instant, asOf, of what is in the book.
func (v *view) check(t *testing.T, b *book, asOf time.Time) {
	t.Helper()
	seen := map[string]bool{}
	next := map[string]int{} // by writer
	lines := map[string]int{}
	for i, m := range v.messages {
		if seen[m.ID] {
			t.Errorf("%s is there twice", m.ID)
		}
		seen[m.ID] = true
		if i > 0 {
			if p := v.messages[i-1]; p.CreatedAt.After(m.CreatedAt) || p.CreatedAt.Equal(m.CreatedAt) && p.ID >= m.ID {
				t.Errorf("%s comes after %s", m.ID, p.ID)
			}
		}
		question, isReply := strings.CutSuffix(m.ID, "-reply")
		if isReply {
			if !seen[question] {
				t.Errorf("%s is there without %s", m.ID, question)
			}
			continue
		}
		writer, number, _ := strings.Cut(m.ID, "-")
		if n, _ := strconv.Atoi(number); n != next[writer] {
			t.Errorf("%s comes where %s-%d should", m.ID, writer, next[writer])
			return
		}
		next[writer]++
	}
	for _, r := range v.reactions {
		lines[r.MessageID]++
		seen["reaction to "+r.MessageID] = true
	}
	for i, m := range v.messages {
		counted := 0
		for _, n := range m.ReactionCounts {
			counted += n
		}
		if counted > 0 {
			seen["reaction to "+m.ID] = true
		}
		if counted != len(m.Latest) || v.lines && counted != lines[m.ID] {
			t.Errorf("%s counts %d reactions, shows %d and has %d lines", m.ID, counted, len(m.Latest), lines[m.ID])
		}
		replies := 0
		if seen[m.ID+"-reply"] {
			replies = 1
		}
		if !bytes.Contains(v.raw[i], fmt.Appendf(nil, `"reply_count":%d,`, replies)) {
			t.Errorf("%s has %d replies: %s", m.ID, replies, v.raw[i])
		}
	}
	must, cannot := b.at(asOf)
	for key := range must {
		if !seen[key] {
			t.Errorf("%s was acknowledged before %s and is missing", key, asOf)
		}
	}
	for key := range cannot {
		if seen[key] {
			t.Errorf("%s was sent after %s and is there", key, asOf)
		}
	}
	v.checkCounts(t)
}

// checkCounts: what the channel, members and reads say agrees with what is
// there.
func (v *view) checkCounts(t *testing.T) {
	t.Helper()
	if v.channel.MessageCount != len(v.messages) || v.channel.MemberCount != v.members {
		t.Errorf("the channel counts %d messages and %d members, there are %d and %d",
			v.channel.MessageCount, v.channel.MemberCount, len(v.messages), v.members)
	}
	if len(v.messages) == 0 {
		return
	}
	if last := v.messages[len(v.messages)-1].CreatedAt; !v.channel.LastMessageAt.Equal(last) {
		t.Errorf("last_message_at is %s, the last message of %s", v.channel.LastMessageAt, last)
	}
	for _, r := range v.reads {
		unread, found := 0, r.LastReadID == ""
		for _, m := range v.messages {
			found = found || m.ID == r.LastReadID
			if m.User.ID != r.User.ID && m.CreatedAt.After(r.LastRead) {
				unread++
			}
		}
		if !found {
			t.Errorf("%s has read %s, which is not there", r.User.ID, r.LastReadID)
		}
		if r.Unread != unread {
			t.Errorf("%s has %d unread messages, says %d", cmp.Or(r.User.ID, "?"), unread, r.Unread)
		}
	}
}
