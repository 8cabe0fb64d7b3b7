package export_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"hansard/internal/chat"
	"hansard/internal/export"
	"hansard/internal/export/format"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
)

// made is an export file with its manifest, as the engine makes them.
type made struct {
	name     string
	format   string
	file     []byte
	manifest []byte
	counts   format.Counts
}

// world fills the store of a fixture with two channels and a call.
func (f *fixture) world() {
	f.Helper()
	f.channel("one", 40)
	f.channel("two", 7)
	f.update(func(tx store.Tx) error {
		call := chat.Call{Type: "default", ID: "c", CreatedBy: "bob", CreatedAt: 1e15, UpdatedAt: 1e15}
		return tx.PutCall(&call)
	})
}

// export makes a file of each kind. options goes into the requests.
func (f *fixture) export(options string) []made {
	f.Helper()
	var all []made
	for _, m := range []struct{ name, format, body string }{
		{"v1", "v1", `"version":"v1"`},
		{"v2", "v2", `"version":"v2"`},
		{"v2 with users", "v2", `"version":"v2","export_users":true`},
		{"csv", "csv", `"version":"v2","format":"csv"`},
		{"csv of some columns", "csv", `"version":"v2","format":"csv","include_fields":["text","created_at"]`},
		{"parquet", "parquet", `"version":"v2","format":"parquet"`},
	} {
		r, file := f.run(f.task(`{"channels":[{"cid":"messaging:two"},{"cid":"messaging:one"}],` + m.body + options + `}`))
		all = append(all, made{m.name, m.format, file, f.read(r.ManifestPath), r.Counts})
	}
	id, err := f.service.RequestUsers(f.Context(), f.app, []byte(`{"user_ids":["bob","dora","alice"]`+options+`}`), "")
	if err != nil {
		f.Fatal(err)
	}
	tk, err := f.store.Task(f.Context(), f.app.ID, id)
	if err != nil {
		f.Fatal(err)
	}
	tk.Epoch = 1
	result, err := f.service.RunUsers(f.Context(), &task.Attempt{Task: *tk})
	if err != nil {
		f.Fatal(err)
	}
	var r export.Result
	if err := json.Unmarshal(result, &r); err != nil {
		f.Fatal(err)
	}
	return append(all, made{"users", "users", f.read(r.Path), f.read(r.ManifestPath), r.Counts})
}

