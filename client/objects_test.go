package client_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"hansard/client"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// again reads an object and writes it.
func again[T any](t *testing.T, object string) (T, string) {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(object), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return v, string(b)
}

// same compares JSON, numbers to the digit.
func same(t *testing.T, got, want string) {
	t.Helper()
	read := func(text string) any {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		return v
	}
	if diff := cmp.Diff(read(want), read(got)); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

const (
	adaObject     = `{"id":"ada","role":"admin","name":"Ada","image":"i","language":"en","teams":["red"],"invisible":true,"banned":true,"shadow_banned":true,"online":true,"blocked_user_ids":["bob"],"created_at":"2021-02-17T08:17:49.745857Z","updated_at":"2021-02-17T08:17:49Z","last_active":"2021-02-17T08:17:49Z","deactivated_at":"2021-02-17T08:17:49Z","deleted_at":"2021-02-17T08:17:49.1Z","big":12345678901234567890,"price":2.50,"Name":"no name","ID":7,"o":{"z":1,"a":{"y":1e2,"b":null}}}`
	memberObject  = `{"user_id":"ada","user":` + adaObject + `,"status":"member","channel_role":"boss","role":"owner","created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","banned":true,"shadow_banned":true,"archived_at":"2021-02-17T08:17:49Z","pinned_at":"2021-02-17T08:17:49Z","invited":true,"invite_accepted_at":"2021-02-17T08:17:49Z","invite_rejected_at":"2021-02-17T08:17:49Z","notifications_muted":true,"seat":1.0}`
	channelObject = `{"cid":"messaging:tea","id":"tea","type":"messaging","last_message_at":"2021-02-17T08:17:49Z","created_by_id":"ada","created_by":` + adaObject + `,"created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","deleted_at":"2021-02-17T08:17:49Z","truncated_at":"2021-02-17T08:17:49Z","truncated_by":{"id":"bob"},"frozen":true,"disabled":true,"member_count":2,"message_count":3,"team":"red","cooldown":5,"hidden":true,"own_capabilities":[],"config":{"z":1,"a":2},"members":[` + memberObject + `],"topic":"0.10"}`
	reactObject   = `{"message_id":"m1","user_id":"ada","user":` + adaObject + `,"type":"love","score":3,"created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","skin":3.00}`
	messageObject = `{"id":"m1","text":"hi","html":"<p>hi</p>","type":"reply","user_id":"ada","user":` + adaObject + `,"attachments":[{"z":2.50,"a":[]}],"latest_reactions":[` + reactObject + `],"own_reactions":[],"reaction_counts":{"love":1},"reaction_scores":{"love":3},"reaction_groups":{"love":{"count":1,"sum_scores":3,"first_reaction_at":"2021-02-17T08:17:49Z","last_reaction_at":"2021-02-17T08:17:49Z"}},"parent_id":"m0","show_in_channel":true,"thread_participants":[{"id":"bob"}],"reply_count":1,"deleted_reply_count":2,"quoted_message_id":"m2","quoted_message":{"id":"m2","text":"q","mood":"-0"},"cid":"messaging:tea","created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","deleted_at":"2021-02-17T08:17:49Z","message_text_updated_at":"2021-02-17T08:17:49Z","shadowed":true,"mentioned_users":[{"id":"bob"}],"silent":true,"pinned":true,"pinned_at":"2021-02-17T08:17:49Z","pinned_by":{"id":"bob"},"pin_expires":"2021-02-17T08:17:49Z","restricted_visibility":["bob"],"command":"giphy","i18n":{"en":"hi"},"mml":"<mml/>","deleted_for_me":true,"rank":1.50}`
	callObject    = `{"type":"default","id":"daily","cid":"default:daily","created_by_id":"ada","created_by":` + adaObject + `,"created_at":"2021-02-17T08:17:49Z","updated_at":"2021-02-17T08:17:49Z","starts_at":"2021-02-17T08:17:49Z","ended_at":"2021-02-17T08:17:49Z","team":"red","members":[{"user_id":"ada","role":"host","user":{"id":"ada"},"created_at":"2021-02-17T08:17:49Z","x":1.0}],"session":{"z":1,"a":2},"room":4.0}`
)

// Objects with everything in them are the same after reading and writing them,
// custom values to the letter.
func TestObjectsSurvive(t *testing.T) {
	t.Parallel()
	user, got := again[client.User](t, adaObject)
	same(t, got, adaObject)
	for name, want := range map[string]string{
		"big": "12345678901234567890", "price": "2.50", "Name": `"no name"`, "ID": "7", "o": `{"z":1,"a":{"y":1e2,"b":null}}`,
	} {
		if string(user.Custom[name]) != want {
			t.Errorf("%s is %s, want %s", name, user.Custom[name], want)
		}
	}
	if !strings.Contains(got, `"o":{"z":1,"a":{"y":1e2,"b":null}},"price":2.50}`) {
		t.Errorf("keys in another order: %s", got)
	}
	_, got = again[client.Member](t, memberObject)
	same(t, got, memberObject)
	_, got = again[client.Channel](t, channelObject)
	same(t, got, channelObject)
	_, got = again[client.Reaction](t, reactObject)
	same(t, got, reactObject)
	_, got = again[client.Message](t, messageObject)
	same(t, got, messageObject)
	_, got = again[client.Call](t, callObject)
	same(t, got, callObject)
}

// What an application never sets is no custom field, and what is not set is
// not written.
func TestObjectsHoldNoMore(t *testing.T) {
	t.Parallel()
	user, got := again[client.User](t, `{"id":"ada","devices":[],"mutes":null,"unread_count":3,"last_active":null}`)
	if user.Custom != nil || got != `{"id":"ada"}` {
		t.Errorf("%v, %s", user.Custom, got)
	}
	message, got := again[client.Message](t, `{"id":"m1","channel_cid":"a:b","message_id":"m1","pinned_at":null,"pinned_by":null,"reaction_groups":null,"user":{"id":"ada"}}`)
	if message.Custom != nil || message.UserID != "ada" || got != `{"id":"m1","user_id":"ada","user":{"id":"ada"}}` {
		t.Errorf("%v, %s", message.Custom, got)
	}
	member, _ := again[client.Member](t, `{"user":{"id":"ada"},"channel_cid":"a:b","is_moderator":true}`)
	if member.Custom != nil || member.UserID != "ada" {
		t.Errorf("%+v", member)
	}
	// Custom fields in an object of their own are as good.
	nested, got := again[client.User](t, `{"id":"ada","a":1.0,"custom":{"b":2.0}}`)
	if len(nested.Custom) != 2 || got != `{"id":"ada","a":1.0,"b":2.0}` {
		t.Errorf("%v, %s", nested.Custom, got)
	}
	// A second object leaves nothing of the first.
	if err := json.Unmarshal([]byte(`{"id":"bob"}`), &user); err != nil || !reflect.DeepEqual(user, client.User{ID: "bob"}) {
		t.Errorf("%+v, %v", user, err)
	}
	for _, bad := range []string{`[]`, `"ada"`, `{"id":7}`, `{"custom":7}`, `{"created_at":1}`} {
		if err := json.Unmarshal([]byte(bad), &user); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

// A custom field must not pass for another field: the server would take it for
// that, or drop it.
func TestCustomNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"name", "created_at", "devices", "custom"} {
		_, err := json.Marshal(client.User{ID: "ada", Custom: client.Custom{name: []byte("1")}})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := json.Marshal(client.Message{Custom: client.Custom{"user": []byte("1")}})
	if err == nil {
		t.Error("user is a custom field of a message")
	}
	if _, err := json.Marshal(client.User{Custom: client.Custom{"a": []byte("{")}}); err == nil {
		t.Error("half an object was written")
	}
	c := serve(t, answers(`{}`))
	if _, err := c.SendMessage(t.Context(), "m:a", client.Message{Custom: client.Custom{"mentioned_users": []byte("1")}}); err == nil {
		t.Error("mentioned_users is a custom field of a message")
	}
}

func TestCustomGetAndSet(t *testing.T) {
	t.Parallel()
	var c client.Custom
	if err := c.Set("cups", 2); err != nil {
		t.Fatal(err)
	}
	var cups, spoons int
	if err := c.Get("cups", &cups); err != nil || cups != 2 {
		t.Errorf("%d, %v", cups, err)
	}
	if err := c.Get("spoons", &spoons); err != nil || spoons != 0 {
		t.Errorf("%d, %v", spoons, err)
	}
	var text string
	if err := c.Get("cups", &text); err == nil || !strings.Contains(err.Error(), "cups") {
		t.Errorf("%q, %v", text, err)
	}
	if err := c.Set("f", func() {}); err == nil || !strings.Contains(err.Error(), "f") {
		t.Errorf("a function was kept: %v", err)
	}
}

// Any custom fields are the same after writing and reading them.
func TestCustomSurvives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		value := rapid.OneOf(
			rapid.Just(`null`), rapid.Just(`true`), rapid.Just(`{"b":1,"a":[2.50,{}]}`),
			rapid.Map(rapid.Uint64Range(1, 1<<63), func(n uint64) string { return fmt.Sprintf("%d%d", n, n) }),
			rapid.StringMatching(`-?[1-9][0-9]{0,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`),
			rapid.StringMatching(`"[a-z é☃]*"`),
		)
		want := client.Message{ID: "m"}
		for name, v := range rapid.MapOf(rapid.StringMatching(`[A-Z][a-zA-Z_ é]{0,5}`), value).Draw(r, "custom") {
			if want.Custom == nil {
				want.Custom = client.Custom{}
			}
			want.Custom[name] = []byte(v)
		}
		b, err := json.Marshal(want)
		if err != nil {
			r.Fatal(err)
		}
		var got client.Message
		if err := json.Unmarshal(b, &got); err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			r.Fatal(diff)
		}
	})
}
