package live_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// typed calls a method about the type of channels with that name.
func (f *fixture) typed(method func(ctx context.Context, app int64, name string, body []byte) ([]byte, error), name string) call {
	return func(body string) ([]byte, error) { return method(f.t.Context(), f.app, name, []byte(body)) }
}

func (f *fixture) types(string) ([]byte, error) { return f.live.ChannelTypes(f.t.Context(), f.app) }

func (f *fixture) newType(body string) ([]byte, error) {
	return f.live.CreateChannelType(f.t.Context(), f.app, []byte(body))
}

func (f *fixture) getType(name string) call {
	return func(string) ([]byte, error) { return f.live.GetChannelType(f.t.Context(), f.app, name) }
}

func (f *fixture) putType(name string) call { return f.typed(f.live.UpdateChannelType, name) }

func (f *fixture) deleteType(name string) call {
	return func(string) ([]byte, error) { return f.live.DeleteChannelType(f.t.Context(), f.app, name) }
}

var typesOfAll = []string{"messaging", "livestream", "team", "gaming", "commerce"}

func TestBuiltInChannelTypes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	v := f.must(f.types, "")
	all, _ := get(v, "channel_types").(map[string]any)
	if len(all) != 5 {
		t.Errorf("%d types", len(all))
	}
	for _, name := range typesOfAll {
		f.want(v, name, "channel_types", name, "name")
		f.want(v, true, "channel_types", name, "reactions")
		f.want(v, 20480.0, "channel_types", name, "max_message_length")
		f.want(v, []any{}, "channel_types", name, "commands")
		f.want(v, []any{}, "channel_types", name, "permissions")
		f.want(v, map[string]any{}, "channel_types", name, "grants")
		f.want(f.must(f.getType(name), ""), get(v, "channel_types", name))
	}
	f.refused(f.getType("support"), "", wire.CodeNotFound, "support")
	f.refused(f.putType("support"), `{}`, wire.CodeNotFound, "support")
	f.refused(f.deleteType("support"), "", wire.CodeNotFound, "support")
	f.refused(f.deleteType("team"), "", wire.CodeBadInput, "team", "cannot be deleted")
}

