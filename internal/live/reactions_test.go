package live_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

func TestSendReaction(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.must(f.send("messaging:general"), `{"message":{"id":"m","text":"x","user_id":"ann"}}`)
	react := f.react("m")
	v := f.must(react, `{"reaction":{"type":"like","user_id":"bob","tone":2.50}}`)
	f.want(v, "like", "reaction", "type")
	f.want(v, 1.0, "reaction", "score")
	f.want(v, "m", "reaction", "message_id")
	f.want(v, 2.5, "reaction", "tone")
	f.want(v, 1.0, "message", "reaction_counts", "like")
	f.pass(time.Second)
	v = f.must(react, `{"reaction":{"type":"like","user":{"id":"bob"},"score":5}}`)
	f.want(v, 1.0, "message", "reaction_counts", "like")
	f.want(v, 5.0, "message", "reaction_scores", "like")
	f.want(v, nil, "reaction", "tone")
	f.want(v, "2026-03-01T12:00:00Z", "reaction", "created_at")
	f.want(v, "2026-03-01T12:00:01Z", "reaction", "updated_at")
	f.must(react, `{"reaction":{"type":"wow","user_id":"bob"}}`)
	f.must(react, `{"reaction":{"type":"sad","user_id":"ann"}}`)
	v = f.must(react, `{"reaction":{"type":"👍","user_id":"bob"},"enforce_unique":true}`)
	f.want(v, map[string]any{"👍": 1.0, "sad": 1.0}, "message", "reaction_counts")

	f.put(func(tx store.Tx) error {
		return tx.PutMessage(&chat.Message{
			ID: "dead", CID: "messaging:general", UserID: "ann", Type: chat.Regular,
			Text: "x", CreatedAt: chat.TimeOf(f.time()), UpdatedAt: chat.TimeOf(f.time()), DeletedAt: chat.TimeOf(f.time()),
		})
	})
	for _, tt := range []struct {
		body  string
		words []string
	}{
		{``, []string{"empty"}},
		{`{}`, []string{"reaction", "required"}},
		{`{"reaction":null}`, []string{"reaction", "required"}},
		{`{"reaction":[]}`, []string{"reaction", "object"}},
		{`{"reaction":{"user_id":"bob"}}`, []string{"reaction.type", "required"}},
		{`{"reaction":{"type":"","user_id":"bob"}}`, []string{"reaction.type", "required"}},
		{`{"reaction":{"type":"like"}}`, []string{"reaction.user_id"}},
		{`{"reaction":{"type":"like","user_id":"nobody"}}`, []string{"reaction.user_id", "nobody"}},
		{`{"reaction":{"type":"like","user_id":"bob","score":1.5}}`, []string{"reaction.score"}},
		{`{"reaction":{"type":"like","user_id":"bob","message_id":"n"}}`, []string{"reaction.message_id"}},
		{`{"reaction":{"type":"like","user_id":"bob"},"enforce_unique":1}`, []string{"enforce_unique"}},
	} {
		f.refused(react, tt.body, wire.CodeBadInput, tt.words...)
	}
	like := `{"reaction":{"type":"like","user_id":"bob"}}`
	f.refused(f.react("none"), like, wire.CodeNotFound)
	f.refused(f.react("dead"), like, wire.CodeBadInput, "deleted")
}

func (f *fixture) unreact(message, typ, query string) call {
	f.t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		f.t.Fatal(err)
	}
	return func(string) ([]byte, error) { return f.live.DeleteReaction(f.t.Context(), f.app, message, typ, q) }
}

