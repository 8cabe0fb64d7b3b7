package test_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The objects of an export file, as the contract lists them: every key in its
// order, "?" for those that are left out when unset, then what its value is.
// Custom fields may follow those of an open object, sorted by name.
type shape struct {
	keys   []string
	closed bool // has no custom fields
}

func keys(list string) []string { return strings.Fields(list) }

var shapes = map[string]shape{
	"user": {keys: keys(`id:string role:string created_at:time updated_at:time last_active?:time deactivated_at?:time
		deleted_at?:time banned:bool online:false name?:string image?:string language?:string teams?:list invisible?:true`)},
	"dangling": {keys: keys(`id:string deleted_at:time`), closed: true},
	"channel": {keys: keys(`cid:string id:string type:string last_message_at?:time created_by:user created_at:time
		updated_at:time deleted_at?:time truncated_at?:time truncated_by?:user frozen:bool disabled:bool
		member_count:int message_count:int team?:string cooldown?:int config:object`)},
	"message": {keys: keys(`id:string text:string html:string type:string user:user attachments:list
		latest_reactions:reactions own_reactions:empty reaction_counts:numbers reaction_scores:numbers reaction_groups:groups
		parent_id?:string show_in_channel?:bool thread_participants?:users reply_count:int deleted_reply_count:int
		quoted_message_id?:string quoted_message?:message cid:string created_at:time updated_at:time deleted_at?:time
		message_text_updated_at?:time shadowed:bool mentioned_users:users silent:bool pinned:bool pinned_at:time|null
		pinned_by:user|null pin_expires:time|null restricted_visibility?:list command?:string i18n?:object mml?:string`)},
	"member": {keys: keys(`user_id:string user:user status?:string created_at:time updated_at:time banned:bool
		shadow_banned:bool archived_at:time|null pinned_at:time|null role:string channel_role:string invited?:bool
		invite_accepted_at?:time invite_rejected_at?:time notifications_muted:bool`)},
	"read": {keys: keys(`user:user last_read:time last_read_message_id?:string unread_messages:int`), closed: true},
	"reaction": {keys: keys(`message_id:string user_id:string user:user type:string score:int created_at:time
		updated_at:time`)},
	"call": {keys: keys(`type:string id:string cid:string created_by:user created_at:time updated_at:time starts_at?:time
		ended_at?:time deleted_at?:time members:callmembers session?:object`)},
	"callmember": {keys: keys(`user_id:string role:string created_at:time`), closed: true},
	"group":      {keys: keys(`count:int sum_scores:int first_reaction_at:time last_reaction_at:time`), closed: true},
	"entry":      {keys: keys(`channel:channel messages:messages members:members read?:reads`), closed: true},
	"manifest": {keys: keys(`task_id:string app:string kind:string version:string format:string as_of:time size:int
		sha256:string compression:string encryption:string counts:counts channels:manifestchannels created_by:string`), closed: true},
	"counts": {keys: keys(`channels:int members:int messages:int reactions:int users:int
		calls?:int`), closed: true},
	"manifestchannel": {keys: keys(`cid:string messages:int as_of:time`), closed: true},
}

// lists are the values that are arrays of objects.
var lists = map[string]string{
	"users": "user", "reactions": "reaction", "messages": "message", "members": "member", "reads": "read",
	"callmembers": "callmember", "manifestchannels": "manifestchannel",
}

var (
	timeForm = regexp.MustCompile(`^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z"$`)
	intForm  = regexp.MustCompile(`^(0|-?[1-9]\d*)$`)
)

// field is a key of an object and its value.
type field struct {
	key   string
	value json.RawMessage
}

// fields takes an object apart, in its own order.
func fields(raw []byte) ([]field, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, fmt.Errorf("not an object: %.60s", raw)
	}
	var fs []field
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		f := field{key: key.(string)}
		if err := dec.Decode(&f.value); err != nil {
			return nil, err
		}
		fs = append(fs, f)
	}
	return fs, nil
}

