package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// builtInTypes are the types of channels that every app has.
var builtInTypes = []string{"messaging", "livestream", "team", "gaming", "commerce"}

// maxTypes is how many types of channels an app may add.
const maxTypes = 100

// policyPrefix begins the names of the settings that hold what the types of
// channels permit: "permissions" and "grants". Channels do not show these.
const policyPrefix = "channel_policy/"

const noPolicy = `{"permissions":[],"grants":{}}`

// typeRules are the fields of a type of channels that are known. Others are
// kept as they come.
var typeRules = rules(
	ruled{aFlag, `typing_events read_events connect_events delivery_events search reactions replies quotes mutes uploads
		url_enrichment custom_events push_notifications reminders user_message_reminders mark_messages_pending polls
		shared_locations skip_last_msg_update_for_system_msgs count_messages`},
	ruled{aNumber(1, wire.MaxTextBytes), `max_message_length`},
	ruled{oneOf("disabled", "simple", "AI"), `automod`},
	ruled{oneOf("flag", "block", "shadow_block"), `automod_behavior blocklist_behavior`},
	ruled{aText, `blocklist message_retention partition_ttl`},
	ruled{aNumber(0, 1<<53), `partition_size`},
	ruled{textList, `allowed_flag_reasons`},
	ruled{aList, `blocklists permissions`},
	ruled{anObject, `automod_thresholds`},
	ruled{grantList, `grants`},
)

// grantList checks what roles are granted: lists of names by role.
func grantList(field string, v jsontext.Value, at int64) error {
	return wire.Within(wire.Object(v, textList), field, at)
}

// typeChange is what a request says of a type of channels.
type typeChange struct {
	name   string
	config []member
	policy []member
}

func decodeType(body []byte) (*typeChange, error) {
	t := &typeChange{}
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
		if wire.IsNull(v) {
			return nil
		}
		if check := typeRules[name]; check != nil {
			if err := check(name, v, at); err != nil {
				return err
			}
		}
		value, err := wire.Free(name, v, at)
		if err != nil {
			return err
		}
		switch name {
		case "name":
			t.name, err = wire.String(name, v, at)
			if err == nil && !wire.ValidType(t.name) {
				err = wire.BadField(name, "must be 1 to %d characters out of a-z A-Z 0-9 _ -", wire.MaxType)
			}
			return err
		case "created_at", "updated_at", "duration":
			return nil // of an answer that comes back as a request
		case "permissions", "grants":
			t.policy = append(t.policy, member{name, value})
			return nil
		case "commands":
			if value, err = commandList(v); err != nil {
				return err
			}
		}
		t.config = append(t.config, member{name, value})
		return nil
	})
	return t, refuse(err, "")
}

// commands are what is said of those that every app has.
var commands = map[string]string{
	"giphy":  `"description":"Post a GIF","args":"[text]","set":"fun_set"`,
	"ban":    `"description":"Ban a user","args":"[@username] [text]","set":"moderation_set"`,
	"unban":  `"description":"Lift the ban on a user","args":"[@username]","set":"moderation_set"`,
	"mute":   `"description":"Mute a user","args":"[@username]","set":"moderation_set"`,
	"unmute": `"description":"Unmute a user","args":"[@username]","set":"moderation_set"`,
	"flag":   `"description":"Flag a user","args":"[@username]","set":"moderation_set"`,
}

// maxCommands bounds the commands of one type of channels.
const maxCommands = 100

// commandList reads names of commands, or what answers show of commands, and
// gives the latter.
func commandList(v jsontext.Value) ([]byte, error) {
	out := []byte{'['}
	var names []string
	err := wire.List(v, func(i int, v jsontext.Value, at int64) error {
		name, err := commandName(fmt.Sprintf("[%d]", i), v, at)
		switch {
		case err != nil:
			return err
		case !wire.ValidType(name):
			return wire.BadField(fmt.Sprintf("commands[%d]", i), "must be the name of a command: 1 to %d characters out of a-z A-Z 0-9 _ -", wire.MaxType)
		case slices.Contains(names, name):
			return nil
		case len(names) == maxCommands:
			return wire.BadField("commands", "must be at most %d", maxCommands)
		}
		names = append(names, name)
		out = wire.AppendString(append(comma(out), `{"name":`...), name)
		out = append(append(out, ','), cmp.Or(commands[name], `"description":"","args":"","set":""`)...)
		out = append(out, '}')
		return nil
	})
	return append(out, ']'), wire.Within(err, "commands", 0)
}

