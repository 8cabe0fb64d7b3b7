package live

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// appSetting is the name of the setting that holds what clients have set of an
// app, a JSON object.
const appSetting = "app"

// maxSetting bounds a setting, in bytes.
const maxSetting = 64 << 10

// rule checks the value of one field of a setting.
type rule func(field string, v jsontext.Value, at int64) error

func aFlag(field string, v jsontext.Value, at int64) error {
	_, err := wire.Bool(field, v, at)
	return err
}

func aText(field string, v jsontext.Value, at int64) error {
	_, err := wire.String(field, v, at)
	return err
}

func aNumber(least, most int64) rule {
	return func(field string, v jsontext.Value, at int64) error {
		_, err := wire.Int(field, v, at, least, most)
		return err
	}
}

func textList(field string, v jsontext.Value, at int64) error {
	_, err := wire.StringList(field, v, at)
	return err
}

func anObject(field string, v jsontext.Value, _ int64) error {
	return ofKind('{', field, v, "an object")
}

func aList(field string, v jsontext.Value, _ int64) error {
	return ofKind('[', field, v, "an array")
}

func ofKind(kind jsontext.Kind, field string, v jsontext.Value, what string) error {
	if v.Kind() != kind {
		return wire.BadField(field, "must be %s", what)
	}
	return nil
}

func oneOf(words ...string) rule {
	return func(field string, v jsontext.Value, at int64) error {
		word, err := wire.String(field, v, at)
		if err == nil && !slices.Contains(words, word) {
			err = wire.BadField(field, "must be one of %s", strings.Join(words, ", "))
		}
		return err
	}
}

// always takes one value, for a reason.
func always(value, reason string) rule {
	return func(field string, v jsontext.Value, _ int64) error {
		if string(v) != value {
			return wire.BadField(field, "must be %s: %s", value, reason)
		}
		return nil
	}
}

// never takes nothing, for a reason.
func never(reason string) rule {
	return func(field string, _ jsontext.Value, _ int64) error { return wire.BadField(field, "%s", reason) }
}

// ruled says which fields a rule is for.
type ruled struct {
	check  rule
	fields string
}

func rules(of ...ruled) map[string]rule {
	table := map[string]rule{}
	for _, r := range of {
		for name := range strings.FieldsSeq(r.fields) {
			table[name] = r.check
		}
	}
	return table
}

// member is a member of a JSON object.
type member struct {
	name  string
	value []byte
}

// changed gives an object with some of its members replaced, each in its place,
// and with those added that it had not.
func changed(object []byte, changes []member) []byte {
	out := []byte{'{'}
	add := func(name string, value []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(wire.AppendString(out, name), ':'), value...)
	}
	known := map[string]bool{}
	// What was stored gives no error.
	_ = wire.Members(object, func(name []byte, v jsontext.Value) error {
		known[string(name)] = true
		if i := slices.IndexFunc(changes, func(m member) bool { return m.name == string(name) }); i >= 0 {
			v = changes[i].value
		}
		add(string(name), v)
		return nil
	})
	for _, m := range changes {
		if !known[m.name] {
			add(m.name, m.value)
		}
	}
	return append(out, '}')
}

// setting returns a setting that is an object; one that was never set is empty.
func setting(r store.Reader, name string) ([]byte, error) {
	value, err := r.Setting(name)
	if errors.Is(err, store.ErrNotFound) {
		return []byte(`{}`), nil
	}
	return value, err
}

// appDefaults is what an app says of itself that nobody has set anything of.
const appDefaults = `{"organization":"","suspended":false,"suspended_explanation":"","disable_auth_checks":false,` +
	`"disable_permissions_checks":false,"multi_tenant_enabled":false,"enforce_unique_usernames":"no","permission_version":"v2",` +
	`"user_search_disallowed_roles":[],"policies":{},"grants":{},"webhook_url":"","webhook_events":[],"event_hooks":[],` +
	`"custom_action_handler_url":"","before_message_send_hook_url":"","moderation_webhook_url":"","sqs_url":"","sqs_key":"",` +
	`"sqs_secret":"","sns_topic_arn":"","sns_key":"","sns_secret":"","push_notifications":{"version":"v2","offline_only":false},` +
	`"image_moderation_enabled":false,"moderation_enabled":false,"moderation_multitenant_blocklist_enabled":false,` +
	`"auto_translation_enabled":false,"async_url_enrich_enabled":false,"campaign_enabled":false,"cdn_expiration_seconds":0,` +
	`"file_upload_config":{"allowed_file_extensions":[],"blocked_file_extensions":[],"allowed_mime_types":[],"blocked_mime_types":[],"size_limit":0},` +
	`"image_upload_config":{"allowed_file_extensions":[],"blocked_file_extensions":[],"allowed_mime_types":[],"blocked_mime_types":[],"size_limit":0},` +
	`"guest_user_creation_disabled":false,"reminders_interval":0,"video_provider":"","call_types":{}}`

