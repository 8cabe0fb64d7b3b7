package live_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestMessageHistory(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.send("messaging:general"), `{"message":{"id":"m","text":"one","user_id":"ann","attachments":[{"n":2.50}],"x":{"b":1,"a":12345678901234567890}}}`)
	of := `{"filter":{"message_id":"m"}}`
	f.want(f.must(f.history, of), []any{}, "message_history")
	f.pass(time.Minute)
	f.must(f.update("m"), `{"message":{"text":"two","user_id":"bob"}}`)
	// What is not of the history leaves it alone.
	f.must(f.patch("m"), `{"set":{"pinned":true}}`)
	f.must(f.update("m"), `{"message":{"text":"two"}}`)
	f.must(f.react("m"), `{"reaction":{"type":"like","user_id":"bob"}}`)
	f.pass(time.Minute)
	f.must(f.patch("m"), `{"set":{"x":1}}`)
	f.must(f.patch("m"), `{"set":{"x":1,"silent":true}}`) // says nothing new
	f.pass(time.Minute)
	f.must(f.patch("m"), `{"set":{"attachments":[{"a":1}]},"user_id":"bob"}`)
	f.pass(time.Minute)
	f.must(f.about(f.live.DeleteMessage, "m", "deleted_by=bob"), ``)
	f.pass(time.Minute)
	f.must(f.about(f.live.UndeleteMessage, "m", ""), `{"undeleted_by":"ann"}`)
	entry := func(by, at, text string, attachments []any, deleted bool, custom map[string]any) map[string]any {
		return map[string]any{
			"message_id": "m", "message_updated_by_id": by, "message_updated_at": "2026-03-01T12:0" + at + ":00Z", "text": text,
			"attachments": attachments, "is_deleted": deleted, "custom": custom,
		}
	}
	some, x := []any{map[string]any{"a": 1.0}}, map[string]any{"x": 1.0}
	want := []any{
		entry("ann", "5", "two", some, true, x),
		entry("bob", "4", "two", some, false, x),
		entry("bob", "3", "two", []any{}, false, x),
		entry("ann", "2", "two", []any{}, false, map[string]any{}),
		entry("bob", "1", "one", []any{map[string]any{"n": 2.5}}, false, map[string]any{"x": map[string]any{"b": 1.0, "a": 12345678901234567890.0}}),
	}
	v := f.must(f.history, of)
	if diff := cmp.Diff(want, get(v, "message_history")); diff != "" {
		t.Error(diff)
	}
	f.want(v, nil, "next")
	f.want(v, nil, "prev")
	if out := f.raw(f.history, of); !strings.Contains(out, `"attachments":[{"n":2.50}]`) || !strings.Contains(out, `{"x":{"b":1,"a":12345678901234567890}}`) {
		t.Error(out)
	}
	// A user who is renamed is so here too; what is out of reach has no history.
	f.put(func(tx store.Tx) error { return tx.RenameUser("bob", "deleted-user-1") })
	f.want(f.must(f.history, of), "deleted-user-1", "message_history", 1, "message_updated_by_id")
	f.change("messaging:general", func(c *chat.Channel) { c.DeletedAt = 5 })
	f.want(f.must(f.history, of), []any{}, "message_history")
	f.want(f.must(f.history, `{"filter":{"message_updated_by_id":"ann"}}`), []any{}, "message_history")
}