func commandName(field string, v jsontext.Value, at int64) (name string, err error) {
	if v.Kind() != '{' {
		return wire.String(field, v, at)
	}
	err = wire.Object(v, func(key string, v jsontext.Value, at int64) (err error) {
		if key == "name" {
			name, err = wire.String(field+".name", v, at)
		}
		return err
	})
	return name, err
}

// ChannelTypes answers the types of channels: those that every app has, and the
// app's own by name.
func (s *Service) ChannelTypes(ctx context.Context, app int64) ([]byte, error) {
	out := []byte(`{"channel_types":{`)
	err := s.Store.View(ctx, app, func(r store.Reader) (err error) {
		out, err = appendTypes(out, r, false)
		return err
	})
	return append(out, `}}`...), err
}

// appendTypes appends all types of channels by name. plain gives the names of
// their commands only.
func appendTypes(out []byte, r store.Reader, plain bool) ([]byte, error) {
	names := slices.Clone(builtInTypes)
	err := r.Settings(store.ChannelTypePrefix, func(setting string, _ []byte) error {
		if name := strings.TrimPrefix(setting, store.ChannelTypePrefix); !slices.Contains(builtInTypes, name) {
			names = append(names, name)
		}
		return nil
	})
	for i, name := range names {
		if err != nil {
			break
		}
		if i > 0 {
			out = append(out, ',')
		}
		out, err = appendType(append(wire.AppendString(out, name), ':'), r, name, plain)
	}
	return out, err
}

// GetChannelType answers one type of channels.
func (s *Service) GetChannelType(ctx context.Context, app int64, name string) ([]byte, error) {
	var out []byte
	err := s.Store.View(ctx, app, func(r store.Reader) (err error) {
		out, err = appendType(nil, r, name, false)
		return err
	})
	return out, err
}

// typeConfig is the configuration of a type of channels that the app has.
func typeConfig(r store.Reader, name string) ([]byte, error) {
	config, err := r.Setting(store.ChannelTypePrefix + name)
	if errors.Is(err, store.ErrNotFound) {
		if slices.Contains(builtInTypes, name) {
			return wire.AppendConfig(nil, name), nil
		}
		err = wire.Errorf(wire.CodeNotFound, "channel type %s does not exist", name)
	}
	return config, err
}

func typePolicy(r store.Reader, name string) ([]byte, error) {
	policy, err := r.Setting(policyPrefix + name)
	if errors.Is(err, store.ErrNotFound) {
		return []byte(noPolicy), nil
	}
	return policy, err
}

// appendType appends a type of channels: its configuration, which its channels
// show as well, and what it permits.
func appendType(out []byte, r store.Reader, name string, plain bool) ([]byte, error) {
	config, err := typeConfig(r, name)
	if err != nil {
		return out, err
	}
	policy, err := typePolicy(r, name)
	if err != nil {
		return out, err
	}
	if plain {
		config = changed(config, []member{{"commands", commandNames(config)}})
	}
	out = append(append(out, config[:len(config)-1]...), ',')
	return append(out, policy[1:]...), nil
}

// commandNames gives the names of the commands in a configuration, as JSON.
func commandNames(config []byte) []byte {
	out := []byte{'['}
	// What was stored gives no error.
	_ = wire.Members(config, func(key []byte, list jsontext.Value) error {
		if string(key) != "commands" {
			return nil
		}
		return wire.List(list, func(_ int, command jsontext.Value, _ int64) error {
			return wire.Members(command, func(key []byte, v jsontext.Value) error {
				if string(key) == "name" {
					out = append(comma(out), v...)
				}
				return nil
			})
		})
	})
	return append(out, ']')
}

