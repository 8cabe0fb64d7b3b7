package wire_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"hansard/internal/chat"
	"hansard/internal/wire"
)

func TestObjectReaders(t *testing.T) {
	t.Parallel()
	raw := []byte(` {"s":"a\n","b":true,"n":-5,"t":1613549869745857000,"l":["x","y"],"z":null,"o":{"in": 7}} `)
	var s string
	var b bool
	var n int64
	var tm chat.Time
	var list []string
	err := wire.Object(raw, func(name string, v jsontext.Value, offset int64) (err error) {
		if string(raw[offset:offset+int64(len(v))]) != string(v) {
			t.Errorf("%s does not stand at %d", name, offset)
		}
		switch name {
		case "s":
			s, err = wire.String(name, v, offset)
		case "b":
			b, err = wire.Bool(name, v, offset)
		case "n":
			n, err = wire.Int(name, v, offset, -10, 10)
		case "t":
			tm, err = wire.Time(name, v, offset)
		case "l":
			list, err = wire.StringList(name, v, offset)
		case "z":
			if !wire.IsNull(v) {
				t.Error("null is not null")
			}
		case "o":
			err = wire.Within(wire.Object(v, func(name string, v jsontext.Value, offset int64) error {
				_, err := wire.String(name, v, offset)
				return err
			}), name, offset)
		}
		return err
	})
	var e *wire.FieldError
	if !errors.As(err, &e) || e.Field != "o.in" || raw[e.Offset] != '7' {
		t.Errorf("got %v", err)
	}
	if s != "a\n" || !b || n != -5 || tm.String() != "2021-02-17T08:17:49.745857Z" || len(list) != 2 {
		t.Errorf("got %q %v %d %v %v", s, b, n, tm, list)
	}
	sentinel := errors.New("stop")
	if err := wire.List([]byte(`[1,2]`), func(i int, _ jsontext.Value, _ int64) error {
		if i == 1 {
			return sentinel
		}
		return nil
	}); err != sentinel {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{``, `[`, `7`, `{"a":1,"a":2}`} {
		if err := wire.Object([]byte(bad), func(string, jsontext.Value, int64) error { t.Error("called"); return nil }); !errors.As(err, &e) {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

func TestFieldErrorAsError(t *testing.T) {
	t.Parallel()
	e := (&wire.FieldError{Field: "user.id", Reason: "is required"}).AsError("message")
	if e.Code != wire.CodeBadInput || e.Message != "message.user.id is required" || e.Fields["message.user.id"] != "is required" {
		t.Errorf("got %+v", e)
	}
	e = (&wire.FieldError{Reason: "is not valid JSON"}).AsError("")
	if e.Message != "the request body is not valid JSON" || e.Fields != nil {
		t.Errorf("got %+v", e)
	}
}

func TestAnswerError(t *testing.T) {
	t.Parallel()
	e := &wire.Error{Code: 16, Message: `no <channel> "x"`, Fields: map[string]string{"b": "2", "a": "1"}}
	want := `{"code":16,"message":"no \u003cchannel\u003e \"x\"","StatusCode":404,"duration":"1.87ms","more_info":"https://x","details":[],"exception_fields":{"a":"1","b":"2"}}`
	if got := string(wire.AnswerError(e, wire.FormatDuration(1870*time.Microsecond), "https://x")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = `{"code":-1,"message":"","StatusCode":500,"duration":"0.00ms","more_info":"","details":[]}`
	if got := string(wire.AnswerError(&wire.Error{Code: -1}, wire.FormatDuration(0), "")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	code := func(m chat.Message) wire.Code {
		if e := wire.AsError(wire.CheckMessageLimits(&m)); e != nil {
			return e.Code
		}
		return 0
	}
	big := func(n int) string { return string(make([]byte, n)) }
	many := func(n int) chat.Raw {
		raw := []byte("[")
		for i := range n {
			if i > 0 {
				raw = append(raw, ',')
			}
			raw = append(raw, `{"a":[1,2]}`...)
		}
		return append(raw, ']')
	}
	for _, tc := range []struct {
		name string
		m    chat.Message
		want wire.Code
	}{
		{"empty", chat.Message{}, 0},
		{"longest text", chat.Message{Text: big(20 << 10)}, 0},
		{"text", chat.Message{Text: big(20<<10 + 1)}, wire.CodeTextTooLong},
		{"30 attachments", chat.Message{Attachments: many(30)}, 0},
		{"31 attachments", chat.Message{Attachments: many(31)}, wire.CodeBadInput},
		{"custom", chat.Message{Custom: chat.Custom{{Name: "x", Value: chat.Raw(big(5<<10 - 5))}}}, wire.CodeBadInput},
		{"most custom", chat.Message{Custom: chat.Custom{{Name: "x", Value: chat.Raw(big(5<<10 - 6))}}}, 0},
	} {
		if got := code(tc.m); got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	var got []string
	list := func(name []byte, v jsontext.Value) error {
		got = append(got, string(name)+"="+string(v))
		return nil
	}
	for _, raw := range []string{`{"a":1,"b\u003c\"":{"a":[2]},"":"x,y"}`, `{}`, `[1]`, ``, `{"cut":"sho`} {
		if err := wire.Members([]byte(raw), list); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
	want := []string{`a=1`, `b<"={"a":[2]}`, `="x,y"`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	stop := errors.New("stop")
	if err := wire.Members([]byte(`{"a":1}`), func([]byte, jsontext.Value) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// A bound may lie anywhere; what has happened in a chat did so after its time began.
func TestTimesAsNumbers(t *testing.T) {
	t.Parallel()
	for number, unit := range map[string]string{
		"1613549869": "seconds", "1613549869745": "milliseconds", "1613549869745857": "microseconds", "1613549869745857000": "",
	} {
		if _, err := wire.Time("since", jsontext.Value(number), 0); err != nil {
			t.Errorf("a bound of %s: %v", number, err)
		}
		_, err := wire.DecodeUser([]byte(`{"id":"u","created_at":` + number + `}`))
		var e *wire.FieldError
		if unit == "" && err != nil || unit != "" && (!errors.As(err, &e) || !strings.HasSuffix(e.Reason, "seems to be in "+unit)) {
			t.Errorf("%s: got %v", number, err)
		}
	}
}
