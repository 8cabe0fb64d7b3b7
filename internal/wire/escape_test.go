package wire_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hansard/internal/wire"
)

// reference is what Go's encoder makes of s.
func reference(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

var strange = []string{
	"", "plain", "<script>&</script>", "a\"b\\c/", "\x00\x01\b\f\n\r\t\x1f\x7f",
	"\u2028 and \u2029", "\u2027\u202a", "héllo wörld", "日本語のテキスト", "مرحبا", "👩‍👩‍👧", "\xff", "ab\xe2\x80", "\xed\xa0\x80",
	"exactly8", "exactly8<", "1234567\"", "seven77\u2028", strings.Repeat("0123456789", 50) + "&",
}

func TestAppendStringEqualsGoEncoder(t *testing.T) {
	t.Parallel()
	for _, s := range strange {
		if got, want := string(wire.AppendString(nil, s)), reference(s); got != want {
			t.Errorf("AppendString(%q) = %s, want %s", s, got, want)
		}
	}
	for c := range 256 { // every byte at every place of a word
		for at := range 9 {
			b := []byte("abcdefghi")
			b[at] = byte(c)
			if got, want := string(wire.AppendString(nil, string(b))), reference(string(b)); got != want {
				t.Errorf("AppendString(%q) = %s, want %s", b, got, want)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		if got, want := string(wire.AppendString([]byte("x"), s)), "x"+reference(s); got != want {
			t.Fatalf("AppendString(%q) = %s, want %s", s, got, want)
		}
	})
}

// compactReference is Go's own compaction followed by its HTML escaping.
func compactReference(raw []byte) string {
	var c, h bytes.Buffer
	if err := json.Compact(&c, raw); err != nil {
		panic(err)
	}
	json.HTMLEscape(&h, c.Bytes())
	return h.String()
}

func TestAppendCompact(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		`null`, ` 1e400 `, `2.50`, `-0.0`, `123456789012345678901234567890`, `""`, `"<&>"`, "\"\u2028\u2029\u2027\"",
		`"\u003c\/\"\\ \ud83d\ude00"`, "{\n\t\"b\" : [ 1 , 2.50 ],\r\n \"a<\":{ }}", `[ " a b " , "\\" , "x" ]`, `"日本 語"`,
	} {
		if got, want := string(wire.AppendCompact(nil, []byte(raw))), compactReference([]byte(raw)); got != want {
			t.Errorf("AppendCompact(%s) = %s, want %s", raw, got, want)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range strange {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := string(wire.AppendString(nil, s)), reference(s); got != want {
			t.Fatalf("AppendString(%q) = %s, want %s", s, got, want)
		}
	})
}

func FuzzAppendCompact(f *testing.F) {
	f.Add([]byte(`{"a" : "<\u2028\\", "b":[1.0, 2e5 , null]}`))
	f.Add([]byte("\"\u2028\""))
	f.Add([]byte(`"\`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := wire.AppendCompact(nil, raw) // never panics, whatever it is given
		if !json.Valid(raw) {
			return
		}
		if want := compactReference(raw); string(got) != want {
			t.Fatalf("AppendCompact(%q) = %s, want %s", raw, got, want)
		}
	})
}