func TestQueryMessageHistory(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "a", "b", "c")
	// 12 changes, one a minute: a b c a b c …, by ann and bob in turn.
	for i := range 12 {
		f.pass(time.Minute)
		f.must(f.update([]string{"a", "b", "c"}[i%3]), fmt.Sprintf(`{"message":{"text":"%d","user_id":"%s"}}`, i, []string{"ann", "bob"}[i%2]))
	}
	// which lists the minutes of the entries of an answer.
	which := func(v any) (list []string) {
		for _, e := range get(v, "message_history").([]any) {
			at, _ := get(e, "message_updated_at").(string)
			list = append(list, get(e, "message_id").(string)+strings.TrimSuffix(strings.TrimPrefix(at, "2026-03-01T12:"), ":00Z"))
		}
		return list
	}
	for body, want := range map[string]string{
		`{"filter":{"message_id":"a"}}`: "a10 a07 a04 a01",
		`{"filter":{"message_id":{"$eq":"a"}},"sort":[{"field":"message_updated_at"}]}`:                                                            "a01 a04 a07 a10",
		`{"filter":{"message_id":"a"},"sort":[{"field":"message_updated_at","direction":-1}]}`:                                                     "a10 a07 a04 a01",
		`{"filter":{"message_id":{"$in":["a","c","none"]}}}`:                                                                                       "c12 a10 c09 a07 c06 a04 c03 a01",
		`{"filter":{"message_id":{"$in":["a","c"]}},"sort":[{"field":"message_updated_at","direction":1}]}`:                                        "a01 c03 a04 c06 a07 c09 a10 c12",
		`{"filter":{"message_updated_by_id":"bob"}}`:                                                                                               "c12 a10 b08 c06 a04 b02",
		`{"filter":{"message_updated_by_id":{"$in":["bob","nobody"]},"message_id":"a"}}`:                                                           "a10 a04",
		`{"filter":{"message_updated_by_id":{"$in":["bob","ann"]},"message_updated_at":{"$gte":"2026-03-01T12:11:00Z"}}}`:                          "c12 b11",
		`{"filter":{"message_id":"a","message_updated_at":{"$gt":"2026-03-01T12:01:00Z","$lt":"2026-03-01T12:10:00Z"}}}`:                           "a07 a04",
		`{"filter":{"message_id":"a","message_updated_at":{"$gte":"2026-03-01T13:01:00+01:00","$lte":"2026-03-01T12:07:00Z"}}}`:                    "a07 a04 a01",
		`{"filter":{"message_id":"a","message_updated_at":{"$eq":1772366640000000000}}}`:                                                           "a04",
		`{"filter":{"message_id":"a","message_updated_at":"2026-03-01T12:04:00Z"}}`:                                                                "a04",
		`{"filter":{"$and":[{"message_id":"a"},{"$or":[{"message_updated_at":{"$lt":"2026-03-01T12:02:00Z"}},{"message_updated_by_id":"bob"}]}]}}`: "a10 a04 a01",
		`{"filter":{"message_id":"none"}}`:              "",
		`{"filter":{"message_updated_by_id":"nobody"}}`: "",
		`{"filter":{"message_id":{"$in":[]}}}`:          "",
	} {
		if got := strings.Join(which(f.must(f.history, body)), " "); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
	// Page by page, forth and back, in either order.
	for _, q := range []struct{ filter, sort, all string }{
		{`{"message_id":{"$in":["a","b","c"]}}`, `[]`, "c12 b11 a10 c09 b08 a07 c06 b05 a04 c03 b02 a01"},
		{`{"message_id":{"$in":["a","b","c"]}}`, `[{"field":"message_updated_at","direction":1}]`, "a01 b02 c03 a04 b05 c06 a07 b08 c09 a10 b11 c12"},
		{`{"message_updated_by_id":{"$in":["ann","bob"]}}`, `null`, "c12 b11 a10 c09 b08 a07 c06 b05 a04 c03 b02 a01"},
	} {
		for _, limit := range []int{1, 5, 6, 12} {
			want := strings.Fields(q.all)
			cursor := ""
			for at := 0; at < 12; at += limit {
				v := f.must(f.history, fmt.Sprintf(`{"filter":%s,"sort":%s,"limit":%d,"next":%q}`, q.filter, q.sort, limit, cursor))
				if diff := cmp.Diff(want[at:min(at+limit, 12)], which(v)); diff != "" {
					t.Errorf("%s %s limit %d at %d: %s", q.filter, q.sort, limit, at, diff)
				}
				cursor, _ = get(v, "next").(string)
				if (cursor == "") != (at+limit >= 12) {
					t.Fatalf("%s limit %d at %d: next %q", q.filter, limit, at, cursor)
				}
				prev, _ := get(v, "prev").(string)
				if (prev == "") != (at == 0) {
					t.Fatalf("%s limit %d at %d: prev %q", q.filter, limit, at, prev)
				}
				if at == 0 {
					continue
				}
				v = f.must(f.history, fmt.Sprintf(`{"filter":%s,"sort":%s,"limit":%d,"prev":%q}`, q.filter, q.sort, limit, prev))
				if diff := cmp.Diff(want[at-limit:at], which(v)); diff != "" {
					t.Errorf("%s %s limit %d before %d: %s", q.filter, q.sort, limit, at, diff)
				}
				next, _ := get(v, "next").(string)
				back, _ := get(v, "prev").(string)
				if next == "" || (back == "") != (at == limit) {
					t.Errorf("%s limit %d before %d: next %q, prev %q", q.filter, limit, at, next, back)
				}
			}
		}
	}
	for body, word := range map[string]string{
		`[]`:                                    "object",
		`{}`:                                    "filter",
		`{"filter":null}`:                       "filter",
		`{"filter":{}}`:                         "message_updated_by_id",
		`{"filter":[]}`:                         "filter",
		`{"filter":{"message_id":{"$ne":"a"}}}`: "message_updated_by_id",
		`{"filter":{"message_id":{"$gt":"a"}}}`: "message_updated_by_id",
		`{"filter":{"text":"a"}}`:               "text",
		`{"filter":{"message_id":7}}`:           "message_id",
		`{"filter":{"message_updated_at":{"$gt":"2026-03-01T12:01:00Z"}}}`: "message_updated_by_id",
		`{"filter":{"message_id":{"$in":[` + mentions(101) + `]}}}`:        "100",
		`{"filter":{"message_id":"a"},"sort":[{"field":"text"}]}`:          "sort",
		`{"filter":{"message_id":"a"},"limit":0}`:                          "limit",
		`{"filter":{"message_id":"a"},"limit":101}`:                        "limit",
		`{"filter":{"message_id":"a"},"next":"x"}`:                         "next",
		`{"filter":{"message_id":"a"},"prev":"eA"}`:                        "prev",
		`{"filter":{"message_id":"a"},"next":"eAph"}`:                      "next",
		`{"filter":{"message_id":"a"},"next":"a","prev":"b"}`:              "prev",
		`{"filter":{"message_id":"a"},"next":7}`:                           "next",
	} {
		f.refused(f.history, body, wire.CodeBadInput, word)
	}
}