// elements takes an array apart.
func elements(raw []byte) ([]json.RawMessage, error) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, fmt.Errorf("not an array: %.60s", raw)
	}
	var es []json.RawMessage
	return es, json.Unmarshal(raw, &es)
}

// checkObject checks an object against the shape of that name.
func checkObject(name string, raw []byte) error {
	fs, err := fields(raw)
	if err != nil {
		return err
	}
	if name == "user" && len(fs) == 2 {
		name = "dangling"
	}
	s := shapes[name]
	for _, k := range s.keys {
		key, kind, _ := strings.Cut(k, ":")
		key, optional := strings.CutSuffix(key, "?")
		if len(fs) == 0 || fs[0].key != key {
			if optional {
				continue
			}
			return fmt.Errorf("%s: %s is missing or out of place in %.300s", name, key, raw)
		}
		if err := checkValue(kind, fs[0].value); err != nil {
			return fmt.Errorf("%s.%s: %w", name, key, err)
		}
		fs = fs[1:]
	}
	if s.closed && len(fs) > 0 {
		return fmt.Errorf("%s: unexpected key %s", name, fs[0].key)
	}
	custom := make([]string, len(fs))
	for i, f := range fs {
		custom[i] = f.key
		if slices.ContainsFunc(s.keys, func(k string) bool { return strings.HasPrefix(k, f.key+":") || strings.HasPrefix(k, f.key+"?:") }) {
			return fmt.Errorf("%s: %s is out of place or there twice", name, f.key)
		}
	}
	if !slices.IsSorted(custom) || len(slices.Compact(slices.Clone(custom))) != len(custom) {
		return fmt.Errorf("%s: custom fields %v are not sorted or not unique", name, custom)
	}
	return nil
}

func checkValue(kinds string, v json.RawMessage) error {
	kind, orNull := strings.CutSuffix(kinds, "|null")
	if orNull && string(v) == "null" {
		return nil
	}
	wrong := fmt.Errorf("%.60s is not %s", v, kinds)
	var ok bool
	switch kind {
	case "string":
		ok = v[0] == '"'
	case "time":
		ok = timeForm.Match(v)
	case "int":
		ok = intForm.Match(v)
	case "bool":
		ok = string(v) == "true" || string(v) == "false"
	case "true", "false":
		ok = string(v) == kind
	case "empty":
		ok = string(v) == "[]"
	case "list":
		ok = v[0] == '['
	case "object":
		ok = v[0] == '{'
	case "numbers", "groups":
		if kind == "groups" && string(v) == "null" {
			return nil
		}
		fs, err := fields(v)
		if err != nil {
			return err
		}
		for _, f := range fs {
			switch {
			case kind == "numbers" && !intForm.Match(f.value):
				return wrong
			case kind == "groups":
				if err := checkObject("group", f.value); err != nil {
					return err
				}
			}
		}
		ok = kind == "numbers" || len(fs) > 0
	default:
		if of, isList := lists[kind]; isList {
			es, err := elements(v)
			for i := range es {
				if err := checkObject(of, es[i]); err != nil {
					return fmt.Errorf("[%d]: %w", i, err)
				}
			}
			return err
		}
		return checkObject(kind, v)
	}
	if !ok {
		return wrong
	}
	return nil
}

// flat are the ids with which the data of a v2 line begins.
var flat = map[string][]string{
	"user": nil, "channel": nil,
	"member":   {"channel_cid", "channel_type", "channel_id"}, // its own user_id follows
	"read":     {"channel_cid", "channel_type", "channel_id", "user_id"},
	"message":  {"channel_cid", "channel_type", "channel_id", "user_id", "message_id"},
	"reaction": {"channel_cid", "channel_type", "channel_id"}, // its own message_id and user_id follow
}

// line is one line of a v2 or users file.
type line struct {
	Type string
	Data json.RawMessage // as it stands, with flat ids
	// Object is the data without its flat ids: the object as v1 has it.
	Object json.RawMessage
	Flat   map[string]string
}

