package live_test

import (
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