func verify(t *testing.T, file, manifest []byte) *export.Report {
	t.Helper()
	r, err := export.Verify(iotest.HalfReader(bytes.NewReader(file)), manifest)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bad checks that a file is found wrong, for a reason.
func bad(t *testing.T, name, reason string, file, manifest []byte) {
	t.Helper()
	r := verify(t, file, manifest)
	if r.OK() || !strings.Contains(strings.Join(r.Problems, "\n"), reason) {
		t.Errorf("%s: the problems are %q, not %q", name, r.Problems, reason)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.world()
	for compression, options := range map[string]string{"none": "", "gzip": `,"compression":"gzip"`, "zstd": `,"compression":"zstd"`} {
		for _, m := range f.export(options) {
			name := m.name + ", " + compression
			sum := sha256.Sum256(m.file)
			want := &export.Report{
				Format: m.format, Compression: compression, Size: int64(len(m.file)), SHA256: hex.EncodeToString(sum[:]),
				Counts: m.counts, Compared: true, Problems: []string{},
			}
			switch m.format {
			case "csv":
				want.Counts = format.Counts{Messages: 47}
			case "parquet":
				want.Counts = format.Counts{}
			}
			got := verify(t, m.file, m.manifest)
			if m.format == "parquet" && len(got.Notes) == 1 {
				got.Notes = nil
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: %s", name, d)
			}
			if r := verify(t, m.file, nil); !r.OK() || r.Compared {
				t.Errorf("%s without manifest: %+v", name, r)
			}
			other := bytes.Replace(m.manifest, []byte(`"messages":4`), []byte(`"messages":5`), 1)
			other = bytes.Replace(other, []byte(`"messages":2`), []byte(`"messages":5`), 1) // of users
			if m.format != "parquet" {
				bad(t, name+", other counts", "messages: the file has", m.file, other)
			}
			for _, n := range []int{1, len(m.file) / 3, len(m.file) / 2, len(m.file) - 9, len(m.file) - 1} {
				cut := m.file[:n]
				bad(t, fmt.Sprintf("%s, cut off at %d of %d", name, n, len(m.file)), "sha256", cut, m.manifest)
				bad(t, fmt.Sprintf("%s, cut off at %d of %d, without manifest", name, n, len(m.file)), "", cut, nil)
			}
			for at := len(m.file) / 4; at < len(m.file); at += len(m.file)/4 + 1 {
				flipped := bytes.Clone(m.file)
				flipped[at] ^= 1
				bad(t, fmt.Sprintf("%s, byte %d flipped", name, at), "sha256", flipped, m.manifest)
			}
		}
	}
}

// The same channel may come with several windows, in any order.
// The deepest values that are stored can be read again in every export.
func TestVerifyDeepestValues(t *testing.T) {
	t.Parallel()
	f := setup(t)
	deep := chat.Raw(strings.Repeat("[", wire.MaxLevels) + strings.Repeat("]", wire.MaxLevels))
	x := chat.Custom{{Name: "x", Value: deep}}
	f.world()
	f.update(func(tx store.Tx) error {
		if _, err := tx.PutUser(&chat.User{ID: "bob", Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15, Custom: x}); err != nil {
			return err
		}
		r := chat.Reaction{MessageID: "two-1", UserID: "bob", Type: "like", Score: 1, CreatedAt: 1e15, UpdatedAt: 1e15, Custom: x}
		if err := tx.PutReaction(&r); err != nil {
			return err
		}
		ms := []chat.Message{{
			ID: "two-7", CID: "messaging:two", UserID: "bob", Type: chat.Regular, QuotedMessageID: "two-1", CreatedAt: 2e15, UpdatedAt: 2e15,
			Attachments: deep, Custom: x,
		}}
		_, err := tx.InsertMessages(ms, false)
		return err
	})
	for _, m := range f.export("") {
		if r := verify(t, m.file, m.manifest); !r.OK() {
			t.Errorf("%s: %q", m.name, r.Problems)
		}
	}
}

func TestVerifyWindows(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 40)
	f.channel("two", 7)
	for _, options := range []string{`"version":"v1"`, `"version":"v2"`, `"version":"v2","format":"csv"`} {
		r, file := f.run(f.task(`{"channels":[{"cid":"messaging:one","messages_since":"2001-09-09T01:46:50Z"},{"cid":"messaging:two"},` +
			`{"cid":"messaging:one","messages_until":"2001-09-09T01:46:51Z"},{"cid":"messaging:one"}],` + options + `}`))
		if got := verify(t, file, f.read(r.ManifestPath)); !got.OK() {
			t.Errorf("%s: %q", options, got.Problems)
		}
		if got := verify(t, file, nil); !got.OK() {
			t.Errorf("%s without manifest: %q", options, got.Problems)
		}
	}
	r, file := f.run(f.task(`{"filter":{"type":"none"},"version":"v2"}`))
	if got := verify(t, file, f.read(r.ManifestPath)); len(file) > 0 || !got.OK() {
		t.Errorf("a filter that finds nothing: %q", got.Problems)
	}
	bad(t, "nothing", "empty", nil, nil)
}

func TestVerifyEncrypted(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.world()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range f.export(`,"compression":"zstd","encrypt_to":"` + identity.Recipient().String() + `"`) {
		r := verify(t, m.file, m.manifest)
		if !r.OK() || !r.Encrypted || !r.Compared || r.Format != "" || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "encrypted") {
			t.Errorf("%s: %+v", m.name, r)
		}
		bad(t, m.name, "size: the file has", m.file[:len(m.file)-1], m.manifest)
	}
}

