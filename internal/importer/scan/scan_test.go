package scan_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"hansard/internal/importer/scan"
)

// read renders everything that Next returns, one line each.
func read(t testing.TB, r io.Reader, limit int) string {
	t.Helper()
	s := scan.New(r, limit)
	defer s.Close()
	var out strings.Builder
	for {
		rec, err := s.Next()
		var bad *scan.Error
		switch {
		case err == io.EOF:
			return out.String()
		case errors.As(err, &bad):
			fmt.Fprintf(&out, "error %s\n", bad)
		case err != nil:
			t.Fatalf("read failed: %v", err)
		default:
			fmt.Fprintf(&out, "%d:%d %s %s", rec.Pos.Line, rec.Pos.Column, rec.Type, rec.Raw)
			if rec.Item {
				out.WriteString(" item")
			}
			if rec.Group > 0 {
				fmt.Fprintf(&out, " group %d", rec.Group)
			}
			out.WriteString("\n")
		}
	}
}

func gzipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t testing.TB, s string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return string(z.EncodeAll([]byte(s), nil))
}

func TestForms(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{
			"lines", `{"type":"user","data":{"id":"a"}}` + "\n" + `{"type":"message","data":{"id":"\"}"}}` + "\n",
			"1:23 user {\"id\":\"a\"}\n2:26 message {\"id\":\"\\\"}\"}\n",
		},
		{"no newline at the end", `{"type":"user","data":{}}`, "1:23 user {}\n"},
		{
			"byte order mark, CRLF, blank lines", "\ufeff{\"type\":\"user\",\"data\":{}}\r\n\r\n  \n{\"type\":\"user\",\"data\":{}}\r\n",
			"1:23 user {}\n4:23 user {}\n",
		},
		{"item", `{"type":"user","item":{"id":"a"}}`, "1:23 user {\"id\":\"a\"} item\n"},
		{"white space", ` { "type" : "user" , "data" : { "id" : 1 } } `, "1:31 user { \"id\" : 1 }\n"},
		{"odd order, other keys, escapes", `{"n":[1],"data":{},"ty\u0070e":"us\u0065r"}`, "1:17 user {}\n"},
		{
			"array of typed objects", "[\n {\"type\":\"user\",\"item\":{\"id\":\n \"a\"}},\n {\"data\":{},\"type\":\"channel\"}\n]\n",
			"2:24 user {\"id\":\n \"a\"} item\n4:10 channel {}\n",
		},
		{"empty array", " [ ] ", ""},
		{
			"channels export", "[{\"channel\":{\"id\":\"c\"},\"messages\":[{\"id\":1},{\"id\":2}],\"members\":null,\"read\":[{}]},\n{\"channel\":{},\"messages\":[]}]",
			"1:13 channel {\"id\":\"c\"} group 1\n1:36 message {\"id\":1} group 1\n1:45 message {\"id\":2} group 1\n" +
				"1:78 read {} group 1\n2:12 channel {} group 2\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for how, in := range map[string]string{
				"plain": test.in, "gzip": gzipped(t, test.in), "zstd": zstded(t, test.in),
				"two gzip members": gzipped(t, test.in[:len(test.in)/2]) + gzipped(t, test.in[len(test.in)/2:]),
			} {
				if diff := cmp.Diff(test.want, read(t, strings.NewReader(in), 0)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", how, diff)
				}
			}
			if diff := cmp.Diff(test.want, read(t, iotest.OneByteReader(strings.NewReader(test.in)), 0)); diff != "" {
				t.Errorf("byte by byte (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	good := `{"type":"user","data":{}}` + "\n"
	tests := []struct{ name, in, want string }{
		{"empty", "", "error line 1, column 1: the file is empty\n"},
		{"only blank lines", " \n\n", "error line 3, column 1: the file is empty\n"},
		{"UTF-16", "\xff\xfe{\x00", "error line 1, column 1: the file must be UTF-8, this looks like UTF-16\n"},
		{
			"a bad line is no reason to stop", `{"type":"user","data":{}` + "\n" + good,
			"error line 1, column 25: the JSON ends too early\n2:23 user {}\n",
		},
		{"type missing", `{"data":{}}`, "error line 1, column 1: type is missing\n"},
		{"type no string", `{"type":3,"data":{}}`, "error line 1, column 9: type must be a string\n"},
		{"data missing", ` {"type":"user"}`, "error line 1, column 2: data is missing\n"},
		{"data no object", `{"type":"user","data":[]}`, "error line 1, column 23: data must be an object\n"},
		{"data and item", `{"type":"user","data":{},"item":{}}`, "error line 1, column 33: data stands beside \"item\": give one of them\n"},
		{"no object", "3\n" + good, "error line 1, column 1: the line must be an object with \"type\" and \"data\"\n2:23 user {}\n"},
		{"key given twice", `{"type":"user","type":"user","data":{}}`, "error line 1, column 16: type is given twice\n"},
		{"after the object", `{"type":"user","data":{}} x`, "error line 1, column 27: the line goes on after its object\n"},
		{"invalid UTF-8", "{\"type\":\"us\xffer\",\"data\":{}}", "error line 1, column 12: the line is not valid UTF-8\n"},
		{"NUL", "{\"type\":\"user\",\x00\"data\":{}}", "error line 1, column 16: the JSON has an unexpected control character 0x00\n"},
		{"NUL line", "\x00\n" + good, "error line 1, column 1: the JSON has an unexpected control character 0x00\n2:23 user {}\n"},
		{"array cut off", `[{"type":"user","data":{}},`, "1:24 user {}\nerror line 1, column 28: the file ends in the middle of its array\n"},
		{"array cut off in a value", `[{"type":"user","data":{"a`, "error line 1, column 27: the file ends in the middle of its array\n"},
		{"after the array", `[] x`, "error line 1, column 4: the file goes on after its array, with 'x'\n"},
		{"no comma", `[{"type":"user","data":{}} {}]`, "1:24 user {}\nerror line 1, column 28: expected a comma or ']', found '{'\n"},
		{"comma too many", `[{"type":"user","data":{}},]`, "1:24 user {}\nerror line 1, column 28: expected a value after the comma, found ']'\n"},
		{"element no object", `[1,{"type":"user","data":{}}]`, "error line 1, column 2: the elements of the array must be objects\n1:26 user {}\n"},
		{"strange element", `[{"a":1}]`, "error line 1, column 2: the element has neither \"type\" and \"data\" nor \"channel\" and \"messages\"\n"},
		{"element key twice", `[{"channel":{},"channel":{}}]`, "1:13 channel {} group 1\nerror line 1, column 16: channel is given twice\n"},
		{"list no array", `[{"messages":{}}]`, "error line 1, column 14: messages must be an array\n"},
		{"entity no object", `[{"messages":[1,{}]}]`, "error line 1, column 15: message must be an object\n1:17 message {} group 1\n"},
		{"mismatched brackets", `[{"messages":[{}}]`, "1:15 message {} group 1\nerror line 1, column 17: expected a comma or ']', found '}'\n"},
		{"gzip in gzip", "\x1f\x8bnonsense", "error line 1, column 1: the gzip data is damaged: gzip: invalid header\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, read(t, strings.NewReader(test.in), 0)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(test.want, read(t, iotest.OneByteReader(strings.NewReader(test.in)), 0)); diff != "" {
				t.Errorf("byte by byte (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTruncatedCompression(t *testing.T) {
	t.Parallel()
	plain := strings.Repeat(`{"type":"user","data":{"id":"somebody"}}`+"\n", 1000)
	for name, in := range map[string]string{"gzip": gzipped(t, plain), "zstd": zstded(t, plain)} {
		for _, cut := range []int{5, len(in) / 2, len(in) - 1} {
			got := read(t, strings.NewReader(in[:cut]), 0)
			last := got[strings.LastIndex(strings.TrimSuffix(got, "\n"), "\n")+1:]
			if !strings.HasPrefix(last, "error line ") || !strings.Contains(last, name+" data") {
				t.Errorf("%s cut at %d ends with %q", name, cut, last)
			}
		}
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	long := `{"type":"user","data":{"id":"` + strings.Repeat("x", 100) + `"}}`
	good := `{"type":"user","data":{}}`
	tests := []struct{ name, in, want string }{
		{"line", good + "\n" + long + "\n" + good, "1:23 user {}\nerror line 2, column 1: the line is longer than 64 bytes\n3:23 user {}\n"},
		{"last line", good + "\n" + long, "1:23 user {}\nerror line 2, column 1: the line is longer than 64 bytes\n"},
		{"element", "[" + long + "," + good + "]", "error line 1, column 24: data is longer than 64 bytes\n1:157 user {}\n"},
		{"entity", `[{"messages":[` + long + `,{}]}]`, "error line 1, column 15: the message is longer than 64 bytes\n1:148 message {} group 1\n"},
		{"other members are passed over", `[{"x":` + long + `,"channel":{}}]`, "1:150 channel {} group 1\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, read(t, strings.NewReader(test.in), 64)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// endless repeats a byte n times between a head and a tail.
func endless(head string, n int64, tail string) io.Reader {
	return io.MultiReader(strings.NewReader(head), io.LimitReader(repeat('x'), n), strings.NewReader(tail))
}

type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func TestHugeLineIsNotHeld(t *testing.T) {
	// Not parallel: it measures memory.
	const huge = 100 << 20
	for name, in := range map[string]io.Reader{
		"line":   endless(`{"type":"user","data":{"id":"`, huge, "\"}}\n"),
		"entity": endless(`[{"messages":[{"text":"`, huge, `"},{}]}]`),
		"member": endless(`[{"nothing":"`, huge, `","channel":{}}]`),
	} {
		s := scan.New(in, 1<<20)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for {
			_, err := s.Next()
			if err == io.EOF {
				break
			}
			var bad *scan.Error
			if err != nil && !errors.As(err, &bad) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		s.Close()
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
			t.Errorf("%s: %d bytes were allocated for a value of %d", name, got, huge)
		}
	}
}

func TestReadErrorIsNoErrorOfTheFile(t *testing.T) {
	t.Parallel()
	broken := errors.New("the wire was cut")
	for _, in := range []string{"", "{\"type\":", gzipped(t, strings.Repeat("x", 10000))[:20]} {
		s := scan.New(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)), 0)
		_, err := s.Next()
		var bad *scan.Error
		if !errors.Is(err, broken) || errors.As(err, &bad) {
			t.Errorf("after %q: got %v, want the reader's error", in, err)
		}
		if _, err := s.Next(); err != io.EOF {
			t.Errorf("then: got %v, want io.EOF", err)
		}
		s.Close()
	}
}

// A reader's error may wrap io.EOF, as that of a lost connection does. The file
// has not ended for that.
func TestLostConnectionIsNoEnd(t *testing.T) {
	t.Parallel()
	lost := fmt.Errorf("get file: %w", io.EOF)
	for _, in := range []string{"", `{"type":"user","data":{}}` + "\n", `[`, `[{"type":"user","data":{}}`} {
		s := scan.New(io.MultiReader(strings.NewReader(in), iotest.ErrReader(lost)), 0)
		var err error
		for err == nil {
			_, err = s.Next()
		}
		if errors.Is(err, io.EOF) || !strings.Contains(err.Error(), lost.Error()) {
			t.Errorf("after %q: got %v, want the reader's error", in, err)
		}
		s.Close()
	}
}

func TestAt(t *testing.T) {
	t.Parallel()
	rec := scan.Record{Raw: []byte("{\n \"a\":1}"), Pos: scan.Pos{Line: 7, Column: 20}}
	for offset, want := range map[int64]scan.Pos{0: {7, 20}, 1: {7, 21}, 2: {8, 1}, 7: {8, 6}, 100: {8, 8}} {
		if got := rec.At(offset); got != want {
			t.Errorf("At(%d) = %v, want %v", offset, got, want)
		}
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte(`{"type":"user","data":{"id":"a"}}` + "\n" + `{"type":"user","data":`))
	f.Add([]byte(`[{"type":"user","item":{}},{"channel":{},"messages":[{},{"a":[1,"]"]}],"read":null}]`))
	f.Add([]byte(gzipped(f, `{"type":"user","data":{}}`)))
	f.Add([]byte("\ufeff[{\"a\"\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		lines := int64(bytes.Count(in, []byte("\n")) + 1)
		compressed := bytes.HasPrefix(in, []byte{0x1f, 0x8b}) || bytes.HasPrefix(in, []byte{0x28, 0xb5})
		whole := read(t, bytes.NewReader(in), 1<<12)
		if got := read(t, iotest.HalfReader(bytes.NewReader(in)), 1<<12); got != whole && !compressed {
			t.Errorf("in halves:\n%s\nwhole:\n%s", got, whole)
		}
		s := scan.New(bytes.NewReader(in), 1<<12)
		defer s.Close()
		for range 2*len(in) + 1000 {
			rec, err := s.Next()
			if err == io.EOF {
				return
			}
			var pos scan.Pos
			var bad *scan.Error
			switch {
			case errors.As(err, &bad):
				pos = bad.Pos
			case err != nil:
				t.Fatal(err)
			default:
				pos = rec.Pos
				if len(rec.Raw) == 0 || rec.Raw[0] != '{' {
					t.Fatalf("a record's value is %q", rec.Raw)
				}
			}
			if pos.Line < 1 || pos.Column < 1 || !compressed && pos.Line > lines {
				t.Fatalf("a place outside of the file: %v", pos)
			}
		}
		if !compressed {
			t.Fatal("the scanner does not come to an end")
		}
	})
}
