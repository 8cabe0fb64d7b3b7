package api_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"hansard/api/apitest"
	"hansard/internal/wire"
)

// kinds are the schemas of what package wire turns into the v2 dialect.
var kinds = map[string]wire.Kind{
	"User": wire.KindUser, "Channel": wire.KindChannel, "Member": wire.KindMember, "Message": wire.KindMessage,
	"Reaction": wire.KindReaction, "Read": wire.KindRead, "Call": wire.KindCall, "Task": wire.KindTask, "ImportTask": wire.KindImport,
	"ChannelConfig": wire.KindChannelType,
}

func toV2(t *testing.T, kind wire.Kind, classic string) object {
	t.Helper()
	text, err := wire.ToV2(kind, []byte(classic))
	if err != nil {
		t.Fatal(err)
	}
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// The table of package wire and the derived schemas are two accounts of the
// same dialect.
func TestSchemasAgreeWithTheTable(t *testing.T) {
	t.Parallel()
	schemas := field(field(parsed(t, document(t)), "components"), "schemas")
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v2 := field(schemas, name+"V2")
			properties := field(v2, "properties")
			_, isEntity := properties["custom"]
			required := map[string]bool{}
			for _, r := range v2["required"].([]any) {
				required[r.(string)] = true
			}
			// What is always written is required; unknown fields are custom.
			for _, key := range slices.Sorted(maps.Keys(toV2(t, kind, `{}`))) {
				if !required[key] {
					t.Errorf("%s is always there, but not required", key)
				}
			}
			made := toV2(t, kind, `{"frobs":1}`)
			if _, ok := field(made, "custom")["frobs"]; ok != isEntity {
				t.Errorf("an unknown field becomes %v", made)
			}
			for property := range properties {
				if property == "custom" {
					continue
				}
				made := toV2(t, kind, `{"`+property+`":"2021-02-17T08:17:49Z"}`)
				value, known := made[property]
				if !known {
					t.Errorf("%s is a custom field to the table", property)
				}
				ref, _ := field(properties, property)["$ref"].(string)
				isTime := strings.HasSuffix(ref, "/TimeV2") || strings.HasSuffix(ref, "/TimeOrNullV2")
				if _, turned := value.(float64); turned != isTime {
					t.Errorf("%s is a time: %v to the schema, %v to the table", property, isTime, turned)
				}
			}
		})
	}
}

// classics are whole objects, in which U, C and R stand for a user, a channel
// and a reaction.
const (
	at          = `"2021-02-17T08:17:49.5Z"`
	classicUser = `{"id":"ada","role":"user","created_at":` + at + `,"updated_at":` + at + `,"banned":false,"online":false,"shoe":41.50}`
	classicCh   = `{"cid":"messaging:tea","id":"tea","type":"messaging","created_by":U,"created_at":` + at + `,"updated_at":` + at +
		`,"frozen":false,"disabled":false,"member_count":1,"message_count":0,"config":K,"topic":"tea"}`
	classicReaction = `{"message_id":"m1","user_id":"ada","user":U,"type":"love","score":1,"created_at":` + at + `,"updated_at":` + at + `}`
)

var classics = map[string]string{
	"User":     `U`,
	"Channel":  `C`,
	"Reaction": `R`,
	"Member": `{"user_id":"ada","user":U,"created_at":` + at + `,"updated_at":` + at + `,"banned":false,"shadow_banned":false,` +
		`"archived_at":null,"pinned_at":` + at + `,"role":"owner","channel_role":"channel_member","notifications_muted":false,"shift":"late"}`,
	"Message": `{"id":"m1","text":"","html":"","type":"regular","user":U,"attachments":[{"x":1}],"latest_reactions":[R],"own_reactions":[],` +
		`"reaction_counts":{"love":1},"reaction_scores":{"love":1},"reaction_groups":null,"reply_count":0,"deleted_reply_count":0,` +
		`"cid":"messaging:tea","created_at":` + at + `,"updated_at":` + at + `,"shadowed":false,"mentioned_users":[{"id":"gone","deleted_at":` + at +
		`}],"silent":false,"pinned":true,"pinned_at":` + at + `,"pinned_by":U,"pin_expires":null,"cups":2}`,
	"ChannelConfig": `K`,
	"Read":          `{"user":U,"last_read":` + at + `,"unread_messages":0}`,
	"Call": `{"type":"default","id":"c","cid":"default:c","created_by":U,"created_at":` + at + `,"updated_at":` + at +
		`,"members":[{"user_id":"ada","role":"host","created_at":` + at + `}],"topic":"tea"}`,
	"Task": `{"task_id":"11111111-2222-4333-8444-555555555555","status":"completed","created_at":` + at + `,"updated_at":` + at +
		`,"result":{"url":"http://x/y","path":"y","size":1,"sha256":"","expires_at":` + at + `},"error":null,"type":"export.users",` +
		`"progress":{"done":1,"total":1,"percent":100}}`,
	"ImportTask": `{"id":"11111111-2222-4333-8444-555555555555","state":"importing","mode":"upsert","merge_custom":false,"path":"x","size":1,` +
		`"result":{},"created_at":` + at + `,"updated_at":` + at + `,"history":[{"created_at":` + at + `,"prev_state":"uploaded","next_state":"importing"}]}`,
}

// What package wire makes of a classic object that fits its schema fits the v2
// schema, and each fits only its own.
func TestObjectsFitTheirDialect(t *testing.T) {
	t.Parallel()
	v := apitest.New(t)
	config := string(wire.AppendConfig(nil, "messaging"))
	for name, text := range classics {
		for range 3 {
			text = strings.NewReplacer(":U", ":"+classicUser, ":C", ":"+classicCh, "[R", "["+classicReaction, ":K", ":"+config).Replace(":" + text)[1:]
			text = strings.Replace(":"+text, ":R", ":"+classicReaction, 1)[1:]
		}
		v2, err := wire.ToV2(kinds[name], []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			schema, text string
			fits         bool
		}{
			{name, text, true},
			{name + "V2", string(v2), true},
			{name, string(v2), false},
			{name + "V2", text, false},
		} {
			if err := v.CheckSchema(tt.schema, []byte(tt.text)); (err == nil) != tt.fits {
				t.Errorf("%s: %v\n%s", tt.schema, err, tt.text)
			}
		}
	}
}
