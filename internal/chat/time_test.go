package chat_test

import (
	"encoding/json"
	"testing"
	"time"

	"hansard/internal/chat"

	"pgregory.net/rapid"
)

func TestTimeText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2021-02-17T08:17:49.745857Z":      "2021-02-17T08:17:49.745857Z",
		"2021-02-17T08:17:49.740000Z":      "2021-02-17T08:17:49.74Z",
		"2021-02-17T08:17:49Z":             "2021-02-17T08:17:49Z",
		"2021-02-17T10:17:49+02:00":        "2021-02-17T08:17:49Z",
		"2021-02-17T08:17:49.123456789Z":   "2021-02-17T08:17:49.123456Z",
		"2020-02-29T23:59:59.999999Z":      "2020-02-29T23:59:59.999999Z",
		"1970-01-01T00:00:00.000001Z":      "1970-01-01T00:00:00.000001Z",
		"9999-12-31T23:59:59.999999Z":      "9999-12-31T23:59:59.999999Z",
		"2021-02-17T08:17:49.000010-00:30": "2021-02-17T08:47:49.00001Z",
	} {
		got, err := chat.ParseTime(in)
		if err != nil || got.String() != want {
			t.Errorf("%s: got %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestTimeRefused(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "now", "2021-02-17", "2021-02-17 08:17:49Z", "2021-02-30T00:00:00Z", "1969-12-31T23:59:59Z",
		"1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2021-02-17T08:17:49",
	} {
		if got, err := chat.ParseTime(in); err == nil {
			t.Errorf("%q was read as %s", in, got)
		}
	}
}

// The hand-written formatter must agree with package time, whatever the date.
func TestTimeAgreesWithStd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		want := time.UnixMicro(rapid.Int64Range(1, 253402300799999999).Draw(r, "µs")).UTC()
		got := chat.TimeOf(want)
		if got.String() != want.Format(time.RFC3339Nano) {
			r.Fatalf("got %s, want %s", got, want.Format(time.RFC3339Nano))
		}
		if back, err := chat.ParseTime(got.String()); err != nil || back != got {
			r.Fatalf("%s was read back as %s, %v", got, back, err)
		}
		if !got.Std().Equal(want) {
			r.Fatalf("%s became %s", want, got.Std())
		}
	})
}

func TestTimeJSON(t *testing.T) {
	t.Parallel()
	type doc struct{ At, Never chat.Time }
	b, err := json.Marshal(doc{At: 1e15})
	if err != nil || string(b) != `{"At":"2001-09-09T01:46:40Z","Never":null}` {
		t.Errorf("%s, %v", b, err)
	}
	var back doc
	if err := json.Unmarshal(b, &back); err != nil || back != (doc{At: 1e15}) {
		t.Errorf("%v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"At":7}`), &back); err == nil {
		t.Error("a number was read as a time")
	}
	if !chat.TimeOf(time.Time{}).IsZero() || !chat.Time(0).Std().IsZero() {
		t.Error("an unset time did not stay unset")
	}
}

func BenchmarkTimeAppend(b *testing.B) {
	buf := make([]byte, 0, 64)
	for b.Loop() {
		buf = chat.Time(1613549869745857).Append(buf[:0])
	}
}
