package wire_test

import (
	"slices"
	"strings"
	"testing"

	"hansard/internal/body"
	"hansard/internal/chat"
	"hansard/internal/wire"

	"pgregory.net/rapid"
)

func TestRenameParticipant(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ session, want string }{
		{``, ``},
		{`{}`, `{}`},
		{`{"participants":[]}`, `{"participants":[]}`},
		{`{"participants":null,"id":"al"}`, `{"participants":null,"id":"al"}`},
		{`{"participants":["al","bo","al"]}`, `{"participants":["zo","bo","zo"]}`},
		{`{"participants":["\u0061l"]}`, `{"participants":["zo"]}`},
		{`{"participants":[{"user_id":"al","role":"al"},{"user_id":"bo"}]}`, `{"participants":[{"user_id":"zo","role":"al"},{"user_id":"bo"}]}`},
		{
			`{"id":"s","participants":[{"joined_at":1.50,"user":{"id":"al","name":"Al","x":[1]},"user_id":"al"},{"user":{"id":"bo","name":"al"}},7,null,{}],"n":2.50}`,
			`{"id":"s","participants":[{"joined_at":1.50,"user":{"id":"zo"},"user_id":"zo"},{"user":{"id":"bo","name":"al"}},7,null,{}],"n":2.50}`,
		},
		{`{"participants":[{"user":{"id":7}},{"user":{"id":"al"}}],"user":"al"}`, `{"participants":[{"user":{"id":7}},{"user":{"id":"zo"}}],"user":"al"}`},
		{`{"nested":{"participants":["al"]}}`, `{"nested":{"participants":["al"]}}`},
		{`["al"]`, `["al"]`},
		{`{"participants":`, `{"participants":`},
	} {
		if got := wire.RenameParticipant(chat.Raw(tt.session), "al", "zo"); string(got) != tt.want {
			t.Errorf("%s became %s, want %s", tt.session, got, tt.want)
		}
	}
}

// Whoever takes part under one id does so under the other afterwards, and
// nobody else is touched.
func TestRenamedParticipantsProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.SampledFrom([]string{"al", "bo", "cy", "al2"}), 0, 6).Draw(t, "ids")
		list := make([]string, len(ids))
		want := []string(nil)
		for i, id := range ids {
			forms := []string{`"` + id + `"`, `{"user_id":"` + id + `"}`, `{"user":{"id":"` + id + `","name":"N"},"n":2.50}`, `{"user":{"id":"` + id + `"},"user_id":"` + id + `"}`}
			list[i] = rapid.SampledFrom(forms).Draw(t, "form")
			if id == "al" {
				id = "zo"
			}
			if !slices.Contains(want, id) {
				want = append(want, id)
			}
		}
		session := `{"a":1,"participants":[` + strings.Join(list, ",") + `],"z":"al"}`
		got := wire.RenameParticipant(chat.Raw(session), "al", "zo")
		if parts := wire.Participants(got); !slices.Equal(parts, want) {
			t.Fatalf("%s became %s: %v, want %v", session, got, parts, want)
		}
		if !strings.Contains(string(got), `"z":"al"`) || strings.Count(string(got), "2.50") != strings.Count(session, "2.50") {
			t.Fatalf("%s became %s", session, got)
		}
	})
}

// Who may see a message is kept by reference: a user who is renamed is renamed
// there too. An id that is nobody's stays as it is.
func TestRestrictedVisibilityIsByReference(t *testing.T) {
	t.Parallel()
	m := chat.Message{
		ID: "m", CID: "a:b", UserID: "al", Type: chat.Regular, CreatedAt: 1e15, UpdatedAt: 1e15,
		RestrictedVisibility: []string{"bo", "no<body", "al"},
	}
	var p people
	var b body.Builder
	wire.BuildMessage(&b, &m, &wire.MessageKeys{User: p.key("al"), Restricted: []int64{p.key("bo"), 0, p.key("al")}})
	show := func() string {
		t.Helper()
		out, err := body.Append(nil, b.Bytes(), &body.Fill{Users: &p})
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := show(); !strings.Contains(got, `,"restricted_visibility":["bo","no\u003cbody","al"]`) {
		t.Error(got)
	}
	p.ids[p.key("bo")-1] = "zo"
	if got := show(); !strings.Contains(got, `,"restricted_visibility":["zo","no\u003cbody","al"]`) {
		t.Error(got)
	}
	// Without keys, the ids as they are.
	b.Reset()
	wire.BuildMessage(&b, &m, &wire.MessageKeys{User: p.key("al")})
	if got := show(); !strings.Contains(got, `,"restricted_visibility":["bo","no\u003cbody","al"]`) {
		t.Error(got)
	}
	m.RestrictedVisibility = nil
	b.Reset()
	wire.BuildMessage(&b, &m, &wire.MessageKeys{User: p.key("al")})
	if got := show(); strings.Contains(got, "restricted_visibility") {
		t.Error(got)
	}
}
