package live_test

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"

	"github.com/google/go-cmp/cmp"
)

// onMessage is a method of the service that is about a message.
type onMessage func(ctx context.Context, app int64, id string, q url.Values, body []byte) ([]byte, error)

// about calls a method on a message, with a query such as "limit=2".
func (f *fixture) about(fn onMessage, id, query string) call {
	f.t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		f.t.Fatal(err)
	}
	return func(body string) ([]byte, error) { return fn(f.t.Context(), f.app, id, q, []byte(body)) }
}

func (f *fixture) update(id string) call { return f.about(f.live.UpdateMessage, id, "") }
func (f *fixture) patch(id string) call  { return f.about(f.live.PatchMessage, id, "") }
func (f *fixture) message(id string) call {
	return f.about(f.live.GetMessage, id, "")
}

func (f *fixture) history(body string) ([]byte, error) {
	return f.live.QueryMessageHistory(f.t.Context(), f.app, []byte(body))
}

// say sends messages to messaging:general, each by its id and author.
func (f *fixture) say(author string, ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		f.must(f.send("messaging:general"), `{"message":{"id":"`+id+`","text":"text of `+id+`","user_id":"`+author+`"}}`)
	}
}

// ids lists the ids of the objects in a list of an answer.
func ids(v any, path ...any) []string {
	list, _ := get(v, path...).([]any)
	out := []string{}
	for _, m := range list {
		id, _ := get(m, "id").(string)
		out = append(out, id)
	}
	return out
}

func (f *fixture) wantIDs(v any, list string, want ...string) {
	f.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), ids(v, list)); diff != "" {
		f.t.Errorf("%s: %s", list, diff)
	}
}

// change changes a channel behind the service's back.
func (f *fixture) change(cid string, fn func(*chat.Channel)) {
	f.t.Helper()
	f.put(func(tx store.Tx) error {
		row, err := tx.Channel(cid)
		if err != nil {
			return err
		}
		fn(&row.Channel)
		_, err = tx.PutChannel(&row.Channel)
		return err
	})
}

// raw calls and gives the answer as it is.
func (f *fixture) raw(c call, body string) string {
	f.t.Helper()
	out, err := c(body)
	if err != nil {
		f.t.Fatalf("%s: %v", body, err)
	}
	if !json.Valid(out) {
		f.t.Fatalf("%s: %s", body, out)
	}
	return string(out)
}

// unreadCounts lists the unread counts in messaging:general by user.
func (f *fixture) unreadCounts() map[string]int {
	f.t.Helper()
	counts := map[string]int{}
	err := f.store.View(f.t.Context(), f.app, func(r store.Reader) error {
		row, err := r.Channel("messaging:general")
		if err != nil {
			return err
		}
		return r.Reads(row.Key, func(read *store.ReadRow) error {
			counts[read.UserID] = read.Unread
			return nil
		})
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return counts
}

// storedMessages lists the ids of the messages in messaging:general.
func (f *fixture) storedMessages(t *testing.T) []string {
	t.Helper()
	var ids []string
	err := f.store.View(t.Context(), f.app, func(r store.Reader) error {
		row, err := r.Channel("messaging:general")
		if err != nil {
			return err
		}
		return r.Messages(store.MessageRange{Channel: row.Key}, func(m *store.MessageRow) error {
			ids = append(ids, string(m.ID))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	return ids
}
