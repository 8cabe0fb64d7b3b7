package export_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
)

// messages puts messages into a channel of their own, a second apart.
func (f *fixture) messages(channel string, ms ...chat.Message) {
	f.Helper()
	f.update(func(tx store.Tx) error {
		_, err := tx.PutChannel(&chat.Channel{Type: "messaging", ID: channel, CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15})
		if err != nil {
			return err
		}
		for i := range ms {
			m := &ms[i]
			m.CID, m.CreatedAt = "messaging:"+channel, chat.Time(1e15+int64(i)*1e6)
			if m.ID == "" {
				m.ID = fmt.Sprintf("%s-%d", channel, i)
			}
			if m.UserID == "" {
				m.UserID = "alice"
			}
			if m.Type == "" {
				m.Type = chat.Regular
			}
			m.UpdatedAt = m.CreatedAt
		}
		_, err = tx.InsertMessages(ms, false)
		return err
	})
}

func custom(name, value string) chat.Custom {
	return chat.Custom{{Name: name, Value: chat.Raw(value)}}
}

func table(format, channels, fields string) string {
	body := `{"version":"v2","format":"` + format + `","channels":[`
	for i, c := range strings.Fields(channels) {
		if i > 0 {
			body += ","
		}
		body += `{"cid":"messaging:` + c + `"}`
	}
	body += "]"
	if fields != "" {
		body += `,"include_fields":` + fields
	}
	return body + "}"
}

func TestCSV(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.messages("one",
		chat.Message{Text: "plain"},
		chat.Message{Text: `she said "no, <never> & no"`, UserID: "bob"},
		chat.Message{Text: "two\nlines\r\nand more\r"},
		chat.Message{Text: "=HYPERLINK(\"http://x\")"},
		chat.Message{Text: "+1 -1 @x"},
		chat.Message{Text: " padded "},
		chat.Message{Text: "👩‍👩‍👧 صباح الخير \u202eabc \u2028 \t"},
		chat.Message{Text: ""},
		chat.Message{Text: "gone", DeletedAt: 1e15 + 9e6},
	)
	r, file := f.run(f.task(table("csv", "one", `["id","user_id","user_name","text","type","deleted_at"]`)))
	want := "id,user_id,user_name,text,type,deleted_at\r\n" +
		"one-0,alice,ALICE,plain,regular,\r\n" +
		"one-1,bob,BOB,\"she said \"\"no, <never> & no\"\"\",regular,\r\n" +
		"one-2,alice,ALICE,\"two\nlines\r\nand more\r\",regular,\r\n" +
		"one-3,alice,ALICE,\"=HYPERLINK(\"\"http://x\"\")\",regular,\r\n" +
		"one-4,alice,ALICE,+1 -1 @x,regular,\r\n" +
		"one-5,alice,ALICE,\" padded \",regular,\r\n" +
		"one-6,alice,ALICE,👩‍👩‍👧 صباح الخير \u202eabc \u2028 \t,regular,\r\n" +
		"one-7,alice,ALICE,,regular,\r\n" +
		"one-8,alice,ALICE,gone,deleted,2001-09-09T01:46:49Z\r\n"
	if d := cmp.Diff(want, string(file)); d != "" {
		t.Error(d)
	}
	if r.Counts.Messages != 9 || r.Counts.Channels != 1 || r.Counts.Members != 0 || r.Counts.Reactions != 0 || !strings.HasSuffix(r.Path, ".csv") {
		t.Errorf("%s, counts %+v", r.Path, r.Counts)
	}
	_, cleared := f.run(f.task(strings.Replace(table("csv", "one", `["text"]`), "{", `{"clear_deleted_message_text":true,`, 1)))
	if !bytes.HasSuffix(cleared, []byte("\r\n\"\"\r\n\"\"\r\n")) {
		t.Errorf("ends with %q", cleared[len(cleared)-20:])
	}
}