func TestUpdateChannelType(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	put := f.putType("messaging")
	v := f.must(put, `{"reactions":false,"max_message_length":1000,"commands":["giphy","custom-one","giphy"],"color":{"b":2.50,"a":1},"polls":true,
		"replies":null,"grants":{"user":["a","b"],"guest":["a"]},"created_at":"2001-01-01T00:00:00Z","updated_at":1,"duration":"1ms","name":"messaging"}`)
	f.want(v, false, "reactions")
	f.want(v, true, "replies")
	f.want(v, []any{"giphy", "custom-one"}, "commands")
	f.want(v, "2020-01-01T00:00:00Z", "created_at")
	f.want(v, "2026-03-01T12:00:00Z", "updated_at")
	// What is not given stays, and so does the order of keys; a later change is
	// later although the clock stands still.
	v = f.must(put, `{"quotes":false,"grants":{"guest":null,"admin":[]},"permissions":[{"name":"x"}]}`)
	f.want(v, 1000.0, "max_message_length")
	f.want(v, "2026-03-01T12:00:00.000001Z", "updated_at")
	f.want(v, map[string]any{"user": []any{"a", "b"}, "admin": []any{}}, "grants")
	f.want(v, []any{map[string]any{"name": "x"}}, "permissions")
	raw, err := f.getType("messaging")("")
	want := `{"created_at":"2020-01-01T00:00:00Z","updated_at":"2026-03-01T12:00:00.000001Z","name":"messaging","typing_events":true,"read_events":true,` +
		`"connect_events":true,"search":true,"reactions":false,"replies":true,"quotes":false,"mutes":true,"uploads":true,"url_enrichment":false,` +
		`"custom_events":true,"push_notifications":false,"reminders":false,"message_retention":"infinite","max_message_length":1000,` +
		`"automod":"disabled","automod_behavior":"flag","commands":[{"name":"giphy","description":"Post a GIF","args":"[text]","set":"fun_set"},` +
		`{"name":"custom-one","description":"","args":"","set":""}],"color":{"b":2.50,"a":1},"polls":true`
	if err != nil || string(raw) != want+`,"permissions":[{"name":"x"}],"grants":{"user":["a","b"],"admin":[]}}` {
		t.Errorf("%s, %v", raw, err)
	}
	// Channels show it, without what is permitted.
	err = f.store.View(t.Context(), f.app, func(r store.Reader) error {
		row, err := r.Channel("messaging:general")
		if err != nil {
			return err
		}
		b, err := render.New(r).Channel(nil, &row)
		if !strings.Contains(string(b), `"config":`+want+`},`) {
			t.Errorf("no %s in %s", want, b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.want(f.must(f.types, ""), 1000.0, "channel_types", "messaging", "max_message_length")
	f.want(f.must(f.types, ""), 20480.0, "channel_types", "team", "max_message_length")
	// What a client got it can put back.
	f.pass(time.Minute)
	v = f.must(put, string(raw))
	f.want(v, []any{"giphy", "custom-one"}, "commands")
	f.want(v, "2026-03-01T12:01:00Z", "updated_at")

	for _, tt := range []struct {
		body  string
		words []string
	}{
		{`[]`, []string{"object"}},
		{`{"name":"other"}`, []string{"name", "path"}},
		{`{"reactions":"yes"}`, []string{"reactions", "true or false"}},
		{`{"polls":1}`, []string{"polls", "true or false"}},
		{`{"max_message_length":0}`, []string{"max_message_length", "20480"}},
		{`{"max_message_length":20481}`, []string{"max_message_length", "20480"}},
		{`{"max_message_length":"x"}`, []string{"max_message_length", "whole number"}},
		{`{"automod":"on"}`, []string{"automod", "disabled, simple, AI"}},
		{`{"automod_behavior":7}`, []string{"automod_behavior", "string"}},
		{`{"blocklist_behavior":"x"}`, []string{"blocklist_behavior", "shadow_block"}},
		{`{"blocklist":7}`, []string{"blocklist", "string"}},
		{`{"blocklists":{}}`, []string{"blocklists", "array"}},
		{`{"commands":{}}`, []string{"commands", "array"}},
		{`{"commands":["giphy",7]}`, []string{"commands[1]", "string"}},
		{`{"commands":[{"name":7}]}`, []string{"commands[0].name", "string"}},
		{`{"commands":[{}]}`, []string{"commands[0]", "name of a command"}},
		{`{"commands":["a b"]}`, []string{"commands[0]", "name of a command"}},
		{`{"commands":[` + manyOf(101, `"c%d"`) + `]}`, []string{"commands", "100"}},
		{`{"grants":[]}`, []string{"grants", "object"}},
		{`{"grants":{"user":"a"}}`, []string{"grants.user", "array"}},
		{`{"grants":{"user":["a",1]}}`, []string{"grants.user[1]", "string"}},
		{`{"permissions":{}}`, []string{"permissions", "array"}},
		{`{"automod_thresholds":[]}`, []string{"automod_thresholds", "object"}},
		{`{"allowed_flag_reasons":[1]}`, []string{"allowed_flag_reasons[0]", "string"}},
		{`{"x":"` + strings.Repeat("x", 64<<10) + `"}`, []string{"65536"}},
		{`{"x":` + tooDeep + `}`, []string{"x must be nested", "5000"}},
	} {
		f.refused(put, tt.body, wire.CodeBadInput, tt.words...)
	}
}

func TestCreateAndDeleteChannelType(t *testing.T) {
	t.Parallel()
	f := peopled(t)
	v := f.must(f.newType, `{"name":"support","reactions":false,"commands":["ban"],"grants":{"user":["x"]}}`)
	f.want(v, "support", "name")
	f.want(v, false, "reactions")
	f.want(v, true, "replies")
	f.want(v, []any{"ban"}, "commands")
	f.want(v, "2026-03-01T12:00:00Z", "created_at")
	f.want(v, "2026-03-01T12:00:00Z", "updated_at")
	f.want(f.must(f.getType("support"), ""), "moderation_set", "commands", 0, "set")
	f.must(f.newType, `{"name":"Abc-1_"}`)
	raw, err := f.types("")
	names := []string{}
	for _, part := range strings.Split(string(raw), `"name":"`)[1:] {
		if name, _, _ := strings.Cut(part, `"`); name != "ban" {
			names = append(names, name)
		}
	}
	if want := append(slices.Clone(typesOfAll), "Abc-1_", "support"); err != nil || !slices.Equal(names, want) {
		t.Errorf("types %v, %v; want %v", names, err, want)
	}
	for _, tt := range []struct {
		body  string
		words []string
	}{
		{`{}`, []string{"name", "required"}},
		{`{"name":null}`, []string{"name", "required"}},
		{`{"name":"a b"}`, []string{"name", "64"}},
		{`{"name":"` + strings.Repeat("x", 65) + `"}`, []string{"name", "64"}},
		{`{"name":7}`, []string{"name", "string"}},
		{`{"name":"support"}`, []string{"name", "taken", "support"}},
		{`{"name":"messaging"}`, []string{"name", "taken"}},
		{`{"name":"x","quotes":0}`, []string{"quotes"}},
	} {
		f.refused(f.newType, tt.body, wire.CodeBadInput, tt.words...)
	}

	// A type with channels stays; deleted ones are no matter.
	f.must(f.query("support:one"), `{"data":{"created_by_id":"ann"}}`)
	f.refused(f.deleteType("support"), "", wire.CodeBadInput, "support", "channels")
	f.put(func(tx store.Tx) error {
		row, err := tx.Channel("support:one")
		if err == nil {
			row.Channel.DeletedAt = row.Channel.CreatedAt + 1
			_, err = tx.PutChannel(&row.Channel)
		}
		return err
	})
	f.want(f.must(f.deleteType("support"), ""), map[string]any{})
	f.refused(f.getType("support"), "", wire.CodeNotFound)
	// The next one of that name begins anew.
	v = f.must(f.newType, `{"name":"support"}`)
	f.want(v, true, "reactions")
	f.want(v, map[string]any{}, "grants")
}

func TestManyChannelTypes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.putType("messaging"), `{"quotes":false}`) // is not one of the app's own
	for i := range 100 {
		f.must(f.newType, fmt.Sprintf(`{"name":"t%d"}`, i))
	}
	f.refused(f.newType, `{"name":"t100"}`, wire.CodeBadInput, "name", "100")
	f.must(f.deleteType("t7"), "")
	f.must(f.newType, `{"name":"t100"}`)
}

func TestChannelTypesOfAnotherApp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.newType, `{"name":"support"}`)
	f.must(f.putType("messaging"), `{"quotes":false}`)
	other := store.App{Name: "other", Key: "other", Secret: "s"}
	if err := f.store.CreateApp(t.Context(), &other); err != nil {
		t.Fatal(err)
	}
	f.app = other.ID
	f.refused(f.getType("support"), "", wire.CodeNotFound)
	f.refused(f.deleteType("support"), "", wire.CodeNotFound)
	f.want(f.must(f.getType("messaging"), ""), true, "quotes")
}