// Every kind of damage is told in words.
func TestVerifyDamage(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.world()
	files := map[string]made{}
	for _, m := range f.export("") {
		files[m.name] = m
	}
	lines := func(name string) []string { return strings.SplitAfter(string(files[name].file), "\n") }
	join := func(l ...[]string) string {
		var b strings.Builder
		for _, l := range l {
			b.WriteString(strings.Join(l, ""))
		}
		return b.String()
	}
	v1, v2, users, table := string(files["v1"].file), lines("v2"), lines("users"), lines("csv")
	call := users[slices.IndexFunc(users, func(line string) bool { return strings.HasPrefix(line, `{"type":"call"`) })]
	// v2: 2 channels, 2 members, 2 reads, 47 messages, 2 reactions
	for name, tt := range map[string]struct{ file, reason string }{
		"a message twice":       {join(v2[:10], v2[9:]), `line 11: the message "two-3" is there twice`},
		"messages swapped":      {join(v2[:9], v2[10:11], v2[9:10], v2[11:]), "line 11: the message \"two-3\" is out of order"},
		"channels swapped":      {join(v2[:6], v2[13:53], v2[6:13], v2[53:]), `"messaging:two" is not in the file, or comes earlier`},
		"a reaction less":       {join(v2[:54], v2[55:]), "the messages have 2 reactions, but there are 1 reaction lines"},
		"a member at the end":   {join(v2, v2[2:3]), "a member line after the reaction lines"},
		"a member of nowhere":   {strings.Replace(join(v2), `"channel_cid":"messaging:two"`, `"channel_cid":"messaging:six"`, 1), `line 3: the member "carol" has no place here`},
		"no channels":           {join(v2[2:]), "has no place here"},
		"an empty line":         {join(v2[:3], []string{"\n"}, v2[3:]), "line 4 is empty"},
		"a torn line":           {join(v2[:3], []string{v2[3][:99] + "\n"}, v2[4:]), "line 4, column 100: is not valid JSON: it ends too early"},
		"an unfinished line":    {join(v2)[:len(join(v2))-1], "line 55, the last one, has no end"},
		"carriage returns":      {strings.ReplaceAll(join(v2), "\n", "\r\n"), "line 1 ends with a carriage return"},
		"a byte order mark":     {"\ufeff" + join(v2), "byte order mark"},
		"invalid UTF-8":         {strings.Replace(join(v2), "message 3", "message \xff", 1), "is not valid UTF-8"},
		"an unknown type":       {join(v2, []string{`{"type":"poll","data":{}}` + "\n"}), `its type is "poll"`},
		"no data":               {join(v2, []string{`{"type":"reaction"}` + "\n"}), "line 56 must have data"},
		"more than data":        {join(v2, []string{`{"type":"reaction","data":{},"x":1}` + "\n"}), "x has no place beside type and data"},
		"a call in v2":          {join(v2, []string{call}), "a v2 file has no call lines"},
		"no cid":                {strings.Replace(join(v2), `"cid":"messaging:two"`, `"kid":"messaging:two"`, 1), "line 1: the channel has no cid"},
		"another cid":           {strings.Replace(join(v2), `"cid":"messaging:two"`, `"cid":"messaging:too"`, 1), "its cid is not its type and id"},
		"no created_at":         {strings.Replace(join(v2), `"created_at"`, `"kreated_at"`, 2), "the channel has no created_at"},
		"no flat ids":           {strings.Replace(join(v2), `"channel_cid"`, `"kannel_cid"`, 1), "line 3: the member has no channel_cid"},
		"another user_id":       {strings.Replace(join(v2), `"user_id":"carol"`, `"user_id":"dora"`, 1), "user_id is not the id of user"},
		"a time in nanoseconds": {join(v2, []string{`{"type":"reaction","data":{"created_at":1}}` + "\n"}), "line 56, column 41: data.created_at must be a time"},
		"a key twice":           {strings.Replace(join(v2), `"html":""`, `"text":""`, 1), "is given twice"},
		"nothing but braces":    {"{}\n", "line 1 must have data"},

		"users: a message of another": {join(users[:2], users[len(users)-3:len(users)-2], users[2:]), "is not of the user"},
		"users: a message twice":      {join(users[:3], users[2:]), "is there twice"},
		"users: swapped":              {join(users[:2], users[3:4], users[2:3], users[4:]), "is out of order"},
		"users: the user twice":       {join(users[:1], users), `the user "bob" is there twice`},
		"users: no user":              {join(users[1:]), "line 1: a message line before the first user line"},
		"users: out of order":         {join(users[:1], users[24:25], users[1:24], users[25:]), "after the user's"},
		"users: a member":             {join(users, v2[2:3]), "a users file has no member lines"},

		"v1: cut off":              {v1[:len(v1)/2], "the file ends in the middle"},
		"v1: no line end":          {v1[:len(v1)-1], "does not end with a line end"},
		"v1: something follows":    {v1 + "{}", "something follows the array"},
		"v1: two arrays":           {v1 + v1, "something follows the array"},
		"v1: not JSON":             {strings.Replace(v1, `"messages":[`, `"messages":<`, 1), "not valid JSON"},
		"v1: no messages":          {strings.Replace(v1, `"messages":[`, `"massages":[`, 1), "the entry has no messages"},
		"v1: an unknown key":       {strings.Replace(v1, `"messages":[`, `"massages":[`, 1), `the key "massages" has no place`},
		"v1: no list":              {`[{"channel":{"cid":"a:b","id":"b","type":"a","created_at":"2024-01-01T00:00:00Z"},"messages":{},"members":[]}]` + "\n", "there should be an array"},
		"v1: no entry":             {"[1]\n", "there should be an object with a channel"},
		"v1: another order":        {`[{"channel":{"cid":"a:b","id":"b","type":"a","created_at":"2024-01-01T00:00:00Z"},"members":[],"messages":[]}]` + "\n", "messages should come before members"},
		"v1: another channel":      {strings.Replace(v1, `"cid":"messaging:two","id":"two"`, `"cid":"messaging:six","id":"six"`, 1), `is of another channel than "messaging:six"`},
		"v1: a message that is no": {strings.Replace(v1, `"messages":[`, `"messages":[7,`, 1), "must be an object"},
		"v1: a message twice":      {strings.Replace(v1, `"id":"two-3"`, `"id":"two-2"`, 1), `the message "two-2" is there twice`},

		"csv: a field more":      {join(table[:3], []string{"x," + table[3]}, table[4:]), "line 4: the row has 20 fields, the header 19"},
		"csv: line feeds":        {strings.ReplaceAll(join(table), "\r\n", "\n"), "must end with a carriage return and a line feed"},
		"csv: cut off":           {strings.TrimSuffix(join(table), "\r\n"), "the last row has no end"},
		"csv: an open quote":     {join(table) + `"`, "line 49"},
		"csv: invalid UTF-8":     {strings.Replace(join(table), "message 3", "message \xff", 1), `the column "text" is not valid UTF-8`},
		"csv: not a time":        {strings.Replace(join(table), "2001-09-09T", "2001-09-09 ", 1), "created_at must be a time"},
		"csv: a column twice":    {strings.Replace(join(table), "id,cid", "cid,cid", 1), `the column "cid" is there twice`},
		"parquet: no footer":     {"PAR1" + strings.Repeat("x", 100), "Parquet footer"},
		"parquet: short":         {"PAR1", "Parquet footer"},
		"something else":         {"\x7fELF\x01\x02", "of no format"},
		"gzip of nothing":        {"\x1f\x8b", "gzip data ends in the middle"},
		"gzip, then something":   {zipped(t, join(v2)) + "something else", "gzip data is damaged"},
		"zstd that is none":      {"\x28\xb5\x2f\xfdrubbish, rubbish", "zstd data"},
		"gzip of a damaged file": {zipped(t, join(v2[:7], v2[6:])), "is there twice"},
	} {
		bad(t, name, tt.reason, []byte(tt.file), nil)
	}
	// csv with a manifest knows where channels begin.
	swapped := join(table[:3], table[4:5], table[3:4], table[5:])
	bad(t, "csv, swapped", "is out of order", []byte(swapped), files["csv"].manifest)
	if r := verify(t, []byte(zipped(t, join(v2[:20]))+zipped(t, join(v2[20:]))), nil); !r.OK() || r.Counts.Messages != 47 {
		t.Errorf("two gzip members: %+v", r)
	}
}