// lines takes a file of JSON lines apart and checks each against the contract.
// withFlat says that it is a v2 file, whose lines carry flat ids.
func lines(t *testing.T, file []byte, withFlat bool) []line {
	t.Helper()
	checkBytes(t, file)
	var ls []line
	for i, raw := range bytes.Split(bytes.TrimSuffix(file, []byte("\n")), []byte("\n")) {
		fs, err := fields(raw)
		if err != nil || len(fs) != 2 || fs[0].key != "type" || fs[1].key != "data" {
			t.Fatalf("line %d is not {type, data}: %.100s", i+1, raw)
		}
		l := line{Data: fs[1].value, Object: fs[1].value, Flat: map[string]string{}}
		if err := json.Unmarshal(fs[0].value, &l.Type); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if withFlat {
			l.cutFlat(t, i+1)
		}
		if err := checkObject(l.Type, l.Object); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		ls = append(ls, l)
	}
	return ls
}

func (l *line) cutFlat(t *testing.T, number int) {
	t.Helper()
	want, known := flat[l.Type]
	if !known {
		t.Fatalf("line %d: unknown type %q", number, l.Type)
	}
	for _, key := range want {
		prefix := []byte(`{"` + key + `":`)
		rest, found := bytes.CutPrefix(l.Object, prefix)
		if !found {
			t.Fatalf("line %d: %s does not begin with %s: %.100s", number, l.Type, key, l.Object)
		}
		var value string
		if err := json.NewDecoder(bytes.NewReader(rest)).Decode(&value); err != nil {
			t.Fatalf("line %d: %s: %v", number, key, err)
		}
		l.Flat[key] = value
		rest = rest[bytes.IndexByte(rest, ',')+1:] // no id has a comma
		l.Object = append(json.RawMessage{'{'}, rest...)
	}
}

// checkBytes checks what holds for every JSON file, byte by byte.
func checkBytes(t *testing.T, file []byte) {
	t.Helper()
	if bytes.HasPrefix(file, []byte("\ufeff")) {
		t.Fatal("the file begins with a byte order mark")
	}
	if len(file) == 0 || file[len(file)-1] != '\n' {
		t.Fatal("the file does not end with a newline")
	}
	if i := bytes.IndexAny(file, "<>&\r\u2028\u2029"); i >= 0 {
		t.Fatalf("byte %d must have been escaped: %q", i, file[max(0, i-40):min(len(file), i+10)])
	}
}

// entries takes a v1 file apart and checks it against the contract.
func entries(t *testing.T, file []byte) []map[string]json.RawMessage {
	t.Helper()
	checkBytes(t, file)
	es, err := elements(file)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]map[string]json.RawMessage, len(es))
	for i, e := range es {
		if err := checkObject("entry", e); err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		if err := json.Unmarshal(e, &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// what tests look at in an object.
type peek struct {
	ID             string
	CID            string
	MessageID      string `json:"message_id"`
	UserID         string `json:"user_id"`
	Type           string
	Text           string
	HTML           string
	MML            *string
	User           struct{ ID string }
	CreatedAt      time.Time                 `json:"created_at"`
	DeletedAt      time.Time                 `json:"deleted_at"`
	LastMessageAt  time.Time                 `json:"last_message_at"`
	MemberCount    int                       `json:"member_count"`
	MessageCount   int                       `json:"message_count"`
	LastReadID     string                    `json:"last_read_message_id"`
	LastRead       time.Time                 `json:"last_read"`
	Unread         int                       `json:"unread_messages"`
	ReactionCounts map[string]int            `json:"reaction_counts"`
	Latest         []json.RawMessage         `json:"latest_reactions"`
	Groups         map[string]map[string]any `json:"reaction_groups"`
}

func look(t *testing.T, raw []byte) peek {
	t.Helper()
	var p peek
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatalf("%v in %.200s", err, raw)
	}
	return p
}
