package wire_test

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hansard/internal/chat"
	"hansard/internal/wire"
)

// customOf makes custom fields of a JSON object.
func customOf(t interface{ Fatal(...any) }, object string) chat.Custom {
	u, err := wire.DecodeUser([]byte(`{"id":"x","custom":` + object + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return u.Custom
}

func objectOf(c chat.Custom) string { return string(wire.AppendCustomObject(nil, c)) }

func TestPatchCustom(t *testing.T) {
	t.Parallel()
	const (
		n = `{"a":{"z":2.50,"y":{"k\u003c":[1, {"q":1e400}]},"b":12345678901234567890},"n":null,"s":"x"}`
		c = `{"a":{"z":2.50,"y":{"k\u003c":[1,{"q":1e400}]},"b":12345678901234567890},"n":null,"s":"x"}`
	)
	for _, tt := range []struct{ name, path, value, want, bad string }{
		{"new field", "m", ` [1, "<"] `, strings.Replace(c, `"n":`, `"m":[1,"\u003c"],"n":`, 1), ""},
		{"field", "s", `{"t":1}`, strings.Replace(c, `"x"`, `{"t":1}`, 1), ""},
		{"null", "s", `null`, strings.Replace(c, `"x"`, `null`, 1), ""},
		{"part", "a.z", `3.0`, strings.Replace(c, `2.50`, `3.0`, 1), ""},
		{"new part comes last", "a.c", `1`, strings.Replace(c, `567890}`, `567890,"c":1}`, 1), ""},
		{"deep part", "a.y.k<", `{}`, strings.Replace(c, `[1,{"q":1e400}]`, `{}`, 1), ""},
		{"new objects", "a.v.w.x", `1`, strings.Replace(c, `567890}`, `567890,"v":{"w":{"x":1}}}`, 1), ""},
		{"new field of objects", "b.<.x", `1`, strings.Replace(c, `"n":`, `"b":{"\u003c":{"x":1}},"n":`, 1), ""},
		{"null is nothing", "n.x.y", `1`, strings.Replace(c, `"n":null`, `"n":{"x":{"y":1}}`, 1), ""},
		{"a string on the way", "s.x", `1`, "", "s is a string"},
		{"an array on the way", "a.y.k<.0", `1`, "", "a.y.k< is an array"},
		{"a number on the way", "a.z.x.y", `1`, "", "a.z is a number"},
		{"empty name", "a..b", `1`, "", "must name fields"},
		{"empty path", "", `1`, "", "must name fields"},
		{"too deep", strings.Repeat("a.", 32) + "a", `1`, "", "at most 32"},
		{"too large", "a.z", `"` + strings.Repeat("x", 5<<10) + `"`, "", "a.z makes more than 5120"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := customOf(t, n)
			got, err := wire.PatchCustom(before, tt.path, jsontext.Value(tt.value))
			if tt.bad != "" {
				if _, ok := errors.AsType[*wire.FieldError](err); !ok || !strings.Contains(err.Error(), tt.bad) || objectOf(got) != c {
					t.Errorf("got %s, %v", objectOf(got), err)
				}
			} else if err != nil || objectOf(got) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", objectOf(got), err, tt.want)
			}
			if objectOf(before) != c {
				t.Errorf("changed what it was given: %s", objectOf(before))
			}
		})
	}
	var none chat.Custom
	if got, err := wire.PatchCustom(none, "a.b", jsontext.Value(`{}`)); err != nil || objectOf(got) != `{"a":{"b":{}}}` {
		t.Errorf("got %s, %v", objectOf(got), err)
	}
	// Of a deep value that an import brought, no path makes a deeper one.
	deep := chat.Custom{{Name: "d", Value: chat.Raw(`{"a":` + nested(wire.MaxLevels-1) + `}`)}}
	for path, bad := range map[string]bool{"d.a": false, "d.a.b": true} {
		got, err := wire.PatchCustom(deep, path, jsontext.Value(nested(wire.MaxLevels-1)))
		if bad != (err != nil) || bad && (err.Error() != path+" must be nested at most 5000 levels deep" || objectOf(got) != objectOf(deep)) {
			t.Errorf("%s: %v", path, err)
		}
	}
	// What came in too large may get smaller.
	large := chat.Custom{{Name: "l", Value: chat.Raw(`"` + strings.Repeat("x", 9<<10) + `"`)}}
	if got, err := wire.PatchCustom(large, "l", jsontext.Value(`"`+strings.Repeat("x", 8<<10)+`"`)); err != nil || len(got[0].Value) != 8<<10+2 {
		t.Error(err)
	}
}

