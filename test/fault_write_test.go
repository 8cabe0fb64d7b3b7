package test_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hansard/test/harness"
)

// ledger is what writers were answered: of each message the text that the
// export must have, "" if the message must not be there.
type ledger struct {
	s    *site
	stop chan struct{}
	ends sync.WaitGroup

	mu    sync.Mutex
	texts map[string]string
	maybe map[string][]string // what else may be there, since the last answer was lost or never came
	lost  int                 // answers that were lost, of writes that were done
	tries int
}

// writing has clients write to both APIs until closed is called: they send, edit
// and delete messages and keep on trying when there is no answer.
func (s *site) writing() *ledger {
	l := &ledger{s: s, stop: make(chan struct{}), texts: map[string]string{}, maybe: map[string][]string{}}
	for w := range 3 {
		l.ends.Go(func() {
			for n := 0; l.message(w, n); n++ {
			}
		})
	}
	return l
}

// message sends a message, and edits or deletes some. It is false at the end.
func (l *ledger) message(w, n int) bool {
	id := fmt.Sprintf("live%d-%d", w, n)
	user := fmt.Sprintf("writer-%d", w)
	ok := l.write(id, "sent", "POST", "/channels/messaging/busy/message",
		harness.Request{"message": harness.Request{"id": id, "text": "sent", "user_id": user}}, "already exists")
	if ok && n%3 == 1 {
		ok = l.write(id, "edited", "POST", "/messages/"+id, harness.Request{"message": harness.Request{"text": "edited", "user_id": user}}, "")
	}
	if ok && n%5 == 4 {
		ok = l.write(id, "", "DELETE", "/messages/"+id+"?hard=true", nil, "code\":16")
	}
	return ok
}

// write tries one write until it is answered. done is what an answer says when
// an earlier try had been done, though nobody was told.
func (l *ledger) write(id, text, method, path string, body any, done string) bool {
	l.mu.Lock()
	l.maybe[id] = append(l.maybe[id], text)
	l.mu.Unlock()
	for unsure := false; ; <-time.After(10 * time.Millisecond) {
		select {
		case <-l.stop:
			return false
		default:
		}
		resp, err := l.s.api().Do(method, path, body)
		l.mu.Lock()
		l.tries++
		l.mu.Unlock()
		if err != nil || l.s.faulty(resp) {
			unsure = true
			continue
		}
		said := string(resp.Body)
		before := unsure && done != "" && resp.Status >= http.StatusBadRequest && strings.Contains(said, done)
		if resp.Status >= http.StatusBadRequest && !before {
			l.s.t.Errorf("%s %s: %d %s", method, path, resp.Status, said)
			return false
		}
		l.mu.Lock()
		l.texts[id] = text
		delete(l.maybe, id)
		if before {
			l.lost++
		}
		l.mu.Unlock()
		return true
	}
}

// acknowledged is how many messages have been written.
func (l *ledger) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.texts)
}

// closed ends the writing and holds what is exported against what was answered.
func (l *ledger) closed() {
	l.s.t.Helper()
	l.end()
	l.check(l.s.watch.file(l.s.final(l.s.export(everything("v1", busy)))))
}

// end ends the writing.
func (l *ledger) end() {
	close(l.stop)
	l.ends.Wait()
}

// check holds an export, v1, against what was answered.
func (l *ledger) check(file []byte) {
	t := l.s.t
	t.Helper()
	var entries []struct {
		Messages []struct{ ID, Text string }
	}
	if err := json.Unmarshal(file, &entries); err != nil || len(entries) != 1 {
		t.Fatalf("the export: %d entries, %v", len(entries), err)
	}
	got := map[string]string{}
	for _, m := range entries[0].Messages {
		if _, twice := got[m.ID]; twice {
			t.Errorf("message %s is there twice", m.ID)
		}
		got[m.ID] = m.Text
	}
	for id, want := range l.texts {
		if text := got[id]; text != want && !slices.Contains(l.maybe[id], text) {
			t.Errorf("message %s is %q, and %q was acknowledged", id, text, want)
		}
	}
	for id := range got {
		if _, known := l.texts[id]; !known && len(l.maybe[id]) == 0 && strings.HasPrefix(id, "live") {
			t.Errorf("message %s was never sent", id)
		}
	}
	t.Logf("%d messages acknowledged in %d tries, of %d the answer was lost, %d unknown", len(l.texts), l.tries, l.lost, len(l.maybe))
	if len(l.texts) < 20 {
		t.Errorf("only %d messages were acknowledged", len(l.texts))
	}
}

// TestFaultAnswersLost: answers get lost on the way to the clients, who ask
// again. What they wrote is there once, and so are the exports that they asked
// for.
func TestFaultAnswersLost(t *testing.T) {
	t.Parallel()
	s := newSite(t, plan{messages: 1000})
	s.cut()
	ledger := s.writing()
	before := s.number(`SELECT count(*) FROM tasks`)
	asked := int64(0)
	for range rounds(3, 30) {
		ids := map[string]string{}
		for _, kind := range s.kinds() {
			ids[kind] = s.ask(kind)
			asked++
		}
		for kind, id := range ids {
			if task := s.final(id); task.Status != "completed" || task.Result.SHA256 != s.want[kind] {
				t.Errorf("the export %s is %s: %+v", kind, task.Status, task.Error)
			}
		}
	}
	if made := s.number(`SELECT count(*) FROM tasks`) - before; made != asked {
		t.Errorf("%d exports were asked for, and there are %d", asked, made)
	}
	ledger.closed()
	if ledger.lost == 0 {
		t.Error("no answer to a write was lost")
	}
	s.close()
}