func TestCSVDefaultColumns(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 1)
	f.messages("two", chat.Message{Text: "a", Attachments: chat.Raw(`[{"type":"file","n":2.50}]`), MentionedUsers: []string{"bob"}, Pinned: true, PinnedAt: 1e15},
		chat.Message{ParentID: "two-0", Type: chat.Reply, Text: "b", ShowInChannel: true, QuotedMessageID: "two-0", Attachments: chat.Raw(`[]`)})
	_, file := f.run(f.task(table("csv", "two one", "")))
	want := "id,cid,channel_type,channel_id,type,user_id,user_name,text,parent_id,show_in_channel,quoted_message_id,attachments,mentioned_users,reaction_counts,reply_count,pinned,created_at,updated_at,deleted_at\r\n" +
		`two-0,messaging:two,messaging,two,regular,alice,ALICE,a,,,,"[{""type"":""file"",""n"":2.50}]","[{""id"":""bob"",""role"":""user"",""created_at"":""2001-09-09T01:46:40Z"",""updated_at"":""2001-09-09T01:46:40Z"",""banned"":false,""online"":false,""name"":""BOB""}]",{},1,true,2001-09-09T01:46:40Z,2001-09-09T01:46:40Z,` + "\r\n" +
		"two-1,messaging:two,messaging,two,reply,alice,ALICE,b,two-0,true,two-0,[],[],{},0,false,2001-09-09T01:46:41Z,2001-09-09T01:46:41Z,\r\n" +
		`one-0,messaging:one,messaging,one,regular,alice,ALICE,message 0 <&>,,,,[],[],"{""like"":1}",0,false,2001-09-09T01:46:40Z,2001-09-09T01:46:40Z,` + "\r\n"
	if d := cmp.Diff(want, string(file)); d != "" {
		t.Error(d)
	}
}

func TestCSVCustomColumns(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.messages("one",
		chat.Message{Custom: custom("a, \"b\"", `"x"`)},
		chat.Message{Custom: custom("a, \"b\"", `123456789012345678901234567890`)},
		chat.Message{Custom: custom("a, \"b\"", `{"z":1,"a":[true,null]}`)},
		chat.Message{Custom: custom("a, \"b\"", `false`)},
		chat.Message{Custom: custom("a, \"b\"", `null`)},
		chat.Message{Custom: custom("user_name", `"hidden"`)},
	)
	_, file := f.run(f.task(table("csv", "one", `["a, \"b\"","user_name","silent"]`)))
	want := "\"a, \"\"b\"\"\",user_name,silent\r\n" +
		"x,ALICE,false\r\n123456789012345678901234567890,ALICE,false\r\n\"{\"\"z\"\":1,\"\"a\"\":[true,null]}\",ALICE,false\r\n" +
		"false,ALICE,false\r\n,ALICE,false\r\n,ALICE,false\r\n"
	if d := cmp.Diff(want, string(file)); d != "" {
		t.Error(d)
	}
}

// What a CSV reader gives back is what was written, however the file was made.
func TestCSVReadBack(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.service.CheckpointEvery = time.Nanosecond
	f.channel("one", 3000)
	f.channel("none", 0)
	f.channel("two", 100)
	request := table("csv", "two none one", `["text","id"]`)
	_, straight := f.run(f.task(request))
	f.service.SpoolAbove = 1
	_, spooled := f.run(f.task(request))
	if !bytes.Equal(straight, spooled) {
		t.Error("straight and spooled differ")
	}
	rows, err := csv.NewReader(bytes.NewReader(straight)).ReadAll()
	if err != nil || len(rows) != 3101 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if d := cmp.Diff([]string{"message 2999 <&>", "one-2999"}, rows[3100]); d != "" {
		t.Error(d)
	}
}

func TestIncludeFieldsRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.messages("one", chat.Message{Custom: custom("color", `"red"`)})
	f.messages("two", chat.Message{Custom: custom("shape", `1`)})
	many := `["a0"`
	for i := range 200 {
		many += fmt.Sprintf(`,"a%d"`, i+1)
	}
	for name, c := range map[string]struct{ fields, in, says string }{
		"unknown":          {`["id","colour","color","nope"]`, "include_fields", "colour, nope"},
		"unknown, a user":  {`["role"]`, "include_fields", "role"},
		"empty":            {`["id",""]`, "include_fields[1]", "empty"},
		"twice":            {`["id","text","id"]`, "include_fields[2]", "second time"},
		"control":          {`["a\u0007"]`, "include_fields[0]", "control"},
		"long":             {`["` + strings.Repeat("é", 128) + `"]`, "include_fields[0]", "255 bytes"},
		"too many columns": {many + `]`, "include_fields", "200"},
		"not strings":      {`[1]`, "include_fields[0]", "string"},
	} {
		for _, format := range []string{"csv", "parquet"} {
			_, err := f.service.RequestChannels(t.Context(), f.app, []byte(table(format, "one two", c.fields)), "")
			e := wire.AsError(err)
			if e == nil || e.Code != wire.CodeBadInput || !strings.Contains(e.Fields[c.in], c.says) {
				t.Errorf("%s, %s: %v", name, format, err)
			}
		}
	}
	for _, body := range []string{
		table("csv", "one two", `["color","shape","user_name","i18n","own_reactions"]`),
		table("csv", "one", `[]`),
		`{"filter":{},"version":"v2","format":"csv","include_fields":["nobody knows"]}`,
	} {
		if _, err := f.service.RequestChannels(t.Context(), f.app, []byte(body), ""); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// A custom field that a long channel has used only lately is a known column.
func TestColumnOfLateMessages(t *testing.T) {
	t.Parallel()
	f := setup(t)
	ms := make([]chat.Message, 20000)
	for i := range ms {
		if i >= 19900 {
			ms[i].Custom = custom("late", `1`)
		}
	}
	f.messages("one", ms...)
	_, file := f.run(f.task(table("csv", "one", `["late"]`)))
	if n := bytes.Count(file, []byte("\r\n1")); n != 100 {
		t.Errorf("%d late rows", n)
	}
	if _, err := f.service.RequestChannels(t.Context(), f.app, []byte(table("csv", "one", `["later"]`)), ""); wire.AsError(err) == nil {
		t.Errorf("got %v", err)
	}
}

func TestParquet(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.channel("one", 2500)
	f.messages("two", chat.Message{Text: "é <\n", Custom: custom("col,or", `{"a":2.50}`)}, chat.Message{DeletedAt: 1e15 + 3, ShowInChannel: true})
	request := table("parquet", "two one", `["text","created_at","reply_count","col,or","show_in_channel","deleted_at","channel_id","reaction_counts"]`)
	r, file := f.run(f.task(request))
	if r.Counts.Messages != 2502 || r.Counts.Channels != 2 || !strings.HasSuffix(r.Path, ".parquet") {
		t.Errorf("%s, counts %+v", r.Path, r.Counts)
	}
	if _, again := f.run(f.task(request)); !bytes.Equal(file, again) {
		t.Error("the same data gave other bytes")
	}
	p, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	schema := `message message {
	optional binary text (STRING);
	optional int64 created_at (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS));
	optional int64 reply_count (INT(64,true));
	optional binary col,or (JSON);
	optional boolean show_in_channel;
	optional int64 deleted_at (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS));
	optional binary channel_id (STRING);
	optional binary reaction_counts (JSON);
}`
	if d := cmp.Diff(schema, p.Schema().String()); d != "" {
		t.Error(d)
	}
	got := readParquet(t, p)
	want := [][]any{
		{"é <\n", int64(1e15), int64(0), `{"a":2.50}`, nil, nil, "two", "{}"},
		{"", int64(1e15 + 1e6), int64(0), nil, true, int64(1e15 + 3), "two", "{}"},
		{"message 0 <&>", int64(1e15), int64(0), nil, nil, nil, "one", `{"like":1}`},
	}
	if len(got) != 2502 {
		t.Fatalf("%d rows", len(got))
	}
	if d := cmp.Diff(want, got[:3]); d != "" {
		t.Error(d)
	}
	// Packed, and from a filter that finds nothing.
	if _, packed := f.run(f.task(strings.Replace(request, "{", `{"compression":"gzip",`, 1))); !bytes.HasPrefix(packed, []byte{0x1f, 0x8b}) {
		t.Error("not gzip")
	}
	_, empty := f.run(f.task(`{"filter":{"type":"nothing"},"version":"v2","format":"parquet"}`))
	p, err = parquet.OpenFile(bytes.NewReader(empty), int64(len(empty)))
	if err != nil || p.NumRows() != 0 || len(p.Schema().Fields()) != 19 {
		t.Errorf("an empty export: %v", err)
	}
}

func readParquet(t *testing.T, p *parquet.File) (out [][]any) {
	t.Helper()
	for _, group := range p.RowGroups() {
		rows := group.Rows()
		buf := make([]parquet.Row, 100)
		for {
			n, err := rows.ReadRows(buf)
			for _, row := range buf[:n] {
				values := make([]any, len(row))
				for i, v := range row {
					switch {
					case v.IsNull():
					case v.Kind() == parquet.ByteArray:
						values[i] = string(v.ByteArray())
					case v.Kind() == parquet.Boolean:
						values[i] = v.Boolean()
					default:
						values[i] = v.Int64()
					}
				}
				out = append(out, values)
			}
			if err != nil {
				break
			}
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
	return out
}
