package live_test

import (
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

func TestSendEvent(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	send := f.aimed(f.live.SendEvent, "messaging:general")
	v := f.must(send, `{"event":{"type":"friendship_request","user_id":"ann","text":"hi","cid":"other:x","created_at":"2001-01-01T00:00:00Z",
		"custom":{"b":1,"text":"no"},"a":{"z":1}}}`)
	f.want(v, map[string]any{
		"type": "friendship_request", "cid": "messaging:general", "channel_type": "messaging", "channel_id": "general",
		"user": get(v, "event", "user"), "created_at": "2026-03-01T12:00:00Z", "text": "hi", "a": map[string]any{"z": 1.0}, "b": 1.0,
	}, "event")
	f.want(v, "Ann", "event", "user", "name")
	v = f.must(send, `{"event":{"type":"typing.start","user":{"id":"bob"},"parent_id":"m1","custom":null}}`)
	f.want(v, "bob", "event", "user", "id")
	f.want(v, "m1", "event", "parent_id")
	out, err := send(`{"event":{"type":"x","user_id":"ann","big":12345678901234567890,"f":2.50}}`)
	if err != nil || !strings.HasSuffix(string(out), `"big":12345678901234567890,"f":2.50}}`) {
		t.Errorf("%s, %v", out, err)
	}
	for _, tt := range []struct {
		body  string
		words []string
	}{
		{`[]`, []string{"object"}},
		{`{}`, []string{"event", "required"}},
		{`{"event":null}`, []string{"event", "required"}},
		{`{"event":"x"}`, []string{"event", "object"}},
		{`{"event":{"user_id":"ann"}}`, []string{"event.type", "required"}},
		{`{"event":{"type":7,"user_id":"ann"}}`, []string{"event.type", "string"}},
		{`{"event":{"type":"a\nb","user_id":"ann"}}`, []string{"event.type", "control"}},
		{`{"event":{"type":"` + strings.Repeat("x", 256) + `","user_id":"ann"}}`, []string{"event.type", "255"}},
		{`{"event":{"type":"x"}}`, []string{"either event.user or event.user_id must be provided when using server side auth."}},
		{`{"event":{"type":"x","user_id":"nobody"}}`, []string{"event.user_id", "nobody"}},
		{`{"event":{"type":"x","user_id":"ann","user":{"id":"bob"}}}`, []string{"event.user", "another id"}},
		{`{"event":{"type":"x","user_id":"a b"}}`, []string{"event.user_id"}},
		{`{"event":{"type":"x","user_id":"ann","parent_id":"a b"}}`, []string{"event.parent_id"}},
		{`{"event":{"type":"x","user_id":"ann","custom":[]}}`, []string{"event.custom", "object"}},
		{`{"event":{"type":"x","user_id":"ann","custom":{"cid":1}}}`, []string{"event.custom.cid", "built-in"}},
		{`{"event":{"type":"x","user_id":"ann","x":"` + strings.Repeat("x", 5<<10) + `"}}`, []string{"event", "custom"}},
	} {
		f.refused(send, tt.body, wire.CodeBadInput, tt.words...)
	}
	event := `{"event":{"type":"x","user_id":"ann"}}`
	f.refused(f.aimed(f.live.SendEvent, "messaging:none"), event, wire.CodeNotFound, "messaging:none")
	f.refused(f.aimed(f.live.SendEvent, "messaging:a/b"), event, wire.CodeBadInput, "id")
	f.put(func(tx store.Tx) error {
		_, err := tx.PutUser(&chat.User{ID: "ann", Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15, DeactivatedAt: 2e15})
		return err
	})
	f.refused(send, event, wire.CodeBadInput, "event.user_id", "deactivated")
	// Nothing is kept.
	err = f.store.View(t.Context(), f.app, func(r store.Reader) error {
		row, err := r.Channel("messaging:general")
		if row.TotalMessages != 0 {
			t.Errorf("%d messages", row.TotalMessages)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
