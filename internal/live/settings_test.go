package live_test

import (
	"strings"
	"testing"

	"hansard/internal/store"
	"hansard/internal/wire"
)

// tenant is the app of a fixture.
func (f *fixture) tenant() store.App {
	return store.App{ID: f.app, Name: "test", Key: "test", Secret: "secret"}
}

func (f *fixture) settings(string) ([]byte, error) { return f.live.App(f.t.Context(), f.tenant()) }

func (f *fixture) set(body string) ([]byte, error) {
	return f.live.UpdateApp(f.t.Context(), f.app, []byte(body))
}

func TestApp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	v := f.must(f.settings, "")
	f.want(v, "test", "app", "name")
	f.want(v, float64(f.app), "app", "id")
	f.want(v, false, "app", "suspended")
	f.want(v, false, "app", "disable_auth_checks")
	f.want(v, "no", "app", "enforce_unique_usernames")
	f.want(v, []any{}, "app", "webhook_events")
	f.want(v, "team", "app", "channel_configs", "team", "name")
	f.must(f.newType, `{"name":"support","commands":["ban"]}`)
	f.want(f.must(f.settings, ""), []any{"ban"}, "app", "channel_configs", "support", "commands")

	f.want(f.must(f.set, `{"webhook_url":"https://example.com/hook?a=<b>","webhook_events":["a"],"multi_tenant_enabled":true,"cdn_expiration_seconds":60,
		"sqs_secret":"hush","apn_config":{"p12_cert":"hush"},"disable_auth_checks":false,"enforce_unique_usernames":"no","color":{"z":2.50,"a":1},
		"grants":null,"sqs_url":null}`), map[string]any{})
	f.must(f.set, `{"webhook_events":["b","c"],"campaign_enabled":true}`)
	raw, err := f.settings("")
	if err != nil || !strings.Contains(string(raw), `"color":{"z":2.50,"a":1}`) || strings.Contains(string(raw), "hush") {
		t.Errorf("%s, %v", raw, err)
	}
	v = f.must(f.settings, "")
	f.want(v, "https://example.com/hook?a=<b>", "app", "webhook_url")
	f.want(v, []any{"b", "c"}, "app", "webhook_events")
	f.want(v, true, "app", "multi_tenant_enabled")
	f.want(v, 60.0, "app", "cdn_expiration_seconds")
	f.want(v, "", "app", "sqs_secret")
	f.want(v, nil, "app", "apn_config")
	f.want(v, map[string]any{}, "app", "grants")
	if !strings.HasPrefix(string(raw), `{"app":{"id":`) || strings.Count(string(raw), `"webhook_events"`) != 1 {
		t.Errorf("%s", raw)
	}

	for _, tt := range []struct {
		body  string
		words []string
	}{
		{`[]`, []string{"object"}},
		{`{"disable_auth_checks":true}`, []string{"disable_auth_checks", "always checked"}},
		{`{"disable_auth_checks":"no"}`, []string{"disable_auth_checks", "false"}},
		{`{"enforce_unique_usernames":"app"}`, []string{"enforce_unique_usernames", `"no"`}},
		{`{"revoke_tokens_issued_before":"2026-03-01T12:00:00Z"}`, []string{"revoke_tokens_issued_before", "not available"}},
		{`{"name":"x"}`, []string{"name", "server"}},
		{`{"suspended":true}`, []string{"suspended", "server"}},
		{`{"channel_configs":{}}`, []string{"channel_configs", "server"}},
		{`{"webhook_url":7}`, []string{"webhook_url", "string"}},
		{`{"webhook_events":"a"}`, []string{"webhook_events", "array"}},
		{`{"event_hooks":{}}`, []string{"event_hooks", "array"}},
		{`{"multi_tenant_enabled":1}`, []string{"multi_tenant_enabled", "true or false"}},
		{`{"cdn_expiration_seconds":-1}`, []string{"cdn_expiration_seconds", "between"}},
		{`{"grants":[]}`, []string{"grants", "object"}},
		{`{"x":"` + strings.Repeat("x", 64<<10) + `"}`, []string{"65536"}},
		{`{"x":` + tooDeep + `}`, []string{"x must be nested", "5000"}},
	} {
		f.refused(f.set, tt.body, wire.CodeBadInput, tt.words...)
	}
	f.want(f.must(f.settings, ""), get(v, "app"), "app")
}