func TestUnsetCustom(t *testing.T) {
	t.Parallel()
	const c = `{"a":{"x":1,"y":{"q":"}"},"\u003cz":[1]},"b":{"only":{"one":1}},"n":null}`
	for _, tt := range []struct{ path, want string }{
		{"a", `{"b":{"only":{"one":1}},"n":null}`},
		{"n", `{"a":{"x":1,"y":{"q":"}"},"\u003cz":[1]},"b":{"only":{"one":1}}}`},
		{"a.x", `{"a":{"y":{"q":"}"},"\u003cz":[1]},"b":{"only":{"one":1}},"n":null}`},
		{"a.y", `{"a":{"x":1,"\u003cz":[1]},"b":{"only":{"one":1}},"n":null}`},
		{"a.<z", `{"a":{"x":1,"y":{"q":"}"}},"b":{"only":{"one":1}},"n":null}`},
		{"a.y.q", `{"a":{"x":1,"y":{},"\u003cz":[1]},"b":{"only":{"one":1}},"n":null}`},
		{"b.only.one", `{"a":{"x":1,"y":{"q":"}"},"\u003cz":[1]},"b":{"only":{}},"n":null}`},
		{"custom", `{}`},
		{"x", c},
		{"n.x", c},
		{"a.x.y", c},
		{"a.q", c},
		{"a.<z.0", c},
		{"", c},
		{"a.", c},
	} {
		before := customOf(t, c)
		if got := objectOf(wire.UnsetCustom(before, tt.path)); got != tt.want {
			t.Errorf("%s: got  %s\nwant %s", tt.path, got, tt.want)
		}
		if objectOf(before) != c {
			t.Errorf("%s changed what it was given: %s", tt.path, objectOf(before))
		}
	}
}

// TestPatchCustomModel makes random changes to custom fields and to a plain map,
// which must end up the same; what was not touched must not move by a byte.
func TestPatchCustomModel(t *testing.T) {
	t.Parallel()
	word := rapid.SampledFrom([]string{"a", "b", "c", "<", "é"})
	value := rapid.SampledFrom([]string{`1`, `2.50`, `null`, `"x"`, `[]`, `{}`, `{"a":1}`, `{"a":{"b":2},"c":[{"a":1}]}`, `12345678901234567890`})
	rapid.Check(t, func(t *rapid.T) {
		const still = `{"q" : 1.0,"p":[ 1e400 ],"\u0061":{}}`
		c := customOf(t, `{"still":`+still+`}`)
		model := map[string]any{}
		for range rapid.IntRange(1, 12).Draw(t, "n") {
			path := rapid.SliceOfN(word, 1, 4).Draw(t, "path")
			dotted := strings.Join(path, ".")
			if rapid.Bool().Draw(t, "set") {
				v := value.Draw(t, "value")
				next, err := wire.PatchCustom(c, dotted, jsontext.Value(v))
				if ok := modelSet(model, path, decoded(t, v)); ok != (err == nil) {
					t.Fatalf("set %s in %s: %v", dotted, objectOf(c), err)
				}
				c = next
			} else {
				c = wire.UnsetCustom(c, dotted)
				modelUnset(model, path)
			}
			want := maps.Clone(model)
			want["still"] = decoded(t, still)
			if got := decoded(t, objectOf(c)); !reflect.DeepEqual(got, any(want)) {
				t.Fatalf("after %s: %s, want %v", dotted, objectOf(c), want)
			}
			for _, f := range c {
				if f.Name == "still" && string(f.Value) != `{"q":1.0,"p":[1e400],"\u0061":{}}` {
					t.Fatalf("got %s", f.Value)
				}
			}
			if !slices.IsSortedFunc(c, func(a, b chat.CustomField) int { return strings.Compare(a.Name, b.Name) }) {
				t.Fatal("not sorted")
			}
		}
	})
}

