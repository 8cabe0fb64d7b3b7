package live_test

import (
	"fmt"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/wire"
)

func TestGetReplies(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "top", "bare")
	var all []string
	for i := range 8 {
		f.pass(time.Second)
		id := fmt.Sprintf("r%d", i)
		all = append(all, id)
		f.must(f.send("messaging:general"), fmt.Sprintf(
			`{"message":{"id":"%s","text":"x","user_id":"bob","parent_id":"top","show_in_channel":%t,"quoted_message_id":"bare"}}`, id, i%2 == 0))
	}
	f.must(f.about(f.live.DeleteMessage, "r3", ""), ``)
	replies := func(query string) call { return f.about(f.live.GetReplies, "top", query) }
	for query, want := range map[string][]string{
		"":                           all,
		"limit=3":                    all[5:],
		"limit=0":                    {},
		"limit=3&offset=3":           all[2:5],
		"offset=7":                   all[:1],
		"offset=8":                   {},
		"id_gt=r2&limit=2":           {"r3", "r4"},
		"id_gte=r2&limit=2":          {"r2", "r3"},
		"id_lt=r5&limit=2":           {"r3", "r4"},
		"id_lte=r5&limit=2":          {"r4", "r5"},
		"id_lt=r5&limit=2&offset=1":  {"r2", "r3"},
		"id_gt=r1&id_lt=r6&limit=2":  {"r2", "r3"},
		"id_gt=r6&id_gt=&limit=5":    {"r7"},
		"id_lt=r0":                   {},
		"id_gt=bare&limit=1":         {"r0"},
		"id_around=r4&limit=3":       {"r3", "r4", "r5"},
		"id_around=r0&limit=4":       {"r0", "r1", "r2", "r3"},
		"id_around=r7&limit=4":       {"r4", "r5", "r6", "r7"},
		"sort=&limit=2":              {"r6", "r7"},
		"api_key=x&unknown=y&limit=": all,
		`limit=2&sort=[{"field":"created_at","direction":1}]`:           {"r0", "r1"},
		`limit=2&sort=[{"field":"created_at","direction":-1}]`:          {"r7", "r6"},
		`limit=2&id_gt=r1&sort=[{"field":"created_at","direction":-1}]`: {"r3", "r2"},
		`limit=2&id_lt=r4&sort=[{"field":"created_at","direction":-1}]`: {"r3", "r2"},
		`limit=9&id_gt=r1&id_lt=r4&sort=[{"field":"created_at","direction":-1}]`: {
			"r3", "r2",
		},
		"created_at_after=2026-03-01T12:00:03Z&limit=2":                                {"r3", "r4"},
		"created_at_after_or_equal=2026-03-01T13:00:03%2B01:00&limit=2":                {"r2", "r3"},
		"created_at_before=2026-03-01T12:00:03Z":                                       {"r0", "r1"},
		"created_at_before_or_equal=2026-03-01T12:00:03Z&limit=2":                      {"r1", "r2"},
		"created_at_before_or_equal=1772366403000000000&limit=2":                       {"r1", "r2"},
		"created_at_around=2026-03-01T12:00:04Z&limit=2":                               {"r2", "r3"},
		"created_at_after=2026-03-01T12:00:03Z&created_at_before=2026-04-01T00:00:00Z": all[3:],
	} {
		t.Run(query, func(t *testing.T) {
			f.wantIDs(f.must(replies(query), ``), "messages", want...)
		})
	}
	v := f.must(replies(""), ``)
	f.want(v, "deleted", "messages", 3, "type")
	f.want(v, "text of bare", "messages", 0, "quoted_message", "text")
	f.wantIDs(f.must(f.about(f.live.GetReplies, "bare", ""), ``), "messages")
	f.must(f.about(f.live.DeleteMessage, "top", ""), ``)
	f.wantIDs(f.must(replies("limit=1"), ``), "messages", "r7")
	for query, word := range map[string]string{
		"limit=x": "limit", "limit=301": "limit", "limit=-1": "limit", "offset=-1": "offset", "id_lt=none": "id_lt", "id_lt=a%20b": "id_lt",
		"created_at_after=x": "created_at_after", "id_near=r1": "id_near", "id_around=r1&id_lt=r2": "id_lt", "sort=x": "sort",
		`sort=[{"field":"text"}]`: "sort",
	} {
		f.refused(replies(query), ``, wire.CodeBadInput, word)
	}
	f.refused(f.about(f.live.GetReplies, "none", ""), ``, wire.CodeNotFound)
	f.change("messaging:general", func(c *chat.Channel) { c.TruncatedAt = c.LastMessageAt })
	f.refused(replies(""), ``, wire.CodeNotFound)
}
