package body_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"hansard/internal/body"

	"pgregory.net/rapid"
)

// names are users whose objects show their keys.
type names struct{}

func (names) AppendUser(dst []byte, key int64) ([]byte, error) {
	if key < 0 {
		return dst, errors.New("no such user")
	}
	return fmt.Appendf(dst, `{"id":"u%d"}`, key), nil
}

func (names) AppendUserID(dst []byte, key int64) ([]byte, error) {
	if key < 0 {
		return dst, errors.New("no such user")
	}
	return fmt.Appendf(dst, `"u%d"`, key), nil
}

func build() []byte {
	var b body.Builder
	b.Lit(append(b.Open(), `{"text":`...))
	b.Blank([]byte(`"hi"`))
	b.Lit(append(b.Open(), `,"by":`...))
	b.UserID(7)
	b.Lit(append(b.Open(), `,"user":`...))
	b.User(1 << 40)
	b.Slot(body.Thread)
	b.Optional([]byte(`,"mml":1`))
	b.Lit(append(b.Open(), '}'))
	return b.Bytes()
}

func TestAppend(t *testing.T) {
	t.Parallel()
	fill := &body.Fill{Users: names{}}
	fill.Slots[body.Thread] = []byte(`,"reply_count":1`)
	for _, test := range []struct {
		clear bool
		want  string
	}{
		{false, `x{"text":"hi","by":"u7","user":{"id":"u1099511627776"},"reply_count":1,"mml":1}`},
		{true, `x{"text":"","by":"u7","user":{"id":"u1099511627776"},"reply_count":1}`},
	} {
		fill.Clear = test.clear
		got, err := body.Append([]byte("x"), build(), fill)
		if err != nil || string(got) != test.want {
			t.Errorf("clear %v: got %s, %v; want %s", test.clear, got, err, test.want)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	var got []int64
	if err := body.Keys(build(), func(key int64) { got = append(got, key) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != 7 || got[1] != 1<<40 {
		t.Errorf("got %v", got)
	}
}

// Whatever is put in comes out, in order.
func TestBuilderKeepsEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		var b body.Builder
		var want []byte
		for range 2 { // a builder can be used again
			b.Reset()
			want = want[:0]
			for range rapid.IntRange(0, 20).Draw(r, "pieces") {
				lit := []byte(rapid.String().Draw(r, "literal"))
				key := rapid.Int64Range(0, 1<<50).Draw(r, "key")
				switch rapid.IntRange(0, 4).Draw(r, "kind") {
				case 0:
					b.Lit(append(b.Open(), lit...))
					want = append(want, lit...)
				case 1:
					b.Blank(lit)
					want = append(want, lit...)
				case 2:
					b.Optional(lit)
					want = append(want, lit...)
				case 3:
					b.User(key)
					want, _ = names{}.AppendUser(want, key)
				case 4:
					b.UserID(key)
					want, _ = names{}.AppendUserID(want, key)
				}
			}
		}
		got, err := body.Append(nil, b.Bytes(), &body.Fill{Users: names{}})
		if err != nil || string(got) != string(want) {
			r.Fatalf("got %q, %v; want %q", got, err, want)
		}
	})
}

// slowly writes a body out the plain way: read a piece, then the next.
func slowly(stored []byte, fill *body.Fill) (string, bool) {
	var out strings.Builder
	for r := bytes.NewReader(stored); r.Len() > 0; {
		op, _ := r.ReadByte() // there is one
		if op == 's' {
			slot, err := r.ReadByte()
			if err != nil || int(slot) >= len(fill.Slots) {
				return "", false
			}
			out.Write(fill.Slots[slot])
			continue
		}
		n, err := binary.ReadUvarint(r)
		if err != nil || !strings.ContainsRune("uilbo", rune(op)) {
			return "", false
		}
		if op == 'u' || op == 'i' {
			write := fill.Users.AppendUser
			if op == 'i' {
				write = fill.Users.AppendUserID
			}
			b, err := write(nil, int64(n))
			if err != nil {
				return "", false
			}
			out.Write(b)
			continue
		}
		if n > uint64(r.Len()) {
			return "", false
		}
		piece := make([]byte, n)
		_, _ = r.Read(piece) // all of it is there
		switch {
		case op == 'l' || !fill.Clear:
			out.Write(piece)
		case op == 'b':
			out.WriteString(`""`)
		}
	}
	return out.String(), true
}

// What is spliced is what the plain way gives, cleared or not, and what is no
// body is none for both.
func FuzzAppend(f *testing.F) {
	f.Add(build())
	f.Add([]byte("l\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("s\x09"))
	f.Add([]byte("u"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		fill := &body.Fill{Users: names{}}
		for i := range fill.Slots {
			fill.Slots[i] = fmt.Appendf(nil, `,"slot":%d`, i)
		}
		_, err := body.Append(nil, stored, fill)
		for _, fill.Clear = range []bool{false, true} {
			got, err := body.Append(nil, stored, fill)
			want, ok := slowly(stored, fill)
			if ok != (err == nil) || ok && string(got) != want {
				t.Errorf("clear %v: got %q, %v; the plain way gives %q, %v", fill.Clear, got, err, want, ok)
			}
		}
		if kerr := body.Keys(stored, func(int64) {}); kerr != nil && err == nil {
			t.Errorf("Append takes what Keys refuses: %v", kerr)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	var message body.Builder
	words := strings.Repeat("a", 250)
	message.Lit(append(message.Open(), words...))
	message.User(7)
	for slot := range body.Role {
		message.Lit(append(message.Open(), words[:80]...))
		message.Slot(slot)
	}
	message.Lit(append(message.Open(), words[:150]...))
	fill := &body.Fill{Users: fixed{}}
	fill.Slots[body.Reactions] = []byte(words[:110])
	fill.Slots[body.Thread] = []byte(words[:40])
	fill.Slots[body.Pin] = []byte(words[:60])
	for name, stored := range map[string][]byte{"small": build(), "message": message.Bytes()} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if buf, err = body.Append(buf[:0], stored, fill); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

type fixed struct{}

var fixedID, fixedObject = []byte(`"u1"`), []byte(`{"id":"u1","role":"user"}`)

func (fixed) AppendUser(dst []byte, _ int64) ([]byte, error) { return append(dst, fixedObject...), nil }

func (fixed) AppendUserID(dst []byte, _ int64) ([]byte, error) { return append(dst, fixedID...), nil }
