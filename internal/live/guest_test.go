package live_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"hansard/internal/wire"
)

func (f *fixture) guest(body string) ([]byte, error) {
	return f.live.CreateGuest(f.t.Context(), f.app, []byte(body), func(id string) (string, error) { return "token of " + id, nil })
}

func TestCreateGuest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	body := `{"user":{"id":"tom@x","name":"Tom","role":"admin","banned":true,"created_at":"2001-01-01T00:00:00Z","custom":{"color":"red"}}}`
	ids := map[string]bool{}
	for range 2 {
		v := f.must(f.guest, body)
		id, _ := get(v, "user", "id").(string)
		if !regexp.MustCompile(`^guest-[0-9a-f-]{36}-tom@x$`).MatchString(id) || ids[id] {
			t.Errorf("id %q", id)
		}
		ids[id] = true
		f.want(v, map[string]any{
			"id": id, "role": "guest", "name": "Tom", "created_at": "2026-03-01T12:00:00Z", "updated_at": "2026-03-01T12:00:00Z",
			"banned": false, "online": false, "color": "red",
		}, "user")
		f.want(v, "token of "+id, "access_token")
		// A user like others.
		f.must(f.users, `{"users":{"`+id+`":{"id":"`+id+`","role":"guest"}}}`)
	}
	f.must(f.guest, `{"user":{"id":"`+strings.Repeat("x", 212)+`"}}`)
	for _, tt := range []struct {
		body  string
		words []string
	}{
		{`[]`, []string{"object"}},
		{`{}`, []string{"user", "required"}},
		{`{"user":null}`, []string{"user", "required"}},
		{`{"user":"tom"}`, []string{"user", "object"}},
		{`{"user":{}}`, []string{"user.id", "required"}},
		{`{"user":{"id":"a b"}}`, []string{"user.id"}},
		{`{"user":{"id":"` + strings.Repeat("x", 213) + `"}}`, []string{"user.id", "212"}},
		{`{"user":{"id":"tom","name":7}}`, []string{"user.name", "string"}},
		{`{"user":{"id":"tom","x":"` + strings.Repeat("x", 5<<10) + `"}}`, []string{"user", "custom"}},
	} {
		f.refused(f.guest, tt.body, wire.CodeBadInput, tt.words...)
	}
	signed := errors.New("no secret")
	_, err := f.live.CreateGuest(t.Context(), f.app, []byte(body), func(string) (string, error) { return "", signed })
	if !errors.Is(err, signed) {
		t.Errorf("without a token: %v", err)
	}
	f.must(f.set, `{"guest_user_creation_disabled":true}`)
	f.refused(f.guest, body, wire.CodeForbidden, "guest_user_creation_disabled")
	f.must(f.set, `{"guest_user_creation_disabled":false}`)
	f.must(f.guest, body)
}