func decoded(t *rapid.T, raw string) (v any) {
	d := json.NewDecoder(strings.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return v
}

func modelSet(m map[string]any, path []string, v any) bool {
	// Nothing may change when something on the way is no object.
	for at, rest := m, path; len(rest) > 1; rest = rest[1:] {
		next, there := at[rest[0]]
		inner, isObject := next.(map[string]any)
		if there && next != nil && !isObject {
			return false
		}
		if !isObject {
			break
		}
		at = inner
	}
	for ; len(path) > 1; path = path[1:] {
		if m[path[0]] == nil {
			m[path[0]] = map[string]any{}
		}
		inner, isObject := m[path[0]].(map[string]any)
		if !isObject {
			return false
		}
		m = inner
	}
	m[path[0]] = v
	return true
}

func modelUnset(m map[string]any, path []string) {
	for ; len(path) > 1; path = path[1:] {
		m, _ = m[path[0]].(map[string]any)
	}
	delete(m, path[0])
}

func FuzzPatchCustom(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,2]},"\u0062":"\\\""}`), "a.b", []byte(`{"c":1}`))
	f.Add([]byte(`{"a":{"":{"}":1}}}`), "a..", []byte(`" "`))
	f.Fuzz(func(t *testing.T, raw []byte, path string, value []byte) {
		u, err := wire.DecodeUser(append(append([]byte(`{"id":"x","custom":`), raw...), '}'))
		if err != nil || !jsontext.Value(value).IsValid() {
			return
		}
		before := objectOf(u.Custom)
		set, err := wire.PatchCustom(u.Custom, path, value)
		if got := objectOf(set); !jsontext.Value(got).IsValid() || err != nil && got != before {
			t.Fatalf("set %q: %s, %v", path, got, err)
		}
		unset := wire.UnsetCustom(set, path)
		if got := objectOf(unset); !jsontext.Value(got).IsValid() || len(got) > len(objectOf(set)) {
			t.Fatalf("unset %q: %s", path, got)
		}
		if objectOf(u.Custom) != before {
			t.Fatal("changed what it was given")
		}
	})
}

func TestDecodeEdits(t *testing.T) {
	t.Parallel()
	raw := `{"name":"x","a.b":{"c":1},"custom":{"d":2,"e.f":3},"custom.g":4,"n":null}`
	edits, err := wire.DecodeSet("set", jsontext.Value(raw), 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range edits {
		if !strings.HasPrefix(raw[e.Offset-100:], string(e.Value)) {
			t.Errorf("%s does not stand at %d", e.Path, e.Offset)
		}
		got = append(got, e.Name()+" "+e.Path+" "+string(e.Value))
	}
	want := []string{`name name "x"`, `a a.b {"c":1}`, `d d 2`, `e e.f 3`, `g g 4`, `n n null`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	list, err := wire.DecodeUnset("unset", jsontext.Value(`["a.b","custom.c","custom","custom_x"]`), 0)
	if d := cmp.Diff([]string{"a.b", "c", "custom", "custom_x"}, list); d != "" || err != nil {
		t.Error(d, err)
	}
	for _, v := range []string{`null`, `{}`} {
		if edits, err := wire.DecodeSet("set", jsontext.Value(v), 0); err != nil || edits != nil {
			t.Errorf("%s: %v, %v", v, edits, err)
		}
	}
	many := `"x"` + strings.Repeat(`,"x"`, wire.MaxEdits)
	var object strings.Builder
	for i := range wire.MaxEdits + 1 {
		object.WriteString(`,"x` + strings.Repeat("i", i) + `":0`)
	}
	for bad, words := range map[string]string{
		`[]`:                            "set must be an object",
		`{"":1}`:                        "set must name fields",
		`{"custom":[]}`:                 "set.custom must be an object",
		`{"custom":{"a..b":1}}`:         "set.custom must name fields",
		`{` + object.String()[1:] + `}`: "set must name at most 1000",
	} {
		if _, err := wire.DecodeSet("set", jsontext.Value(bad), 0); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%.40s: %v", bad, err)
		}
	}
	for bad, words := range map[string]string{
		`{}`:             "unset must be an array",
		`[1]`:            "unset[0]",
		`["a","b."]`:     "unset[1] must name fields",
		`[` + many + `]`: "unset must name at most 1000",
	} {
		if _, err := wire.DecodeUnset("unset", jsontext.Value(bad), 0); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%.40s: %v", bad, err)
		}
	}
}

func TestReserved(t *testing.T) {
	t.Parallel()
	for kind, name := range map[wire.Kind]string{
		wire.KindUser: "devices", wire.KindChannel: "cid", wire.KindMember: "user_id",
		wire.KindMessage: "text", wire.KindReaction: "score", wire.KindCall: "starts_at",
	} {
		if !wire.Reserved(kind, name) || !wire.Reserved(kind, "custom") || wire.Reserved(kind, "color") {
			t.Errorf("kind %d", kind)
		}
	}
	if wire.Reserved(wire.KindTask, "id") {
		t.Error("a task has no custom fields")
	}
}