// What a file is cannot be told from lines that cannot be read, and nothing is made
// up about it.
func TestVerifyUnreadableLines(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.world()
	v2 := f.export("")[2]
	users, _, _ := strings.Cut(string(v2.file), `{"type":"channel"`)
	for name, line := range map[string]string{
		"torn":     `{"type":"channel","data":{"cid`,
		"too deep": `{"type":"channel","data":{"x":` + strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999) + "}}",
		"too long": `{"type":"channel","data":{"x":"` + strings.Repeat("x", 64<<20) + `"}}`,
	} {
		r := verify(t, []byte(users+line+"\n"), v2.manifest)
		if len(r.Problems) != 3 || r.Format != "" || !strings.HasPrefix(r.Problems[0], "size") || !strings.HasPrefix(r.Problems[1], "sha256") {
			t.Errorf("%s: the format is %q, the problems are %q", name, r.Format, r.Problems)
		}
	}
}

// An import file looks much like an export and is called what it is, once.
func TestVerifyImportFile(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.world()
	v2 := f.export("")[1]
	const (
		user    = `{"type":"user","data":{"id":"ada","created_at":"2024-01-01T00:00:00Z"}}` + "\n"
		gone    = `{"type":"user","data":{"id":"ada","deleted_at":"2024-01-01T00:00:00Z"}}` + "\n"
		channel = `{"type":"channel","data":{"id":"tea","type":"messaging","created_by":"ada"}}` + "\n"
		message = `{"type":"message","data":{"id":"m","channel_type":"messaging","channel_id":"tea","user":"ada","text":"x"}}` + "\n"
	)
	files := map[string]string{
		"users only":    user,
		"from channels": channel + message,
		"from messages": message,
		"after a trace": gone + channel + message,
		"device":        `{"type":"device","data":{"id":"d"}}` + "\n" + channel,
		"items":         `{"type":"user","item":{"id":"ada","online":false,"deleted_at":"2024-01-01T00:00:00Z"}}` + "\n",
		"array":         `[{"type":"user","item":{"id":"ada"}},{"type":"channel","item":{"id":"tea"}}]`,
		"array of data": `[{"data":{"id":"ada"},"type":"user"}]` + "\n",
		"gzip":          zipped(t, user+channel),
	}
	for name, file := range files {
		for _, manifest := range [][]byte{nil, v2.manifest} {
			r := verify(t, []byte(file), manifest)
			if len(r.Problems) == 0 || r.Format != "import" || r.Counts != (format.Counts{}) || manifest == nil && len(r.Problems) != 1 ||
				r.Problems[0] != "this is an import file, not an export file" {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	sample, err := os.ReadFile("../sample/chat.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if r := verify(t, sample, nil); len(r.Problems) != 1 || r.Format != "import" {
		t.Errorf("the sample: %q", r.Problems)
	}
}

func zipped(t *testing.T, s string) string {
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

func TestVerifyOtherManifest(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.world()
	all := f.export("")
	v2 := all[1]
	bad(t, "of another file", "format: the file has \"v2\", the manifest says v1", v2.file, all[0].manifest)
	bad(t, "of users", "the manifest says users", v2.file, all[len(all)-1].manifest)
	for name, tt := range map[string]struct{ old, new, reason string }{
		"another sum":       {`"sha256":"`, `"sha256":"0`, "sha256"},
		"compressed":        {`"compression":"none"`, `"compression":"gzip"`, "compression: the file has none"},
		"encrypted":         {`"encryption":"none"`, `"encryption":"age"`, "encryption"},
		"another channel":   {`"cid":"messaging:one"`, `"cid":"messaging:six"`, `has messages of "messaging:one", which the manifest does not list`},
		"another count":     {`"messages":40`, `"messages":41`, `messages of "messaging:one": the file has 40, the manifest says 41`},
		"not JSON":          {`{"task_id"`, `["task_id"`, "the manifest is not a JSON object"},
		"torn":              {`"counts"`, `counts`, "the manifest is not valid JSON"},
		"no sum":            {`"sha256"`, `"sha255"`, "the manifest is not that of an export"},
		"a size in words":   {`"size":`, `"size":"large","x":`, `the manifest has a wrong value for "size"`},
		"an unknown kind":   {`"kind":"channels"`, `"kind":"tasks"`, "the manifest is not that of an export"},
		"an unknown format": {`"format":"json"`, `"format":"xml"`, "the manifest is not that of an export"},
	} {
		bad(t, name, tt.reason, v2.file, bytes.Replace(v2.manifest, []byte(tt.old), []byte(tt.new), 1))
	}
	for _, manifest := range []string{"", " ", "[]", "null", "7", `"manifest"`} {
		bad(t, "the manifest "+manifest, "the manifest is not a JSON object", v2.file, []byte(manifest))
	}
}

// However much is wrong, the report stays short and readable.
func TestVerifyManyProblems(t *testing.T) {
	t.Parallel()
	r := verify(t, []byte(strings.Repeat("{\"type\":\"\\u001b[31m"+strings.Repeat("x", 1000)+"\",\"data\":{}}\n", 100)), nil)
	if len(r.Problems) != 20 || r.More != 80 {
		t.Errorf("%d problems and %d more", len(r.Problems), r.More)
	}
	for _, p := range r.Problems {
		if len(p) > 400 || strings.ContainsRune(p, '\x1b') {
			t.Errorf("not fit for a terminal: %q", p)
		}
	}
	long := strings.Repeat(" ", 65<<20)
	bad(t, "a long line", "line 1 is longer than 64 MiB", []byte("{"+long+"\n"), nil)
	bad(t, "a long object", "larger than 64 MiB", []byte("[{"+long), nil)
	bad(t, "a long row", "larger than 64 MiB", []byte("id\r\n\""+long), nil)
}

func TestVerifyReadError(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk broke")
	for _, begin := range []string{"", "[", "{", "id,cid\r\n", "PAR1", "\x1f\x8b", zipped(t, "[]\n"), "\x28\xb5\x2f\xfd"} {
		_, err := export.Verify(io.MultiReader(strings.NewReader(begin), iotest.ErrReader(broken)), nil)
		if !errors.Is(err, broken) {
			t.Errorf("after %q: %v", begin, err)
		}
	}
}

// Every file of the end-to-end tests is in order.
func TestVerifyGolden(t *testing.T) {
	t.Parallel()
	const dir = "../../test/testdata/golden"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Skip("there are none: ", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".manifest.json") {
			continue
		}
		file, err := os.ReadFile(dir + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if r := verify(t, file, nil); !r.OK() {
			t.Errorf("%s: %q", e.Name(), r.Problems)
		}
	}
}

// Whatever the file and its manifest, there is a report, and size and checksum
// in it are right.
func FuzzVerify(f *testing.F) {
	const when = `"created_at":"2024-01-01T00:00:00Z"`
	const channel = `{"cid":"a:b","id":"b","type":"a",` + when + `}`
	const message = `"id":"m","cid":"a:b","type":"regular","user":{"id":"u"},"latest_reactions":[],` + when + `}`
	lines := `{"type":"channel","data":` + channel + "}\n" +
		`{"type":"message","data":{"channel_cid":"a:b","user_id":"u","message_id":"m",` + message + "}\n"
	array := `[{"channel":` + channel + `,"messages":[{` + message + `],"members":[]}]` + "\n"
	manifest := `{"kind":"channels","version":"v2","format":"json","size":1,"sha256":"0","compression":"none","encryption":"none","counts":{"messages":1},"channels":[{"cid":"a:b","messages":1}]}`
	for _, file := range []string{
		"", lines, array, "id,cid,created_at\r\nm,a:b,2024-01-01T00:00:00Z\r\n", "PAR1\x00\x01\x00\x00\x00PAR1",
		"age-encryption.org/v1\n", "\x1f\x8b\x08", "\x28\xb5\x2f\xfd", `{"type":"user","data":{"id":"u",` + when + "}}\n",
	} {
		f.Add([]byte(file), []byte(manifest))
	}
	f.Fuzz(func(t *testing.T, file, manifest []byte) {
		r, err := export.Verify(bytes.NewReader(file), manifest)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(file)
		if r.Size != int64(len(file)) || r.SHA256 != hex.EncodeToString(sum[:]) || len(r.Problems) > 20 {
			t.Fatalf("the report is %+v", r)
		}
	})
}