func TestDeleteReaction(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "m")
	f.must(f.react("m"), `{"reaction":{"type":"👍 x/y","user_id":"bob","score":3,"tone":1}}`)
	f.must(f.react("m"), `{"reaction":{"type":"like","user_id":"bob","score":2}}`)
	f.must(f.react("m"), `{"reaction":{"type":"like","user_id":"ann"}}`)
	v := f.must(f.unreact("m", "like", "user_id=bob"), ``)
	f.want(v, "like", "reaction", "type")
	f.want(v, "bob", "reaction", "user", "id")
	f.want(v, 2.0, "reaction", "score")
	f.want(v, map[string]any{"like": 1.0, "👍 x/y": 1.0}, "message", "reaction_counts")
	f.want(v, map[string]any{"like": 1.0, "👍 x/y": 3.0}, "message", "reaction_scores")
	v = f.must(f.unreact("m", "👍 x/y", "user_id=bob"), ``)
	f.want(v, 1.0, "reaction", "tone")
	f.refused(f.unreact("m", "like", "user_id=bob"), ``, wire.CodeNotFound, "reaction")
	f.refused(f.unreact("m", "", "user_id=ann"), ``, wire.CodeNotFound, "reaction")
	f.refused(f.unreact("m", "like", ""), ``, wire.CodeBadInput, "user_id")
	f.refused(f.unreact("m", "like", "user_id=a%20b"), ``, wire.CodeBadInput, "user_id")
	f.refused(f.unreact("m", "like", "user_id=nobody"), ``, wire.CodeBadInput, "nobody")
	f.refused(f.unreact("none", "like", "user_id=ann"), ``, wire.CodeNotFound, "message")
	// A frozen channel keeps the reactions it has, and gets no new ones.
	f.change("messaging:general", func(c *chat.Channel) { c.Frozen = true })
	f.refused(f.unreact("m", "like", "user_id=ann"), ``, wire.CodeForbidden, "frozen")
	f.refused(f.react("m"), `{"reaction":{"type":"wow","user_id":"ann"}}`, wire.CodeForbidden, "frozen")
	f.change("messaging:general", func(c *chat.Channel) { c.Frozen = false })
	v = f.must(f.unreact("m", "like", "user_id=ann"), ``)
	f.want(v, map[string]any{}, "message", "reaction_counts")
	f.want(v, nil, "message", "reaction_groups")
	f.want(v, []any{}, "message", "latest_reactions")
}

func TestReactionScores(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "m")
	v := f.must(f.react("m"), `{"reaction":{"type":"up","user_id":"bob","score":2147483647}}`)
	f.must(f.react("m"), `{"reaction":{"type":"up","user_id":"ann","score":2147483647}}`)
	f.want(v, 2147483647.0, "reaction", "score")
	v = f.must(f.react("m"), `{"reaction":{"type":"down","user_id":"ann","score":-2}}`)
	f.want(v, 4294967294.0, "message", "reaction_scores", "up")
	f.want(v, -2.0, "message", "reaction_scores", "down")
	f.want(f.must(f.react("m"), `{"reaction":{"type":"none","user_id":"ann","score":null}}`), 1.0, "reaction", "score")
	f.want(f.must(f.react("m"), `{"reaction":{"type":"none","user_id":"ann","score":0}}`), 0.0, "reaction", "score")
	for _, score := range []string{"1.5", "2147483648", "1e3", `"1"`, "true"} {
		f.refused(f.react("m"), `{"reaction":{"type":"x","user_id":"ann","score":`+score+`}}`, wire.CodeBadInput, "reaction.score")
	}
}

// reactions makes 9 reactions to m, one a second: u0 … u8 with score 0 … 8,
// types a, b and c in turn. They are named by their users.
func (f *fixture) reactions() {
	f.t.Helper()
	for i := range 9 {
		f.pass(time.Second)
		f.must(f.users, fmt.Sprintf(`{"users":{"u%d":{"id":"u%[1]d"}}}`, i))
		f.must(f.react("m"), fmt.Sprintf(`{"reaction":{"type":"%c","user_id":"u%d","score":%d,"even":%t}}`, 'a'+i%3, i, i, i%2 == 0))
	}
}

func reactors(v any) string {
	list, _ := get(v, "reactions").([]any)
	var users []string
	for _, r := range list {
		users = append(users, get(r, "user_id").(string)[1:])
	}
	return strings.Join(users, "")
}

func TestGetReactions(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "m", "bare")
	f.reactions()
	for query, want := range map[string]string{
		"": "876543210", "limit=3": "876", "limit=3&offset=2": "654", "offset=8": "0", "offset=9": "", "limit=0": "", "limit=&offset=": "876543210",
	} {
		if got := reactors(f.must(f.about(f.live.GetReactions, "m", query), ``)); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	f.want(f.must(f.about(f.live.GetReactions, "bare", ""), ``), []any{}, "reactions")
	for _, query := range []string{"limit=x", "limit=301", "offset=-1", "limit=1.5"} {
		name, _, _ := strings.Cut(query, "=")
		f.refused(f.about(f.live.GetReactions, "m", query), ``, wire.CodeBadInput, name)
	}
	f.refused(f.about(f.live.GetReactions, "none", ""), ``, wire.CodeNotFound)
}