// CreateChannelType adds a type of channels.
func (s *Service) CreateChannelType(ctx context.Context, app int64, body []byte) ([]byte, error) {
	t, err := decodeType(body)
	if err != nil {
		return nil, err
	}
	if t.name == "" {
		return nil, wire.BadField("name", "is required")
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		if _, err := typeConfig(tx, t.name); err == nil {
			return wire.BadField("name", "is taken: the channel type %s already exists", t.name)
		} else if e := wire.AsError(err); e == nil {
			return err
		}
		own := 0
		err := tx.Settings(store.ChannelTypePrefix, func(setting string, _ []byte) error {
			if !slices.Contains(builtInTypes, strings.TrimPrefix(setting, store.ChannelTypePrefix)) {
				own++
			}
			return nil
		})
		if err == nil && own >= maxTypes {
			err = wire.BadField("name", "is one too many: an app has at most %d channel types of its own", maxTypes)
		}
		if err != nil {
			return err
		}
		out, err = putType(tx, t.name, wire.AppendConfig(nil, t.name), t, true, s.now())
		return err
	})
	return out, err
}

// UpdateChannelType changes a type of channels; what is not given stays.
func (s *Service) UpdateChannelType(ctx context.Context, app int64, name string, body []byte) ([]byte, error) {
	t, err := decodeType(body)
	if err != nil {
		return nil, err
	}
	if t.name != "" && t.name != name {
		return nil, wire.BadField("name", "must be the name in the path")
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		config, err := typeConfig(tx, name)
		if err != nil {
			return err
		}
		out, err = putType(tx, name, config, t, false, s.now())
		return err
	})
	return out, err
}

// putType changes a configuration, stores it and answers the type.
func putType(tx store.Tx, name string, config []byte, t *typeChange, isNew bool, now chat.Time) ([]byte, error) {
	changes := t.config
	if isNew {
		changes = append(changes, member{"created_at", now.AppendJSON(nil)})
	} else {
		now = max(now, updatedAt(config)+1)
	}
	config = changed(config, append(changes, member{"updated_at", now.AppendJSON(nil)}))
	policy, err := typePolicy(tx, name)
	if err != nil {
		return nil, err
	}
	for _, m := range t.policy {
		if m.name == "grants" {
			m.value = mergeGrants(policy, m.value)
		}
		policy = changed(policy, []member{m})
	}
	if len(config)+len(policy) > maxSetting {
		return nil, wire.Errorf(wire.CodeBadInput, "a channel type must have at most %d bytes", maxSetting)
	}
	if err := tx.PutSetting(store.ChannelTypePrefix+name, config); err != nil {
		return nil, err
	}
	if string(policy) != noPolicy {
		if err := tx.PutSetting(policyPrefix+name, policy); err != nil {
			return nil, err
		}
	}
	return appendType(nil, tx, name, true)
}

// mergeGrants gives the grants of a policy with those of some roles replaced;
// null takes away those of a role.
func mergeGrants(policy, given []byte) []byte {
	merged := []byte(`{}`)
	for _, grants := range [][]byte{valueIn(policy, "grants"), given} {
		// What was stored or checked gives no error.
		_ = wire.Members(grants, func(role []byte, v jsontext.Value) error {
			merged = changed(merged, []member{{string(role), v}})
			return nil
		})
	}
	out := []byte{'{'}
	_ = wire.Members(merged, func(role []byte, v jsontext.Value) error {
		if !wire.IsNull(v) {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(append(wire.AppendString(out, string(role)), ':'), v...)
		}
		return nil
	})
	return append(out, '}')
}

// updatedAt is when a configuration was changed last.
func updatedAt(config []byte) (t chat.Time) {
	if t.UnmarshalJSON(valueIn(config, "updated_at")) != nil {
		return 0
	}
	return t
}

// DeleteChannelType removes a type of channels of the app's own that has no
// channels.
func (s *Service) DeleteChannelType(ctx context.Context, app int64, name string) ([]byte, error) {
	if slices.Contains(builtInTypes, name) {
		return nil, wire.BadField("name", "is a channel type that every app has, and cannot be deleted: %s", name)
	}
	err := s.Store.Update(ctx, app, func(tx store.Tx) error {
		if _, err := typeConfig(tx, name); err != nil {
			return err
		}
		err := tx.Channels(name+":", func(row *store.ChannelRow) error {
			switch {
			case row.Channel.Type != name:
				return errEnough
			case row.Channel.DeletedAt == 0:
				return wire.BadField("name", "is a channel type with channels, and cannot be deleted before they are: %s", name)
			}
			return nil
		})
		if err := ended(err); err != nil {
			return err
		}
		for _, prefix := range []string{store.ChannelTypePrefix, policyPrefix} {
			if err := tx.PutSetting(prefix+name, nil); err != nil {
				return err
			}
		}
		return nil
	})
	return []byte(`{}`), err
}