// appRules are the settings of an app that are known. Others are kept as they
// come. What would promise a thing that is not done here is refused.
var appRules = rules(
	ruled{aFlag, `disable_permissions_checks multi_tenant_enabled image_moderation_enabled moderation_enabled
		moderation_multitenant_blocklist_enabled auto_translation_enabled async_url_enrich_enabled campaign_enabled
		guest_user_creation_disabled migrate_permissions_to_v2 channel_hide_members_only user_response_time_enabled`},
	ruled{aText, `webhook_url custom_action_handler_url before_message_send_hook_url moderation_webhook_url permission_version
		sqs_url sqs_key sqs_secret sns_topic_arn sns_key sns_secret video_provider`},
	ruled{aNumber(0, 1<<53), `cdn_expiration_seconds reminders_interval reminders_max_members`},
	ruled{textList, `webhook_events user_search_disallowed_roles allowed_flag_reasons image_moderation_block_labels`},
	ruled{aList, `event_hooks`},
	ruled{anObject, `grants policies push_config apn_config firebase_config huawei_config xiaomi_config file_upload_config
		image_upload_config async_moderation_config datadog_info agora_options hms_options push_notifications call_types`},
	ruled{always("false", "tokens are always checked"), `disable_auth_checks`},
	ruled{always(`"no"`, "names of users are not compared"), `enforce_unique_usernames`},
	ruled{never("is not available: give the app a new secret, which ends all tokens"), `revoke_tokens_issued_before`},
	ruled{
		never("is set by the server: leave it out"),
		`id name organization suspended suspended_explanation channel_configs created_at updated_at`,
	},
)

// hiddenSettings are not shown, though they were set.
var hiddenSettings = []string{
	"sqs_secret", "sns_secret", "apn_config", "firebase_config", "huawei_config", "xiaomi_config", "datadog_info", "async_moderation_config",
}

// App answers the settings of an app.
func (s *Service) App(ctx context.Context, app store.App) ([]byte, error) {
	out := wire.AppendString([]byte(`{"app":{"id":`+strconv.FormatInt(app.ID, 10)+`,"name":`), app.Name)
	err := s.Store.View(ctx, app.ID, func(r store.Reader) error {
		set, err := setting(r, appSetting)
		if err != nil {
			return err
		}
		var shown []member
		_ = wire.Members(set, func(name []byte, v jsontext.Value) error {
			if !slices.Contains(hiddenSettings, string(name)) {
				shown = append(shown, member{string(name), slices.Clone(v)})
			}
			return nil
		})
		object := changed([]byte(appDefaults), shown)
		out = append(append(out, ','), object[1:len(object)-1]...)
		out = append(out, `,"channel_configs":{`...)
		out, err = appendTypes(out, r, true)
		return err
	})
	return append(out, `}}}`...), err
}

// UpdateApp keeps settings of an app.
func (s *Service) UpdateApp(ctx context.Context, app int64, body []byte) ([]byte, error) {
	var changes []member
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) error {
		if wire.IsNull(v) {
			return nil
		}
		if check := appRules[name]; check != nil {
			if err := check(name, v, at); err != nil {
				return err
			}
		}
		value, err := wire.Free(name, v, at)
		changes = append(changes, member{name, value})
		return err
	})
	if err != nil {
		return nil, refuse(err, "")
	}
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		set, err := setting(tx, appSetting)
		if err != nil {
			return err
		}
		if set = changed(set, changes); len(set) > maxSetting {
			return wire.Errorf(wire.CodeBadInput, "the settings of an app must have at most %d bytes altogether", maxSetting)
		}
		return tx.PutSetting(appSetting, set)
	})
	return []byte(`{}`), err
}

// appFlag reports whether a setting of the app is true.
func appFlag(r store.Reader, name string) (bool, error) {
	set, err := setting(r, appSetting)
	return string(valueIn(set, name)) == "true", err
}

// valueIn is the value of a member of a stored object; nil if it has none of
// that name.
func valueIn(object []byte, name string) (value []byte) {
	// What was stored gives no error.
	_ = wire.Members(object, func(have []byte, v jsontext.Value) error {
		if string(have) == name {
			value = v
		}
		return nil
	})
	return value
}