func TestQueryReactions(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "m")
	f.reactions()
	ask := f.about(f.live.QueryReactions, "m", "")
	for body, want := range map[string]string{
		``:                                      "876543210",
		`{"filter":{},"sort":[]}`:               "876543210",
		`{"filter":{"type":"b"}}`:               "741",
		`{"filter":{"type":{"$in":["a","c"]}}}`: "865320",
		`{"filter":{"user_id":{"$in":["u1","u2","nobody"]}}}`:                           "21",
		`{"filter":{"created_at":{"$gt":"2026-03-01T12:00:07Z"}}}`:                      "87",
		`{"filter":{"created_at":{"$lte":1772366402000000000}}}`:                        "10",
		`{"filter":{"score":{"$gte":6}},"sort":[{"field":"score","direction":1}]}`:      "678",
		`{"filter":{"even":true},"sort":[{"field":"created_at","direction":1}]}`:        "02468",
		`{"sort":[{"field":"type","direction":-1},{"field":"user_id","direction":-1}]}`: "852741630",
		`{"sort":[{"field":"type"}],"limit":4}`:                                         "0361",
		`{"filter":{"type":"none"}}`:                                                    "",
	} {
		v := f.must(ask, body)
		if got := reactors(v); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
		f.want(v, nil, "prev")
	}
	for _, q := range []struct{ sort, all string }{
		{`null`, "876543210"},
		{`[{"field":"created_at","direction":1}]`, "012345678"},
		{`[{"field":"type"}]`, "036147258"},
		{`[{"field":"type","direction":-1},{"field":"score"}]`, "258147036"},
	} {
		for _, limit := range []int{1, 2, 4, 9} {
			cursor := ""
			for at := 0; at < 9; at += limit {
				v := f.must(ask, fmt.Sprintf(`{"sort":%s,"limit":%d,"next":%q}`, q.sort, limit, cursor))
				if got, want := reactors(v), q.all[at:min(at+limit, 9)]; got != want {
					t.Errorf("%s limit %d at %d: got %s, want %s", q.sort, limit, at, got, want)
				}
				cursor, _ = get(v, "next").(string)
				prev, _ := get(v, "prev").(string)
				if (cursor == "") != (at+limit >= 9) || (prev == "") != (at == 0) {
					t.Fatalf("%s limit %d at %d: next %q, prev %q", q.sort, limit, at, cursor, prev)
				}
				if at > 0 {
					v = f.must(ask, fmt.Sprintf(`{"sort":%s,"limit":%d,"prev":%q}`, q.sort, limit, prev))
					if got, want := reactors(v), q.all[at-limit:at]; got != want {
						t.Errorf("%s limit %d before %d: got %s, want %s", q.sort, limit, at, got, want)
					}
				}
			}
		}
	}
	for body, word := range map[string]string{
		`[]`: "object", `{"filter":[]}`: "filter", `{"filter":{"score":"x"}}`: "score", `{"sort":[{"field":"custom"}]}`: "sort",
		`{"limit":0}`: "limit", `{"next":"x"}`: "next", `{"next":"eApiCmM"}`: "next", `{"next":"a","prev":"b"}`: "prev",
	} {
		f.refused(ask, body, wire.CodeBadInput, word)
	}
	f.refused(f.about(f.live.QueryReactions, "none", ""), ``, wire.CodeNotFound)
}

// Whatever is done at once, what a message shows of its reactions is what there
// is.
func TestReactionsAtOnce(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	f.say("ann", "m")
	for i := range 6 {
		f.must(f.users, fmt.Sprintf(`{"users":{"u%d":{"id":"u%[1]d"}}}`, i))
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(7, uint64(i)))
			for range 25 {
				typ, user := string(rune('a'+rnd.IntN(3))), fmt.Sprintf("u%d", rnd.IntN(6))
				var err error
				if rnd.IntN(3) == 0 {
					_, err = f.unreact("m", typ, "user_id="+user)(``)
				} else {
					_, err = f.react("m")(fmt.Sprintf(`{"reaction":{"type":"%s","user_id":"%s","score":%d},"enforce_unique":%t}`,
						typ, user, rnd.IntN(9), rnd.IntN(2) == 0))
				}
				if err != nil && (wire.AsError(err) == nil || wire.AsError(err).Code != wire.CodeNotFound) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	counts, scores := map[string]any{}, map[string]any{}
	list := get(f.must(f.about(f.live.GetReactions, "m", ""), ``), "reactions").([]any)
	for _, r := range list {
		typ := get(r, "type").(string)
		n, _ := counts[typ].(float64)
		counts[typ] = n + 1
		n, _ = scores[typ].(float64)
		scores[typ] = n + get(r, "score").(float64)
	}
	v := f.must(f.message("m"), ``)
	f.want(v, counts, "message", "reaction_counts")
	f.want(v, scores, "message", "reaction_scores")
	f.want(v, list, "message", "latest_reactions")
	for typ := range counts {
		f.want(v, counts[typ], "message", "reaction_groups", typ, "count")
		f.want(v, scores[typ], "message", "reaction_groups", typ, "sum_scores")
	}
}
